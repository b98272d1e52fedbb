/*
 * sync_pass.c - the one pass over the directory, and what follows from it. See sync_run.h.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "fold.h"
#include "search.h"
#include "sync_run.h"

enum { DAY = 86400, DEEPEST = 64 };

static int nomem(struct prov_error *err)
{
	return prov_error_set(err, PROV_ENOMEM, "no memory");
}

int sync_run_note(struct sync_run *r, size_t line, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	int len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0)
		return PROV_ENOMEM;
	const char *copy = prov_arena_strndup(&r->arena, text, (size_t)len);
	free(text);
	if (!(r->nnote & 63)) {
		struct sync_note *more = reallocarray(r->note, r->nnote + 64, sizeof(*more));
		if (!more)
			return PROV_ENOMEM;
		r->note = more;
	}
	r->note[r->nnote++] = (struct sync_note){ line, copy };
	return copy ? 0 : PROV_ENOMEM;
}

int sync_run_push(struct sync_run *r, const struct sync_change *c, size_t row,
	struct prov_error *err)
{
	if (!(r->nchange & (r->nchange - 1))) { /* 0 or a power of two */
		struct sync_change *more =
			reallocarray(r->change, r->nchange ? 2 * r->nchange : 1, sizeof(*more));
		if (!more)
			return nomem(err);
		r->change = more;
	}
	struct sync_change *to = &r->change[r->nchange];
	if (sync_change_copy(c, &r->arena, to))
		return nomem(err);
	to->row = row;
	if (row != SYNC_NO_ROW) {
		to->line = r->rows->row[row].line;
		to->key = sync_rows_key(r->rows, row);
		r->rows->row[row].change = 1;
		r->rows->row[row].change_at = r->nchange;
	}
	r->nchange++;
	return 0;
}

static int keep_manager(const struct sync_run *r, struct sync_row *row,
	const struct sync_account *a)
{
	const struct sync_values *v = &a->attr[r->map->manager_at];
	if (!r->map->manager || !v->n)
		return 0;
	row->has = strndup(v->v[0].data, v->v[0].len);
	return row->has ? 0 : PROV_ENOMEM;
}

static bool said(const struct sync_run *r, size_t row, const char *what)
{
	const char *was = r->state ? sync_state_said(r->state, sync_rows_key(r->rows, row)) : NULL;
	return was && !strcmp(was, what);
}

/* The account is this row's. */
int sync_run_diff(struct sync_run *r, size_t i, const struct sync_account *a,
	struct prov_arena *scratch, struct prov_error *err)
{
	struct sync_row *row = &r->rows->row[i];
	struct sync_wish w;
	struct sync_change c;
	const char *held;
	row->found = 1;
	row->idle = sync_account_idle(a);
	row->over = sync_account_over(a);
	row->dn = strdup(a->dn);
	if (!row->dn || keep_manager(r, row, a))
		return nomem(err);
	if (row->bad)
		return 0;
	const struct prov_val *cell = sync_rows_cells(r->rows, i, scratch);
	if (!cell)
		return nomem(err);
	int rc = sync_map_row(r->map, cell, scratch, &w, err);
	if (rc)
		return rc;
	/* an end that slapd kept, and that the feed has taken back since */
	bool prolonged = sync_account_ended_in_time(a, r->now) && w.said != SYNC_LEFT;
	const struct sync_when when = { r->now, r->revive || said(r, i, "left") || prolonged,
		r->revive || said(r, i, "away") };
	rc = sync_diff_account(r->map, cell, &w, a, &when, scratch, &c, &held, err);
	if (rc == PROV_EINVAL) {
		row->bad = 1;
		sync_problem_add(&r->bad, row->line, "%s", err->text);
		return 0;
	}
	if (rc)
		return rc;
	if (held && sync_run_note(r, row->line, "%s: %s (--reactivate does it)", a->dn, held))
		return nomem(err);
	row->left |= sync_wish_gone(&w, r->now);
	/* not when somebody else had suspended it before: then that is not the feed's to lift */
	row->away = w.said == SYNC_AWAY && (c.kind != SYNC_MOVER || said(r, i, "away"));
	return sync_change_empty(&c) ? 0 : sync_run_push(r, &c, i, err);
}

