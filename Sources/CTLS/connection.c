/* One connection: OpenSSL reads and writes the socket by itself, and says when it cannot go on. */
#include "context.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static inline SSL *session(const evg_tls *tls) { return (SSL *)tls; }

/* What is left of another call would be taken for this one's. To clear an empty queue costs much more than to look. */
static inline void forget_errors(void) {
    if (ERR_peek_error()) ERR_clear_error();
}

/* ---- the socket, as OpenSSL has it but for two things ---- */

/* Bytes that somebody else has read before. */
typedef struct read_before {
    size_t count, taken;
    uint8_t bytes[];
} read_before;

static int take_read(BIO *bio, char *bytes, int count) {
    read_before *before = BIO_get_data(bio);
    if (!before) return BIO_meth_get_read(BIO_s_socket())(bio, bytes, count);
    BIO_clear_retry_flags(bio);
    size_t left = before->count - before->taken, taken = left < (size_t)count ? left : (size_t)count;
    memcpy(bytes, before->bytes + before->taken, taken);
    before->taken += taken;
    if (before->taken == before->count) {
        BIO_set_data(bio, NULL);
        free(before);
    }
    return (int)taken;
}

/* Without the signal, whatever an app has made of it. */
static int send_quietly(BIO *bio, const char *bytes, int count) {
    if (BIO_get_ktls_send(bio)) return BIO_meth_get_write(BIO_s_socket())(bio, bytes, count);
    int socket = -1;
    BIO_get_fd(bio, &socket);
    BIO_clear_retry_flags(bio);
    ssize_t sent;
    do sent = send(socket, bytes, (size_t)count, MSG_NOSIGNAL); while (sent < 0 && errno == EINTR);
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) BIO_set_retry_write(bio);
    return (int)sent;
}

static int forget(BIO *bio) {
    free(BIO_get_data(bio));
    BIO_set_data(bio, NULL);
    return BIO_meth_get_destroy(BIO_s_socket())(bio);
}

static BIO *socket_bio(int socket, const uint8_t *read, size_t count) {
    static BIO_METHOD *method;
    if (!method) {
        method = BIO_meth_new(BIO_TYPE_SOCKET, "evgateway socket");
        if (!method) return NULL;
        BIO_meth_set_read(method, take_read);
        BIO_meth_set_write(method, send_quietly);
        BIO_meth_set_ctrl(method, BIO_meth_get_ctrl(BIO_s_socket()));
        BIO_meth_set_create(method, BIO_meth_get_create(BIO_s_socket()));
        BIO_meth_set_destroy(method, forget);
    }
    BIO *bio = BIO_new(method);
    if (!bio) return NULL;
    BIO_set_fd(bio, socket, BIO_NOCLOSE);
    if (!count) return bio;
    read_before *before = malloc(sizeof *before + count);
    if (!before) {
        BIO_free(bio);
        return NULL;
    }
    before->count = count;
    before->taken = 0;
    memcpy(before->bytes, read, count);
    BIO_set_data(bio, before);
    return bio;
}

/* ---- */

evg_tls *evg_tls_new(evg_tls_context *context, int socket, const uint8_t *read, size_t count) {
    SSL *ssl = SSL_new(native(context));
    BIO *bio = ssl ? socket_bio(socket, read, count) : NULL;
    if (!bio) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_bio(ssl, bio, bio);
    SSL_set_accept_state(ssl);
    return (evg_tls *)ssl;
}

void evg_tls_free(evg_tls *tls) { SSL_free(session(tls)); }

/* What has kept a call from its work. */
static int outcome(SSL *ssl, int result) {
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ: return EVG_TLS_WANTS_READ;
    case SSL_ERROR_WANT_WRITE: return EVG_TLS_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN: return EVG_TLS_END;
    case SSL_ERROR_SYSCALL: return EVG_TLS_LOST;
    default:
        return ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING ? EVG_TLS_LOST : EVG_TLS_FAILED;
    }
}

int evg_tls_handshake(evg_tls *tls) {
    forget_errors();
    int result = SSL_do_handshake(session(tls));
    return result == 1 ? 1 : outcome(session(tls), result);
}

ssize_t evg_tls_read(evg_tls *tls, void *bytes, size_t count, bool *more) {
    SSL *ssl = session(tls);
    size_t taken = 0;
    int result = 1;
    forget_errors();
    do {
        size_t got = 0;
        result = SSL_read_ex(ssl, (char *)bytes + taken, count - taken, &got);
        if (result != 1) break;
        taken += got;
    } while (taken < count && SSL_has_pending(ssl));
    if (result == 1) {
        *more = SSL_has_pending(ssl) == 1;
        return (ssize_t)taken;
    }
    int why = outcome(ssl, result);
    /* What has ended the reading is told by the next call, and the socket would not ask for that. */
    *more = taken && why != EVG_TLS_WANTS_READ;
    return taken ? (ssize_t)taken : why;
}

ssize_t evg_tls_write(evg_tls *tls, const void *bytes, size_t count) {
    SSL *ssl = session(tls);
    size_t taken = 0;
    forget_errors();
    while (taken < count) {
        size_t sent = 0;
        int result = SSL_write_ex(ssl, (const char *)bytes + taken, count - taken, &sent);
        if (result != 1) return taken ? (ssize_t)taken : outcome(ssl, result);
        taken += sent;
    }
    return (ssize_t)taken;
}

int evg_tls_goodbye(evg_tls *tls) {
    SSL *ssl = session(tls);
    if (SSL_in_init(ssl) || SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN) {
        /* Maybe it waits inside of OpenSSL since the last call. */
        if (SSL_in_init(ssl) || !SSL_want_write(ssl)) return 1;
    }
    forget_errors();
    int result = SSL_shutdown(ssl);
    return result >= 0 ? 1 : outcome(ssl, result);
}

bool evg_tls_sends_files(const evg_tls *tls) { return BIO_get_ktls_send(SSL_get_wbio(session(tls))); }

ssize_t evg_tls_send_file(evg_tls *tls, int file, off_t offset, size_t count) {
    forget_errors();
    ossl_ssize_t sent = SSL_sendfile(session(tls), file, offset, count, 0);
    return sent >= 0 ? sent : outcome(session(tls), (int)sent);
}

/* ---- what was agreed upon ---- */

int evg_tls_version(const evg_tls *tls) { return SSL_version(session(tls)); }

const char *evg_tls_version_name(const evg_tls *tls) { return SSL_get_version(session(tls)); }

int evg_tls_cipher(const evg_tls *tls) {
    const SSL_CIPHER *cipher = SSL_get_current_cipher(session(tls));
    return cipher ? SSL_CIPHER_get_protocol_id(cipher) : 0;
}

const char *evg_tls_cipher_name(const evg_tls *tls) { return SSL_get_cipher_name(session(tls)); }

size_t evg_tls_protocol(const evg_tls *tls, const uint8_t **name) {
    unsigned count = 0;
    SSL_get0_alpn_selected(session(tls), name, &count);
    return count;
}

const char *evg_tls_server_name(const evg_tls *tls) {
    return SSL_get_servername(session(tls), TLSEXT_NAMETYPE_host_name);
}
