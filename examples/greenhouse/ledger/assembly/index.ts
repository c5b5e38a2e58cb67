// Writes every reading and every alarm into a table, and keeps the table from growing without end.

import { Level, write } from "hypha/host/log";
import { execute, query, Value } from "hypha/host/sql";
import { emit } from "hypha/host/telemetry";

const keep: i64 = 10_000;

let isReady: bool = false;

// The table is made at the first need: tables outlive instances, so that it is usually there.
function prepare(): void {
  if (isReady) return;
  run("CREATE TABLE IF NOT EXISTS ledger (id INTEGER PRIMARY KEY, topic TEXT NOT NULL, payload TEXT NOT NULL)", []);
  isReady = true;
}

function run(statement: string, params: Array<Value>): void {
  const done = execute(statement, params);
  if (!done.isOk) write(Level.Error, done.error);
}

export function deliver(topic: string, payload: Uint8Array): void {
  prepare();
  const text = String.UTF8.decode(payload.buffer);
  run("INSERT INTO ledger (topic, payload) VALUES (?, ?)", [Value.text(topic), Value.text(text)]);
}

export function tick(nowMs: u64): void {
  prepare();
  run("DELETE FROM ledger WHERE id <= (SELECT max(id) FROM ledger) - ?", [Value.integer(keep)]);
  const counted = query("SELECT count(*) FROM ledger", []);
  if (counted.isOk) emit("rows", <f64>counted.value.rows[0][0].integer);
  else write(Level.Error, counted.error);
}
