import { WitLexer } from './wit-lexer.ts'

/** A type as it is written: names are not resolved yet. */
export type TypeSyntax =
  | { readonly kind: 'name'; readonly name: string; readonly line: number }
  | { readonly kind: 'list' | 'option'; readonly of: TypeSyntax }
  | { readonly kind: 'result'; readonly ok: TypeSyntax | null; readonly err: TypeSyntax | null }
  | { readonly kind: 'tuple'; readonly items: readonly TypeSyntax[] }

interface MemberSyntax {
  readonly name: string
  readonly docs: string
  readonly type: TypeSyntax | null
}

export interface TypeDefSyntax {
  readonly kind: 'record' | 'variant' | 'enum' | 'flags' | 'alias'
  readonly name: string
  readonly docs: string
  readonly line: number
  /** Fields, cases or flags. */
  readonly members: readonly MemberSyntax[]
  /** For aliases. */
  readonly alias: TypeSyntax | null
}

interface FuncSyntax {
  readonly name: string
  readonly docs: string
  readonly params: readonly MemberSyntax[]
  readonly result: TypeSyntax | null
}

interface UseSyntax {
  /** As it is written: `types`, or `other:package/types@1.0.0`. */
  readonly from: string
  readonly names: readonly { readonly name: string; readonly as: string }[]
  readonly line: number
}

export interface InterfaceSyntax {
  /** `my-app:climate` */
  readonly package: string
  /** `@0.1.0`, or empty. */
  readonly version: string
  readonly name: string
  readonly docs: string
  readonly file: string
  readonly uses: readonly UseSyntax[]
  readonly types: readonly TypeDefSyntax[]
  readonly funcs: readonly FuncSyntax[]
}

interface PackageName {
  readonly name: string
  readonly version: string
}

/** Parses the interfaces of one WIT file. Worlds are passed over: Hypha writes each module's world itself. */
export function parseWit(file: string, text: string): InterfaceSyntax[] {
  const lexer = new WitLexer(file, text)
  const interfaces: InterfaceSyntax[] = []
  let current: PackageName | null = null
  while (lexer.peek.kind !== 'end') {
    const docs = lexer.peek.docs
    skipAnnotation(lexer)
    const word = lexer.name()
    if (word === 'package') {
      const name = parsePackageName(lexer)
      if (lexer.accept(';')) current = name
      else {
        lexer.expect('{')
        while (!lexer.accept('}')) parseItem(lexer, lexer.peek.docs, nextWord(lexer), name, interfaces)
      }
    } else parseItem(lexer, docs, word, current, interfaces)
  }
  return interfaces
}

function nextWord(lexer: WitLexer): string {
  skipAnnotation(lexer)
  return lexer.name()
}

function parseItem(
  lexer: WitLexer,
  docs: string,
  word: string,
  owner: PackageName | null,
  interfaces: InterfaceSyntax[],
): void {
  if (word === 'world') {
    lexer.name()
    skipBraces(lexer)
    return
  }
  if (word !== 'interface') throw lexer.fail(`"${word}" begins nothing that Hypha reads: interface or world`)
  if (owner === null) throw lexer.fail('the file names no package', lexer.peek)
  interfaces.push(parseInterface(lexer, docs, owner))
}

function parsePackageName(lexer: WitLexer): PackageName {
  const namespace = lexer.name()
  lexer.expect(':')
  const name = `${namespace}:${lexer.name()}`
  return { name, version: lexer.peek.kind === 'version' ? lexer.next().text : '' }
}

function skipBraces(lexer: WitLexer): void {
  lexer.expect('{')
  for (let depth = 1; depth > 0; ) {
    const token = lexer.next()
    if (token.kind === 'end') throw lexer.fail('a brace is not closed')
    if (token.text === '{') depth++
    if (token.text === '}') depth--
  }
}

/** `@since(version = 0.2.0)` and its like say nothing that matters here. */
function skipAnnotation(lexer: WitLexer): void {
  while (lexer.accept('@')) {
    lexer.name()
    lexer.expect('(')
    while (!lexer.accept(')')) if (lexer.next().kind === 'end') throw lexer.fail('a parenthesis is not closed')
  }
}

