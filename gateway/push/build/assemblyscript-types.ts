import { HyphaError } from '@hypha/core/errors.ts'
import type { WitType } from '@hypha/core/wasm/types.ts'
import { bindingPath, camel, docLines, pascal } from './bindgen-names.ts'
import type { WitInterface, WitTypeDef } from './wit.ts'

// Words that can't be names in AssemblyScript, or that bindings would shadow.
const reserved = new Set(
  (
    'arguments await break case catch class const continue debugger default delete do else enum export extends false finally for function if ' +
    'implements import in instanceof interface let namespace new null package private protected public return static super switch this ' +
    'throw true try typeof var void while with yield bool i8 u8 i16 u16 i32 u32 i64 u64 isize usize f32 f64 string Array Uint8Array Result ' +
    'Option Unit assert constructor'
  ).split(' '),
)

/** A function's, parameter's or field's name. */
export const valueName = (name: string): string => escapeReserved(camel(name))

const escapeReserved = (name: string): string => (reserved.has(name) || /^Tuple\d$/.test(name) ? `${name}_` : name)

const numbers: Readonly<Record<string, string>> = {
  bool: 'bool',
  u8: 'u8',
  u16: 'u16',
  u32: 'u32',
  u64: 'u64',
  s8: 'i8',
  s16: 'i16',
  s32: 'i32',
  s64: 'i64',
  f32: 'f32',
  f64: 'f64',
  char: 'u32',
}

/** Names of the types that one file can see. */
export class TypeNames {
  readonly #named = new Map<WitType, string>()

  constructor(item: WitInterface) {
    for (const def of item.types) this.#named.set(def.type, escapeReserved(pascal(def.name)))
    for (const use of item.used) this.#named.set(use.type, escapeReserved(pascal(use.as)))
  }

  /** The AssemblyScript type of a WIT type. */
  of(type: WitType): string {
    if (typeof type === 'string') return numbers[type] ?? 'string'
    const named = this.#named.get(type)
    if (named !== undefined) return named
    switch (type.kind) {
      case 'list':
        return type.of === 'u8' ? 'Uint8Array' : `Array<${this.of(type.of)}>`
      case 'option':
        return isNullable(type.of) ? `${this.of(type.of)} | null` : `Option<${this.of(type.of)}>`
      case 'result':
        return `Result<${this.orUnit(type.ok)}, ${this.orUnit(type.err)}>`
      case 'tuple':
        if (type.items.length > 8)
          throw new HyphaError('wit-invalid', 'tuples of more than 8 items have no AssemblyScript class')
        return `Tuple${type.items.length}<${type.items.map((item) => this.of(item)).join(', ')}>`
      default:
        // A type that a used type is made of, and that the file has no name of its own for.
        throw new HyphaError('wit-invalid', `the type ${type.name} must be named in "use" where its user is used`)
    }
  }

  orUnit(type: WitType | null): string {
    return type === null ? 'Unit' : this.of(type)
  }
}

/** Whether a type is a class, so that `| null` can say that it isn't there. */
export function isNullable(type: WitType): boolean {
  if (typeof type === 'string') return type === 'string'
  return type.kind !== 'enum' && type.kind !== 'flags' && type.kind !== 'option'
}

/** The import line for the types that an interface uses from others. */
export function useLines(item: WitInterface): string[] {
  const byFile = new Map<string, string[]>()
  for (const { as, name, from, type } of item.used) {
    const names = [importOf(name, as)]
    if (typeof type !== 'string' && type.kind === 'variant') names.push(importOf(`${name}-tag`, `${as}-tag`))
    byFile.set(from, [...(byFile.get(from) ?? []), ...names])
  }
  return [...byFile].map(([from, names]) => `import { ${names.join(', ')} } from "${bindingPath(from)}";`)
}

function importOf(name: string, as: string): string {
  const [original, local] = [escapeReserved(pascal(name)), escapeReserved(pascal(as))]
  return original === local ? original : `${original} as ${local}`
}

/** The declaration of a record, variant, enum or flags. */
export function typeLines(def: WitTypeDef, names: TypeNames): string[] {
  const { type } = def
  const name = names.of(type)
  const docs = docLines(def.docs)
  const member = (item: string): string[] => docLines(def.memberDocs.get(item) ?? '', '  ')
  if (typeof type === 'string') return []
  switch (type.kind) {
    case 'enum':
      return [
        ...docs,
        `export enum ${name} {`,
        ...type.cases.flatMap((item) => [...member(item), `  ${pascal(item)},`]),
        '}',
      ]
    case 'flags':
      if (type.flags.length > 32) throw new HyphaError('wit-invalid', `the flags ${def.name} are more than 32`)
      return [
        ...docs,
        `export enum ${name} {`,
        ...type.flags.flatMap((item, bit) => [...member(item), `  ${pascal(item)} = 1 << ${bit},`]),
        '}',
      ]
    case 'record':
      return [
        ...docs,
        `export class ${name} {`,
        '  constructor(',
        ...type.fields.flatMap((field) => [
          ...docLines(def.memberDocs.get(field.name) ?? '', '    '),
          `    public ${valueName(field.name)}: ${names.of(field.type)},`,
        ]),
        '  ) {}',
        '}',
      ]
    case 'variant':
      return variantLines(def, type, name, names)
    default:
      return []
  }
}

function variantLines(
  def: WitTypeDef,
  type: Extract<WitType, { kind: 'variant' }>,
  name: string,
  names: TypeNames,
): string[] {
  const tag = `${name}Tag`
  const lines = [`export enum ${tag} { ${type.cases.map((item) => pascal(item.name)).join(', ')} }`, '']
  lines.push(...docLines(def.docs), `export class ${name} {`)
  for (const item of type.cases) {
    if (item.type !== null)
      lines.push(`  private $${camel(item.name)}: ${names.of(item.type)} = $.none<${names.of(item.type)}>();`)
  }
  lines.push('', `  private constructor(readonly tag: ${tag}) {}`)
  for (const item of type.cases) {
    const [field, constant] = [valueName(item.name), `${tag}.${pascal(item.name)}`]
    lines.push('', ...docLines(def.memberDocs.get(item.name) ?? '', '  '))
    if (item.type === null) {
      lines.push(`  static ${field}(): ${name} { return new ${name}(${constant}); }`)
      continue
    }
    const held = `$${camel(item.name)}`
    lines.push(
      `  static ${field}(value: ${names.of(item.type)}): ${name} {`,
      `    const made = new ${name}(${constant});`,
      `    made.${held} = value;`,
      '    return made;',
      '  }',
      '',
      `  get ${field}(): ${names.of(item.type)} {`,
      `    assert(this.tag == ${constant});`,
      `    return this.${held};`,
      '  }',
    )
  }
  lines.push('}')
  return lines
}
