/* Preloaded into ggml-rpc-server: its device is a card of LIMIT_MIB that the processes in the file
   CARD share, and what they hold is not free. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static long resident(long process) {
    long size = 0, pages = 0;
    char name[64];
    snprintf(name, sizeof name, "/proc/%ld/statm", process);
    FILE * file = fopen(name, "r");
    if (file != NULL) {
        if (fscanf(file, "%ld %ld", &size, &pages) != 2) {
            pages = 0;
        }
        fclose(file);
    }
    return pages;
}

static long held(const char * card) {
    long process = 0, pages = 0;
    FILE * file = fopen(card, "r");
    if (file != NULL) {
        while (fscanf(file, "%ld", &process) == 1) {
            pages += resident(process);
        }
        fclose(file);
    }
    return pages;
}

long sysconf(int name) {
    static long (*real)(int);
    if (real == NULL) {
        real = (long (*)(int)) dlsym(RTLD_NEXT, "sysconf");
    }
    const char * limit = getenv("LIMIT_MIB");
    if (name != _SC_PHYS_PAGES || limit == NULL) {
        return real(name);
    }
    long left = atol(limit) * (1048576 / real(_SC_PAGE_SIZE)) - held(getenv("CARD"));
    return left > 1 ? left : 1;
}
