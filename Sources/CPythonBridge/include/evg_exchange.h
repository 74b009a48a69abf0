/* What every worker class asks of the server about one request: one small set of calls, defined in Swift.
 * Law: on the loop's thread; none of them calls the app, switches greenlets or takes the GIL. */
#ifndef EVG_EXCHANGE_H
#define EVG_EXCHANGE_H

#include <chttp.h>

/* Bytes that belong to somebody else for as long as the call lasts. */
typedef struct evg_py_text {
    const uint8_t *base;
    size_t count;
} evg_py_text;

/* One request and its response. Whoever was given one gives it back by evg_swift_exchange_end, once. */
typedef struct evg_exchange evg_exchange;

/* A WSGI environ's part that is the same for all requests of one listening socket (wsgi/environ.c). */
typedef struct evg_py_environ evg_py_environ;

/* What is told of a connection over TLS. */
enum {
    EVG_PY_TLS_HTTPS, EVG_PY_TLS_PROTOCOL, EVG_PY_TLS_CIPHER, EVG_PY_TLS_NAME, EVG_PY_TLS_VERIFY, EVG_PY_TLS_SUBJECT,
    EVG_PY_TLS_ISSUER, EVG_PY_TLS_SERIAL, EVG_PY_TLS_START, EVG_PY_TLS_END, EVG_PY_TLS_PEM,
    EVG_PY_TLS_VALUES
};
typedef struct evg_py_tls {
    evg_py_text values[EVG_PY_TLS_VALUES];  /* base is NULL for what there is not */
    const evg_py_text *chain;               /* of the client, in PEM, its own certificate first */
    size_t chain_count;
    int32_t version, cipher;                /* as in the protocol */
} evg_py_tls;

/* What an environ or a scope is made of. */
typedef struct evg_py_request {
    evg_exchange *exchange;
    const evg_request_head *head;       /* valid until evg_swift_exchange_end, on every thread */
    evg_py_text client_address;         /* lent for the call; empty for a Unix socket's peer, or who is not known */
    uint16_t client_port;               /* 0 where it is not known */
    evg_py_text scheme;                 /* "http" or "https", valid for ever */
    /* What trusted proxies have said; valid like the head. */
    evg_py_text server_name;            /* empty: that of the listening socket */
    uint16_t server_port;               /* 0: that of the listening socket */
    evg_py_text prefix;                 /* where the app is; base is NULL where nobody has said it */
    bool path_has_prefix;               /* the path still begins with it */
    /* Where the client has connected to, if a PROXY header says so; else empty. Valid as long as the head. */
    evg_py_text destination_address;
    uint16_t destination_port;
    evg_py_text request_id;             /* for log lines; empty without --request-id. Valid like the head */
    const evg_py_tls *tls;              /* NULL where the connection is without TLS. Valid like the head */
    const char *tls_certificate;        /* the server's, in PEM; lent for the call, NULL where it is not known */
    bool is_socket;                     /* a WebSocket is asked for, and may be made of it */
    const evg_py_environ *environ;      /* WSGI only */
    /* The body, where it has been read before the app is called (WSGI). */
    const uint8_t *body;                /* NULL when the body is empty or in body_file; lent for the call */
    size_t body_count;                  /* in bytes, wherever they are */
    int body_file;                      /* a spool file at offset 0, closed by wsgi.input in the end, or -1 */
    bool length_from_body;              /* chunked: CONTENT_LENGTH becomes the decoded length (RFC 3875 4.1.2) */
} evg_py_request;

/* Fills in what stands above `environ`, but for the exchange; leaves the rest alone. */
extern void evg_swift_exchange_describe(evg_exchange *exchange, evg_py_request *request);

/* Its request_id. */
extern evg_py_text evg_swift_exchange_request_id(evg_exchange *exchange);

/* ---- the response ---- */

typedef enum evg_sent {
    EVG_SENT,       /* on its way */
    EVG_SENT_FULL,  /* on its way, and the client reads too slowly: wait for EVG_DRAINED before the next */
    EVG_SENT_GONE   /* nobody listens: the client has left, or has its answer */
} evg_sent;

/* Sends a 103 with these field lines, unless the response has begun or the client speaks HTTP/1.0. */
extern void evg_swift_exchange_hint(evg_exchange *exchange, evg_py_text lines);

