/*
 * sync_match.c - which account is which row's. See sync_run.h.
 *
 * By key; an account without a key by the mapping's rules, when all of them together name
 * exactly one account for the row, and one row for the account. Everything else is disputed:
 * said, and never guessed.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fold.h"
#include "sync_run.h"

static int nomem(struct prov_error *err)
{
	return prov_error_set(err, PROV_ENOMEM, "no memory");
}

static int dispute(struct sync_run *r, size_t i, const char *fmt, const char *a, const char *b)
{
	struct sync_row *row = &r->rows->row[i];
	if (!row->bad) {
		char *text = prov_arena_printf(&r->arena, "%s%s%s%s", fmt, a, b ? " and " : "",
			b ? b : "");
		sync_problem_add(&r->bad, row->line, "key %s: %s", sync_rows_key(r->rows, i),
			text ? text : fmt);
	}
	row->bad = 1;
	row->disputed = 1;
	return 0;
}

/* A copy of an account in the run's arena; NULL: no memory. */
static struct sync_account *keep_account(struct sync_run *r, const struct sync_account *a)
{
	size_t n = r->map->nname;
	struct sync_account *copy = prov_arena_alloc(&r->arena, sizeof(*copy));
	struct sync_values *attr = prov_arena_array(&r->arena, n, sizeof(*attr));
	if (!copy || !attr || !(copy->dn = prov_arena_strndup(&r->arena, a->dn, strlen(a->dn))))
		return NULL;
	for (size_t i = 0; i < n; i++) {
		struct prov_val *v = prov_arena_array(&r->arena, a->attr[i].n + 1, sizeof(*v));
		for (size_t k = 0; v && k < a->attr[i].n; k++) {
			v[k].len = a->attr[i].v[k].len;
			v[k].data = prov_arena_strndup(&r->arena, a->attr[i].v[k].data, v[k].len);
			if (!v[k].data)
				return NULL;
		}
		if (!v)
			return NULL;
		attr[i] = (struct sync_values){ a->attr[i].n, v };
	}
	copy->attr = attr;
	return copy;
}

static int add_candidate(struct sync_run *r, size_t row, struct sync_account *a)
{
	for (size_t i = r->ncandidate; i-- > 0 && r->candidate[i].account == a;)
		if (r->candidate[i].row == row)
			return 0;
	if (!(r->ncandidate & 63)) {
		struct sync_candidate *more =
			reallocarray(r->candidate, r->ncandidate + 64, sizeof(*more));
		if (!more)
			return PROV_ENOMEM;
		r->candidate = more;
	}
	r->candidate[r->ncandidate++] = (struct sync_candidate){ row, a };
	return 0;
}

static bool is_source(const struct sync_run *r, const struct sync_values *v)
{
	return v->n && v->v[0].len == strlen(r->map->source) &&
		!strncasecmp(v->v[0].data, r->map->source, v->v[0].len);
}

/* The account has a value that another row looks for. */
static int hit(struct sync_run *r, size_t rule, size_t index, size_t own,
	const struct sync_account *a, struct sync_account **kept)
{
	size_t row = r->rows->match[rule].row[index];
	unsigned char *twice = &r->rows->match[rule].twice[index];
	if (*twice)
		*twice = 2;
	if (row == own)
		return 0;
	const struct sync_values *source = &a->attr[SYNC_N_SOURCE];
	if (a->attr[SYNC_N_KEY].n || (source->n && !is_source(r, source))) {
		struct sync_row *of = &r->rows->row[row];
		if (!of->conflict && !(of->conflict = strdup(a->dn)))
			return PROV_ENOMEM;
		return 0;
	}
	if (*twice)
		return dispute(r, row, "other rows have the same value, and so has ", a->dn, NULL);
	if (!*kept && !(*kept = keep_account(r, a)))
		return PROV_ENOMEM;
	return add_candidate(r, row, *kept);
}

static int match(struct sync_run *r, const struct sync_account *a, size_t own)
{
	struct sync_account *kept = NULL;
	int rc = 0;
	for (size_t i = 0; !rc && i < r->map->nmatch; i++) {
		const struct sync_values *v = &a->attr[r->map->match[i].at];
		for (size_t k = 0; !rc && k < v->n; k++) {
			char *text = prov_fold_text(v->v[k].data, v->v[k].len);
			if (!text)
				return PROV_ENOMEM;
			size_t index = prov_strmap_find(r->rows->match[i].value, text);
			free(text);
			if (index != PROV_STRMAP_NONE)
				rc = hit(r, i, index, own, a, &kept);
		}
	}
	return rc;
}