function parseInterface(lexer: WitLexer, docs: string, owner: PackageName): InterfaceSyntax {
  const name = lexer.name()
  const uses: UseSyntax[] = []
  const types: TypeDefSyntax[] = []
  const funcs: FuncSyntax[] = []
  lexer.expect('{')
  while (!lexer.accept('}')) {
    const itemDocs = lexer.peek.docs
    const line = lexer.peek.line
    const escaped = lexer.peek.text.startsWith('%')
    const word = nextWord(lexer)
    if (!escaped && word === 'use') uses.push(parseUse(lexer, line))
    else if (!escaped && isTypeKeyword(word)) types.push(parseTypeDef(lexer, word, itemDocs, line))
    else if (!escaped && word === 'resource') throw lexer.fail('resources can not cross between modules: pass values')
    else funcs.push(parseFunc(lexer, word, itemDocs))
  }
  return { package: owner.name, version: owner.version, name, docs, file: lexer.file, uses, types, funcs }
}

type TypeKeyword = 'record' | 'variant' | 'enum' | 'flags' | 'type'
const isTypeKeyword = (word: string): word is TypeKeyword =>
  ['record', 'variant', 'enum', 'flags', 'type'].includes(word)

function parseUse(lexer: WitLexer, line: number): UseSyntax {
  let from = lexer.name()
  if (lexer.accept(':')) {
    from += `:${lexer.name()}`
    lexer.expect('/')
    from += `/${lexer.name()}`
    if (lexer.peek.kind === 'version') from += lexer.next().text
  }
  lexer.expect('.')
  lexer.expect('{')
  const names: { name: string; as: string }[] = []
  while (!lexer.accept('}')) {
    const name = lexer.name()
    names.push({ name, as: lexer.accept('as') ? lexer.name() : name })
    if (!lexer.accept(',') && lexer.peek.text !== '}') throw lexer.fail('expected "," or "}"')
  }
  lexer.expect(';')
  return { from, names, line }
}

function parseTypeDef(lexer: WitLexer, word: TypeKeyword, docs: string, line: number): TypeDefSyntax {
  const name = lexer.name()
  if (word === 'type') {
    lexer.expect('=')
    const alias = parseType(lexer)
    lexer.expect(';')
    return { kind: 'alias', name, docs, line, members: [], alias }
  }
  lexer.expect('{')
  const members: MemberSyntax[] = []
  while (!lexer.accept('}')) {
    const memberDocs = lexer.peek.docs
    skipAnnotation(lexer)
    members.push({ name: lexer.name(), docs: memberDocs, type: parseMemberType(lexer, word) })
    if (!lexer.accept(',') && lexer.peek.text !== '}') throw lexer.fail('expected "," or "}"')
  }
  if (members.length === 0) throw lexer.fail(`the ${word} ${name} is empty`)
  return { kind: word, name, docs, line, members, alias: null }
}

function parseMemberType(lexer: WitLexer, word: TypeKeyword): TypeSyntax | null {
  if (word === 'record') {
    lexer.expect(':')
    return parseType(lexer)
  }
  if (word !== 'variant' || !lexer.accept('(')) return null
  const type = parseType(lexer)
  lexer.expect(')')
  return type
}

function parseFunc(lexer: WitLexer, name: string, docs: string): FuncSyntax {
  lexer.expect(':')
  if (lexer.accept('async')) throw lexer.fail('async functions can not cross between modules')
  lexer.expect('func')
  lexer.expect('(')
  const params: MemberSyntax[] = []
  while (!lexer.accept(')')) {
    const param = lexer.name()
    lexer.expect(':')
    params.push({ name: param, docs: '', type: parseType(lexer) })
    if (!lexer.accept(',') && lexer.peek.text !== ')') throw lexer.fail('expected "," or ")"')
  }
  const result = lexer.accept('->') ? parseType(lexer) : null
  lexer.expect(';')
  return { name, docs, params, result }
}

function parseType(lexer: WitLexer): TypeSyntax {
  const { line, text } = lexer.peek
  const name = lexer.name()
  if (text.startsWith('%')) return { kind: 'name', name, line }
  switch (name) {
    case 'list':
    case 'option': {
      lexer.expect('<')
      const of = parseType(lexer)
      lexer.expect('>')
      return { kind: name, of }
    }
    case 'tuple': {
      lexer.expect('<')
      const items: TypeSyntax[] = []
      while (!lexer.accept('>')) {
        items.push(parseType(lexer))
        if (!lexer.accept(',') && lexer.peek.text !== '>') throw lexer.fail('expected "," or ">"')
      }
      return { kind: 'tuple', items }
    }
    case 'result': {
      if (!lexer.accept('<')) return { kind: 'result', ok: null, err: null }
      const ok = lexer.accept('_') ? null : parseType(lexer)
      const err = lexer.accept(',') ? parseType(lexer) : null
      lexer.expect('>')
      return { kind: 'result', ok, err }
    }
    case 'own':
    case 'borrow':
    case 'stream':
    case 'future':
      throw lexer.fail(`${name} can not cross between modules: pass values`)
    default:
      return { kind: 'name', name, line }
  }
}
