/* findings_report.c - see findings_report.h: what counts, what is new, what is remembered. */
#include "findings_report.h"

#include <stdlib.h>
#include <string.h>

bool report_counts(const struct report *r, size_t i)
{
	return r->item[i].listed && !r->item[i].exempt;
}

bool report_ran(const struct report *r, enum finding_check check)
{
	return !r->found->ran || r->found->ran >> check & 1;
}

int report_worst(const struct report *r)
{
	for (int s = FINDING_CRITICAL; s >= FINDING_LOW; s--)
		if (r->severity[s])
			return s;
	return -1;
}

/* Was it there, and did it count? */
static void look_back(const struct report_ask *ask, struct report_item *it)
{
	const struct history_row *was = ask->history ? history_find(ask->history, it->key) : NULL;

	it->listed = true;
	if (!ask->history)
		return;
	it->first = was ? was->first : ask->at;
	it->fresh = !was || was->exempt;
	it->sent = was && was->sent;
	if (ask->only_fresh && !it->fresh)
		it->listed = false;
	if (ask->since && it->first < ask->since)
		it->listed = false;
}

static void count(struct report *r, size_t i)
{
	const struct finding *f = &r->found->item[i];
	const struct report_item *it = &r->item[i];

	if (!it->exempt) {
		r->standing[f->check]++;
		r->fresh += it->fresh;
	}
	if (!it->listed) {
		r->older++;
	} else if (it->exempt) {
		r->exempt++;
	} else {
		r->n++;
		r->check[f->check]++;
		r->severity[finding_about(f->check)->severity]++;
		r->expired += it->expired != NULL;
		r->remedy += f->ldif != NULL;
	}
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* In the last scan and counted there, of a check that ran, and not found now. */
static int count_gone(struct report *r)
{
	const struct history *h = r->ask.history;
	char(*key)[33] = h && h->n ? calloc(r->found->n + 1, sizeof(*key)) : NULL;

	if (!h || !h->n)
		return 0;
	if (!key)
		return PROV_ENOMEM;
	for (size_t i = 0; i < r->found->n; i++)
		memcpy(key[i], r->item[i].key, sizeof(*key));
	qsort(key, r->found->n, sizeof(*key), compare_keys);
	for (size_t i = 0; i < h->n; i++)
		r->gone += !h->row[i].exempt &&
			report_ran(r, (enum finding_check)h->row[i].check) &&
			!bsearch(h->row[i].key, key, r->found->n, sizeof(*key), compare_keys);
	free(key);
	return 0;
}

static int make_risk(struct report *r)
{
	bool *counts = calloc(r->found->n + 1, sizeof(*counts));

	if (!counts)
		return PROV_ENOMEM;
	for (size_t i = 0; i < r->found->n; i++)
		counts[i] = !r->item[i].exempt;
	int rc = risk_make(r->found, counts, &r->risk);
	free(counts);
	for (size_t i = 0; !rc && i < r->risk.n; i++) {
		const struct risk_entry *e = &r->risk.entry[i];
		for (size_t k = e->first; k < e->first + e->n; k++)
			r->item[r->risk.part[k].finding].risk = e->risk;
	}
	return rc;
}

int report_make(const struct findings *found, const struct report_ask *ask, struct report *out)
{
	int rc = 0;

	*out = (struct report){ .ask = *ask, .found = found };
	out->item = calloc(found->n + 1, sizeof(*out->item));
	if (!out->item)
		return PROV_ENOMEM;
	for (size_t i = 0; !rc && i < found->n; i++) {
		struct report_item *it = &out->item[i];
		finding_key(&found->item[i], it->key);
		look_back(ask, it);
		if (ask->exemptions)
			rc = exemptions_find(ask->exemptions, &found->item[i], ask->at, &it->exempt,
				&it->expired);
		count(out, i);
	}
	if (!rc)
		rc = count_gone(out);
	if (!rc)
		rc = make_risk(out);
	if (rc)
		report_dispose(out);
	return rc;
}

void report_dispose(struct report *r)
{
	free(r->item);
	risk_dispose(&r->risk);
	memset(r, 0, sizeof(*r));
}

int report_remember(const struct report *r, bool sent, struct history *out)
{
	const struct history *before = r->ask.history;
	int rc = 0;

	*out = (struct history){ .last = r->ask.at };
	for (size_t i = 0; !rc && i < r->found->n; i++) {
		const struct report_item *it = &r->item[i];
		struct history_row row = {
			.check = (unsigned char)r->found->item[i].check,
			.exempt = it->exempt != NULL,
			.sent = it->sent || (sent && !it->exempt),
			.first = it->first ? it->first : r->ask.at,
		};
		memcpy(row.key, it->key, sizeof(row.key));
		rc = history_add(out, &row);
	}
	for (size_t i = 0; !rc && before && i < before->n; i++)
		if (!report_ran(r, (enum finding_check)before->row[i].check))
			rc = history_add(out, &before->row[i]);
	if (rc)
		history_dispose(out);
	return rc;
}
