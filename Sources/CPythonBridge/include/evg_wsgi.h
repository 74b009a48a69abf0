/* What the WSGI classes need of C: templates of the environ, and the one call that class inline makes.
 * Law: every function is called with the GIL held; those of class inline on the loop's thread. */
#ifndef EVG_WSGI_H
#define EVG_WSGI_H

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

/* Class inline: calls the app and sends what can be sent at once. EVG_PY_BLOCK: the caller sends head and block, then
 * asks evg_py_call_next; EVG_PY_FILE: the caller sends the file; both end with evg_py_call_close. Anything else: the
 * client has its answer, or its failure, and the call is closed. request->environ and the body are the caller's to fill
 * in, evg_swift_exchange_end is the caller's to do. */
evg_py_outcome evg_inline_serve(evg_py_request *request, evg_py_result *result);

/* Asks the iterable for its next non-empty block. */
evg_py_outcome evg_py_call_next(evg_py_call *call, evg_py_result *result);

/* Calls close() of what the app returned, once, and lets go of everything; the call must not be used afterwards. */
void evg_py_call_close(evg_py_call *call);

#endif
