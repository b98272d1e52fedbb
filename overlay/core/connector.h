/*
 * connector.h - a provConnector entry, compiled: which events it wants and
 * which values may leave with them.
 *
 * Immutable once compiled; lives in its arena.
 */
#ifndef PROV_CONNECTOR_H
#define PROV_CONNECTOR_H

#include "entry.h"
#include "error.h"
#include "filter.h"

struct prov_connector_option {
	const char *name, *value;
};

/* Where a new connector begins. */
enum prov_start {
	PROV_START_NOW,
	PROV_START_BEGINNING, /* of the outbox: with what was not meant for it, too */
	PROV_START_SYNC,      /* with all accounts that are there */
};

struct prov_connector {
	const char *name; /* cn */
	struct prov_val dn, ndn;
	const char *type;   /* exec, webhook, ... */
	const char *target; /* command line or URI */
	size_t nevent;
	const char **event; /* shell-style patterns on the type, e.g. account.* ; none = all */
	const struct prov_filter *filter; /* or NULL */
	size_t nattr;
	const struct prov_type **attr; /* may leave */
	const char *secret_file;
	size_t noption;
	struct prov_connector_option *option; /* provOption: "name=value" */
	enum prov_start start;                /* option "start" */
	bool enabled;
	unsigned timeout;      /* seconds per attempt, default 30 */
	unsigned max_attempts; /* then parked, default 20 */
	unsigned max_age;      /* seconds, then parked; default 3 days */
	unsigned concurrency;  /* accounts in parallel, default 4 */
};

/* From the entry's attributes. PROV_EINVAL names the attribute and the reason; an
 * attribute that is secret (userPassword ...) in provAttribute is refused. Unknown
 * kinds, and options that the kind does not have, are refused (connector_kind.h). */
int prov_connector_compile(const struct prov_entry *e, const struct prov_schema *schema,
	struct prov_arena *arena, struct prov_connector **out, struct prov_error *err);

/* The value of the first option of that name, or NULL. */
const char *prov_connector_option(const struct prov_connector *c, const char *name);
bool prov_connector_option_is(const struct prov_connector *c, const char *name, const char *value);

/* Is this type (with or without its prefix "org.slapo-provision.") one of provEvent? */
bool prov_connector_hears(const struct prov_connector *c, const char *type);
/* Does provFilter let this account through? */
bool prov_connector_sees(const struct prov_connector *c, const struct prov_entry *account);

/* Does it want this event type for an account that was `before` and is `after`
 * (either may be NULL)? A connector hears of an account that leaves its filter. */
bool prov_connector_wants(const struct prov_connector *c, const char *type,
	const struct prov_entry *before, const struct prov_entry *after);

#endif
