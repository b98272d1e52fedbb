/* exemptions.c - see exemptions.h: holding and finding them. Reading: exemptions_read.c. */
#include "exemptions.h"

#include <stdlib.h>
#include <string.h>

#include "fold.h"

/* "*" any run, "?" any byte. Goes back to the last star only: no pattern takes long. */
static bool matches(const char *pattern, const char *s)
{
	const char *star = NULL, *from = NULL;

	while (*s) {
		if (*pattern == '*') {
			star = ++pattern;
			from = s;
		} else if (*pattern == '?' || *pattern == *s) {
			pattern++;
			s++;
		} else if (star) {
			pattern = star;
			s = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

static bool is_about(const struct exemption *e, const struct finding *f, const char *related)
{
	return (e->check == FINDING_CHECKS || e->check == f->check) &&
		(!e->related || (related && strcmp(e->related, related) == 0));
}

/* The one that holds longest; of those that are over, the one that was over last. */
static void consider(struct exemption *e, int64_t now, struct exemption **holds,
	struct exemption **expired)
{
	struct exemption **to = e->expires > now ? holds : expired;

	if (!*to || (*to)->expires < e->expires)
		*to = e;
}

int exemptions_find(struct exemptions *x, const struct finding *f, int64_t now,
	const struct exemption **holds, const struct exemption **expired)
{
	struct exemption *in_force = NULL, *over = NULL;
	char *dn = NULL, *text = NULL, *related = NULL;
	int rc = 0;

	*holds = *expired = NULL;
	if (!x->n)
		return 0;
	dn = prov_fold_dn(f->dn, strlen(f->dn));
	text = prov_fold_text(f->dn, strlen(f->dn));
	related = f->related ? prov_fold_dn(f->related, strlen(f->related)) : NULL;
	if (!dn || !text || (f->related && !related))
		rc = PROV_ENOMEM;
	size_t at = rc ? PROV_STRMAP_NONE : prov_strmap_find(x->dns, dn);
	for (size_t i = at == PROV_STRMAP_NONE ? at : x->first[at]; i != PROV_STRMAP_NONE;
		i = x->item[i].next)
		if (is_about(&x->item[i], f, related))
			consider(&x->item[i], now, &in_force, &over);
	for (size_t i = 0; !rc && i < x->npattern; i++) {
		struct exemption *e = &x->item[x->pattern[i]];
		if (is_about(e, f, related) && matches(e->pattern, text))
			consider(e, now, &in_force, &over);
	}
	if (in_force)
		in_force->used++;
	*holds = in_force;
	*expired = in_force ? NULL : over;
	free(dn);
	free(text);
	free(related);
	return rc;
}

bool exemption_idle(const struct exemption *e, uint32_t ran, int64_t now)
{
	bool asked = !ran || e->check == FINDING_CHECKS || ran >> e->check & 1;

	return asked && !e->used && e->expires > now;
}

void exemptions_dispose(struct exemptions *x)
{
	for (size_t i = 0; i < x->n; i++) {
		free(x->item[i].dn);
		free(x->item[i].pattern);
		free(x->item[i].related);
		free(x->item[i].reason);
		free(x->item[i].owner);
	}
	free(x->item);
	free(x->first);
	free(x->pattern);
	prov_strmap_free(&x->dns);
	memset(x, 0, sizeof(*x));
}
