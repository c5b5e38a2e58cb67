// Posts a summary of the alarms to the address in the setting `url`, so that somebody outside hears of them.

import { get } from "hypha/host/config";
import { HttpErrorTag, Request, send } from "hypha/host/http";
import { Level, write } from "hypha/host/log";
import { emit } from "hypha/host/telemetry";
import { Tuple2 } from "hypha/types";

let alarms: u32 = 0;
let lastAlarm: string = "null";
let posted: u32 = 0;

export function deliver(topic: string, payload: Uint8Array): void {
  alarms++;
  // The payload is JSON already.
  lastAlarm = String.UTF8.decode(payload.buffer);
}

export function tick(nowMs: u64): void {
  const url = get("url");
  if (url === null) {
    write(Level.Warn, "there is nowhere to report to: set `url`");
    return;
  }
  const body = `{"at":${nowMs},"alarms":${alarms},"lastAlarm":${lastAlarm}}`;
  const headers = [new Tuple2("content-type", "application/json")];
  const answer = send(new Request("POST", url, headers, Uint8Array.wrap(String.UTF8.encode(body)), 3000));
  if (!answer.isOk) {
    const why = answer.error.tag;
    emit("http-status", 0);
    write(Level.Warn, why == HttpErrorTag.Unreachable ? answer.error.unreachable : "the report wasn't sent: error " + why.toString());
    return;
  }
  emit("http-status", <f64>answer.value.status);
  if (answer.value.status >= 300) return;
  posted++;
  emit("posted", <f64>posted);
}
