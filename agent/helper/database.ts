import { argv, stdin, stdout } from 'node:process'
import { createInterface } from 'node:readline'
import { openDatabase, type Statement } from './sql.ts'

// The process of one app's database: reads statements from its standard input, a JSON object a line, and answers each with a line.

const [, , file = '', maxBytes = '0'] = argv
const database = openDatabase(file, Number(maxBytes))

for await (const line of createInterface({ input: stdin })) {
  stdout.write(`${JSON.stringify(database.run(JSON.parse(line) as Statement))}\n`)
}
