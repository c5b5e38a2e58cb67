import { stdin, stdout } from 'node:process'
import { createInterface } from 'node:readline'
import { openDatabase, type Statement } from './sql.ts'

/** The process of one app's database: reads statements from its standard input, a JSON object a line, and answers each with a line. */
export async function serveDatabase(file: string, maxBytes: number): Promise<void> {
  const database = openDatabase(file, maxBytes)
  for await (const line of createInterface({ input: stdin })) {
    stdout.write(`${JSON.stringify(database.run(JSON.parse(line) as Statement))}\n`)
  }
}
