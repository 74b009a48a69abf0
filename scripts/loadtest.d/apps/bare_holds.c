/* The lower limit of held requests: the least work with which a libev server in C can hold them (/poll: until the next
 * message; /stream: for all messages) and send what is published (a POST's body, which comes whole) to everyone: one
 * buffer, and a loop of `send`. Checks nothing. Prints its port, serves until it is killed. */
#include <arpa/inet.h>
#include <ev.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

typedef struct { ev_io io; size_t place; enum { IDLE, POLLS, STREAMS } waits; } connection;

#define HEAD "HTTP/1.1 200 OK\r\nServer: bare\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\n"
static const char begun[] = HEAD "Transfer-Encoding: chunked\r\n\r\n6\r\nbegun\n\r\n";
static const char hello[] = HEAD "Content-Length: 13\r\n\r\nHello, World!";
static char input[1 << 16], chunk[1 << 17], answer[1 << 17];
static connection **all;
static size_t count, room;

static void end(EV_P_ connection *c) {
    ev_io_stop(EV_A_ &c->io);
    close(c->io.fd);
    all[c->place] = all[--count];
    all[c->place]->place = c->place;
    free(c);
}

static void publish(const char *body) {
    size_t size = strlen(body);
    size_t chunk_size = (size_t)snprintf(chunk, sizeof chunk, "%zx\r\n%s\r\n", size, body);
    size_t answer_size = (size_t)snprintf(answer, sizeof answer, HEAD "Content-Length: %zu\r\n\r\n%s", size, body);
    for (size_t at = 0; at < count; at++) {
        connection *c = all[at];
        if (c->waits == STREAMS) {
            send(c->io.fd, chunk, chunk_size, MSG_NOSIGNAL);
        } else if (c->waits == POLLS) {
            c->waits = IDLE;
            send(c->io.fd, answer, answer_size, MSG_NOSIGNAL);
        }
    }
}

static void on_readable(EV_P_ ev_io *io, int events) {
    connection *c = (connection *)io;
    ssize_t got = read(io->fd, input, sizeof input - 1);
    (void)events;
    if (got <= 0) return end(EV_A_ c);
    input[got] = 0;
    if (!strncmp(input, "GET /poll", 9)) {
        c->waits = POLLS;
    } else if (!strncmp(input, "GET /stream", 11)) {
        c->waits = STREAMS;
        send(io->fd, begun, sizeof begun - 1, MSG_NOSIGNAL);
    } else {
        char *body = strstr(input, "\r\n\r\n");
        if (!strncmp(input, "POST", 4) && body) publish(body + 4);
        send(io->fd, hello, sizeof hello - 1, MSG_NOSIGNAL);
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
