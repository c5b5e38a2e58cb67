import type { HyphaError } from '@hypha/core/errors.ts'
import type { SectionState } from '@hypha/core/wire/messages/state.ts'
import type { NodeEvent } from './turns.ts'

export interface Why {
  readonly code: string
  readonly message: string
}

/** How an app is doing, for the gateway and for the node's operator. */
export class AppStatus {
  readonly #app: string
  readonly #ports: { event(event: NodeEvent): void; changed(): void }
  #now: { readonly status: SectionState['status']; readonly why: Why | null } = { status: 'receiving', why: null }

  constructor(app: string, ports: { event(event: NodeEvent): void; changed(): void }) {
    this.#app = app
    this.#ports = ports
  }

  get now(): Pick<SectionState, 'status' | 'code' | 'message'> {
    const { status, why } = this.#now
    return { status, code: why?.code.slice(0, 40) ?? null, message: why?.message.slice(0, 1_000) ?? null }
  }

  set(status: SectionState['status'], why: Why | null = null): void {
    this.#now = { status, why }
    this.#ports.changed()
  }

  tell(code: string, error: HyphaError): void {
    this.event(code, `${error.message}${error.where === undefined ? '' : ` (${error.where})`} [${error.code}]`)
  }

  event(code: string, text: string): void {
    this.#ports.event({ instance: { app: this.#app, module: null, home: null }, code, text })
  }
}
