/*
 * scan_judge.c - what is wrong with one account by itself.
 *
 * When it passes, what its own entry tells is said at once; what something else decides that is not
 * known yet, or what would be said of too many if a source were broken, leaves a bit, and is said when
 * the account was asked for again.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "grant.h"
#include "scan.h"
#include "timefmt.h"

struct judged {
	struct scan *s;
	struct scan_account *a;
	uint32_t number;
	const struct scan_entry *e;
	bool again;
	uint32_t bits;
};

enum remedy { NOTHING, SUSPEND, AGAIN };

struct wrong {
	enum finding_check check;
	const char *related, *fix;
	int64_t since;
	enum remedy remedy;
	bool later; /* is said when the account was asked for again */
};

/* The policy takes away what it gave; roles that were given by hand go when an account ends, and
 * this one has ended before. */
static char *remedy_leftover(const struct scan_entry *e, const char *state)
{
	char *text = scan_ldif_state(e->dn.bv_val, state), *more = NULL;
	if (text &&
		asprintf(&more, "%.*s%s%s\n", (int)strlen(text) - 1, text,
			e->val[SCAN_A_ASSIGNED] ? "replace: provAssignedRole\n-\n" : "",
			e->val[SCAN_A_TIMED] ? "replace: provTimedRole\n-\n" : "") < 0)
		more = NULL;
	free(text);
	return more;
}

static char *remedy(const struct judged *j, enum remedy how)
{
	const struct berval *state = scan_first(j->e, SCAN_A_STATE);
	int64_t end = scan_time(j->e, SCAN_A_END);
	/* a service stops for many when it is suspended: a person decides */
	if (how == NOTHING ||
		(how == SUSPEND && (j->a->flag & SCAN_F_MACHINE || !scan_works(j->e))))
		return NULL;
	if (how == AGAIN)
		return remedy_leftover(j->e, state ? state->bv_val : "terminated");
	/* past its end there is one state only that the policy takes */
	return scan_ldif_state(j->e->dn.bv_val,
		end && end <= j->s->now ? "terminated" : "suspended");
}

/* Does this pass say it? It is noted, otherwise, for the next one. */
static bool says(struct judged *j, const struct wrong *w)
{
	if (w->later && !j->again)
		j->bits |= 1u << w->check;
	return w->later == j->again;
}

static const struct scan_say *fill(const struct judged *j, const struct wrong *w,
	struct scan_say *f)
{
	const struct berval *uid = scan_first(j->e, SCAN_A_UID);
	*f = (struct scan_say){ w->check, j->e->dn.bv_val, uid ? uid->bv_val : NULL, w->related,
		w->fix, w->since, remedy(j, w->remedy) };
	return f;
}

#define WRONG(j, w, ...) \
	(says(j, &(w)) ? scan_say((j)->s, fill(j, &(w), &(struct scan_say){ 0 }), __VA_ARGS__) : 0)

