/* The connections of the WebSocket client: handshake, frames that come, the message that is sent. RFC 6455. */
#ifndef WEBSOCKET_H
#define WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MOST_OF_HEAD = 14, MOST_OF_CONTROL = 125 };
enum { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

typedef struct {
    int fd;                       /* -1: it has ended */
    enum { CONNECTING, ASKED, OPEN } state;
    bool writing;                 /* waits until the socket takes more */
    char *answer;                 /* what has come of the handshake's answer, until it is whole */
    size_t answer_size;
    bool in_payload;              /* the head of the frame that comes is complete */
    unsigned char head[MOST_OF_HEAD];
    unsigned head_size;
    uint64_t left;                /* what is still to come of the frame's payload */
    bool in_message, compressed;  /* a message has begun; its first frame had RSV1 */
    uint64_t taken;               /* what has come of the message */
    unsigned char control[MOST_OF_CONTROL];
    unsigned control_taken;       /* what has come of a control frame's payload */
    bool owes_pong;               /* of what is in `control` */
    size_t unsent;                /* the end of the current message that is not sent yet */
    uint64_t due;                 /* since when a message is awaited, in ns; 0: none is */
} connection;

/* What all connections send: a masked frame. `payload` is what it carries and what must come back. */
typedef struct { unsigned char *frame, *payload; size_t frame_size, payload_size; } message;

extern message current;
extern int poll_set;
extern bool offers_deflate;
extern size_t open_count;
/* The handshake, the same for all. */
extern char request[8192];

/* Called for a connection that is open now, for a whole message, for a ping, and for one that has ended. */
void on_open(connection *c);
void on_message(connection *c);
void on_ping(void);
void on_end(connection *c, const char *kind);

void choose_message(size_t payload_size);
/* Sends the current message from its start. */
void send_message(connection *c);
void send_close(connection *c);
void on_ready(connection *c, uint32_t events);
void end(connection *c, const char *kind);

#endif
