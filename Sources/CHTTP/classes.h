// The character classes of RFC 9110 5.6, 9112 3 and 3986, one bit each, and the search for control bytes.
#ifndef EVG_CLASSES_H
#define EVG_CLASSES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "scan16.h"

enum {
    EVG_TOKEN = 1,      // tchar
    EVG_REG_NAME = 4,   // unreserved and sub-delims
    EVG_HEX = 8,
    EVG_DIGIT = 16,
    EVG_CONTROL = 32,   // CTL but HTAB
};

static const uint8_t evg_classes[256] = {
    0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x00, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20,  // 00
    0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20,  // 10
    0x00, 0x05, 0x00, 0x01, 0x05, 0x01, 0x05, 0x05, 0x04, 0x04, 0x05, 0x05, 0x04, 0x05, 0x05, 0x00,  // 20
    0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x00, 0x04, 0x00, 0x04, 0x00, 0x00,  // 30
    0x00, 0x0d, 0x0d, 0x0d, 0x0d, 0x0d, 0x0d, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05,  // 40
    0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x00, 0x00, 0x00, 0x01, 0x05,  // 50
    0x01, 0x0d, 0x0d, 0x0d, 0x0d, 0x0d, 0x0d, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05,  // 60
    0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x00, 0x01, 0x00, 0x05, 0x20,  // 70
};

static inline int evg_is(uint8_t byte, int classes)
{
    return evg_classes[byte] & classes;
}

/// One past the last byte from `from` on that is of the class.
static inline size_t evg_span(const uint8_t *bytes, size_t from, size_t end, int class)
{
    while (from < end && evg_is(bytes[from], class))
        from++;
    return from;
}

/// The first control byte (HTAB excepted) in [from, end), else end.
static inline size_t evg_find_control(const uint8_t *bytes, size_t from, size_t end)
{
#ifdef EVG_HAS_SCAN16
    while (end - from >= 16) {
        uint64_t mask = evg_controls16(bytes + from);
        if (mask == 0) {
            from += 16;
            continue;
        }
        from += evg_first16(mask);
        if (bytes[from] != '\t')
            return from;
        from++;
    }
#endif
    while (from < end && !evg_is(bytes[from], EVG_CONTROL))
        from++;
    return from;
}

/// The first byte in [from, end) that is neither visible ASCII nor SP, else end.
static inline size_t evg_find_invisible(const uint8_t *bytes, size_t from, size_t end)
{
#ifdef EVG_HAS_SCAN16
    while (end - from >= 16) {
        uint64_t mask = evg_invisible16(bytes + from);
        if (mask)
            return from + evg_first16(mask);
        from += 16;
    }
#endif
    while (from < end && bytes[from] >= 0x20 && bytes[from] < 0x7f)
        from++;
    return from;
}

/// Whether a name of at least one byte has an underscore. `room`: bytes that may be read from `name` on.
static inline bool evg_has_underscore(const uint8_t *name, size_t count, size_t room)
{
#ifdef EVG_HAS_SCAN16
    if (count <= 16 && room >= 16)
        return (evg_underscores16(name) & (~UINT64_C(0) >> (64 - EVG_SCAN16_BITS * count))) != 0;
#endif
    (void)room;
    return memchr(name, '_', count) != NULL;
}

/// One past the token that starts at `from`.
static inline size_t evg_token_end(const uint8_t *bytes, size_t from, size_t end)
{
#ifdef EVG_HAS_SCAN16
    while (end - from >= 16) {
        uint64_t mask = evg_unusual16(bytes + from);
        if (mask) {
            from += evg_first16(mask);
            break;
        }
        from += 16;
    }
#endif
    return evg_span(bytes, from, end, EVG_TOKEN);
}

#endif
