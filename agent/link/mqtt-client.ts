// The client alone: the package's entry also loads the code for WebSockets and proxies.
import * as mqttClient from 'mqtt/lib/client'

type ClientClass = typeof mqttClient.default.default
export type Client = InstanceType<ClientClass>

// A CommonJS module: what `import` makes of its default export depends on who loads it (Node, a bundler, a test runner).
export const MqttClient: ClientClass = mqttClient.default.default ?? (mqttClient.default as unknown as ClientClass)
