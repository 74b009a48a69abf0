// The character classes of RFC 9110 5.6, 9112 3 and 3986, one bit each, and the search for control bytes.
#ifndef EVG_CLASSES_H
#define EVG_CLASSES_H

#include <stdint.h>
#include <string.h>

enum {
    EVG_TOKEN = 1,      // tchar
    EVG_TARGET = 2,     // VCHAR but '#': see evg_head_scan's target
    EVG_REG_NAME = 4,   // unreserved and sub-delims
    EVG_HEX = 8,
    EVG_DIGIT = 16,
    EVG_CONTROL = 32,   // CTL but HTAB
};

static const uint8_t evg_classes[256] = {
    0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x00, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20,  // 00
    0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20,  // 10
    0x00, 0x07, 0x02, 0x01, 0x07, 0x03, 0x07, 0x07, 0x06, 0x06, 0x07, 0x07, 0x06, 0x07, 0x07, 0x02,  // 20
    0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x1f, 0x02, 0x06, 0x02, 0x06, 0x02, 0x02,  // 30
    0x02, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07,  // 40
    0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x02, 0x02, 0x02, 0x03, 0x07,  // 50
    0x03, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07,  // 60
    0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x02, 0x03, 0x02, 0x07, 0x20,  // 70
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

#define EVG_EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/// The first control byte (HTAB excepted) in [from, end), else end. Eight bytes a step: a byte below 0x20 borrows into
/// its top bit when 0x20 is taken off; a byte equal to DEL is zero after the xor. Borrows travel upwards only, so the
/// lowest mark is always a true one.
static inline size_t evg_find_control(const uint8_t *bytes, size_t from, size_t end)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    while (end - from >= 8) {
        uint64_t word;
        memcpy(&word, bytes + from, 8);
        uint64_t del = word ^ EVG_EACH(0x7f);
        uint64_t marks = (((word - EVG_EACH(0x20)) & ~word) | ((del - EVG_EACH(0x01)) & ~del)) & EVG_EACH(0x80);
        if (marks == 0) {
            from += 8;
            continue;
        }
        from += (size_t)__builtin_ctzll(marks) / 8;
        if (bytes[from] != '\t')
            return from;
        from++;
    }
#endif
    while (from < end && !evg_is(bytes[from], EVG_CONTROL))
        from++;
    return from;
}

#endif
