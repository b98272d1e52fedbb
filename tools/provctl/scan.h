/*
 * scan.h - one scan: what is kept of each account while the directory goes by, and what is
 * suspicious about it.
 *
 * Every entry is read once: policy, accounts, groups, in pages. An account is judged by
 * itself as it passes (scan_judge.c), and what takes two entries is found by joining what was kept
 * (scan_refs.c, scan_pairs.c, scan_groups.c, scan_source.c). That is no finding yet, because
 * writes go on while the scan reads: each suspect is asked for again (scan_settle.c and the others),
 * between two looks at the first entry that see it unchanged. One that does not hold still is left
 * to the next scan.
 *
 * Kept: 20 bytes for each account, its hash and its RDN (scan_mem.c), 8 for each group it is granted, 40 for each
 * record of the source; findings cost what their texts take. One thread.
 */
#ifndef PROV_CTL_SCAN_H
#define PROV_CTL_SCAN_H

#include "ctl.h"
#include "finding.h"
#include "hashindex.h"
#include "recsrc.h"
#include "scan_options.h"
#include "strmap.h"

#define SCAN_NONE UINT32_MAX

/* -- entries as they come (scan_entry.c) ---------------------------------------------------- */

enum scan_attr {
	SCAN_A_UID,
	SCAN_A_CN,
	SCAN_A_SN,
	SCAN_A_GIVENNAME,
	SCAN_A_MAIL,
	SCAN_A_EMPLOYEE,
	SCAN_A_BIRTH,
	SCAN_A_STATE,
	SCAN_A_TYPE,
	SCAN_A_SINCE,
	SCAN_A_START,
	SCAN_A_END,
	SCAN_A_ASSIGNED,
	SCAN_A_TIMED,
	SCAN_A_EFFECTIVE,
	SCAN_A_GRANT,
	SCAN_A_UIDNUMBER,
	SCAN_A_MANAGER,
	SCAN_A_OWNER,
	SCAN_A_SEEALSO,
	SCAN_A_SOURCE,
	SCAN_A_SOURCEKEY,
	SCAN_A_CREATED,
	SCAN_A_SUCCESS,
	SCAN_A_AUTHTIME,
	SCAN_A_LOCKED,
	SCAN_A_CSN,
	SCAN_A_FIXED, /* then what options and templates name */
	SCAN_ATTRS = 96
};

struct scan_attrs {
	size_t n;
	const char *name[SCAN_ATTRS + 1]; /* NULL-terminated: what is asked for */
	uint8_t guess[SCAN_ATTRS];        /* which one came at this place of the last entry */
};
/* The attribute's number, added when it is new; SCAN_ATTRS: no room. The name is borrowed. */
size_t scan_attr_add(struct scan_attrs *a, const char *name);

/* Points into the message it came from. */
struct scan_entry {
	struct berval dn;
	size_t n;                  /* of val that are in use */
	BerVarray val[SCAN_ATTRS]; /* NULL: none; ends with bv_val NULL */
};
int scan_entry_decode(struct scan_attrs *a, LDAP *ld, LDAPMessage *m, struct scan_entry *e,
	struct prov_error *err);
void scan_entry_dispose(struct scan_entry *e);
/* First value, or NULL. */
const struct berval *scan_first(const struct scan_entry *e, size_t attr);
bool scan_is(const struct scan_entry *e, size_t attr, const char *text);
/* A time, in seconds; 0 when there is none or it does not parse. */
int64_t scan_time(const struct scan_entry *e, size_t attr);
/* The DN in a provTimedRole: from, until, DN. */
const char *scan_timed_role(const char *value);
bool scan_same_csn(const struct scan_entry *a, const struct scan_entry *b);

/* -- accounts (scan_mem.c) ------------------------------------------------------------------ */

enum scan_flag {
	SCAN_F_LEAVER = 1 << 0,   /* terminated or archived */
	SCAN_F_MACHINE = 1 << 1,  /* service, shared or admin: no source knows it */
	SCAN_F_KEYED = 1 << 2,    /* has the source's key */
	SCAN_F_RULED = 1 << 3,    /* correlated by a rule, not by key */
	SCAN_F_DISPUTED = 1 << 4, /* a rule finds several */
	SCAN_F_GLASS = 1 << 5,    /* break-glass */
};

