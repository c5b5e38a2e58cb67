import { goalOf, type Result } from './row.ts'

export const summary = (results: readonly Result[], seconds: number): string =>
  `${results.filter(({ refused }) => refused).length} of ${results.length} refused in ${seconds.toFixed(1)} s`

export function table(results: readonly Result[]): string {
  return results
    .map(
      (r) =>
        `${r.refused ? 'ok  ' : 'LET '} ${r.name.padEnd(36)} ${r.sent.padEnd(52)} ${r.at} ${r.code} ${r.ms} ${r.fault ?? ''}`,
    )
    .join('\n')
}
void goalOf
