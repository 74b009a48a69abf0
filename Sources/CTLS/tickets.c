/* Tickets that every worker of a server can read, without a word between them: the keys follow from a secret that all
 * have and from the time (RFC 5077 section 4). */
#include "context.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>
#include <time.h>

/* One of the three parts of a key: no part tells anything of another, nor of the secret. */
static bool derive(const uint8_t secret[32], uint64_t number, uint8_t part, uint8_t out[32]) {
    uint8_t message[] = {'e', 'v', 'g', ' ', 't', 'i', 'c', 'k', 'e', 't', part, 0, 0, 0, 0, 0, 0, 0, 0};
    for (int i = 0; i < 8; i++) message[11 + i] = (uint8_t)(number >> (56 - 8 * i));
    unsigned count = 0;
    return HMAC(EVP_sha256(), secret, 32, message, sizeof message, out, &count) && count == 32;
}

bool evg_tls_ticket_key_at(const uint8_t secret[32], uint64_t number, evg_tls_ticket_key *key) {
    uint8_t name[32];
    if (!derive(secret, number, 'n', name) || !derive(secret, number, 'c', key->cipher)
        || !derive(secret, number, 'm', key->mac)) return false;
    memcpy(key->name, name, sizeof key->name);
    return true;
}

static bool set_mac(EVP_MAC_CTX *mac, const evg_tls_ticket_key *key) {
    static char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->mac, sizeof key->mac),
        OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, sizeof digest - 1),
        OSSL_PARAM_END,
    };
    return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

/* The key of a period; NULL if it cannot be had. */
static const evg_tls_ticket_key *key_at(context_extras *own, uint64_t number) {
    size_t place = number % 2;
    if (!own->keys[place].is_known || own->keys[place].number != number) {
        own->keys[place].is_known = evg_tls_ticket_key_at(own->secret, number, &own->keys[place].key);
        own->keys[place].number = number;
    }
    return own->keys[place].is_known ? &own->keys[place].key : NULL;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 0 for a ticket that is not known, 2 for one that is to be made anew. */
int evg_tls_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                   int is_new) {
    context_extras *own = extras(SSL_get_SSL_CTX(ssl));
    if (!own || own->period <= 0) return 0;
    uint64_t now = (uint64_t)time(NULL) / (uint64_t)own->period;
    const evg_tls_ticket_key *key;
    int result = 0;
    if (is_new) {
        if (!(key = key_at(own, now)) || RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
        memcpy(name, key->name, sizeof key->name);
        result = EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) && set_mac(mac, key) ? 1 : -1;
    } else {
        for (uint64_t age = 0; age < 2 && !result && now >= age; age++) {
            if (!(key = key_at(own, now - age))) return -1;
            if (CRYPTO_memcmp(name, key->name, sizeof key->name)) continue;
            bool is_set = EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) && set_mac(mac, key);
            result = !is_set ? -1 : age ? 2 : 1;
        }
    }
    return result;
}
