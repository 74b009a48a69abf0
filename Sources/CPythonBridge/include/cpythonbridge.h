/* CPython <-> Swift, over the stable ABI of CPython 3.9: one .so for every interpreter since.
 * Law: glue only. What HTTP allows is decided by the encoder in Swift; when to call is decided by the loop.
 * Every function is called on the loop's thread with the GIL held, except where its comment says otherwise. */
#ifndef EVG_CPYTHONBRIDGE_H
#define EVG_CPYTHONBRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A part of the bytes of the request head. */
typedef struct evg_py_range {
    uint32_t start, count;
} evg_py_range;

/* One header field; the layout is that of HTTP1.FieldSlice, so that a head's fields are passed as they stand. */
typedef struct evg_py_field {
    evg_py_range name, value;
} evg_py_field;

/* Bytes that belong to somebody else for as long as the call lasts. */
typedef struct evg_py_text {
    const uint8_t *base;
    size_t count;
} evg_py_text;

typedef struct evg_py_text_field {
    evg_py_text name, value;
} evg_py_text_field;

/* A dict with what never changes from request to request of one listening socket. */
typedef struct evg_py_environ evg_py_environ;

/* One call of the app, from its environ to the close() of what it returned. */
typedef struct evg_py_call evg_py_call;

typedef struct evg_py_request {
    void *exchange;             /* handed to the callbacks below; unretained, valid until evg_py_call_close */
    const evg_py_environ *environ;
    const uint8_t *bytes;       /* the request head */
    const evg_py_field *fields;
    size_t field_count;
    evg_py_range method, target, path, query, authority;
    bool http10;
    bool length_from_body;      /* chunked: CONTENT_LENGTH becomes the decoded length (RFC 3875 4.1.2) */
    const uint8_t *body;        /* NULL when the body is empty or in body_file */
    size_t body_count;          /* in bytes, wherever they are */
    int body_file;              /* a spool file at offset 0, closed by wsgi.input in the end, or -1 */
    evg_py_text remote_address;    /* empty for a Unix socket's peer */
    uint16_t remote_port;
} evg_py_request;

typedef enum evg_py_outcome {
    EVG_PY_WHOLE,   /* block is the whole body (maybe empty); close next */
    EVG_PY_BLOCK,   /* block is to be sent before evg_py_call_next is asked for another */
    EVG_PY_FILE,    /* file_count bytes of file, from file_offset, are the body; close next */
    EVG_PY_END,     /* the iterable is exhausted */
    EVG_PY_FAILED   /* the app raised or broke the protocol; reported to the error log already */
} evg_py_outcome;

typedef struct evg_py_result {
    evg_py_call *call;
    evg_py_text block;             /* valid until the next evg_py_call_next or evg_py_call_close */
    int64_t content_length;     /* what the app announced, or -1 */
    int file;
    int64_t file_offset, file_count;
} evg_py_result;

/* Calls the app. Whatever the outcome, result->call must be given to evg_py_call_close when it is not NULL. */
evg_py_outcome evg_py_call_app(const evg_py_request *request, evg_py_result *result);

/* Asks the iterable for its next non-empty block. */
evg_py_outcome evg_py_call_next(evg_py_call *call, evg_py_result *result);

/* Calls close() of what the app returned, once, and lets go of everything; the call must not be used afterwards. */
void evg_py_call_close(evg_py_call *call);

typedef struct evg_py_environ_options {
    const char *server_name, *server_port, *server_software, *script_name;
    bool multiprocess;
} evg_py_environ_options;

/* A template for requests of one listening socket, or NULL with the exception logged. Lives as long as the process. */
evg_py_environ *evg_py_environ_new(const evg_py_environ_options *options);

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

/* Called by C, defined in Swift. */

/* The epoll descriptor of the guest loop, and its pump: false when the worker is to end. */
extern int32_t evg_swift_guest_descriptor(void);
extern bool evg_swift_guest_pump(void);
/* Makes the descriptor readable, so that a pump follows. */
extern void evg_swift_guest_wake(void);

/* The gateway itself; arguments without the program's name. Returns the exit code. */
extern int32_t evg_swift_main(int32_t count, const char *const *arguments);

/* start_response: begins (or, when replacing, begins afresh) the response head. Returns NULL, or why it is refused. */
extern const char *evg_swift_start(void *exchange, int32_t status, evg_py_text reason, const evg_py_text_field *fields,
                                   size_t count, bool replacing);

/* write(): sends the head if need be, and the bytes. True when the peer is slow: evg_swift_flush is called next. */
extern bool evg_swift_write(void *exchange, evg_py_text bytes);

/* Waits for a slow peer, blocking, without the GIL. */
extern void evg_swift_flush(void *exchange);

/* One entry, a line without its end, of the error log. On any thread of the app. */
extern void evg_swift_log_error(evg_py_text line);

/* Whole lines for the error log, as they are: a traceback, or what the app wrote. On any thread of the app. */
extern void evg_swift_log_text(evg_py_text text);
/* Says in the log, by its descriptor and without a lock, that a process which the app forked ends with this status. */
extern void evg_swift_forked_child_ends(int32_t log, int32_t status);

#endif
