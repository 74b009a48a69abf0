/* What a WSGI app makes of a request for a WebSocket: one of the server's own (environ['wsgi.websocket']), or the
 * connection itself (environ['gunicorn.socket']). What the app sees is written in Python, evgateway.websocket; here is
 * the way from there to the worker class, whose functions do the rest.
 * Law: the request is an ordinary one until the app uses either; from then on no response of its own leaves. */
#ifndef EVG_BRIDGE_WEBSOCKET_H
#define EVG_BRIDGE_WEBSOCKET_H

#include "runtime.h"

#include "evg_websocket.h"

typedef struct evg_py_call evg_py_call;

/* What a class does; owner is that of the call. With the GIL, on any thread of the app. Of several threads or greenlets
 * one at a time sends, which evgateway.websocket sees to; receive is beside that. */
typedef struct evg_py_socket_ways {
    const char *name;   /* of the class */
    /* Each returns -1 with an exception. */
    int (*accept)(void *owner, evg_py_text subprotocol);    /* an evg_accepted */
    int (*send)(void *owner, bool is_text, evg_py_text bytes);  /* waits for a slow client; 0: nobody listens */
    int (*close)(void *owner, uint16_t code, evg_py_text reason);   /* 0: the code may not be sent */
    /* A descriptor, or -1 without an exception; left_over becomes bytes. */
    int (*take)(void *owner, PyObject **left_over);
    /* The next message, waited for, as evg_py_socket_message has it; NULL without an exception at the end. */
    PyObject *(*receive)(void *owner);
    /* Whether nothing is received and nobody listens any more. */
    bool (*has_ended)(void *owner);
} evg_py_socket_ways;

/* To evgateway.websocket this is the request. */
typedef struct evg_py_socket {
    PyObject_HEAD
    const evg_py_socket_ways *ways;
    void *owner;        /* NULL once the request is over */
    PyObject *environ;  /* until then; it knows the WebSocket, and the WebSocket its environ */
    PyObject *lock;     /* of those who send */
    bool accepted, taken;
} evg_py_socket;

int evg_py_socket_ready(PyObject *module);

/* Gives the call's environ what the app may use; -1 with an exception. */
int evg_py_socket_dress(evg_py_call *call);
/* Waits for those who send, and makes what the app keeps unusable. NULL is allowed, here and below. */
void evg_py_socket_end(evg_py_socket *socket);

/* The app answers by way of it. */
static inline bool evg_py_socket_is_used(const evg_py_socket *socket) {
    return socket && (socket->accepted || socket->taken);
}
/* Whether the pending exception only says that a WebSocket has ended. */
bool evg_py_socket_excuses(const evg_py_socket *socket);

/* A str, or a bytearray as gevent-websocket has it; NULL with an exception. */
PyObject *evg_py_socket_message(bool is_text, evg_py_text bytes);

#endif
