/*
 * sync_apply.c - changes become ordinary LDAP writes; or plans of them. See sync_run.h.
 *
 * Who loses access comes first, then renames, then who joins (managers before their people),
 * then the rest. Several writes are on their way at a time. What fails is said and does
 * not stop the others; a lost connection or the server's breaker stops all. Nothing is kept
 * of how far it came: the next run sees in the directory what is left to do.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "names.h"
#include "planview.h"
#include "search.h"
#include "sync_run.h"

enum phase { ENDING, RENAMING, JOINING, CHANGING, NPHASE, PLANNING };

struct sending {
	struct sync_run *r;
	const struct sync_doing *d;
	enum phase phase;
	unsigned depth;
	struct sync_change **queue; /* on their way, a ring of d->batch */
	int *msgid;
	size_t first, n, total, seen;
	int st; /* exit status that ends it */
};

/* -- one write -------------------------------------------------------------------------------- */

/* An LDAP modification with one value, or none; the value is borrowed. */
struct one {
	LDAPMod mod;
	struct berval bv, *list[2];
};

static void fill(struct one *o, int op, const char *attr, struct prov_val v)
{
	o->bv = (struct berval){ v.len, (char *)v.data };
	o->list[0] = v.data ? &o->bv : NULL;
	o->list[1] = NULL;
	o->mod.mod_op = op | LDAP_MOD_BVALUES;
	o->mod.mod_type = (char *)attr;
	o->mod.mod_bvalues = v.data ? o->list : NULL;
}

/* The DN of the manager, when that is an entry. */
static const char *manager_of(const struct sync_run *r, const struct sync_change *c)
{
	if (!c->set_manager)
		return NULL;
	const struct sync_row *boss = &r->rows->row[r->rows->row[c->row].manager];
	return boss->failed ? NULL : boss->dn;
}

/* One LDAPMod for each attribute: values of objectClass go together in an add. */
struct request {
	struct one *one;
	LDAPMod **mods;
	LDAPMod class;
	struct berval **class_list;
};

static int build(const struct sync_run *r, const struct sync_change *c, struct request *q)
{
	const char *boss = manager_of(r, c);
	size_t n = 0, k = 0;
	q->one = calloc(c->nmod + 1, sizeof(*q->one));
	q->mods = calloc(c->nmod + 3, sizeof(*q->mods));
	q->class_list = calloc(c->nmod + 1, sizeof(*q->class_list));
	if (!q->one || !q->mods || !q->class_list)
		return PROV_ENOMEM;
	for (size_t i = 0; i < c->nmod; i++) {
		const struct sync_mod *m = &c->mod[i];
		fill(&q->one[i], m->op == SYNC_ADD ? LDAP_MOD_ADD : LDAP_MOD_REPLACE, m->attr,
			m->value);
		if (strcasecmp(m->attr, "objectClass") != 0)
			q->mods[n++] = &q->one[i].mod;
		else
			q->class_list[k++] = &q->one[i].bv;
	}
	q->class = (LDAPMod){ .mod_op = LDAP_MOD_ADD | LDAP_MOD_BVALUES,
		.mod_type = "objectClass",
		.mod_bvalues = q->class_list };
	if (k)
		q->mods[n++] = &q->class;
	if (boss || c->drop_manager) {
		fill(&q->one[c->nmod], LDAP_MOD_REPLACE, r->map->manager_attr, prov_val_str(boss));
		if (!boss)
			q->one[c->nmod].mod.mod_bvalues = NULL;
		q->mods[n++] = &q->one[c->nmod].mod;
	}
	return 0;
}

static void dispose(struct request *q)
{
	free(q->one);
	free(q->mods);
	free(q->class_list);
}

static int send_write(struct sending *s, struct sync_change *c, LDAPControl **ctrl, int *msgid)
{
	LDAP *ld = s->r->c->ld;
	struct request q = { 0 };
	bool mods = c->nmod || c->set_manager || c->drop_manager;
	int rc;
	if (s->phase == RENAMING || (s->phase == PLANNING && !mods))
		return ldap_rename(ld, c->dn, c->new_rdn, c->new_parent, c->drop_old_rdn, ctrl,
			NULL, msgid);
	if (build(s->r, c, &q))
		rc = LDAP_NO_MEMORY;
	else if (c->kind == SYNC_JOINER)
		rc = ldap_add_ext(ld, c->dn, q.mods, ctrl, NULL, msgid);
	else
		rc = ldap_modify_ext(ld, c->dn, q.mods, ctrl, NULL, msgid);
	dispose(&q);
	return rc;
}