static int note_missing(struct sync_run *r, const struct sync_account *a)
{
	const struct prov_val *key = &a->attr[SYNC_N_KEY].v[0];
	char *folded = prov_fold_text(key->data, key->len);
	size_t index;
	int fresh = 0;
	int rc = folded ? prov_strmap_add(r->missing_key, folded, &index, &fresh) : PROV_ENOMEM;
	free(folded);
	if (rc || !fresh)
		return rc; /* the same account through two scopes, or two with one key: nobody's */
	if (!(r->nmissing & 63)) {
		struct sync_missing *more =
			reallocarray(r->missing, r->nmissing + 64, sizeof(*more));
		if (!more)
			return PROV_ENOMEM;
		r->missing = more;
	}
	struct sync_missing *m = &r->missing[r->nmissing++];
	*m = (struct sync_missing){ .key = prov_strmap_text(r->missing_key, index),
		.dn = prov_arena_strndup(&r->arena, a->dn, strlen(a->dn)),
		.over = sync_account_over(a) };
	if (!m->over)
		m->account = keep_account(r, a);
	return m->dn && (m->over || m->account) ? 0 : PROV_ENOMEM;
}

/* The account has a key of this source. */
static int see_known(struct sync_run *r, const struct sync_account *a, size_t *own,
	struct prov_arena *scratch, struct prov_error *err)
{
	int rc = sync_rows_by_key(r->rows, a->attr[SYNC_N_KEY].v[0], own);
	r->known += !sync_account_over(a);
	if (rc)
		return nomem(err);
	if (*own == SYNC_NO_ROW)
		return note_missing(r, a) ? nomem(err) : 0;
	struct sync_row *row = &r->rows->row[*own];
	if (row->found) {
		if (prov_fold_dn_same(row->dn, a->dn) != 1)
			dispute(r, *own, "two accounts have it: ", row->dn, a->dn);
		return 0;
	}
	return sync_run_diff(r, *own, a, scratch, err);
}

static int note_taken(struct sync_run *r, const struct sync_account *a)
{
	const struct sync_values *v = &a->attr[r->map->rdn.at];
	int rc = 0;
	for (size_t i = 0; !rc && i < v->n; i++) {
		size_t index;
		char *text = prov_fold_text(v->v[i].data, v->v[i].len);
		rc = text ? prov_strmap_add(r->taken, text, &index, NULL) : PROV_ENOMEM;
		free(text);
	}
	return rc;
}

int sync_run_see(struct sync_run *r, const struct sync_account *a, struct prov_arena *scratch,
	struct prov_error *err)
{
	size_t own = SYNC_NO_ROW;
	if (r->taken && note_taken(r, a))
		return nomem(err);
	if (a->attr[SYNC_N_KEY].n && is_source(r, &a->attr[SYNC_N_SOURCE])) {
		int rc = see_known(r, a, &own, scratch, err);
		if (rc)
			return rc;
	}
	r->keyless += !a->attr[SYNC_N_KEY].n && !a->attr[SYNC_N_SOURCE].n && !sync_account_over(a);
	return match(r, a, own) ? nomem(err) : 0;
}

/* -- after the pass -- */

static int by_row(const void *a, const void *b)
{
	const struct sync_candidate *x = a, *y = b;
	return x->row < y->row ? -1 : x->row > y->row;
}

/* An account that several rows look for is nobody's. */
static void dispute_shared(struct sync_run *r)
{
	for (size_t i = 0; i < r->ncandidate; i++) {
		const struct sync_candidate *c = &r->candidate[i];
		/* the rows of one account stand together, in the order of the pass */
		for (size_t k = i + 1; k < r->ncandidate && r->candidate[k].account == c->account;
			k++) {
			dispute(r, c->row, "other rows match its account too: ", c->account->dn,
				NULL);
			dispute(r, r->candidate[k].row,
				"other rows match its account too: ", c->account->dn, NULL);
		}
	}
}

static int adopt(struct sync_run *r, struct prov_error *err)
{
	int rc = 0;
	for (size_t i = 0, k; !rc && i < r->ncandidate; i = k) {
		const struct sync_candidate *c = &r->candidate[i];
		struct sync_row *row = &r->rows->row[c->row];
		struct prov_arena scratch = PROV_ARENA_INIT;
		for (k = i + 1; k < r->ncandidate && r->candidate[k].row == c->row; k++)
			if (!row->found &&
				prov_fold_dn_same(r->candidate[k].account->dn, c->account->dn) != 1)
				dispute(r, c->row, "it matches ", c->account->dn,
					r->candidate[k].account->dn);
		if (row->found) {
			/* it has one with its key; whose the other is, is not for us to say */
			rc = sync_run_note(r, row->line, "%s has a value of this row, and no key",
				c->account->dn);
		} else if (row->conflict && prov_fold_dn_same(row->conflict, c->account->dn) != 1) {
			dispute(r, c->row, "it matches ", c->account->dn, row->conflict);
		} else if (!row->bad) {
			rc = sync_run_diff(r, c->row, c->account, &scratch, err);
		}
		prov_arena_dispose(&scratch);
	}
	return rc;
}

