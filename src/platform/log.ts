/** Where a program's own messages go: lines on standard error, for a person or for the system's journal. */
export interface Log {
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>

type Level = 'info' | 'warn' | 'error'

/** `json`: one object a line, for collectors. Otherwise `message key=value`, with the level where it isn't `info`. */
export function createLog(options: { json: boolean; write?: (line: string) => void }): Log {
  const write = options.write ?? ((line) => process.stderr.write(line))
  const at =
    (level: Level) =>
    (message: string, fields: LogFields = {}) => {
      const present = Object.entries(fields).filter(([, value]) => value !== undefined)
      if (options.json) {
        write(`${JSON.stringify({ at: new Date().toISOString(), level, message, ...Object.fromEntries(present) })}\n`)
        return
      }
      const time = new Date().toTimeString().slice(0, 8)
      const rest = present.map(([key, value]) => ` ${key}=${quote(String(value))}`).join('')
      write(`${time} ${level === 'info' ? '' : `${level}: `}${visible(message)}${rest}\n`)
    }
  return { info: at('info'), warn: at('warn'), error: at('error') }
}

// Control characters of what others sent never reach a terminal, and make no line that looks like one of ours.
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const visible = (text: string) => text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, ' ')
const quote = (value: string) => (/^[\w.:/@+-]*$/.test(value) ? value : visible(JSON.stringify(value)))