struct scan_account {
	uint32_t dn;      /* in the texts: number of the parent, then the RDN */
	uint32_t grants;  /* first of its ngrant numbers in scan.grant */
	uint32_t suspect; /* a bit for each enum finding_check */
	uint32_t record;  /* of the source, or SCAN_NONE */
	uint16_t ngrant;
	uint16_t flag;
};

/* Values by which two accounts may be the same: 36 bits of hash, 28 of the account's number. */
enum scan_id {
	SCAN_ID_UID,
	SCAN_ID_MAIL,
	SCAN_ID_UIDNUMBER,
	SCAN_ID_KEY,       /* the source's key */
	SCAN_ID_SOURCEKEY, /* provSource and provSourceKey */
	SCAN_ID_BIRTH,     /* name and birth date */
	SCAN_ID_EMPLOYEE,  /* name and employee number */
	SCAN_ID_GID,       /* of groups, not of accounts */
	SCAN_ID_TARGET,    /* and three more */
	SCAN_IDS = SCAN_ID_TARGET + 4
};
struct scan_ids {
	size_t n, room;
	uint64_t *item;
};

/* A reference whose target was not known yet. */
struct scan_ref {
	uint64_t target;
	uint32_t holder; /* an account, or a text when it is in scan.others */
};
struct scan_refs {
	size_t n, room;
	struct scan_ref *item;
};

struct scan_record {
	uint32_t key; /* text */
	uint32_t account;
	bool left, disputed;
};

#define SCAN_SEEN 0x80000000u /* in scan.grant: the group has the member */

struct scan_suspect {            /* of a group */
	uint32_t group, account; /* account: SCAN_NONE when it is none */
	uint32_t value;          /* text: the member as written */
	uint8_t check, attr;     /* attr: in scan_member_attr */
};

struct scan {
	struct ctl *ctl;
	const struct scan_options *opt;
	struct findings *found;
	uint32_t checks; /* a bit for each enum finding_check */
	int64_t now;
	struct scan_attrs attrs, group_attrs;

	char *text; /* DNs, keys and members that are needed again; 0 is no text */
	size_t ntext, textroom;
	struct prov_strmap *parents;

	struct prov_hashindex dns; /* folded DNs of accounts */
	size_t room;
	struct scan_account *account;
	uint32_t *grant; /* numbers in `granted` */
	size_t ngrant, grantroom;
	struct prov_hashindex granted; /* groups that grants name */
	uint32_t *granted_dn;          /* texts */
	size_t grantedroom;
	struct scan_ids ids[SCAN_IDS];
	struct scan_refs refs, owners, others;

	size_t nsod, nsodroom;
	struct scan_rule_sod *sod;      /* rules of segregation of duties (scan_sod.c) */
	struct prov_hashindex sod_role; /* roles that they name */
	size_t sod_room;
	const struct berval **sod_mark; /* which the account at hand has */

	struct prov_hashindex roles, alive; /* alive: entries that were asked for and are there */
	struct prov_hashindex glass;
	struct prov_hashindex groups;
	uint32_t *group_dn;
	size_t grouproom;
	struct scan_suspect *member; /* in the order of the groups */
	size_t nmember, memberroom;

	struct prov_recsrc source; /* place NULL: none */
	size_t source_attr;
	struct prov_hashindex keys; /* folded keys: numbers of the records */
	struct scan_record *record;
	size_t recordroom;
	size_t nrule;
	struct scan_rule *rule;
	uint32_t *keyless; /* accounts that only a rule can correlate */
	size_t nkeyless, keylessroom;

	struct prov_recsrc logins;
	size_t login_attr;
	struct prov_hashindex login;
	int64_t *login_time;
	size_t loginroom;
	bool uses; /* somebody's last use is known, so that others' not being known means something */

	size_t ntarget;
	struct prov_recsrc *target;
	size_t target_attr[4];
	size_t nrequire;
	size_t *require; /* attributes */
	/* values of accounts that came while the scan was reading: of each target's attribute, and last
	 * of the source's key */
	struct prov_hashindex late[SCAN_IDS - SCAN_ID_TARGET + 1];

