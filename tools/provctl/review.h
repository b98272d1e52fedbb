/*
 * review.h - access reviews: who has which role, and what a reviewer decided about each.
 *
 * cmd_review.c owns the options. review_list.c writes the sheet. review_file.c reads it back with
 * what the reviewer filled in, review_plan.c holds it against the directory and the trail,
 * review_apply.c writes. What was decided stands in the trail: review_reason.h.
 */
#ifndef PROV_CTL_REVIEW_H
#define PROV_CTL_REVIEW_H

#include "ctl.h"
#include "review_held.h"
#include "review_reason.h"
#include "sync_run.h"

struct review_list_args {
	struct prov_option_list role, manager;
	const char *base, *filter;
	unsigned before; /* days; 0: any */
};

/* Exit status. */
int review_list(struct ctl *c, const struct review_list_args *arg);

/* -- the filled in sheet -- */

enum review_fate {
	REVIEW_DUE,      /* to be written */
	REVIEW_RECORDED, /* the trail has it from an earlier run */
	REVIEW_NOT_HELD, /* any more */
	REVIEW_STAYS,    /* to be revoked, but the policy gives it */
	REVIEW_DONE,
	REVIEW_FAILED,
};

struct review_row {
	size_t line;
	enum review_decision decision;
	char *account, *role, *role_key, *text;
	/* when there is a decision */
	enum review_fate fate;
	char *reason; /* of the write */
	char *why;    /* of the fate */
};

struct review {
	struct ctl *c;
	const char *name, *file; /* file: its last part */
	struct sync_limit most;  /* to be revoked */
	int64_t now;
	struct review_roles roles;
	size_t nrow, room;
	struct review_row *row;
	struct prov_strmap *pairs,
		*recorded; /* recorded: "account role" that the trail has as kept */
	bool *kept;        /* of each: was it the last decision? */
	size_t nkept, kept_room, unknown, twice; /* unknown: decisions */
	struct sync_problems broken, refused;    /* broken: nothing can be made of the file */
};

/* All rows that make sense. What does not is in r->broken and r->refused. PROV_ code. */
int review_file_read(struct review *r, const char *path, char delimiter, const char *encoding,
	struct prov_error *err);

/* What is to be done with each row, and whether it may be. PROV_ code. */
int review_plan(struct review *r, struct prov_error *err);
/* Who gives the role, as the server sees it now; the entry as the plan needs it. PROV_ENOENT: there
 * is no such account. *m: ldap_msgfree(), a: review_account_dispose(), in any case. */
int review_read(struct review *r, const struct review_row *row, LDAPMessage **m,
	struct review_account *a, struct prov_error *err);
int review_row_held(struct review *r, const struct review_account *a, const struct review_row *row,
	struct review_held *out);
void review_settle(struct review_row *row, enum review_fate fate, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Writes what is due. An exit status that ended it early, or 0. */
int review_apply(struct review *r);

void review_dispose(struct review *r);

#endif
