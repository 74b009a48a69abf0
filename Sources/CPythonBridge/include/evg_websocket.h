/* What worker classes ask of the server about a request for a WebSocket. Law: that of evg_exchange.h. */
#ifndef EVG_WEBSOCKET_H
#define EVG_WEBSOCKET_H

#include "evg_exchange.h"

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

/* How a client is to be sent what is published on a channel. */
typedef struct evg_socket_channel {
    evg_py_text name;
    const evg_py_text *filters;
    size_t filter_count;
    const evg_py_text *meta;            /* names and values in turn */
    size_t meta_count;                  /* of both together */
    bool skips;                         /* messages for which a slow client has no room are not sent */
} evg_socket_channel;

/* Sends the client from now on what is published on a channel. False if that cannot be, with the reason. */
extern bool evg_swift_socket_subscribe(evg_exchange *exchange, const evg_socket_channel *channel, char *reason,
                                       size_t capacity);
extern void evg_swift_socket_unsubscribe(evg_exchange *exchange, evg_py_text channel);

/* False if the code may not be sent. */
extern bool evg_swift_socket_close(evg_exchange *exchange, uint16_t code, evg_py_text reason);

/* The names of the subprotocols that the client offers, one after the other; false behind the last. */
extern bool evg_swift_socket_subprotocol(evg_exchange *exchange, uint32_t index, evg_py_text *name);

/* Hands the connection itself over: a descriptor that is the caller's, and the bytes that come before those that can be
 * read there, lent until the next call. -1: it cannot be had (any more). */
extern int32_t evg_swift_socket_take(evg_exchange *exchange, evg_py_text *left_over);

#endif
