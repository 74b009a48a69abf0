// See evg_process.h. The system call itself: the C library has no function for it before glibc 2.25.
#define _GNU_SOURCE
#include "evg_process.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

int evg_random(void *bytes, size_t count) {
    char *next = bytes;
    while (count > 0) {
        long got = syscall(SYS_getrandom, next, count, 0);
        // A signal may end a call for more than 256 bytes early.
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return got < 0 ? -errno : -EIO;
        next += got;
        count -= (size_t)got;
    }
    return 0;
}
