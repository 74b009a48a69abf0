#include "counts.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { KINDS = 32 };

static struct { char kind[64]; uint64_t count; } errors[KINDS];

uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

void count_error(const char *kind, uint64_t count) {
    size_t at = 0;
    while (at < KINDS - 1 && errors[at].count && strcmp(errors[at].kind, kind)) at++;
    if (!errors[at].count) snprintf(errors[at].kind, sizeof errors[at].kind, "%s", kind);
    errors[at].count += count;
}

void forget_errors(void) { memset(errors, 0, sizeof errors); }

void record(latencies *all, uint64_t since_ns, uint64_t when_ns) {
    uint64_t us = when_ns > since_ns ? (when_ns - since_ns) / 1000 : 0, shift = 0;
    while (us >> shift >= 2 * DIGITS) shift++;
    size_t bucket = shift * DIGITS + (us >> shift);
    all->counts[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
}

static uint64_t lowest_of(size_t bucket) {
    if (bucket < 2 * DIGITS) return bucket;
    uint64_t shift = bucket / DIGITS - 1;
    return (bucket - shift * DIGITS) << shift;
}

void print_errors(void) {
    const char *comma = "";
    putchar('{');
    for (size_t at = 0; at < KINDS && errors[at].count; at++, comma = ", ")
        printf("%s\"%s\": %lu", comma, errors[at].kind, errors[at].count);
    putchar('}');
}

void print_latencies(const latencies *all) {
    const char *comma = "";
    putchar('[');
    for (size_t at = 0; at < BUCKETS; at++) {
        if (!all->counts[at]) continue;
        printf("%s[%lu, %lu]", comma, lowest_of(at), all->counts[at]);
        comma = ", ";
    }
    putchar(']');
}

const char *kind_of(int error) {
    return error == ECONNREFUSED ? "refused" : error == ECONNRESET || error == EPIPE ? "reset"
        : error == ETIMEDOUT ? "timeout" : error == EMFILE ? "no descriptors" : error == EADDRNOTAVAIL ? "no ports"
        : strerror(error);
}

void raise_descriptor_limit(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}
