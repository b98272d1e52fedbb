/*
 * review_file.c - the sheet with the reviewer's decisions, as a spreadsheet has saved it.
 *
 * sync_feed.h reads it, with all that it refuses; here is what the cells mean. See review.h.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fold.h"
#include "grow.h"
#include "review.h"

enum { ACCOUNT, ROLE, DECISION, REASON, NCOLUMN };
static const char *const column[NCOLUMN] = { "account", "role", "decision", "reason" };

/* Without blanks around it; guarded: without the apostrophe of csvout.h. malloc'ed. */
static char *cell_text(struct prov_val v, bool guarded)
{
	const char *s = v.data ? v.data : "";
	size_t n = v.len;
	for (; n && strchr(" \t\r\n", s[n - 1]); n--)
		;
	for (; n && strchr(" \t\r\n", *s); s++, n--)
		;
	if (guarded && n && *s == '\'') {
		s++;
		n--;
	}
	return strndup(s, n);
}

static bool is_dn(const char *s)
{
	LDAPDN dn = NULL;
	bool good = *s && ldap_str2dn(s, &dn, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS;
	ldap_dnfree(dn);
	return good;
}

static void dispose_row(struct review_row *row)
{
	free(row->account);
	free(row->role);
	free(row->role_key);
	free(row->text);
	free(row->reason);
	free(row->why);
}

static bool read_decision(struct review *r, struct review_row *row, const char *word)
{
	if (!*word)
		row->decision = REVIEW_NONE;
	else if (!strcasecmp(word, "keep"))
		row->decision = REVIEW_KEEP;
	else if (!strcasecmp(word, "revoke"))
		row->decision = REVIEW_REVOKE;
	else {
		r->unknown++;
		sync_problem_add(&r->refused, row->line,
			"decision \"%.60s\": want keep, revoke or nothing", word);
		return false;
	}
	return true;
}

/* The same account and role again: once more the same decision, or a quarrel. */
static int check_twice(struct review *r, struct review_row *row, bool *again)
{
	char *account = prov_fold_dn(row->account, strlen(row->account)), *pair = NULL;
	size_t at;
	int fresh = 0, rc = PROV_ENOMEM;
	if (account && asprintf(&pair, "%s\n%s", account, row->role_key) >= 0)
		rc = prov_strmap_add(r->pairs, pair, &at, &fresh);
	*again = !rc && !fresh;
	/* rows that are in the list are those of the map, in its order */
	if (*again && r->row[at].decision != row->decision)
		sync_problem_add(&r->refused, row->line,
			"another decision than in row %zu about %.200s: %.200s", r->row[at].line,
			row->account, row->role);
	free(account);
	free(pair);
	return rc;
}

static bool good(struct review *r, const struct review_row *row)
{
	if (!is_dn(row->account) || !is_dn(row->role)) {
		sync_problem_add(&r->refused, row->line, "the %s is not a DN: \"%.200s\"",
			is_dn(row->account) ? "role" : "account",
			is_dn(row->account) ? row->role : row->account);
		return false;
	}
	if (row->reason && strlen(row->reason) > REVIEW_REASON_MOST) {
		sync_problem_add(&r->refused, row->line,
			"the reason is too long: with the role's name it may have %d bytes, it has %zu",
			REVIEW_REASON_MOST, strlen(row->reason));
		return false;
	}
	return true;
}

static int make_row(struct review *r, struct review_row *row, const struct prov_val *cell)
{
	row->account = cell_text(cell[ACCOUNT], true);
	row->role = cell_text(cell[ROLE], true);
	row->text = cell_text(cell[REASON], false);
	row->role_key = row->role ? prov_fold_dn(row->role, strlen(row->role)) : NULL;
	char *word = cell_text(cell[DECISION], false);
	bool known = word && row->role_key && read_decision(r, row, word);
	if (known && row->decision && row->text)
		row->reason = review_reason_make(r->name, row->decision, row->role, row->text);
	bool whole = row->account && row->text && row->role_key && word &&
		(!known || !row->decision || row->reason);
	free(word);
	return !whole ? PROV_ENOMEM : known && good(r, row) ? 0 : PROV_EINVAL;
}

static int take_row(void *ctx, size_t line, const struct prov_val *cell, struct prov_error *err)
{
	struct review *r = ctx;
	struct review_row row = { .line = line };
	bool again = false;
	int rc = prov_grow(&r->row, r->nrow, &r->room, sizeof(*r->row));
	if (!rc)
		rc = make_row(r, &row, cell);
	if (!rc)
		rc = check_twice(r, &row, &again);
	r->twice += again;
	if (!rc && !again)
		r->row[r->nrow++] = row;
	else
		dispose_row(&row);
	return rc == PROV_ENOMEM ? prov_error_set(err, rc, "no memory") : 0;
}

int review_file_read(struct review *r, const char *path, char delimiter, const char *encoding,
	struct prov_error *err)
{
	struct sync_feed f = { .name = r->file,
		.delimiter = delimiter,
		.encoding = encoding,
		.ncolumn = NCOLUMN,
		.column = column,
		.take = take_row,
		.ctx = r,
		.bad = &r->broken };
	if (prov_strmap_new(&r->pairs))
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	int rc = sync_feed_csv(&f, path, err);
	if (!rc && !r->broken.n && !f.rows)
		sync_problem_add(&r->broken, 0, "there are no rows");
	sync_feed_dispose(&f);
	return rc;
}

void review_dispose(struct review *r)
{
	for (size_t i = 0; i < r->nrow; i++)
		dispose_row(&r->row[i]);
	free(r->row);
	free(r->kept);
	prov_strmap_free(&r->pairs);
	prov_strmap_free(&r->recorded);
	sync_problems_dispose(&r->broken);
	sync_problems_dispose(&r->refused);
	review_roles_dispose(&r->roles);
}
