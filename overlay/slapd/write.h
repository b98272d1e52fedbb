/*
 * write.h - one client write on its way through policy, transaction and reply.
 *
 * prov_write_open .. one of the flows .. prov_write_close, all in one thread. A flow
 * returns the LDAP result code that was sent to the client (rs->sr_err).
 */
#ifndef PROV_SLAPD_WRITE_H
#define PROV_SLAPD_WRITE_H

#include "instance.h"

#include "actor.h"
#include "evaluate.h"
#include "group.h"
#include "services.h"
#include "snapshot.h"
#include "txn.h"

struct prov_write {
	struct prov_instance *pi;
	Operation *op;
	SlapReply *rs;
	const char *what;           /* of the record: add, modify ... */
	struct berval dn;           /* of the entry that the record is about */
	struct prov_txn *txn, own;  /* a follow batch shares one transaction */
	struct prov_snapshot *snap; /* taken inside the transaction */
	const struct prov_policy *policy;
	struct prov_arena arena;
	struct prov_stamp stamp;
	struct prov_error err;
	struct prov_service_ctx service_ctx;
	/* the account, as it was and as the client wants it */
	Entry *before, *after; /* entry_dup: ours */
	bool was, is;          /* an account? */
	struct prov_entry pbefore, pafter;
	struct prov_plan plan;
	bool evaluated, planned;
	bool uid_shared;               /* evaluated: another account has this one's old uid, too */
	struct berval new_dn, new_ndn; /* of a rename; in the arena */
	/* what the record tells besides */
	struct prov_member *member_change;
	size_t nmember_change;
	const char **attr;
	size_t nattr;
	bool oom; /* something of it could not be kept: prov_write_finish() refuses */
	/* to do once it is committed */
	struct berval *cut; /* normalized DNs whose connections end; in the arena */
	size_t ncut;
	bool states_changed;
	bool leaver;                 /* counts for the breaker */
	struct prov_snapshot *fresh; /* a policy write: in force since before the commit */
	struct prov_snapshot *replaced;
	const struct prov_connector *only; /* the events are for this one alone; NULL: as routed */
};

void prov_write_open(struct prov_write *w, struct prov_instance *pi, Operation *op, SlapReply *rs,
	const char *what);
void prov_write_close(struct prov_write *w);

/* Begin the transaction and take the policy. Nonzero: refused and answered. */
int prov_write_begin(struct prov_write *w);

/* Convert what is there of before/after and evaluate. LDAP result code; text in w->err. */
int prov_write_evaluate(struct prov_write *w, enum prov_op op);

/* Modifications for the account itself: plan, memberOf, audit attributes. */
int prov_write_account_mods(struct prov_write *w, Modifications **list);

/* The plan's changes on groups. dn: of the account after the write. */
int prov_write_members(struct prov_write *w, struct berval dn, struct berval ndn);

/* Abort and tell the client: rc and w->err, or the backend's own answer when rc < 0. */
int prov_write_refuse(struct prov_write *w, int rc);

/* Capture, commit, answer, publish, cut. For a no-op: abort and answer. */
int prov_write_finish(struct prov_write *w, Entry *entry);

/* May this identity cause one more leaver? LDAP_SUCCESS, or a refusal with w->err. */
int prov_write_breaker(struct prov_write *w);

/* Who may not write is refused by the backend, in its own words, before any policy shows. */
int prov_write_no_access(struct prov_write *w);

/* Of a modrdn, when w->before is there: fill w->new_dn and w->new_ndn. */
int prov_write_new_dn(struct prov_write *w);

/* The account's DN or uid changes: its memberships follow, but those that the plan takes away. */
int prov_write_follow_names(struct prov_write *w, const struct prov_membership *m, size_t n,
	struct berval new_dn, struct berval old_uid, struct berval new_uid);

/* After an evaluation: remember a change of state, cut whom it locks out, ask the breaker. */
int prov_write_note_state(struct prov_write *w);
/* Is the client the rootdn, or has manage access to the entry? Plan, adopt and override ask. */
bool prov_write_may_manage(struct prov_write *w);

/* After the commit, end the connections of this account. */
int prov_write_cut(struct prov_write *w, struct berval ndn);

/* Remember a changed attribute's name for the record (once each). */
void prov_write_note_mods(struct prov_write *w, Modifications *mods);
int prov_write_note_member(struct prov_write *w, struct berval dn, bool add);

#endif
