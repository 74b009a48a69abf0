// Packets between the processes of one server, over SOCK_SEQPACKET: whole or not at all, and some with a descriptor.
// Every call returns -errno on failure.
#pragma once

#include <stddef.h>
#include <sys/types.h>

/// Makes a pair of connected sockets, non-blocking and closed on exec.
int evg_packet_pair(int fds[2]);
/// Sends one packet, with a descriptor if `passed` is not negative.
ssize_t evg_packet_send(int fd, const void *bytes, size_t count, int passed);
/// Receives one packet; 0 is the end. A descriptor that came with it is put into `passed`, else -1. What does not fit
/// into `count` bytes is lost, and -EMSGSIZE returned.
ssize_t evg_packet_receive(int fd, void *bytes, size_t count, int *passed);

/// The most descriptors that one packet brings (SCM_MAX_FD).
#define EVG_PACKET_RIGHTS 253
/// Sends one packet with `passed_count` descriptors.
ssize_t evg_packet_send_all(int fd, const void *bytes, size_t count, const int *passed, size_t passed_count);
/// Receives one packet and all its descriptors, for which `passed` has room. `was_cut` tells that some were lost,
/// because this process may open no more. A packet that does not fit is lost with what it brings: -EMSGSIZE.
ssize_t evg_packet_receive_all(
    int fd, void *bytes, size_t count, int passed[EVG_PACKET_RIGHTS], size_t *passed_count, int *was_cut);
/// How many bytes of packets a socket holds until they are read; less if the kernel allows less.
void evg_packet_room(int fd, int bytes);
/// A file in memory with these bytes, which nobody can change any more, or -errno.
int evg_packet_file(const void *bytes, size_t count);
/// Reads `count` bytes from the beginning of a file; returns 0, or -errno.
int evg_packet_file_read(int fd, void *bytes, size_t count);
