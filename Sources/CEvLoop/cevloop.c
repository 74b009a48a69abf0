#define _GNU_SOURCE
#include "cevloop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static evg_counters own_counters;
evg_counters *evg_counted = &own_counters;

/* ---- loop ---- */

static bool is(int fd, const char *kind) {
    char link[64], target[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, target, sizeof target - 1);
    if (n <= 0) return false;
    target[n] = 0;
    return strstr(target, kind) != NULL;
}

/* The descriptor of this process that is of a kind and is, or holds, what `matches` wants of `other`; -1 for none. */
static int find_descriptor(const char *kind, bool (*matches)(int fd, int other), int other) {
    DIR *folder = opendir("/proc/self/fd");
    int found = -1;
    for (struct dirent *entry; folder && found < 0 && (entry = readdir(folder));) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] != '.' && fd != other && is(fd, kind) && matches(fd, other)) found = fd;
    }
    if (folder) closedir(folder);
    return found;
}

static bool holds(int epoll, int fd) { return evg_epoll_holds(epoll, fd); }
static bool is_held(int fd, int epoll) { return evg_epoll_holds(epoll, fd); }
static void nothing_fired(evg_loop *loop, ev_io *io, int events) { (void)loop, (void)io, (void)events; }
static void no_async(evg_loop *loop, ev_async *async, int events) { (void)loop, (void)async, (void)events; }

/* libev does not tell its descriptors. A mark that is put into the loop tells which epoll set is the loop's, and that
 * set tells which eventfd is. */
static void find_descriptors(evg_loop *loop, int *backend, int *wake) {
    int mark = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (mark < 0) return;
    ev_io io;
    ev_async first;     /* the loop's eventfd is made for the first async or signal watcher, and stays */
    ev_io_init(&io, nothing_fired, mark, EV_READ);
    ev_async_init(&first, no_async);
    ev_async_start(loop, &first);
    ev_io_start(loop, &io);
    ev_run(loop, EVRUN_NOWAIT);
    *backend = find_descriptor("[eventpoll]", holds, mark);
    ev_io_stop(loop, &io);
    ev_async_stop(loop, &first);
    ev_run(loop, EVRUN_NOWAIT);
    if (*backend >= 0) epoll_ctl(*backend, EPOLL_CTL_DEL, mark, NULL);
    close(mark);
    if (*backend >= 0) *wake = find_descriptor("[eventfd]", is_held, *backend);
}

evg_loop *evg_loop_new(int *backend, int *wake) {
    *backend = *wake = -1;
    evg_loop *loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (loop) find_descriptors(loop, backend, wake);
    return loop;
}

static void (*failure_handler)(void);

static void poll_failed(const char *what) {
    int error = errno;
    if (failure_handler) failure_handler();
    errno = error;
    perror(what);
    abort();
}

void evg_loop_on_failure(void (*handler)(void)) {
    failure_handler = handler;
    ev_set_syserr_cb(poll_failed);
}

void evg_loop_destroy(evg_loop *loop) { ev_loop_destroy(loop); }
void evg_loop_abandon(evg_loop *loop) { ev_loop_destroy(loop); }
void evg_loop_run(evg_loop *loop) { ev_run(loop, 0); }
void evg_loop_run_nowait(evg_loop *loop) { ev_run(loop, EVRUN_NOWAIT); }
void evg_loop_stop(evg_loop *loop) { ev_break(loop, EVBREAK_ALL); }

static void (*release_hook)(void);
static void (*acquire_hook)(void);
static bool measures_polls, measures_turns;
static double poll_began, polled;
evg_turns evg_turn;

static void note_release(evg_loop *loop) {
    (void)loop;
    double now = poll_began = evg_seconds(CLOCK_MONOTONIC);
    // Where turns are not measured, `began` is not set and nobody asks.
    if (now - evg_turn.began > evg_turn.longest) evg_turn.longest = now - evg_turn.began;
}

static void note_acquire(evg_loop *loop) {
    (void)loop;
    double now = evg_seconds(CLOCK_MONOTONIC);
    polled += now - poll_began;
    evg_turn.began = evg_turn.latest = now;
}

static void call_release(evg_loop *loop) {
    if (measures_polls) note_release(loop);
    if (release_hook) release_hook();
}

