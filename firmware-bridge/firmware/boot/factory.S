/* The firmware that a board is flashed with, as the linker made it for the first slot. */
.section .factory, "a"
.incbin FACTORY
