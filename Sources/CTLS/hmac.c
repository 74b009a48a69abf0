/* Codes that prove a secret. */
#include "evg_tls.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

bool evg_tls_hmac_sha256(const uint8_t *key, size_t key_count, const uint8_t *message, size_t count, uint8_t code[32]) {
    unsigned size = 0;
    return key_count <= INT_MAX && HMAC(EVP_sha256(), key, (int)key_count, message, count, code, &size) && size == 32;
}
