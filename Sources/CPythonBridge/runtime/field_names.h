/* The table of field names: for each name that was seen, the object that a class makes of the name and the object that
 * it made of the value seen last. Most clients repeat themselves, so a request is mostly made of objects that exist.
 *
 * Bounds: names of up to 40 bytes, values of up to 128, 256 names, 8 probes; whatever is beyond them is made anew for
 * its request. Values that are secret, or differ in every request, are never kept. One table per process, used with
 * the GIL. */
#ifndef EVG_BRIDGE_FIELD_NAMES_H
#define EVG_BRIDGE_FIELD_NAMES_H

#include "runtime.h"

enum { evg_field_longest_name = 40, evg_field_longest_value = 128 };

typedef struct evg_field_entry {
    PyObject *key;                  /* made by the class */
    PyObject *value;                /* made by the class, of the value seen last; or NULL */
    uint64_t stamp;                 /* the request that had this field last */
    uint64_t name[evg_field_longest_name / 8];      /* lower case, padded with zeros */
    uint8_t name_count, value_count;
    bool keeps_value;
    uint16_t next;                  /* the entry of the field that came next when this field was seen last */
    uint8_t last[evg_field_longest_value];
} evg_field_entry;

/* What a class makes of fields. Both return a new reference, or NULL with an exception. */
typedef struct evg_field_makers {
    PyObject *(*key)(const uint8_t *name, size_t count);
    PyObject *(*value)(PyObject *key, const uint8_t *base, size_t count);
} evg_field_makers;

/* Says who makes the objects, and enters the usual names. -1 with an exception. Later calls do nothing. */
int evg_fields_prepare(const evg_field_makers *makers);

/* Before the first field of a request; returns the stamp of the request. */
uint64_t evg_fields_begin(void);

/* The entry of a name, made on first sight. NULL without an exception when it cannot be kept. */
evg_field_entry *evg_fields_find(const uint8_t *name, size_t count);

/* The class's object for the value of an entry's field: a new reference, or NULL with an exception. */
PyObject *evg_fields_value(evg_field_entry *entry, const uint8_t *base, size_t count);

/* The name in lower case, as the table compares names. `into` has room for `count` bytes. */
void evg_fields_fold(uint8_t *into, const uint8_t *name, size_t count);

#endif
