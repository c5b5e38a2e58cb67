// Counts its ticks. What a module exports says how it is driven: `tick` is called once per `timer` in hypha.toml.

import { Level, write } from "hypha/host/log";
import { emit } from "hypha/host/telemetry";

let ticks: u32 = 0;

export function tick(nowMs: u64): void {
  ticks++;
  emit("ticks", <f64>ticks);
  if (ticks == 1) write(Level.Info, `hello: the first tick is at ${nowMs}`);
}
