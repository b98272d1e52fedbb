/*
 * body.h - an event from the outbox as one connector may see it. Pure.
 *
 * Owns: what leaves. The members that only serve us ("route", "values") are taken
 * off; of "values" those the connector lists go into data.values. Attribute names
 * are compared without case; "mail" covers "mail;lang-de" too.
 */
#ifndef PROVD_BODY_H
#define PROVD_BODY_H

#include <stdint.h>

#include "connector.h"
#include "error.h"

/*
 * Is this event for the connector of that name? subject is filled when it is. c: the
 * connector, which may want old events that were not meant for it (start=beginning); NULL: it
 * is not known. PROV_ECORRUPT when the row is no event.
 */
int prov_body_route(const char *json, size_t len, const char *connector,
	const struct prov_connector *c, bool *wanted, char subject[37], struct prov_error *err);

struct prov_body {
	char *text; /* compact JSON and a newline */
	size_t len;
	char id[40], type[80], subject[37];
	int64_t ms;    /* its time, since the epoch; 0: it has none */
	bool imported; /* of another server's outbox */
};

int prov_body_make(const char *json, size_t len, const struct prov_connector *c,
	struct prov_body *out, struct prov_error *err);
void prov_body_dispose(struct prov_body *b);

#endif
