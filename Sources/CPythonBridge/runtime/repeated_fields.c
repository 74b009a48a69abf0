/* Field lines of a request, compared with those of the next. */
#include "repeated_fields.h"

#include <string.h>

enum { longest_block = 2048, most_lines = 32 };

typedef struct line {
    uint16_t offset;        /* into bytes */
    uint16_t count;         /* bytes: name to value, or the name alone when the value is secret */
    bool is_secret;
} line;

static uint8_t bytes[longest_block];
static line lines[most_lines];
static uint32_t line_count;     /* 0: nothing to compare with */
static evg_repeated_fields fields;

static inline uint32_t end_of(struct evg_slice slice) { return slice.start + slice.count; }

bool evg_fields_repeat(const evg_request_head *head, evg_repeated_fields *repeated) {
    if (head->field_count != line_count || line_count == 0) return false;
    for (uint32_t i = 0; i < line_count; i++) {
        const struct evg_field *field = &head->fields[i];
        const line *before = &lines[i];
        uint32_t count = before->is_secret ? field->name.count : end_of(field->value) - field->name.start;
        if (count != before->count || memcmp(bytes + before->offset, head->bytes + field->name.start, count))
            return false;
    }
    *repeated = fields;
    return true;
}

/* Whether the line could be kept. */
static bool remember(const evg_request_head *head, uint32_t place, size_t *used) {
    const struct evg_field *field = &head->fields[place];
    evg_field_entry *entry = evg_fields_find(head->bytes + field->name.start, field->name.count);
    /* The value of Host may stand in the request line (RFC 9112 3.2.2), or behind the head where a proxy told it: what
     * lies between is not of this field. */
    bool is_apart = field->name.start < head->byte_count && field->value.start >= head->byte_count;
    if (!entry || field->value.start < end_of(field->name) || is_apart) return false;
    bool is_secret = !entry->keeps_value;
    size_t count = is_secret ? field->name.count : end_of(field->value) - field->name.start;
    if (count > longest_block - *used) return false;
    lines[place] = (line){(uint16_t)*used, (uint16_t)count, is_secret};
    memcpy(bytes + *used, head->bytes + field->name.start, count);
    *used += count;
    if (!is_secret) return true;
    for (uint32_t i = 0; i < fields.secret_count; i++)
        if (fields.entries[i] == entry) return false;
    if (fields.secret_count == evg_repeated_longest) return false;
    fields.secrets[fields.secret_count] = (uint8_t)place;
    fields.entries[fields.secret_count++] = entry;
    return true;
}

void evg_fields_remember(const evg_request_head *head) {
    line_count = 0;
    fields.secret_count = 0;
    fields.series++;
    if (head->field_count > most_lines) return;
    size_t used = 0;
    evg_fields_begin();
    for (uint32_t i = 0; i < head->field_count; i++)
        if (!remember(head, i, &used)) {
            PyErr_Clear();
            return;
        }
    line_count = head->field_count;
}
