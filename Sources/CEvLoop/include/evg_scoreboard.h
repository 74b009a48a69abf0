// One record per worker in memory that master and workers share. Every field is read and written with relaxed
// atomics, so a reader in another process sees an old value or a new one and never half of one; the two request
// lines are guarded by a sequence counter each (odd while the worker writes).
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EVG_LINE_WORDS 20
#define EVG_LINE_BYTES (EVG_LINE_WORDS * 8)

/// A request line with the monotonic second at which it began. A length of 0 means "none".
typedef struct evg_line {
    uint32_t sequence;
    uint32_t length;
    uint64_t started_at;
    uint64_t text[EVG_LINE_WORDS];
} evg_line;

/// The state of one worker. 512 bytes, so that on a page-aligned array no two workers share a cache line.
typedef struct evg_slot {
    uint64_t heartbeat;
    uint64_t requests;
    uint32_t state;
    uint32_t open;
    uint32_t active;
    uint32_t idle;
    uint32_t accepting;
    int32_t pid;
    uint32_t age;
    uint32_t dropped;
    uint32_t load;
    uint32_t index;
    uint32_t reserved[2];
    evg_line current;
    evg_line longest;
    uint64_t started_at;
    uint64_t padding[11];
} evg_slot;

_Static_assert(sizeof(evg_slot) == 512, "a slot is eight cache lines");

static inline uint64_t evg_load64(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }
/// Writes a word if it is what it was. Returns false if it is not any more.
static inline int evg_replace64(uint64_t *p, uint64_t old, uint64_t v) {
    return __atomic_compare_exchange_n(p, &old, v, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}
static inline void evg_store64(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELAXED); }
static inline uint32_t evg_load32(const uint32_t *p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }
static inline void evg_store32(uint32_t *p, uint32_t v) { __atomic_store_n(p, v, __ATOMIC_RELAXED); }

static inline double evg_load_double(const uint64_t *p) {
    uint64_t bits = evg_load64(p);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static inline void evg_store_double(uint64_t *p, double v) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    evg_store64(p, bits);
}

static inline uint64_t evg_slot_requests(const evg_slot *s) { return evg_load64(&s->requests); }
static inline void evg_slot_set_requests(evg_slot *s, uint64_t v) { evg_store64(&s->requests, v); }
static inline double evg_slot_heartbeat(const evg_slot *s) { return evg_load_double(&s->heartbeat); }
static inline void evg_slot_set_heartbeat(evg_slot *s, double v) { evg_store_double(&s->heartbeat, v); }
static inline uint32_t evg_slot_state(const evg_slot *s) { return evg_load32(&s->state); }
static inline void evg_slot_set_state(evg_slot *s, uint32_t v) { evg_store32(&s->state, v); }
static inline uint32_t evg_slot_open(const evg_slot *s) { return evg_load32(&s->open); }
static inline void evg_slot_set_open(evg_slot *s, uint32_t v) { evg_store32(&s->open, v); }
static inline uint32_t evg_slot_active(const evg_slot *s) { return evg_load32(&s->active); }
static inline void evg_slot_set_active(evg_slot *s, uint32_t v) { evg_store32(&s->active, v); }
static inline uint32_t evg_slot_idle(const evg_slot *s) { return evg_load32(&s->idle); }
static inline void evg_slot_set_idle(evg_slot *s, uint32_t v) { evg_store32(&s->idle, v); }
static inline uint32_t evg_slot_accepting(const evg_slot *s) { return evg_load32(&s->accepting); }
static inline void evg_slot_set_accepting(evg_slot *s, uint32_t v) { evg_store32(&s->accepting, v); }
static inline uint32_t evg_slot_dropped(const evg_slot *s) { return evg_load32(&s->dropped); }
static inline void evg_slot_set_dropped(evg_slot *s, uint32_t v) { evg_store32(&s->dropped, v); }
static inline uint32_t evg_slot_load(const evg_slot *s) { return evg_load32(&s->load); }
static inline void evg_slot_set_load(evg_slot *s, uint32_t v) { evg_store32(&s->load, v); }
static inline uint32_t evg_slot_index(const evg_slot *s) { return evg_load32(&s->index); }
static inline void evg_slot_set_index(evg_slot *s, uint32_t v) { evg_store32(&s->index, v); }
static inline double evg_slot_started_at(const evg_slot *s) { return evg_load_double(&s->started_at); }
static inline void evg_slot_set_started_at(evg_slot *s, double v) { evg_store_double(&s->started_at, v); }
static inline uint32_t evg_slot_age(const evg_slot *s) { return evg_load32(&s->age); }
static inline void evg_slot_set_age(evg_slot *s, uint32_t v) { evg_store32(&s->age, v); }
static inline int32_t evg_slot_pid(const evg_slot *s) { return __atomic_load_n(&s->pid, __ATOMIC_RELAXED); }
static inline void evg_slot_set_pid(evg_slot *s, int32_t v) { __atomic_store_n(&s->pid, v, __ATOMIC_RELAXED); }
static inline evg_line *evg_slot_current(evg_slot *s) { return &s->current; }
static inline evg_line *evg_slot_longest(evg_slot *s) { return &s->longest; }

