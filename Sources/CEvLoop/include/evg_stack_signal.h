/* Two signals on which a worker whose loop stands still writes its stacks into a pipe, for the process that holds the
 * other end. Law: async-signal-safe, and a full pipe makes nobody wait; the descriptor is written to only while it is
 * that pipe, and only in the process that was given it. */
#pragma once

#include <stdbool.h>

/* The signal for the thread that the loop is on, or for all threads. The second may end the process, because it looks
 * at threads that run. Real-time signals, far from those of libraries, which count from SIGRTMIN.
 * SIGRTMAX - 2 is taken (evg_orphan.c), and so is SIGRTMAX - 1 (threads/worker.c). */
int evg_stack_signal(bool all_threads);

/* A pipe whose ends make nobody wait: to read, and to write. -1 with errno. */
int evg_stack_pipe(int ends[2]);

/* From now on both signals write one NUL, the mark of the end, in this process. */
void evg_stack_signal_open(int descriptor);

/* What has been installed for them since then writes the stacks, and the mark comes behind it.
 * `takes_back_abort`: the handler of SIGABRT does no more than write the same, and has no work left then. */
void evg_stack_signal_take_over(bool takes_back_abort);
