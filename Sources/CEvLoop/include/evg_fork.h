// fork(2) for a prefork master: the child starts with the signal handling of a fresh process.
#pragma once

#include <sys/types.h>

/// Forks with every signal blocked. In the child, caught signals go back to their default (ignored ones stay
/// ignored, as across exec) before the mask is emptied, so no handler of the master ever runs there: libev's would
/// wake the master through the shared eventfd. The parent's mask is restored. Returns as fork(2), errno included.
pid_t evg_fork(void);

/// The calling child is killed when its parent has ended, also when that happened before the call.
void evg_end_with_parent(pid_t parent);

/// From here on the process notices that it forks, whoever does it; fork(2) followed by exec counts, vfork(2) does not.
void evg_watch_forks(void);

/// Closes a connected socket. Once the process has forked it is shut down before, because a child may hold it too, and
/// the peer would hear of the close only when the last one has closed it.
void evg_close_connection(int fd);

/// The caught signals back to their default, and an empty mask.
void evg_reset_signals(void);
