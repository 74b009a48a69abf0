/* Worker class inline: the app is called on the loop's thread, from the loop. Law: a response that is there as a whole
 * is sent, and its call closed, before the return; only a stream or a file is left to the caller. */
#include "evg_wsgi.h"

#include "../runtime/wsgi_call.h"

#include <unistd.h>

static int write_bytes(evg_py_call *call, evg_response_head *head, evg_py_text bytes) {
    evg_exchange *exchange = call->owner;
    evg_sent sent = head ? evg_swift_exchange_begin(exchange, head, -1, bytes)
                         : evg_swift_exchange_write(exchange, bytes);
    if (sent == EVG_SENT_FULL) {
        Py_BEGIN_ALLOW_THREADS
        evg_swift_exchange_flush(exchange);
        Py_END_ALLOW_THREADS
    }
    return 0;
}

static void hint(evg_py_call *call, evg_py_text lines) { evg_swift_exchange_hint(call->owner, lines); }

static void note(evg_py_call *call, evg_py_text variables) { evg_swift_exchange_note(call->owner, variables); }

static const evg_wsgi_sink sink = {.write = write_bytes, .hint = hint, .note = note};

static void send_whole(evg_exchange *exchange, const evg_response_head *head, evg_py_text block) {
    if (head) {
        evg_swift_exchange_respond(exchange, head, block);
        return;
    }
    if (block.count) evg_swift_exchange_write(exchange, block);
    evg_swift_exchange_finish(exchange);
}

evg_py_outcome evg_inline_serve(evg_py_request *request, evg_py_result *result) {
    evg_exchange *exchange = request->exchange;
    evg_swift_exchange_describe(exchange, request);
    evg_py_outcome outcome = evg_py_call_app(request, &sink, exchange, result);
    if (!result->call && request->body_file >= 0) close(request->body_file);
    switch (outcome) {
    case EVG_PY_BLOCK:
        /* The usual response of a framework: one block of the length that it announced. It leaves in one write, and
         * the iterable is asked for its end afterwards. */
        if (!result->head || result->content_length != (int64_t)result->block.count) return outcome;
        evg_swift_exchange_respond(exchange, result->head, result->block);
        if (evg_py_call_next(result->call, result) == EVG_PY_BLOCK) evg_swift_exchange_overran(exchange);
        break;
    case EVG_PY_FILE:
        return outcome;
    case EVG_PY_WHOLE:
        send_whole(exchange, result->head, result->block);
        break;
    case EVG_PY_END:
        send_whole(exchange, result->head, (evg_py_text){NULL, 0});
        break;
    case EVG_PY_FAILED:
        evg_swift_exchange_fail(exchange, 500);
        break;
    }
    evg_py_call_close(result->call);
    return EVG_PY_END;
}
