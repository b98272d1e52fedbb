/*
 * connectors.h - the connectors as the directory has them now.
 *
 * Owns: asking slapd for provConnector entries, in a thread of its own so that a slow
 * or absent server never holds up deliveries, and compiling them. One question at a
 * time. What could not be loaded is said in the error, and the caller keeps what it
 * had.
 */
#ifndef PROVD_CONNECTORS_H
#define PROVD_CONNECTORS_H

#include "connector.h"
#include "kind.h"
#include "ldapconn.h"

/* A compiled connector with all that belongs to it. Counted: who holds it longer than the
 * set it came in takes it; of the loader's thread until it is handed over, then of the
 * main thread. */
struct provd_connector {
	struct prov_arena arena;
	struct prov_connector *c;
	unsigned holders;                /* 1 when made */
	char **argv;                     /* of exec */
	const struct prov_kind_ops *ops; /* of the others, with its self */
	void *self;
	char csn[64];      /* of its entry; empty: not told */
	char problem[256]; /* not empty: the entry cannot be used, and why; then c is NULL */
	char name[256];
};
struct provd_connector *provd_connector_hold(struct provd_connector *c);
void provd_connector_unusable(struct provd_connector *c, const char *why);
void provd_connector_free(struct provd_connector **c); /* one holder less; the last one frees it */

struct provd_connectors {
	size_t n;
	struct provd_connector **item; /* those taken over by the caller are NULL */
};
void provd_connectors_free(struct provd_connectors **set);

struct provd_loader;

/* suffix (may be NULL: ask the server) is copied. *fd becomes readable when an answer is there. */
int provd_loader_new(const struct prov_ldap_options *ldap, struct provd_loader **out, int *fd,
	struct prov_error *err);
int provd_loader_start(struct provd_loader *l, const char *suffix, struct prov_error *err);
bool provd_loader_busy(const struct provd_loader *l);
/* The answer, once fd is readable. 0: *out is the caller's. Else err says why not. */
int provd_loader_finish(struct provd_loader *l, struct provd_connectors **out,
	struct prov_error *err);
void provd_loader_free(struct provd_loader **l); /* waits for a running question (its timeout) */

#endif
