/** The longest message to or from a board: as long as a payload of the serial wire may be. [S 3.2] */
export const maxBoardMessageBytes = 4_096
