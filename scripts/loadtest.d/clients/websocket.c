/* The WebSocket clients of scripts/loadtest and scripts/bench:
 *
 *     websocket [-d] [-f 'NAME: VALUE']... [-t SECONDS] ADDRESS PORT HOST PATH CONNECTIONS
 *
 * opens the connections (-d: offers permessage-deflate; -f: a field of the handshake; -t: how long a message may take)
 * and prints a line of JSON. Then each line of the standard input is an order, and is answered by another line:
 *
 *     echo MILLISECONDS BYTES        a text message on every connection, and the next when it has come back
 *     broadcast MILLISECONDS BYTES   a message on the first connection, and the next when all have received it
 *     idle                           nothing: answers at once what has come since the last order
 *
 * Pings are answered at all times. The end of the input ends all connections with a close frame.
 * "latency" is a list of [microseconds, how many], with three digits; "times" has the microseconds of each broadcast.
 * Where compression is agreed, messages are sent in stored blocks, and those that come compressed are not read. */
#include "counts.h"
#include "websocket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { AT_ONCE = 64, EVENTS = 256, PER_ADDRESS = 5000 };
static const uint64_t second = 1000000000;

message current;
int poll_set;
bool offers_deflate;
size_t open_count;
char request[8192];

static connection *connections;
static size_t wanted, begun, ended;
static struct addrinfo *server;
static uint64_t patience = 30000000000;

/* What has happened since the last line was printed. */
static latencies taken;
static uint64_t messages, pings;

/* What the order that is carried out waits for. */
static enum { NOTHING, OPENING, ECHOING, BROADCASTING, CLOSING } order;
static uint64_t until;
static size_t awaited;

/* What has happened */

/* The line that answers an order; it forgets what it has told. */
static void print(uint64_t since, const uint64_t *times, size_t times_count) {
    printf("{\"open\": %zu, \"seconds\": %.6f, \"messages\": %lu, \"pings\": %lu, \"errors\": ", open_count,
           (double)(now_ns() - since) / second, messages, pings);
    print_errors();
    printf(", \"latency\": ");
    print_latencies(&taken);
    printf(", \"times\": [");
    for (size_t at = 0; at < times_count; at++) printf("%s%lu", at ? ", " : "", times[at] / 1000);
    printf("]}\n");
    fflush(stdout);
    forget_errors();
    memset(&taken, 0, sizeof taken);
    messages = pings = 0;
}

/* Connections */

static void begin_next(void) {
    connection *c = &connections[begun++];
    *c = (connection){ .writing = true };
    c->fd = socket(server->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) return end(c, strerror(errno));
    struct sockaddr_in *to = (struct sockaddr_in *)server->ai_addr;
    if (to->sin_family == AF_INET && ntohl(to->sin_addr.s_addr) >> 24 == 127) {
        /* Loopback has many addresses, each with ports of its own: the kernel looks long for one when few are left. */
        struct sockaddr_in from = { .sin_family = AF_INET };
        from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)((begun - 1) / PER_ADDRESS));
        setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){ 1 }, sizeof(int));
        if (bind(c->fd, (struct sockaddr *)&from, sizeof from)) return end(c, strerror(errno));
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    if (connect(c->fd, server->ai_addr, server->ai_addrlen) && errno != EINPROGRESS) return end(c, strerror(errno));
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.ptr = c };
    epoll_ctl(poll_set, EPOLL_CTL_ADD, c->fd, &event);
}

static void begin_some(void) {
    while (begun < wanted && begun - open_count - ended < AT_ONCE) begin_next();
}

void on_open(connection *c) { (void)c; }

void on_ping(void) { pings++; }

void on_message(connection *c) {
    if (!c->due) return count_error("unasked message", 1);
    uint64_t when = now_ns();
    record(&taken, c->due, when);
    messages++;
    c->due = 0;
    awaited--;
    if (order != ECHOING || when >= until) return;
    c->due = when;
    awaited++;
    send_message(c);
}

void on_end(connection *c, const char *kind) {
    ended++;
    awaited -= c->due != 0;
    if (order != CLOSING) count_error(kind, 1);
}

/* Orders */

/* Serves connections until the condition holds, or the time is up. */
#define SERVE(condition, limit) \
    for (uint64_t last = (limit); !(condition) && now_ns() < last;) serve_once(1000)

/* Returns true if the standard input can be read. */
static bool serve_once(int milliseconds) {
    struct epoll_event events[EVENTS];
    bool asked = false;
    int count = epoll_wait(poll_set, events, EVENTS, milliseconds);
    for (int at = 0; at < count; at++) {
        connection *c = events[at].data.ptr;
        if (!c) asked = true;
        else if (c->fd >= 0) on_ready(c, events[at].events);
    }
    return asked;
}

/* Messages that have not come in time are errors, and so are their connections: the next order must not see them. */
static void give_up(void) {
    for (size_t at = 0; at < wanted; at++)
        if (connections[at].fd >= 0 && connections[at].due) end(&connections[at], "timeout");
}

