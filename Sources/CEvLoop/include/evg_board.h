// What a process tells others through shared memory beyond its slot of the scoreboard: counters, and texts of limited
// length. Each has one writer. Counters are relaxed atomics; a text is guarded by a sequence counter, odd while it is
// written, so a reader never takes half of one.
#pragma once

#include "evg_scoreboard.h"

#define EVG_COUNTERS 256

/// Numbers that only grow, or that say how much there is now; what each means is for the caller.
typedef struct evg_counters {
    uint64_t values[EVG_COUNTERS];
} evg_counters;

static inline uint64_t evg_counter_get(const evg_counters *c, size_t index) { return evg_load64(&c->values[index]); }
static inline void evg_counter_set(evg_counters *c, size_t index, uint64_t v) { evg_store64(&c->values[index], v); }
/// One writer: a load and a store, without a locked instruction.
static inline void evg_counter_add(evg_counters *c, size_t index, uint64_t v) {
    evg_store64(&c->values[index], evg_load64(&c->values[index]) + v);
}

/// Seconds. All histograms have these bounds.
#define EVG_BOUNDS 15
static const double evg_bounds[EVG_BOUNDS] = {
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
};
static inline double evg_bound(size_t index) { return evg_bounds[index]; }

/// A histogram is a range of counters: how many were no longer than each bound and longer than the one before, how many
/// were longer than all, and the sum in nanoseconds.
#define EVG_HISTOGRAM (EVG_BOUNDS + 2)
static inline void evg_histogram_add(evg_counters *c, size_t first, double seconds) {
    size_t bucket = 0;
    // Usual values are in the first bucket, and the shortest requests are to cost least.
    if (seconds > evg_bounds[0]) do bucket++; while (bucket < EVG_BOUNDS && seconds > evg_bounds[bucket]);
    evg_counter_add(c, first + bucket, 1);
    // What is longer than a year, or is no number, is a mistake, and is not to spoil the sum.
    if (seconds > 0 && seconds < 3e7)
        evg_counter_add(c, first + EVG_BOUNDS + 1, (uint64_t)(int64_t)(seconds * 1e9));
}

/// Where this process counts: in a page of its own, until it is told of one that others read.
extern evg_counters *evg_counted;
static inline void evg_count(size_t index, uint64_t number) { evg_counter_add(evg_counted, index, number); }
static inline void evg_record(size_t first, double seconds) { evg_histogram_add(evg_counted, first, seconds); }
static inline evg_counters *evg_counters_in_use(void) { return evg_counted; }
static inline void evg_count_in(evg_counters *counters) { evg_counted = counters; }

/// The head of a text; its words follow.
typedef struct evg_text {
    uint32_t sequence;
    uint32_t length;
    uint64_t words[];
} evg_text;

/// Writes the text, cut to `capacity` bytes, which is a multiple of 8.
static inline void evg_text_set(evg_text *text, size_t capacity, const void *bytes, size_t count) {
    if (count > capacity) count = capacity;
    uint32_t sequence = evg_write_begin(&text->sequence);
    evg_store32(&text->length, (uint32_t)count);
    evg_words_set(text->words, bytes, count);
    evg_write_end(&text->sequence, sequence);
}

/// Copies the text into `bytes` (room for `capacity`). Returns its length; 0 when there is none, or when the writer
/// never stood still (it may have been killed in the middle of a write).
static inline size_t evg_text_get(const evg_text *text, size_t capacity, void *bytes) {
    for (int attempt = 0; attempt < 100; attempt++) {
        uint32_t sequence = evg_read_begin(&text->sequence);
        size_t count = evg_load32(&text->length);
        if (count > capacity) continue;
        evg_words_get(text->words, bytes, count);
        if (evg_read_end(&text->sequence, sequence)) return count;
    }
    return 0;
}
