/* ASGI: what C and Swift ask of each other about one HTTP request of an ASGI app.
 * Law: during a pump of the loop Swift only leaves word (evg_asgi_accept, evg_asgi_event); Python runs when it is over.
 * Every function is called on the loop's thread with the GIL held. */
#ifndef EVG_ASGI_H
#define EVG_ASGI_H

#include "cpythonbridge.h"

/* One request that runs; made and freed by C. */
typedef struct evg_asgi_request evg_asgi_request;

/* The head of a request, lent for the length of evg_asgi_begin. */
typedef struct evg_asgi_head {
    void *scope;                /* the template of the request's listening socket */
    const uint8_t *bytes;
    const evg_py_field *fields;
    size_t field_count;
    evg_py_range method, target, path, query, authority;
    bool http10;
    evg_py_text remote_address;    /* empty for a Unix socket's peer */
    uint16_t remote_port;
} evg_asgi_head;

/* A template scope of one listening socket, or NULL with the exception logged. port is -1 for the path of a Unix
 * socket. Lives as long as the process. */
void *evg_asgi_scope_new(const char *server, int32_t port, const char *root_path);

/* A request has arrived; takes over a reference to the exchange, which evg_swift_asgi_end gives back. */
void evg_asgi_accept(void *exchange);

typedef enum evg_asgi_happening {
    EVG_ASGI_PROGRESS,  /* body arrived, output drained, or the client left: whoever waits looks again */
    EVG_ASGI_OVERDUE    /* the deadline has passed, the client has its answer */
} evg_asgi_happening;

void evg_asgi_event(evg_asgi_request *request, evg_asgi_happening happening);

/* Called back by evg_swift_asgi_describe, with the head lent. */
void evg_asgi_begin(void *context, const evg_asgi_head *head);

/* Called back by evg_swift_asgi_start with the head, which is kept until it is sent. */
void evg_asgi_keep_head(evg_asgi_request *request, const uint8_t *base, size_t count);

/* Called back by evg_swift_asgi_take with bytes that have arrived. */
void evg_asgi_body(void *context, const uint8_t *base, size_t count);

/* Called back when a file has been sent: error is 0, an errno, or -1 when the client has left. */
void evg_asgi_file_sent(evg_asgi_request *request, int32_t error);

/* evgateway.asgi.prepare: makes the loop and readies the driver. False with the exception logged. */
bool evg_asgi_prepare(const char *loop, const char *lifespan, double graceful_timeout, const char **loop_name);

/* Called by C, defined in Swift. */

extern void evg_swift_asgi_describe(void *exchange, void *context);

/* Tells of the deadline from now on, if there is one. */
extern void evg_swift_asgi_watch_deadline(void *exchange, evg_asgi_request *request);
/* Tells when the client leaves and when the output has drained; and, with body, once when more of that has come. */
extern void evg_swift_asgi_watch(void *exchange, evg_asgi_request *request, bool body);

typedef enum evg_asgi_take_outcome {
    EVG_ASGI_BYTES,     /* given to evg_asgi_body; more follow */
    EVG_ASGI_LAST,      /* given to evg_asgi_body unless there were none; nothing follows */
    EVG_ASGI_WAIT,
    EVG_ASGI_FAILED     /* the body is cut off or refused; the client has been answered */
} evg_asgi_take_outcome;

extern evg_asgi_take_outcome evg_swift_asgi_take(void *exchange, void *context);

typedef enum evg_asgi_send_outcome { EVG_ASGI_SENT, EVG_ASGI_FULL, EVG_ASGI_GONE } evg_asgi_send_outcome;

/* Gives the head to evg_asgi_keep_head, or returns why it cannot go onto the wire. */
extern const char *evg_swift_asgi_start(
    void *exchange, evg_asgi_request *request, int32_t status, const evg_py_text_field *fields, size_t count);

/* The head that was kept and the first bytes of the body; when last, all of it. */
extern evg_asgi_send_outcome evg_swift_asgi_respond(void *exchange, evg_py_text head, evg_py_text body, bool last);

extern evg_asgi_send_outcome evg_swift_asgi_write(void *exchange, evg_py_text body, bool last);

/* The whole body is the file, which is closed in the end; evg_asgi_file_sent tells when. */
extern void evg_swift_asgi_send_file(
    void *exchange, evg_asgi_request *request, evg_py_text head, int32_t file, int64_t size);

/* No answer is wanted any more: the client has left, or has been answered. */
extern bool evg_swift_asgi_is_gone(void *exchange);
extern bool evg_swift_asgi_is_drained(void *exchange);

/* Seconds until the deadline, infinity for none; and another one, in as many seconds. */
extern double evg_swift_asgi_deadline(void *exchange);
extern void evg_swift_asgi_set_deadline(void *exchange, double seconds);

/* The app has returned, or failed. */
extern void evg_swift_asgi_end(void *exchange, bool failed);

/* The app is ready, or why it will never be: message is empty when it is, else one line; details may be empty. */
extern void evg_swift_asgi_started(evg_py_text message, evg_py_text details);

/* Seconds until the worker has to be gone, infinity while it stays; negative when its time is over. */
extern double evg_swift_asgi_time_left(void);

/* One entry of the error log, of level info. */
extern void evg_swift_asgi_note(evg_py_text line);

#endif
