/*
 * sync_diff.h - what has to change so that an account is as its row says. Pure.
 *
 * A change lives in the arena that it was made in. Only what differs is in it; when nothing
 * does, it is empty (sync_change_empty()).
 */
#ifndef PROV_SYNC_DIFF_H
#define PROV_SYNC_DIFF_H

#include <jansson.h>

#include "sync_map.h"

/* An account as it is: values of map->name, in that order. */
struct sync_values {
	size_t n;
	const struct prov_val *v;
};
struct sync_account {
	const char *dn;
	const struct sync_values *attr;
};

enum sync_kind {
	SYNC_JOINER, /* add */
	SYNC_REHIRE, /* ended, and here again */
	SYNC_MOVER,  /* something else is different */
	SYNC_AWAYER, /* is suspended now */
	SYNC_LEAVER, /* is ended */
	SYNC_NKIND
};

enum sync_op { SYNC_SET, SYNC_ADD, SYNC_DROP };

struct sync_mod {
	enum sync_op op;
	const char *attr;
	struct sync_values old; /* SET and DROP: what is there */
	struct prov_val value;  /* SET and ADD */
};

enum sync_outcome { SYNC_PENDING, SYNC_RENAMED, SYNC_DONE, SYNC_FAILED };

struct sync_change {
	enum sync_kind kind;
	bool adopts, missing, later; /* had no key; has no row; begins in the future */
	bool ends_soon;              /* within a week, and that is new */
	size_t row, line;            /* SYNC_NO_ROW and 0 for one that is missing */
	const char *key;
	const char *dn;                   /* as it is, or as it will be for a joiner */
	const char *new_rdn, *new_parent; /* NULL: stays; the parent alone may stay */
	bool drop_old_rdn;
	size_t nmod;
	struct sync_mod *mod;
	bool drop_manager; /* or it is the row's sync_row.manager, when set_manager */
	bool set_manager;
	unsigned depth; /* of managers who join as well */
	enum sync_outcome outcome;
	json_t *plan; /* what the policy would do, when it was asked */
	char *why;    /* malloc'ed: why it failed */
};

struct sync_when {
	int64_t now;
	bool may_revive, may_lift; /* an ended account, a suspended one: the feed did it */
};

/*
 * The change of an account for its row. *held: a text when the account is left as it is
 * because somebody else ended or suspended it, else NULL. PROV_ENOMEM, PROV_EINVAL (the
 * name cannot be made).
 */
int sync_diff_account(const struct sync_map *map, const struct prov_val *cell,
	const struct sync_wish *w, const struct sync_account *a, const struct sync_when *when,
	struct prov_arena *arena, struct sync_change *out, const char **held,
	struct prov_error *err);
/* The entry of somebody new. */
int sync_diff_joiner(const struct sync_map *map, const struct sync_wish *w,
	const struct sync_place *place, int64_t now, struct prov_arena *arena,
	struct sync_change *out, struct prov_error *err);
/* End an account that has no row any more. */
int sync_diff_missing(const struct sync_account *a, struct prov_arena *arena,
	struct sync_change *out);

/* A copy that lives in another arena, but for names of attributes, which are the mapping's.
 * PROV_ENOMEM. */
int sync_change_copy(const struct sync_change *c, struct prov_arena *arena,
	struct sync_change *out);
/* The name that a rename gives the account that is named dn. malloc'ed; NULL: no memory. */
char *sync_change_dn(const struct sync_change *c, const char *dn);
bool sync_change_empty(const struct sync_change *c);
bool sync_account_over(const struct sync_account *a); /* terminated or archived */
bool sync_account_idle(const struct sync_account *a); /* that, or suspended */
/* Did it end by itself, when provEndTime came? */
bool sync_account_ended_in_time(const struct sync_account *a, int64_t now);
/* Does the row end the account: by its status, or since its end has passed? */
bool sync_wish_gone(const struct sync_wish *w, int64_t now);

#endif
