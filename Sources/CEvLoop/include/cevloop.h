/* Makes libev's macro API callable from Swift, and the few socket calls whose flags or structs Swift cannot import.
 * Every call returns -errno on failure. Nothing here decides anything, and nothing allocates memory per event. A
 * watcher's address must not change while it is active; Swift owns its memory. */
#ifndef EVG_CEVLOOP_H
#define EVG_CEVLOOP_H

#include <ev.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "evg_board.h"
#include "evg_bus.h"
#include "evg_fork.h"
#include "evg_memory.h"
#include "evg_packets.h"
#include "evg_process.h"
#include "evg_scoreboard.h"
#include "evg_stack_signal.h"

typedef struct ev_loop evg_loop;
typedef void (*evg_callback)(void *context, int events);

enum { EVG_READ = 1, EVG_WRITE = 2 };

typedef struct { ev_io watcher; evg_callback callback; } evg_io;
typedef struct { ev_timer watcher; evg_callback callback; } evg_timer;
typedef struct { ev_signal watcher; evg_callback callback; } evg_signal;
typedef struct { ev_async watcher; evg_callback callback; } evg_async;
typedef struct { ev_prepare watcher; evg_callback callback; } evg_prepare;
typedef struct { ev_fork watcher; evg_callback callback; } evg_remake;

/* An epoll loop, or NULL. `backend` receives the epoll descriptor and `wake` the eventfd that ends a poll; -1 for one
 * that cannot be found. */
evg_loop *evg_loop_new(int *backend, int *wake);
/* Called when the loop cannot poll, before the process is aborted. */
void evg_loop_on_failure(void (*handler)(void));
void evg_loop_destroy(evg_loop *loop);
/* Forgets a loop inherited over fork: closes its descriptors and leaves the shared epoll set alone. */
void evg_loop_abandon(evg_loop *loop);
void evg_loop_run(evg_loop *loop);
void evg_loop_run_nowait(evg_loop *loop);
void evg_loop_stop(evg_loop *loop);
/* Called right before and right after the poll, and nowhere else. */
void evg_loop_set_poll_hooks(evg_loop *loop, void (*release)(void), void (*acquire)(void));
/* From here on the process adds up how long this loop has polled, waiting for Python's lock afterwards included, at the
 * cost of two readings of the clock per poll: one loop per process. */
void evg_loop_measure_polls(evg_loop *loop);
/* In seconds. */
double evg_loop_polled(void);
/* From here on the process notes when each turn of this loop begins, at the cost of a reading of the clock per poll. */
void evg_loop_measure_turns(evg_loop *loop, int is_guest);
static inline double evg_seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
/* What is known of the turns; monotonic seconds. */
typedef struct { double began, latest, longest; int is_guest; } evg_turns;
extern evg_turns evg_turn;
static inline double evg_turn_began(void) { return evg_turn.began; }
/* Reads the clock, and takes note of it. */
static inline double evg_turn_now(void) { return evg_turn.latest = evg_seconds(CLOCK_MONOTONIC); }
/* A moment at which an app is entered. A guest's apps run between the turns of the loop, and nobody has read the
 * clock; else they run in them, and the latest reading was that of the end of the request before, or of the turn's
 * beginning. */
static inline double evg_turn_entered(void) { return evg_turn.is_guest ? evg_turn_now() : evg_turn.latest; }
/* Adds how long an app that is entered now was waited for to a histogram. The first one of a turn has not waited. */
static inline void evg_turn_record_entry(size_t histogram, double since) {
    double waited = evg_turn_entered() - since;
    if (waited > 0) evg_record(histogram, waited);
    else evg_count(histogram, 1);
}
/* The longest turn since this was asked last; only where polls are measured. */
double evg_turn_take_longest(void);
/* CLOCK_MONOTONIC in seconds; the coarse one costs no more than a memory read and lags by up to 4 ms. */
double evg_monotonic(void);
double evg_monotonic_coarse(void);
/* CLOCK_REALTIME in seconds. */
double evg_wall(void);

extern uint32_t evg_io_calls;
static inline uint32_t evg_io_called(void) { return evg_io_calls; }   /* how often evg_io watchers were called */
void evg_io_init(evg_io *io, int fd, int events, evg_callback callback, void *context);
void evg_io_start(evg_loop *loop, evg_io *io);
void evg_io_stop(evg_loop *loop, evg_io *io);
/* Changes what an active or inactive watcher waits for; no events stops it. */
void evg_io_set(evg_loop *loop, evg_io *io, int events);

void evg_timer_init(evg_timer *timer, evg_callback callback, void *context);
void evg_timer_start(evg_loop *loop, evg_timer *timer, double after, double every);
void evg_timer_stop(evg_loop *loop, evg_timer *timer);

