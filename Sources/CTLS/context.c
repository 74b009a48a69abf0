/* Contexts: certificates, keys, and the rules of a handshake. */
#define _GNU_SOURCE
#include "context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Forward secrecy and authenticated encryption, what costs least first; a client without AES in its processor that
 * says so by its own order gets ChaCha20. */
static const char usual_ciphers[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char usual_suites[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

static int staple(SSL *ssl, void *unused);
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *count, const unsigned char *in,
                           unsigned in_count, void *unused);
static int choose_context(SSL *ssl, int *alert, void *unused);

evg_tls_context *evg_tls_context_new(const uint8_t *realm, size_t count) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    context_extras *own = context ? calloc(1, sizeof *own) : NULL;
    if (!own) {
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_app_data(context, own);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE
                                     | SSL_OP_PRIORITIZE_CHACHA | SSL_OP_ENABLE_KTLS);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE
                                  | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* A record's head and its body come with one call. */
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_max_early_data(context, 0);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(context, realm, (unsigned)(count < 32 ? count : 32));
    if (!SSL_CTX_set_cipher_list(context, usual_ciphers) || !SSL_CTX_set_ciphersuites(context, usual_suites)) {
        evg_tls_context_free((evg_tls_context *)context);
        return NULL;
    }
    return (evg_tls_context *)context;
}

void evg_tls_context_free(evg_tls_context *context) {
    if (!context) return;
    context_extras *own = extras(native(context));
    SSL_CTX_set_app_data(native(context), NULL);
    /* A connection may keep OpenSSL's part alive, and its handshake then does without the rest. */
    SSL_CTX_set_tlsext_servername_callback(native(context), NULL);
    SSL_CTX_set_alpn_select_cb(native(context), NULL, NULL);
    SSL_CTX_free(native(context));
    if (!own) return;
    free(own->pem);
    free(own->staple);
    free(own->protocols);
    memset(own->secret, 0, sizeof own->secret);
    memset(own->keys, 0, sizeof own->keys);
    free(own);
}

void evg_tls_error(char *text, size_t capacity) {
    unsigned long code = ERR_peek_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    snprintf(text, capacity, "%s", reason ? reason : "unknown error");
    ERR_clear_error();
}

/* What has ended the reading of a text: its end, or something that cannot be read. */
static bool is_at_end(void) {
    unsigned long code = ERR_peek_last_error();
    bool is_end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
    if (is_end) ERR_clear_error();
    return is_end;
}

static BIO *text_of(const uint8_t *pem, size_t count) {
    ERR_clear_error();
    return count > INT32_MAX ? NULL : BIO_new_mem_buf(pem, (int)count);
}

evg_tls_load evg_tls_context_set_chain(evg_tls_context *context, const uint8_t *pem, size_t count) {
    BIO *text = text_of(pem, count);
    X509 *own = text ? PEM_read_bio_X509_AUX(text, NULL, NULL, NULL) : NULL;
    evg_tls_load result = EVG_TLS_UNUSABLE;
    if (!own && text && is_at_end()) result = EVG_TLS_NONE_THERE;
    if (own && SSL_CTX_use_certificate(native(context), own) == 1) {
        SSL_CTX_clear_chain_certs(native(context));
        free(extras(native(context))->pem);
        extras(native(context))->pem = evg_tls_text_about(own, EVG_TLS_PEM);
        X509 *next;
        while ((next = PEM_read_bio_X509(text, NULL, NULL, NULL)))
            if (SSL_CTX_add0_chain_cert(native(context), next) != 1) {
                X509_free(next);
                break;
            }
        if (!next && is_at_end()) result = EVG_TLS_LOADED;
    }
    X509_free(own);
    BIO_free(text);
    return result;
}

typedef struct key_password {
    const char *text;
    bool was_asked;
} key_password;

static int give_password(char *buffer, int capacity, int is_writing, void *owner) {
    (void)is_writing;
    key_password *password = owner;
    password->was_asked = true;
    if (!password->text) return -1;
    size_t count = strlen(password->text);
    if (count > (size_t)capacity) return -1;
    memcpy(buffer, password->text, count);
    return (int)count;
}

evg_tls_load evg_tls_context_set_key(evg_tls_context *context, const uint8_t *pem, size_t count, const char *password) {
    BIO *text = text_of(pem, count);
    key_password asked = {password, false};
    EVP_PKEY *key = text ? PEM_read_bio_PrivateKey(text, NULL, give_password, &asked) : NULL;
    evg_tls_load result = EVG_TLS_LOADED;
    if (!key && asked.was_asked) result = password ? EVG_TLS_WRONG_PASSWORD : EVG_TLS_NO_PASSWORD;
    else if (!key) result = memmem(pem, count, "PRIVATE KEY-----", 16) ? EVG_TLS_UNUSABLE : EVG_TLS_NONE_THERE;
    else if (X509_check_private_key(SSL_CTX_get0_certificate(native(context)), key) != 1) result = EVG_TLS_NOT_THE_KEY;
    else if (SSL_CTX_use_PrivateKey(native(context), key) != 1) result = EVG_TLS_UNUSABLE;
    EVP_PKEY_free(key);
    BIO_free(text);
    return result;
}

