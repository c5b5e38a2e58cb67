/** Which device the running turn belongs to, and which one the module has chosen for its calls. One per cell: an instance that calls another of its cell lends it its choice. */
export class TurnHome {
  /** Of the running instance's turn; null for none. */
  home: string | null = null
  /** Chosen with `hypha:host/links.target`, by the running instance, for its calls in this turn. */
  target: string | null = null

  begin(home: string | null): void {
    this.home = home
    this.target = null
  }

  /** The device that calls are meant for. */
  get forCalls(): string | null {
    return this.target ?? this.home
  }
}
