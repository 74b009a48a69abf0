// The request head: lines are found first, each byte once, then split. A line is judged when it is complete, but a
// control byte or a broken limit is refused as soon as it is seen: the verdict never depends on how the bytes arrive.
#include "evg_scan.h"
#include "classes.h"

static struct evg_slice slice(const struct evg_head *head, size_t start, size_t end)
{
    return (struct evg_slice){ (uint32_t)(start - head->start), (uint32_t)(end - start) };
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

bool evg_equal_ignoring_case(const uint8_t *a, const uint8_t *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t x = a[i], y = b[i];
        if (x == y)
            continue;
        if ((x ^ y) != 0x20 || (x | 0x20) < 'a' || (x | 0x20) > 'z')
            return false;
    }
    return true;
}

#define EQUALS(bytes, count, literal) \
    ((count) == sizeof(literal) - 1 && evg_equal_ignoring_case(bytes, (const uint8_t *)(literal), sizeof(literal) - 1))

bool evg_is_token(const uint8_t *bytes, size_t count)
{
    return count > 0 && evg_token_end(bytes, 0, count) == count;
}

bool evg_is_text(const uint8_t *bytes, size_t count)
{
    return evg_find_control(bytes, 0, count) == count;
}

bool evg_parse_length(const uint8_t *bytes, size_t count, uint64_t *value)
{
    uint64_t sum = 0;
    if (count == 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!evg_is(bytes[i], EVG_DIGIT))
            return false;
        uint64_t digit = (uint64_t)(bytes[i] - '0');
        if (sum > (INT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *value = sum;
    return true;
}

enum evg_field_kind evg_field_kind(const uint8_t *name, size_t count)
{
    switch (count) {
    case 2: return EQUALS(name, count, "te") ? EVG_FIELD_HOP_BY_HOP : EVG_FIELD_OTHER;
    case 4:
        if (EQUALS(name, count, "host")) return EVG_FIELD_HOST;
        return EQUALS(name, count, "date") ? EVG_FIELD_DATE : EVG_FIELD_OTHER;
    case 6:
        if (EQUALS(name, count, "expect")) return EVG_FIELD_EXPECT;
        return EQUALS(name, count, "server") ? EVG_FIELD_SERVER : EVG_FIELD_OTHER;
    case 7:
        if (EQUALS(name, count, "upgrade")) return EVG_FIELD_UPGRADE;
        return EQUALS(name, count, "trailer") ? EVG_FIELD_HOP_BY_HOP : EVG_FIELD_OTHER;
    case 10:
        if (EQUALS(name, count, "connection")) return EVG_FIELD_CONNECTION;
        return EQUALS(name, count, "keep-alive") ? EVG_FIELD_HOP_BY_HOP : EVG_FIELD_OTHER;
    case 14: return EQUALS(name, count, "content-length") ? EVG_FIELD_CONTENT_LENGTH : EVG_FIELD_OTHER;
    case 16: return EQUALS(name, count, "proxy-connection") ? EVG_FIELD_HOP_BY_HOP : EVG_FIELD_OTHER;
    case 17: return EQUALS(name, count, "transfer-encoding") ? EVG_FIELD_TRANSFER_ENCODING : EVG_FIELD_OTHER;
    default: return EVG_FIELD_OTHER;
    }
}

// MARK: lists

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

/// The next element of a comma-separated list, without blanks around it; false behind the last one.
static bool next_element(const uint8_t *value, size_t count, size_t *at, size_t *start, size_t *end)
{
    if (*at > count)
        return false;
    size_t from = *at;
    const uint8_t *comma = memchr(value + from, ',', count - from);
    size_t to = comma ? (size_t)(comma - value) : count;
    *at = to + 1;
    while (from < to && is_blank(value[from]))
        from++;
    while (to > from && is_blank(value[to - 1]))
        to--;
    *start = from;
    *end = to;
    return true;
}

uint8_t evg_connection_options(const uint8_t *value, size_t count)
{
    uint8_t options = 0;
    size_t at = 0, start, end;
    while (next_element(value, count, &at, &start, &end)) {
        const uint8_t *option = value + start;
        if (EQUALS(option, end - start, "close"))
            options |= EVG_OPTION_CLOSE;
        else if (EQUALS(option, end - start, "keep-alive"))
            options |= EVG_OPTION_KEEP_ALIVE;
        else if (EQUALS(option, end - start, "upgrade"))
            options |= EVG_OPTION_UPGRADE;
        else if (end > start)
            options |= EVG_OPTION_OTHER;
    }
    return options;
}

/// RFC 9112 6.1. Empty elements are malformed here although 9110 5.6.1 tolerates them: peers read them differently.
static void note_codings(struct evg_head *head, const uint8_t *value, size_t count)
{
    size_t at = 0, start, end;
    while (next_element(value, count, &at, &start, &end)) {
        size_t token = evg_span(value, start, end, EVG_TOKEN);
        bool chunked = EQUALS(value + start, token - start, "chunked");
        if (token == start || (token < end && (chunked || (value[token] != ';' && !is_blank(value[token])))))
            head->coding_malformed = 1;
        else if (!chunked)
            head->coding_unknown = 1;
        else if (head->coding_chunked)
            head->coding_chunked_twice = 1;
        else
            head->coding_chunked = 1;
    }
}

// MARK: request line

/// RFC 9112 3.2. The scheme is http or https: an origin serves nothing else.
static enum evg_result split_target(struct evg_head *head, const uint8_t *bytes, size_t start, size_t end,
                                    size_t method_count)
{
    const uint8_t *method = bytes + head->start;
    if (method_count == 7 && memcmp(method, "CONNECT", 7) == 0)
        return evg_is_authority(bytes + start, end - start, true) ? EVG_CONNECT : EVG_BAD_TARGET_FORM;
    size_t path = start;
    if (bytes[start] == '*') {
        if (end - start != 1 || method_count != 7 || memcmp(method, "OPTIONS", 7) != 0)
            return EVG_BAD_TARGET_FORM;
        head->path = slice(head, start, end);
        return EVG_DONE;
    }
    if (bytes[start] != '/') {
        size_t scheme = 0;
        if (end - start >= 7 && EQUALS(bytes + start, 7, "http://"))
            scheme = 4;
        else if (end - start >= 8 && EQUALS(bytes + start, 8, "https://"))
            scheme = 5;
        else
            return EVG_BAD_TARGET_FORM;
        size_t authority = start + scheme + 3;
        path = authority;
        while (path < end && bytes[path] != '/' && bytes[path] != '?')
            path++;
        if (!evg_is_authority(bytes + authority, path - authority, false))
            return EVG_BAD_AUTHORITY;
        head->has_scheme = 1;
        head->scheme = slice(head, start, start + scheme);
        head->authority = slice(head, authority, path);
    }
    const uint8_t *mark = memchr(bytes + path, '?', end - path);
    size_t path_end = mark ? (size_t)(mark - bytes) : end;
    // An empty path means "/" (RFC 9110 4.2.3), and the byte before the authority is one.
    head->path = path == path_end ? slice(head, start + head->scheme.count + 1, start + head->scheme.count + 2)
                                  : slice(head, path, path_end);
    if (mark) {
        head->has_query = 1;
        head->query = slice(head, path_end + 1, end);
    }
    return EVG_DONE;
}

/// RFC 9112 3. The target takes every visible ASCII byte but '#': browsers send some outside RFC 3986 ("|^{}) in a
/// query as they are and no reading of them differs between servers, but a fragment is never sent, and bytes from 0x80
/// on reach an app in as many ways as there are servers. Percent-encoding is the app's to decode, and to refuse.
static enum evg_result split_request_line(struct evg_head *head, const uint8_t *bytes, size_t end)
{
    size_t method_end = evg_token_end(bytes, head->start, end);
    if (method_end == head->start || method_end == end || bytes[method_end] != ' ')
        return EVG_BAD_METHOD;
    size_t target = method_end + 1;
    // Finding the line's end has shown that all its bytes are visible ASCII or SP.
    const uint8_t *space = memchr(bytes + target, ' ', end - target);
    size_t target_end = space ? (size_t)(space - bytes) : end;
    if (target_end == target || memchr(bytes + target, '#', target_end - target))
        return EVG_BAD_TARGET;
    size_t version = target_end + 1;
    if (target_end == end || end - version != 8 || memcmp(bytes + version, "HTTP/", 5) != 0
        || !evg_is(bytes[version + 5], EVG_DIGIT) || bytes[version + 6] != '.'
        || !evg_is(bytes[version + 7], EVG_DIGIT))
        return EVG_BAD_VERSION;
    if (bytes[version + 5] != '1')
        return EVG_UNSUPPORTED_VERSION;
    head->minor_version = (uint8_t)(bytes[version + 7] - '0');
    head->method = slice(head, head->start, method_end);
    head->target = slice(head, target, target_end);
    return split_target(head, bytes, target, target_end, method_end - head->start);
}

// MARK: field lines

/// Takes what framing and persistence hang on. `name` and `value` are of `field`.
static void note_field(struct evg_head *head, const uint8_t *name, const uint8_t *value, const struct evg_field *field)
{
    size_t count = field->value.count;
    switch (evg_field_kind(name, field->name.count)) {
    case EVG_FIELD_HOST:
        if (head->hosts++ == 0)
            head->host = field->value;
        break;
    case EVG_FIELD_CONTENT_LENGTH:
        if (head->content_lengths++ == 0)
            head->content_length = field->value;
        break;
    case EVG_FIELD_TRANSFER_ENCODING:
        head->transfer_encodings++;
        note_codings(head, value, count);
        break;
    case EVG_FIELD_CONNECTION:
        head->connection |= evg_connection_options(value, count);
        break;
    case EVG_FIELD_EXPECT:
        head->expects++;
        head->expects_continue |= EQUALS(value, count, "100-continue");
        break;
    case EVG_FIELD_UPGRADE:
        head->upgrades++;
        break;
    default:
        break;
    }
}

/// Splits a field line, whose CR is at `end`. The value needs no look at its bytes: finding the CR has shown them free
/// of controls. `base` is where the head starts.
static inline enum evg_result split_field(const uint8_t *base, size_t start, size_t end, struct evg_field *field)
{
    if (is_blank(base[start]))
        return EVG_OBS_FOLD;
    size_t colon = evg_token_end(base, start, end);
    if (colon == start || colon == end || base[colon] != ':')
        return EVG_BAD_FIELD_NAME;
    size_t value = colon + 1;
    while (value < end && is_blank(base[value]))
        value++;
    while (end > value && is_blank(base[end - 1]))
        end--;
    field->name = (struct evg_slice){ (uint32_t)start, (uint32_t)(colon - start) };
    field->value = (struct evg_slice){ (uint32_t)value, (uint32_t)(end - value) };
    return EVG_DONE;
}

// MARK: lines

/// Looks for the end of the current line from `head->scanned` on: the byte that may not stand in it, a CR if all is
/// well. `size_limit` is the line's own, 0 for none; a line that breaks it, or that of the head, is `too_long` or
/// `head_too_long`.
static inline enum evg_result find_line_end(struct evg_head *head, const uint8_t *bytes, size_t count, bool in_fields,
                                            size_t size_limit, size_t head_size, enum evg_result too_long,
                                            enum evg_result head_too_long, size_t *line_end)
{
    size_t head_end = (size_t)head->start + head_size;
    if (head_end < (size_t)head->line + 2)
        return head_too_long;
    size_t last = head_end - 2;     // the last place where the CR may be
    if (size_limit > 0 && head->line + size_limit < last) {
        last = head->line + size_limit;
        head_too_long = too_long;
    }
    size_t window = smaller(count, last + 1);
    size_t stop = in_fields ? evg_find_control(bytes, head->scanned, window)
                            : evg_find_invisible(bytes, head->scanned, window);
    head->scanned = (uint32_t)stop;
    if (stop == window)
        return window > last ? head_too_long : EVG_MORE;
    if (bytes[stop] != '\r')
        return bytes[stop] == '\n' ? EVG_BAD_LINE_END : EVG_BAD_CONTROL;
    if (stop + 1 == count)
        return EVG_MORE;
    if (bytes[stop + 1] != '\n')
        return EVG_BAD_LINE_END;
    *line_end = stop;
    return EVG_DONE;
}

/// The request line, behind up to two empty ones (RFC 9112 2.2).
static enum evg_result scan_request_line(struct evg_head *head, const uint8_t *bytes, size_t count,
                                         const struct evg_limits *limits)
{
    for (;;) {
        size_t end = 0;
        enum evg_result result = find_line_end(head, bytes, count, false, limits->request_line, limits->head_size,
                                               EVG_REQUEST_LINE_TOO_LONG, EVG_REQUEST_LINE_TOO_LONG, &end);
        if (result != EVG_DONE)
            return result;
        bool is_empty = end == head->line;
        head->line = head->scanned = (uint32_t)(end + 2);
        if (!is_empty) {
            result = split_request_line(head, bytes, end);
            head->in_fields = 1;
            head->fields_start = head->line - head->start;
            return result;
        }
        if (head->empty_lines++ == 2)
            return EVG_TOO_MANY_EMPTY_LINES;
        head->start = head->line;
    }
}

static inline enum evg_result scan_fields(struct evg_head *head, const uint8_t *bytes, size_t count,
                                          const struct evg_limits *limits, struct evg_field *fields, size_t capacity)
{
    bool whole = head->field_count == 0;
    const uint8_t *base = bytes + head->start;
    for (;;) {
        size_t end = 0;
        enum evg_result result = find_line_end(head, bytes, count, true, limits->field_size, limits->head_size,
                                               EVG_FIELD_TOO_LONG, EVG_HEAD_TOO_LARGE, &end);
        if (result != EVG_DONE)
            return result;
        size_t line = head->line;
        head->line = head->scanned = (uint32_t)(end + 2);
        if (end == line) {
            head->end = head->line;
            head->recorded = whole && head->field_count <= capacity;
            return EVG_DONE;
        }
        if (head->field_count == limits->field_count)
            return EVG_TOO_MANY_FIELDS;
        struct evg_field field;
        result = split_field(base, line - head->start, end - head->start, &field);
        if (result != EVG_DONE)
            return result;
        note_field(head, base + field.name.start, base + field.value.start, &field);
        head->has_underscore |= evg_has_underscore(base + field.name.start, field.name.count, count - line);
        if (whole && head->field_count < capacity)
            fields[head->field_count] = field;
        head->field_count++;
    }
}

enum evg_result evg_head_scan(struct evg_head *head, const uint8_t *bytes, size_t count,
                              const struct evg_limits *limits, struct evg_field *fields, size_t capacity)
{
    if (count < head->scanned)
        return EVG_MORE;
    if (!head->in_fields) {
        enum evg_result result = scan_request_line(head, bytes, count, limits);
        if (result != EVG_DONE)
            return result;
    }
    return scan_fields(head, bytes, count, limits, fields, capacity);
}

size_t evg_head_fields(const struct evg_head *head, const uint8_t *bytes, size_t count,
                       struct evg_field *fields, size_t capacity)
{
    size_t line = (size_t)head->start + head->fields_start, written = 0;
    size_t end = smaller(head->end, count);
    while (written < capacity && line < end) {
        const uint8_t *cr = memchr(bytes + line, '\r', end - line);
        size_t line_end = cr ? (size_t)(cr - bytes) : end;
        if (line_end == line
            || split_field(bytes + head->start, line - head->start, line_end - head->start, &fields[written])
                != EVG_DONE)
            break;
        written++;
        line = line_end + 2;
    }
    return written;
}
