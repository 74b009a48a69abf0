/* The lower limit: the least work with which a libev server in C can answer the benchmark's GET with the same bytes.
 * It finds the empty line that ends a head and checks nothing else. Prints its port, serves until it is killed. */
#include <arpa/inet.h>
#include <ev.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct { ev_io io; size_t used; char bytes[4096]; } connection;

static char answer[256];
static size_t answer_size;

static void on_second(EV_P_ ev_timer *timer, int events) {
    char date[32];
    time_t now = time(NULL);
    (void)loop, (void)timer, (void)events;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&now));
    answer_size = (size_t)snprintf(answer, sizeof answer,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n"
        "Date: %s\r\nServer: evgateway\r\n\r\nHello, World!", date);
}

static void on_readable(EV_P_ ev_io *io, int events) {
    connection *c = (connection *)io;
    ssize_t count = read(io->fd, c->bytes + c->used, sizeof c->bytes - c->used);
    char *end;
    (void)events;
    if (count <= 0) {
        ev_io_stop(EV_A_ io);
        close(io->fd);
        free(c);
        return;
    }
    c->used += (size_t)count;
    while ((end = memmem(c->bytes, c->used, "\r\n\r\n", 4)) != NULL) {
        size_t head = (size_t)(end - c->bytes) + 4;
        if (write(io->fd, answer, answer_size) < 0) break;
        memmove(c->bytes, c->bytes + head, c->used -= head);
    }
}

static void on_connection(EV_P_ ev_io *io, int events) {
    int yes = 1, peer;
    (void)events;
    while ((peer = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        connection *c = calloc(1, sizeof *c);
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
    ev_io accepting;
    ev_timer clock;
    if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 2048) < 0) return 1;
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("Listening at: http://127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    ev_timer_init(&clock, on_second, 0., 1.);
    ev_timer_start(loop, &clock);
    on_second(loop, &clock, 0);
    ev_io_init(&accepting, on_connection, listener, EV_READ);
    ev_io_start(loop, &accepting);
    return !ev_run(loop, 0);
}
