/* Worker class asgi, from inside (ASGI, HTTP & WebSocket, "HTTP"). worker.c notes what a pump brings and starts tasks
 * when it is over; request.c is a request as the coroutine of its task, with the tools of coroutine.c; scope.c is its
 * scope; channel.c is receive and what is awaited; send.c is send. */
#ifndef EVG_BRIDGE_ASGI_H
#define EVG_BRIDGE_ASGI_H

#include "../runtime/runtime.h"

#include "evg_asgi.h"

/* What PyIter_Send returns, and its slot: in the stable ABI since 3.10, where PyIter_Send is not NULL. */
enum { evg_send_return = 0, evg_send_error = -1, evg_send_next = 1, evg_slot_am_send = 81 };

/* A request that runs: the coroutine that its asyncio task drives. It drives the app's in turn, so that the end of
 * the app is seen without a callback. Kept alive by the list of those that run. */
typedef struct evg_asgi_request {
    PyObject_HEAD
    evg_exchange *exchange;             /* NULL when the app has ended */
    PyObject *scope, *app, *task;       /* app: what it returned, as an iterator; NULL before the first step */
    PyObject *receive, *send;           /* what the app was called with; both hold a reference to the request */
    PyObject *waiter, *waiters;         /* a future of receive or send, and a list of those beside it; or NULL */
    evg_response_head head;             /* of http.response.start, until the first bytes of the body */
    struct evg_asgi_request *previous, *next;
    uint32_t burst;                     /* bytes sent since the loop had its last turn */
    int32_t file_error;
    bool started, head_sent, complete, body_read, file_pending, event_pending, overdue;
    bool has_trailers, body_over, trailers_begun;       /* trailers were announced; body_over: they are due */
    bool is_starting;                   /* its first step runs, and nothing else of it has run */
    bool is_socket, connect_told, accepted, closed;     /* of a WebSocket; closed: by the app */
} evg_asgi_request;

struct evg_asgi_scope {
    bool has_channels;
    PyObject *constants;                /* copied for every request */
    char *scheme;                       /* what the constants say */
    size_t scheme_count;
};

extern PyTypeObject *evg_asgi_request_type;
extern PyTypeObject *evg_asgi_coroutine_type;
extern evg_asgi_request *evg_asgi_first;    /* of those that run */
extern PyObject *evg_asgi_cancelled;        /* asyncio.CancelledError */
extern PyObject *evg_asgi_disconnected;     /* evgateway's subclass of OSError */

int evg_asgi_ready(PyObject *module);
int evg_asgi_request_init(void);
/* A request on the list of those that run; NULL with an exception. The caller gets a reference of its own. */
evg_asgi_request *evg_asgi_request_new(evg_exchange *exchange);
/* Gives that reference back when the first step has run. */
void evg_asgi_request_release(evg_asgi_request *request);
/* Ends it, if it has not ended. The caller holds a reference and has no exception pending. */
void evg_asgi_end(evg_asgi_request *request, bool failed);

int evg_asgi_scope_init(void);
int evg_asgi_scope_ready(PyObject *module);
/* The extension `tls` of a request that has come over it; a new reference (tls.c). */
PyObject *evg_asgi_tls(const evg_py_request *described);
/* NULL with an exception. */
PyObject *evg_asgi_scope_build(const evg_asgi_scope *scope, const evg_py_request *described,
                               evg_asgi_request *request);

int evg_asgi_channel_init(void);
PyObject *evg_asgi_make_receive(evg_asgi_request *request);
int evg_asgi_send_init(void);
PyObject *evg_asgi_make_send(evg_asgi_request *request);

int evg_asgi_socket_init(void);
/* The next message of a WebSocket; NULL without an exception when there is none yet. */
PyObject *evg_asgi_socket_next(evg_asgi_request *request);
PyObject *evg_asgi_socket_send(evg_asgi_request *request, PyObject *event, PyObject *type);

/* subscribe.c: the messages evgateway.subscribe and evgateway.unsubscribe of an accepted WebSocket, and what stands in
 * the scope for those that a framework lets send no others than its own. */
int evg_asgi_subscribe_init(void);
PyObject *evg_asgi_subscribe_event(evg_asgi_request *request, PyObject *event);
PyObject *evg_asgi_unsubscribe_event(evg_asgi_request *request, PyObject *event);
/* Methods of the request. */
PyObject *evg_asgi_subscribe(PyObject *request, PyObject *arguments, PyObject *keywords);
PyObject *evg_asgi_unsubscribe(PyObject *request, PyObject *channel);

