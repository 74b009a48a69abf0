/* What the app's code does now: evgateway.stacks tells, and is asked here. Law: the code of a request is found in what
 * its class keeps anyway, when somebody asks. */
#ifndef EVG_STACKS_H
#define EVG_STACKS_H

#include "evg_exchange.h"

typedef void evg_py_visit(void *context, evg_exchange *exchange);

/* Asks evgateway.stacks.collect, whose answer goes to evg_swift_stacks_taken before the return, with the same number.
 * With the GIL, and nothing of Swift below that must not be left. */
void evg_py_stacks(intptr_t number, evg_py_text argument);

/* The same on a thread of its own, which waits for the GIL; the caller does not have it. */
void evg_py_stacks_aside(intptr_t number, evg_py_text argument);

/* Of a guest, during a pump: evg_swift_stacks_due is called when it is over. */
void evg_py_want_stacks(void);

/* ---- called by C, defined in Swift ---- */

/* Empty if there is no answer. On the thread of the question. */
extern void evg_swift_stacks_taken(intptr_t number, evg_py_text answer);

extern void evg_swift_stacks_due(void);

#endif
