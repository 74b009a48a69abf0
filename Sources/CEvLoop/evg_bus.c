// See evg_bus.h. SipHash is that of Aumasson and Bernstein, with one round per word and three at the end.
#include "evg_bus.h"

#include <string.h>

#define ROTATE(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

static inline void round_of(uint64_t v[4]) {
    v[0] += v[1]; v[1] = ROTATE(v[1], 13); v[1] ^= v[0]; v[0] = ROTATE(v[0], 32);
    v[2] += v[3]; v[3] = ROTATE(v[3], 16); v[3] ^= v[2];
    v[0] += v[3]; v[3] = ROTATE(v[3], 21); v[3] ^= v[0];
    v[2] += v[1]; v[1] = ROTATE(v[1], 17); v[1] ^= v[2]; v[2] = ROTATE(v[2], 32);
}

uint64_t evg_bus_hash(const evg_bus_head *head, const void *name, size_t count) {
    uint64_t k0 = head->key[0], k1 = head->key[1];
    uint64_t v[4] = {
        k0 ^ 0x736f6d6570736575ull, k1 ^ 0x646f72616e646f6dull, k0 ^ 0x6c7967656e657261ull,
        k1 ^ 0x7465646279746573ull,
    };
    const unsigned char *bytes = name;
    size_t whole = count & ~(size_t)7;
    uint64_t word;
    for (size_t at = 0; at < whole; at += 8) {
        memcpy(&word, bytes + at, 8);
        v[3] ^= word;
        round_of(v);
        v[0] ^= word;
    }
    word = 0;
    if (count > whole) memcpy(&word, bytes + whole, count - whole);
    word |= (uint64_t)count << 56;
    v[3] ^= word;
    round_of(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) round_of(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
