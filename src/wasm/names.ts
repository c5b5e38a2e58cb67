/** The interface under which functions stand that a world imports or exports by itself. It is the module name of such imports in core modules too. */
export const rootInterface = '$root'

/** In characters. */
const maxNameLength = 200

// `namespace:package/interface@version`, or a plain name for an interface written within the world.
const interfacePattern =
  /^([a-z][a-z0-9-]*:[a-z][a-z0-9-]*\/)?[a-zA-Z][a-zA-Z0-9-]*(@[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]+)?)?$/

// Kebab-case (component model, Explainer, "Import and Export Definitions"): words of one case, joined by hyphens.
const labelPattern = /^[a-zA-Z][a-zA-Z0-9]*(-[a-zA-Z0-9]+)*$/

export const isInterfaceName = (name: string): boolean =>
  name === rootInterface || (name.length <= maxNameLength && interfacePattern.test(name))

/** Whether it can name a field, a case, a flag, a parameter, a function or a type. */
export const isLabel = (label: string): boolean => label.length <= maxNameLength && labelPattern.test(label)

export const byName = (a: { readonly name: string }, b: { readonly name: string }): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : 0