/* Sends a whole response. */
extern evg_sent evg_swift_exchange_respond(evg_exchange *exchange, const evg_response_head *head, evg_py_text body);

/* Sends the head and the first bytes of the body, maybe none. `length` is that of the whole body where it is known and
 * the head has none, else -1. */
extern evg_sent evg_swift_exchange_begin(evg_exchange *exchange, const evg_response_head *head, int64_t length,
                                         evg_py_text first);
extern evg_sent evg_swift_exchange_write(evg_exchange *exchange, evg_py_text bytes);
extern void evg_swift_exchange_finish(evg_exchange *exchange);
/* The same with field lines behind the body, which are dropped where the client does not ask for them. */
extern void evg_swift_exchange_finish_with(evg_exchange *exchange, evg_py_text trailers);

/* An error response when nothing was sent, else an end that nobody takes for a complete body. */
extern void evg_swift_exchange_fail(evg_exchange *exchange, int32_t status);

/* Sends bytes of a regular file behind what was sent. Takes the descriptor over. `done` is called once, maybe before
 * the return: error is 0, an errno, or -1 when the client has left. The response is still to be finished. */
extern void evg_swift_exchange_send_file(evg_exchange *exchange, int file, int64_t offset, int64_t count,
                                         void (*done)(void *context, int32_t error), void *context);

/* Logs that the app sent more than it announced (what is too much is dropped). */
extern void evg_swift_exchange_overran(evg_exchange *exchange);

/* What the access log is to show of the environ: see evg_wsgi_sink. */
extern void evg_swift_exchange_note(evg_exchange *exchange, evg_py_text variables);

/* ---- the request body ---- */

typedef enum evg_taken {
    EVG_TAKEN,      /* bytes, and more follow */
    EVG_TAKEN_LAST, /* bytes, maybe none, and nothing follows */
    EVG_TAKEN_NONE, /* nothing yet: EVG_BODY tells */
    EVG_TAKEN_FAILED    /* cut off or refused; status is that of the answer */
} evg_taken;

/* The bytes that have arrived, lent until the next call about this exchange. */
extern evg_taken evg_swift_exchange_take(evg_exchange *exchange, evg_py_text *bytes, int32_t *status);

/* ---- what happens to it ---- */

typedef enum evg_event {
    EVG_BODY = 1,       /* more of the request body, or its end; told once for each EVG_TAKEN_NONE */
    EVG_DRAINED = 2,    /* the client has taken enough of the response, or has left */
    EVG_LEFT = 4,       /* the client has left before the end of its response */
    EVG_OVERDUE = 8     /* the deadline has passed, and the client has its answer */
} evg_event;

/* Tells of these events, in addition to those of earlier calls. One pair of notify and context for each exchange. */
extern void evg_swift_exchange_watch(evg_exchange *exchange, uint32_t events,
                                     void (*notify)(void *context, evg_event event), void *context);

typedef enum evg_exchange_state {
    EVG_IS_GONE = 1,    /* no answer is wanted any more: the client has left, or has been answered */
    EVG_HAS_LEFT = 2,   /* the client has left before the end of its response */
    EVG_IS_DRAINED = 4  /* a writer need not wait */
} evg_exchange_state;

extern uint32_t evg_swift_exchange_state(evg_exchange *exchange);

/* Seconds until the request is given up, infinity for never; and another deadline, in as many seconds. */
extern double evg_swift_exchange_remaining(evg_exchange *exchange);
extern void evg_swift_exchange_set_remaining(evg_exchange *exchange, double seconds);

/* The app is about to be called for it (a request that ends without is counted as dropped when its client left). */
extern void evg_swift_exchange_called(evg_exchange *exchange);

/* Nobody will look at the fields of its head: memory that a connection of hours need not hold. */
extern void evg_swift_exchange_forget(evg_exchange *exchange);

/* Nothing of the request runs any more. One that was not answered is answered with 500. */
extern void evg_swift_exchange_end(evg_exchange *exchange);

/* Blocks until a slow client has taken enough, or its time is up. Without the GIL; only class inline may. */
extern void evg_swift_exchange_flush(evg_exchange *exchange);

#endif
