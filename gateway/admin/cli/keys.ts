import type { OpenKey } from '../../keys/key-file.ts'
import { findSessionFolder, KeySession } from '../../keys/session.ts'
import { askPassphrase } from './prompt.ts'

export const keySession = (): KeySession =>
  new KeySession({ folder: findSessionFolder(process.env), nowMs: () => Date.now() })

/** Opens a key: unlocked as it may be, else with HYPHA_PASSPHRASE, else asks. Throws what `openKeyFile` throws. */
export const openKey = (path: string): Promise<OpenKey> =>
  keySession().open(path, () => askPassphrase(`Passphrase for ${path}: `))
