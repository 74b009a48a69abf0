// The framing of a chunked message (RFC 9112 7.1) as a byte-wise automaton: size lines, the CRLF behind data, trailers.
// Each byte is looked at once, whatever the segments; extensions and trailers are checked, bounded and dropped.
#include "evg_scan.h"
#include "classes.h"

enum state {
    SIZE = 0,
    EXT_START, EXT_NAME, EXT_NAME_BLANK, EXT_VALUE_START, EXT_VALUE, EXT_QUOTED, EXT_ESCAPED, EXT_QUOTED_END,
    EXT_VALUE_BLANK,
    SIZE_LF,
    DATA_CR, DATA_LF,
    TRAILER_START, TRAILER_NAME, TRAILER_VALUE, TRAILER_LF, END_LF,
    END,
    REFUSED,
};

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

/// chunk-ext = *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] ). No BWS before the first ";": blanks
/// behind a size are padding that other parsers skip, stop at or take for digits.
static enum state next_in_extension(enum state state, uint8_t byte)
{
    bool token = evg_is(byte, EVG_TOKEN), blank = is_blank(byte);
    switch (state) {
    case EXT_START:
        return blank ? EXT_START : token ? EXT_NAME : REFUSED;
    case EXT_NAME:
        if (token || byte == '\r')
            return token ? EXT_NAME : SIZE_LF;
        // fall through
    case EXT_NAME_BLANK:
        return blank ? EXT_NAME_BLANK : byte == ';' ? EXT_START : byte == '=' ? EXT_VALUE_START : REFUSED;
    case EXT_VALUE_START:
        return blank ? EXT_VALUE_START : byte == '"' ? EXT_QUOTED : token ? EXT_VALUE : REFUSED;
    case EXT_QUOTED:
        if (evg_is(byte, EVG_CONTROL))
            return REFUSED;
        return byte == '"' ? EXT_QUOTED_END : byte == '\\' ? EXT_ESCAPED : EXT_QUOTED;
    case EXT_ESCAPED:
        return evg_is(byte, EVG_CONTROL) ? REFUSED : EXT_QUOTED;
    case EXT_VALUE:
        if (token)
            return EXT_VALUE;
        // fall through
    case EXT_QUOTED_END:
        if (byte == '\r')
            return SIZE_LF;
        // fall through
    default:
        return blank ? EXT_VALUE_BLANK : byte == ';' ? EXT_START : REFUSED;
    }
}

/// A byte of "chunk-size [chunk-ext] CRLF". Sizes end at INT64_MAX, so that nothing that counts them can overflow.
static enum evg_result take_size_line(struct evg_chunks *chunks, uint8_t byte, const struct evg_limits *limits)
{
    if (chunks->state == SIZE_LF) {
        if (byte != '\n')
            return EVG_BAD_LINE_END;
        chunks->state = chunks->size > 0 ? DATA_CR : TRAILER_START;
        chunks->line_length = 0;
        chunks->has_digit = 0;
        return EVG_DONE;
    }
    // The CR is no part of the line, so it may follow a line of the full length.
    if (byte != '\r' && chunks->line_length++ == limits->chunk_line)
        return EVG_CHUNK_LINE_TOO_LONG;
    if (chunks->state == SIZE) {
        if (evg_is(byte, EVG_HEX)) {
            uint64_t digit = byte <= '9' ? (uint64_t)(byte - '0') : (uint64_t)((byte | 0x20) - 'a' + 10);
            if (chunks->size > INT64_MAX >> 4)
                return EVG_CHUNK_SIZE_OVERFLOW;
            chunks->size = chunks->size << 4 | digit;
            chunks->has_digit = 1;
            return EVG_DONE;
        }
        if (!chunks->has_digit || (byte != '\r' && byte != ';'))
            return byte == '\n' ? EVG_BAD_LINE_END : EVG_BAD_CHUNK_SIZE;
        chunks->state = byte == '\r' ? SIZE_LF : EXT_START;
    } else {
        enum state next = next_in_extension(chunks->state, byte);
        if (next == REFUSED)
            return byte == '\n' ? EVG_BAD_LINE_END : EVG_BAD_CHUNK_EXTENSION;
        chunks->state = (uint8_t)next;
    }
    if (byte != '\r' && chunks->extensions++ == limits->chunk_extensions)
        return EVG_TOO_MANY_EXTENSIONS;
    return EVG_DONE;
}

/// A byte of "*( field-line CRLF ) CRLF", held to the limits of a head's fields.
static enum evg_result take_trailer(struct evg_chunks *chunks, uint8_t byte, const struct evg_limits *limits)
{
    if (chunks->trailer_size++ == limits->head_size)
        return EVG_HEAD_TOO_LARGE;
    if (chunks->state == TRAILER_LF || chunks->state == END_LF) {
        chunks->state = chunks->state == END_LF ? END : TRAILER_START;
        return byte == '\n' ? EVG_DONE : EVG_BAD_LINE_END;
    }
    if (chunks->state == TRAILER_START) {
        if (byte == '\r') {
            chunks->state = END_LF;
            return EVG_DONE;
        }
        if (byte == '\n')
            return EVG_BAD_LINE_END;
        if (is_blank(byte))
            return EVG_OBS_FOLD;
        if (!evg_is(byte, EVG_TOKEN))
            return EVG_BAD_FIELD_NAME;
        if (chunks->trailer_count++ == limits->field_count)
            return EVG_TOO_MANY_FIELDS;
        chunks->line_length = 0;
        chunks->state = TRAILER_NAME;
    }
    if (chunks->state == TRAILER_VALUE && byte == '\r') {
        chunks->state = TRAILER_LF;
        return EVG_DONE;
    }
    if (limits->field_size > 0 && chunks->line_length++ == limits->field_size)
        return EVG_FIELD_TOO_LONG;
    if (chunks->state == TRAILER_VALUE && evg_is(byte, EVG_CONTROL))
        return byte == '\n' ? EVG_BAD_LINE_END : EVG_BAD_CONTROL;
    if (chunks->state == TRAILER_NAME && byte == ':')
        chunks->state = TRAILER_VALUE;
    else if (chunks->state == TRAILER_NAME && !evg_is(byte, EVG_TOKEN))
        return EVG_BAD_FIELD_NAME;
    return EVG_DONE;
}

enum evg_result evg_chunks_scan(struct evg_chunks *chunks, const uint8_t *bytes, size_t count,
                                const struct evg_limits *limits, size_t *used)
{
    enum evg_result result = EVG_DONE;
    size_t at = 0;
    bool data_follows = false;
    while (result == EVG_DONE && chunks->state != END && !data_follows && at < count) {
        uint8_t byte = bytes[at++];
        if (chunks->state <= SIZE_LF) {
            result = take_size_line(chunks, byte, limits);
            data_follows = chunks->state == DATA_CR;
        } else if (chunks->state == DATA_CR) {
            chunks->state = DATA_LF;
            result = byte == '\r' ? EVG_DONE : EVG_BAD_CHUNK_END;
        } else if (chunks->state == DATA_LF) {
            chunks->state = SIZE;
            chunks->size = 0;
            result = byte == '\n' ? EVG_DONE : EVG_BAD_CHUNK_END;
        } else {
            result = take_trailer(chunks, byte, limits);
        }
    }
    *used = at;
    if (result == EVG_DONE && chunks->state != END && !data_follows)
        return EVG_MORE;
    return result;
}
