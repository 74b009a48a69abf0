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

/* What APP means, and how it is to be loaded. */
typedef struct evg_py_app_source {
    const char *locator;
    const char *pythonpath;     /* a list separated by commas, maybe empty */
    char *const *arguments;     /* up to a NULL: they become sys.argv[1:] */
    bool factory;               /* the locator names what makes the app */
} evg_py_app_source;

/* Loads the app, once. True when it is loaded. */
bool evg_py_load_app(const evg_py_app_source *source, evg_py_load_failure *failure);

/* In a worker, after the app was loaded: from here on pre_request and post_request are called around it. False with
 * the exception logged. */
bool evg_py_wrap_app(bool is_asgi);

/* What evg_py_load_app is to find: "wsgi", "asgi", or "" for either; trusted: whatever the app looks like. */
void evg_py_expect(const char *interface, bool trusted);

/* Whether the app that is loaded looks like ASGI. */
bool evg_py_app_is_asgi(void);

/* In a process that ends afterwards: imports the app, unless asked says what it is, and answers as
 * evgateway.choose.probe does. Returns the answer's length, 0 without one. */
size_t evg_py_probe(const evg_py_app_source *source, const char *asked, char *answer, size_t capacity);

/* Calls a function of a module of the package with bytes, and lends the bytes that it answers until the next call;
 * false with the exception logged. On the thread of the master or the loop; takes the GIL if it has to. */
bool evg_py_ask(const char *module, const char *function, evg_py_text argument, evg_py_text *answer);

/* "3.11.2 (main, ...)". */
const char *evg_py_version(void);
/* sys.executable; empty when it is not known. */
const char *evg_py_executable(void);

/* What a worker does with the interpreter after the fork: fault handler on fd. */
void evg_py_worker_started(int fault_fd);

/* Runs atexit handlers and flushes the standard streams of a worker that ends. */
void evg_py_worker_ended(void);

/* The worker begins to leave: whoever waits for that in a thread is woken. On the loop's thread, without the GIL. */
void evg_py_leave(void);
/* Tells greenlets, tasks and callbacks, if there is something to tell. With the GIL, and nothing of Swift below that
 * must not be left: an app's callbacks run here in class inline. */
void evg_py_leave_tell(void);

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

/* The same with a level as in Python's logging: 10 is debug, 50 is critical. */
extern void evg_swift_log(int32_t level, evg_py_text line);

/* With --reload: a file of the app, which is to be watched. On any thread of the app. */
extern void evg_swift_watch_file(evg_py_text path);

/* Answers a question of the Python package by one call of `answer`, or by none. On any thread of the app. */
extern void evg_swift_tell(evg_py_text question, void (*answer)(void *context, evg_py_text answer), void *context);

/* Whole lines for the error log, as they are: a traceback, or what the app wrote. On any thread of the app. */
extern void evg_swift_log_text(evg_py_text text);

/* What has come of an item that was published. */
typedef enum evg_py_published {
    EVG_PY_PUBLISHED,
    EVG_PY_REFUSED_ITEM,    /* it cannot be published; the reason says why */
    EVG_PY_NO_WORKER        /* this process has no bus, or none any more */
} evg_py_published;

/* Publishes an item in JSON. On any thread of the app, with the GIL or without it. reason: a text of at most capacity
 * bytes with its NUL, in UTF-8. */
extern evg_py_published evg_swift_publish(evg_py_text item, char *reason, size_t capacity);

/* The bus. On any thread of the app, with the GIL or without it. */
extern evg_py_published evg_swift_bus_publish(evg_py_text channel, evg_py_text payload);
/* most: messages that wait. Returns a number for the calls below, and a descriptor that is readable while something has
 * come; 0 where there is no bus. */
extern int64_t evg_swift_bus_subscribe(evg_py_text channel, intptr_t most, int32_t *descriptor);
/* Calls add for each message that has come, until it returns false. missed: how many were lost before it. */
extern void evg_swift_bus_take(
    int64_t number, bool (*add)(void *context, evg_py_text payload, intptr_t missed), void *context);
extern void evg_swift_bus_close(int64_t number);

/* Says in the log, by its descriptor and without a lock, that a process which the app forked ends with this status. */
extern void evg_swift_forked_child_ends(int32_t log, int32_t status);

#endif
