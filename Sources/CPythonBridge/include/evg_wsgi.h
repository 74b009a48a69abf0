/* Worker class inline: a WSGI app that is called on the loop's thread, from the loop.
 * Law: called with the GIL held. */
#ifndef EVG_WSGI_H
#define EVG_WSGI_H

#include "evg_wsgi_call.h"

/* Calls the app and sends what can be sent at once. EVG_PY_BLOCK: the caller sends head and block, then asks
 * evg_py_call_next; EVG_PY_FILE: the caller sends the file; both end with evg_py_call_close. Anything else: the client
 * has its answer, or its failure, and the call is closed. request->environ and the body are the caller's to fill in;
 * evg_swift_exchange_end is not called. */
evg_py_outcome evg_inline_serve(evg_py_request *request, evg_py_result *result);

#endif
