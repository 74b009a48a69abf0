/* Clients that wait for messages, for scripts/loadtest and scripts/bench:
 *
 *     holds [-f 'NAME: VALUE']... [-l NUMBER] [-o] [-r RATE] [-s NUMBER] ADDRESS PORT HOST PATH COUNT stream|response
 *
 * opens COUNT connections, RATE of them a second. One waits, with `stream`, when the head of the answer has come, which
 * then never ends; with `response`, when the request has been sent. After an answer that ends comes the next request,
 * but not with -o. Who loses the connection while it waits counts that and connects again. -s: the number of this
 * process, which has addresses of its own on loopback. Each line of the standard input is answered by a line of JSON
 * about all that was since the start; its end is the end.
 *
 * Messages are numbered in the order in which they are published; -l: the last before. "messages" has [number, how many
 * received it, nanoseconds of the first, nanoseconds of the last] for each. "latency" is [microseconds, how many] since
 * the time that a message says. One that is not the next is "lost" (as many times as are missing) or "doubled". */
#include "counts.h"
#include "holds.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { AT_ONCE = 64, EVENTS = 512, PER_ADDRESS = 5000, MOST_MESSAGES = 4096 };
/* The least time between two attempts to connect again those that were lost; with a server that holds nobody. */
enum { PAUSE_MS = 10, LONG_PAUSE_MS = 1000 };
/* What comes within this time is read at once; times are as exact as that. */
enum { GATHER_MS = 2 };

int poll_set;

static connection *connections;
static size_t wanted, begun, held, opening;
static struct addrinfo *server;
static bool streams, asks_once;
static unsigned process;
static uint64_t base;
static double rate;
static char before[4096], behind[8192];
static bool has_last;

/* Those that have lost their connection, in the order in which they did. */
static connection **lost_ones;
static size_t lost_first, lost_count;

static latencies since_published;
static uint64_t answered, received, lost, doubled, disconnected, reconnects;
static struct { uint64_t count, first, last; } messages[MOST_MESSAGES];

static void tell(uint64_t since) {
    const char *comma = "";
    printf("{\"held\": %zu, \"seconds\": %.6f, \"answered\": %lu, \"received\": %lu, \"lost\": %lu, \"doubled\": %lu, "
           "\"disconnected\": %lu, \"reconnects\": %lu, \"errors\": ", held, (double)(now_ns() - since) / 1e9,
           answered, received, lost, doubled, disconnected, reconnects);
    print_errors();
    printf(", \"latency\": ");
    print_latencies(&since_published);
    printf(", \"messages\": [");
    for (size_t at = 0; at < MOST_MESSAGES; at++) {
        if (!messages[at].count) continue;
        printf("%s[%lu, %lu, %lu, %lu]", comma, base + at, messages[at].count, messages[at].first, messages[at].last);
        comma = ", ";
    }
    printf("]}\n");
    fflush(stdout);
}

/* Requests */

static void prepare_request(int count, char **values, const char *host, const char *path) {
    const char *found = strstr(path, LAST);
    has_last = found != NULL;
    int first = found ? (int)(found - path) : (int)strlen(path);
    int used = snprintf(behind, sizeof behind, "%s HTTP/1.1\r\nHost: %s\r\n", found ? found + strlen(LAST) : "", host);
    for (int at = 0; at < count && used < (int)sizeof behind; at++)
        used += snprintf(behind + used, sizeof behind - (size_t)used, "%s\r\n", values[at]);
    if (used < (int)sizeof behind) used += snprintf(behind + used, sizeof behind - (size_t)used, "\r\n");
    if (used >= (int)sizeof behind || snprintf(before, sizeof before, "GET %.*s", first, path) >= (int)sizeof before)
        exit((fputs("holds: the request is too long\n", stderr), 2));
}

size_t write_request(char *to, size_t room, uint64_t last) {
    char number[24] = "";
    if (has_last) snprintf(number, sizeof number, "%lu", last);
    int used = snprintf(to, room, "%s%s%s", before, number, behind);
    return used > 0 && (size_t)used < room ? (size_t)used : 0;
}

/* Connections */

static void begin(connection *c) {
    c->state = CONNECTING;
    c->was_held = false;
    opening++;
    c->fd = socket(server->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) return end(c, kind_of(errno));
    struct sockaddr_in *to = (struct sockaddr_in *)server->ai_addr;
    if (to->sin_family == AF_INET && ntohl(to->sin_addr.s_addr) >> 24 == 127) {
        /* Each address has ports of its own, and few of them are used, so that the kernel finds one at once. */
        struct sockaddr_in from = { .sin_family = AF_INET };
        size_t number = (size_t)(c - connections) / PER_ADDRESS;
        from.sin_addr.s_addr = htonl((127u << 24) + ((1 + process % 200) << 16) + (200u << 8) + 1 + (uint32_t)number);
        setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){ 1 }, sizeof(int));
        if (bind(c->fd, (struct sockaddr *)&from, sizeof from)) return end(c, kind_of(errno));
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    if (connect(c->fd, server->ai_addr, server->ai_addrlen) && errno != EINPROGRESS) return end(c, kind_of(errno));
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.ptr = c };
    epoll_ctl(poll_set, EPOLL_CTL_ADD, c->fd, &event);
}