static int send_one(struct sending *s, struct sync_change *c, int *msgid)
{
	char reason[512];
	if (s->phase == PLANNING)
		return send_write(s, c, planview_controls(), msgid);
	if (c->missing)
		snprintf(reason, sizeof(reason), "sync %.400s no row", s->r->feed);
	else
		snprintf(reason, sizeof(reason), "sync %.400s row %zu", s->r->feed, c->line);
	LDAPControl why = { PROV_CTL_REASON, { strlen(reason), reason }, 1 };
	LDAPControl over = { PROV_CTL_OVERRIDE, { 0, NULL }, 1 };
	LDAPControl *ctrl[] = { &why, s->d->override ? &over : NULL, NULL };
	return send_write(s, c, ctrl, msgid);
}

/* -- its answer ------------------------------------------------------------------------------- */

static void failed(struct sending *s, struct sync_change *c, const char *why)
{
	free(c->why);
	c->why = strdup(why);
	c->outcome = SYNC_FAILED;
	s->r->failed++;
	if (c->row != SYNC_NO_ROW)
		s->r->rows->row[c->row].failed = 1;
	if (!c->why)
		s->st = ctl_nomem();
	else if (!s->st || s->st == PROV_EXIT_GUARD) {
		int st = sync_report_failure(s->r, c);
		s->st = st ? st : s->st;
	}
}

/* The new name, for what comes after: the rest of this change, and managers. */
static void renamed(struct sending *s, struct sync_change *c)
{
	struct sync_row *row = &s->r->rows->row[c->row];
	char *dn = sync_change_dn(c, c->dn);
	if (!dn) {
		s->st = ctl_nomem();
		return;
	}
	free(row->dn);
	row->dn = dn;
	c->dn = prov_arena_strndup(&s->r->arena, dn, strlen(dn));
	if (!c->dn)
		s->st = ctl_nomem();
	c->outcome = SYNC_RENAMED;
}

static void done(struct sending *s, struct sync_change *c)
{
	bool more = c->nmod || c->set_manager || c->drop_manager;
	if (s->phase == RENAMING)
		renamed(s, c);
	if (s->phase == RENAMING && more)
		return;
	c->outcome = SYNC_DONE;
	s->r->done++;
}

static void breaker(struct sending *s, const char *text)
{
	if (s->st)
		return;
	s->st = PROV_EXIT_GUARD;
	ctl_say("%s", text);
	ctl_say("the server's breaker (provision-breaker) stopped this run: wait until its time is "
		"over, or go on with --override; what is done stays, the same command does the rest");
}

/* Something is there: is it this row's, from a run that was killed with writes on their way? */
static bool is_ours(struct sending *s, const struct sync_change *c)
{
	const struct sync_map *map = s->r->map;
	static const char *const none[] = { LDAP_NO_ATTRS, NULL };
	char *source = ctl_filter_escape(map->source, strlen(map->source)), *key = NULL,
	     *filter = NULL;
	LDAPMessage *m = NULL;
	for (size_t i = 0; i < c->nmod; i++)
		if (!strcasecmp(c->mod[i].attr, "provSourceKey"))
			key = ctl_filter_escape(c->mod[i].value.data, c->mod[i].value.len);
	bool ours = source && key &&
		asprintf(&filter, "(&(provSource=%s)(provSourceKey=%s))", source, key) > 0 &&
		!ctl_read(s->r->c, c->dn, filter, none, &m, NULL);
	ldap_msgfree(m);
	free(source);
	free(key);
	free(filter);
	return ours;
}

static void take_write(struct sending *s, struct sync_change *c, LDAPMessage *m)
{
	int code = 0;
	char *text = NULL, why[700];
	int rc = ldap_parse_result(s->r->c->ld, m, &code, NULL, &text, NULL, NULL, 0);
	if (!rc && code == LDAP_ALREADY_EXISTS && c->kind == SYNC_JOINER && is_ours(s, c))
		code = LDAP_SUCCESS;
	snprintf(why, sizeof(why), "%s%s%.600s", ldap_err2string(rc ? rc : code),
		text && *text ? ": " : "", text ? text : "");
	if (!rc && !code)
		done(s, c);
	else if (ctl_takes_no_writes(code))
		s->st = ctl_say("%s", ctl_takes_no_writes(code));
	else if (code == LDAP_UNWILLING_TO_PERFORM && text && strstr(text, PROV_CTL_OVERRIDE))
		breaker(s, text);
	else
		failed(s, c, why);
	ldap_memfree(text);
}

