/*
 * audit_against.c - provctl audit verify --against ldap: accounts in the directory against the
 * trail, and accounts of the trail against the directory.
 *
 * The trail first, then the directory in pages; writes go on meanwhile, so whatever
 * does not agree is read again, with the trail as it is by then, until it does or until
 * nothing changes any more. Bind as somebody who may read all accounts: what he cannot see
 * counts as gone.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "against.h"
#include "grow.h"
#include "jsonout.h"
#include "replay.h"
#include "search.h"
#include "strmap.h"
#include "table.h"
#include "uuid.h"

enum { MOST = 10000, ROUNDS = 40, QUIET = 8, PAUSE_MS = 150, BEHIND = 400 };
/* waiting for what one entry says; in all no more than PATIENCE times */
enum { TRIES = 40, SILENT = 4, TRY_MS = 25, PATIENCE = 800 };

struct suspect {
	char *dn, *uuid;
	enum against_kind kind;
	uint64_t record;
	char text[256];
};

struct against {
	struct ctl *c;
	struct audit_trail *t;
	struct stamps *s;
	struct suspect *suspect;
	size_t n, room, more; /* more: those that there was no room for */
	size_t agree, before, elsewhere;
	int patience;
	struct against_entry entry; /* the one that is looked at */
};

static int see_text(void *ctx, uint64_t seq, struct prov_val text)
{
	struct against *a = ctx;
	json_t *r = json_loadb(text.data, text.len, 0, NULL);
	if (!r)
		r = json_object();
	int rc = r ? stamps_see(a->s, seq, r) : PROV_ENOMEM;
	json_decref(r);
	return rc;
}

/* What has come since. *fresh: something has. */
static int read_trail(struct against *a, bool *fresh, struct prov_error *err)
{
	uint64_t last = stamps_last(a->s);
	int rc = audit_trail_refresh(a->t, err);
	if (!rc)
		rc = prov_trail_walk(a->t->txn, last + 1, see_text, a, err);
	*fresh = stamps_last(a->s) != last;
	return rc;
}

static int suspect_add(struct against *a, const char *dn, const char *uuid, enum against_kind k,
	const char *text, uint64_t record)
{
	if (a->n == MOST) {
		a->more++;
		return 0;
	}
	if (prov_grow(&a->suspect, a->n, &a->room, sizeof(*a->suspect)))
		return PROV_ENOMEM;
	struct suspect *p = &a->suspect[a->n++];
	memset(p, 0, sizeof(*p));
	p->dn = strdup(dn);
	p->uuid = strdup(uuid);
	p->kind = k;
	p->record = record;
	snprintf(p->text, sizeof(p->text), "%s", text);
	return p->dn && p->uuid ? 0 : PROV_ENOMEM;
}

static void suspect_drop(struct against *a, size_t i)
{
	free(a->suspect[i].dn);
	free(a->suspect[i].uuid);
	a->suspect[i] = a->suspect[--a->n];
}

/* Servers that have written here: slapd keeps the newest CSN of each. */
static int see_servers(void *ctx, LDAP *ld, LDAPMessage *m, struct prov_error *err)
{
	struct against *a = ctx;
	struct berval **v = ldap_get_values_len(ld, m, "contextCSN");
	int64_t usec;
	unsigned sid;
	(void)err;
	for (size_t i = 0; v && v[i]; i++)
		if (stamps_csn(v[i]->bv_val, &usec, &sid) && !stamps_knows_server(a->s, sid))
			stamps_set_gaps(a->s);
	ldap_value_free_len(v);
	return 0;
}

static int ask_servers(struct against *a, struct prov_error *err)
{
	static const char *const attrs[] = { "contextCSN", NULL };
	return ctl_search(a->c, a->c->server.suffix, LDAP_SCOPE_BASE, "(objectClass=*)", attrs,
		see_servers, a, err);
}

