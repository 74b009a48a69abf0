/* What becomes of memory that this process frees. */
#ifndef EVG_MEMORY_H
#define EVG_MEMORY_H

#include <stddef.h>

/* glibc's malloc(3) keeps up to twice so many bytes at the end of its heap, in place of giving them back to the kernel,
 * and puts blocks of up to so many bytes there. Both limits go on growing with what the process frees. Other C
 * libraries, and a process whose limits were set by its environment, take no notice. */
void evg_keep_freed_memory(size_t bytes);

#endif
