/* The head of the response before: when an app gives the very same objects again, as it does with constants of its
 * code, the head that was made of them is copied.
 *
 * Law: only objects that cannot change (str, bytes, int) are compared, by identity, and they are kept alive meanwhile.
 * One head is kept, and only once it has come twice, so that what differs in every response (a cookie that is set) is
 * not. Used with the GIL. */
#ifndef EVG_BRIDGE_REPEATED_HEAD_H
#define EVG_BRIDGE_REPEATED_HEAD_H

#include "runtime.h"

enum { evg_head_most_fields = 12, evg_head_most_objects = 1 + 2 * evg_head_most_fields };

/* What a head is made of: the status, then names and values in turn. Borrowed. */
typedef struct evg_head_objects {
    uint32_t count;         /* 0: not to be compared or kept */
    PyObject *objects[evg_head_most_objects];
} evg_head_objects;

/* True when `head` has become a copy of the head that was made of the same objects. */
bool evg_head_repeat(const evg_head_objects *objects, evg_response_head *head);

/* After evg_head_repeat was false: a head has been made of these objects. */
void evg_head_remember(const evg_head_objects *objects, const evg_response_head *head);

#endif
