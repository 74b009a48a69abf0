// A response head as a value, before it is bytes on any wire: status, reason phrase, and the app's fields as one block
// of checked "Name: value" lines. All zero is a head without status that owns no memory. Not for several threads.
#ifndef EVG_RESPONSE_HEAD_H
#define EVG_RESPONSE_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// What the fields have said that the server's own fields depend on.
enum {
    EVG_HEAD_HAS_LENGTH = 1,    // content_length
    EVG_HEAD_HAS_DATE = 2,
    EVG_HEAD_HAS_SERVER = 4,
    EVG_HEAD_CLOSES = 8,        // Connection: close
    EVG_HEAD_UPGRADES = 16,     // Connection: upgrade, of a 101 or 426
    EVG_HEAD_GRIP = 32,         // an instruction: a Grip-* field, or Content-Type: application/grip-instruct
    EVG_HEAD_REPLAYS = 64,      // the app asks for its request to be run again, by another worker
};

typedef struct evg_response_head {
    uint8_t *bytes;             // the reason phrase, then the lines, each with its CRLF; from malloc
    uint32_t capacity, count;
    uint32_t reason_count;
    uint16_t status;
    uint16_t says;              // EVG_HEAD_*
    uint64_t content_length;
} evg_response_head;

/// Why a head is refused. evg_head_refusal_text says it in words.
typedef enum evg_head_refusal {
    EVG_HEAD_ACCEPTED = 0,
    EVG_HEAD_BAD_STATUS,        // outside of 100...999
    EVG_HEAD_BAD_REASON,        // a control byte
    EVG_HEAD_BAD_NAME,          // not a token
    EVG_HEAD_BAD_VALUE,         // a control byte
    EVG_HEAD_BAD_LENGTH,        // a Content-Length that is no number, or not that of an earlier line
    EVG_HEAD_HOP_BY_HOP,        // a field of the connection's, which the server writes (RFC 9110 7.6.1)
    EVG_HEAD_NO_MEMORY,
} evg_head_refusal;

/// Begins a head, in the memory of an earlier one. A `reason` of NULL is the registered phrase of the status.
evg_head_refusal evg_response_head_begin(evg_response_head *head, int32_t status, const uint8_t *reason, size_t count);

/// Begins the answer for a request that is to be run again, where nobody takes it. False without memory.
bool evg_response_head_replay(evg_response_head *head);

/// Adds a field line. Content-Length and Connection are noted and not added: each wire writes its own.
evg_head_refusal evg_response_head_add(evg_response_head *head, const uint8_t *name, size_t name_count,
                                       const uint8_t *value, size_t value_count);

/// Makes `head` a copy of another one; false without memory.
bool evg_response_head_copy(evg_response_head *head, const evg_response_head *other);

/// Exchanges two heads, memory included.
void evg_response_head_swap(evg_response_head *one, evg_response_head *other);

/// Frees the memory; the head may be used again.
void evg_response_head_free(evg_response_head *head);

/// ASCII with a final NUL, valid for ever.
const char *evg_head_refusal_text(evg_head_refusal refusal);

/// The registered reason phrase, empty for a status without one.
const char *evg_reason_phrase(int32_t status, size_t *count);

/// The value of the first line of that name (lower case) in a block of "Name: value" CRLF lines; false when there is
/// none. `value` is a part of `lines`.
bool evg_lines_find(const uint8_t *lines, size_t count, const uint8_t *name, size_t name_count,
                    const uint8_t **value, size_t *value_count);

#endif
