/* One connection of a client that waits: sends the request, reads the answer (RFC 9112, 6.3), finds messages. */
#include "counts.h"
#include "holds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_OF_HEAD = 16384 };
static char input[1 << 16];

void end(connection *c, const char *kind) {
    close(c->fd);
    free(c->head);
    c->head = NULL;
    c->fd = -1;
    on_end(c, kind);
}

/* The connection is established, or has no request any more. */
void ask(connection *c) {
    char request[8192];
    size_t size = write_request(request, sizeof request, c->last);
    if (!size || send(c->fd, request, size, MSG_NOSIGNAL) != (ssize_t)size) return end(c, "request not taken");
    c->state = ASKED;
    c->head_size = 0;
    c->mark = OUTSIDE;
    on_asked(c);
}

/* The value of a field in a head that ends with 0, or NULL. */
static const char *field(const char *head, const char *name) {
    const char *found = strcasestr(head, name);
    if (!found) return NULL;
    found += strlen(name);
    return found + strspn(found, " \t");
}

/* Returns false for a head that is none. */
static bool read_head(connection *c, const char *head) {
    if (strncmp(head, "HTTP/1.", 7) || strlen(head) < 12) return false;
    int status = atoi(head + 9);
    const char *length = field(head, "\r\ncontent-length:"), *coding = field(head, "\r\ntransfer-encoding:");
    const char *connected = field(head, "\r\nconnection:");
    c->stays = head[7] == '1' && !(connected && !strncasecmp(connected, "close", 5));
    c->left = 0;
    if (coding && !strncasecmp(coding, "chunked", 7)) c->place = IN_SIZE;
    else if (length) c->place = IN_LENGTH, c->left = strtoull(length, NULL, 10);
    else if (status == 204 || status == 304) c->place = IN_LENGTH;
    else c->place = TO_THE_END, c->stays = false;
    c->state = ANSWERED;
    on_head(c, status);
    return true;
}

static void find_messages(connection *c, const char *bytes, size_t count) {
    for (size_t at = 0; at < count; at++) {
        if (c->mark == OUTSIDE) {
            const char *found = memchr(bytes + at, '@', count - at);
            if (!found) return;
            at = (size_t)(found - bytes);
            c->mark = IN_NUMBER;
            c->number = c->time = 0;
        } else if (bytes[at] >= '0' && bytes[at] <= '9') {
            uint64_t *value = c->mark == IN_NUMBER ? &c->number : &c->time;
            *value = *value * 10 + (uint64_t)(bytes[at] - '0');
        } else if (bytes[at] == ' ' && c->mark == IN_NUMBER) {
            c->mark = IN_TIME;
        } else {
            if (bytes[at] == ';' && c->mark == IN_TIME) on_message(c);
            c->mark = OUTSIDE;
        }
    }
}

/* Takes bytes of a body, which ends an answer and may end the connection. Returns how many were taken. */
static size_t take(connection *c, const char *bytes, size_t count) {
    size_t piece = c->left < count ? (size_t)c->left : count;
    int digit = *bytes >= '0' && *bytes <= '9' ? *bytes - '0' : (*bytes | 32) >= 'a' && (*bytes | 32) <= 'f'
        ? (*bytes | 32) - 'a' + 10 : -1;
    switch (c->place) {
    case TO_THE_END:
        find_messages(c, bytes, count);
        return count;
    case IN_SIZE:
        if (digit >= 0) c->left = c->left * 16 + (uint64_t)digit;
        else if (*bytes == '\n') c->place = c->left ? IN_CHUNK : IN_TRAILER;
        return 1;
    case AFTER_CHUNK:
        if (*bytes == '\n') c->place = IN_SIZE;
        return 1;
    case IN_TRAILER:
        /* No trailers: the line end alone. */
        if (*bytes == '\n') c->place = IN_LENGTH;
        return 1;
    case IN_CHUNK:
    case IN_LENGTH:
        find_messages(c, bytes, piece);
        c->left -= piece;
        if (!c->left && c->place == IN_CHUNK) c->place = AFTER_CHUNK;
        return piece;
    }
    return count;
}

static bool is_whole(const connection *c) { return c->state == ANSWERED && c->place == IN_LENGTH && !c->left; }

static void take_all(connection *c, const char *bytes, size_t count) {
    while (count && !is_whole(c)) {
        size_t taken = take(c, bytes, count);
        bytes += taken, count -= taken;
    }
    if (!is_whole(c)) return;
    if (count) return end(c, "unasked bytes");
    on_answer(c);
}

/* More of a head has come, and maybe of the body. `input` has room for one byte behind. */
static void take_head(connection *c, size_t count) {
    char *bytes = input;
    if (c->head_size) {
        c->head = realloc(c->head, c->head_size + count + 1);
        if (!c->head) abort();
        memcpy(c->head + c->head_size, input, count);
        bytes = c->head;
        count += c->head_size;
    }
    bytes[count] = 0;
    char *rest = strstr(bytes, "\r\n\r\n");
    if (!rest) {
        if (count > MOST_OF_HEAD) return end(c, "malformed");
        if (!c->head_size && !(c->head = malloc(count + 1))) abort();
        if (!c->head_size) memcpy(c->head, bytes, count);
        c->head_size = count;
        return;
    }
    char *kept = c->head;
    c->head = NULL;
    c->head_size = 0;
    rest[2] = 0;
    if (!read_head(c, bytes)) end(c, "malformed");
    else take_all(c, rest + 4, count - (size_t)(rest + 4 - bytes));
    free(kept);
}

static void begun(connection *c) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) return end(c, kind_of(error));
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
    epoll_ctl(poll_set, EPOLL_CTL_MOD, c->fd, &event);
    ask(c);
}

void on_ready(connection *c) {
    if (c->state == CONNECTING) return begun(c);
    ssize_t count = recv(c->fd, input, sizeof input - 1, 0);
    if (count < 0 && errno == EAGAIN) return;
    if (count < 0) return end(c, kind_of(errno));
    if (!count && c->state == ANSWERED && c->place == TO_THE_END) {
        c->place = IN_LENGTH, c->left = 0;
        return on_answer(c);
    }
    if (!count) return end(c, c->state == ANSWERED && !is_whole(c) ? "short" : "closed");
    if (c->state == ASKED) take_head(c, (size_t)count);
    else if (is_whole(c)) end(c, "unasked bytes");
    else take_all(c, input, (size_t)count);
}
