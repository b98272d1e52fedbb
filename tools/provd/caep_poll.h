/*
 * caep_poll.h - where a receiver fetches Security Event Tokens by polling (RFC 8936).
 *
 * An HTTPS listener of our own (listener.h), and the tokens that are out: offered by deliver(),
 * waiting until the receiver acknowledges them. The receiver shows a bearer token (RFC 6750), or
 * a certificate, or both. Any number of threads may offer at a time; prov_poll_free() only when
 * none does.
 */
#ifndef PROVD_CAEP_POLL_H
#define PROVD_CAEP_POLL_H

#include <stdatomic.h>

#include "error.h"
#include "listener.h"
#include "result.h"

struct prov_poll;

struct prov_poll_settings {
	struct prov_listener_settings listener;
	const char *path;  /* of the URL that is polled */
	const char *token; /* secret file: what a receiver must show; outlives us. NULL: its
			    * certificate is enough */
};

/* Nothing is listened to yet. PROV_EINVAL names the setting. */
int prov_poll_new(const struct prov_poll_settings *s, struct prov_poll **out,
	struct prov_error *err);
/* Listen from now on. PROV_EIO, PROV_EINVAL. */
int prov_poll_listen(struct prov_poll *p, struct prov_error *err);
void prov_poll_free(struct prov_poll **p);
/* Blocks until the receiver has said what became of it, for so many seconds, or until cancelled.
 * jti and set are borrowed for that time. */
void prov_poll_offer(struct prov_poll *p, const char *jti, const char *set, unsigned seconds,
	const atomic_bool *cancel, struct prov_result *out);

#endif
