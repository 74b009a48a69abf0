/* Memory that is shared through a file without a name, and what becomes of memory that this process frees. */
#ifndef EVG_MEMORY_H
#define EVG_MEMORY_H

#include <stddef.h>
#include <sys/types.h>

/* glibc's malloc(3) keeps up to twice so many bytes at the end of its heap, in place of giving them back to the kernel,
 * and puts blocks of up to so many bytes there. Both limits go on growing with what the process frees. Other C
 * libraries, and a process whose limits were set by its environment, take no notice. */
void evg_keep_freed_memory(size_t bytes);

/* A file in memory of so many zeros, whose length nobody can change any more and which is closed on exec; or -errno. */
int evg_shared_file(size_t size);
/* The size of such a file; -1 for any other. */
ssize_t evg_shared_file_size(int fd);

#endif
