/* The table of field names. Law: two names are the same only when all their bytes are, after folding of A-Z; no request
 * can make a look-up long, and none can make the table grow past its bounds. */
#include "field_names.h"

#include <string.h>

enum { slots = 512, capacity = 256, probes = 8, words = evg_field_longest_name / 8 };

static evg_field_entry entries[capacity];   /* entry 0 stands for the beginning of a request */
static uint16_t table[slots];               /* indices of entries, 0 for none */
static unsigned used = 1;
static unsigned last;                       /* the entry found last */
static uint64_t current;
static evg_field_makers make;

/* The bytes of A-Z are folded in all eight lanes at once; every other byte, of 0x80 and above too, stays as it is. */
static inline uint64_t folded(uint64_t word) {
    const uint64_t ones = 0x0101010101010101u;
    uint64_t seven = word & 0x7f * ones;
    uint64_t from_a = seven + (0x80 - 'A') * ones, above_z = seven + (0x80 - 'Z' - 1) * ones;
    return word | ((from_a & ~above_z & ~word & 0x80 * ones) >> 2);
}

static inline uint64_t load(const uint8_t *from, size_t count) {
    uint64_t word = 0;
    memcpy(&word, from, count);
    return word;
}

/* Up to seven bytes, padded with zeros, without a read behind them. */
static inline uint64_t load_few(const uint8_t *from, size_t count) {
    if (count >= 4) return load(from, 4) | load(from + count - 4, 4) << 8 * (count - 4);
    if (count >= 2) return load(from, 2) | load(from + count - 2, 2) << 8 * (count - 2);
    return count ? *from : 0;
}

static inline void load_name(uint64_t into[words], const uint8_t *name, size_t count) {
    size_t at = 0, word = 0;
    for (; at + 8 <= count; at += 8) into[word++] = folded(load(name + at, 8));
    if (at < count) into[word] = folded(load_few(name + at, count - at));
}

static inline bool is_named(const evg_field_entry *entry, const uint64_t name[words], size_t count) {
    if (entry->name_count != count) return false;
    for (size_t word = 0; word * 8 < count; word++)
        if (entry->name[word] != name[word]) return false;
    return true;
}

static inline unsigned slot_of(const uint64_t name[words], size_t count) {
    uint64_t hash = count;
    for (size_t word = 0; word * 8 < count; word++) hash = ((hash ^ name[word]) * 0x9e3779b97f4a7c15u) ^ hash >> 29;
    return (unsigned)(hash >> 32) % slots;
}

static evg_field_entry *found(unsigned index) {
    entries[last].next = (uint16_t)index;
    last = index;
    return &entries[index];
}

static evg_field_entry *add(const uint64_t folded_name[words], const uint8_t *name, size_t count, unsigned slot) {
    if (used == capacity) return NULL;
    PyObject *key = make.key(name, count);
    if (!key) return NULL;
    evg_field_entry *entry = &entries[used];
    entry->key = key;
    memcpy(entry->name, folded_name, (count + 7) / 8 * 8);
    entry->name_count = (uint8_t)count;
    entry->keeps_value = true;
    table[slot] = (uint16_t)used;
    return found(used++);
}

evg_field_entry *evg_fields_find(const uint8_t *name, size_t count) {
    if (count == 0 || count > evg_field_longest_name) return NULL;
    uint64_t wanted[words];
    load_name(wanted, name, count);
    /* Fields of most requests come in the order of those of the request before. */
    unsigned next = entries[last].next;
    if (is_named(&entries[next], wanted, count)) {
        last = next;
        return &entries[next];
    }
    unsigned slot = slot_of(wanted, count);
    for (int probe = 0; probe < probes; probe++, slot = (slot + 1) % slots) {
        if (!table[slot]) return add(wanted, name, count, slot);
        if (is_named(&entries[table[slot]], wanted, count)) return found(table[slot]);
    }
    return NULL;
}

uint64_t evg_fields_begin(void) {
    last = 0;
    return ++current;
}

PyObject *evg_fields_value(evg_field_entry *entry, const uint8_t *base, size_t count) {
    if (!entry->keeps_value || count > evg_field_longest_value) return make.value(entry->key, base, count);
    PyObject *value = entry->value;
    if (!value || entry->value_count != count || memcmp(entry->last, base, count)) {
        PyObject *made = make.value(entry->key, base, count);
        if (!made) return NULL;
        PyObject *old = entry->value;
        entry->value = value = made;
        entry->value_count = (uint8_t)count;
        memcpy(entry->last, base, count);
        Py_XDECREF(old);
    }
    Py_INCREF(value);
    return value;
}

void evg_fields_fold(uint8_t *into, const uint8_t *name, size_t count) {
    for (size_t i = 0; i < count; i++) into[i] = name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i];
}

int evg_fields_prepare(const evg_field_makers *makers) {
    static const char *const usual[] = {
        "host", "user-agent", "accept", "accept-encoding", "accept-language", "connection", "content-type",
        "transfer-encoding", "referer", "origin", "cache-control", "pragma", "range", "if-modified-since", "if-match",
        "if-unmodified-since", "if-range", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host",
        "x-forwarded-port", "x-real-ip", "x-requested-with", "forwarded", "via", "te", "expect", "upgrade",
        "upgrade-insecure-requests", "sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site", "sec-fetch-user",
        "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "dnt", "priority", "tracestate", "proxy",
    };
    /* Secrets, and what differs in every request, are not kept past their request. */
    static const char *const unkept[] = {
        "cookie", "authorization", "proxy-authorization", "x-csrftoken", "x-csrf-token", "x-xsrf-token", "x-api-key",
        "x-auth-token", "x-request-id", "x-correlation-id", "x-amzn-trace-id", "traceparent", "content-length",
        "if-none-match",
    };
    if (make.key) return 0;
    make = *makers;
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (!evg_fields_find((const uint8_t *)usual[i], strlen(usual[i])) && PyErr_Occurred()) return -1;
    for (size_t i = 0; i < sizeof unkept / sizeof *unkept; i++) {
        evg_field_entry *entry = evg_fields_find((const uint8_t *)unkept[i], strlen(unkept[i]));
        if (entry) entry->keeps_value = false;
        else if (PyErr_Occurred()) return -1;
    }
    return 0;
}
