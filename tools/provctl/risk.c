/* risk.c - see risk.h. */
#include "risk.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "fold.h"
#include "strmap.h"

struct member {
	size_t entry, finding;
	unsigned weight;
};

static int member_order(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->entry != y->entry)
		return x->entry < y->entry ? -1 : 1;
	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return x->finding < y->finding ? -1 : x->finding > y->finding;
}

static int entry_order(const void *a, const void *b)
{
	const struct risk_entry *x = a, *y = b;

	if (x->risk != y->risk)
		return x->risk > y->risk ? -1 : 1;
	return strcmp(x->dn, y->dn);
}

enum finding_severity risk_band(unsigned tenths)
{
	return tenths >= 900    ? FINDING_CRITICAL
		: tenths >= 500 ? FINDING_HIGH
		: tenths >= 200 ? FINDING_MEDIUM
				: FINDING_LOW;
}

unsigned risk_share(const struct risk *r, uint64_t tenths)
{
	uint64_t share = tenths * 100 / (r->accounts ? r->accounts : 1);

	return share > 100 * RISK_MOST ? 100 * RISK_MOST : (unsigned)share;
}

/* Which findings are about the same entry. */
static int group(const struct findings *list, const bool *counts, struct member *m, size_t *n)
{
	struct prov_strmap *dns = NULL;
	int rc = prov_strmap_new(&dns);

	*n = 0;
	for (size_t i = 0; !rc && i < list->n; i++) {
		const struct finding *f = &list->item[i];
		if (counts && !counts[i])
			continue;
		char *dn = prov_fold_dn(f->dn, strlen(f->dn));
		m[*n].finding = i;
		m[*n].weight = finding_about(f->check)->weight;
		rc = dn ? prov_strmap_add(dns, dn, &m[*n].entry, NULL) : PROV_ENOMEM;
		free(dn);
		(*n)++;
	}
	prov_strmap_free(&dns);
	return rc;
}

static void add_up(struct risk *r, const struct findings *list, const struct member *m, size_t n)
{
	struct risk_entry *e = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct finding *f = &list->item[m[i].finding];
		bool heaviest = !i || m[i].entry != m[i - 1].entry;
		unsigned points = heaviest ? 10 * m[i].weight : m[i].weight;
		if (heaviest) {
			e = &r->entry[r->n++];
			*e = (struct risk_entry){ f->dn, f->uid, 0, i, 0 };
		}
		if (points > RISK_MOST - e->risk)
			points = RISK_MOST - e->risk;
		e->risk += points;
		e->n++;
		r->part[i] = (struct risk_part){ m[i].finding, points };
		r->by_check[f->check] += points;
		r->total += points;
	}
	r->nparts = n;
}

int risk_make(const struct findings *list, const bool *counts, struct risk *out)
{
	struct member *m = calloc(list->n + 1, sizeof(*m));
	size_t n = 0;
	int rc;

	memset(out, 0, sizeof(*out));
	out->accounts = list->accounts;
	out->entry = calloc(list->n + 1, sizeof(*out->entry));
	out->part = calloc(list->n + 1, sizeof(*out->part));
	rc = m && out->entry && out->part ? group(list, counts, m, &n) : PROV_ENOMEM;
	if (!rc) {
		qsort(m, n, sizeof(*m), member_order);
		add_up(out, list, m, n);
		qsort(out->entry, out->n, sizeof(*out->entry), entry_order);
		for (size_t i = 0; i < out->n; i++)
			out->band[risk_band(out->entry[i].risk)]++;
	} else {
		risk_dispose(out);
	}
	free(m);
	return rc;
}

void risk_dispose(struct risk *r)
{
	free(r->entry);
	free(r->part);
	memset(r, 0, sizeof(*r));
}
