/* OpenSSL as the server uses it: a context for each certificate, and one object for each connection that drives the
 * socket by itself. Law: no decisions and no allocation but OpenSSL's; nothing blocks. Not for several threads. */
#ifndef EVG_TLS_H
#define EVG_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- contexts: the certificate and the rules of a handshake ---- */

typedef struct evg_tls_context evg_tls_context;
typedef struct evg_tls evg_tls;

/* Results of the calls that read certificates and keys. Of all but the first, evg_tls_error tells more. */
typedef enum evg_tls_load {
    EVG_TLS_LOADED,
    EVG_TLS_NONE_THERE,     /* the text holds nothing of this kind */
    EVG_TLS_UNUSABLE,
    EVG_TLS_NO_PASSWORD,    /* the key is encrypted, and no password was given */
    EVG_TLS_WRONG_PASSWORD,
    EVG_TLS_NOT_THE_KEY     /* of this certificate */
} evg_tls_load;

/* Makes a context without a certificate: TLS 1.2 and 1.3, no compression, no renegotiation, no early data, sessions in
 * tickets alone. A session is resumed under the same `realm` only, of at most 32 bytes. NULL without memory. */
evg_tls_context *evg_tls_context_new(const uint8_t *realm, size_t count);
void evg_tls_context_free(evg_tls_context *context);

evg_tls_load evg_tls_context_set_chain(evg_tls_context *context, const uint8_t *pem, size_t count);
/* After the chain. `password` may be NULL. */
evg_tls_load evg_tls_context_set_key(evg_tls_context *context, const uint8_t *pem, size_t count, const char *password);
/* Who may have issued the certificates of clients. */
evg_tls_load evg_tls_context_set_authorities(evg_tls_context *context, const uint8_t *pem, size_t count);
/* Asks clients for a certificate, and refuses those without one where it is required. */
void evg_tls_context_ask_clients(evg_tls_context *context, bool is_required);
/* False for a list that OpenSSL does not know. NULL leaves what there is. */
bool evg_tls_context_set_ciphers(evg_tls_context *context, const char *ciphers, const char *suites);
/* 0x0303 is TLS 1.2. */
bool evg_tls_context_set_minimum(evg_tls_context *context, int version);
/* A response of OCSP in DER, for clients that ask. False without memory. */
bool evg_tls_context_set_staple(evg_tls_context *context, const uint8_t *der, size_t count);
/* Names of ALPN in the server's order, each behind its length. False without memory. */
bool evg_tls_context_set_protocols(evg_tls_context *context, const uint8_t *names, size_t count);
/* Keys of tickets follow from the secret and the time: they change every `period` seconds, and a ticket can be used
 * until the end of the next period. */
void evg_tls_context_set_tickets(evg_tls_context *context, const uint8_t secret[32], long period);
/* Called with the name that a client asks for; the context that it returns takes part in the handshake from there on,
 * NULL leaves the one that there is. */
void evg_tls_context_set_chooser(evg_tls_context *context,
                                 evg_tls_context *(*choose)(void *owner, const char *name), void *owner);

/* The keys of the period that the moment is in. For tests. */
typedef struct evg_tls_ticket_key {
    uint8_t name[16], cipher[32], mac[32];
} evg_tls_ticket_key;
bool evg_tls_ticket_key_at(const uint8_t secret[32], uint64_t number, evg_tls_ticket_key *key);

/* Writes why the last call has failed, ending with NUL, and forgets it. */
void evg_tls_error(char *text, size_t capacity);

/* ---- connections ---- */

/* What the calls below return beside counts. */
enum {
    EVG_TLS_END = 0,            /* the peer has said that it sends no more */
    EVG_TLS_WANTS_READ = -1,    /* to be called again when the socket is readable */
    EVG_TLS_WANTS_WRITE = -2,
    EVG_TLS_LOST = -3,          /* the connection is gone, or has ended without a word */
    EVG_TLS_FAILED = -4         /* what has come is not TLS as it should be; the peer has been told */
};

/* For a connected socket, which stays the caller's. `read` is what has been read of it already. NULL without memory. */
evg_tls *evg_tls_new(evg_tls_context *context, int socket, const uint8_t *read, size_t count);
void evg_tls_free(evg_tls *tls);

/* Returns 1 when the handshake is done. */
int evg_tls_handshake(evg_tls *tls);
/* Returns the bytes that there are, at least one. `more`: others wait in memory, of which the socket does not tell. */
ssize_t evg_tls_read(evg_tls *tls, void *bytes, size_t count, bool *more);
/* Returns the bytes taken, at least one. After WANTS_WRITE the next call must begin with the same bytes. */
ssize_t evg_tls_write(evg_tls *tls, const void *bytes, size_t count);
/* Says goodbye. Returns 1 when that is on its way. */
int evg_tls_goodbye(evg_tls *tls);
/* Where the kernel encrypts, it can send files. */
bool evg_tls_sends_files(const evg_tls *tls);
ssize_t evg_tls_send_file(evg_tls *tls, int file, off_t offset, size_t count);

/* ---- what was agreed upon ---- */

/* 0x0304 is TLS 1.3; and its name. */
int evg_tls_version(const evg_tls *tls);
const char *evg_tls_version_name(const evg_tls *tls);
/* The number of the cipher suite in TLS, and OpenSSL's name. */
int evg_tls_cipher(const evg_tls *tls);
const char *evg_tls_cipher_name(const evg_tls *tls);
/* The protocol of ALPN, not ending with NUL; 0 without one. */
size_t evg_tls_protocol(const evg_tls *tls, const uint8_t **name);
/* The name that the client has asked for, or NULL. */
const char *evg_tls_server_name(const evg_tls *tls);

typedef enum evg_tls_text {
    EVG_TLS_SUBJECT,    /* RFC 2253 */
    EVG_TLS_ISSUER,
    EVG_TLS_SERIAL,     /* hexadecimal */
    EVG_TLS_START,      /* "Jan  1 00:00:00 2026 GMT" */
    EVG_TLS_END_DATE,
    EVG_TLS_PEM
} evg_tls_text;

/* A text about a certificate that the client has sent, 0 for its own and others for those behind; NULL where there is
 * none. To be freed by free(3). */
char *evg_tls_client_text(const evg_tls *tls, evg_tls_text text, int position);
/* The server's own certificate, for as long as its context lives; NULL when that is gone. */
const char *evg_tls_server_pem(const evg_tls *tls);

/* ---- the client's side ---- */

/* Trusts the authorities of this machine (SSL_CERT_FILE, SSL_CERT_DIR). NULL with an error. */
evg_tls_context *evg_tls_client_context_new(void);
/* For a connected socket to a server that must have a certificate for this host, a name or an address. */
evg_tls *evg_tls_client_new(evg_tls_context *context, int socket, const char *host);
/* Why the server's certificate is not trusted; NULL if it is, or none has come. */
const char *evg_tls_client_verdict(const evg_tls *tls);

/* ---- codes ---- */

/* HMAC with SHA-256 (RFC 2104). False without memory, or for a key of more than 2 GB. */
bool evg_tls_hmac_sha256(const uint8_t *key, size_t key_count, const uint8_t *message, size_t count, uint8_t code[32]);

#endif
