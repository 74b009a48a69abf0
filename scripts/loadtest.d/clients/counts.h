/* What the clients in C count, and tell as JSON: errors by kind, and latencies with three digits. */
#ifndef COUNTS_H
#define COUNTS_H

#include <stdint.h>

enum { DIGITS = 1024, BUCKETS = 34 * DIGITS };

/* By bucket: 1 us wide up to 2047 us, then twice as wide for each doubling. */
typedef struct { uint64_t counts[BUCKETS]; } latencies;

/* CLOCK_MONOTONIC, which all processes share. */
uint64_t now_ns(void);

void count_error(const char *kind, uint64_t count);
void forget_errors(void);
void record(latencies *all, uint64_t since_ns, uint64_t when_ns);

/* To the standard output: {"KIND": COUNT, ...}, and [[MICROSECONDS, COUNT], ...]. */
void print_errors(void);
void print_latencies(const latencies *all);

/* The kind of an errno. */
const char *kind_of(int error);

/* As many descriptors as the hard limit allows. */
void raise_descriptor_limit(void);

#endif