static void open_all(void) {
    uint64_t since = now_ns();
    order = OPENING;
    for (uint64_t last = since + 2 * patience; open_count + ended < wanted && now_ns() < last;) {
        begin_some();
        serve_once(1000);
    }
    for (size_t at = 0; at < begun; at++)
        if (connections[at].fd >= 0 && connections[at].state != OPEN) end(&connections[at], "timeout");
    print(since, NULL, 0);
}

static void echo(uint64_t milliseconds, size_t bytes) {
    uint64_t since = now_ns();
    choose_message(bytes);
    order = ECHOING;
    until = since + milliseconds * 1000000;
    for (size_t at = 0; at < wanted; at++) {
        connection *c = &connections[at];
        if (c->fd < 0) continue;
        c->due = now_ns();
        awaited++;
        send_message(c);
    }
    SERVE(awaited == 0, until + patience);
    give_up();
    print(since, NULL, 0);
}

static void broadcast(uint64_t milliseconds, size_t bytes) {
    uint64_t since = now_ns(), *found = NULL;
    size_t done = 0, first = 0;
    choose_message(bytes);
    order = BROADCASTING;
    until = since + milliseconds * 1000000;
    do {
        while (first < wanted && connections[first].fd < 0) first++;
        if (first == wanted) break;
        uint64_t start = now_ns();
        for (size_t at = 0; at < wanted; at++) {
            if (connections[at].fd < 0) continue;
            connections[at].due = start;
            awaited++;
        }
        send_message(&connections[first]);
        SERVE(awaited == 0, start + patience);
        if (awaited) break;
        if (done % 1024 == 0 && !(found = realloc(found, (done + 1024) * sizeof *found))) abort();
        found[done++] = now_ns() - start;
    } while (now_ns() < until);
    give_up();
    print(since, found, done);
    free(found);
}

/* A server answers a close frame with another one and ends the connection: waits for that, but not long. */
static void close_all(void) {
    order = CLOSING;
    for (size_t at = 0; at < wanted; at++) {
        connection *c = &connections[at];
        if (c->fd >= 0) send_close(c);
        if (c->fd >= 0) shutdown(c->fd, SHUT_WR);
    }
    SERVE(ended == wanted, now_ns() + 2 * second);
}

static bool carry_out(const char *line) {
    unsigned long milliseconds, bytes;
    if (sscanf(line, "echo %lu %lu", &milliseconds, &bytes) == 2) echo(milliseconds, bytes);
    else if (sscanf(line, "broadcast %lu %lu", &milliseconds, &bytes) == 2) broadcast(milliseconds, bytes);
    else if (!strncmp(line, "idle", 4)) print(now_ns(), NULL, 0);
    else return false;
    order = NOTHING;
    return true;
}

static void write_request(int fields, char **values, const char *host, const char *path) {
    int used = snprintf(request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s", path, host,
        offers_deflate ? "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" : "");
    for (int at = 0; at < fields && used < (int)sizeof request; at++)
        used += snprintf(request + used, sizeof request - (size_t)used, "%s\r\n", values[at]);
    if (used < (int)sizeof request) used += snprintf(request + used, sizeof request - (size_t)used, "\r\n");
    if (used >= (int)sizeof request) exit((fputs("websocket: the handshake is too long\n", stderr), 2));
}

int main(int count, char **words) {
    char *fields[64];
    int fields_count = 0, option, problem;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
    while ((option = getopt(count, words, "df:t:")) != -1) {
        if (option == 'd') offers_deflate = true;
        else if (option == 'f' && fields_count < 64) fields[fields_count++] = optarg;
        else if (option == 't') patience = (uint64_t)(atof(optarg) * (double)second);
        else return 2;
    }
    words += optind;
    if (count - optind != 5 || !(wanted = strtoul(words[4], NULL, 10)))
        return fputs("websocket: bad arguments\n", stderr), 2;
    if ((problem = getaddrinfo(words[0], words[1], &hints, &server)))
        return fprintf(stderr, "websocket: %s: %s\n", words[0], gai_strerror(problem)), 2;
    write_request(fields_count, fields, words[2], words[3]);

    raise_descriptor_limit();
    poll_set = epoll_create1(EPOLL_CLOEXEC);
    connections = calloc(wanted, sizeof *connections);
    if (!connections) return 1;
    choose_message(0);
    open_all();

    struct epoll_event event = { .events = EPOLLIN };
    char line[256];
    setvbuf(stdin, NULL, _IONBF, 0);
    do {
        epoll_ctl(poll_set, EPOLL_CTL_ADD, 0, &event);
        while (!serve_once(-1)) {}
        epoll_ctl(poll_set, EPOLL_CTL_DEL, 0, NULL);
    } while (fgets(line, sizeof line, stdin) && carry_out(line));
    close_all();
    return 0;
}
