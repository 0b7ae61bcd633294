/* tls_front.h - TLS before the server: takes connections, decrypts, passes on to a port of
 * loopback.
 *
 * The server library speaks TLS only with the OpenSSL that its packager had in mind (Debian 12's
 * looks for SSL_get_peer_certificate, which OpenSSL 3 has under another name). So it listens on
 * loopback, and this stands before it. A thread for each connection, as the library has. */
#ifndef CONFAB_SERVER_TLS_FRONT_H
#define CONFAB_SERVER_TLS_FRONT_H

#include <stdbool.h>
#include <stddef.h>

struct cf_error;
struct cf_tls_front;

struct cf_tls_front_options {
    const char *address;                 /* IPv4 */
    int port;                            /* 0: any that is free */
    const char *cert, *key;              /* PEM files; key NULL: it is in the certificate's */
    int to_port;                         /* on 127.0.0.1 */
    size_t most, most_per_address;       /* connections; beyond them they are closed at once */
    int handshake_ms;                    /* how long it may take */
};

/* config_error: the address or the files. */
bool cf_tls_front_start(const struct cf_tls_front_options *options, struct cf_tls_front **out_front,
                        struct cf_error *err);
int  cf_tls_front_port(const struct cf_tls_front *front);

/* Takes no more connections; those that are there go on. */
void cf_tls_front_close(struct cf_tls_front *front);

/* Ends them, once what the server has sent is passed on, and frees all. NULL is fine. */
void cf_tls_front_free(struct cf_tls_front *front);
#endif
