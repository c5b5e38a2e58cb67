// Included before the sources of the package ed25519-supercop: what trust/field.c has in a shorter form gives way to it when the program is linked.
#pragma weak fe_copy
#pragma weak fe_add
#pragma weak fe_sub
#pragma weak fe_neg
#pragma weak fe_tobytes
#pragma weak fe_pow22523
#pragma weak fe_sq
#pragma weak fe_sq2
#pragma weak fe_mul121666
#pragma weak fe_invert
#pragma weak fe_frombytes
#pragma weak fe_cswap
#pragma weak fe_isnonzero
