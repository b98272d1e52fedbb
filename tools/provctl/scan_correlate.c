/*
 * scan_correlate.c - accounts without the source's key, correlated by rules.
 *
 * A rule is ATTR=COLUMN[,ATTR=COLUMN]: all must be equal, folded. The rules come one after the
 * other; one that finds exactly one account for exactly one record that has none settles both.
 * Anything else is disputed and never guessed.
 */
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "scan.h"

enum { PAIRS = 4, RULES = 8 };

struct scan_rule {
	size_t n;
	size_t attr[PAIRS];
	char *column[PAIRS];
	uint64_t *of_record, *of_account; /* 0: has not all of them */
	size_t recordroom, accountroom;
};

static int parse_pair(struct scan *s, struct scan_rule *r, const char *text, size_t len,
	struct prov_error *err)
{
	const char *eq = memchr(text, '=', len);
	if (!eq || eq == text || eq == text + len - 1 || r->n == PAIRS)
		return prov_error_set(err, PROV_EINVAL,
			"--match wants ATTR=COLUMN, with commas between at most %d", PAIRS);
	char *attr = strndup(text, (size_t)(eq - text));
	r->column[r->n] = strndup(eq + 1, len - (size_t)(eq + 1 - text));
	r->attr[r->n] = attr ? scan_attr_add(&s->attrs, attr) : SCAN_ATTRS;
	free(attr);
	return r->attr[r->n] < SCAN_ATTRS && r->column[r->n++] ? 0 : scan_nomem(err);
}

int scan_rules_parse(struct scan *s, struct prov_error *err)
{
	const struct prov_option_list *list = &s->opt->match;
	int rc = 0;
	if (!list->n)
		return 0;
	if (list->n > RULES)
		return prov_error_set(err, PROV_EINVAL, "at most %d --match", RULES);
	s->rule = calloc(list->n, sizeof(*s->rule));
	if (!s->rule)
		return scan_nomem(err);
	for (; !rc && s->nrule < list->n; s->nrule++) {
		const char *text = list->item[s->nrule];
		do {
			size_t len = strcspn(text, ",");
			rc = parse_pair(s, &s->rule[s->nrule], text, len, err);
			text += len + (text[len] == ',');
		} while (!rc && *text);
	}
	return rc;
}

void scan_rule_columns(const struct scan *s, const char **column, size_t *n)
{
	for (size_t i = 0; i < s->nrule; i++)
		for (size_t k = 0; k < s->rule[i].n; k++)
			column[(*n)++] = s->rule[i].column[k];
}

int scan_rule_record(struct scan *s, uint32_t record, const struct prov_record *rec, size_t from)
{
	for (size_t i = 0; i < s->nrule; i++) {
		struct scan_rule *r = &s->rule[i];
		uint64_t all = 1;
		for (size_t k = 0; k < r->n; k++, from++) {
			const struct prov_vals *v = &rec->col[from];
			uint64_t h = v->n ? prov_hash_text(v->val[0].data, v->val[0].len) : 0;
			all = all && h ? prov_hash_join(all, h) : 0;
		}
		if (prov_grow(&r->of_record, record, &r->recordroom, sizeof(*r->of_record)))
			return PROV_ENOMEM;
		r->of_record[record] = all;
	}
	return 0;
}

int scan_rule_account(struct scan *s, uint32_t account, const struct scan_entry *e)
{
	size_t at = s->nkeyless;
	if (prov_grow(&s->keyless, at, &s->keylessroom, sizeof(*s->keyless)))
		return PROV_ENOMEM;
	s->keyless[at] = account;
	for (size_t i = 0; i < s->nrule; i++) {
		struct scan_rule *r = &s->rule[i];
		uint64_t all = 1;
		for (size_t k = 0; k < r->n; k++) {
			const struct berval *v = scan_first(e, r->attr[k]);
			uint64_t h = v ? prov_hash_text(v->bv_val, v->bv_len) : 0;
			all = all && h ? prov_hash_join(all, h) : 0;
		}
		if (prov_grow(&r->of_account, at, &r->accountroom, sizeof(*r->of_account)))
			return PROV_ENOMEM;
		r->of_account[at] = all;
	}
	s->nkeyless++;
	return 0;
}

struct side {
	uint64_t hash;
	uint32_t who;
	bool record;
};

static int by_hash(const void *a, const void *b)
{
	const struct side *x = a, *y = b;
	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return (int)y->record - (int)x->record; /* records first */
}

/* All sides of one hash: one record and one account that are both free, or a dispute. */
static void join_run(struct scan *s, const struct side *run, size_t n)
{
	size_t records = 0;
	while (records < n && run[records].record)
		records++;
	if (!records || records == n)
		return;
	bool clear = records == 1 && n == 2 && s->record[run[0].who].account == SCAN_NONE &&
		!s->record[run[0].who].disputed;
	for (size_t i = 0; i < records && !clear; i++)
		s->record[run[i].who].disputed = true;
	for (size_t i = records; i < n; i++) {
		struct scan_account *a = &s->account[run[i].who];
		a->record = run[0].who;
		a->flag |= SCAN_F_RULED | (clear ? 0 : SCAN_F_DISPUTED);
		if (!clear)
			a->suspect |= 1u << FINDING_DISPUTED;
		else if (s->record[run[0].who].left)
			a->suspect |= 1u << FINDING_LEAVER_ACTIVE;
	}
	if (clear)
		s->record[run[0].who].account = run[1].who;
}

/* Of the records, which are many, those only that an account may be. */
static int join_rule(struct scan *s, const struct scan_rule *r)
{
	size_t n = 0, room = s->nkeyless, end;
	struct side *side = calloc(room, sizeof(*side));
	if (!side)
		return PROV_ENOMEM;
	for (size_t i = 0; i < s->nkeyless; i++)
		if (r->of_account[i] && !(s->account[s->keyless[i]].flag & SCAN_F_RULED))
			side[n++] = (struct side){ r->of_account[i], s->keyless[i], false };
	qsort(side, n, sizeof(*side), by_hash);
	size_t accounts = n;
	for (uint32_t i = 0; i < s->keys.n; i++) {
		const struct side like = { .hash = r->of_record[i] };
		if (!like.hash || !bsearch(&like, side, accounts, sizeof(*side), by_hash))
			continue;
		if (prov_grow(&side, n, &room, sizeof(*side))) {
			free(side);
			return PROV_ENOMEM;
		}
		side[n++] = (struct side){ r->of_record[i], i, true };
	}
	qsort(side, n, sizeof(*side), by_hash);
	for (size_t at = 0; at < n; at = end) {
		for (end = at + 1; end < n && side[end].hash == side[at].hash; end++)
			;
		join_run(s, side + at, end - at);
	}
	free(side);
	return 0;
}

int scan_rules_join(struct scan *s)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < s->nrule && s->nkeyless; i++)
		rc = join_rule(s, &s->rule[i]);
	return rc;
}

void scan_rules_dispose(struct scan *s)
{
	for (size_t i = 0; s->rule && i < s->opt->match.n; i++) {
		for (size_t k = 0; k < s->rule[i].n; k++)
			free(s->rule[i].column[k]);
		free(s->rule[i].of_record);
		free(s->rule[i].of_account);
	}
	free(s->rule);
	s->rule = NULL;
}