/* -- managers ------------------------------------------------------------------------------ */

/* A change to put the manager into; the row may have none yet. */
static struct sync_change *change_of(struct sync_run *r, size_t i, struct prov_error *err)
{
	struct sync_row *row = &r->rows->row[i];
	if (!row->change) {
		struct sync_change c = { .kind = SYNC_MOVER, .dn = row->dn };
		if (sync_run_push(r, &c, i, err))
			return NULL;
	}
	return &r->change[row->change_at];
}

/* Where the row's account will be. malloc'ed; NULL: no memory. */
static char *dn_to_be(const struct sync_run *r, size_t i)
{
	const struct sync_row *row = &r->rows->row[i];
	const struct sync_change *c = row->change ? &r->change[row->change_at] : NULL;
	return c && c->new_rdn ? sync_change_dn(c, row->dn) : strdup(row->dn);
}

/* The feed names a manager: is it another one than the account has? */
static int set_manager(struct sync_run *r, size_t i, size_t boss, struct prov_error *err)
{
	struct sync_row *row = &r->rows->row[i];
	char *dn = dn_to_be(r, boss);
	int same = !dn ? PROV_ENOMEM : row->has ? prov_fold_dn_same(dn, row->has) : 0;
	free(dn);
	if (same < 0)
		return nomem(err);
	row->manager = boss;
	if (same)
		return 0;
	struct sync_change *c = change_of(r, i, err);
	if (!c)
		return PROV_ENOMEM;
	c->set_manager = true;
	return 0;
}

static int find_manager(struct sync_run *r, size_t i, struct prov_arena *arena,
	struct prov_error *err)
{
	struct sync_row *row = &r->rows->row[i];
	struct sync_wish w;
	size_t boss;
	/* a leaver keeps the one that is there; so does who is left alone */
	if (row->bad || !row->dn || row->left)
		return 0;
	int rc = sync_rows_wish(r->rows, i, arena, &w, err);
	if (rc)
		return rc;
	if (row->over && !row->change)
		return 0;
	if (!w.manager.data) {
		struct sync_change *c = row->has ? change_of(r, i, err) : NULL;
		if (c)
			c->drop_manager = true;
		return row->has && !c ? PROV_ENOMEM : 0;
	}
	if (sync_rows_by_id(r->rows, w.manager, &boss))
		return nomem(err);
	if (boss == SYNC_NO_ROW || !r->rows->row[boss].dn)
		return sync_run_note(r, row->line, "manager %.*s is nobody's key: left as it is",
			       w.manager.len > 60 ? 60 : (int)w.manager.len, w.manager.data)
			? nomem(err)
			: 0;
	return set_manager(r, i, boss, err);
}

static int find_managers(struct sync_run *r, struct prov_error *err)
{
	int rc = 0;
	for (size_t i = 0; r->map->manager && !rc && i < r->rows->n; i++) {
		struct prov_arena arena = PROV_ARENA_INIT;
		rc = find_manager(r, i, &arena, err);
		prov_arena_dispose(&arena);
	}
	/* who joins comes behind a manager who joins */
	for (size_t i = 0; !rc && i < r->nchange; i++) {
		struct sync_change *c = &r->change[i];
		size_t at = c->row;
		while (c->kind == SYNC_JOINER && c->depth < DEEPEST) {
			at = r->rows->row[at].manager;
			if (at == SYNC_NO_ROW || !r->rows->row[at].joins || at == c->row)
				break;
			c->depth++;
		}
	}
	return rc;
}

/* -- missing rows -------------------------------------------------------------------------- */