evg_tls_load evg_tls_context_set_authorities(evg_tls_context *context, const uint8_t *pem, size_t count) {
    BIO *text = text_of(pem, count);
    X509_STORE *store = SSL_CTX_get_cert_store(native(context));
    X509 *one;
    size_t found = 0;
    bool is_good = text != NULL;
    while (is_good && (one = PEM_read_bio_X509(text, NULL, NULL, NULL))) {
        found++;
        is_good = X509_STORE_add_cert(store, one) == 1 && SSL_CTX_add_client_CA(native(context), one) == 1;
        X509_free(one);
    }
    BIO_free(text);
    if (!is_good || !is_at_end()) return EVG_TLS_UNUSABLE;
    return found ? EVG_TLS_LOADED : EVG_TLS_NONE_THERE;
}

void evg_tls_context_ask_clients(evg_tls_context *context, bool is_required) {
    SSL_CTX_set_verify(native(context), SSL_VERIFY_PEER | (is_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
}

bool evg_tls_context_set_ciphers(evg_tls_context *context, const char *ciphers, const char *suites) {
    ERR_clear_error();
    return (!ciphers || SSL_CTX_set_cipher_list(native(context), ciphers) == 1)
        && (!suites || SSL_CTX_set_ciphersuites(native(context), suites) == 1);
}

bool evg_tls_context_set_minimum(evg_tls_context *context, int version) {
    return SSL_CTX_set_min_proto_version(native(context), version) == 1;
}

static bool keep(uint8_t **place, size_t *kept, const uint8_t *bytes, size_t count) {
    uint8_t *copy = malloc(count ? count : 1);
    if (!copy) return false;
    memcpy(copy, bytes, count);
    free(*place);
    *place = copy;
    *kept = count;
    return true;
}

bool evg_tls_context_set_staple(evg_tls_context *context, const uint8_t *der, size_t count) {
    context_extras *own = extras(native(context));
    SSL_CTX_set_tlsext_status_cb(native(context), staple);
    return keep(&own->staple, &own->staple_count, der, count);
}

static int staple(SSL *ssl, void *unused) {
    (void)unused;
    context_extras *own = extras(SSL_get_SSL_CTX(ssl));
    unsigned char *copy = own && own->staple ? OPENSSL_memdup(own->staple, own->staple_count) : NULL;
    if (!copy) return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)own->staple_count);
    return SSL_TLSEXT_ERR_OK;
}

bool evg_tls_context_set_protocols(evg_tls_context *context, const uint8_t *names, size_t count) {
    context_extras *own = extras(native(context));
    SSL_CTX_set_alpn_select_cb(native(context), choose_protocol, NULL);
    return keep(&own->protocols, &own->protocols_count, names, count);
}

/* A client that speaks nothing of what is spoken here is told so (RFC 7301 3.2). */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *count, const unsigned char *in,
                           unsigned in_count, void *unused) {
    (void)unused;
    context_extras *own = extras(SSL_get_SSL_CTX(ssl));
    unsigned char *found = NULL;
    if (!own || SSL_select_next_proto(&found, count, own->protocols, (unsigned)own->protocols_count, in, in_count)
                    != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = found;
    return SSL_TLSEXT_ERR_OK;
}

void evg_tls_context_set_tickets(evg_tls_context *context, const uint8_t secret[32], long period) {
    context_extras *own = extras(native(context));
    memcpy(own->secret, secret, sizeof own->secret);
    own->period = period;
    SSL_CTX_set_tlsext_ticket_key_evp_cb(native(context), evg_tls_ticket);
}

void evg_tls_context_set_chooser(evg_tls_context *context,
                                 evg_tls_context *(*choose)(void *owner, const char *name), void *owner) {
    context_extras *own = extras(native(context));
    own->choose = choose;
    own->owner = owner;
    SSL_CTX_set_tlsext_servername_callback(native(context), choose_context);
}

static int choose_context(SSL *ssl, int *alert, void *unused) {
    (void)alert;
    (void)unused;
    context_extras *own = extras(SSL_get_SSL_CTX(ssl));
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    evg_tls_context *chosen = own && name ? own->choose(own->owner, name) : NULL;
    if (!chosen) return SSL_TLSEXT_ERR_OK;
    return SSL_set_SSL_CTX(ssl, native(chosen)) ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}
