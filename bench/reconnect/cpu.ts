import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const tickMs = 1000 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** CPU time of a process so far, user and system, in ms; by the kernel's ticks. */
export function cpuMs(pid: number): number {
  // Behind the name in parentheses, which may hold anything; utime and stime are the fields 14 and 15 (proc_pid_stat(5)).
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * tickMs
}
