/* Worker class gevent: a greenlet for each request, the loop as a guest of gevent's hub.
 * Law: Swift never calls the app. During a pump it notes here what has happened; after the pump, when no Swift frame
 * is on the stack, greenlets are started and woken. What greenlets call in Swift returns without switching.
 * Every function is called on the loop's thread with the GIL held. */
#ifndef EVG_GEVENT_H
#define EVG_GEVENT_H

#include "evg_stacks.h"

/* gevent is imported, when it is there and new enough, and patches the standard library when asked to. NULL, or why
 * that cannot be: a line that is valid until the next call. */
const char *evg_gevent_prepare(bool patch);

/* Makes gevent the driver of the loop; "gevent 24.10.1, libev", or NULL with the exception logged. */
const char *evg_gevent_open(void);

/* Whether a greenlet is ended when its client leaves. */
void evg_gevent_cancel_on_disconnect(bool cancels);

/* Adds to a template what every environ of the class has. */
void evg_gevent_dress(evg_py_environ *environ);

/* Notes a request to be served. It takes over a reference to the exchange, which evg_swift_exchange_end gives back, and
 * request->body_file. Of request it reads exchange, environ and the body; streams: the body is still arriving, and the
 * app reads it as it does. Runs nothing of the app. */
void evg_gevent_accept(const evg_py_request *request, bool streams);

/* Calls for each request that has a greenlet. */
void evg_gevent_visit(evg_py_visit *visit, void *context);

#endif
