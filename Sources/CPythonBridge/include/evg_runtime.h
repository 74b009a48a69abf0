/* CPython <-> Swift, over the stable ABI of CPython 3.9: one .so for every interpreter since. Here: the interpreter,
 * the app that it has loaded, and the log, which are the same for every worker class.
 * Law: glue only. What HTTP allows is decided in CHTTP; when to call is decided by the loop.
 * Every function is called on the loop's thread with the GIL held, except where its comment says otherwise. */
#ifndef EVG_RUNTIME_H
#define EVG_RUNTIME_H

#include "evg_exchange.h"

typedef struct evg_py_load_failure {
    int32_t exit_code;
    const char *message;        /* one line */
    const char *traceback;      /* or empty; both valid until the next call */
} evg_py_load_failure;

/* Loads the app that locator names, once. pythonpath is a list separated by commas, maybe empty; arguments (up to a
 * NULL) become sys.argv[1:]. True when the app is loaded. */
bool evg_py_load_app(const char *locator, const char *pythonpath, char *const *arguments, evg_py_load_failure *failure);

/* What evg_py_load_app is to find: "wsgi", "asgi", or "" for either; trusted: whatever the app looks like. */
void evg_py_expect(const char *interface, bool trusted);

/* Whether the app that is loaded looks like ASGI. */
bool evg_py_app_is_asgi(void);

/* In a process that ends afterwards: imports the app, unless asked says what it is, and answers as
 * evgateway.choose.probe does. Returns the answer's length, 0 without one. */
size_t evg_py_probe(const char *locator, const char *pythonpath, char *const *arguments, const char *asked,
                    char *answer, size_t capacity);

/* "3.11.2 (main, ...)". */
const char *evg_py_version(void);
/* sys.executable; empty when it is not known. */
const char *evg_py_executable(void);

/* What a worker does with the interpreter after the fork: fault handler on fd. */
void evg_py_worker_started(int fault_fd);

/* Runs atexit handlers and flushes the standard streams of a worker that ends. */
void evg_py_worker_ended(void);

/* Around fork(2): PyOS_BeforeFork and PyOS_AfterFork_*. */
void evg_py_before_fork(void);
void evg_py_after_fork_in_parent(void);
void evg_py_after_fork_in_child(void);

/* Around the poll of the loop, so that the app's own threads run while the loop sleeps. */
void evg_py_gil_release(void);
void evg_py_gil_acquire(void);

/* Runs the Python side of a guest loop (evgateway.guest.run) until the worker ends. */
void evg_py_guest_run(void);

/* ---- called by C, defined in Swift ---- */

/* The gateway itself; arguments without the program's name. Returns the exit code. */
extern int32_t evg_swift_main(int32_t count, const char *const *arguments);

/* The epoll descriptor of the guest loop, and its pump: false when the worker is to end. */
extern int32_t evg_swift_guest_descriptor(void);
extern bool evg_swift_guest_pump(void);
/* Ends the process when descriptors of the loop, or of `driver`, the epoll set that watches it, are lost. */
extern void evg_swift_guest_check(int32_t driver);
/* Makes the descriptor readable, so that a pump follows. */
extern void evg_swift_guest_wake(void);

/* One entry, a line without its end, of the error log. On any thread of the app. */
extern void evg_swift_log_error(evg_py_text line);

/* Whole lines for the error log, as they are: a traceback, or what the app wrote. On any thread of the app. */
extern void evg_swift_log_text(evg_py_text text);

/* Says in the log, by its descriptor and without a lock, that a process which the app forked ends with this status. */
extern void evg_swift_forked_child_ends(int32_t log, int32_t status);

#endif
