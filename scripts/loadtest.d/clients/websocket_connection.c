/* One connection: reads the handshake's answer and then frames, whose payload is compared while it comes and stored
 * nowhere; writes the current message. What a server does wrong ends the connection with a word for the error. */
#include "counts.h"
#include "websocket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* The answer to the key of RFC 6455, section 1.2, which every connection sends: so nothing has to be hashed. */
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
enum { MOST_OF_ANSWER = 8192, MOST_OF_BLOCK = 65535 };

static const unsigned char mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
static unsigned char input[1 << 16];
/* The server has agreed to it, for one connection as for all. */
static bool has_deflate;

static void flush(connection *c);

void end(connection *c, const char *kind) {
    close(c->fd);
    free(c->answer);
    c->answer = NULL;
    c->fd = -1;
    open_count -= c->state == OPEN;
    on_end(c, kind);
}

/* Sending */

static size_t frame_head(unsigned char *to, int first, size_t size) {
    size_t used = 2;
    to[0] = (unsigned char)first;
    if (size < 126) {
        to[1] = (unsigned char)(0x80 | size);
    } else {
        int bytes = size < 65536 ? 2 : 8;
        to[1] = bytes == 2 ? 0x80 | 126 : 0x80 | 127;
        for (int shift = 8 * bytes - 8; shift >= 0; shift -= 8) to[used++] = (unsigned char)((uint64_t)size >> shift);
    }
    memcpy(to + used, mask, 4);
    return used + 4;
}

static void put_masked(unsigned char *to, const unsigned char *from, size_t size) {
    for (size_t at = 0; at < size; at++) to[at] = from[at] ^ mask[at % 4];
}

/* Makes of a message what permessage-deflate calls compressed, of stored blocks (RFC 1951, section 3.2.4): so the
 * server has to inflate, and the clients need no library for it. The last block is the empty one whose end is left out
 * (RFC 7692, section 7.2.1). Returns the size. */
static size_t put_stored(unsigned char *to, const unsigned char *from, size_t size) {
    unsigned char *start = to;
    for (size_t at = 0; at < size; at += MOST_OF_BLOCK) {
        size_t piece = size - at < MOST_OF_BLOCK ? size - at : MOST_OF_BLOCK;
        *to++ = 0;
        *to++ = (unsigned char)piece, *to++ = (unsigned char)(piece >> 8);
        *to++ = (unsigned char)~piece, *to++ = (unsigned char)(~piece >> 8);
        memcpy(to, from + at, piece);
        to += piece;
    }
    *to++ = 0;
    return (size_t)(to - start);
}

void choose_message(size_t payload_size) {
    size_t most = payload_size + 5 * (payload_size / MOST_OF_BLOCK + 1) + 1;
    unsigned char *stored = malloc(most);
    current.payload = realloc(current.payload, payload_size + 1);
    current.frame = realloc(current.frame, most + MOST_OF_HEAD);
    if (!current.payload || !current.frame || !stored) abort();
    /* Letters, so that it is text in UTF-8. No two of the first eight bytes are alike, so that a shift is seen. */
    for (size_t at = 0; at < payload_size; at++) current.payload[at] = (unsigned char)('a' + at * 7 % 26);
    size_t size = has_deflate ? put_stored(stored, current.payload, payload_size) : payload_size;
    size_t head = frame_head(current.frame, has_deflate ? 0xc0 | TEXT : 0x80 | TEXT, size);
    put_masked(current.frame + head, has_deflate ? stored : current.payload, size);
    current.payload_size = payload_size;
    current.frame_size = head + size;
    free(stored);
}

/* Returns false if the connection has ended. */
static bool send_control(connection *c, int opcode, const unsigned char *payload, size_t size) {
    unsigned char frame[MOST_OF_HEAD + MOST_OF_CONTROL];
    size_t head = frame_head(frame, 0x80 | opcode, size);
    put_masked(frame + head, payload, size);
    if (send(c->fd, frame, head + size, MSG_NOSIGNAL) == (ssize_t)(head + size)) return true;
    end(c, "control frame not taken");
    return false;
}

void send_close(connection *c) {
    static const unsigned char normal[2] = { 1000 >> 8, 1000 & 255 };
    send_control(c, CLOSE, normal, sizeof normal);
}

static void listen_for(connection *c, bool writing) {
    if (writing == c->writing) return;
    struct epoll_event event = { .events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = c };
    epoll_ctl(poll_set, EPOLL_CTL_MOD, c->fd, &event);
    c->writing = writing;
}

void send_message(connection *c) {
    c->unsent = current.frame_size;
    flush(c);
}

/* Sends what is left of the message, and then a pong that had to wait for its end. */
static void flush(connection *c) {
    if (c->unsent) {
        ssize_t count = send(c->fd, current.frame + current.frame_size - c->unsent, c->unsent, MSG_NOSIGNAL);
        if (count < 0 && errno != EAGAIN) return end(c, kind_of(errno));
        c->unsent -= count > 0 ? (size_t)count : 0;
    }
    if (!c->unsent && c->owes_pong) {
        c->owes_pong = false;
        if (!send_control(c, PONG, c->control, c->control_taken)) return;
    }
    listen_for(c, c->unsent > 0);
}

/* Receiving */

