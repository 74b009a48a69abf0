/* The lower limit of WebSocket: the least work with which a libev server in C can send a message back (/echo) or to
 * everyone (any other path): one frame, and a loop of `send`. It knows the handshake of clients/websocket.c and no
 * other, takes messages below 64 KB that come whole, and checks nothing. Prints its port, serves until it is killed. */
#include <arpa/inet.h>
#include <ev.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

typedef struct { ev_io io; size_t place; bool open, echoes; } connection;

static const char upgraded[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
static const char hello[] = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: close\r\n\r\nHello, World!";
static unsigned char input[1 << 16];
static connection **all;
static size_t count, room;

static void end(EV_P_ connection *c) {
    ev_io_stop(EV_A_ &c->io);
    close(c->io.fd);
    all[c->place] = all[--count];
    all[c->place]->place = c->place;
    free(c);
}

/* Makes the client's frame of `size` bytes the server's, in place. Returns where it begins; its size is in *size. */
static unsigned char *answer_to(unsigned char *frame, size_t *size) {
    size_t head = (frame[1] & 127) == 126 ? 4 : 2;
    unsigned char *payload = frame + head + 4, *to = frame + 4;
    for (size_t at = 0; at < *size - head - 4; at++) payload[at] ^= frame[head + at % 4];
    memmove(to, frame, head);
    to[1] &= 127;
    *size -= 4;
    return to;
}

static void on_readable(EV_P_ ev_io *io, int events) {
    connection *c = (connection *)io;
    ssize_t got = read(io->fd, input, sizeof input - 1);
    (void)events;
    if (got <= 0) return end(EV_A_ c);
    size_t size = (size_t)got;
    if (!c->open) {
        input[size] = 0;
        c->open = strstr((char *)input, "Upgrade: websocket");
        c->echoes = !strncmp((char *)input, "GET /echo ", 10);
        bool sent = write(io->fd, c->open ? upgraded : hello, strlen(c->open ? upgraded : hello)) > 0;
        if (!c->open || !sent) end(EV_A_ c);
        return;
    }
    if ((input[0] & 15) == 8) return end(EV_A_ c);
    unsigned char *frame = answer_to(input, &size);
    if (c->echoes) {
        send(io->fd, frame, size, MSG_NOSIGNAL);
    } else {
        for (size_t at = 0; at < count; at++)
            if (all[at]->open) send(all[at]->io.fd, frame, size, MSG_NOSIGNAL);
    }
}

static void on_connection(EV_P_ ev_io *io, int events) {
    int yes = 1, peer;
    (void)events;
    while ((peer = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        connection *c = calloc(1, sizeof *c);
        if (count == room) all = realloc(all, (room = 2 * room + 64) * sizeof *all);
        if (!c || !all) abort();
        c->place = count;
        all[count++] = c;
        setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        ev_io_init(&c->io, on_readable, peer, EV_READ);
        ev_io_start(EV_A_ &c->io);
    }
}

int main(void) {
    struct ev_loop *loop = ev_default_loop(EVBACKEND_EPOLL);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct rlimit limit;
    ev_io accepting;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 2048) < 0) return 1;
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("Listening at: http://127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    ev_io_init(&accepting, on_connection, listener, EV_READ);
    ev_io_start(loop, &accepting);
    return !ev_run(loop, 0);
}
