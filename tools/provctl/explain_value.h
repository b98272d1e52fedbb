/*
 * explain_value.h - explain narrowed to one thing, there or not.
 */
#ifndef PROV_CTL_EXPLAIN_VALUE_H
#define PROV_CTL_EXPLAIN_VALUE_H

#include <jansson.h>

#include "explain.h"

enum explain_what { EXPLAIN_GROUP, EXPLAIN_ROLE, EXPLAIN_ATTRIBUTE, EXPLAIN_ENTITLEMENT };

struct explain_value {
	enum explain_what what;
	char *shown, *key; /* key: as in explain_thing */
	char *attr;        /* folded, for an attribute */
	const struct explain_role *role;
};

/*
 * Find out what VALUE means: a DN below the suffix is a role or a group; "attr=value" or
 * "attr: value" an attribute's value; an entitlement that some role or grant names; else a
 * group or role by its cn, else any attribute that has it. An attribute's value that nobody
 * granted joins x->thing, so that the trail can tell who set it. PROV_EINVAL: it means nothing here.
 */
int explain_value_find(struct explain *x, const char *text, struct explain_value *out,
	struct prov_error *err);
/* Print it, text or JSON. Exit status. */
int explain_value_print(struct explain *x, const struct explain_value *v);
void explain_value_dispose(struct explain_value *v);

/* Would the role give it? *line: the template line that does, or NULL. */
bool explain_gives(const struct explain_role *r, const struct explain_value *v, const char **line);
bool explain_value_present(const struct explain *x, const struct explain_value *v);

/* Another text for a list of reasons. */
void explain_tell(json_t *list, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* One a line, each with `before`; NULL has none. */
void explain_print_list(const char *before, const json_t *list);

/* explain_lacks.c: why not, and what would have to change. Exit status: 1 when it is not there. */
int explain_lacks_print(struct explain *x, const struct explain_value *v);
/* explain_holders.c: the other accounts that have it, as the server sends them. Exit status. */
int explain_others_print(struct explain *x, const struct explain_value *v);
/* Who has the role (DN or cn), and through what. Exit status. Needs ctl_site(). */
int explain_role_holders(struct ctl *c, const char *name);

/* cmd_explain.c */
json_t *explain_thing_json(const struct explain_thing *t);
/* Those that a role gave, or those that none did; key: only these. */
void explain_things_print(const struct explain *x, bool granted, const char *key);

#endif