static void call_acquire(evg_loop *loop) {
    if (acquire_hook) acquire_hook();
    if (measures_polls || measures_turns) note_acquire(loop);
}

static void update_poll_hooks(evg_loop *loop) {
    bool has_hooks = release_hook || acquire_hook;
    // What is called twice in each turn is to test as little as it can.
    if (measures_polls && !has_hooks) return ev_set_loop_release_cb(loop, note_release, note_acquire);
    bool wanted = measures_turns || has_hooks;
    ev_set_loop_release_cb(loop, wanted ? call_release : NULL, wanted ? call_acquire : NULL);
}

void evg_loop_set_poll_hooks(evg_loop *loop, void (*release)(void), void (*acquire)(void)) {
    release_hook = release;
    acquire_hook = acquire;
    update_poll_hooks(loop);
}

void evg_loop_measure_polls(evg_loop *loop) {
    measures_polls = true;
    update_poll_hooks(loop);
}

double evg_loop_polled(void) { return polled; }

void evg_loop_measure_turns(evg_loop *loop, int is_guest) {
    measures_turns = true;
    evg_turn.is_guest = is_guest;
    evg_turn.began = evg_turn.latest = evg_monotonic();
    update_poll_hooks(loop);
}

double evg_turn_take_longest(void) {
    double longest = evg_turn.longest;
    evg_turn.longest = 0;
    return longest;
}

double evg_monotonic(void) { return evg_seconds(CLOCK_MONOTONIC); }
double evg_monotonic_coarse(void) { return evg_seconds(CLOCK_MONOTONIC_COARSE); }
double evg_wall(void) { return evg_seconds(CLOCK_REALTIME); }

/* ---- watchers ---- */

#define EVG_TRAMPOLINE(kind) \
    static void kind##_fired(evg_loop *loop, ev_##kind *watcher, int events) { \
        (void)loop; \
        evg_##kind *self = (evg_##kind *)watcher; \
        self->callback(self->watcher.data, events); \
    }

uint32_t evg_io_calls;
static void io_fired(evg_loop *loop, ev_io *watcher, int events) {
    (void)loop;
    evg_io_calls++;
    evg_io *self = (evg_io *)watcher;
    self->callback(self->watcher.data, events);
}
EVG_TRAMPOLINE(timer)
EVG_TRAMPOLINE(signal)
EVG_TRAMPOLINE(async)
EVG_TRAMPOLINE(prepare)

_Static_assert(EVG_READ == EV_READ && EVG_WRITE == EV_WRITE, "the events of the shim are libev's");
_Static_assert(EVG_READ == 1 && EVG_WRITE == 2, "IOEvents writes the two flags as numbers");

void evg_io_init(evg_io *io, int fd, int events, evg_callback callback, void *context) {
    ev_io_init(&io->watcher, io_fired, fd, events);
    io->callback = callback;
    io->watcher.data = context;
}
void evg_io_start(evg_loop *loop, evg_io *io) { ev_io_start(loop, &io->watcher); }
void evg_io_stop(evg_loop *loop, evg_io *io) { ev_io_stop(loop, &io->watcher); }
void evg_io_set(evg_loop *loop, evg_io *io, int events) {
    if (ev_is_active(&io->watcher)) {
        if ((io->watcher.events & (EV_READ | EV_WRITE)) == events) return;
        ev_io_stop(loop, &io->watcher);
    }
    if (!events) return;
    ev_io_set(&io->watcher, io->watcher.fd, events);
    ev_io_start(loop, &io->watcher);
}

void evg_timer_init(evg_timer *timer, evg_callback callback, void *context) {
    ev_timer_init(&timer->watcher, timer_fired, 0., 0.);
    timer->callback = callback;
    timer->watcher.data = context;
}
void evg_timer_start(evg_loop *loop, evg_timer *timer, double after, double every) {
    ev_timer_stop(loop, &timer->watcher);
    /* libev counts from the start of its iteration; a callback that took long must not shorten the wait. */
    ev_now_update(loop);
    ev_timer_set(&timer->watcher, after, every);
    ev_timer_start(loop, &timer->watcher);
}
void evg_timer_stop(evg_loop *loop, evg_timer *timer) { ev_timer_stop(loop, &timer->watcher); }

