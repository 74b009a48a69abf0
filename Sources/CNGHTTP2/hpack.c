#include "evg_nghttp2.h"

#include <stdlib.h>
#include <string.h>

nghttp2_hd_deflater *evg_hpack_encoder_new(void)
{
    nghttp2_hd_deflater *encoder = NULL;
    if (nghttp2_hd_deflate_new(&encoder, 0))
        return NULL;
    /* The first section begins with the instruction about the table, which each connection is to get for itself. */
    nghttp2_nv status = {(uint8_t *)":status", (uint8_t *)"200", 7, 3, NGHTTP2_NV_FLAG_NONE};
    uint8_t room[64];
    if (nghttp2_hd_deflate_hd(encoder, room, sizeof room, &status, 1) >= 0)
        return encoder;
    nghttp2_hd_deflate_del(encoder);
    return NULL;
}

/* Of a name and of a value: six bytes for each length (RFC 7541 section 5.1), and one for what kind of field it is. */
enum { field_overhead = 13, shortest_line = 4 };

size_t evg_hpack_bound(const evg_field_lines *lines, size_t count)
{
    size_t bound = 64;
    for (size_t i = 0; i < count; i++)
        bound += lines[i].count + (lines[i].count / shortest_line + 1) * field_overhead;
    return bound;
}

/* Adds the fields of a block to `fields` and their names, in lower case, to `names`; returns how many. */
static size_t split(const evg_field_lines *lines, nghttp2_nv *fields, uint8_t **names)
{
    size_t count = 0;
    const uint8_t *line = lines->bytes, *end = line + lines->count;
    while (line < end) {
        const uint8_t *colon = memchr(line, ':', (size_t)(end - line));
        const uint8_t *stop = colon ? memchr(colon, '\r', (size_t)(end - colon)) : NULL;
        if (!stop || stop - colon < 2)
            break;
        size_t name_count = (size_t)(colon - line);
        uint8_t *name = *names;
        for (size_t i = 0; i < name_count; i++)
            name[i] = line[i] >= 'A' && line[i] <= 'Z' ? line[i] | 0x20 : line[i];
        if (name_count != 7 || memcmp(name, "upgrade", 7)) {
            *names += name_count;
            fields[count++] = (nghttp2_nv){
                name, (uint8_t *)colon + 2, name_count, (size_t)(stop - colon - 2),
                NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,
            };
        }
        line = stop + 2;
    }
    return count;
}

ptrdiff_t evg_hpack_encode(nghttp2_hd_deflater *encoder, unsigned status, const evg_field_lines *lines, size_t count,
                           uint8_t *room, size_t room_count)
{
    if (room_count < evg_hpack_bound(lines, count))
        return -1;
    size_t bytes = 0, most = 1;
    for (size_t i = 0; i < count; i++) {
        bytes += lines[i].count;
        most += lines[i].count / shortest_line + 1;
    }
    nghttp2_nv few[48];
    uint8_t short_names[1024];
    bool is_large = most > sizeof few / sizeof *few || bytes > sizeof short_names;
    nghttp2_nv *fields = is_large ? malloc(most * sizeof *fields + bytes) : few;
    if (!fields)
        return -2;
    uint8_t *names = is_large ? (uint8_t *)(fields + most) : short_names;
    uint8_t digits[3] = {(uint8_t)('0' + status / 100 % 10), (uint8_t)('0' + status / 10 % 10),
                         (uint8_t)('0' + status % 10)};
    size_t made = 0;
    if (status)
        fields[made++] = (nghttp2_nv){(uint8_t *)":status", digits, 7, 3, NGHTTP2_NV_FLAG_NONE};
    for (size_t i = 0; i < count; i++)
        made += split(&lines[i], fields + made, &names);
    ssize_t written = nghttp2_hd_deflate_hd(encoder, room, room_count, fields, made);
    if (is_large)
        free(fields);
    return written < 0 ? -2 : written;
}

bool evg_hpack_is_value(const uint8_t *bytes, size_t count)
{
    if (count == 0)
        return true;
    uint8_t first = bytes[0], last = bytes[count - 1];
    if (first == ' ' || first == '\t' || last == ' ' || last == '\t')
        return false;
    for (size_t i = 0; i < count; i++) {
        if ((bytes[i] < 0x20 && bytes[i] != '\t') || bytes[i] == 0x7f)
            return false;
    }
    return true;
}

bool evg_hpack_is_name(const uint8_t *bytes, size_t count)
{
    static const uint8_t marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < count; i++) {
        uint8_t byte = bytes[i];
        bool is_usual = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-';
        if (!is_usual && (byte == 0 || !memchr(marks, byte, sizeof marks - 1)))
            return false;
    }
    return count > 0;
}
