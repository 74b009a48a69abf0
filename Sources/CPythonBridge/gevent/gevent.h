/* Worker class gevent, from inside. queue.c notes what a pump brings and starts and wakes greenlets when it is over;
 * call.c is what a greenlet does for its request, websocket.c what it does with a WebSocket; request.c is what the app
 * sees of it; worker.c sets the class up;
 * stacks.c saves CPU time in CPython. */
#ifndef EVG_BRIDGE_GEVENT_H
#define EVG_BRIDGE_GEVENT_H

#include "../runtime/wsgi_call.h"

#include "evg_gevent.h"

/* What a request is made of, from evg_gevent_accept to its greenlet. */
typedef struct evg_gevent_arrival {
    evg_exchange *exchange;
    const evg_py_environ *environ;
    PyObject *input;                        /* wsgi.input over a body that has been read, else NULL */
    size_t body_count;                      /* bytes of it */
    bool length_from_body, streams;
} evg_gevent_arrival;

/* One request; to the app it is environ['evgateway.disconnected']. */
typedef struct evg_gevent_request {
    PyObject_HEAD
    evg_exchange *exchange;                 /* NULL when the request has ended */
    evg_gevent_arrival arrival;             /* input: until the call takes it */
    PyObject *greenlet;                     /* runs the app */
    PyObject *reader, *writer;              /* greenlets that wait for the body, and for the client to read */
    PyObject *event, *callbacks;            /* those who want to know when the client leaves */
    struct evg_gevent_request *previous, *next;   /* of those that run */
    bool orphaned;                          /* in a forked process: its greenlet is not that which forked */
    int32_t refusal;                        /* the status when the body cannot be read */
    bool body_ended;                        /* the last bytes of a streamed body were taken */
    bool left, broken;                      /* broken: write() or read() has raised because the client has left */
} evg_gevent_request;

typedef struct evg_gevent_names {
    PyObject *switch_, *kill, *set, *wait, *disconnected, *waitress, *deadline;
} evg_gevent_names;

extern evg_gevent_names evg_gevent_name;

/* The Python module evgateway.gevent_worker, and what is taken from it. */
extern PyObject *evg_gevent_module, *evg_gevent_hub, *evg_gevent_exit, *evg_gevent_input, *evg_gevent_greenlet_type;
extern bool evg_gevent_cancels_on_disconnect;

int evg_gevent_ready(PyObject *module);
int evg_gevent_request_ready(PyObject *module);
int evg_gevent_queue_ready(PyObject *module);

/* ---- queue.c ---- */

/* An event of evg_exchange.h, or: a file was sent, or cannot be. */
enum { evg_gevent_file_sent = 256 };

/* Notes an event for the end of the pump. */
void evg_gevent_notify(evg_gevent_request *request, uint32_t event);
/* The same as evg_swift_exchange_watch wants it; context is the request. */
void evg_gevent_happened(void *context, evg_event event);

/* The request is over, whatever its greenlet still does. */
void evg_gevent_ended(evg_gevent_request *request);

/* Sleeps until the hub has polled; -1 with an exception. gevent.sleep(0) would promise only other greenlets a turn: a
 * hundred of them may run before the hub looks at a descriptor. */
int evg_gevent_yield(evg_gevent_request *request);

/* The attribute `_run` of the class of greenlets: the function that is a greenlet's whole life, without arguments. NULL
 * with an exception. */
PyObject *evg_gevent_run_attribute(void);

/* ---- call.c ---- */

/* A greenlet's whole life; take(request): the next bytes of a streamed body. */
PyObject *evg_gevent_serve(evg_gevent_request *request);
PyObject *evg_gevent_take(PyObject *module, PyObject *request);

/* Bytes were sent. Waits for a slow client, and lets the hub poll when it is its turn; -1 with an exception. */
int evg_gevent_after_sending(evg_gevent_request *request, evg_sent outcome, size_t count);

/* The hub has just polled: whoever writes next may do so for a while. */
void evg_gevent_begin_turn(void);

/* ---- request.c ---- */

/* Takes the arrival over; NULL with an exception, and then it does not. */
evg_gevent_request *evg_gevent_request_new(const evg_gevent_arrival *arrival);

/* environ['evgateway.deadline']. */
PyObject *evg_gevent_deadline_new(evg_gevent_request *request);

/* Sleeps until place is woken; -1 with an exception. The caller looks again at what it waits for. */
int evg_gevent_wait(PyObject **place);
void evg_gevent_wake(PyObject **place);

void evg_gevent_client_left(evg_gevent_request *request);
bool evg_gevent_has_left(evg_gevent_request *request);

/* Nobody listens any more, or the request is over. */
static inline bool evg_gevent_is_gone(const evg_gevent_request *request) {
    return !request->exchange || (evg_swift_exchange_state(request->exchange) & EVG_IS_GONE);
}

/* In a forked process, instead of answering: the greenlet that forked ends it, others wait for ever. */
_Noreturn void evg_gevent_comes_back(evg_gevent_request *request);

/* ---- websocket.c ---- */

extern const evg_py_socket_ways evg_gevent_socket_ways;

/* ---- stacks.c ---- */

/* Once in a process, before the first greenlet. */
void evg_gevent_keep_stacks(void);

#endif
