/* Whether a request has the fields of the request before, byte for byte: a client that polls, a crowd of the same
 * client. Then a class copies what it made of them as one object, and makes anew only what is secret.
 *
 * Law: the values of secret fields are neither kept nor compared. What is compared is bounded: 32 lines, 2048 bytes.
 * Used with the GIL. */
#ifndef EVG_BRIDGE_REPEATED_FIELDS_H
#define EVG_BRIDGE_REPEATED_FIELDS_H

#include "field_names.h"

enum { evg_repeated_longest = 8 };

typedef struct evg_repeated_fields {
    uint64_t series;        /* the same for requests that repeat each other, and for no other */
    /* Places of the lines whose values are not kept (evg_field_entry.keeps_value), and their entries. */
    uint32_t secret_count;
    uint8_t secrets[evg_repeated_longest];
    evg_field_entry *entries[evg_repeated_longest];
} evg_repeated_fields;

/* Whether the fields are those of the request before; then `repeated` says what the caller has to know of them. It is a
 * copy, because memory that Python allocates may let another thread run, which looks at another request. */
bool evg_fields_repeat(const evg_request_head *head, evg_repeated_fields *repeated);

/* After evg_fields_repeat was false, and every field has been looked up: these fields are to be compared with those of
 * the next request. */
void evg_fields_remember(const evg_request_head *head);

#endif
