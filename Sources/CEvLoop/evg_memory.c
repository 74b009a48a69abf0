#define _GNU_SOURCE
#include "evg_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

int evg_shared_file(size_t size) {
    int fd = memfd_create("evgateway", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -errno;
    if (ftruncate(fd, (off_t)size) == 0 && fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) == 0) return fd;
    int failed = errno;
    close(fd);
    return -failed;
}

ssize_t evg_shared_file_size(int fd) {
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat status;
    return seals >= 0 && (seals & SEALS) == SEALS && fstat(fd, &status) == 0 ? (ssize_t)status.st_size : -1;
}

void evg_keep_freed_memory(size_t bytes) {
    /* malloc moves its limits when a block that it had mapped is freed. Volatile, or the compiler leaves both out. */
    void *volatile block = malloc(bytes);
    free(block);
}
