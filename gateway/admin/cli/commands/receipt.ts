import { fromHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { openEnvelope, verifyThreshold } from '@hypha/core/trust/cose.ts'
import { maxReceiptBytes, type Receipt, receipt } from '@hypha/core/trust/receipt.ts'
import type { Command } from 'commander'
import type { ReceiptView } from '../../api/schemas/rollouts.ts'
import { defineCommand, wholeNumber } from '../cli.ts'
import { spreadLines } from '../spread.ts'
import { table } from '../table.ts'

/** A receipt as this command read it itself out of what the node signed; `problem` says why its signature doesn't hold. */
interface Checked {
  readonly view: ReceiptView
  readonly signed: Receipt
  readonly problem: string | null
}

export function registerReceipt(program: Command): void {
  defineCommand<[string, string | undefined] & string[], { epoch?: string }>(
    program,
    {
      usage: 'receipt <app> [node]',
      summary: 'what nodes have signed of their last flip',
      description:
        'Show when each node flipped, how long its inputs waited, and what became of them, as the node itself has signed it. Every signature is checked here, against the key that the gateway names for the node.',
      options: [['--epoch <number>', 'of the flip to this epoch (default: the newest)']],
      examples: ['receipt greenhouse', 'receipt greenhouse pi-7', 'receipt greenhouse --epoch 4 --json'],
    },
    async (cli, options, app, node) => {
      const epoch = options.epoch === undefined ? undefined : wholeNumber(options.epoch, '--epoch', 1, 0xffff_ffff)
      const path = `/v1/apps/${encodeURIComponent(app)}/receipts`
      const given = await cli.api.request<ReceiptView[]>('GET', path, {
        query: { epoch: epoch === undefined ? undefined : `${epoch}` },
      })
      const checked = given.filter((each) => node === undefined || each.node === node).map(check)
      const result = checked.map(({ view, problem }) => ({ ...view, signatureHolds: problem === null, problem }))
      const of = `${app}${node === undefined ? '' : ` on ${node}`}${epoch === undefined ? '' : ` and epoch ${epoch}`}`
      if (checked.length === 0) {
        throw new HyphaError('not-found', `There is no receipt of ${of}`, {
          where: app,
          mend: `A node sends one after a flip in two phases: see hypha rollout show ${app}.`,
        })
      }
      cli.print(result, () => describeReceipts(checked))
      const wrong = checked.filter(({ problem }) => problem !== null)
      if (wrong.length > 0) {
        const each = wrong.map(({ view, problem }) => `${view.node}: ${problem}`).join('; ')
        throw new HyphaError('signature-invalid', `Not all receipts of ${of} hold: ${each}`)
      }
    },
  )
}

/** Reads and verifies the envelope: of what the gateway says beside it, only the key and the time of arrival are taken. */
function check(view: ReceiptView): Checked {
  const opened = openEnvelope(Buffer.from(view.envelope, 'base64'), 'receipt', maxReceiptBytes)
  const signed = receipt.decode(opened.unverifiedPayload)
  try {
    const role = { threshold: 1, keys: [fromHex(view.publicKey)] }
    verifyThreshold(opened, 'receipt', role, view.node, nodeCrypto)
    const other = signed.node !== view.node || signed.app !== view.app
    return { view, signed, problem: other ? `it speaks of ${signed.app} on ${signed.node}` : null }
  } catch (error) {
    if (!(error instanceof HyphaError)) throw error
    return { view, signed, problem: error.message }
  }
}

function describeReceipts(checked: readonly Checked[]): string {
  const rows = table<Checked>(
    [
      { heading: 'NODE', text: ({ view }) => view.node },
      { heading: 'EPOCH', text: ({ signed: { from, to } }) => `${from?.epoch ?? '-'} → ${to.epoch}` },
      { heading: 'FLIPPED', text: ({ signed }) => clockTime(signed.flippedMs) },
      { heading: 'OFF, MS', text: ({ signed }) => offText(signed), right: true },
      {
        heading: 'PAUSE',
        text: ({ signed: { pauseMs } }) => (pauseMs === null ? '?' : `${pauseMs.toFixed(1)} ms`),
        right: true,
      },
      {
        heading: 'INPUTS',
        text: ({ signed: { inputs } }) =>
          inputs === null ? '?' : `${inputs.before}/${inputs.carried}/${inputs.after}`,
      },
      { heading: 'LOST', text: ({ signed }) => `${signed.inputs?.lost ?? '?'}`, right: true },
      { heading: '2×', text: ({ signed }) => `${signed.inputs?.doubled ?? '?'}`, right: true },
      { heading: 'SIGNED', text: ({ problem, signed }) => (problem === null ? signedText(signed) : 'NO') },
    ],
    checked,
  )
  return `${rows}\n\n${spreadLines(checked.map(({ signed }) => signed)).join('\n')}`
}

/** A board's node signs in its place; a report of the board is in it where the pause is the board's own word. */
const signedText = ({ attested }: Receipt): string =>
  attested === null ? 'ok' : `by ${attested.by}${attested.report === null ? ', unproven' : ''}`

/** "+0.3 ± 0.1" of the instant that was asked for; a node that heard of it too late could not keep it. */
const offText = ({ flippedMs, instantMs, errorMs, late }: Receipt): string => {
  const off = flippedMs - instantMs
  const text = `${off < 0 ? '' : '+'}${off.toFixed(1)}`
  return late ? `late, ${text}` : `${text} ± ${Number.isFinite(errorMs) ? errorMs.toFixed(1) : '?'}`
}

const clockTime = (ms: number): string => {
  const at = new Date(ms)
  return `${at.toLocaleTimeString('sv-SE')}.${String(at.getMilliseconds()).padStart(3, '0')}`
}
