// What the processes of one server share about their messages: who is there, and for each a filter of the channels that
// it wants. One shared mapping; every field is an atomic, so no process waits for another.
//
// The order that makes a hand-over safe: whoever publishes marks itself first (evg_bus_mark) and looks at filters after
// that; whoever changes a filter changes it first and looks at the marks after that. Both are sequentially consistent,
// so of two that meet, at least one sees the other.
#pragma once

#include "evg_scoreboard.h"

#define EVG_BUS_BITS 18
#define EVG_BUS_BUCKETS (1u << EVG_BUS_BITS)
#define EVG_BUS_WORDS (EVG_BUS_BUCKETS / 64)
#define EVG_BUS_PLACES 4096
#define EVG_BUS_LIVE_WORDS (EVG_BUS_PLACES / 64)

/// One page, the first.
typedef struct evg_bus_head {
    /// Of the hash of channel names; no client can know it.
    uint64_t key[2];
    /// A bit for each place whose process reads its mailbox.
    uint64_t live[EVG_BUS_LIVE_WORDS];
    /// How many processes have had places.
    uint32_t ages;
} evg_bus_head;

typedef struct evg_bus_place {
    /// The ordinal of the process that has the place, from 1; 0 for none. The master writes it.
    uint32_t age;
    /// Whether the process may have messages that are on their way out of it.
    uint32_t mark;
    /// Whether a bit of the filter has been set since it was emptied.
    uint32_t touched;
    /// Of the process, which writes it; 0 before it has.
    int32_t pid;
    /// Messages that wait in it for others, of all receivers.
    uint64_t waiting;
    /// Messages that others have not sent to the process, because it did not read.
    uint64_t dropped;
    /// Connections that are on their way from the process to others.
    uint32_t giving;
    uint32_t reserved;
    /// A bit for each address that the process listens at, by its hash.
    uint64_t addresses[3];
} evg_bus_place;

_Static_assert(sizeof(evg_bus_head) <= 4096, "the head is one page");
_Static_assert(sizeof(evg_bus_place) == 64, "a place is a cache line");

static inline uint32_t evg_bus_age(const evg_bus_place *p) { return __atomic_load_n(&p->age, __ATOMIC_ACQUIRE); }
static inline void evg_bus_set_age(evg_bus_place *p, uint32_t v) { __atomic_store_n(&p->age, v, __ATOMIC_RELEASE); }
static inline uint32_t evg_bus_next_age(evg_bus_head *h) {
    return __atomic_add_fetch(&h->ages, 1, __ATOMIC_RELAXED);
}
static inline int32_t evg_bus_pid(const evg_bus_place *p) { return __atomic_load_n(&p->pid, __ATOMIC_RELAXED); }
static inline void evg_bus_set_pid(evg_bus_place *p, int32_t v) { __atomic_store_n(&p->pid, v, __ATOMIC_RELAXED); }
static inline int evg_bus_marked(const evg_bus_place *p) { return __atomic_load_n(&p->mark, __ATOMIC_SEQ_CST) != 0; }
static inline void evg_bus_mark(evg_bus_place *p, int v) { __atomic_store_n(&p->mark, (uint32_t)v, __ATOMIC_SEQ_CST); }
static inline uint32_t evg_bus_giving(const evg_bus_place *p) { return __atomic_load_n(&p->giving, __ATOMIC_RELAXED); }
static inline void evg_bus_set_giving(evg_bus_place *p, uint32_t v) {
    __atomic_store_n(&p->giving, v, __ATOMIC_RELAXED);
}
static inline void evg_bus_clear_addresses(evg_bus_place *p) {
    for (int i = 0; i < 3; i++) evg_store64(&p->addresses[i], 0);
}
static inline void evg_bus_add_address(evg_bus_place *p, uint64_t hash) {
    __atomic_fetch_or(&p->addresses[(hash >> 6) % 3], 1ull << (hash & 63), __ATOMIC_RELAXED);
}
static inline int evg_bus_has_address(const evg_bus_place *p, uint64_t hash) {
    return evg_load64(&p->addresses[(hash >> 6) % 3]) >> (hash & 63) & 1;
}
static inline uint64_t evg_bus_waiting(const evg_bus_place *p) { return evg_load64(&p->waiting); }
static inline void evg_bus_set_waiting(evg_bus_place *p, uint64_t v) { evg_store64(&p->waiting, v); }

