import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { PublishFrame } from '../../gateway/broker/frame.ts'
import { monotonicMs, type Publish, type Serve, topic } from './messages.ts'

/** The version that is installed; null where none is. */
export function mosquittoVersion(): string | null {
  try {
    return /version (\S+)/.exec(execFileSync('mosquitto', ['-h'], { encoding: 'utf8' }).toString())?.[1] ?? 'unknown'
  } catch (error) {
    const { code, stdout } = error as { code?: string; stdout?: string }
    return code === 'ENOENT' ? null : (/version (\S+)/.exec(stdout ?? '')?.[1] ?? 'unknown')
  }
}

/** CPU time of a process with one thread, in microseconds: by the scheduler, which counts nanoseconds. */
const cpuUs = (pid: number) => Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1000

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  return port
}

/** Debian's mosquitto, with persistence on: the publisher is a client, as it is no part of the broker there. */
export async function startMosquitto({ tls, folder }: Pick<Serve, 'tls' | 'folder'>) {
  const [port, own] = [await freePort(), await freePort()]
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 })
    return join(folder, name)
  }
  const secure = tls
    ? `cafile ${file('ca.pem', tls.ca)}\ncertfile ${file('cert.pem', tls.certificate)}\nkeyfile ${file('key.pem', tls.key)}\n` +
      'require_certificate true\nuse_identity_as_username true\ntls_version tlsv1.3\n'
    : ''
  const config =
    'user root\nper_listener_settings false\nallow_anonymous true\nmax_queued_messages 1000\nset_tcp_nodelay true\n' +
    `persistence true\npersistence_location ${folder}/\nlog_type error\nlistener ${own} 127.0.0.1\nlistener ${port} 127.0.0.1\n${secure}`
  const child = spawn('mosquitto', ['-c', file('mosquitto.conf', config)], { stdio: ['ignore', 'ignore', 'inherit'] })
  await pause(300)
  const socket = connect(own, '127.0.0.1')
  await once(socket, 'connect')
  socket.resume().setNoDelay(true)
  const name = Buffer.from('publisher')
  socket.write(Buffer.from([0x10, 12 + name.length, 0, 4, ...Buffer.from('MQTT'), 4, 2, 0, 0, 0, name.length, ...name]))
  await pause(100)
  const pid = child.pid!

  async function quiet(): Promise<void> {
    for (let idle = 0; idle < 3; ) {
      const before = cpuUs(pid)
      await pause(50)
      idle = cpuUs(pid) - before < 3_000 ? idle + 1 : 0
    }
  }

  return {
    port,
    async publish({ number, qos, bytes }: Publish): Promise<{ begunMs: number; cpuUs: number }> {
      const payload = Buffer.alloc(bytes, 0xa5)
      payload.writeUInt32BE(number)
      const frame = new PublishFrame(topic, payload)
      await quiet()
      const [begunMs, before] = [monotonicMs(), cpuUs(pid)]
      socket.write(qos === 0 ? frame.plain(4) : frame.numbered(4, 1))
      await quiet()
      return { begunMs, cpuUs: cpuUs(pid) - before }
    },
    end(): void {
      socket.destroy()
      // Nothing that it would write is of use.
      child.kill('SIGKILL')
    },
  }
}
