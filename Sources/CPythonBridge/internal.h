/* What the bridge's own files share. */
#ifndef EVG_BRIDGE_INTERNAL_H
#define EVG_BRIDGE_INTERNAL_H

#define Py_LIMITED_API 0x03090000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <pthread.h>

#include "cpythonbridge.h"

/* In the stable ABI since 3.10 only, but exported with this signature by 3.9 too. */
#if Py_LIMITED_API + 0 < 0x030A0000
PyAPI_FUNC(const char *) PyUnicode_AsUTF8AndSize(PyObject *text, Py_ssize_t *count);
#endif
/* In the stable ABI since 3.12, exported since 3.11, NULL before. */
PyAPI_FUNC(PyObject *) PyObject_Vectorcall(PyObject *callable, PyObject *const *arguments, size_t count,
                                           PyObject *keywords) __attribute__((weak));
/* Outside the stable ABI, exported unchanged since 3.7.1. */
PyAPI_FUNC(PyObject *) PyContext_CopyCurrent(void);
PyAPI_FUNC(int) PyContext_Enter(PyObject *context);
PyAPI_FUNC(int) PyContext_Exit(PyObject *context);

struct evg_py_environ {
    PyObject *constants;     /* copied for every request */
    char *script_name;       /* "" or "/prefix" */
    size_t script_name_count;
};

/* To the app this is start_response, which it may keep for as long as it likes. */
struct evg_py_call {
    PyObject_HEAD
    void *exchange;          /* NULL once the response is over */
    PyObject *write;         /* what start_response returns, once it was called */
    PyObject *method, *target;                  /* for the error log */
    PyObject *environ;       /* until the app has returned */
    PyObject *context;       /* or NULL: see owns_context */
    PyObject *result, *iterator, *block;
    pthread_t thread;        /* that which called the app */
    int64_t content_length;
    bool started, head_sent;
};

/* Where the responses of a worker's calls go; one for each worker class that calls in C. */
typedef struct evg_py_sink {
    const char *(*start)(void *exchange, int32_t status, evg_py_text reason, const evg_py_text_field *fields,
                         size_t count, bool replacing);
    bool (*write)(void *exchange, evg_py_text bytes);   /* true: flush is to be called, without the GIL */
    void (*flush)(void *exchange);
    int (*dress)(PyObject *environ, const evg_py_request *request);   /* adds what the class gives its apps; or NULL */
    int (*wait)(void *exchange);       /* in place of flush, with the GIL; -1 with an exception; or NULL */
    bool (*silences)(void *exchange);  /* whether the pending exception is an end that is meant; or NULL */
    void (*comes_back)(void *exchange);   /* evg_py_come_back: keeps what must not end the process; or NULL */
    bool owns_context;                 /* each call has a thread of control, and so a context, of its own */
} evg_py_sink;

extern evg_py_sink evg_py_responses;

/* Keys and values that every request uses. */
typedef struct evg_py_names {
    PyObject *request_method, *path_info, *query_string, *raw_uri, *remote_addr, *remote_port, *server_protocol;
    PyObject *content_length, *http_host, *wsgi_input;
    PyObject *empty, *slash, *get, *head, *post, *http10, *close;
} evg_py_names;

extern evg_py_names evg_py_name;
extern pthread_t evg_py_loop_thread;
extern PyObject *evg_py_app;            /* the WSGI callable */
extern PyObject *evg_py_host;           /* the Python module evgateway.host */
extern PyObject *evg_py_file_wrapper;   /* the class evgateway.host.FileWrapper */

/* Each adds what its file offers to Python to the extension module. */
int evg_py_forked_ready(PyObject *module);
int evg_py_guest_ready(PyObject *module);
int evg_py_gevent_ready(PyObject *module);
int evg_py_asgi_ready(PyObject *module);
int evg_py_threads_ready(PyObject *module);

int evg_py_names_init(void);
int evg_py_field_keys_init(void);
int evg_py_input_init(void);
int evg_py_start_response_init(void);
/* A call that is to be filled in, or NULL with an exception. */
evg_py_call *evg_py_call_object(void);
/* True when the app kept neither start_response nor write, so that they can serve another request. */
bool evg_py_call_is_free(const evg_py_call *call);

/* evg_py_call_app in three steps, for a greenlet, which keeps on the heap what stands on the stack below the app.
 * prepare: NULL without memory; enter: calls the app, if that was well; begun, right behind it: what came of it. */
evg_py_call *evg_py_call_prepare(const evg_py_request *request);
void evg_py_call_enter(evg_py_call *call);
evg_py_outcome evg_py_call_begun(evg_py_call *call, evg_py_result *result);

PyObject *evg_py_environ_build(const evg_py_request *request, evg_py_call *call);
void evg_py_field_keys_begin(void);
int evg_py_field_set(PyObject *environ, const uint8_t *bytes, const evg_py_field *field, bool skip_host);
PyObject *evg_py_input_new(const evg_py_request *request);

/* The text of percent-encoded bytes: decoded to bytes, then by `decode`. */
typedef PyObject *(*evg_py_decoder)(const char *base, Py_ssize_t count, const char *errors);
PyObject *evg_py_percent_decoded(const uint8_t *base, size_t count, evg_py_decoder decode, const char *errors);

/* Logs the pending exception, with the request's line, and clears it. what says where it happened. */
void evg_py_report(const evg_py_call *call, const char *what);

/* Whether this is a process that the app has forked. It must send nothing and never run the loop. */
extern bool evg_py_forked;
/* In a worker: notices forks from here on. log: the error log's descriptor. */
void evg_py_watch_forks(int log);
/* Ends a forked process, with the status that the pending exception asks for. The caller holds the GIL. */
_Noreturn void evg_py_end_forked(void);
/* The same where a call of the app's gives control back; a copy of another request's greenlet waits for ever. */
_Noreturn void evg_py_come_back(const evg_py_call *call);

/* Texts up to a NULL, as a list of str. */
PyObject *evg_py_text_list(char *const *texts);

static inline PyObject *evg_py_latin1(const uint8_t *base, size_t count) {
    return PyUnicode_DecodeLatin1((const char *)base, (Py_ssize_t)count, NULL);
}

#endif
