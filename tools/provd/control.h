/*
 * control.h - provd.ctl: one JSON request a line, one JSON reply a line.
 *
 * Owns: the socket in the state directory (mode 0600) and its clients, which are few
 * and bounded: a client that sends too long a line or does not read is cut off. What
 * the requests mean is the caller's; each gets a member "peer" with uid and gid of who asks.
 */
#ifndef PROVD_CONTROL_H
#define PROVD_CONTROL_H

#include <jansson.h>
#include <poll.h>
#include <stddef.h>

#include "error.h"

#define PROV_CONTROL_CLIENTS 16
#define PROV_CONTROL_FDS (PROV_CONTROL_CLIENTS + 1)

struct prov_control;

/* answer: a new reference, never NULL except when out of memory. */
typedef json_t *prov_control_answer(void *ctx, const json_t *request);

int prov_control_open(const char *dir, prov_control_answer *answer, void *ctx,
	struct prov_control **out, struct prov_error *err);
/* Fill up to PROV_CONTROL_FDS entries; returns how many. */
size_t prov_control_pollfds(const struct prov_control *c, struct pollfd *p);
/* With the entries that pollfds() filled and poll() marked. */
void prov_control_handle(struct prov_control *c, const struct pollfd *p, size_t n);
void prov_control_close(struct prov_control **c); /* takes the socket away */

#endif
