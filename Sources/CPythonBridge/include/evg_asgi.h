/* Worker class asgi: an asyncio task for each request, the loop as a guest of asyncio's.
 * Law: during a pump of the loop Swift only leaves word (evg_asgi_accept, and the events that it tells of); Python runs
 * when it is over. Every function is called on the loop's thread with the GIL held. */
#ifndef EVG_ASGI_H
#define EVG_ASGI_H

#include "evg_stacks.h"
#include "evg_websocket.h"

/* A scope's part that is the same for all requests of one listening socket. */
typedef struct evg_asgi_scope evg_asgi_scope;

typedef struct evg_asgi_scope_options {
    const char *server;
    int32_t port;               /* -1 for the path of a Unix socket */
    const char *root_path;
    const char *scheme;         /* of the listening socket: "http" or "https" */
    bool has_channels;          /* WebSockets may subscribe to channels */
} evg_asgi_scope_options;

/* A template for the requests of one listening socket, or NULL with the exception logged. Lives as long as the
 * process. */
evg_asgi_scope *evg_asgi_scope_new(const evg_asgi_scope_options *options);

/* A request has arrived, for a WebSocket maybe; takes over a reference to the exchange, which evg_swift_exchange_end
 * gives back. */
void evg_asgi_accept(evg_exchange *exchange, evg_asgi_scope *scope, bool is_socket);

/* Calls for each request that has a task. */
void evg_asgi_visit(evg_py_visit *visit, void *context);

/* evgateway.asgi.prepare: makes the loop and readies the driver. False with the exception logged. */
bool evg_asgi_prepare(const char *loop, const char *lifespan, double graceful_timeout, const char **loop_name);

/* ---- called by C, defined in Swift ---- */

/* The app is ready, or why it will never be: message is empty when it is, else one line; details may be empty. */
extern void evg_swift_asgi_started(evg_py_text message, evg_py_text details);

/* Seconds until the worker has to be gone, infinity while it stays; negative when its time is over. */
extern double evg_swift_asgi_time_left(void);

/* One entry of the error log, of level info. */
extern void evg_swift_asgi_note(evg_py_text line);

#endif
