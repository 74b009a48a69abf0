// The record of a request head: what its lines mean, in one block of memory.
#include "evg_request_head.h"

#include <string.h>

static const char host_name[4] = { 'H', 'o', 's', 't' };

size_t evg_request_head_size(const struct evg_head *scan)
{
    // One field and one name more than were received, for a Host that was left out.
    return sizeof(evg_request_head) + ((size_t)scan->field_count + 1) * sizeof(struct evg_field)
        + (scan->end - scan->start) + sizeof host_name;
}

static bool is_host(const uint8_t *name, size_t count)
{
    return count == 4 && evg_field_kind(name, count) == EVG_FIELD_HOST;
}

/// RFC 9112 3.2.2: Host's value as received is ignored where the target has an authority.
static void replace_host(evg_request_head *head, struct evg_field *fields, const uint8_t *bytes)
{
    for (uint32_t i = 0; i < head->field_count; i++) {
        if (!is_host(bytes + fields[i].name.start, fields[i].name.count))
            continue;
        fields[i].value = head->authority;
        return;
    }
    struct evg_slice name = { head->byte_count, sizeof host_name };
    fields[head->field_count++] = (struct evg_field){ name, head->authority };
}

evg_request_head *evg_request_head_make(void *memory, const struct evg_head *scan, const uint8_t *bytes, size_t count,
                                        const struct evg_field *recorded)
{
    evg_request_head *head = memory;
    struct evg_field *fields = (struct evg_field *)(head + 1);
    uint32_t field_count = scan->field_count, byte_count = scan->end - scan->start;
    if (scan->recorded)
        memcpy(fields, recorded, field_count * sizeof *fields);
    else
        field_count = (uint32_t)evg_head_fields(scan, bytes, count, fields, field_count);
    uint8_t *copy = (uint8_t *)(fields + scan->field_count + 1);
    memcpy(copy, bytes + scan->start, byte_count);
    memcpy(copy + byte_count, host_name, sizeof host_name);

    bool is_http11 = scan->minor_version > 0;
    *head = (evg_request_head){
        .bytes = copy, .fields = fields, .byte_count = byte_count, .field_count = field_count,
        .stored_count = byte_count + (uint32_t)sizeof host_name, .request_line_count = scan->fields_start - 2,
        .method = scan->method, .target = scan->target, .path = scan->path, .query = scan->query,
        .scheme = scan->scheme, .authority = scan->has_scheme ? scan->authority : scan->host,
        .version = is_http11 ? EVG_HTTP_11 : EVG_HTTP_10, .has_query = scan->has_query,
        .keeps_alive = !(scan->connection & EVG_OPTION_CLOSE)
            && (is_http11 || (scan->connection & EVG_OPTION_KEEP_ALIVE)),
        .upgrades = is_http11 && scan->upgrades > 0 && (scan->connection & EVG_OPTION_UPGRADE),
        .is_head = scan->method.count == 4 && memcmp(copy + scan->method.start, "HEAD", 4) == 0,
        .has_underscore = scan->has_underscore,
    };
    if (scan->has_scheme)
        replace_host(head, fields, copy);
    return head;
}

void evg_request_head_become_http2(evg_request_head *head, bool has_open_body, bool is_connect)
{
    static const char connect[7] = { 'C', 'O', 'N', 'N', 'E', 'C', 'T' };
    static const char other[2] = { '1', '.' };
    uint8_t *version = (uint8_t *)head->bytes + head->request_line_count - 3;
    if (head->request_line_count < 3 || memcmp(version, other, sizeof other))
        return;
    // "HTTP/2" is two bytes shorter; what stood there is part of no line any more.
    version[0] = '2';
    head->request_line_count -= 2;
    head->version = EVG_HTTP_2;
    if (is_connect && head->method.count == sizeof connect)
        memcpy((uint8_t *)head->bytes + head->method.start, connect, sizeof connect);
    if (!has_open_body || head->framing != EVG_BODY_NONE)
        return;
    head->framing = EVG_BODY_CHUNKED;
    for (uint32_t i = 0; i < head->field_count; i++) {
        struct evg_slice name = head->fields[i].name;
        // The parser takes no other value than 100-continue.
        if (evg_field_kind(head->bytes + name.start, name.count) == EVG_FIELD_EXPECT)
            head->expects_continue = true;
    }
}

