/*
 * finding.h - what a scan finds: the checks there are, and a list of findings.
 *
 * The checks fill the list (scan_*.c), the outputs read it (findings_*.c); neither knows the
 * other. Owns copies of all texts. Not thread-safe.
 */
#ifndef PROV_CTL_FINDING_H
#define PROV_CTL_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum finding_check {
	FINDING_ORPHAN_SOURCE,   /* account without a record in the authoritative source */
	FINDING_LEAVER_ACTIVE,   /* the source says left, the account works */
	FINDING_MISSING_ACCOUNT, /* the source says here, there is no account */
	FINDING_DISPUTED,        /* more than one account may be the record's */
	FINDING_LEAVER_LEFTOVER, /* a leaver with a membership, role or grant left */
	FINDING_OWNERLESS,       /* service, shared or admin account without a live owner */
	FINDING_DORMANT,         /* no successful bind for too long */
	FINDING_NEVER_USED,
	FINDING_DANGLING_MEMBER,    /* a group's member that does not exist */
	FINDING_DANGLING_REFERENCE, /* manager, owner, seeAlso, a role */
	FINDING_UNEXPLAINED,        /* access that no role gives */
	FINDING_MISSING_GRANT,      /* a role gives it, and it is not there */
	FINDING_DUPLICATE,          /* the same person twice */
	FINDING_STALE_SUSPENDED,
	FINDING_EXPIRED_ACTIVE, /* past its end, and works */
	FINDING_UNDELIVERED,    /* a leaver whose events are parked or too old */
	FINDING_ID_COLLISION,   /* uidNumber, gidNumber, mail */
	FINDING_INCOMPLETE,     /* lacks what the source must fill */
	FINDING_ORPHAN_TARGET,  /* in a connected system, owned by nobody here */
	FINDING_SOD_VIOLATION,  /* roles held together that must not be */
	FINDING_CHECKS
};

enum finding_severity { FINDING_LOW, FINDING_MEDIUM, FINDING_HIGH, FINDING_CRITICAL };

struct finding_about {
	const char *id; /* "ORPHAN_SOURCE" */
	enum finding_severity severity;
	unsigned weight;  /* of one finding in the risk figure, 1 to 100 */
	const char *what; /* a line for people */
};
const struct finding_about *finding_about(enum finding_check check);
const char *finding_severity_name(enum finding_severity s);
/* By name, any case; FINDING_CHECKS, -1: unknown. */
enum finding_check finding_check_parse(const char *id);
int finding_severity_parse(const char *name);

struct finding {
	enum finding_check check;
	char *dn;      /* what it is about, as the server (or the target) writes it; never NULL */
	char *uid;     /* short name for people, or NULL */
	char *related; /* the group, member, record or account it is about besides, or NULL */
	char *text;    /* what is wrong, a line */
	int64_t since; /* seconds since the epoch; 0: not known */
	char *fix;     /* what to do, a line */
	char *ldif; /* change records for ldapmodify, the most careful way; NULL: a person must decide */
};

struct findings {
	size_t n, room;
	struct finding *item;
	size_t accounts, groups, records; /* looked at */
	uint32_t ran;                     /* a bit for each check that ran; 0: all */
};

/* Copies everything. PROV_ENOMEM. */
int findings_add(struct findings *list, const struct finding *f);
/* By severity (worst first), check, DN. */
void findings_sort(struct findings *list);
void findings_dispose(struct findings *list);

/* Stable over scans: a hash (32 hexadecimal digits) over check, folded DN and related. */
void finding_key(const struct finding *f, char out[33]);

#endif
