// fork(2) for a prefork master: the child starts with the signal handling of a fresh process.
#pragma once

#include <stddef.h>
#include <sys/types.h>

/// Forks with every signal blocked. In the child, caught signals go back to their default (ignored ones stay
/// ignored, as across exec) before the mask is emptied, so no handler of the master ever runs there: libev's would
/// wake the master through the shared eventfd. The child keeps the `count` signals in `held` blocked, so that their
/// default action cannot end it before it has handlers of its own: `evg_unblock_signals` delivers what came meanwhile.
/// The parent's mask is restored. Returns as fork(2), errno included.
pid_t evg_fork(const int *held, size_t count);

/// Blocks these signals in the calling thread, or unblocks them.
void evg_block_signals(const int *numbers, size_t count);
void evg_unblock_signals(const int *numbers, size_t count);

/// The calling child is killed when its parent has ended, also when that happened before the call.
void evg_end_with_parent(pid_t parent);

/// The calling process gets the signal when its parent ends, also after an exec.
void evg_tell_of_parents_end(int number);

/// The calling child ends at most `seconds` (more than 0) after its parent, also when that has ended already: SIGABRT
/// then, for the stacks, and a second later SIGKILL. Timers of the kernel send them, so it does not matter what the
/// process does meanwhile, unless each of its threads blocks every signal. Returns -errno if the timers cannot be made.
int evg_end_after_parent(pid_t parent, double seconds);

/// To be called again when the process has another user: the kernel forgets then whom to tell of the parent's end. Does
/// nothing without `evg_end_after_parent`. Returns 0 or -errno.
int evg_expect_parents_end(void);

/// From here on the process notices that it forks, whoever does it; fork(2) followed by exec counts, vfork(2) does not.
void evg_watch_forks(void);

/// Closes a connected socket. Once the process has forked it is shut down before, because a child may hold it too, and
/// the peer would hear of the close only when the last one has closed it.
void evg_close_connection(int fd);

/// Whether connections of this process are shut down before they are closed. It may be said too, by whoever has got one
/// from a process where that is so.
int evg_has_copies(void);
void evg_note_copies(void);
