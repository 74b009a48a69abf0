/* What the files of worker class gevent share. */
#ifndef EVG_BRIDGE_GEVENT_H
#define EVG_BRIDGE_GEVENT_H

#include "internal.h"
#include "evg_gevent.h"

/* One request; to the app it is environ['evgateway.disconnected']. */
typedef struct evg_gevent_request {
    PyObject_HEAD
    void *call;                             /* Swift's side; NULL when the request has ended */
    PyObject *greenlet;                     /* runs the app */
    PyObject *reader, *writer;              /* greenlets that wait for the body, and for the client to read */
    PyObject *event, *callbacks;            /* those who want to know when the client leaves */
    struct evg_gevent_request *previous, *next;   /* of those that run */
    struct evg_gevent_head *head;           /* a response head that is not sent yet */
    int32_t refusal;                        /* the status when the body cannot be read */
    bool orphaned;                          /* in a forked process: its greenlet is not that which forked */
    bool streams, left, broken;             /* broken: write() or read() has raised because the client has left */
} evg_gevent_request;

typedef struct evg_gevent_names {
    PyObject *switch_, *kill, *set, *wait, *disconnected, *waitress, *deadline;
} evg_gevent_names;

extern evg_gevent_names evg_gevent_name;

/* The Python module evgateway.gevent_worker, and what is taken from it. */
extern PyObject *evg_gevent_module, *evg_gevent_hub, *evg_gevent_exit, *evg_gevent_input;

/* How start_response, write and the environ reach a request of this class. */
extern const evg_py_sink evg_gevent_sink;

evg_gevent_request *evg_gevent_request_new(void *call);
int evg_gevent_request_ready(PyObject *module);

/* A greenlet's whole life; take(request): the next bytes of a streamed body. */
PyObject *evg_gevent_serve(evg_gevent_request *request);
PyObject *evg_gevent_take(PyObject *module, PyObject *request);
/* The request is over, whatever its greenlet still does. */
void evg_gevent_ended(evg_gevent_request *request);

/* environ['evgateway.deadline']. */
PyObject *evg_gevent_deadline_new(evg_gevent_request *request);

/* Sleeps until place is woken; -1 with an exception. The caller looks again at what it waits for. */
int evg_gevent_wait(PyObject **place);
void evg_gevent_wake(PyObject **place);

/* Sleeps until the hub has polled; -1 with an exception. gevent.sleep(0) would promise only other greenlets a turn: a
 * hundred of them may run before the hub looks at a descriptor. */
int evg_gevent_yield(evg_gevent_request *request);

/* The hub runs: whoever writes next may do so for a while. */
void evg_gevent_begin_turn(void);

void evg_gevent_client_left(evg_gevent_request *request);
bool evg_gevent_has_left(evg_gevent_request *request);

/* In a forked process, instead of answering: the greenlet that forked ends it, others wait for ever. */
_Noreturn void evg_gevent_comes_back(void *request);

/* Once in a process, before the first greenlet. */
void evg_gevent_keep_stacks(void);

/* Runs the pending exception's report, when there is one. */
void evg_gevent_complain(const char *what);

#endif
