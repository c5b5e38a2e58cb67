import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { HyphaError } from '@hypha/core/errors.ts'

/** The passphrase from HYPHA_PASSPHRASE, else from whoever sits at the terminal; null where nobody does. */
export async function askPassphrase(question: string): Promise<string | null> {
  const given = process.env.HYPHA_PASSPHRASE
  if (given !== undefined) return given
  if (!process.stdin.isTTY || !process.stderr.isTTY) return null
  return ask(question)
}

/** A new passphrase, asked twice at a terminal. @throws HyphaError `passphrase-needed`. */
export async function askNewPassphrase(question: string): Promise<string> {
  const first = await askPassphrase(question)
  if (first === '') {
    throw new HyphaError('passphrase-needed', 'The new keys need a passphrase, and an empty one was given', {
      mend: 'Run the command again, and give one.',
    })
  }
  if (first === null) {
    throw new HyphaError(
      'passphrase-needed',
      'The new keys need a passphrase, and there is no terminal to ask for one',
      {
        mend: 'Set HYPHA_PASSPHRASE, or run the command in a terminal.',
      },
    )
  }
  if (process.env.HYPHA_PASSPHRASE === undefined && (await ask('Once more: ')) !== first) {
    throw new HyphaError('argument-invalid', 'The two passphrases differ', { mend: 'Run the command again.' })
  }
  return first
}

/** Whether whoever sits at the terminal says yes; null where nobody does. */
export async function confirm(question: string): Promise<boolean | null> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return null
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return await new Promise<boolean>((resolve) => {
      lines.question(`${question} [y/N] `, (answer) => resolve(/^y(es)?$/i.test(answer.trim())))
      lines.once('close', () => resolve(false))
    })
  } finally {
    lines.close()
  }
}

/** A value from standard input, without the end of its line; at a terminal it is asked for and not shown. */
export async function readValue(question: string): Promise<string> {
  if (process.stdin.isTTY && process.stderr.isTTY) return ask(question)
  let text = ''
  process.stdin.setEncoding('utf8')
  for await (const part of process.stdin) {
    text += part
    if (text.length > maxValueLength) {
      throw new HyphaError('argument-invalid', `The value has more than ${maxValueLength} characters`, {
        where: 'standard input',
      })
    }
  }
  return text.replace(/\r?\n$/, '')
}

/** As the gateway has it. */
const maxValueLength = 4_096

async function ask(question: string): Promise<string> {
  process.stderr.write(question)
  // What is typed is not shown: the line editor writes into nothing.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true })
  try {
    return await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve)
      lines.once('SIGINT', () =>
        reject(new HyphaError('argument-invalid', 'Interrupted', { mend: 'Run the command again.' })),
      )
    })
  } finally {
    lines.close()
    process.stderr.write('\n')
  }
}
