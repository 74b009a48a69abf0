/* Worker class gevent: a greenlet for each request, the loop as a guest of gevent's hub.
 * Law: Swift never calls the app. During a pump it notes here what has happened; after the pump, when no Swift frame
 * is on the stack, greenlets are started and woken. What greenlets call in Swift returns without switching. */
#ifndef EVG_GEVENT_H
#define EVG_GEVENT_H

#include "cpythonbridge.h"

/* What a request waits for. */
typedef enum evg_gevent_event {
    EVG_GEVENT_BODY,        /* more of the request body, or its end */
    EVG_GEVENT_DRAINED,     /* the client has taken enough of the response, or has left */
    EVG_GEVENT_FILE_SENT,   /* a file is sent, or cannot be */
    EVG_GEVENT_LEFT,        /* the client has left */
    EVG_GEVENT_OVERDUE      /* the deadline has passed, and the client has its answer */
} evg_gevent_event;

/* gevent is imported, when it is there and new enough, and patches the standard library when asked to. NULL, or why
 * that cannot be: a line that is valid until the next call. */
const char *evg_py_gevent_prepare(bool patch);

/* Makes gevent the driver of the loop; "gevent 24.10.1, libev", or NULL with the exception logged. */
const char *evg_py_gevent_open(void);

/* Whether a greenlet is ended when its client leaves. */
void evg_py_gevent_cancel_on_disconnect(bool cancels);

/* Adds to a template what every environ of the class has. */
void evg_py_gevent_dress(evg_py_environ *environ);

/* Notes a request to be served; call is Swift's own and is handed back by evg_swift_gevent_ended. */
void evg_py_gevent_enqueue(void *call);

/* Notes an event; request is what evg_swift_gevent_describe was given. */
void evg_py_gevent_notify(void *request, evg_gevent_event event);

/* Keeps a response head until it is sent. */
void evg_py_gevent_keep_head(void *request, const uint8_t *base, size_t count);

/* A bytes object, or NULL with the exception set. Runs nothing of the app's. */
void *evg_py_gevent_bytes(const uint8_t *base, size_t count);

/* Called by C, defined in Swift; on the loop's thread with the GIL, outside of a pump. */

/* Fills in what evg_py_call_app needs; what it points to is one block of memory that is returned, for free(3).
 * NULL when the request need not be served any more. request is given to evg_py_gevent_notify from then on. */
extern void *evg_swift_gevent_describe(void *call, void *request, evg_py_request *out, bool *streams);

/* As evg_swift_start; the head is handed to evg_py_gevent_keep_head. */
extern const char *evg_swift_gevent_start(void *call, int32_t status, evg_py_text reason,
                                          const evg_py_text_field *fields, size_t count);

typedef enum evg_gevent_sent { EVG_GEVENT_OK, EVG_GEVENT_FULL, EVG_GEVENT_GONE } evg_gevent_sent;

/* Sends the head when it is not NULL, and the block. With whole the block is the whole body and the response ends.
 * length is that of the whole body where it is known, else -1. */
extern evg_gevent_sent evg_swift_gevent_send(void *call, const uint8_t *head, size_t head_count, int64_t length,
                                             evg_py_text block, bool whole);

/* Whether there is room for more, or nobody to send it to. The event follows when there is none. */
extern bool evg_swift_gevent_is_drained(void *call);

/* Sends bytes of a file after what was sent; the end is notified. The descriptor is not used after the return. */
extern void *evg_swift_gevent_send_file(void *call, int32_t file, int64_t offset, int64_t count);

/* Whether the file was sent whole; stops it when it is still on its way. Frees transfer. */
extern bool evg_swift_gevent_file_ended(void *transfer);
extern bool evg_swift_gevent_file_is_done(void *transfer);

/* Whether nobody listens any more: the client has left, or has its answer. */
extern bool evg_swift_gevent_is_gone(void *call);

extern void evg_swift_gevent_finish(void *call);

/* An error response when nothing was sent, else a visible break. */
extern void evg_swift_gevent_fail(void *call, int32_t status);

/* The app sent more than it announced. */
extern void evg_swift_gevent_overrun(void *call);

/* The next bytes of a streamed body: a bytes object, empty at the end, or NULL. Then status is 0 while there is
 * nothing yet (the event follows), else that of the answer to a body that cannot be read. */
extern void *evg_swift_gevent_take(void *call, int32_t *status);

extern bool evg_swift_gevent_has_left(void *call);
extern void evg_swift_gevent_watch_client(void *call);

/* Seconds until the request is given up, or infinity. */
extern double evg_swift_gevent_remaining(void *call);
extern void evg_swift_gevent_set_remaining(void *call, double seconds);

/* Nothing of the request runs any more. */
extern void evg_swift_gevent_ended(void *call);

#endif
