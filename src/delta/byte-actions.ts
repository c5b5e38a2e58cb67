/** What is done for the next byte [D 6.1]. A move goes elsewhere in the old bytes and makes none. */
export const ByteAction = { copy: 0, replace: 1, insert: 2, move: 3 } as const
