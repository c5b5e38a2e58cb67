import { HyphaError } from '@hypha/core/errors.ts'
import type { ConfigEntry } from '../admin/api/schemas/apps.ts'
import type { Services } from '../admin/api/services.ts'
import type { SettingRecord } from '../store/settings.ts'
import type { Audit } from './audit.ts'
import { tooLongFor } from './board-standing.ts'
import type { GatewayDeps } from './deps.ts'
import { notFound } from './not-found.ts'
import type { Pipeline } from './pipeline.ts'
import { replan } from './replan.ts'

const entryOf = ({ app, module, node, key, setting }: SettingRecord): ConfigEntry => ({
  app,
  module,
  node,
  key,
  value: setting.kind === 'plain' ? setting.value : null,
  secret: setting.kind === 'sealed',
})

/** What the operator sets over a release's own configuration. A change reaches the nodes as a new directive. */
export function configServices({ store, clock }: GatewayDeps, pipeline: Pipeline, audit: Audit): Services['config'] {
  const known = (app: string) => {
    if (!store.apps.has(app)) throw notFound('app', app)
  }
  const checkLength = (node: string, envelope: Uint8Array) => {
    const text = tooLongFor(store, node, envelope)
    if (text === null) return
    throw new HyphaError('directive-too-long', `${text}. Nothing was set`, { where: node })
  }
  return {
    list: async (app) => {
      known(app)
      return store.settings.list(app).map(entryOf)
    },
    set: async (app, key, { module = null, node = null, value, secret = false }, by) => {
      known(app)
      if (node !== null && store.nodes.get(node) === null) throw notFound('node', node)
      const setting = secret ? pipeline.secrets.keep(value) : ({ kind: 'plain', value } as const)
      const record = { app, module, node, key, setting }
      pipeline.planner.change(() => {
        store.settings.set(record, clock.now())
        audit(by, 'config.set', app, { module, node, key, ...(secret ? { secret } : { value }) })
        const outcome = replan(pipeline.planner.shop)
        // Whoever sets something else is not to be stopped by what was too long before.
        for (const { directive, envelope } of outcome.directives) {
          if (directive.sections.some((section) => section.app === app)) checkLength(directive.node, envelope)
        }
        return outcome
      })
      return entryOf(record)
    },
    unset: async (app, key, { module = null, node = null }, by) => {
      known(app)
      if (!store.settings.remove({ app, module, node, key })) throw notFound('setting', `${key} of ${app}`)
      audit(by, 'config.unset', app, { module, node, key })
      pipeline.planner.replan()
    },
  }
}
