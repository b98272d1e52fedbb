/*
 * natsjs_wire.h - a TCP connection that becomes a TLS one, read by lines and by bytes.
 *
 * Nothing in it blocks longer than until `until` (monotonic, ms) or than *cancel is false for
 * (a name that has to be looked up aside). One thread at a time.
 */
#ifndef PROVD_NATSJS_WIRE_H
#define PROVD_NATSJS_WIRE_H

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define PROV_WIRE_ROOM 65536 /* most bytes of a line, and of what is taken at a time */

struct prov_wire {
	int fd; /* -1: not connected */
	SSL *ssl;
	char *buf; /* what was read and not taken yet is buf[start], ... */
	size_t start, len;
	int64_t until;
	const atomic_bool *cancel;
};

struct prov_wire_tls {
	const char *ca;         /* PEM file of the authorities to trust, NULL: the system's */
	const char *cert, *key; /* PEM files, or NULL */
};

/* until and cancel are set by the caller, before each use. All return 0 or PROV_EIO, PROV_EINVAL,
 * PROV_ENOMEM with a text. */
int prov_wire_connect(struct prov_wire *w, const char *host, const char *port,
	struct prov_error *err);
/* From here on with TLS (1.2 or later); the certificate must be for this host or address. */
int prov_wire_secure(struct prov_wire *w, const struct prov_wire_tls *tls, const char *host,
	struct prov_error *err);
int prov_wire_send(struct prov_wire *w, const char *data, size_t len, struct prov_error *err);
/* The next line without its CRLF, terminated; good until the next call. */
int prov_wire_line(struct prov_wire *w, char **line, struct prov_error *err);
/* The next n bytes and a terminator in place of the CRLF behind them. */
int prov_wire_block(struct prov_wire *w, size_t n, char **data, struct prov_error *err);
void prov_wire_close(struct prov_wire *w); /* nothing happens when it is closed */

#endif
