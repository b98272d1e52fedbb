/*
 * listener.h - an HTTPS listener of our own (TLS 1.2 or later), with a thread for each connection.
 *
 * Owns: the address, the certificate and its key, the authority of the clients, who is at the
 * door (door.h). The files are looked at every few seconds; when they have changed, and fit
 * together, it begins anew with them, and clients have to connect again. What requests mean is
 * its user's business.
 */
#ifndef PROVD_LISTENER_H
#define PROVD_LISTENER_H

#include <microhttpd.h>
#include <stdbool.h>

#include "error.h"

struct prov_listener;

struct prov_listener_settings { /* texts are copied */
	const char *listen;     /* ADDRESS:PORT, [ADDRESS]:PORT or PORT (loopback) */
	const char *cert,
		*key; /* PEM files: our certificate and its key (a secret; NULL: in cert) */
	const char *
		client_ca; /* PEM file: who signs the clients' certificates; NULL: none is asked for */
};

struct prov_listener_use {
	MHD_AccessHandlerCallback answer;
	MHD_RequestCompletedCallback completed;
	void (*hurry)(void *ctx, bool on); /* requests must not wait now; on, then off */
	void *ctx;
};

/* Nothing is listened to yet. PROV_EINVAL names the setting. */
int prov_listener_new(const struct prov_listener_settings *s, const struct prov_listener_use *use,
	struct prov_listener **out, struct prov_error *err);
/* Once. PROV_EIO, PROV_EINVAL. */
int prov_listener_start(struct prov_listener *l, struct prov_error *err);
void prov_listener_free(struct prov_listener **l); /* ends all connections */

/* Has the client of this connection a certificate that client_ca has signed? Always, without one. */
bool prov_listener_verified(const struct prov_listener *l, struct MHD_Connection *c);
/* It has shown who it is, and may take its time. Until then it has DOOR_SECONDS. */
void prov_listener_let_in(struct prov_listener *l, struct MHD_Connection *c);

#endif
