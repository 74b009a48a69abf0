// host [":" port] of RFC 3986 3.2.2, in full: every byte of a Host value or an authority is accounted for.
#include "evg_scan.h"
#include "classes.h"

/// 1*3DIGIT up to 255 without a leading zero, four times.
static bool is_ipv4(const uint8_t *bytes, size_t count)
{
    size_t at = 0;
    for (int part = 0; part < 4; part++) {
        size_t end = evg_span(bytes, at, count, EVG_DIGIT);
        unsigned value = 0;
        if (end == at || end - at > 3 || (end - at > 1 && bytes[at] == '0'))
            return false;
        for (; at < end; at++)
            value = value * 10 + (unsigned)(bytes[at] - '0');
        if (value > 255)
            return false;
        if (part < 3 && (at == count || bytes[at++] != '.'))
            return false;
    }
    return at == count;
}

/// Eight groups of 1*4HEXDIG, of which "::" stands for one or more and an IPv4 address at the end for two.
static bool is_ipv6(const uint8_t *bytes, size_t count)
{
    size_t at = 0;
    int groups = 0;
    bool elided = false;
    if (count >= 2 && bytes[0] == ':' && bytes[1] == ':') {
        elided = true;
        at = 2;
        if (at == count)
            return true;
    }
    for (;;) {
        size_t end = evg_span(bytes, at, count, EVG_HEX);
        if (end < count && bytes[end] == '.') {
            groups += 2;
            return is_ipv4(bytes + at, count - at) && (elided ? groups < 8 : groups == 8);
        }
        if (end == at || end - at > 4 || ++groups > 8)
            return false;
        if (end == count)
            return elided ? groups < 8 : groups == 8;
        if (bytes[end] != ':' || end + 1 == count)
            return false;
        at = end + 1;
        if (bytes[at] == ':') {
            if (elided)
                return false;
            elided = true;
            if (++at == count)
                return groups < 8;
        }
    }
}

/// "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )
static bool is_ip_future(const uint8_t *bytes, size_t count)
{
    if (count < 4 || (bytes[0] | 0x20) != 'v')
        return false;
    size_t dot = evg_span(bytes, 1, count, EVG_HEX);
    if (dot == 1 || dot == count || bytes[dot] != '.' || dot + 1 == count)
        return false;
    for (size_t at = dot + 1; at < count; at++) {
        if (bytes[at] != ':' && !evg_is(bytes[at], EVG_REG_NAME))
            return false;
    }
    return true;
}

/// One past the host, or 0 when there is none. A zone ("%25eth0") names an interface of the client's: not taken.
static size_t host_end(const uint8_t *bytes, size_t count)
{
    size_t at = 0;
    if (count > 0 && bytes[0] == '[') {
        const uint8_t *close = memchr(bytes, ']', count);
        if (!close)
            return 0;
        size_t inner = (size_t)(close - bytes) - 1;
        return is_ipv6(bytes + 1, inner) || is_ip_future(bytes + 1, inner) ? inner + 2 : 0;
    }
    for (;;) {
        at = evg_span(bytes, at, count, EVG_REG_NAME);
        if (at == count || bytes[at] != '%')
            return at;
        if (count - at < 3 || !evg_is(bytes[at + 1], EVG_HEX) || !evg_is(bytes[at + 2], EVG_HEX))
            return 0;
        at += 3;
    }
}

bool evg_is_authority(const uint8_t *bytes, size_t count, bool needs_port)
{
    size_t at = host_end(bytes, count);
    if (at == 0)
        return false;
    if (at == count)
        return !needs_port;
    if (bytes[at++] != ':')
        return false;
    if (at == count)            // port = *DIGIT
        return !needs_port;
    unsigned port = 0;
    for (; at < count; at++) {
        if (!evg_is(bytes[at], EVG_DIGIT))
            return false;
        port = port * 10 + (unsigned)(bytes[at] - '0');
        if (port > 65535)
            return false;
    }
    return true;
}
