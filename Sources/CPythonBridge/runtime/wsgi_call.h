/* The call of a WSGI app (PEP 3333), which classes inline, threads and gevent share: its environ (environ.c,
 * environ_fields.c), wsgi.input (input.c), start_response and write (start_response.c), what it returns (call.c), and
 * what it makes of a request for a WebSocket (websocket.h).
 *
 * A class makes a call with a sink and an owner of its own. The sink is what differs between classes: how bytes of
 * write() leave, and what the environ holds besides. The head of the response is built in the call, where
 * start_response is read, and is handed out with the first bytes of the body: until then start_response may replace it
 * and an error can be answered. */
#ifndef EVG_BRIDGE_WSGI_CALL_H
#define EVG_BRIDGE_WSGI_CALL_H

#include "websocket.h"

#include "evg_wsgi_call.h"

#include <evg_thread_pool.h>

struct evg_py_environ {
    PyObject *constants;     /* copied for every request */
    char *script_name;       /* "" or "/prefix" */
    size_t script_name_count;
    const char *scheme;      /* what the constants say */
    size_t scheme_count;
};

/* What a WSGI class does for its calls. Called with the GIL, on the thread that called the app. */
typedef struct evg_wsgi_sink {
    /* write(): sends the head, unless it is NULL because it was sent before, and bytes, and waits for a slow client.
     * -1 with an exception that the app gets. */
    int (*write)(evg_py_call *call, evg_response_head *head, evg_py_text bytes);
    /* Sends the field lines of a 103, unless it is too late for that. */
    void (*hint)(evg_py_call *call, evg_py_text lines);
    /* Adds to the environ what the class gives its apps, or NULL. -1 with an exception. */
    int (*dress)(evg_py_call *call, PyObject *environ);
    /* Whether the pending exception is an end that is meant and needs no report; or NULL. */
    bool (*silences)(evg_py_call *call);
    /* Takes what the access log shows of the environ, when the app has returned: values in the order of the names, each
     * but the last ended by NUL, and a NUL at the end. */
    void (*note)(evg_py_call *call, evg_py_text variables);
    /* Called before evg_py_come_back ends a forked process, and returns where it may end; or NULL. */
    void (*comes_back)(evg_py_call *call);
    /* What becomes of a request for a WebSocket; NULL where nothing can. */
    const evg_py_socket_ways *socket_ways;
    /* Each call has a thread of control, and so a context for context variables, of its own. */
    bool owns_context;
} evg_wsgi_sink;

/* To the app this is start_response, which it may keep after the request. */
struct evg_py_call {
    PyObject_HEAD
    const evg_wsgi_sink *sink;
    void *owner;             /* of the sink's class; NULL once the response is over */
    PyObject *write;         /* what start_response returns, once it was called */
    PyObject *hints;         /* wsgi.early_hints; stays with the call for its next request */
    evg_py_line line;        /* for the error log */
    PyObject *environ;       /* until the app has returned */
    PyObject *context;       /* or NULL: see owns_context */
    evg_py_socket *socket;   /* of a request for a WebSocket; until the call is closed */
    PyObject *result, *iterator, *block;
    pthread_t thread;        /* that which called the app */
    evg_response_head head;
    bool started;            /* head is complete */
    bool head_taken;         /* it was handed out */
};

/* Keys and values that every request uses. */
typedef struct evg_py_names {
    PyObject *request_method, *script_name, *path_info, *query_string, *raw_uri, *remote_addr, *remote_port;
    PyObject *server_name, *server_port;
    PyObject *server_protocol, *content_length, *http_cookie, *url_scheme, *wsgi_input;
    PyObject *proxy_protocol, *proxy_addr, *proxy_port, *tcp4, *tcp6;
    PyObject *empty, *slash, *http10, *http2, *close;
} evg_py_names;

extern evg_py_names evg_py_name;
extern PyObject *evg_py_file_wrapper;   /* the class evgateway.host.FileWrapper */

/* Types and names; then, once evgateway.host can be imported, what is taken from it. */
int evg_wsgi_ready(PyObject *module);
int evg_wsgi_prepare(void);
int evg_py_input_init(void);
int evg_py_start_response_init(void);
int evg_py_early_hints_init(void);
/* Gives the call's environ its wsgi.early_hints; -1 with an exception (early_hints.c). */
int evg_py_early_hints_dress(evg_py_call *call);

/* A call that is to be filled in, or NULL with an exception. */
evg_py_call *evg_py_call_object(void);
/* True when the app kept neither start_response, write nor early_hints, so that they can serve another request. */
bool evg_py_call_is_free(const evg_py_call *call);

/* The call of the app in three steps, for a greenlet, which keeps on the heap what stands on the stack below the app.
 * prepare makes the environ, and takes `input` over as wsgi.input unless that is NULL, else request->body_file; without
 * memory it returns NULL, and the file is still the caller's.
 * enter calls the app, if that was well. begun, right behind it, says what came of it. */
evg_py_call *evg_py_call_prepare(const evg_py_request *request, PyObject *input, const evg_wsgi_sink *sink,
                                 void *owner);
void evg_py_call_enter(evg_py_call *call);
evg_py_outcome evg_py_call_begun(evg_py_call *call, evg_py_result *result);

/* Whether the access log shows variables of the environ, and then, while the call has its environ, tells them
 * (variables.c). An exception that is pending stays so. */
extern bool evg_py_notes_variables;
void evg_py_note_variables(evg_py_call *call);

/* In a forked process, when the app returns control to the server: ends the process. A copy of another request's
 * greenlet waits for ever. */
_Noreturn void evg_py_come_back(evg_py_call *call);

/* All three. */
evg_py_outcome evg_py_call_app(const evg_py_request *request, const evg_wsgi_sink *sink, void *owner,
                               evg_py_result *result);

/* The head of a call when it has not been handed out; from here on it has been. NULL else. */
static inline evg_response_head *evg_py_call_take_head(evg_py_call *call) {
    if (call->head_taken) return NULL;
    call->head_taken = true;
    return &call->head;
}

/* Takes input over, on failure too. */
PyObject *evg_py_environ_build(const evg_py_request *request, PyObject *input, evg_py_call *call);
/* What is told of TLS (tls_variables.c). */
int evg_py_tls_init(void);
int evg_py_tls_dress(PyObject *environ, const evg_py_tls *tls);
/* A new dict with the constants and the fields of a request; NULL with an exception. */
PyObject *evg_py_fields_dict(const evg_py_environ *environ, const evg_request_head *head);
int evg_py_fields_prepare(void);
/* wsgi.input over the body that request lends; takes request->body_file over, on failure too. */
PyObject *evg_py_input_new(const evg_py_request *request);
/* What every wsgi.input does with its arguments. An optional size: absent, None and negative are SIZE_MAX; -1 with an
 * exception. readlines([hint]), with what reads a line, which is b'' at the end. */
int evg_py_parse_size(PyObject *args, const char *name, size_t *size);
PyObject *evg_py_read_lines(PyObject *input, PyObject *args, PyObject *(*read_line)(PyObject *input));

#endif
