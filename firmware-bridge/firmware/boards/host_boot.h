// The boot part of the board that is this machine: it runs the program that lies in the slot which the boot part's record names.
#ifndef HYPHA_HOST_BOOT_H
#define HYPHA_HOST_BOOT_H

#include <stdbool.h>

/** The pseudo-terminal that is open, over all starts of the board; -1: none. */
extern int host_wire;

/** What the program was started with. */
void host_boot_begin(char **given);
/** Takes an argument that the boot part gives a slot's program; false where it is none of these. */
bool host_boot_takes(const char *name, const char *value);
/** Picks a slot, as any boot part does, and runs what lies in it in place of this program. Returns in the program that is to go on itself. */
void host_boot(void);
/** A start of the board, from the boot part on. */
_Noreturn void host_boot_again(void);

#endif
