import { HyphaError } from '@hypha/core/errors.ts'
import type { WitType } from '@hypha/core/wasm/types.ts'
import { docLines, snake } from './bindgen-names.ts'
import { flagBytes, tagBytes } from './flat.ts'
import type { WitInterface, WitTypeDef } from './wit.ts'

const scalars: Readonly<Record<string, string>> = {
  bool: 'bool',
  u8: 'uint8_t',
  u16: 'uint16_t',
  u32: 'uint32_t',
  u64: 'uint64_t',
  s8: 'int8_t',
  s16: 'int16_t',
  s32: 'int32_t',
  s64: 'int64_t',
  f32: 'float',
  f64: 'double',
  char: 'uint32_t',
  string: 'hypha_string_t',
}

const unsigned = { 1: 'uint8_t', 2: 'uint16_t', 4: 'uint32_t' } as const

const keywords = new Set(
  (
    'auto break case char const continue default do double else enum extern float for goto if inline int long register restrict return short ' +
    'signed sizeof static struct switch typedef union unsigned void volatile while bool true false asm'
  ).split(' '),
)

/** A parameter's or field's name: C's keywords can't be one. */
export const cValueName = (name: string): string => (keywords.has(snake(name)) ? `${snake(name)}_` : snake(name))

/** The C types of one interface. Types without a name in WIT get one from their structure, and are declared where they are first needed. */
export class CTypes {
  readonly #named = new Map<WitType, string>()
  readonly #declared = new Set<string>()
  readonly #lines: string[] = []

  constructor(item: WitInterface) {
    for (const use of item.used) this.#named.set(use.type, `${snake(use.from.replace(/@.*$/, ''))}_${snake(use.name)}`)
    for (const def of item.types) {
      const name = `${snake(item.id.replace(/@.*$/, ''))}_${snake(def.name)}`
      this.#declareNamed(def, name)
      this.#named.set(def.type, name)
    }
  }

  /** The C type, as it stands before a variable. */
  of(type: WitType): string {
    if (typeof type === 'string') return scalars[type]!
    if (type.kind === 'list' && type.of === 'u8') return 'hypha_bytes_t'
    const name = this.stem(type)
    if (!this.#named.has(type)) this.#declareAnonymous(type, name)
    return `${name}_t`
  }

  /** What the names of a type, its cases and its fields begin with. */
  stem(type: WitType): string {
    if (typeof type === 'string') return type
    const named = this.#named.get(type)
    if (named !== undefined) return named
    return `hypha_${this.#structure(type)}`
  }

  #structure(type: WitType | null): string {
    if (type === null) return 'unit'
    if (typeof type === 'string') return type
    const named = this.#named.get(type)
    if (named !== undefined) return named
    switch (type.kind) {
      case 'list':
        return type.of === 'u8' ? 'bytes' : `list_${this.#structure(type.of)}`
      case 'option':
        return `option_${this.#structure(type.of)}`
      case 'result':
        return `result_${this.#structure(type.ok)}_${this.#structure(type.err)}`
      case 'tuple':
        return `tuple${type.items.length}_${type.items.map((item) => this.#structure(item)).join('_')}`
      default:
        throw new HyphaError('wit-invalid', `the type ${type.name} must be named in "use" where its user is used`)
    }
  }

  /** Declarations of everything that was asked for, in an order in which they can stand. */
  declarations(): string[] {
    return this.#lines
  }

  #declareAnonymous(type: Exclude<WitType, string>, stem: string): void {
    if (this.#declared.has(stem)) return
    this.#declared.add(stem)
    const body = this.#anonymousBody(type)
    // Several headers may need the same type.
    const guard = `${stem}_t_defined`.toUpperCase()
    this.#lines.push(`#ifndef ${guard}`, `#define ${guard}`, `typedef struct { ${body} } ${stem}_t;`, '#endif', '')
  }

  #anonymousBody(type: Exclude<WitType, string>): string {
    switch (type.kind) {
      case 'list':
        return `${this.of(type.of)} *ptr; size_t len;`
      case 'option':
        return `bool is_some; ${this.of(type.of)} val;`
      case 'tuple':
        return type.items.map((item, index) => `${this.of(item)} f${index};`).join(' ')
      case 'result': {
        const ok = type.ok === null ? '' : `${this.of(type.ok)} ok; `
        const err = type.err === null ? '' : `${this.of(type.err)} err; `
        return `bool is_err;${ok + err === '' ? '' : ` union { ${ok}${err}} val;`}`
      }
      default:
        throw new TypeError(`${type.kind} has a name`)
    }
  }

  #declareNamed(def: WitTypeDef, stem: string): void {
    const { type } = def
    if (typeof type === 'string') return
    const docs = (name: string): string[] => docLines(def.memberDocs.get(name) ?? '', '  ')
    const lines = docLines(def.docs)
    const upper = stem.toUpperCase()
    const constant = (name: string): string => `${upper}_${snake(name).toUpperCase()}`
    switch (type.kind) {
      case 'enum':
        lines.push(
          'enum {',
          ...type.cases.flatMap((name, index) => [...docs(name), `  ${constant(name)} = ${index},`]),
          '};',
        )
        lines.push(`typedef ${unsigned[tagBytes(type.cases.length)]} ${stem}_t;`)
        break
      case 'flags':
        lines.push(
          'enum {',
          ...type.flags.flatMap((name, bit) => [...docs(name), `  ${constant(name)} = 1u << ${bit},`]),
          '};',
        )
        lines.push(`typedef ${unsigned[flagBytes(type.flags.length)]} ${stem}_t;`)
        break
      case 'record':
        lines.push('typedef struct {')
        lines.push(
          ...type.fields.flatMap((field) => [
            ...docs(field.name),
            `  ${this.of(field.type)} ${cValueName(field.name)};`,
          ]),
        )
        lines.push(`} ${stem}_t;`)
        break
      case 'variant': {
        const payloads = type.cases.flatMap((item) =>
          item.type === null
            ? []
            : [...docs(item.name).map((line) => `  ${line}`), `    ${this.of(item.type)} ${cValueName(item.name)};`],
        )
        lines.push(
          'enum {',
          ...type.cases.map((item, index) => `  ${constant(item.name)} = ${index},`),
          '};',
          'typedef struct {',
        )
        lines.push(`  ${unsigned[tagBytes(type.cases.length)]} tag;`)
        if (payloads.length > 0) lines.push('  union {', ...payloads, '  } val;')
        lines.push(`} ${stem}_t;`)
        break
      }
      default:
        return
    }
    this.#lines.push(...lines, '')
  }
}