static void begin_some(uint64_t since) {
    static uint64_t last_attempt;
    size_t due = wanted;
    if (rate > 0 && begun < wanted) due = (size_t)((double)(now_ns() - since) / 1e9 * rate) + 1;
    while (opening < AT_ONCE && begun < wanted && begun < due) {
        connections[begun].last = base;
        begin(&connections[begun++]);
    }
    uint64_t pause = reconnects < 2 * wanted ? PAUSE_MS : LONG_PAUSE_MS;
    if (!lost_count || now_ns() - last_attempt < pause * 1000000) return;
    last_attempt = now_ns();
    for (size_t left = lost_count; left && opening < AT_ONCE; left--) {
        connection *c = lost_ones[lost_first];
        lost_first = (lost_first + 1) % wanted;
        lost_count--;
        reconnects++;
        begin(c);
    }
}

static void now_waits(connection *c) {
    if (c->was_held) return;
    c->was_held = true;
    held++;
    opening--;
}

void on_asked(connection *c) {
    if (!streams) now_waits(c);
}

void on_head(connection *c, int status) {
    if (streams && status == 200) now_waits(c);
    if (status < 400) return;
    char kind[32];
    snprintf(kind, sizeof kind, "status %d", status);
    count_error(kind, 1);
}

void on_message(connection *c) {
    uint64_t when = now_ns();
    received++;
    record(&since_published, c->time, when);
    if (c->number <= c->last) { doubled++; return; }
    lost += c->number - c->last - 1;
    c->last = c->number;
    uint64_t at = c->number - base;
    if (at >= MOST_MESSAGES) return;
    if (!messages[at].count++) messages[at].first = when;
    messages[at].last = when;
}

void on_answer(connection *c) {
    answered++;
    if (streams) return end(c, "the stream has ended");
    if (asks_once) {
        held -= c->was_held;
        c->was_held = false;
        c->state = ANSWERED;
        return;
    }
    if (c->stays) return ask(c);
    end(c, NULL);
}

void on_end(connection *c, const char *kind) {
    bool was_held = c->was_held;
    held -= was_held;
    opening -= !was_held && !(asks_once && c->state == ANSWERED);
    c->was_held = false;
    /* Nothing is missing for one that asks once and has its answer. */
    if (asks_once && c->state == ANSWERED && !was_held) return;
    if (kind) count_error(kind, 1);
    if (kind && was_held) disconnected++;
    lost_ones[(lost_first + lost_count++) % wanted] = c;
}

/* Orders */

/* Returns true if the standard input can be read. */
static bool serve_once(uint64_t since) {
    struct epoll_event events[EVENTS];
    bool asked = false;
    int count = epoll_wait(poll_set, events, EVENTS, lost_count || begun < wanted ? PAUSE_MS : -1);
    for (int at = 0; at < count; at++) {
        connection *c = events[at].data.ptr;
        if (!c) asked = true;
        else if (c->fd >= 0) on_ready(c);
    }
    begin_some(since);
    // Whoever waits for each event is woken for each, at the cost of the server on the same machine.
    if (count > 0 && count < EVENTS && !asked) nanosleep(&(struct timespec){ .tv_nsec = GATHER_MS * 1000000 }, NULL);
    return asked;
}

int main(int count, char **words) {
    char *fields[64];
    int fields_count = 0, option, problem;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
    while ((option = getopt(count, words, "f:l:or:s:")) != -1) {
        if (option == 'f' && fields_count < 64) fields[fields_count++] = optarg;
        else if (option == 'l') base = strtoull(optarg, NULL, 10);
        else if (option == 'o') asks_once = true;
        else if (option == 'r') rate = atof(optarg);
        else if (option == 's') process = (unsigned)atoi(optarg);
        else return 2;
    }
    words += optind;
    if (count - optind != 6 || !(wanted = strtoul(words[4], NULL, 10)))
        return fputs("holds: bad arguments\n", stderr), 2;
    if ((problem = getaddrinfo(words[0], words[1], &hints, &server)))
        return fprintf(stderr, "holds: %s: %s\n", words[0], gai_strerror(problem)), 2;
    streams = !strcmp(words[5], "stream");
    prepare_request(fields_count, fields, words[2], words[3]);
    raise_descriptor_limit();
    poll_set = epoll_create1(EPOLL_CLOEXEC);
    connections = calloc(wanted, sizeof *connections);
    lost_ones = calloc(wanted, sizeof *lost_ones);
    if (!connections || !lost_ones) return 1;

    uint64_t since = now_ns();
    struct epoll_event event = { .events = EPOLLIN };
    epoll_ctl(poll_set, EPOLL_CTL_ADD, 0, &event);
    setvbuf(stdin, NULL, _IONBF, 0);
    begin_some(since);
    for (char line[64];;) {
        if (!serve_once(since)) continue;
        if (!fgets(line, sizeof line, stdin)) return 0;
        tell(since);
    }
}
