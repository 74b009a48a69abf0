#include "evg_memory.h"

#include <stdlib.h>

void evg_keep_freed_memory(size_t bytes) {
    /* malloc moves its limits when a block that it had mapped is freed. Volatile, or the compiler leaves both out. */
    void *volatile block = malloc(bytes);
    free(block);
}
