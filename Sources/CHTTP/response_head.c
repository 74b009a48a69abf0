// The builder of a response head. Nothing gets into the block that was not checked, so that whoever puts it on a wire
// copies it: no line of it can end early, be read as another, or contradict the server's own fields.
#include "evg_response_head.h"

#include <stdlib.h>
#include <string.h>

#include "classes.h"
#include "evg_scan.h"

enum { first_capacity = 256, largest = 1 << 30 };

static bool reserve(evg_response_head *head, size_t more)
{
    size_t wanted = head->count + more;
    if (wanted <= head->capacity)
        return true;
    if (wanted > largest)
        return false;
    size_t capacity = head->capacity ? (size_t)head->capacity * 2 : first_capacity;
    if (capacity < wanted)
        capacity = wanted;
    uint8_t *grown = realloc(head->bytes, capacity);
    if (!grown)
        return false;
    head->bytes = grown;
    head->capacity = (uint32_t)capacity;
    return true;
}

static void put(evg_response_head *head, const void *bytes, size_t count)
{
    if (count)
        memcpy(head->bytes + head->count, bytes, count);
    head->count += (uint32_t)count;
}

evg_head_refusal evg_response_head_begin(evg_response_head *head, int32_t status, const uint8_t *reason, size_t count)
{
    head->count = head->reason_count = 0;
    head->status = 0;
    head->says = 0;
    head->content_length = 0;
    if (status < 100 || status > 999)
        return EVG_HEAD_BAD_STATUS;
    if (!reason)
        reason = (const uint8_t *)evg_reason_phrase(status, &count);
    else if (!evg_is_text(reason, count))
        return EVG_HEAD_BAD_REASON;
    if (count > largest || !reserve(head, count))
        return EVG_HEAD_NO_MEMORY;
    put(head, reason, count);
    head->reason_count = (uint32_t)count;
    head->status = (uint16_t)status;
    return EVG_HEAD_ACCEPTED;
}

static evg_head_refusal take_length(evg_response_head *head, const uint8_t *value, size_t count)
{
    uint64_t length = 0;
    if (!evg_parse_length(value, count, &length))
        return EVG_HEAD_BAD_LENGTH;
    if ((head->says & EVG_HEAD_HAS_LENGTH) && head->content_length != length)
        return EVG_HEAD_BAD_LENGTH;
    head->content_length = length;
    head->says |= EVG_HEAD_HAS_LENGTH;
    return EVG_HEAD_ACCEPTED;
}

static bool may_upgrade(const evg_response_head *head)
{
    return head->status == 101 || head->status == 426;
}

static evg_head_refusal take_connection(evg_response_head *head, const uint8_t *value, size_t count)
{
    uint8_t options = evg_connection_options(value, count);
    if (options & EVG_OPTION_OTHER)
        return EVG_HEAD_HOP_BY_HOP;
    if (options & EVG_OPTION_CLOSE)
        head->says |= EVG_HEAD_CLOSES;
    if (options & EVG_OPTION_UPGRADE) {
        if (!may_upgrade(head))
            return EVG_HEAD_HOP_BY_HOP;
        head->says |= EVG_HEAD_UPGRADES;
    }
    return EVG_HEAD_ACCEPTED;
}

/// An instruction of GRIP's. Most names do not begin with g, and most values of the length of Content-Type are shorter.
static bool is_instruction(const uint8_t *name, size_t name_count, const uint8_t *value, size_t value_count)
{
    static const char type[] = "application/grip-instruct";
    if (name_count > 5 && (name[0] | 0x20) == 'g')
        return evg_equal_ignoring_case(name, (const uint8_t *)"grip-", 5);
    return name_count == 12 && value_count >= sizeof type - 1
           && evg_equal_ignoring_case(name, (const uint8_t *)"content-type", 12)
           && evg_equal_ignoring_case(value, (const uint8_t *)type, sizeof type - 1);
}