static int see_account(void *ctx, LDAP *ld, LDAPMessage *m, struct prov_error *err)
{
	struct against *a = ctx;
	char text[256];
	uint64_t record;
	int rc = against_entry_read(ld, m, &a->entry);
	if (rc)
		return prov_error_set(err, rc, "no memory");
	enum against_kind k = against_judge(a->t, a->s, &a->entry, text, sizeof(text), &record);
	a->agree += k == AGAINST_AGREES;
	a->before += k == AGAINST_BEFORE;
	a->elsewhere += k == AGAINST_ELSEWHERE;
	if (k > AGAINST_ELSEWHERE)
		rc = suspect_add(a, a->entry.dn, a->entry.uuid ? a->entry.uuid : "", k, text,
			record);
	return rc ? prov_error_set(err, rc, "no memory") : 0;
}

static int read_directory(struct against *a, struct prov_error *err)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < a->c->nscope; i++) {
		const struct ctl_scope *sc = &a->c->scope[i];
		rc = ctl_search(a->c, sc->base, sc->scope, sc->filter, against_attrs, see_account,
			a, err);
	}
	return rc;
}

/* An account of the trail that the search did not find. */
static int see_stamp(void *ctx, struct stamp *st)
{
	struct against *a = ctx;
	char uuid[37];
	if (st->seen || !*st->state)
		return 0;
	prov_uuid_text(st->uuid, uuid);
	return suspect_add(a, "", uuid, AGAINST_GONE, "", st->seq);
}

static int see_again(void *ctx, LDAP *ld, LDAPMessage *m, struct prov_error *err)
{
	struct against *a = ctx;
	return against_entry_read(ld, m, &a->entry) ? prov_error_set(err, PROV_ENOMEM, "no memory")
						    : 0;
}

/* The account where it was, or wherever it is by now; entry.dn stays NULL when it is nowhere. */
static int find_again(struct against *a, const struct suspect *p, struct prov_error *err)
{
	char filter[64];
	int rc = 0;
	against_entry_dispose(&a->entry);
	if (*p->dn) {
		rc = ctl_search(a->c, p->dn, LDAP_SCOPE_BASE, "(objectClass=*)", against_attrs,
			see_again, a, err);
		if (!rc && a->entry.dn && !strcasecmp(a->entry.uuid ? a->entry.uuid : "", p->uuid))
			return 0;
		if (rc && rc != PROV_ENOENT)
			return rc;
		err->text[0] = '\0';
	}
	against_entry_dispose(&a->entry);
	snprintf(filter, sizeof(filter), "(entryUUID=%.40s)", p->uuid);
	return ctl_search(a->c, a->c->server.suffix, LDAP_SCOPE_SUBTREE, filter, against_attrs,
		see_again, a, err);
}

static void judge_again(struct against *a, struct suspect *p)
{
	const struct stamp *st = stamps_find(a->s, p->uuid);
	if (a->entry.dn) {
		p->kind =
			against_judge(a->t, a->s, &a->entry, p->text, sizeof(p->text), &p->record);
		free(p->dn);
		p->dn = strdup(a->entry.dn);
	} else if (!st || !*st->state) { /* deleted, and the trail says so */
		p->kind = AGAINST_AGREES;
	} else {
		p->kind = AGAINST_GONE;
		p->record = st->seq;
		snprintf(p->text, sizeof(p->text),
			"record %llu has it, no record ends it, and it is not in the directory",
			(unsigned long long)st->seq);
	}
}

/*
 * Entries are read before the trail, so that the trail can know what they say. One that is
 * written on and on is judged after each new record: some record is the one it had.
 */
struct rejudge {
	struct against *a;
	struct suspect *p;
	bool agrees;
};

static int see_newer(void *ctx, uint64_t seq, struct prov_val text)
{
	struct rejudge *j = ctx;
	int rc = see_text(j->a, seq, text);
	if (rc || j->agrees)
		return rc;
	judge_again(j->a, j->p);
	j->agrees = j->p->kind <= AGAINST_ELSEWHERE;
	return 0;
}