void evg_signal_init(evg_signal *signal, int number, evg_callback callback, void *context);
void evg_signal_start(evg_loop *loop, evg_signal *signal);
void evg_signal_wakes(evg_signal *signal, int event);   /* a started one also writes to an eventfd */
void evg_signal_stop(evg_loop *loop, evg_signal *signal);

void evg_async_init(evg_async *async, evg_callback callback, void *context);
void evg_async_start(evg_loop *loop, evg_async *async);
void evg_async_stop(evg_loop *loop, evg_async *async);
/* The only function here that other threads may call. */
void evg_async_send(evg_loop *loop, evg_async *async);

void evg_prepare_init(evg_prepare *prepare, evg_callback callback, void *context);
void evg_prepare_start(evg_loop *loop, evg_prepare *prepare);
void evg_prepare_stop(evg_loop *loop, evg_prepare *prepare);

/* Calls back just before libev replaces its epoll set, which it does when events come for descriptors that it no longer
 * watches. */
void evg_remake_start(evg_loop *loop, evg_remake *remake, evg_callback callback, void *context);
void evg_remake_stop(evg_loop *loop, evg_remake *remake);
int evg_remake_descriptor(int old);   /* the number of the new set; libev closes the old one first */
int evg_epoll(void);                  /* an empty epoll set, or a negative errno */
int evg_epoll_add(int epoll, int fd); /* watches fd for reading; 0 or a negative errno */
/* Watches fd for hanging up and errors, and for nothing else; 0 or a negative errno. */
int evg_epoll_add_hangup(int epoll, int fd);
/* Watches fd for reading so that an event wakes one of the threads that wait on different sets with such entries, and
 * not all; `edge`: once per event. The set tells `data` of it. 0 or a negative errno. */
int evg_epoll_add_exclusive(int epoll, int fd, uint64_t data, int edge);
/* What the set tells of events of its member fd. 0, or a negative errno when there is no such member or no /proc. */
int evg_epoll_data(int epoll, int fd, uint64_t *data);
int evg_epoll_next(int epoll);        /* one that was added for hang-ups and has hung up; -1 when none has */
void evg_epoll_remove(int epoll, int fd);
int evg_epoll_holds(int epoll, int fd); /* 1 when fd is in it */

/* A peer's address: the family (AF_INET, AF_INET6, else 0), the port, and 4 or 16 bytes in network order. */
typedef struct { uint16_t family; uint16_t port; uint8_t bytes[16]; } evg_peer;

/* accept4(2) non-blocking and close-on-exec. TCP options are those of the listener. */
int evg_accept(int listener, evg_peer *peer);
/* The text form of a peer, NUL-terminated; empty for other families. */
void evg_peer_text(const evg_peer *peer, char out[46]);
/* Bytes that have come on a TCP connection, and that the peer has acknowledged. -errno if the kernel does not say. */
int evg_tcp_bytes(int fd, uint64_t *received, uint64_t *acknowledged);
ssize_t evg_read(int fd, void *bytes, size_t count);
ssize_t evg_receive_now(int fd, void *bytes, size_t count);   /* never blocks, whatever the descriptor's flags say */
/* send(2) with MSG_NOSIGNAL, with MSG_MORE when `more` says that further bytes follow at once. */
ssize_t evg_send(int fd, const void *bytes, size_t count, int more);
ssize_t evg_send2(int fd, const void *first, size_t first_count, const void *second, size_t second_count);
ssize_t evg_sendfile(int fd, int file, int64_t *offset, size_t count);
/* poll(2) for one descriptor; restarts after EINTR with what is left of the time. 1 ready, 0 timed out. */
int evg_poll(int fd, int events, double seconds);
int evg_set_nonblocking(int fd);
/* Closes the socket so that the peer gets a reset (RST) and no orderly end (FIN). */
void evg_close_reset(int fd);
/* An unlinked temporary file in `directory`, open for reading and writing. */
int evg_temporary_file(const char *directory);
/* Gives the bytes of a file between two offsets back to the file system; they read as zeros. 0 or -errno. */
int evg_free_bytes(int fd, int64_t from, int64_t to);
int evg_memory_file(void);   /* the same in memory, on no file system that is mounted */
/* Makes an eventfd; wakes it, from any thread; clears the wakes that have come. */
int evg_eventfd(void);
void evg_eventfd_wake(int fd);
void evg_eventfd_drain(int fd);
/* Makes a timerfd on the monotonic clock; sets it to expire once, in `seconds`. A negative number stops it. */
int evg_timerfd(void);
int evg_timerfd_set(int fd, double seconds);

#endif
