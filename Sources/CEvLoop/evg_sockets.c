/* Sockets, files and eventfds: system calls that restart after EINTR and return -errno on failure. */
#define _GNU_SOURCE
#include "cevloop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

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
    return fd;
}

void evg_peer_text(const evg_peer *peer, char out[46]) {
    out[0] = 0;
    if (peer->family) inet_ntop(peer->family, peer->bytes, out, 46);
}

int evg_tcp_bytes(int fd, uint64_t *received, uint64_t *acknowledged) {
    struct tcp_info info;
    socklen_t length = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0) return -errno;
    /* An older kernel has a shorter record. */
    if (length < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received) return -ENOPROTOOPT;
    *received = info.tcpi_bytes_received;
    *acknowledged = info.tcpi_bytes_acked;
    return 0;
}

ssize_t evg_read(int fd, void *bytes, size_t count) {
    ssize_t n;
    do n = read(fd, bytes, count); while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

ssize_t evg_receive_now(int fd, void *bytes, size_t count) {
    ssize_t n;
    do n = recv(fd, bytes, count, MSG_DONTWAIT); while (n < 0 && errno == EINTR);
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
