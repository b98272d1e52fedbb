/*
 * natsjs_session.h - one connection to a server of NATS: as much of the client protocol as
 * publishing to a stream needs (INFO, TLS, CONNECT, PING, SUB, HPUB and the answers).
 *
 * libnats (3.4.1) was tried first. Its connect has no time limit in the TLS handshake, cannot be
 * cancelled, and when the connection breaks before the first PONG it loops for ever and takes
 * memory; it always trusts the system's authorities, too.
 *
 * One thread at a time. Nothing blocks longer than natsjs_wire.h says. After an error the
 * session is of no use any more.
 */
#ifndef PROVD_NATSJS_SESSION_H
#define PROVD_NATSJS_SESSION_H

#include <stdatomic.h>
#include <stdint.h>

#include "error.h"
#include "natsjs_wire.h"
#include "result.h"

struct prov_natsjs_settings {
	const char *servers; /* tls://host:port,... */
	struct prov_wire_tls tls;
	const char *secret_file; /* or NULL */
	const char *user;        /* the secret file has this one's password; NULL: see provd(8) */
};

struct prov_natsjs_message {
	const char *subject;
	const char *headers; /* "Name: value\r\n" each; or NULL */
	const char *data;
	size_t len;
};

struct prov_natsjs_session;

/* Connected, encrypted, logged in. */
int prov_natsjs_session_open(const struct prov_natsjs_settings *set, const char *host,
	const char *port, int64_t until, const atomic_bool *cancel,
	struct prov_natsjs_session **out, struct prov_error *err);
void prov_natsjs_session_free(struct prov_natsjs_session **s);
/* For what comes now; until: monotonic, ms. */
void prov_natsjs_session_use(struct prov_natsjs_session *s, int64_t until,
	const atomic_bool *cancel);
/* Does the server still answer? It may use up half of the time. */
bool prov_natsjs_session_alive(struct prov_natsjs_session *s);
int prov_natsjs_session_send(struct prov_natsjs_session *s, const struct prov_natsjs_message *m,
	struct prov_error *err);
/* What the stream says to the message that was sent last; out: what that means. */
int prov_natsjs_session_answer(struct prov_natsjs_session *s, const char *subject,
	struct prov_result *out, struct prov_error *err);

#endif