	size_t nvalue, valueroom; /* to be settled with the batch at hand */
	struct scan_value {
		const struct scan_entry *e;
		const struct berval *grant;
	} * value;

	int64_t progress_at; /* ms; negative: nobody looks */
};

bool scan_wants(const struct scan *s, enum finding_check check);
static inline int scan_nomem(struct prov_error *err) /* PROV_ENOMEM */
{
	prov_error_set(err, PROV_ENOMEM, "no memory");
	return PROV_ENOMEM;
}
void scan_progress(struct scan *s, const char *what, size_t n);

/* Texts; SCAN_NONE: no memory. */
uint32_t scan_text(struct scan *s, const char *text, size_t len);
/* The account of this DN, a new one when fresh. */
int scan_account_add(struct scan *s, const struct berval *dn, uint32_t *number, int *fresh);
/* Its DN as the server wrote it; malloc'ed or NULL. */
char *scan_account_dn(const struct scan *s, uint32_t number);
size_t scan_accounts(const struct scan *s);
int scan_id_add(struct scan *s, enum scan_id kind, uint64_t hash, uint32_t holder);
void scan_id_sort(struct scan *s, enum scan_id kind);
/* A holder whose value has this hash (36 bits of it), or SCAN_NONE. Sorted only. */
uint32_t scan_id_find(const struct scan *s, enum scan_id kind, uint64_t hash);
uint32_t scan_id_holder(uint64_t item);
uint64_t scan_id_hash(uint64_t item);
int scan_ref_add(struct scan_refs *r, uint64_t target, uint32_t holder);
void scan_dispose(struct scan *s);

/* -- findings (scan_say.c) ------------------------------------------------------------------- */

