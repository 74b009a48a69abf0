// What a process is to the outside: its title, its user, its processors; and what it has of its own: random bytes.
#pragma once

#include <stddef.h>
#include <sys/types.h>

/// Sets what ps(1) and /proc/PID/cmdline show in place of the arguments, and `name`, of up to 15 bytes, as the name of
/// the calling thread (top, pgrep). The memory of the arguments is written over, so whoever needs them has to read them
/// before; a title that needs more room takes that of the environment, whose variables are moved elsewhere, so no other
/// thread may use the environment meanwhile. A title that is too long is cut. Returns 0 or -errno.
int evg_set_title(const char *title, const char *name);

/// Makes the calling process, which must have one thread, that of a user and a group for good: real, effective and
/// saved ids, supplementary groups, and no capability where the user is not root. A way back is an error (-EPERM). It
/// may dump core then, and the signal at its parent's end is forgotten (see `evg_expect_parents_end`). Returns 0 or
/// -errno.
int evg_become_user(uid_t user, gid_t group, const gid_t *groups, size_t count);

/// From now on the calling thread, of a process of root, opens files with the rights of a user; or as before. Returns 0
/// or -errno.
typedef struct { int count; gid_t groups[256]; } evg_groups;
int evg_use_files_as(uid_t user, gid_t group, const gid_t *groups, size_t count, evg_groups *was);
int evg_use_files_as_before(const evg_groups *was);

/// The processors that the calling thread may use, in ascending order. Returns how many there are, at most `count` of
/// which are written, or -errno.
int evg_processors(int *numbers, int count);
/// Limits the calling thread, and those that it starts, to one processor. Returns 0 or -errno.
int evg_use_processor(int number);

/// From now on the calling thread, when it wakes up, takes no processor away from another one that runs, but waits for
/// its turn (SCHED_BATCH). Returns 0 or -errno.
int evg_interrupt_nobody(void);

/// Fills memory with random bytes of the kernel's, which nobody can foretell and no other process gets: getrandom(2).
/// Returns 0, or -errno before Linux 3.17.
int evg_random(void *bytes, size_t count);
