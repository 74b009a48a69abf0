/* The client's side: who answers is checked against the authorities of this machine. */
#include "context.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

evg_tls_context *evg_tls_client_context_new(void) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context) return NULL;
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_set_default_verify_paths(context) == 1) return (evg_tls_context *)context;
    SSL_CTX_free(context);
    return NULL;
}

evg_tls *evg_tls_client_new(evg_tls_context *context, int socket, const char *host) {
    evg_tls *tls = evg_tls_new(context, socket, NULL, 0);
    if (!tls) return NULL;
    SSL *ssl = (SSL *)tls;
    SSL_set_connect_state(ssl);
    unsigned char address[16];
    int is_address = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
    int is_set = is_address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1
                            : SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
    if (is_set) return tls;
    SSL_free(ssl);
    return NULL;
}

const char *evg_tls_client_verdict(const evg_tls *tls) {
    long result = SSL_get_verify_result((const SSL *)tls);
    return result == X509_V_OK ? NULL : X509_verify_cert_error_string(result);
}