/* The trail as it is by now, judged after each new record. */
static int read_on(struct rejudge *j, bool *grew, struct prov_error *err)
{
	struct against *a = j->a;
	uint64_t last = stamps_last(a->s);
	int rc = audit_trail_refresh(a->t, err);
	if (rc)
		return rc;
	judge_again(a, j->p);
	j->agrees = j->p->kind <= AGAINST_ELSEWHERE;
	rc = prov_trail_walk(a->t->txn, last + 1, see_newer, j, err);
	*grew = stamps_last(a->s) != last;
	return rc;
}

/* The server takes changes into the trail a little later than it answers: what the entry says now
 * is waited for, as long as something comes. */
static int look_again(struct against *a, size_t i, bool *fresh, struct prov_error *err)
{
	struct rejudge j = { .a = a, .p = &a->suspect[i] };
	int rc = find_again(a, j.p, err), silent = 0;
	for (int tries = 0; !rc && !j.agrees && tries < TRIES && silent < SILENT; tries++) {
		bool grew = false;
		if (tries && a->patience-- <= 0)
			break;
		if (tries)
			nanosleep(&(struct timespec){ 0, TRY_MS * 1000000L }, NULL);
		rc = read_on(&j, &grew, err);
		silent = grew ? 0 : silent + 1;
		*fresh = *fresh || grew;
	}
	if (!rc && j.agrees) {
		a->agree++;
		suspect_drop(a, i);
	}
	return rc;
}

static int see_backlog(void *ctx, LDAP *ld, LDAPMessage *m, struct prov_error *err)
{
	bool *behind = ctx;
	char *n = prov_ldap_first(ld, m, "provMonitorBacklog");
	(void)err;
	*behind = *behind || (n && strcmp(n, "0") != 0);
	free(n);
	return 0;
}

/* Are there changes that the server has not taken into the trail yet, as it says itself? Who may
 * not read cn=monitor does not know. */
static bool trail_is_behind(struct against *a)
{
	static const char *const attrs[] = { "provMonitorBacklog", NULL };
	struct prov_error err = { 0 };
	char *base = NULL;
	bool behind = false;
	if (!a->c->server.monitor || asprintf(&base, "cn=Databases,%s", a->c->server.monitor) < 0)
		return false;
	int rc = ctl_search(a->c, base, LDAP_SCOPE_SUBTREE, "(provMonitorBacklog=*)", attrs,
		see_backlog, &behind, &err);
	free(base);
	return !rc && behind;
}

static int settle(struct against *a, struct prov_error *err)
{
	int rc = 0, quiet = 0, late = 0;
	for (int round = 0; !rc && a->n && round - late < ROUNDS && quiet < QUIET; round++) {
		bool fresh = false, behind = trail_is_behind(a);
		size_t had = a->n;
		for (size_t i = a->n; !rc && i > 0; i--)
			rc = look_again(a, i - 1, &fresh, err);
		/* busy is no reason to wait longer, but stuck is */
		bool stuck = behind && !fresh && late < BEHIND;
		late += stuck;
		quiet = fresh || a->n != had || stuck ? 0 : quiet + 1;
		if (a->n && quiet < QUIET)
			nanosleep(&(struct timespec){ 0, PAUSE_MS * 1000000L }, NULL);
	}
	return rc;
}

/* What the trail called an account that is gone. */
static int name_gone(struct against *a, struct suspect *p)
{
	json_t *r = against_record(a->t, p->record);
	const char *dn = audit_text(r, "newDn");
	free(p->dn);
	p->dn = strdup(*dn ? dn : audit_text(r, "dn"));
	json_decref(r);
	return p->dn ? 0 : PROV_ENOMEM;
}