static int check_source(struct judged *j)
{
	static const char *const orphan =
		"find its owner, then set provState: terminated, or give it a provType that no "
		"source knows (service, shared, admin)";
	struct scan *s = j->s;
	const struct scan_account *a = j->a;
	const struct scan_entry *e = j->e;
	char since[24];
	int64_t at = scan_time(e, SCAN_A_SINCE);
	int rc = 0;
	if (!s->source.place)
		return 0;
	const struct scan_record *r = a->record == SCAN_NONE ? NULL : &s->record[a->record];
	if (r && r->left && scan_works(e) && !(a->flag & SCAN_F_DISPUTED) &&
		scan_wants(s, FINDING_LEAVER_ACTIVE)) {
		struct wrong w = { FINDING_LEAVER_ACTIVE, s->text + r->key,
			"set provState: suspended now, terminated when the source is right", at,
			SUSPEND, true };
		rc = WRONG(j, w, "%s has %s as a leaver, and the account works%s", s->source.place,
			s->text + r->key, scan_since(at, since));
	}
	if (!rc && a->flag & SCAN_F_DISPUTED && scan_wants(s, FINDING_DISPUTED)) {
		struct wrong w = { FINDING_DISPUTED, r ? s->text + r->key : NULL,
			"decide whose account it is, and give it the source's key",
			scan_time(e, SCAN_A_CREATED), NOTHING, true };
		rc = WRONG(j, w,
			a->flag & SCAN_F_RULED
				? "it may be the account of %s, and so may another; here%s"
				: "its keys are those of %s and of another; here%s",
			r ? s->text + r->key : "a record", scan_since(w.since, since));
	}
	if (rc || r || a->flag & (SCAN_F_LEAVER | SCAN_F_MACHINE | SCAN_F_DISPUTED) ||
		!scan_wants(s, FINDING_ORPHAN_SOURCE))
		return rc;
	if (!j->again && s->nrule && !(a->flag & SCAN_F_KEYED))
		return 0; /* scan_source_join() tells */
	struct wrong w = { FINDING_ORPHAN_SOURCE, NULL, orphan, scan_time(e, SCAN_A_CREATED),
		SUSPEND, true };
	if (a->flag & SCAN_F_KEYED)
		return WRONG(j, w, "its %s is not in %s", s->attrs.name[s->source_attr],
			s->source.place);
	return WRONG(j, w, "has no %s, so %s cannot vouch for it", s->attrs.name[s->source_attr],
		s->source.place);
}

static unsigned limit_days(const struct judged *j)
{
	const struct scan_options *o = j->s->opt;
	if (j->a->flag & SCAN_F_GLASS)
		return o->dormant_glass;
	if (scan_is(j->e, SCAN_A_TYPE, "admin"))
		return o->dormant_admin;
	return j->a->flag & SCAN_F_MACHINE ? o->dormant_service : o->dormant;
}

static int64_t last_use(const struct judged *j)
{
	struct scan *s = j->s;
	int64_t success = scan_time(j->e, SCAN_A_SUCCESS), auth = scan_time(j->e, SCAN_A_AUTHTIME);
	int64_t last = success > auth ? success : auth;
	BerVarray v = s->logins.place ? j->e->val[s->login_attr] : NULL;
	for (; v && v->bv_val; v++) {
		uint32_t i = prov_hashindex_find(&s->login, prov_hash_text(v->bv_val, v->bv_len));
		if (i != SCAN_NONE && s->login_time[i] > last)
			last = s->login_time[i];
	}
	return last;
}

static int check_use(struct judged *j)
{
	struct scan *s = j->s;
	int64_t last = last_use(j), limit = (int64_t)limit_days(j) * 86400, from;
	char since[24];
	if (last)
		s->uses = true;
	if (!limit || !scan_works(j->e))
		return 0;
	if (last && s->now - last > limit && scan_wants(s, FINDING_DORMANT)) {
		struct wrong w = { FINDING_DORMANT, NULL,
			"ask its owner, then set provState: suspended", last, SUSPEND, false };
		return WRONG(j, w, "not used%s, for %lld days; %lld are allowed",
			scan_since(last, since), (long long)((s->now - last) / 86400),
			(long long)(limit / 86400));
	}
	/* it means something when others' last use is known: when that comes later, so does this */
	bool later = j->again ? j->a->suspect >> FINDING_NEVER_USED & 1 : !s->uses;
	from = scan_time(j->e, SCAN_A_CREATED);
	if (scan_time(j->e, SCAN_A_START) > from)
		from = scan_time(j->e, SCAN_A_START);
	if (last || !from || s->now - from <= limit || !scan_wants(s, FINDING_NEVER_USED))
		return 0;
	struct wrong w = { FINDING_NEVER_USED, NULL, "ask its owner, then set provState: suspended",
		from, SUSPEND, later };
	return WRONG(j, w, "never used, and here%s", scan_since(from, since));
}

