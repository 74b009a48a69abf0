/* Worker class asgi: an asyncio task for each request, the loop as a guest of asyncio's.
 * Law: during a pump of the loop Swift only leaves word (evg_asgi_accept, and the events that it tells of); Python runs
 * when it is over. Every function is called on the loop's thread with the GIL held. */
#ifndef EVG_ASGI_H
#define EVG_ASGI_H

#include "evg_exchange.h"

/* A scope's part that is the same for all requests of one listening socket. */
typedef struct evg_asgi_scope evg_asgi_scope;

typedef struct evg_asgi_scope_options {
    const char *server;
    int32_t port;               /* -1 for the path of a Unix socket */
    const char *root_path;
    const char *scheme;         /* of the listening socket: "http" or "https" */
} evg_asgi_scope_options;

/* A template for the requests of one listening socket, or NULL with the exception logged. Lives as long as the
 * process. */
evg_asgi_scope *evg_asgi_scope_new(const evg_asgi_scope_options *options);

/* A request has arrived, for a WebSocket maybe; takes over a reference to the exchange, which evg_swift_exchange_end
 * gives back. */
void evg_asgi_accept(evg_exchange *exchange, evg_asgi_scope *scope, bool is_socket);

/* evgateway.asgi.prepare: makes the loop and readies the driver. False with the exception logged. */
bool evg_asgi_prepare(const char *loop, const char *lifespan, double graceful_timeout, const char **loop_name);

/* ---- called by C, defined in Swift ---- */

/* The app is ready, or why it will never be: message is empty when it is, else one line; details may be empty. */
extern void evg_swift_asgi_started(evg_py_text message, evg_py_text details);

/* Seconds until the worker has to be gone, infinity while it stays; negative when its time is over. */
extern double evg_swift_asgi_time_left(void);

typedef enum evg_accepted {
    EVG_ACCEPTED,
    EVG_ACCEPT_GONE,                    /* the client has left, or was answered */
    EVG_ACCEPT_UNKNOWN_SUBPROTOCOL      /* not one of those that it has offered; nothing was sent */
} evg_accepted;

typedef enum evg_socket_event {
    EVG_SOCKET_WAIT, EVG_SOCKET_TEXT, EVG_SOCKET_BYTES, EVG_SOCKET_CLOSED
} evg_socket_event;

/* Makes a WebSocket of the request. The head's fields go out with it; subprotocol: no base for none. */
extern evg_accepted evg_swift_socket_accept(evg_exchange *exchange, const evg_response_head *head,
                                            evg_py_text subprotocol);

/* The next message, lent until the next call, or the reason and the code of the end. After EVG_SOCKET_WAIT, EVG_BODY
 * tells. */
extern evg_socket_event evg_swift_socket_next(evg_exchange *exchange, evg_py_text *bytes, int32_t *code);

extern evg_sent evg_swift_socket_send(evg_exchange *exchange, bool is_text, evg_py_text bytes);

/* False if the code may not be sent. */
extern bool evg_swift_socket_close(evg_exchange *exchange, uint16_t code, evg_py_text reason);

/* The names of the subprotocols that the client offers, one after the other; false behind the last. */
extern bool evg_swift_socket_subprotocol(evg_exchange *exchange, uint32_t index, evg_py_text *name);

/* One entry of the error log, of level info. */
extern void evg_swift_asgi_note(evg_py_text line);

#endif