/// Bytes of a copy with `count` more of them and room for `more` fields.
static size_t copy_size(const evg_request_head *head, size_t count, size_t more)
{
    return sizeof *head + ((size_t)head->field_count + more) * sizeof(struct evg_field) + head->stored_count + count;
}

/// A copy with room for `more` fields, and for bytes behind those that are stored.
static evg_request_head *copy_into(void *memory, const evg_request_head *head, const bool *kept, size_t more)
{
    evg_request_head *copy = memory;
    struct evg_field *fields = (struct evg_field *)(copy + 1);
    uint8_t *bytes = (uint8_t *)(fields + head->field_count + more);
    *copy = *head;
    copy->bytes = bytes;
    copy->fields = fields;
    copy->field_count = 0;
    copy->has_underscore = false;
    memcpy(bytes, head->bytes, head->stored_count);
    for (uint32_t i = 0; i < head->field_count; i++) {
        if (kept && !kept[i])
            continue;
        fields[copy->field_count++] = head->fields[i];
        struct evg_slice name = head->fields[i].name;
        copy->has_underscore |= memchr(bytes + name.start, '_', name.count) != NULL;
    }
    return copy;
}

/// Writes bytes behind those that are stored; returns where they begin.
static uint32_t store(evg_request_head *copy, const uint8_t *bytes, size_t count)
{
    uint32_t start = copy->stored_count;
    memcpy((uint8_t *)copy->bytes + start, bytes, count);
    copy->stored_count += (uint32_t)count;
    return start;
}

size_t evg_request_head_copy_size(const evg_request_head *head, size_t host_count)
{
    return copy_size(head, host_count, 1);
}

evg_request_head *evg_request_head_copy(void *memory, const evg_request_head *head, const bool *kept,
                                        const uint8_t *host, size_t host_count)
{
    evg_request_head *copy = copy_into(memory, head, kept, 1);
    if (host_count > 0) {
        copy->authority = (struct evg_slice){ store(copy, host, host_count), (uint32_t)host_count };
        replace_host(copy, (struct evg_field *)copy->fields, copy->bytes);
    }
    return copy;
}

size_t evg_request_head_amend_size(const evg_request_head *head, size_t line_bytes, uint32_t line_count)
{
    return copy_size(head, line_bytes, line_count);
}

evg_request_head *evg_request_head_amend(void *memory, const evg_request_head *head, const bool *kept,
                                         const uint8_t *lines, size_t line_bytes, const struct evg_field *added,
                                         uint32_t line_count)
{
    evg_request_head *copy = copy_into(memory, head, kept, line_count);
    if (line_count == 0)
        return copy;
    struct evg_field *fields = (struct evg_field *)copy->fields;
    uint32_t start = store(copy, lines, line_bytes);
    for (uint32_t i = 0; i < line_count; i++) {
        struct evg_field field = added[i];
        field.name.start += start;
        field.value.start += start;
        fields[copy->field_count++] = field;
        copy->has_underscore |= memchr(lines + added[i].name.start, '_', added[i].name.count) != NULL;
    }
    return copy;
}

bool evg_request_head_may_have(const evg_request_head *head, const evg_names *names)
{
    for (uint32_t i = 0; i < head->field_count; i++) {
        struct evg_slice name = head->fields[i].name;
        uint32_t length = name.count < 63 ? name.count : 63;
        if ((names->lengths >> length & 1) && (names->letters >> (head->bytes[name.start] & 31) & 1))
            return true;
    }
    return false;
}
