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