/// Begins to write what a sequence counter guards: it is odd until evg_write_end, which takes what this returns. A
/// writer that is killed between the two leaves an odd number behind; `| 1` starts the next write from either parity.
static inline uint32_t evg_write_begin(uint32_t *sequence) {
    uint32_t odd = evg_load32(sequence) | 1u;
    evg_store32(sequence, odd);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    return odd;
}
static inline void evg_write_end(uint32_t *sequence, uint32_t odd) {
    __atomic_store_n(sequence, odd + 1u, __ATOMIC_RELEASE);
}

/// Begins to read. What was read counts if evg_read_end returns true for the number that this returns.
static inline uint32_t evg_read_begin(const uint32_t *sequence) { return __atomic_load_n(sequence, __ATOMIC_ACQUIRE); }
static inline int evg_read_end(const uint32_t *sequence, uint32_t begun) {
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return !(begun & 1u) && evg_load32(sequence) == begun;
}

/// Copies bytes to words and back, each word at once; a last one that is not full is filled with zeros.
static inline void evg_words_set(uint64_t *words, const void *bytes, size_t count) {
    for (size_t at = 0; at < count; at += 8) {
        uint64_t value = 0;
        memcpy(&value, (const char *)bytes + at, count - at < 8 ? count - at : 8);
        evg_store64(&words[at / 8], value);
    }
}
static inline void evg_words_get(const uint64_t *words, void *bytes, size_t count) {
    for (size_t at = 0; at < count; at += 8) {
        uint64_t value = evg_load64(&words[at / 8]);
        memcpy((char *)bytes + at, &value, count - at < 8 ? count - at : 8);
    }
}

/// Writes a line, cut to EVG_LINE_BYTES. One writer at a time: the worker that owns the slot.
static inline void evg_line_set(evg_line *line, const void *bytes, size_t count, double started_at) {
    if (count > EVG_LINE_BYTES) count = EVG_LINE_BYTES;
    uint32_t sequence = evg_write_begin(&line->sequence);
    evg_store32(&line->length, (uint32_t)count);
    evg_store_double(&line->started_at, started_at);
    evg_words_set(line->text, bytes, count);
    evg_write_end(&line->sequence, sequence);
}

/// Forgets the line.
static inline void evg_line_clear(evg_line *line) { evg_line_set(line, "", 0, 0); }

/// Copies the line into `bytes` (room for EVG_LINE_BYTES). Returns its length; 0 when there is none, or when the
/// writer never stood still (it may have been killed in the middle of a write).
static inline size_t evg_line_get(const evg_line *line, void *bytes, double *started_at) {
    for (int attempt = 0; attempt < 1000; attempt++) {
        uint32_t sequence = evg_read_begin(&line->sequence);
        size_t count = evg_load32(&line->length);
        if (count > EVG_LINE_BYTES) continue;
        *started_at = evg_load_double(&line->started_at);
        evg_words_get(line->text, bytes, count);
        if (evg_read_end(&line->sequence, sequence)) return count;
    }
    return 0;
}

/// Empties a slot whose worker has ended, before a new worker gets it. No other process may write to it then.
static inline void evg_slot_reset(evg_slot *s) {
    evg_slot_set_state(s, 0);
    evg_slot_set_accepting(s, 0);
    evg_slot_set_pid(s, 0);
    evg_slot_set_age(s, 0);
    evg_slot_set_started_at(s, 0);
    evg_slot_set_open(s, 0);
    evg_slot_set_active(s, 0);
    evg_slot_set_idle(s, 0);
    evg_slot_set_requests(s, 0);
    evg_slot_set_dropped(s, 0);
    evg_slot_set_load(s, 0);
    evg_slot_set_index(s, 0);
    evg_slot_set_heartbeat(s, 0);
    evg_line_clear(&s->current);
    evg_line_clear(&s->longest);
}
