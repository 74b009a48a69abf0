/* The system's nghttp2, of which HPACK (RFC 7541) is used, and the encoding of a response's fields from the form in
 * which the server has them: lines of "Name: value". */
#ifndef EVG_NGHTTP2_H
#define EVG_NGHTTP2_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Field lines, each with its CRLF. */
typedef struct evg_field_lines {
    const uint8_t *bytes;
    size_t count;
} evg_field_lines;

/* An encoder without a dynamic table: what it writes depends on nothing that it has written before, so that one serves
 * every connection, each of which has been sent evg_hpack_no_table once. NULL without memory. */
nghttp2_hd_deflater *evg_hpack_encoder_new(void);

/* The instruction that sets the size of the dynamic table to 0 (RFC 7541 section 6.3). */
#define EVG_HPACK_NO_TABLE 0x20

/* Writes a field section: ":status" unless `status` is 0, then the lines. Names become lower case, and Upgrade, which
 * has no meaning in HTTP/2, is left out. Returns the bytes written; -1 where there is too little room, of which
 * evg_hpack_bound says how much is always enough; -2 without memory. */
ptrdiff_t evg_hpack_encode(nghttp2_hd_deflater *encoder, unsigned status, const evg_field_lines *lines, size_t count,
                           uint8_t *room, size_t room_count);

size_t evg_hpack_bound(const evg_field_lines *lines, size_t count);

/* Returns true if these bytes may be a field value (RFC 9113 section 8.2.1). */
bool evg_hpack_is_value(const uint8_t *bytes, size_t count);

/* Returns true for a token without capitals. */
bool evg_hpack_is_name(const uint8_t *bytes, size_t count);

#endif
