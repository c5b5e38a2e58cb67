import { basename, resolve } from 'node:path'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Command } from 'commander'
import { defineCommand } from '../cli.ts'

/** What an author does without a gateway. */
export function registerAuthor(program: Command): void {
  defineCommand<[string], { template: string; name?: string }>(
    program,
    {
      usage: 'new <folder>',
      summary: 'make a new app that builds and ticks',
      options: [
        ['--template <template>', 'assemblyscript, c, rust or prebuilt', 'assemblyscript'],
        ['--name <app>', "the app's name (default: the folder's)"],
      ],
      examples: ['new my-app', 'new my-app --template c'],
    },
    async (cli, { template, name }, folder) => {
      const { newApp } = await import('../../../push/build/new.ts')
      const app = name ?? basename(resolve(folder))
      const files = newApp(folder, app, template)
      cli.print({ app, folder: resolve(folder), files }, () =>
        [
          `${app} is made in ${folder}:\n`,
          ...files.map((file) => `  ${file}`),
          `\nNext: hypha plan ${folder}, then hypha push ${folder}`,
        ].join('\n'),
      )
    },
  )
  defineCommand<[string | undefined] & string[], { force?: boolean }>(
    program,
    {
      usage: 'build [folder]',
      summary: "build an app's modules as components",
      description:
        'Build the modules of the app in a folder (default: this one) into its build folder, those that changed.',
      options: [['--force', 'build also what has not changed']],
      examples: ['build', 'build examples/greenhouse --force'],
    },
    async (cli, { force }, folder) => {
      const { loadManifest } = await import('../../../push/build/manifest.ts')
      const { buildWithProgress } = await import('../build.ts')
      const manifest = loadManifest(folder ?? '.')
      const built = await buildWithProgress(cli, manifest, force ?? false)
      const modules = built.map(({ name, language, path, component, cached, ms }) => {
        return { name, language, path, bytes: component.length, cached, ms }
      })
      // For people the lines of progress have said it all.
      cli.print({ app: manifest.name, modules }, () => `${manifest.name}: ${modules.map(({ path }) => path).join(' ')}`)
    },
  )
  defineCommand<[string], { lang: string; out: string }>(
    program,
    {
      usage: 'bindgen <wit>',
      summary: 'write bindings for the interfaces in a folder of WIT files',
      options: [
        ['--lang <language>', 'assemblyscript or c', 'assemblyscript'],
        ['--out <folder>', 'where the bindings go', 'bindings'],
      ],
      examples: ['bindgen wit --lang c --out build/bindings'],
    },
    async (cli, { lang, out }, wit) => {
      if (lang !== 'assemblyscript' && lang !== 'c') {
        throw new HyphaError('argument-invalid', `--lang should be assemblyscript or c, is "${lang}"`)
      }
      const { bindgen } = await import('../../../push/build/bindgen.ts')
      const files = bindgen(resolve(wit), { language: lang, out })
      cli.print({ files }, () => files.join('\n') || `There are no interfaces in ${wit}.`)
    },
  )
}
