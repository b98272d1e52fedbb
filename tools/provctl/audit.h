/*
 * audit.h - what the subcommands of provctl audit share: their options, and the open trail.
 *
 * cmd_audit.c owns the table of options and chooses; each subcommand is a file of its own,
 * gets its operands (after its name) and returns an exit status.
 */
#ifndef PROV_CTL_AUDIT_H
#define PROV_CTL_AUDIT_H

#include "audit_match.h"
#include "ctl.h"
#include "trail.h"

struct audit_args {
	const char *key, *account, *actor, *since, *until, *change, *group, *reason, *connector,
		*outcome, *op, *format, *out, *against, *tsa, *ca, *tsa_ca;
	unsigned limit;
	bool timestamps;
};
extern struct audit_args audit_arg;

/* The trail as it is now, read only. An exit status; close it in any case. */
struct audit_trail {
	char *path; /* the state directory */
	struct prov_statedir *dir;
	struct prov_kv_txn *txn;
};
int audit_trail_open(struct ctl *c, struct audit_trail *t);
/* See what has been added since. PROV_ code. */
int audit_trail_refresh(struct audit_trail *t, struct prov_error *err);
void audit_trail_close(struct audit_trail *t);
/* The hash of a record as 64 hexadecimal digits; "" when the row is broken. */
void audit_trail_hash(struct audit_trail *t, uint64_t seq, char hex[65]);

/* The filter from the options; audit_filter_dispose() in any case. An exit status. */
int audit_filter_make(struct ctl *c, struct audit_filter *f);

int audit_verify(struct ctl *c, int argc, char **argv);
int audit_show(struct ctl *c, int argc, char **argv);
int audit_export(struct ctl *c, int argc, char **argv);
int audit_at(struct ctl *c, int argc, char **argv);
int audit_who(struct ctl *c, int argc, char **argv);
int audit_evidence(struct ctl *c, int argc, char **argv);
int audit_stamp(struct ctl *c, int argc, char **argv);

/*
 * Do the accounts' stamps agree with the trail? Prints what does not. 0, 1 (findings) or 2.
 * audit_against.c
 */
int audit_against_ldap(struct ctl *c, struct audit_trail *t);

/* Do the timestamps of checkpoints hold? 0, 1 (findings; also when there are none) or 2.
 * audit_stamp.c */
int audit_timestamps(struct ctl *c, struct audit_trail *t);

#endif
