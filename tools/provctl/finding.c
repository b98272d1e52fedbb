/* finding.c - see finding.h. */
#include "finding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "error.h"
#include "fold.h"
#include "grow.h"
#include "sha256.h"

static const struct finding_about about[FINDING_CHECKS] = {
	[FINDING_LEAVER_ACTIVE] = { "LEAVER_ACTIVE", FINDING_CRITICAL, 100,
		"the source says left, and the account works" },
	[FINDING_EXPIRED_ACTIVE] = { "EXPIRED_ACTIVE", FINDING_CRITICAL, 90,
		"past its end, and it works" },
	[FINDING_UNDELIVERED] = { "UNDELIVERED", FINDING_CRITICAL, 90,
		"a leaver of whom a connected system was not told" },
	[FINDING_LEAVER_LEFTOVER] = { "LEAVER_LEFTOVER", FINDING_HIGH, 60,
		"a leaver with a membership, role or grant left" },
	[FINDING_ORPHAN_SOURCE] = { "ORPHAN_SOURCE", FINDING_HIGH, 60,
		"an account that the authoritative source does not have" },
	[FINDING_ORPHAN_TARGET] = { "ORPHAN_TARGET", FINDING_HIGH, 60,
		"an account in a connected system that nobody here owns" },
	[FINDING_OWNERLESS] = { "OWNERLESS", FINDING_HIGH, 50,
		"a service, shared or admin account without a live owner" },
	[FINDING_SOD_VIOLATION] = { "SOD_VIOLATION", FINDING_HIGH, 60,
		"roles held together that must not be" },
	[FINDING_DISPUTED] = { "DISPUTED", FINDING_MEDIUM, 30,
		"more than one account may belong to a record" },
	[FINDING_ID_COLLISION] = { "ID_COLLISION", FINDING_HIGH, 50,
		"a number or an address that two accounts have" },
	[FINDING_UNEXPLAINED] = { "UNEXPLAINED", FINDING_MEDIUM, 30, "access that no role gives" },
	[FINDING_MISSING_GRANT] = { "MISSING_GRANT", FINDING_MEDIUM, 20,
		"what a role gives is not there" },
	[FINDING_DUPLICATE] = { "DUPLICATE", FINDING_MEDIUM, 30, "the same person twice" },
	[FINDING_DORMANT] = { "DORMANT", FINDING_MEDIUM, 20, "not used for too long" },
	[FINDING_NEVER_USED] = { "NEVER_USED", FINDING_LOW, 10, "never used" },
	[FINDING_STALE_SUSPENDED] = { "STALE_SUSPENDED", FINDING_LOW, 10,
		"suspended for too long" },
	[FINDING_MISSING_ACCOUNT] = { "MISSING_ACCOUNT", FINDING_MEDIUM, 5,
		"the source has a person who has no account" },
	[FINDING_DANGLING_MEMBER] = { "DANGLING_MEMBER", FINDING_LOW, 5,
		"a group's member that does not exist" },
	[FINDING_DANGLING_REFERENCE] = { "DANGLING_REFERENCE", FINDING_LOW, 5,
		"a manager, owner or role that does not exist" },
	[FINDING_INCOMPLETE] = { "INCOMPLETE", FINDING_LOW, 5, "lacks what the source must fill" },
};

static const char *const severity[] = { "low", "medium", "high", "critical" };

const struct finding_about *finding_about(enum finding_check check)
{
	return &about[check];
}

const char *finding_severity_name(enum finding_severity s)
{
	return severity[s];
}

enum finding_check finding_check_parse(const char *id)
{
	for (int i = 0; i < FINDING_CHECKS; i++)
		if (strcasecmp(about[i].id, id) == 0)
			return (enum finding_check)i;
	return FINDING_CHECKS;
}

int finding_severity_parse(const char *name)
{
	for (int i = FINDING_LOW; i <= FINDING_CRITICAL; i++)
		if (strcasecmp(severity[i], name) == 0)
			return i;
	return -1;
}

static int copy(const char *from, char **to)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? PROV_ENOMEM : 0;
}

static void clear(struct finding *f)
{
	free(f->dn);
	free(f->uid);
	free(f->related);
	free(f->text);
	free(f->fix);
	free(f->ldif);
}

int findings_add(struct findings *list, const struct finding *f)
{
	if (prov_grow(&list->item, list->n, &list->room, sizeof(*list->item)))
		return PROV_ENOMEM;
	struct finding *to = &list->item[list->n];
	memset(to, 0, sizeof(*to));
	to->check = f->check;
	to->since = f->since;
	if (copy(f->dn, &to->dn) || copy(f->uid, &to->uid) || copy(f->related, &to->related) ||
		copy(f->text, &to->text) || copy(f->fix, &to->fix) || copy(f->ldif, &to->ldif)) {
		clear(to);
		return PROV_ENOMEM;
	}
	list->n++;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;
	int d = (int)about[y->check].severity - (int)about[x->check].severity;

	if (d == 0)
		d = (int)x->check - (int)y->check;
	if (d == 0)
		d = strcmp(x->dn, y->dn);
	return d ? d : strcmp(x->related ? x->related : "", y->related ? y->related : "");
}

void findings_sort(struct findings *list)
{
	if (list->n)
		qsort(list->item, list->n, sizeof(*list->item), compare);
}

void findings_dispose(struct findings *list)
{
	for (size_t i = 0; i < list->n; i++)
		clear(&list->item[i]);
	free(list->item);
	memset(list, 0, sizeof(*list));
}

void finding_key(const struct finding *f, char out[33])
{
	unsigned char hash[PROV_SHA256_BYTES];
	char *dn = prov_fold_dn(f->dn, strlen(f->dn)), *text = NULL;
	const char *related = f->related ? f->related : "";
	int n = asprintf(&text, "%s\n%s\n%s", about[f->check].id, dn ? dn : f->dn, related);

	prov_sha256(n > 0 ? text : f->dn, n > 0 ? (size_t)n : strlen(f->dn), hash);
	for (int i = 0; i < 16; i++)
		snprintf(out + 2 * i, 3, "%02x", hash[i]);
	if (n >= 0)
		free(text);
	free(dn);
}
