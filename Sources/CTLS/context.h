/* What a context has beside OpenSSL's part of it. */
#ifndef EVG_TLS_CONTEXT_H
#define EVG_TLS_CONTEXT_H

#include "evg_tls.h"

#include <openssl/ssl.h>

typedef struct context_extras {
    char *pem;      /* of the certificate */
    uint8_t *staple, *protocols;
    size_t staple_count, protocols_count;
    uint8_t secret[32];
    long period;
    /* Of the last two periods that were asked for: to derive a key costs more than to encrypt a ticket. */
    struct { uint64_t number; bool is_known; evg_tls_ticket_key key; } keys[2];
    evg_tls_context *(*choose)(void *owner, const char *name);
    void *owner;
} context_extras;

static inline SSL_CTX *native(evg_tls_context *context) { return (SSL_CTX *)context; }
static inline context_extras *extras(SSL_CTX *context) { return SSL_CTX_get_app_data(context); }

/* Of certificates.c; to be freed by free(3). */
char *evg_tls_text_about(X509 *certificate, evg_tls_text text);
/* Of tickets.c. */
int evg_tls_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                   int is_new);

#endif
