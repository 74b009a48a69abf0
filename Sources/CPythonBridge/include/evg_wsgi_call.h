/* One call of a WSGI app (PEP 3333), as the classes inline, gevent and threads make it, and the templates of its
 * environ. Law: every function is called with the GIL held. */
#ifndef EVG_WSGI_CALL_H
#define EVG_WSGI_CALL_H

#include "evg_exchange.h"

typedef struct evg_py_environ_options {
    const char *server_name, *server_port, *server_software, *script_name;
    const char *scheme;         /* of the listening socket: "http" or "https" */
    bool multiprocess;
} evg_py_environ_options;

/* A template for requests of one listening socket, or NULL with the exception logged. Lives as long as the process. */
evg_py_environ *evg_py_environ_new(const evg_py_environ_options *options);

/* One call of the app, from its environ to the close() of what it returned. */
typedef struct evg_py_call evg_py_call;

typedef enum evg_py_outcome {
    EVG_PY_WHOLE,   /* block is the whole body (maybe empty); close next */
    EVG_PY_BLOCK,   /* block is to be sent before evg_py_call_next is asked for another */
    EVG_PY_FILE,    /* file_count bytes of file, from file_offset, are the body; close next */
    EVG_PY_END,     /* the iterable is exhausted */
    EVG_PY_FAILED   /* the app raised or broke the protocol; reported to the error log already */
} evg_py_outcome;

typedef struct evg_py_result {
    evg_py_call *call;
    evg_response_head *head;    /* to be sent with the block, or NULL when it was handed out before; the call's */
    evg_py_text block;          /* valid until the next evg_py_call_next or evg_py_call_close */
    int64_t content_length;     /* what the app announced, or -1 */
    int file;
    int64_t file_offset, file_count;
} evg_py_result;

/* Asks the iterable for its next non-empty block. */
evg_py_outcome evg_py_call_next(evg_py_call *call, evg_py_result *result);

/* Calls close() of what the app returned, once, and lets go of everything; the call must not be used afterwards. */
void evg_py_call_close(evg_py_call *call);

/* Which variables of the environ the access log shows: names separated by NUL. Once, with the GIL. */
void evg_py_want_variables(evg_py_text names);

#endif