static int opcode_of(const connection *c) { return c->head[0] & 15; }
static bool is_last(const connection *c) { return c->head[0] & 128; }

/* Returns how many bytes the frame's head has, as far as that is known. */
static unsigned head_needs(const connection *c) {
    int length = c->head_size < 2 ? 0 : c->head[1] & 127;
    return 2 + (length < 126 ? 0 : length == 126 ? 2 : 8);
}

/* The frame's head is complete. Returns what is wrong with it, or NULL. */
static const char *read_head(connection *c) {
    int opcode = opcode_of(c), length = c->head[1] & 127;
    bool compressed = has_deflate && c->head[0] & 0x40;
    if (c->head[1] & 128) return "a masked frame";
    if (c->head[0] & 0x70 && !(compressed && (c->head[0] & 0x70) == 0x40)) return "a reserved bit";
    c->left = length < 126 ? (uint64_t)length : 0;
    for (unsigned at = 2; at < c->head_size; at++) c->left = c->left << 8 | c->head[at];
    c->in_payload = true;
    if (opcode >= CLOSE) {
        c->control_taken = 0;
        return opcode > PONG || length > MOST_OF_CONTROL || !is_last(c) ? "a malformed control frame" : NULL;
    }
    if (opcode > BINARY || (opcode == CONTINUATION) != c->in_message) return "an unexpected frame";
    if (opcode != CONTINUATION) {
        c->in_message = true;
        c->compressed = compressed;
        c->taken = 0;
    }
    return NULL;
}

static void on_frame(connection *c) {
    c->in_payload = false;
    c->head_size = 0;
    switch (opcode_of(c)) {
    case CLOSE: {
        char kind[32];
        snprintf(kind, sizeof kind, "closed with %d", c->control_taken < 2 ? 1005 : c->control[0] << 8 | c->control[1]);
        send_close(c);
        if (c->fd >= 0) end(c, kind);
        return;
    }
    case PING:
        on_ping();
        c->owes_pong = true;
        return flush(c);
    case PONG:
        return;
    default:
        if (!is_last(c)) return;
        c->in_message = false;
        if (c->taken != current.payload_size && !c->compressed) return end(c, "another message");
        on_message(c);
    }
}

/* Returns false if these are not the bytes that were to come. */
static bool take_payload(connection *c, const unsigned char *bytes, size_t count) {
    if (opcode_of(c) >= CLOSE) {
        memcpy(c->control + c->control_taken, bytes, count);
        c->control_taken += (unsigned)count;
        return true;
    }
    if (!c->compressed && (count > current.payload_size - c->taken
                           || memcmp(current.payload + c->taken, bytes, count))) return false;
    c->taken += count;
    return true;
}

static void take(connection *c, const unsigned char *bytes, size_t count) {
    while (count && c->fd >= 0) {
        if (!c->in_payload) {
            c->head[c->head_size++] = *bytes++;
            count--;
            if (c->head_size < head_needs(c)) continue;
            const char *wrong = read_head(c);
            if (wrong) return end(c, wrong);
        }
        size_t piece = count < c->left ? count : (size_t)c->left;
        if (!take_payload(c, bytes, piece)) return end(c, "another message");
        c->left -= piece, bytes += piece, count -= piece;
        if (!c->left) on_frame(c);
    }
}

/* More of the handshake's answer has come. Frames may follow it at once. */
static void on_answer(connection *c, size_t count) {
    c->answer = realloc(c->answer, c->answer_size + count + 1);
    if (!c->answer) abort();
    memcpy(c->answer + c->answer_size, input, count);
    c->answer[c->answer_size += count] = 0;
    char *rest = strstr(c->answer, "\r\n\r\n");
    if (!rest) {
        if (c->answer_size > MOST_OF_ANSWER) end(c, "malformed answer");
        return;
    }
    if (strncmp(c->answer, "HTTP/1.1 101 ", 13)) {
        char kind[32];
        snprintf(kind, sizeof kind, "status %.3s", c->answer_size > 12 ? c->answer + 9 : "");
        return end(c, kind);
    }
    *rest = 0;
    if (!strstr(c->answer, ACCEPT)) return end(c, "not accepted");
    has_deflate = offers_deflate && strstr(c->answer, "permessage-deflate");
    char *answer = c->answer;
    size_t more = c->answer_size - (size_t)(rest + 4 - answer);
    c->answer = NULL;
    c->state = OPEN;
    open_count++;
    on_open(c);
    if (c->fd >= 0) take(c, (unsigned char *)rest + 4, more);
    free(answer);
}

static void ask(connection *c) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) return end(c, kind_of(error));
    c->state = ASKED;
    size_t length = strlen(request);
    if (send(c->fd, request, length, MSG_NOSIGNAL) != (ssize_t)length) return end(c, "handshake not taken");
    listen_for(c, false);
}

void on_ready(connection *c, uint32_t events) {
    if (c->state == CONNECTING) return ask(c);
    if (events & EPOLLOUT) flush(c);
    if (c->fd < 0 || !(events & ~(uint32_t)EPOLLOUT)) return;
    ssize_t count = recv(c->fd, input, sizeof input, 0);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) return end(c, count ? kind_of(errno) : "closed");
    if (c->state == OPEN) take(c, input, (size_t)count);
    else on_answer(c, (size_t)count);
}
