/* What the server leaves for Python's logging: lines of its log, requests that have ended, and that files are to be
 * opened again. Swift keeps it in a queue; Python takes it where an app may run (evgateway.logqueue).
 * Law: whoever leaves something calls no Python. */
#ifndef EVG_PYTHON_LOG_H
#define EVG_PYTHON_LOG_H

#include "evg_exchange.h"

typedef enum evg_py_log_kind {
    EVG_LOG_LINE = 0,
    EVG_LOG_REQUEST = 1,
    EVG_LOG_REFUSED = 2,    /* a request whose head could not be read */
    EVG_LOG_REOPEN = 3
} evg_py_log_kind;

/* Everything is lent until the next call of evg_swift_log_next. */
typedef struct evg_py_log_entry {
    evg_py_log_kind kind;
    int32_t level;                  /* of a line, as in Python's logging */
    evg_py_text text;               /* a line, maybe a report of several; of a refused request, how its head began */
    const evg_request_head *head;
    evg_py_text address;            /* of the client; empty for a Unix socket's peer */
    uint16_t port;
    evg_py_text scheme;
    int32_t status;
    uint64_t sent;                  /* bytes of the response's body */
    evg_py_text lines;              /* the field lines of the response */
    evg_py_text formatted;          /* the line of the log in a form that is no format of gunicorn's; else empty */
    double seconds;
} evg_py_log_entry;

/* How a worker takes what was left. */
typedef enum evg_py_log_taker {
    EVG_LOG_LOOP,       /* the loop's thread, between two turns */
    EVG_LOG_THREAD      /* a thread of its own, which is started when it is needed: the loop does not run Python */
} evg_py_log_taker;

/* Something was left. On any thread, without the GIL or with it. */
void evg_py_log_left(void);

/* In a worker, before its loop runs. */
void evg_py_log_taken_by(evg_py_log_taker taker);

/* The next of what was left; false at the end. Called by one thread at a time. */
extern bool evg_swift_log_next(evg_py_log_entry *entry);

#endif
