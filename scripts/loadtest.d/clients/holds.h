/* The connections of the clients that wait: one request each, an answer that comes late or never ends, and in its body
 * messages of the form "@NUMBER NANOSECONDS;", whatever is around them. */
#ifndef HOLDS_H
#define HOLDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int fd;                       /* -1: there is none at the moment */
    enum { CONNECTING, ASKED, ANSWERED } state;
    enum { IN_LENGTH, IN_SIZE, IN_CHUNK, AFTER_CHUNK, IN_TRAILER, TO_THE_END } place;
    bool stays;                   /* the connection may have another request after this answer */
    bool was_held;                /* has been counted as one that waits */
    enum { OUTSIDE, IN_NUMBER, IN_TIME } mark;
    uint64_t left;                /* what is still to come of the body or of the chunk; while its size comes, that */
    char *head;                   /* what has come of the head, until it is whole */
    size_t head_size;
    uint64_t number, time;        /* of the message that is coming */
    uint64_t last;                /* number of the last message */
} connection;

/* Called when the request has been sent, when the head of the answer has come, for each message, when the answer is
 * whole, and for a connection that has ended (`kind`: why; NULL if nothing was missing). */
void on_asked(connection *c);
void on_head(connection *c, int status);
void on_message(connection *c);
void on_answer(connection *c);
void on_end(connection *c, const char *kind);

void ask(connection *c);
void on_ready(connection *c);
void end(connection *c, const char *kind);

extern int poll_set;
/* Where the path has it: the number of the last message. */
#define LAST "{last}"
/* Makes the request of a connection; returns its size, 0 if there is not the room. */
size_t write_request(char *to, size_t room, uint64_t last);

#endif
