// The scanner's law: received bytes to slices under strict character classes. It allocates nothing, keeps no state but
// its arguments, reads no byte outside [bytes, bytes + count), and decides no framing: it reports what the lines say.
#ifndef EVG_SCAN_H
#define EVG_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// What a scan came to. Everything from EVG_BAD_METHOD on is a refusal, and final.
enum evg_result {
    EVG_DONE = 0,
    EVG_MORE,                   // clean so far, but the bytes end before the element does
    EVG_BAD_METHOD,             // not a token, or not followed by one SP
    EVG_BAD_TARGET,             // empty, a byte outside its class, or not followed by one SP
    EVG_BAD_TARGET_FORM,        // none of the four forms of RFC 9112 3.2, or one the method does not take
    EVG_BAD_AUTHORITY,          // the authority of an absolute or authority form
    EVG_BAD_VERSION,            // not HTTP/DIGIT.DIGIT
    EVG_UNSUPPORTED_VERSION,    // a major version other than 1
    EVG_CONNECT,                // a well-formed CONNECT
    EVG_BAD_LINE_END,           // a CR or LF that is not half of a CRLF
    EVG_BAD_CONTROL,            // another control byte, or a byte >= 0x80 in the request line
    EVG_TOO_MANY_EMPTY_LINES,
    EVG_BAD_FIELD_NAME,         // empty, not a token, or no colon right behind it
    EVG_OBS_FOLD,               // a field line that starts with SP or HTAB
    EVG_REQUEST_LINE_TOO_LONG,
    EVG_FIELD_TOO_LONG,
    EVG_TOO_MANY_FIELDS,
    EVG_HEAD_TOO_LARGE,
    EVG_BAD_CHUNK_SIZE,         // not 1*HEXDIG, or not followed by CR or ';'
    EVG_CHUNK_SIZE_OVERFLOW,    // above INT64_MAX
    EVG_BAD_CHUNK_EXTENSION,
    EVG_CHUNK_LINE_TOO_LONG,
    EVG_TOO_MANY_EXTENSIONS,
    EVG_BAD_CHUNK_END,          // chunk data not followed by CRLF
};

/// Offsets count from the first byte of the request line.
struct evg_slice {
    uint32_t start;
    uint32_t count;
};

struct evg_field {
    struct evg_slice name;
    struct evg_slice value;     // without the optional whitespace around it
};

/// Bytes without the line's CRLF, except head_size: request line to final CRLF. 0: bounded by head_size alone.
struct evg_limits {
    uint32_t request_line;
    uint32_t field_size;
    uint32_t field_count;
    uint32_t head_size;
    uint32_t chunk_line;
    uint32_t chunk_extensions;  // of a whole message
};

/// The field names that framing and persistence hang on; everything else is EVG_FIELD_OTHER.
enum evg_field_kind {
    EVG_FIELD_OTHER = 0,
    EVG_FIELD_HOST,
    EVG_FIELD_CONTENT_LENGTH,
    EVG_FIELD_TRANSFER_ENCODING,
    EVG_FIELD_CONNECTION,
    EVG_FIELD_EXPECT,
    EVG_FIELD_UPGRADE,
    EVG_FIELD_DATE,
    EVG_FIELD_SERVER,
    EVG_FIELD_HOP_BY_HOP,       // Keep-Alive, Proxy-Connection, TE, Trailer
};

/// Options of the Connection field, over all its lines.
enum {
    EVG_OPTION_CLOSE = 1,
    EVG_OPTION_KEEP_ALIVE = 2,
    EVG_OPTION_UPGRADE = 4,
    EVG_OPTION_OTHER = 8,
};

/// A request head while it is scanned and when it is done. All zero is the start.
struct evg_head {
    // Progress, in offsets into the caller's bytes.
    uint32_t start;             // the request line, behind leading empty lines
    uint32_t line;              // the first line that is not yet complete
    uint32_t scanned;           // bytes before this were looked at
    uint32_t end;               // behind the final CRLF, when done
    uint8_t in_fields;
    uint8_t empty_lines;
    uint8_t recorded;           // done, and `fields` holds every field line

    // Request line.
    uint8_t minor_version;
    uint8_t has_scheme, has_query;
    struct evg_slice method, target, scheme, authority, path, query;

    // Field section: counts of lines, and the first line's value.
    uint32_t fields_start;
    uint32_t field_count;
    uint32_t hosts, content_lengths, transfer_encodings, expects, upgrades;
    struct evg_slice host, content_length;
    uint8_t connection;         // EVG_OPTION_*
    uint8_t expects_continue;   // a line that says 100-continue and nothing else
    uint8_t has_underscore;     // a field's name has one
    uint8_t coding_malformed, coding_unknown, coding_chunked_twice, coding_chunked;
};

/// Scans on from where the last call stopped; `bytes` are all bytes since the last message, grown in place or moved.
/// Field lines go to `fields` as far as `capacity` and `head->recorded` allow; evg_head_fields gets them otherwise.
enum evg_result evg_head_scan(struct evg_head *head, const uint8_t *bytes, size_t count,
                              const struct evg_limits *limits, struct evg_field *fields, size_t capacity);

/// Splits the field lines of a head that is done, once more, into `fields`; returns how many were written.
size_t evg_head_fields(const struct evg_head *head, const uint8_t *bytes, size_t count,
                       struct evg_field *fields, size_t capacity);

/// RFC 3986 host [":" port] with a host that is not empty and a port of at most 65535. `needs_port`: as CONNECT does.
bool evg_is_authority(const uint8_t *bytes, size_t count, bool needs_port);

/// 1*DIGIT, at most INT64_MAX.
bool evg_parse_length(const uint8_t *bytes, size_t count, uint64_t *value);

bool evg_is_token(const uint8_t *bytes, size_t count);

/// No control byte but HTAB: what may stand in a field value or a reason phrase.
bool evg_is_text(const uint8_t *bytes, size_t count);

enum evg_field_kind evg_field_kind(const uint8_t *name, size_t count);

/// EVG_OPTION_* of one Connection line.
uint8_t evg_connection_options(const uint8_t *value, size_t count);

/// ASCII case-insensitive.
bool evg_equal_ignoring_case(const uint8_t *a, const uint8_t *b, size_t count);

/// The framing between a chunked message's data. All zero is the start; between calls it holds all there is to keep.
struct evg_chunks {
    uint64_t size;              // data bytes of the current chunk
    uint32_t line_length;       // of the chunk or trailer line so far
    uint32_t extensions;        // of the message so far
    uint32_t trailer_count, trailer_size;
    uint8_t state;
    uint8_t has_digit;          // of the current size
};

/// Consumes framing up to the next data byte (EVG_DONE and size > 0), the end of the message (EVG_DONE and size 0) or
/// the end of the bytes (EVG_MORE). `used` is how many bytes were consumed. The caller takes the `size` bytes of data
/// between two calls.
enum evg_result evg_chunks_scan(struct evg_chunks *chunks, const uint8_t *bytes, size_t count,
                                const struct evg_limits *limits, size_t *used);

#endif
