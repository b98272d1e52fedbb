/*
 * scan.h - one scan: what was read of accounts and groups, and what is wrong.
 *
 * Two passes, accounts then groups, joined in memory; never a search per account.
 * Only suspects are asked for again before they become findings, because writes go
 * on while the scan reads. Needs memory for every account's DN and its granted groups.
 */
#ifndef PROV_CTL_SCAN_H
#define PROV_CTL_SCAN_H

#include "csvsrc.h"
#include "ctl.h"
#include "finding.h"
#include "strmap.h"

struct scan_person {
	char *dn;     /* as the server writes it */
	bool leaver;  /* terminated or archived */
	bool machine; /* provType service, shared or admin: no source knows it */
	bool keyed;   /* has the source's key */
	bool in_source;
	size_t ngroup;
	size_t *group; /* groups that a grant explains: numbers in scan.groups */
};

struct scan {
	struct ctl *ctl;
	struct findings *found;
	uint32_t checks;            /* a bit for each enum finding_check */
	struct prov_csvsrc source;  /* keys NULL: no source */
	unsigned max_missing;       /* percent */
	struct prov_strmap *people; /* folded DN to person */
	size_t nperson, room;
	struct scan_person *person;
	struct prov_strmap *uids; /* folded uid to uid_person */
	size_t *uid_person, nuid, uidroom;
	struct prov_strmap *groups; /* folded DNs of groups that grants name */
};

bool scan_wants(const struct scan *s, enum finding_check check);
void scan_dispose(struct scan *s);

/* scan_people.c: the pass over the accounts; also LEAVER_LEFTOVER on the account itself. */
int scan_people(struct scan *s, struct prov_error *err);
/* PROV_EREFUSED: too many known keys are missing. Else adds ORPHAN_SOURCE findings. */
int scan_source(struct scan *s, struct prov_error *err);
/* scan_groups.c: the pass over the groups; DANGLING_MEMBER, UNEXPLAINED, LEAVER_LEFTOVER. */
int scan_groups(struct scan *s, struct prov_error *err);

/* Add a finding; text is printf style. PROV_ENOMEM. */
int scan_add(struct scan *s, enum finding_check check, const char *dn, const char *related,
	const char *fix, const char *fmt, ...) __attribute__((format(printf, 6, 7)));

#endif
