// sendmsg(2) and recvmsg(2) with one descriptor (unix(7), SCM_RIGHTS).
#define _GNU_SOURCE
#include "evg_packets.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

int evg_packet_pair(int fds[2]) {
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0 ? -errno : 0;
}

typedef union { struct cmsghdr header; char bytes[CMSG_SPACE(sizeof(int))]; } evg_rights;

ssize_t evg_packet_send(int fd, const void *bytes, size_t count, int passed) {
    struct iovec part = {(void *)bytes, count};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    evg_rights rights = {0};
    if (passed >= 0) {
        message.msg_control = rights.bytes;
        message.msg_controllen = sizeof rights.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof passed);
        memcpy(CMSG_DATA(header), &passed, sizeof passed);
    }
    ssize_t n;
    do n = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT); while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

ssize_t evg_packet_receive(int fd, void *bytes, size_t count, int *passed) {
    *passed = -1;
    struct iovec part = {bytes, count};
    evg_rights rights;
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = rights.bytes, .msg_controllen = sizeof rights.bytes};
    ssize_t n;
    do n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT); while (n < 0 && errno == EINTR);
    if (n < 0) return -errno;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
        memcpy(passed, CMSG_DATA(header), sizeof *passed);
    if (!(message.msg_flags & MSG_TRUNC)) return n;
    if (*passed >= 0) close(*passed);
    *passed = -1;
    return -EMSGSIZE;
}
