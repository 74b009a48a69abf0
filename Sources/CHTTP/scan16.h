// Sixteen bytes a step, where the processor has vectors of them (SSE2 is part of x86-64, NEON of AArch64): a bit for
// each byte that a search is for. Elsewhere the callers take their loops over single bytes.
#ifndef EVG_SCAN16_H
#define EVG_SCAN16_H

#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#define EVG_HAS_SCAN16 1
enum { EVG_SCAN16_BITS = 1 };   // bits of a mask for each byte

static inline uint64_t evg_mask(__m128i found) { return (uint32_t)_mm_movemask_epi8(found); }

/// Control bytes, HTAB among them, and DEL.
static inline uint64_t evg_controls16(const uint8_t *bytes)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)bytes);
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
    return evg_mask(_mm_or_si128(low, _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f))));
}

/// What is not visible ASCII or SP.
static inline uint64_t evg_invisible16(const uint8_t *bytes)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)bytes);
    // As signed numbers, bytes from 0x80 on are below zero.
    __m128i low = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
    return evg_mask(_mm_or_si128(low, _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f))));
}

/// What is no ASCII letter, digit or "-": of the bytes of a token these are all that field names have as a rule.
static inline uint64_t evg_unusual16(const uint8_t *bytes)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)bytes);
    __m128i letter = _mm_sub_epi8(_mm_or_si128(v, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
    __m128i is_letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(25)), letter);
    __m128i digit = _mm_sub_epi8(v, _mm_set1_epi8('0'));
    __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
    __m128i usual = _mm_or_si128(_mm_or_si128(is_letter, is_digit), _mm_cmpeq_epi8(v, _mm_set1_epi8('-')));
    return evg_mask(usual) ^ 0xffff;
}

static inline uint64_t evg_underscores16(const uint8_t *bytes)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)bytes);
    return evg_mask(_mm_cmpeq_epi8(v, _mm_set1_epi8('_')));
}

#elif defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>
#define EVG_HAS_SCAN16 1
enum { EVG_SCAN16_BITS = 4 };

static inline uint64_t evg_mask(uint8x16_t found)
{
    return vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(found), 4)), 0);
}

static inline uint64_t evg_controls16(const uint8_t *bytes)
{
    uint8x16_t v = vld1q_u8(bytes);
    return evg_mask(vorrq_u8(vcltq_u8(v, vdupq_n_u8(0x20)), vceqq_u8(v, vdupq_n_u8(0x7f))));
}

static inline uint64_t evg_invisible16(const uint8_t *bytes)
{
    uint8x16_t v = vld1q_u8(bytes);
    return evg_mask(vorrq_u8(vcltq_u8(v, vdupq_n_u8(0x20)), vcgeq_u8(v, vdupq_n_u8(0x7f))));
}

static inline uint64_t evg_unusual16(const uint8_t *bytes)
{
    uint8x16_t v = vld1q_u8(bytes);
    uint8x16_t letter = vsubq_u8(vorrq_u8(v, vdupq_n_u8(0x20)), vdupq_n_u8('a'));
    uint8x16_t usual = vorrq_u8(vcleq_u8(letter, vdupq_n_u8(25)), vceqq_u8(v, vdupq_n_u8('-')));
    usual = vorrq_u8(usual, vcleq_u8(vsubq_u8(v, vdupq_n_u8('0')), vdupq_n_u8(9)));
    return evg_mask(vmvnq_u8(usual));
}

static inline uint64_t evg_underscores16(const uint8_t *bytes)
{
    return evg_mask(vceqq_u8(vld1q_u8(bytes), vdupq_n_u8('_')));
}
#endif

#ifdef EVG_HAS_SCAN16
/// The place, among sixteen, of the first byte of a mask that is not zero.
static inline size_t evg_first16(uint64_t mask) { return (size_t)__builtin_ctzll(mask) / EVG_SCAN16_BITS; }
#endif

#endif
