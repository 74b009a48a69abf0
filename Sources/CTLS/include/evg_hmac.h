/* HMAC with SHA-256 (RFC 2104, FIPS 180-4). */
#ifndef EVG_HMAC_H
#define EVG_HMAC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* False without memory, or for a key of more than 2 GB. */
bool evg_hmac_sha256(const uint8_t *key, size_t key_count, const uint8_t *message, size_t count, uint8_t code[32]);

#endif