static void take_plan(struct sending *s, struct sync_change *c, LDAPMessage *m)
{
	struct prov_error err = { 0 };
	int rc = planview_take(s->r->c->ld, m, &c->plan, &err);
	if (rc == PROV_EVERSION) {
		s->st = ctl_fail(&err);
	} else if (rc) {
		free(c->why);
		c->why = strdup(err.text);
		s->r->failed++;
	}
}

/* -- many of them ----------------------------------------------------------------------------- */

static void connection_lost(struct sending *s, int rc)
{
	struct prov_error err = { 0 };
	prov_ldap_error(s->r->c->ld, rc, &err, "write");
	s->st = ctl_fail(&err);
	if (s->phase != PLANNING)
		ctl_say("%zu changes are done; the same command does the rest", s->r->done);
}

static void take_oldest(struct sending *s)
{
	struct sync_change *c = s->queue[s->first];
	int msgid = s->msgid[s->first], rc = LDAP_SUCCESS;
	LDAPMessage *m = NULL;
	s->first = (s->first + 1) % s->d->batch;
	s->n--;
	/* after a lost connection nothing more comes; after the breaker, answers do */
	if (s->st && s->st != PROV_EXIT_GUARD)
		return;
	int type = ldap_result(s->r->c->ld, msgid, LDAP_MSG_ALL, NULL, &m);
	if (type <= 0) {
		ldap_get_option(s->r->c->ld, LDAP_OPT_RESULT_CODE, &rc);
		connection_lost(s, type == 0 || rc == LDAP_SUCCESS ? LDAP_TIMEOUT : rc);
	} else if (s->phase == PLANNING) {
		take_plan(s, c, m);
	} else {
		take_write(s, c, m);
	}
	ldap_msgfree(m);
	s->seen++;
	if (!s->d->quiet && s->seen % 16 == 0)
		fprintf(stderr, "\r%s %zu of %zu ", s->phase == PLANNING ? "planned" : "applied",
			s->seen, s->total);
}

static bool is_due(const struct sending *s, const struct sync_change *c)
{
	bool ends = c->kind == SYNC_LEAVER || c->kind == SYNC_AWAYER;
	if (s->phase == PLANNING)
		return true;
	if (c->outcome == SYNC_FAILED || c->outcome == SYNC_DONE)
		return false;
	switch (s->phase) {
	case ENDING:
		return ends && !c->new_rdn;
	case RENAMING:
		return c->new_rdn && c->outcome == SYNC_PENDING;
	case JOINING:
		return c->kind == SYNC_JOINER && c->depth == s->depth;
	default:
		return c->kind != SYNC_JOINER;
	}
}

static void send_all(struct sending *s)
{
	for (size_t i = 0; !s->st && i < s->r->nchange; i++) {
		struct sync_change *c = &s->r->change[i];
		if (!is_due(s, c))
			continue;
		if (s->n == s->d->batch)
			take_oldest(s);
		if (s->st)
			break;
		size_t at = (s->first + s->n) % s->d->batch;
		int rc = send_one(s, c, &s->msgid[at]);
		if (rc) {
			connection_lost(s, rc);
			break;
		}
		s->queue[at] = c;
		s->n++;
	}
	while (s->n)
		take_oldest(s);
}

static int begin(struct sending *s, struct sync_run *r, const struct sync_doing *d)
{
	*s = (struct sending){ .r = r, .d = d, .total = r->nchange };
	s->queue = calloc(d->batch, sizeof(struct sync_change *));
	s->msgid = calloc(d->batch, sizeof(*s->msgid));
	return s->queue && s->msgid ? 0 : ctl_nomem();
}

static int end(struct sending *s)
{
	if (!s->d->quiet && s->seen >= 16)
		fputc('\n', stderr);
	free(s->queue);
	free(s->msgid);
	return s->st;
}

int sync_plan(struct sync_run *r, const struct sync_doing *d)
{
	struct sending s;
	int st = begin(&s, r, d);
	s.phase = PLANNING;
	if (!st)
		send_all(&s);
	int own = end(&s);
	return st ? st : own;
}

int sync_apply(struct sync_run *r, const struct sync_doing *d)
{
	struct sending s;
	unsigned deepest = 0;
	int st = begin(&s, r, d);
	for (size_t i = 0; i < r->nchange; i++)
		if (r->change[i].depth > deepest)
			deepest = r->change[i].depth;
	for (int p = ENDING; !st && p < NPHASE; p++) {
		s.phase = (enum phase)p;
		for (s.depth = 0; !s.st && s.depth <= (p == JOINING ? deepest : 0); s.depth++)
			send_all(&s);
	}
	int own = end(&s);
	return st ? st : own;
}
