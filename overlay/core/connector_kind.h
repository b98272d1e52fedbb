/*
 * connector_kind.h - the kinds of connectors: which provTarget and provOption each may have.
 *
 * What is said here is checked when the entry is written. Whether a file is there or a
 * server answers is only known to provd, when it delivers.
 */
#ifndef PROV_CONNECTOR_KIND_H
#define PROV_CONNECTOR_KIND_H

#include <stdbool.h>
#include <stddef.h>

struct prov_connector_kind {
	const char *name;
	bool secret;    /* provSecretFile must be there ... */
	bool cert_does; /* ... or a client certificate, option "cert" */
	bool keeps_accounts;
	/* names that provOption may have besides those of all kinds (start=...), NULL-terminated; "name=a|b" when it is one of these */
	const char *const *option;
	/* NULL, or why provTarget is none */
	const char *(*target)(const char *target);
};

/* NULL when there is no such kind. */
const struct prov_connector_kind *prov_connector_kind(const char *name);
void prov_connector_kinds(char *out, size_t room); /* "exec, ...": for people */
/* What may be the value of this option: "" anything, "a|b" one of these; NULL: there is none. */
const char *prov_connector_kind_option(const struct prov_connector_kind *k, const char *name,
	size_t len);
bool prov_connector_kind_one_of(const char *choice, const char *value, size_t len);

#endif
