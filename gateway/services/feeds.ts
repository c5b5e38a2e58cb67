import type { EventLine, LogLine, Value } from '../admin/api/schemas/data.ts'
import { Hub } from './hub.ts'

/** What happens in the fleet, for whoever follows it. Ingest publishes here what it has stored. */
export class Feeds {
  readonly values = new Hub<Value>()
  readonly logs = new Hub<LogLine>()
  readonly events = new Hub<EventLine>()
}
