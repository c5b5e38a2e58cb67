// Reads every sensor of the device, and tells both the gateway's store and the app's other modules.

import { publish } from "hypha/host/messages";
import { names, read } from "hypha/host/sensor";
import { emit } from "hypha/host/telemetry";

export function tick(nowMs: u64): void {
  const sensors = names();
  for (let index = 0; index < sensors.length; index++) {
    const name = sensors[index];
    const reading = read(name);
    // A sensor that can't be read now is read again with the next tick: a hole in the series says so better than a made-up value.
    if (!reading.isOk) continue;
    emit(name, reading.value);
    const payload = `{"value":${reading.value},"at":${nowMs}}`;
    publish("climate/" + name, Uint8Array.wrap(String.UTF8.encode(payload)));
  }
}