void evg_signal_init(evg_signal *signal, int number, evg_callback callback, void *context) {
    ev_signal_init(&signal->watcher, signal_fired, number);
    signal->callback = callback;
    signal->watcher.data = context;
}
void evg_signal_start(evg_loop *loop, evg_signal *signal) { ev_signal_start(loop, &signal->watcher); }

/* libev wakes a loop for a signal only while that loop polls. A guest is polled by the other loop. */
static int guest_event = -1;
static void signal_for_guest(int number) {
    int saved = errno;
    ev_feed_signal(number);
    evg_eventfd_wake(guest_event);
    errno = saved;
}

void evg_signal_wakes(evg_signal *signal, int event) {
    struct sigaction action = {.sa_handler = signal_for_guest, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    guest_event = event;
    sigaction(signal->watcher.signum, &action, NULL);
}

void evg_signal_stop(evg_loop *loop, evg_signal *signal) { ev_signal_stop(loop, &signal->watcher); }

void evg_async_init(evg_async *async, evg_callback callback, void *context) {
    ev_async_init(&async->watcher, async_fired);
    async->callback = callback;
    async->watcher.data = context;
}
void evg_async_start(evg_loop *loop, evg_async *async) { ev_async_start(loop, &async->watcher); }
void evg_async_stop(evg_loop *loop, evg_async *async) { ev_async_stop(loop, &async->watcher); }
void evg_async_send(evg_loop *loop, evg_async *async) { ev_async_send(loop, &async->watcher); }

void evg_prepare_init(evg_prepare *prepare, evg_callback callback, void *context) {
    ev_prepare_init(&prepare->watcher, prepare_fired);
    prepare->callback = callback;
    prepare->watcher.data = context;
}
void evg_prepare_start(evg_loop *loop, evg_prepare *prepare) { ev_prepare_start(loop, &prepare->watcher); }
void evg_prepare_stop(evg_loop *loop, evg_prepare *prepare) { ev_prepare_stop(loop, &prepare->watcher); }

/* ---- the epoll set, which libev replaces at times ---- */

static void remake_fired(evg_loop *loop, ev_fork *watcher, int events) {
    (void)loop;
    evg_remake *self = (evg_remake *)watcher;
    self->callback(self->watcher.data, events);
}

void evg_remake_start(evg_loop *loop, evg_remake *remake, evg_callback callback, void *context) {
    ev_fork_init(&remake->watcher, remake_fired);
    remake->callback = callback;
    remake->watcher.data = context;
    ev_fork_start(loop, &remake->watcher);
}
void evg_remake_stop(evg_loop *loop, evg_remake *remake) { ev_fork_stop(loop, &remake->watcher); }

/* The kernel hands out the lowest free number. */
static int next_descriptor(void) {
    int probe = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (probe >= 0) close(probe);
    return probe;
}

int evg_remake_descriptor(int old) {
    int probe = next_descriptor();
    return probe >= 0 && probe < old ? probe : old;
}

int evg_epoll(void) {
    int fd = epoll_create1(EPOLL_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int evg_epoll_add(int epoll, int fd) {
    struct epoll_event event = {.events = EPOLLIN};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

int evg_epoll_add_exclusive(int epoll, int fd, uint64_t data, int edge) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE | (edge ? EPOLLET : 0), .data.u64 = data};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

int evg_epoll_data(int epoll, int fd, uint64_t *data) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", epoll);
    FILE *file = fopen(path, "re");
    if (!file) return -errno;
    int result = -ENOENT, member;
    unsigned events;
    unsigned long long found;
    while (result && fgets(line, sizeof line, file)) {
        if (sscanf(line, "tfd: %d events: %x data: %llx", &member, &events, &found) != 3 || member != fd) continue;
        *data = found;
        result = 0;
    }
    fclose(file);
    return result;
}

int evg_epoll_add_hangup(int epoll, int fd) {
    struct epoll_event event = {.events = 0, .data.fd = fd};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

int evg_epoll_next(int epoll) {
    struct epoll_event event;
    int n;
    do n = epoll_wait(epoll, &event, 1, 0); while (n < 0 && errno == EINTR);
    return n == 1 ? event.data.fd : -1;
}

void evg_epoll_remove(int epoll, int fd) { epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL); }

int evg_epoll_holds(int epoll, int fd) {
    struct epoll_event none = {0};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &none)) return errno == EEXIST;
    epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
    return 0;
}
