/** Fields, cases, flags, parameters or items of one type beyond this are refused. */
export const maxMembers = 1024

/** A type's size as a tree. Types are shared in the binary, so a few bytes can spell a tree without end; it ends here. */
export const maxTypeNodes = 4096
export const maxTypeDepth = 64

/** All functions' types of a world together, in the parts that `maxTypeNodes` counts. */
export const maxWorldNodes = 65_536

/** Of the arguments of a call over a link, or of its result, encoded. [P 11.6] */
export const maxValuesBytes = 48 * 1024

export const maxInterfaces = 256
export const maxFuncs = 4096
