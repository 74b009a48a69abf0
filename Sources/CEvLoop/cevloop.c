#define _GNU_SOURCE
#include "cevloop.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

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
static void call_release(evg_loop *loop) { (void)loop; release_hook(); }
static void call_acquire(evg_loop *loop) { (void)loop; acquire_hook(); }

void evg_loop_set_poll_hooks(evg_loop *loop, void (*release)(void), void (*acquire)(void)) {
    release_hook = release;
    acquire_hook = acquire;
    ev_set_loop_release_cb(loop, release ? call_release : NULL, acquire ? call_acquire : NULL);
}

static double seconds_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
double evg_monotonic(void) { return seconds_of(CLOCK_MONOTONIC); }
double evg_monotonic_coarse(void) { return seconds_of(CLOCK_MONOTONIC_COARSE); }

/* ---- watchers ---- */

#define EVG_TRAMPOLINE(kind) \
    static void kind##_fired(evg_loop *loop, ev_##kind *watcher, int events) { \
        (void)loop; \
        evg_##kind *self = (evg_##kind *)watcher; \
        self->callback(self->watcher.data, events); \
    }

EVG_TRAMPOLINE(io)
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

/* ---- sockets ---- */

int evg_accept(int listener, evg_peer *peer) {
    union { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; struct sockaddr_storage all; } from;
    socklen_t length = sizeof from;
    int fd = accept4(listener, &from.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return -errno;
    memset(peer, 0, sizeof *peer);
    if (length >= sizeof from.v4 && from.any.sa_family == AF_INET) {
        peer->family = AF_INET;
        peer->port = ntohs(from.v4.sin_port);
        memcpy(peer->bytes, &from.v4.sin_addr, 4);
    } else if (length >= sizeof from.v6 && from.any.sa_family == AF_INET6) {
        peer->family = AF_INET6;
        peer->port = ntohs(from.v6.sin6_port);
        memcpy(peer->bytes, &from.v6.sin6_addr, 16);
    }
    if (peer->family) {
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    }
    return fd;
}

void evg_peer_text(const evg_peer *peer, char out[46]) {
    out[0] = 0;
    if (peer->family) inet_ntop(peer->family, peer->bytes, out, 46);
}

ssize_t evg_read(int fd, void *bytes, size_t count) {
    ssize_t n;
    do n = read(fd, bytes, count); while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

ssize_t evg_send(int fd, const void *bytes, size_t count, int more) {
    ssize_t n;
    do n = send(fd, bytes, count, MSG_NOSIGNAL | (more ? MSG_MORE : 0)); while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

ssize_t evg_send2(int fd, const void *first, size_t first_count, const void *second, size_t second_count) {
    struct iovec parts[2] = {{(void *)first, first_count}, {(void *)second, second_count}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t n;
    do n = sendmsg(fd, &message, MSG_NOSIGNAL); while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

ssize_t evg_sendfile(int fd, int file, int64_t *offset, size_t count) {
    off_t at = (off_t)*offset;
    ssize_t n;
    do n = sendfile(fd, file, &at, count); while (n < 0 && errno == EINTR);
    if (n < 0) return -errno;
    *offset = at;
    return n;
}

int evg_poll(int fd, int events, double seconds) {
    int awaited = (events & EVG_READ ? POLLIN : 0) | (events & EVG_WRITE ? POLLOUT : 0);
    struct pollfd entry = {.fd = fd, .events = (short)awaited};
    double end = evg_monotonic() + seconds;
    for (;;) {
        double left = end - evg_monotonic();
        int n = poll(&entry, 1, left > 0 ? (int)(left * 1000) + 1 : 0);
        if (n >= 0) return n > 0;
        if (errno != EINTR) return -errno;
    }
}

int evg_set_nonblocking(int fd) {
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

void evg_close_reset(int fd) {
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

int evg_temporary_file(const char *directory) {
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)) return fd < 0 ? -errno : fd;
    /* Not every file system has O_TMPFILE. */
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/evgateway-XXXXXX", directory);
    if (length < 0 || (size_t)length >= sizeof path) return -ENAMETOOLONG;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) return -errno;
    unlink(path);
    return fd;
}

int evg_free_bytes(int fd, int64_t from, int64_t to) {
    int result;
    do result = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, to - from);
    while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : 0;
}

int evg_memory_file(void) {
    int fd = memfd_create("evgateway", MFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int evg_eventfd(void) {
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

void evg_eventfd_wake(int fd) {
    uint64_t one = 1;
    ssize_t written;
    do written = write(fd, &one, sizeof one); while (written < 0 && errno == EINTR);
}

void evg_eventfd_drain(int fd) {
    uint64_t count;
    ssize_t got;
    do got = read(fd, &count, sizeof count); while (got < 0 && errno == EINTR);
}

int evg_timerfd(void) {
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int evg_timerfd_set(int fd, double seconds) {
    struct itimerspec setting = {0};
    if (seconds >= 0) {
        setting.it_value.tv_sec = (time_t)seconds;
        setting.it_value.tv_nsec = (long)((seconds - (double)setting.it_value.tv_sec) * 1e9);
        /* Zero would disarm it. */
        if (!setting.it_value.tv_sec && !setting.it_value.tv_nsec) setting.it_value.tv_nsec = 1;
    }
    return timerfd_settime(fd, 0, &setting, NULL) < 0 ? -errno : 0;
}