static int check_state(struct judged *j)
{
	struct scan *s = j->s;
	int64_t since = scan_time(j->e, SCAN_A_SINCE), end = scan_time(j->e, SCAN_A_END);
	char when[24];
	int rc = 0;
	/* slapd ends an account at the minute: give it two */
	if (end && s->now - end > 120 && scan_works(j->e) &&
		scan_wants(s, FINDING_EXPIRED_ACTIVE)) {
		struct wrong w = { FINDING_EXPIRED_ACTIVE, NULL,
			"set provState: terminated, or correct provEndTime", end, SUSPEND, false };
		rc = WRONG(j, w, "past its end%s, and it works", scan_since(end, when));
	}
	if (rc || !s->opt->stale_suspended || !since || !scan_is(j->e, SCAN_A_STATE, "suspended") ||
		s->now - since <= (int64_t)s->opt->stale_suspended * 86400 ||
		!scan_wants(s, FINDING_STALE_SUSPENDED))
		return rc;
	struct wrong w = { FINDING_STALE_SUSPENDED, NULL,
		"set provState: terminated, or active when it is to go on", since, NOTHING, false };
	return WRONG(j, w, "suspended%s, for %lld days; %u are allowed", scan_since(since, when),
		(long long)((s->now - since) / 86400), s->opt->stale_suspended);
}

static int check_owner(struct judged *j)
{
	struct scan *s = j->s;
	struct wrong w = { FINDING_OWNERLESS, NULL, "give it an owner who is here",
		scan_time(j->e, SCAN_A_CREATED), NOTHING, false };
	if (!scan_machine(j->e) || scan_left(j->e) || scan_first(j->e, SCAN_A_OWNER) ||
		scan_first(j->e, SCAN_A_MANAGER) || !scan_wants(s, FINDING_OWNERLESS))
		return 0;
	return WRONG(j, w, "a %s account that has no owner and no manager",
		scan_first(j->e, SCAN_A_TYPE)->bv_val);
}

static int check_complete(struct judged *j)
{
	struct scan *s = j->s;
	char missing[256] = "";
	struct wrong w = { FINDING_INCOMPLETE, NULL, "have the source fill it",
		scan_time(j->e, SCAN_A_CREATED), NOTHING, false };
	if (j->a->flag & (SCAN_F_LEAVER | SCAN_F_MACHINE) || !scan_wants(s, FINDING_INCOMPLETE))
		return 0;
	for (size_t i = 0; i < s->nrequire; i++) {
		size_t len = strlen(missing);
		if (!scan_first(j->e, s->require[i]))
			snprintf(missing + len, sizeof(missing) - len, "%s%s", len ? ", " : "",
				s->attrs.name[s->require[i]]);
	}
	return *missing ? WRONG(j, w, "has no %s", missing) : 0;
}

static unsigned count(const struct scan_entry *e, size_t attr)
{
	unsigned n = 0;
	while (e->val[attr] && e->val[attr][n].bv_val)
		n++;
	return n;
}

static int check_leftover(struct judged *j)
{
	const struct scan_entry *e = j->e;
	unsigned in_force = count(e, SCAN_A_EFFECTIVE), grants = 0;
	unsigned given = count(e, SCAN_A_ASSIGNED) + count(e, SCAN_A_TIMED);
	struct wrong w = { FINDING_LEAVER_LEFTOVER, NULL,
		"take away the roles given by hand, and write provState again (replace it by its own value), "
		"so that the policy is applied",
		scan_time(e, SCAN_A_SINCE), AGAIN, false };
	char since[24];
	if (!scan_left(e) || !scan_wants(j->s, FINDING_LEAVER_LEFTOVER))
		return 0;
	for (BerVarray v = e->val[SCAN_A_GRANT]; v && v->bv_val; v++)
		/* what a default gave belongs to the account from then on */
		grants += strncmp(v->bv_val, "default$", 8) != 0;
	if (!in_force && !given && !grants)
		return 0;
	return WRONG(j, w, "left%s, but still has %u role%s in force, %u given by hand, %u grant%s",
		scan_since(w.since, since), in_force, in_force == 1 ? "" : "s", given, grants,
		grants == 1 ? "" : "s");
}

