import { HyphaError } from '@hypha/core/errors.ts'

/** `what` with its article's noun: "node", "app", "release". */
export const notFound = (what: string, name: string | number, mend?: string): HyphaError =>
  new HyphaError('not-found', `There is no ${what} ${name}`, {
    where: `${name}`,
    ...(mend === undefined ? {} : { mend }),
  })
