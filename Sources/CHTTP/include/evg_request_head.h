// A request head as a value: one record that Swift and every worker class read in place. It is written once, by the
// parser of its wire, and never changes; it is valid for as long as its exchange lives.
#ifndef EVG_REQUEST_HEAD_H
#define EVG_REQUEST_HEAD_H

#include "evg_scan.h"

/// How the end of a request body is known (RFC 9112 6.3).
enum evg_body_framing { EVG_BODY_NONE = 0, EVG_BODY_LENGTH, EVG_BODY_CHUNKED };

/// What the request was made with. 1.2 to 1.9 are read as 1.1 (RFC 9110 2.5).
enum evg_http_version { EVG_HTTP_11 = 0, EVG_HTTP_10, EVG_HTTP_2 };

typedef struct evg_request_head {
    const uint8_t *bytes;               // the head as it was received; what the slices point into
    const struct evg_field *fields;     // field lines in the order of arrival, values without blanks around them
    uint32_t byte_count;                // request line to final CRLF
    uint32_t stored_count;              // with the bytes behind that, which were not received
    uint32_t field_count;
    uint32_t request_line_count;        // without its CRLF
    struct evg_slice method;
    struct evg_slice target;            // as on the wire
    struct evg_slice path;              // never empty; "*" of OPTIONS *
    struct evg_slice query;             // behind the "?", which has_query tells from none
    struct evg_slice scheme;            // of an absolute-form target; empty without
    struct evg_slice authority;         // of an absolute-form target, else Host's value (RFC 9112 3.2.2, 3.3)
    uint64_t content_length;            // bytes; 0 unless framing is EVG_BODY_LENGTH
    uint8_t framing;                    // enum evg_body_framing
    uint8_t version;                    // enum evg_http_version
    bool has_query;
    bool expects_continue;              // a 100 is due before the client sends its body (RFC 9110 10.1.1)
    bool keeps_alive;                   // the client allows another request on the connection
    bool upgrades;                      // an Upgrade that HTTP/1.1 lets the server consider (RFC 9110 7.8)
    bool is_head;                       // the method is HEAD
    bool has_underscore;                // the name of a field has one
} evg_request_head;

/// Bytes of memory that evg_request_head_make needs for a head that is scanned.
size_t evg_request_head_size(const struct evg_head *scan);

/// Writes the record, its fields and its bytes into `memory`, of at least evg_request_head_size bytes and aligned as
/// malloc does. `bytes` are those of the scan, `fields` the lines that it recorded (else they are split once more).
/// The authority of an absolute-form target takes the place of Host's value among the fields, and of a Host that
/// HTTP/1.0 left out (RFC 9112 3.2.2): nobody behind this decides that again.
evg_request_head *evg_request_head_make(void *memory, const struct evg_head *scan, const uint8_t *bytes, size_t count,
                                        const struct evg_field *fields);

/// Makes a head that was read as HTTP/1.1, and that nobody else has yet, one of HTTP/2. `has_open_body`: it has a body
/// of which no field says how long it is; its framing is then EVG_BODY_CHUNKED. `is_connect`: its method is CONNECT,
/// with a path, which HTTP/1.1 does not have (RFC 8441); it was read as OPTIONS.
void evg_request_head_become_http2(evg_request_head *head, bool has_open_body, bool is_connect);

/// Bytes of memory that evg_request_head_copy needs.
size_t evg_request_head_copy_size(const evg_request_head *head, size_t host_count);

/// Writes a copy into `memory`, which is that of evg_request_head_make's. `kept`, unless it is NULL, says of each field
/// whether the copy has it. `host`, unless its count is 0, becomes the authority and Host's value, as the authority of
/// an absolute-form target does.
evg_request_head *evg_request_head_copy(void *memory, const evg_request_head *head, const bool *kept,
                                        const uint8_t *host, size_t host_count);

/// Bytes of memory that evg_request_head_amend needs.
size_t evg_request_head_amend_size(const evg_request_head *head, size_t line_bytes, uint32_t line_count);

/// Writes a copy into `memory`, as evg_request_head_copy does, with further field lines behind the others: `line_count`
/// of them, whose slices `fields` point into the `line_bytes` bytes of `lines`. All slices into `head` are slices into
/// the copy.
evg_request_head *evg_request_head_amend(void *memory, const evg_request_head *head, const bool *kept,
                                         const uint8_t *lines, size_t line_bytes, const struct evg_field *fields,
                                         uint32_t line_count);

/// Names that are looked for, by what tells them from most others: bit n of `lengths` for those of n bytes (63 also for
/// longer ones), bit n of `letters` for those whose first byte is n but for its upper three bits.
typedef struct evg_names {
    uint64_t lengths;
    uint32_t letters;
} evg_names;

/// False if no field has one of the names; true if one may have.
bool evg_request_head_may_have(const evg_request_head *head, const evg_names *names);

#endif
