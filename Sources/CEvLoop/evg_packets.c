// sendmsg(2) and recvmsg(2) with descriptors (unix(7), SCM_RIGHTS).
#define _GNU_SOURCE
#include "evg_packets.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
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

typedef union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(EVG_PACKET_RIGHTS * sizeof(int))];
} evg_all_rights;

ssize_t evg_packet_send_all(int fd, const void *bytes, size_t count, const int *passed, size_t passed_count) {
    if (passed_count > EVG_PACKET_RIGHTS) return -EINVAL;
    struct iovec part = {(void *)bytes, count};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    evg_all_rights rights;
    if (passed_count > 0) {
        message.msg_control = rights.bytes;
        message.msg_controllen = CMSG_SPACE(passed_count * sizeof(int));
        memset(rights.bytes, 0, message.msg_controllen);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(passed_count * sizeof(int));
        memcpy(CMSG_DATA(header), passed, passed_count * sizeof(int));
    }
    ssize_t n;
    do n = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT); while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

ssize_t evg_packet_receive_all(
    int fd, void *bytes, size_t count, int passed[EVG_PACKET_RIGHTS], size_t *passed_count, int *was_cut
) {
    *passed_count = 0;
    *was_cut = 0;
    struct iovec part = {bytes, count};
    evg_all_rights rights;
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = rights.bytes, .msg_controllen = sizeof rights.bytes};
    ssize_t n;
    do n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT); while (n < 0 && errno == EINTR);
    if (n < 0) return -errno;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t number = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < number && *passed_count < EVG_PACKET_RIGHTS; i++)
            memcpy(&passed[(*passed_count)++], CMSG_DATA(header) + i * sizeof(int), sizeof(int));
    }
    *was_cut = (message.msg_flags & MSG_CTRUNC) != 0;
    if (!(message.msg_flags & MSG_TRUNC)) return n;
    for (size_t i = 0; i < *passed_count; i++) close(passed[i]);
    *passed_count = 0;
    return -EMSGSIZE;
}

void evg_packet_room(int fd, int bytes) { setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes); }

int evg_packet_file(const void *bytes, size_t count) {
    int fd = memfd_create("evgateway-message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -errno;
    size_t done = 0;
    while (done < count) {
        ssize_t n = write(fd, (const char *)bytes + done, count - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            int failed = n < 0 ? errno : EIO;
            close(fd);
            return -failed;
        }
        done += (size_t)n;
    }
    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
    return fd;
}

int evg_packet_file_read(int fd, void *bytes, size_t count) {
    size_t done = 0;
    while (done < count) {
        ssize_t n = pread(fd, (char *)bytes + done, count - done, (off_t)done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n < 0 ? -errno : -EIO;
        done += (size_t)n;
    }
    return 0;
}