static inline uint64_t evg_bus_dropped(const evg_bus_place *p) { return evg_load64(&p->dropped); }
static inline void evg_bus_set_dropped(evg_bus_place *p, uint64_t v) { evg_store64(&p->dropped, v); }
static inline void evg_bus_add_dropped(evg_bus_place *p, uint64_t v) {
    __atomic_fetch_add(&p->dropped, v, __ATOMIC_RELAXED);
}

static inline uint64_t evg_bus_live(const evg_bus_head *h, size_t word) {
    return __atomic_load_n(&h->live[word], __ATOMIC_SEQ_CST);
}
static inline void evg_bus_set_live(evg_bus_head *h, size_t place, int live) {
    uint64_t bit = 1ull << (place & 63);
    if (live) __atomic_fetch_or(&h->live[place / 64], bit, __ATOMIC_SEQ_CST);
    else __atomic_fetch_and(&h->live[place / 64], ~bit, __ATOMIC_SEQ_CST);
}

static inline int evg_bus_wants(const uint64_t *filter, uint32_t bucket) {
    return (__atomic_load_n(&filter[bucket / 64], __ATOMIC_SEQ_CST) >> (bucket & 63)) & 1;
}
static inline void evg_bus_want(evg_bus_place *p, uint64_t *filter, uint32_t bucket) {
    __atomic_store_n(&p->touched, 1, __ATOMIC_RELAXED);
    __atomic_fetch_or(&filter[bucket / 64], 1ull << (bucket & 63), __ATOMIC_SEQ_CST);
}
static inline void evg_bus_unwant(uint64_t *filter, uint32_t bucket) {
    __atomic_fetch_and(&filter[bucket / 64], ~(1ull << (bucket & 63)), __ATOMIC_SEQ_CST);
}
/// Wants every channel.
static inline void evg_bus_want_all(evg_bus_place *p, uint64_t *filter) {
    __atomic_store_n(&p->touched, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < EVG_BUS_WORDS; i++) __atomic_store_n(&filter[i], ~0ull, __ATOMIC_SEQ_CST);
}
/// Wants what the other wants, too.
static inline void evg_bus_join(evg_bus_place *p, uint64_t *filter, const uint64_t *other) {
    __atomic_store_n(&p->touched, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < EVG_BUS_WORDS; i++) {
        uint64_t more = __atomic_load_n(&other[i], __ATOMIC_RELAXED);
        if (more) __atomic_fetch_or(&filter[i], more, __ATOMIC_SEQ_CST);
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
/// Wants what `wanted` has set, and nothing else.
static inline void evg_bus_replace(uint64_t *filter, const uint64_t *wanted) {
    for (size_t i = 0; i < EVG_BUS_WORDS; i++)
        if (evg_load64(&filter[i]) != wanted[i]) __atomic_store_n(&filter[i], wanted[i], __ATOMIC_SEQ_CST);
}
/// Empties a filter that nobody else writes to. One that was never used stays without memory.
static inline void evg_bus_clear(evg_bus_place *p, uint64_t *filter) {
    if (!__atomic_load_n(&p->touched, __ATOMIC_RELAXED)) return;
    for (size_t i = 0; i < EVG_BUS_WORDS; i++) evg_store64(&filter[i], 0);
    __atomic_store_n(&p->touched, 0, __ATOMIC_RELAXED);
}

/// SipHash-1-3 of a channel's name: whoever chooses names cannot choose which of them share a bucket.
uint64_t evg_bus_hash(const evg_bus_head *head, const void *name, size_t count);