static bool is_taken(void *ctx, struct prov_val value)
{
	struct sync_run *r = ctx;
	char *text = prov_fold_text(value.data, value.len);
	bool there = !text || prov_strmap_find(r->taken, text) != PROV_STRMAP_NONE;
	free(text);
	return there;
}

/* Has another row the same value to match by, and an account as well? */
static bool is_shared(const struct sync_run *r, const struct sync_wish *w)
{
	for (size_t i = 0; i < r->map->nmatch; i++) {
		char *text =
			w->match[i].data ? prov_fold_text(w->match[i].data, w->match[i].len) : NULL;
		size_t index =
			text ? prov_strmap_find(r->rows->match[i].value, text) : PROV_STRMAP_NONE;
		free(text);
		if (index != PROV_STRMAP_NONE && r->rows->match[i].twice[index] == 2)
			return true;
	}
	return false;
}

static int join(struct sync_run *r, size_t i, struct prov_strmap *places, struct prov_arena *arena,
	struct prov_error *err)
{
	struct sync_row *row = &r->rows->row[i];
	struct sync_wish w;
	struct sync_place place;
	struct sync_change c;
	struct prov_error why = { 0 };
	size_t index;
	int fresh = 0;
	int rc = sync_rows_wish(r->rows, i, arena, &w, err);
	if (rc)
		return rc;
	row->away = w.said == SYNC_AWAY;
	if (sync_wish_gone(&w, r->now)) {
		row->left = 1;
		r->gone++;
		return 0;
	}
	if (is_shared(r, &w)) {
		dispute(r, i, "other rows have the same value to match by, and so has an account",
			"", NULL);
		return 0;
	}
	const struct prov_val *cell = sync_rows_cells(r->rows, i, arena);
	rc = cell ? sync_map_place(r->map, cell, is_taken, r, arena, &place, &why) : PROV_ENOMEM;
	if (rc == PROV_ENOMEM)
		return nomem(err);
	if (rc) {
		dispute(r, i, why.text, "", NULL);
		return 0;
	}
	rc = sync_diff_joiner(r->map, &w, &place, r->now, arena, &c, err);
	if (rc)
		return rc;
	/* as a text will do: both were made of the same mapping */
	char *folded = prov_fold_text(c.dn, strlen(c.dn));
	char *name = r->taken ? prov_fold_text(place.value.data, place.value.len) : NULL;
	rc = folded ? prov_strmap_add(places, folded, &index, &fresh) : PROV_ENOMEM;
	if (!rc && r->taken)
		rc = name ? prov_strmap_add(r->taken, name, &index, NULL) : PROV_ENOMEM;
	free(folded);
	free(name);
	if (rc)
		return nomem(err);
	if (!fresh) {
		dispute(r, i, "another row that joins would have the same name: ", c.dn, NULL);
		return 0;
	}
	row->joins = 1;
	row->dn = strdup(c.dn);
	return row->dn ? sync_run_push(r, &c, i, err) : nomem(err);
}

static int add_joiners(struct sync_run *r, struct prov_error *err)
{
	struct prov_strmap *places = NULL;
	struct prov_arena scratch = PROV_ARENA_INIT;
	int rc = prov_strmap_new(&places);
	for (size_t i = 0; !rc && i < r->rows->n; i++) {
		struct sync_row *row = &r->rows->row[i];
		if (!row->found && !row->bad && row->conflict)
			dispute(r, i,
				"a value to match by is that of an account with another key: ",
				row->conflict, NULL);
		else if (!row->found && !row->bad)
			rc = join(r, i, places, &scratch, err);
		/* seldom: a block freed for each row leaves a hole beside what is kept of it */
		if (i % 256 == 255)
			prov_arena_dispose(&scratch);
	}
	prov_arena_dispose(&scratch);
	prov_strmap_free(&places);
	return rc;
}

int sync_run_match_rest(struct sync_run *r, struct prov_error *err)
{
	dispute_shared(r);
	if (r->ncandidate)
		qsort(r->candidate, r->ncandidate, sizeof(*r->candidate), by_row);
	int rc = adopt(r, err);
	return rc ? rc : add_joiners(r, err);
}