struct scan_say {
	enum finding_check check;
	const char *dn, *uid, *related, *fix;
	int64_t since;
	char *ldif; /* taken */
};
/* text is printf style. PROV_ENOMEM. */
int scan_say(struct scan *s, const struct scan_say *f, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* "", or " since 2026-11-24": of a text that says what is wrong. */
const char *scan_since(int64_t since, char out[24]);
/* "replace: provState / provState: STATE"; malloc'ed. */
char *scan_ldif_state(const char *dn, const char *state);

/* -- asking again (scan_ask.c) --------------------------------------------------------------- */

struct scan_ask {
	const char *base, *filter; /* filter NULL: any */
	const char *const *attrs;
	const char *compare; /* not a search: has the entry this value of this attribute? */
	struct prov_val value;
	LDAPMessage *m; /* answer; scan_asked_free() */
	int scope;
	int id, code; /* of the message, of the answer */
};
/* For this entry, whatever it is. */
static inline struct scan_ask scan_ask_entry(const char *dn, const char *const *attrs)
{
	return (struct scan_ask){ .base = dn, .scope = LDAP_SCOPE_BASE, .attrs = attrs };
}
#define SCAN_WINDOW 64 /* searches that are under way at a time */
/* At most a window of them; others may be asked before these are taken. */
int scan_ask_send(struct scan *s, struct scan_ask *q, size_t n, struct prov_error *err);
int scan_ask_take(struct scan *s, struct scan_ask *q, size_t n, struct prov_error *err);
/* Both, a window after the other. */
int scan_ask(struct scan *s, struct scan_ask *q, size_t n, struct prov_error *err);
void scan_asked_free(struct scan_ask *q, size_t n);
/* Decode the first entry of an answer. False: there is none. */
bool scan_asked(struct scan *s, const struct scan_ask *q, struct scan_entry *e);

/* -- the steps, in this order ----------------------------------------------------------------- */

int scan_set_up(struct scan *s, struct prov_error *err); /* scan_setup.c: PROV_EINVAL: misuse */
int scan_source_load(struct scan *s, struct prov_error *err); /* PROV_EREFUSED: a guard */
int scan_logins_load(struct scan *s, struct prov_error *err);
int scan_policy(struct scan *s, struct prov_error *err);
int scan_glass(struct scan *s, struct prov_error *err);
int scan_people(struct scan *s, struct prov_error *err);
int scan_source_join(struct scan *s, struct prov_error *err); /* rules; PROV_EREFUSED: a guard */
int scan_groups(struct scan *s, struct prov_error *err);
int scan_refs(struct scan *s, struct prov_error *err);   /* joins, and settles roles' and groups' */
int scan_settle(struct scan *s, struct prov_error *err); /* accounts' own suspicions */
int scan_settle_members(struct scan *s, struct prov_error *err);
int scan_settle_grants(struct scan *s, struct prov_error *err);
int scan_pairs(struct scan *s, struct prov_error *err);
int scan_source_missing(struct scan *s, struct prov_error *err);
int scan_targets(struct scan *s, struct prov_error *err);
int scan_outbox(struct scan *s, struct prov_error *err);

/* Read accounts that were written since shortly before the scan into s->late (scan_late.c). */
int scan_late(struct scan *s, struct prov_error *err);

/* -- between them ------------------------------------------------------------------------------ */

/*
 * scan_judge.c: what is wrong with one account by itself: found at once, or a bit in *later, and
 * found when the account was asked for again.
 */
int scan_judge(struct scan *s, uint32_t number, const struct scan_entry *e, bool again,
	uint32_t *later, struct prov_error *err);
/* scan_keep.c: what is kept of it for the joins. */
int scan_keep(struct scan *s, uint32_t number, const struct scan_entry *e, struct prov_error *err);
/* Hash of the i-th value of this kind; 0: there is none (any more). */
uint64_t scan_id_of(const struct scan *s, const struct scan_entry *e, enum scan_id kind, size_t i);
bool scan_left(const struct scan_entry *e);
bool scan_works(const struct scan_entry *e);
bool scan_machine(const struct scan_entry *e);
/* scan_grants.c: does the account say that this group was given? By which role and since when: unless NULL. */
bool scan_granted(const struct scan_entry *e, uint64_t group, char role[512], int64_t *since);
/* scan_correlate.c */
int scan_rules_parse(struct scan *s, struct prov_error *err);
/* from: where scan_rule_columns() put them. */
int scan_rule_record(struct scan *s, uint32_t record, const struct prov_record *r, size_t from);
int scan_rule_account(struct scan *s, uint32_t account, const struct scan_entry *e);
int scan_rules_join(struct scan *s);
/* The columns that the rules look at, into column[*n] on. */
void scan_rule_columns(const struct scan *s, const char **column, size_t *n);
void scan_rules_dispose(struct scan *s);
/* An account with suspicions that was asked for again. */
struct scan_again {
	uint32_t suspect; /* before */
	bool there;
	struct scan_entry e;
};
/*
 * What takes a look at other entries, for many accounts at once; what they find stays only where
 * the account is the same afterwards. scan_refs.c, scan_owners.c, scan_values.c.
 */
int scan_refs_settle(struct scan *s, const struct scan_again *a, size_t n, struct prov_error *err);
int scan_owners_settle(struct scan *s, const struct scan_again *a, size_t n,
	struct prov_error *err);
/* A value that a grant gives and that is not there, it seems. The grant lives as long as the entry. */
int scan_value_add(struct scan *s, const struct scan_entry *e, const struct berval *grant);
int scan_values_settle(struct scan *s, struct prov_error *err);
/* Is each of these as it was? same[i] says so, asked for where it is true already. */
int scan_unchanged(struct scan *s, const struct scan_entry *const *e, bool *same, size_t n,
	struct prov_error *err);

/* scan_sod.c: a role's conflicts, or a provSodSet; dn: text. */
int scan_sod_note(struct scan *s, uint32_t dn, LDAP *ld, LDAPMessage *m);
/* Finds the rules that the account breaks. */
int scan_sod_judge(struct scan *s, const struct scan_entry *e);
void scan_sod_dispose(struct scan *s);

extern const char *const scan_member_attr[]; /* member, uniqueMember, memberUid, NULL */

/*
 * scan_history.c: how large a source was when it was last found whole. *last: 0 when not known.
 * The file is the option's, else scan.json in the state directory, when that can be written.
 */
int scan_history(struct scan *s, const char *source, size_t *last, struct prov_error *err);
int scan_history_keep(struct scan *s, const char *source, size_t now, struct prov_error *err);

#endif