/* An entry that was made anew behind the overlay is one finding, not also that the old one is gone. */
static int join_gone(struct against *a)
{
	struct prov_strmap *names = NULL;
	size_t at;
	int rc = prov_strmap_new(&names);
	for (size_t i = 0; !rc && i < a->n; i++) {
		struct suspect *p = &a->suspect[i];
		char *key = p->kind == AGAINST_GONE ? NULL : replay_fold_dn(p->dn);
		if (p->kind == AGAINST_GONE)
			rc = name_gone(a, p);
		else
			rc = key ? prov_strmap_add(names, key, &at, NULL) : PROV_ENOMEM;
		free(key);
	}
	for (size_t i = a->n; !rc && i > 0; i--) {
		struct suspect *p = &a->suspect[i - 1];
		char *key = p->kind == AGAINST_GONE ? replay_fold_dn(p->dn) : NULL;
		if (key && prov_strmap_find(names, key) != PROV_STRMAP_NONE)
			suspect_drop(a, i - 1);
		free(key);
	}
	prov_strmap_free(&names);
	return rc;
}

static int by_kind(const void *x, const void *y)
{
	const struct suspect *a = x, *b = y;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return strcmp(a->dn, b->dn);
}

static int print_json(const struct against *a)
{
	size_t found = a->n + a->more;
	int rc = 0;
	for (size_t i = 0; !rc && i < a->n; i++) {
		const struct suspect *p = &a->suspect[i];
		rc = prov_json_line_take(stdout,
			json_pack("{s:s,s:o,s:s,s:s,s:I}", "check", against_name(p->kind), "dn",
				prov_json_text(p->dn, strlen(p->dn)), "entryUUID", p->uuid, "text",
				p->text, "record", (json_int_t)p->record));
	}
	if (!rc)
		rc = prov_json_line_take(stdout,
			json_pack("{s:s,s:b,s:I,s:I,s:I,s:I}", "against", "ldap", "ok", !found,
				"agree", (json_int_t)a->agree, "before", (json_int_t)a->before,
				"elsewhere", (json_int_t)a->elsewhere, "findings",
				(json_int_t)found));
	return rc;
}

static int print_text(const struct against *a)
{
	static const char *const head[] = { "CHECK", "ACCOUNT", "WHAT" };
	struct prov_table *t = NULL;
	int rc = prov_table_new(3, head, &t);
	for (size_t i = 0; !rc && i < a->n; i++) {
		const struct suspect *p = &a->suspect[i];
		rc = prov_table_add(t,
			(const char *[]){ against_name(p->kind), *p->dn ? p->dn : p->uuid,
				p->text });
	}
	if (!rc && a->n)
		prov_table_print(t, stdout);
	prov_table_free(&t);
	if (a->more)
		printf("and %zu more\n", a->more);
	printf("%zu accounts agree with the trail", a->agree);
	if (a->before)
		printf(", %zu are older than it", a->before);
	if (a->elsewhere)
		printf(", %zu were written last at another server", a->elsewhere);
	printf(", %zu do not agree\n", a->n + a->more);
	return rc;
}

int audit_against_ldap(struct ctl *c, struct audit_trail *t)
{
	struct prov_error err = { 0 };
	struct against a = { .patience = PATIENCE, .c = c, .t = t };
	bool fresh;
	int st = ctl_site(c), rc;
	if (st)
		return st;
	rc = stamps_new(&a.s);
	if (!rc)
		rc = read_trail(&a, &fresh, &err);
	if (!rc)
		rc = ask_servers(&a, &err);
	if (!rc)
		rc = read_directory(&a, &err);
	if (!rc)
		rc = stamps_each(a.s, see_stamp, &a);
	if (!rc)
		rc = settle(&a, &err);
	if (!rc)
		rc = join_gone(&a);
	if (!rc && a.n)
		qsort(a.suspect, a.n, sizeof(*a.suspect), by_kind);
	if (!rc)
		rc = c->json ? print_json(&a) : print_text(&a);
	if (rc)
		st = err.text[0] ? ctl_fail(&err) : ctl_nomem();
	else
		st = a.n + a.more ? PROV_EXIT_FINDINGS : 0;
	while (a.n)
		suspect_drop(&a, a.n - 1);
	free(a.suspect);
	against_entry_dispose(&a.entry);
	stamps_free(&a.s);
	return st;
}
