import { HyphaError } from '@hypha/core/errors.ts'

export interface WitToken {
  readonly kind: 'word' | 'version' | 'number' | 'symbol' | 'end'
  readonly text: string
  readonly line: number
  /** The `///` lines before the token, joined; empty where there are none. */
  readonly docs: string
}

const pattern =
  /(?<space>\s+)|(?<docs>\/\/\/[^\n]*)|(?<comment>\/\/[^\n]*|\/\*[\s\S]*?\*\/)|(?<version>@\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)|(?<word>%?[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*)|(?<number>\d+(?:\.\d+)*)|(?<symbol>->|[{}()<>,:;=/.@_*])/y

/** A stream of WIT tokens with one token of look-ahead, and errors that name file and line. */
export class WitLexer {
  readonly file: string
  readonly #tokens: WitToken[]
  #at = 0

  constructor(file: string, text: string) {
    this.file = file
    this.#tokens = tokenize(file, text)
  }

  get peek(): WitToken {
    return this.#tokens[this.#at]!
  }

  next(): WitToken {
    const token = this.peek
    if (token.kind !== 'end') this.#at++
    return token
  }

  /** Takes the next token where it is `text`, and says whether it was. */
  accept(text: string): boolean {
    if (this.peek.text !== text) return false
    this.next()
    return true
  }

  expect(text: string): WitToken {
    if (this.peek.text !== text) throw this.fail(`expected "${text}", found "${this.peek.text}"`)
    return this.next()
  }

  /** An identifier; the `%` that lets a keyword be one is dropped. */
  name(): string {
    const token = this.next()
    if (token.kind !== 'word') throw this.fail(`expected a name, found "${token.text}"`, token)
    return token.text.replace('%', '')
  }

  fail(message: string, token = this.peek): HyphaError {
    return new HyphaError('wit-invalid', message, { where: `${this.file}:${token.line}` })
  }
}

function tokenize(file: string, text: string): WitToken[] {
  const tokens: WitToken[] = []
  let line = 1
  let docs: string[] = []
  pattern.lastIndex = 0
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex
    const groups = pattern.exec(text)?.groups
    if (groups === undefined) {
      throw new HyphaError('wit-invalid', `"${text[at]}" can't stand here`, { where: `${file}:${line}` })
    }
    if (groups.docs !== undefined) docs.push(groups.docs.slice(3).trim())
    for (const kind of ['word', 'version', 'number', 'symbol'] as const) {
      const found = groups[kind]
      if (found === undefined) continue
      tokens.push({ kind, text: found, line, docs: docs.join('\n') })
      docs = []
    }
    for (let index = at; index < pattern.lastIndex; index++) if (text[index] === '\n') line++
  }
  tokens.push({ kind: 'end', text: 'end of file', line, docs: '' })
  return tokens
}