static bool quickly_there(const struct judged *j, struct prov_val attr, struct prov_val value)
{
	const struct scan_attrs *t = &j->s->attrs;
	uint64_t want = 0;
	for (size_t i = 0; i < t->n; i++) {
		if (strncasecmp(t->name[i], attr.data, attr.len) != 0 || t->name[i][attr.len])
			continue;
		for (BerVarray v = j->e->val[i]; v && v->bv_val; v++) {
			if (v->bv_len == value.len && !memcmp(v->bv_val, value.data, value.len))
				return true;
			if (!want)
				want = prov_hash_text(value.data, value.len);
			if (prov_hash_text(v->bv_val, v->bv_len) == want)
				return true;
		}
	}
	return false;
}

static bool lacks(const struct judged *j, const struct prov_grant *g)
{
	struct prov_val attr, value;
	return prov_grant_split(g->what, &attr, &value) && !quickly_there(j, attr, value);
}

static int check_grants(struct judged *j)
{
	int rc = 0;
	if (scan_left(j->e) || !scan_wants(j->s, FINDING_MISSING_GRANT))
		return 0;
	for (BerVarray v = j->e->val[SCAN_A_GRANT]; !rc && v && v->bv_val; v++) {
		struct prov_arena arena = PROV_ARENA_INIT;
		struct prov_grant g;
		bool there = true;
		if (*v->bv_val != 'a' && strncmp(v->bv_val, "enf", 3) != 0)
			continue; /* groups have their own pass */
		if (!prov_grant_parse((struct prov_val){ v->bv_val, v->bv_len }, &arena, &g, NULL))
			there = !lacks(j, &g);
		prov_arena_dispose(&arena);
		if (there)
			continue;
		j->bits |= 1u << FINDING_MISSING_GRANT;
		rc = j->again ? scan_value_add(j->s, j->e, v) : 0;
	}
	return rc;
}

/* State, kind and record of the source, as the entry says now. */
static void note(struct judged *j)
{
	struct scan *s = j->s;
	struct scan_account *a = j->a;
	uint16_t keep = SCAN_F_GLASS | SCAN_F_RULED;
	if (a->flag & SCAN_F_RULED)
		keep |= SCAN_F_DISPUTED;
	a->flag &= keep;
	a->flag |=
		(scan_left(j->e) ? SCAN_F_LEAVER : 0) | (scan_machine(j->e) ? SCAN_F_MACHINE : 0);
	if (!s->source.place)
		return;
	uint32_t record = a->flag & SCAN_F_RULED ? a->record : SCAN_NONE;
	for (BerVarray v = j->e->val[s->source_attr]; v && v->bv_val; v++) {
		uint32_t r = prov_hashindex_find(&s->keys, prov_hash_text(v->bv_val, v->bv_len));
		a->flag |= SCAN_F_KEYED;
		if (r == SCAN_NONE)
			continue;
		if (record != SCAN_NONE && record != r)
			a->flag |= SCAN_F_DISPUTED; /* two people's keys */
		record = r;
	}
	a->record = record;
	if (record != SCAN_NONE && !j->again)
		s->record[record].account = j->number;
}

int scan_judge(struct scan *s, uint32_t number, const struct scan_entry *e, bool again,
	uint32_t *later, struct prov_error *err)
{
	struct judged j = { s, &s->account[number], number, e, again, 0 };
	note(&j);
	int rc = check_source(&j);
	if (!rc)
		rc = check_use(&j);
	if (!rc)
		rc = check_state(&j);
	if (!rc)
		rc = check_owner(&j);
	if (!rc)
		rc = check_complete(&j);
	if (!rc)
		rc = check_leftover(&j);
	if (!rc && !again)
		rc = scan_sod_judge(s, e);
	if (!rc)
		rc = check_grants(&j);
	*later = j.bits;
	return rc ? scan_nomem(err) : 0;
}
