/*
 * scan_source.c - the authoritative source: read whole before anything else, refused when it cannot
 * be whole, compared when all accounts are known.
 *
 * Refused: what recsrc.h refuses; an empty or a repeated key; a source that shrank since the
 * last scan; one that lacks too many of the keys that accounts here have. A missing record is not a
 * leaver.
 */
#include <stdlib.h>
#include <string.h>

#include "fold.h"
#include "grow.h"
#include "scan.h"

enum { COLUMNS = 40 };

static bool says_left(const struct scan *s, const struct prov_vals *v)
{
	const char *list = s->source.option[PROV_RECSRC_LEFT];
	for (size_t i = 0; i < v->n; i++) {
		uint64_t have = prov_hash_text(v->val[i].data, v->val[i].len);
		for (const char *one = list; *one;) {
			size_t len = strcspn(one, ",");
			if (prov_hash_text(one, len) == have)
				return true;
			one += len + (one[len] == ',');
		}
	}
	return false;
}

static int see_record(void *ctx, const struct prov_record *r, struct prov_error *err)
{
	struct scan *s = ctx;
	const struct prov_vals *key = &r->col[0];
	bool status = s->source.option[PROV_RECSRC_STATUS] != NULL;
	uint32_t n;
	int fresh = 0;
	char *text = key->n ? prov_fold_text(key->val[0].data, key->val[0].len) : strdup("");
	int rc = 0;
	if (!text)
		return scan_nomem(err);
	if (!*text)
		rc = prov_error_set(err, PROV_EREFUSED, "%s: row %zu: the key is empty",
			s->source.place, r->number);
	if (!rc && prov_hashindex_add(&s->keys, prov_hash(text, strlen(text)), &n, &fresh))
		rc = scan_nomem(err);
	if (!rc && !fresh)
		rc = prov_error_set(err, PROV_EREFUSED, "%s: row %zu: key %s was there already",
			s->source.place, r->number, text);
	free(text);
	if (rc)
		return rc;
	if (prov_grow(&s->record, n, &s->recordroom, sizeof(*s->record)))
		return scan_nomem(err);
	uint32_t at = scan_text(s, key->val[0].data, key->val[0].len);
	s->record[n] =
		(struct scan_record){ at, SCAN_NONE, status && says_left(s, &r->col[1]), false };
	scan_progress(s, "records", n);
	return at == SCAN_NONE || scan_rule_record(s, n, r, status ? 2 : 1) ? scan_nomem(err) : 0;
}

int scan_source_load(struct scan *s, struct prov_error *err)
{
	const char *column[COLUMNS];
	size_t n = 0, last = 0;
	if (!s->source.place)
		return 0;
	column[n++] = prov_recsrc_column(&s->source);
	if (s->source.option[PROV_RECSRC_STATUS])
		column[n++] = s->source.option[PROV_RECSRC_STATUS];
	scan_rule_columns(s, column, &n);
	int rc = prov_recsrc_read(&s->source, column, n, see_record, s, err);
	s->found->records = s->source.seen;
	if (!rc)
		rc = scan_history(s, s->opt->source, &last, err);
	if (!rc && s->keys.n * 100 < last * (100 - (size_t)s->opt->max_shrink))
		rc = prov_error_set(err, PROV_EREFUSED,
			"%s has %zu records, and had %zu in the last scan: it shrank by more than %u%%, "
			"is taken for a broken source and refused (--max-shrink allows more)",
			s->source.place, s->keys.n, last, s->opt->max_shrink);
	return rc;
}

int scan_source_join(struct scan *s, struct prov_error *err)
{
	size_t known = 0, missing = 0;
	if (!s->source.place)
		return 0;
	if (scan_rules_join(s))
		return scan_nomem(err);
	for (size_t i = 0; i < scan_accounts(s); i++) {
		const struct scan_account *a = &s->account[i];
		if (!(a->flag & SCAN_F_KEYED) || a->flag & (SCAN_F_LEAVER | SCAN_F_MACHINE))
			continue;
		known++;
		missing += a->record == SCAN_NONE;
	}
	if (missing * 100 > known * (size_t)s->opt->max_missing)
		return prov_error_set(err, PROV_EREFUSED,
			"%s lacks %zu of the %zu keys that are known here, more than %u%%: taken for "
			"a broken source and refused (--max-missing allows more)",
			s->source.place, missing, known, s->opt->max_missing);
	for (size_t i = 0; i < s->nkeyless; i++)
		if (!(s->account[s->keyless[i]].flag & SCAN_F_RULED))
			s->account[s->keyless[i]].suspect |= 1u << FINDING_ORPHAN_SOURCE;
	return 0;
}

static bool lacks(const struct scan *s, uint32_t i)
{
	const struct scan_record *r = &s->record[i];
	return r->account == SCAN_NONE && !r->left && !r->disputed;
}

static int say_missing(struct scan *s, uint32_t i)
{
	char *name = NULL;
	const char *key = s->text + s->record[i].key;
	if (asprintf(&name, "%s=%s", s->attrs.name[s->source_attr], key) < 0)
		return PROV_ENOMEM;
	struct scan_say f = { .check = FINDING_MISSING_ACCOUNT,
		.dn = name,
		.related = s->source.place,
		.fix = "add the account, or correct the source" };
	int rc = scan_say(s, &f, "%s has %s, and there is no account", s->source.place, key);
	free(name);
	return rc;
}

int scan_source_missing(struct scan *s, struct prov_error *err)
{
	bool any = false;
	int rc = 0;
	if (!s->source.place || !scan_wants(s, FINDING_MISSING_ACCOUNT))
		return 0;
	for (uint32_t i = 0; i < s->keys.n && !any; i++)
		any = lacks(s, i);
	if (any)
		rc = scan_late(s, err);
	for (uint32_t i = 0; !rc && i < s->keys.n; i++)
		if (lacks(s, i) &&
			prov_hashindex_find(&s->late[SCAN_IDS - SCAN_ID_TARGET], s->keys.hash[i]) ==
				SCAN_NONE &&
			say_missing(s, i))
			rc = scan_nomem(err);
	return rc;
}