static int judge_missing(struct sync_run *r, struct sync_missing *m, struct prov_error *err)
{
	struct sync_change c;
	bool was = r->state && sync_state_missing(r->state, m->key, &m->since, &m->runs);
	if (!was) {
		m->since = r->now;
		m->runs = 0;
	}
	/* a run that was cut off is counted once with the one that takes it up */
	if (!was || r->state->complete)
		m->runs++;
	m->due = r->grace.n == 0 ||
		(r->state &&
			(r->grace.days ? r->now - m->since >= (int64_t)r->grace.n * DAY
				       : m->runs > r->grace.n));
	if (!m->due)
		return 0;
	if (sync_diff_missing(m->account, &r->arena, &c))
		return nomem(err);
	c.key = m->key;
	return sync_run_push(r, &c, SYNC_NO_ROW, err);
}

static void drop_bad(struct sync_run *r)
{
	/* a dispute may have come up when the change was there already */
	size_t n = 0;
	for (size_t i = 0; i < r->nchange; i++) {
		struct sync_change *c = &r->change[i];
		if (c->row != SYNC_NO_ROW && r->rows->row[c->row].bad)
			continue;
		if (c->row != SYNC_NO_ROW)
			r->rows->row[c->row].change_at = n;
		r->change[n++] = *c;
	}
	r->nchange = n;
}

/* After the last account: adoptions, joiners, managers, missing rows. */
static int finish(struct sync_run *r, struct prov_error *err)
{
	int rc = sync_run_match_rest(r, err);
	if (rc)
		return rc;
	drop_bad(r);
	rc = find_managers(r, err);
	for (size_t i = 0; !rc && i < r->nmissing; i++)
		if (!r->missing[i].over)
			rc = judge_missing(r, &r->missing[i], err);
	for (size_t i = 0; i < r->nchange; i++) {
		r->count[r->change[i].kind]++;
		r->ending += r->change[i].kind == SYNC_MOVER && r->change[i].ends_soon;
	}
	for (size_t i = 0; i < r->rows->n; i++)
		r->unchanged += r->rows->row[i].found && !r->rows->row[i].change;
	return rc;
}

/* -- reading the directory ------------------------------------------------------------------- */

static int see_entry(void *ctx, LDAP *ld, LDAPMessage *e, struct prov_error *err)
{
	struct sync_run *r = ctx;
	struct prov_arena scratch = PROV_ARENA_INIT;
	size_t n = r->map->nname;
	struct sync_values *attr = prov_arena_array(&scratch, n, sizeof(*attr));
	struct berval ***all = prov_arena_array(&scratch, n, sizeof(struct berval **));
	char *dn = ldap_get_dn(ld, e);
	int rc = attr && all && dn ? 0 : PROV_ENOMEM;
	for (size_t i = 0; !rc && i < n; i++) {
		all[i] = ldap_get_values_len(ld, e, r->map->name[i]);
		size_t count = (size_t)ldap_count_values_len(all[i]);
		struct prov_val *v = prov_arena_array(&scratch, count + 1, sizeof(*v));
		for (size_t k = 0; v && k < count; k++)
			v[k] = (struct prov_val){ all[i][k]->bv_val, all[i][k]->bv_len };
		attr[i] = (struct sync_values){ count, v };
		rc = v ? 0 : PROV_ENOMEM;
	}
	const struct sync_account a = { dn, attr };
	rc = rc ? nomem(err) : sync_run_see(r, &a, &scratch, err);
	for (size_t i = 0; all && i < n; i++)
		ldap_value_free_len(all[i]);
	ldap_memfree(dn);
	prov_arena_dispose(&scratch);
	return rc;
}

int sync_run_pass(struct sync_run *r, struct prov_error *err)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < r->c->nscope; i++) {
		const struct ctl_scope *s = &r->c->scope[i];
		rc = ctl_search(r->c, s->base, s->scope, s->filter, r->map->name, see_entry, r,
			err);
	}
	return rc ? rc : finish(r, err);
}
