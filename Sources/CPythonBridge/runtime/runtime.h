/* What all worker classes share: the interpreter (interpreter.c, guest.c) and what it exports beyond the stable ABI
 * (exported.h), the app and how it is found (app.c, choose.c), the error log (report.c), Python's logging in its place
 * (python_log.c), questions about settings and hooks (ask.c), the deadline of a request (deadline.c), the end of the
 * worker (leaving.c), what its code does (stacks.c), what it publishes
 * (publish.c), the bus (bus.c), timeouts (until.c), texts (texts.c,
 * percent.c), the tables of header fields (field_names.h, repeated_fields.h), the head of a response that repeats
 * (repeated_head.h); and the call of a WSGI app (wsgi_call.h), which three of the classes make.
 *
 * Law of the folders: `runtime` includes nothing of another folder; a class (`wsgi`, which is inline, `asgi`, `gevent`,
 * threads) includes `runtime` and itself, and never another class. Only module.c, beside the folders, knows them
 * all. */
#ifndef EVG_BRIDGE_RUNTIME_H
#define EVG_BRIDGE_RUNTIME_H

#include "python.h"

#include <pthread.h>

#include "evg_runtime.h"
#include "evg_stacks.h"
#include "exported.h"

extern pthread_t evg_py_loop_thread;
extern PyObject *evg_py_app;    /* the callable */
extern PyObject *evg_py_hooked_body;    /* the class evgateway.requests.Body, once an app is wrapped */
extern PyObject *evg_py_host;   /* the Python module evgateway.host */

/* Each adds what its file offers to Python to the extension module. */
int evg_py_guest_ready(PyObject *module);
int evg_py_report_ready(PyObject *module);
int evg_py_texts_ready(PyObject *module);
int evg_py_forked_ready(PyObject *module);
int evg_py_ask_ready(PyObject *module);
int evg_py_log_ready(PyObject *module);
int evg_py_leaving_ready(PyObject *module);
int evg_py_stacks_ready(PyObject *module);
int evg_py_publish_ready(PyObject *module);
int evg_py_bus_ready(PyObject *module);

/* ---- processes that the app forks (forked.c) ---- */

extern bool evg_py_forked;      /* this process is one */
/* In a worker: notices forks from here on. log: the error log's descriptor. */
void evg_py_watch_forks(int log);
/* Ends a forked process, with the status that the pending exception asks for. The caller holds the GIL. */
_Noreturn void evg_py_end_forked(void);

/* Imports evgateway.host, once; -1 with an exception. */
int evg_py_interpreter_prepare(void);

/* ---- the error log ---- */

/* What an entry of the error log says of a request; each may be NULL. */
typedef struct evg_py_line {
    PyObject *method, *target, *request_id;
} evg_py_line;

/* Logs the pending exception, with the line of its request unless that is NULL, and clears it. what says where it
 * happened. */
void evg_py_report(const evg_py_line *line, const char *what);

/* Takes evgateway.host.report, which does the work. */
int evg_py_report_prepare(void);

/* Hands a str to the log: None, or NULL with an exception. */
PyObject *evg_py_log_with(void (*sink)(evg_py_text), PyObject *text);

/* ---- Python's logging as the server's log (python_log.c) ---- */

/* Whether something is left for it; then evg_py_log_take calls a function that takes it, where the app may run. */
bool evg_py_log_is_left(void);
void evg_py_log_take(const char *module, const char *function);

extern PyObject *evg_py_kept_environs;  /* NULL where nobody needs them */
int evg_py_keep_environ(const evg_request_head *head, PyObject *environ);

/* ---- the deadline of a request, or of none: the exchange may be NULL ---- */

/* Seconds, or None for never. */
PyObject *evg_py_deadline_remaining(evg_exchange *exchange);
/* Both return None; NULL with ValueError or TypeError. value: finite seconds; for set also None, which is never. */
PyObject *evg_py_deadline_set(evg_exchange *exchange, PyObject *value);
PyObject *evg_py_deadline_extend(evg_exchange *exchange, PyObject *value);

/* ---- the end of the worker ---- */

/* evgateway.leaving, which every request finds in its environ or scope; NULL before evg_py_leaving_prepare, which is -1
 * with an exception. */
extern PyObject *evg_py_leaving;
extern PyObject *evg_py_replay;     /* the class evgateway.Replay; NULL until then */
int evg_py_leaving_prepare(void);

/* The worker has begun to leave, and Python has not been told. On the loop's thread. */
extern bool evg_py_leave_pending;

static inline void evg_py_tell_leaving(void) {
    if (evg_py_leave_pending) evg_py_leave_tell();
}

/* ---- what the code does (stacks.c) ---- */

/* Somebody has asked during a pump; answered when it is over. */
extern bool evg_py_stacks_wanted;

static inline void evg_py_tell_stacks(void) {
    if (!evg_py_stacks_wanted) return;
    evg_py_stacks_wanted = false;
    evg_swift_stacks_due();
}

/* Appends (request, code) to a list and returns it; NULL, the list given back, with an exception. */
PyObject *evg_py_serving_add(PyObject *list, const evg_exchange *exchange, PyObject *code);

/* ---- waiting ---- */

/* The moment of CLOCK_MONOTONIC at which a timeout in seconds ends; -1 with an exception. None is the caller's. */
struct timespec;
int evg_py_until(PyObject *timeout, struct timespec *until);

/* ---- texts ---- */

/* Interns names; -1 with an exception. Slots that are set already stay. */
typedef struct evg_py_interned {
    PyObject **slot;
    const char *text;
} evg_py_interned;

int evg_py_intern(const evg_py_interned *all, size_t count);

/* Calls object.name(locator, pythonpath, arguments, factory, more); more is a str that is lent. A new reference. */
PyObject *evg_py_call_with_source(PyObject *object, const char *name, const evg_py_app_source *source,
                                  const char *more);

typedef struct evg_py_methods {
    PyObject *get, *head, *post, *put, *delete_;
} evg_py_methods;

extern evg_py_methods evg_py_method;

/* A method, as one of these where it is one. */
PyObject *evg_py_method_text(const uint8_t *base, size_t count);

/* The text that was seen last, which is not made again when it comes again. */
typedef struct evg_py_kept_text {
    PyObject *text;
    size_t count;
    uint8_t bytes[128];
} evg_py_kept_text;

PyObject *evg_py_kept(evg_py_kept_text *kept, const uint8_t *base, size_t count);

/* Kept: behind a proxy all requests come from one address. */
PyObject *evg_py_address_text(evg_py_text address);

static inline PyObject *evg_py_latin1(const uint8_t *base, size_t count) {
    return PyUnicode_DecodeLatin1((const char *)base, (Py_ssize_t)count, NULL);
}

/* Sets a value that is taken over; -1 with an exception, which is pending already when the value is NULL. */
static inline int evg_py_set(PyObject *dict, PyObject *key, PyObject *value) {
    if (!value) return -1;
    int status = PyDict_SetItem(dict, key, value);
    Py_DECREF(value);
    return status;
}

/* The text of percent-encoded bytes: decoded to bytes, then by `decode`. A stray % stays as it is. */
typedef PyObject *(*evg_py_decoder)(const char *base, Py_ssize_t count, const char *errors);
PyObject *evg_py_percent_decoded(const uint8_t *base, size_t count, evg_py_decoder decode, const char *errors);

/* ---- types ---- */

/* The last step of tp_dealloc, for the types that are made here. */
static inline void evg_py_free(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    PyObject_Free(object);
    Py_DECREF(type);
}

#endif
