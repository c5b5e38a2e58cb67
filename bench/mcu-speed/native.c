/* Times the kernels on this machine: native NAME ROUNDS → checksum and nanoseconds of CPU time. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels.c"

int main(int count, char **texts) {
    static const struct {
        const char *name;
        unsigned (*run)(unsigned rounds);
    } kernels[] = {{"fib", fib}, {"sha256", sha256}, {"matrix", matrix}, {"quicksort", quicksort}, {"filter", filter}};
    if (count != 3) return 2;
    for (size_t index = 0; index < sizeof kernels / sizeof *kernels; index++) {
        if (strcmp(kernels[index].name, texts[1]) != 0) continue;
        struct timespec from, to;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
        unsigned checksum = kernels[index].run((unsigned)strtoul(texts[2], NULL, 10));
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
        printf("%u %lld\n", checksum, (to.tv_sec - from.tv_sec) * 1000000000LL + to.tv_nsec - from.tv_nsec);
        return 0;
    }
    return 2;
}