/* What a response and a WebSocket have in common (send.c). */
/* Lends the bytes of an object; those of other types than bytes are copied into *temporary, which is the caller's. */
int evg_asgi_bytes_of(PyObject *object, evg_py_text *text, PyObject **temporary, const char *what);
/* The UTF-8 of a str, lent. -1 with an exception. */
int evg_asgi_text_of(PyObject *object, evg_py_text *text, const char *what);
/* A head of this status and the event's headers. -1 with an exception. */
int evg_asgi_build_head(evg_response_head *head, int32_t status, PyObject *event);
PyObject *evg_asgi_start(evg_asgi_request *request, PyObject *event);
PyObject *evg_asgi_send_body(evg_asgi_request *request, PyObject *event);
/* The headers as a list, which is the app's own when it gave one; NULL without an exception when there are none. */
PyObject *evg_asgi_headers_of(PyObject *event);
/* -1 with an exception. */
int evg_asgi_add_headers(evg_response_head *head, PyObject *headers);
/* Whether the event has a true value under this key; -1 with an exception. */
int evg_asgi_is_set(PyObject *event, PyObject *key);
/* False with an exception. */
bool evg_asgi_may_send_body(evg_asgi_request *request);

/* extensions.c */
int evg_asgi_extensions_init(void);
PyObject *evg_asgi_send_hint(evg_asgi_request *request, PyObject *event);
PyObject *evg_asgi_send_trailers(evg_asgi_request *request, PyObject *event);
PyObject *evg_asgi_send_path(evg_asgi_request *request, PyObject *event);

/* What is to be awaited after bytes were given away. */
PyObject *evg_asgi_sent(evg_asgi_request *request, evg_sent outcome, size_t count);

/* Events of evg_exchange.h, and that a file was sent, as they are left during a pump. */
void evg_asgi_happened(void *request, evg_event event);
void evg_asgi_file_sent(void *request, int32_t error);

/* No answer is wanted any more, or the app has ended. */
static inline bool evg_asgi_is_gone(const evg_asgi_request *request) {
    return !request->exchange || (evg_swift_exchange_state(request->exchange) & EVG_IS_GONE);
}

/* From now on the request is woken by these events. */
static inline void evg_asgi_watch(evg_asgi_request *request, uint32_t events) {
    evg_swift_exchange_watch(request->exchange, events, evg_asgi_happened, request);
}

typedef enum evg_asgi_wait_kind {
    evg_asgi_wait_done,         /* nothing to wait for */
    evg_asgi_wait_message,      /* the value is there */
    evg_asgi_wait_receive,
    evg_asgi_wait_drain,
    evg_asgi_wait_turn,         /* for the loop's next turn */
    evg_asgi_wait_send,         /* a message that is sent when it is awaited */
    evg_asgi_wait_file
} evg_asgi_wait_kind;

extern PyObject *evg_asgi_done;     /* the awaitable of every send that need not wait */
/* Takes value. */
PyObject *evg_asgi_waiting(evg_asgi_request *request, evg_asgi_wait_kind kind, PyObject *value);
/* Sends a message; returns what is to be awaited. */
PyObject *evg_asgi_send(evg_asgi_request *request, PyObject *message);
/* Another thread may call receive and send and hand what they return to the loop, which is where it is awaited. */
bool evg_asgi_on_loop_thread(void);
/* The exception of a send that comes too late; NULL. */
PyObject *evg_asgi_say_disconnected(void);

/* A new future of the loop, which the next evg_asgi_wake resolves. */
PyObject *evg_asgi_wait(evg_asgi_request *request);
/* Whoever waits in receive or send looks again. Runs nothing of the app. */
void evg_asgi_wake(evg_asgi_request *request);

/* One step of an iterator: evg_send_*. value may be NULL for None. */
int evg_asgi_step(PyObject *iterator, PyObject *value, PyObject **result);
/* The arguments of a coroutine's throw(), as the pending exception. */
void evg_asgi_raise(PyObject *arguments);
/* Turns what a step says into what send() and __next__ say. Takes result. */
PyObject *evg_asgi_stepped(int outcome, PyObject *result);

#endif
