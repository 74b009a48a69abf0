/* Certificates as text. */
#include "context.h"

#include <openssl/bn.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

static bool print_serial(BIO *out, X509 *certificate) {
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
    char *digits = number ? BN_bn2hex(number) : NULL;
    bool is_done = digits && BIO_puts(out, digits) > 0;
    OPENSSL_free(digits);
    BN_free(number);
    return is_done;
}

static bool print(BIO *out, X509 *certificate, evg_tls_text text) {
    /* RFC 2253 escapes what is not ASCII and what a name could end with. */
    switch (text) {
    case EVG_TLS_SUBJECT: return X509_NAME_print_ex(out, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0;
    case EVG_TLS_ISSUER: return X509_NAME_print_ex(out, X509_get_issuer_name(certificate), 0, XN_FLAG_RFC2253) >= 0;
    case EVG_TLS_SERIAL: return print_serial(out, certificate);
    case EVG_TLS_START: return ASN1_TIME_print(out, X509_get0_notBefore(certificate)) == 1;
    case EVG_TLS_END_DATE: return ASN1_TIME_print(out, X509_get0_notAfter(certificate)) == 1;
    case EVG_TLS_PEM: return PEM_write_bio_X509(out, certificate) == 1;
    }
    return false;
}

char *evg_tls_text_about(X509 *certificate, evg_tls_text text) {
    BIO *out = certificate ? BIO_new(BIO_s_mem()) : NULL;
    char *copy = NULL, *bytes;
    if (out && print(out, certificate, text)) {
        long count = BIO_get_mem_data(out, &bytes);
        copy = malloc((size_t)count + 1);
        if (copy) {
            memcpy(copy, bytes, (size_t)count);
            copy[count] = 0;
        }
    }
    BIO_free(out);
    return copy;
}

/* At the server's end, OpenSSL's chain is without the client's own certificate. */
static X509 *client(const SSL *ssl, int position) {
    if (position == 0) return SSL_get0_peer_certificate(ssl);
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
    return position > 0 && chain && position <= sk_X509_num(chain) ? sk_X509_value(chain, position - 1) : NULL;
}

char *evg_tls_client_text(const evg_tls *tls, evg_tls_text text, int position) {
    return evg_tls_text_about(client((const SSL *)tls, position), text);
}

const char *evg_tls_server_pem(const evg_tls *tls) {
    context_extras *own = extras(SSL_get_SSL_CTX((const SSL *)tls));
    return own ? own->pem : NULL;
}