evg_head_refusal evg_response_head_add(evg_response_head *head, const uint8_t *name, size_t name_count,
                                       const uint8_t *value, size_t value_count)
{
    if (!evg_is_token(name, name_count))
        return EVG_HEAD_BAD_NAME;
    if (!evg_is_text(value, value_count))
        return EVG_HEAD_BAD_VALUE;
    switch (evg_field_kind(name, name_count)) {
    case EVG_FIELD_CONTENT_LENGTH:
        return take_length(head, value, value_count);
    case EVG_FIELD_CONNECTION:
        return take_connection(head, value, value_count);
    case EVG_FIELD_TRANSFER_ENCODING:
    case EVG_FIELD_HOP_BY_HOP:
        return EVG_HEAD_HOP_BY_HOP;
    case EVG_FIELD_UPGRADE:
        if (!may_upgrade(head))
            return EVG_HEAD_HOP_BY_HOP;
        break;
    case EVG_FIELD_DATE:
        head->says |= EVG_HEAD_HAS_DATE;
        break;
    case EVG_FIELD_SERVER:
        head->says |= EVG_HEAD_HAS_SERVER;
        break;
    default:
        if (is_instruction(name, name_count, value, value_count))
            head->says |= EVG_HEAD_GRIP;
        break;
    }
    if (name_count > largest || value_count > largest || !reserve(head, name_count + value_count + 4))
        return EVG_HEAD_NO_MEMORY;
    put(head, name, name_count);
    put(head, ": ", 2);
    put(head, value, value_count);
    put(head, "\r\n", 2);
    return EVG_HEAD_ACCEPTED;
}

bool evg_response_head_copy(evg_response_head *head, const evg_response_head *other)
{
    head->count = 0;
    if (!reserve(head, other->count))
        return false;
    put(head, other->bytes, other->count);
    head->reason_count = other->reason_count;
    head->status = other->status;
    head->says = other->says;
    head->content_length = other->content_length;
    return true;
}

void evg_response_head_swap(evg_response_head *one, evg_response_head *other)
{
    evg_response_head kept = *one;
    *one = *other;
    *other = kept;
}

void evg_response_head_free(evg_response_head *head)
{
    free(head->bytes);
    *head = (evg_response_head){ 0 };
}

const char *evg_head_refusal_text(evg_head_refusal refusal)
{
    switch (refusal) {
    case EVG_HEAD_ACCEPTED: return "";
    case EVG_HEAD_BAD_STATUS: return "response status outside 100...999";
    case EVG_HEAD_BAD_REASON: return "control byte in the response's reason phrase";
    case EVG_HEAD_BAD_NAME: return "response field name is not a token";
    case EVG_HEAD_BAD_VALUE: return "control byte in a response field value";
    case EVG_HEAD_BAD_LENGTH: return "invalid or contradictory Content-Length in the response";
    case EVG_HEAD_HOP_BY_HOP: return "hop-by-hop field in the response";
    case EVG_HEAD_NO_MEMORY: return "out of memory";
    }
    return "";
}

bool evg_lines_find(const uint8_t *lines, size_t count, const uint8_t *name, size_t name_count,
                    const uint8_t **value, size_t *value_count)
{
    for (size_t line = 0; line < count;) {
        const uint8_t *cr = memchr(lines + line, '\r', count - line);
        size_t end = cr ? (size_t)(cr - lines) : count;
        if (end - line >= name_count + 2 && lines[line + name_count] == ':'
            && evg_equal_ignoring_case(lines + line, name, name_count)) {
            *value = lines + line + name_count + 2;
            *value_count = end - line - name_count - 2;
            return true;
        }
        line = end + 2;
    }
    return false;
}

bool evg_response_head_replay(evg_response_head *head)
{
    static const char name[] = "Retry-After";
    if (evg_response_head_begin(head, 503, NULL, 0)) return false;
    if (evg_response_head_add(head, (const uint8_t *)name, sizeof name - 1, (const uint8_t *)"1", 1)) return false;
    head->says |= EVG_HEAD_REPLAYS;
    return true;
}
