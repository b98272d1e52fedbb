/*
 * scan_settle.c - the accounts' own suspicions asked for again, a window of them at a time.
 *
 * First the accounts, then in one go each: values that seem to be missing, entries that are
 * referred to, owners. The server reads the next window meanwhile.
 */
#include <stdlib.h>

#include "scan.h"

struct batch {
	size_t n;
	uint32_t number[SCAN_WINDOW];
	char *dn[SCAN_WINDOW];
	struct scan_ask q[SCAN_WINDOW];
	struct scan_again again[SCAN_WINDOW];
};

static int batch_send(struct scan *s, struct batch *b, struct prov_error *err)
{
	for (size_t i = 0; i < b->n; i++) {
		b->dn[i] = scan_account_dn(s, b->number[i]);
		if (!b->dn[i])
			return scan_nomem(err);
		b->q[i] = scan_ask_entry(b->dn[i], s->attrs.name);
	}
	return scan_ask_send(s, b->q, b->n, err);
}

static void batch_clear(struct scan *s, struct batch *b)
{
	s->nvalue = 0;
	for (size_t i = 0; i < b->n; i++) {
		scan_entry_dispose(&b->again[i].e);
		free(b->dn[i]);
		b->dn[i] = NULL;
	}
	scan_asked_free(b->q, b->n);
	b->n = 0;
}

static int batch_judge(struct scan *s, struct batch *b, struct prov_error *err)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < b->n; i++) {
		struct scan_again *a = &b->again[i];
		uint32_t now;
		a->suspect = s->account[b->number[i]].suspect;
		a->there = scan_asked(s, &b->q[i], &a->e);
		if (a->there)
			rc = scan_judge(s, b->number[i], &a->e, true, &now, err);
	}
	return rc;
}

static int batch_take(struct scan *s, struct batch *b, struct prov_error *err)
{
	int rc = scan_ask_take(s, b->q, b->n, err);
	if (!rc)
		rc = batch_judge(s, b, err);
	if (!rc)
		rc = scan_values_settle(s, err);
	if (!rc)
		rc = scan_refs_settle(s, b->again, b->n, err);
	if (!rc)
		rc = scan_owners_settle(s, b->again, b->n, err);
	batch_clear(s, b);
	return rc;
}

static int settle_all(struct scan *s, struct batch two[2], struct prov_error *err)
{
	size_t all = scan_accounts(s), now = 0;
	int rc = 0;
	for (uint32_t i = 0; !rc && i < all; i++) {
		struct batch *b = &two[now];
		if (s->account[i].suspect)
			b->number[b->n++] = i;
		if (b->n == SCAN_WINDOW) {
			rc = batch_send(s, b, err);
			now = !now;
			if (!rc)
				rc = batch_take(s, &two[now], err);
		}
		scan_progress(s, "suspects", i);
	}
	if (!rc)
		rc = batch_send(s, &two[now], err);
	for (int k = 0; !rc && k < 2; k++) {
		now = !now;
		rc = batch_take(s, &two[now], err);
	}
	return rc;
}

int scan_settle(struct scan *s, struct prov_error *err)
{
	uint32_t unknown = 1u << FINDING_NEVER_USED;
	size_t all = scan_accounts(s);
	if (!s->uses && all &&
		(scan_wants(s, FINDING_DORMANT) || scan_wants(s, FINDING_NEVER_USED)) &&
		s->opt->check.n)
		ctl_say("no account has pwdLastSuccess or authTimestamp, and there is no --logins: "
			"nobody knows who is used");
	if (!s->uses) {
		s->checks &= ~unknown;
		for (size_t i = 0; i < all; i++)
			s->account[i].suspect &= ~unknown;
	}
	struct batch *two = calloc(2, sizeof(*two));
	if (!two)
		return scan_nomem(err);
	int rc = settle_all(s, two, err);
	batch_clear(s, &two[0]);
	batch_clear(s, &two[1]);
	free(two);
	return rc;
}
