import { HyphaError } from '../errors.ts'
import { maxFuncs, maxInterfaces, maxWorldNodes } from './caps.ts'
import type { Component } from './component.ts'
import { type Extern, type FuncDef, type InstanceDef, toFuncType } from './component-types.ts'
import { byName, isInterfaceName, isLabel, rootInterface } from './names.ts'
import type { FuncType, InterfaceType, World } from './types.ts'
import { checkFiles, isWasi } from './wasi.ts'

/**
 * What a component imports and exports. Of WASI's interfaces only the functions are listed that cross by value: the others work with resources,
 * and whether a module gets those is decided by the interface's name (`wasi.ts`).
 *
 * @throws HyphaError `wit-type-unsupported` names the interface, the function and the type that cannot cross; `wasi-refused` a function that could reach a file.
 */
export function worldOf(component: Component): World {
  for (const [name, extern] of component.imports) if (extern.sort === 'instance') checkFiles(name, extern.def)
  const budget = new Budget()
  return { imports: interfaces(component.imports, budget), exports: interfaces(component.exports, budget) }
}

/** What is shared in the binary is repeated in a world, so the whole is counted. */
class Budget {
  #funcs = 0
  #nodes = 0

  spend(where: string, def: FuncDef): void {
    this.#funcs++
    this.#nodes += def.nodes
    if (this.#funcs > maxFuncs) throw unsupported(`there are more than ${maxFuncs} functions`, where)
    if (this.#nodes > maxWorldNodes) throw unsupported(`the types have more than ${maxWorldNodes} parts`, where)
  }
}

function interfaces(externs: ReadonlyMap<string, Extern>, budget: Budget): InterfaceType[] {
  const found: InterfaceType[] = []
  const root: FuncType[] = []
  for (const [name, extern] of externs) {
    if (extern.sort === 'type') continue
    if (extern.sort === 'func') {
      budget.spend(rootInterface, extern.def)
      root.push(expressible(rootInterface, name, extern.def))
    } else if (extern.sort === 'instance') found.push(interfaceOf(name, extern.def, budget))
    else throw unsupported(`"${name}" is a ${extern.sort}`, name)
  }
  if (root.length > 0) found.push({ name: rootInterface, funcs: root.sort(byName) })
  if (found.length > maxInterfaces) throw unsupported(`there are more than ${maxInterfaces} interfaces`, 'component')
  return found.sort(byName)
}

function interfaceOf(name: string, def: InstanceDef, budget: Budget): InterfaceType {
  if (!isInterfaceName(name)) {
    throw new HyphaError(
      'component-malformed',
      `component: ${JSON.stringify(name.slice(0, 80))} is no interface's name`,
    )
  }
  const funcs: FuncType[] = []
  for (const [funcName, extern] of def.exports) {
    if (extern.sort === 'type') continue
    if (extern.sort !== 'func') throw unsupported(`"${funcName}" is a ${extern.sort}`, name)
    budget.spend(name, extern.def)
    if (isWasi(name)) {
      const func = isMethod(funcName) ? null : toFuncType(funcName, extern.def)
      if (func !== null) funcs.push(func)
    } else funcs.push(expressible(name, funcName, extern.def))
  }
  return { name, funcs: funcs.sort(byName) }
}

/** Functions of resources are named `[method]file.read`, `[static]…`, `[constructor]…`. */
const isMethod = (name: string): boolean => name.startsWith('[')

function expressible(interfaceName: string, name: string, def: FuncDef): FuncType {
  const func = isMethod(name) ? null : toFuncType(name, def)
  if (func === null) {
    const what = def.inexpressible ?? 'a function of a resource'
    throw new HyphaError(
      'wit-type-unsupported',
      `${interfaceName}: ${name} has ${what}, which cannot cross by value, and any link may lead to another node`,
      {
        where: `${interfaceName}#${name}`,
      },
    )
  }
  if (!isLabel(name)) {
    throw new HyphaError(
      'component-malformed',
      `${interfaceName}: ${JSON.stringify(name.slice(0, 80))} is no function's name`,
    )
  }
  return func
}

function unsupported(message: string, where: string): HyphaError {
  return new HyphaError('component-unsupported', `component: ${message}`, { where })
}
