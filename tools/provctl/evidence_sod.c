/* evidence_sod.c - see evidence_sod.h. */
#include "evidence_sod.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "audit_match.h"
#include "grow.h"
#include "replay.h"
#include "strmap.h"
#include "trail.h"

struct rule {
	char *key, *dn; /* of the set, or of the role that says provConflict */
	bool set, live;
	size_t limit, nrole;
	size_t *role;
	uint64_t record;
};

struct hold {
	size_t role;
	uint64_t record; /* that gave it */
};

struct account {
	char *dn, *uid;
	size_t nhold, room;
	struct hold *hold;
	size_t breach; /* the newest of its own, plus one */
};

/* From a record on, to another: the account held what the rule forbids. */
struct breach {
	size_t account, rule, before; /* before: the one before it of the account, plus one */
	uint64_t begin, end;          /* end: 0: not ended */
	int64_t ended;
	bool by_rule; /* the rule came later than the roles */
	char *time, *by, *reason, *roles, *dn;
	size_t ngiven;
	uint64_t *given; /* records that gave the roles */
};

struct evidence_sod {
	int64_t since, until;
	struct prov_strmap *roles, *accounts; /* folded DNs; entryUUIDs */
	size_t nrule, rule_room, naccount, account_room, nbreach, breach_room;
	size_t nrole, role_room;
	char **role; /* as written */
	struct rule *rule;
	struct account *account;
	struct breach *breach;
	size_t nname, name_room, at;
	uint64_t *name; /* records that rows name, sorted once read */
};

/* -- rules ----------------------------------------------------------------------------------- */

static int role_number(struct evidence_sod *s, const char *dn, size_t *n)
{
	char *key = replay_fold_dn(dn);
	int fresh = 0, rc = key ? prov_strmap_add(s->roles, key, n, &fresh) : PROV_ENOMEM;
	free(key);
	if (rc || !fresh)
		return rc;
	if (prov_grow(&s->role, *n, &s->role_room, sizeof(*s->role)) || !(s->role[*n] = strdup(dn)))
		return PROV_ENOMEM;
	s->nrole++;
	return 0;
}

static const json_t *rule_values(const json_t *r, const char *name)
{
	return json_object_get(json_object_get(r, "values"), name);
}

/* First walk: which roles does any rule name? */
static int learn(void *ctx, uint64_t seq, struct prov_val text)
{
	static const char *const attr[] = { "provConflict", "provSodRole" };
	struct evidence_sod *s = ctx;
	size_t i, n;
	json_t *v;
	int rc = 0;
	(void)seq;
	if (!memmem(text.data, text.len, "\"policy\"", 8))
		return 0;
	json_t *r = json_loadb(text.data, text.len, 0, NULL);
	for (int k = 0; k < 2 && !strcmp(audit_text(r, "op"), "policy"); k++) {
		if (rule_values(r, attr[k]) && !k)
			rc = role_number(s, audit_text(r, "dn"), &n);
		json_array_foreach(rule_values(r, attr[k]), i, v)
		{
			if (!rc && json_is_string(v))
				rc = role_number(s, json_string_value(v), &n);
		}
	}
	json_decref(r);
	return rc;
}

static int by_size(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	return (x > y) - (x < y);
}

/* One that was there by this or the former name goes on when it says the same; else a new one. */
static int put_rule(struct evidence_sod *s, const struct rule *want, const bool *was, size_t old)
{
	for (size_t i = 0; i < old; i++) {
		struct rule *r = &s->rule[i];
		if (was[i] && !r->live && r->set == want->set && r->limit == want->limit &&
			r->nrole == want->nrole &&
			!memcmp(r->role, want->role, r->nrole * sizeof(*r->role))) {
			r->live = true;
			return replay_set(&r->key, want->key) || replay_set(&r->dn, want->dn)
				? PROV_ENOMEM
				: 0;
		}
	}
	if (prov_grow(&s->rule, s->nrule, &s->rule_room, sizeof(*s->rule)))
		return PROV_ENOMEM;
	struct rule *r = &s->rule[s->nrule++];
	*r = *want;
	r->live = true;
	r->key = strdup(want->key);
	r->dn = strdup(want->dn);
	r->role = calloc(want->nrole + 1, sizeof(*r->role));
	if (!r->key || !r->dn || !r->role)
		return PROV_ENOMEM;
	memcpy(r->role, want->role, want->nrole * sizeof(*r->role));
	return 0;
}

static int put_conflicts(struct evidence_sod *s, struct rule *want, const json_t *list,
	const bool *was, size_t old)
{
	size_t i, self, pair[2];
	json_t *v;
	int rc = role_number(s, want->dn, &self);
	want->limit = 1;
	want->nrole = 2;
	want->role = pair;
	json_array_foreach(list, i, v)
	{
		if (rc || !json_is_string(v))
			continue;
		rc = role_number(s, json_string_value(v), &pair[1]);
		pair[0] = self;
		qsort(pair, 2, sizeof(*pair), by_size);
		if (!rc)
			rc = put_rule(s, want, was, old);
	}
	want->role = NULL;
	return rc;
}

static int put_set(struct evidence_sod *s, struct rule *want, const json_t *list, const bool *was,
	size_t old)
{
	size_t i;
	json_t *v;
	int rc = 0;
	want->set = true;
	want->role = calloc(json_array_size(list) + 1, sizeof(*want->role));
	if (!want->role)
		return PROV_ENOMEM;
	json_array_foreach(list, i, v)
	{
		if (!rc && json_is_string(v))
			rc = role_number(s, json_string_value(v), &want->role[want->nrole++]);
	}
	qsort(want->role, want->nrole, sizeof(*want->role), by_size);
	if (!rc)
		rc = put_rule(s, want, was, old);
	free(want->role);
	want->role = NULL;
	return rc;
}

/* Rules of this entry are what it says now. *changed: they were something else. */
static int see_policy(struct evidence_sod *s, uint64_t seq, const json_t *r, bool *changed)
{
	const char *dn = audit_text(r, "dn"), *new_dn = audit_text(r, "newDn");
	const json_t *conflict = rule_values(r, "provConflict"),
		     *set = rule_values(r, "provSodRole");
	const char *limit = json_string_value(json_array_get(rule_values(r, "provSodLimit"), 0));
	char *from = replay_fold_dn(dn), *to = replay_fold_dn(*new_dn ? new_dn : dn);
	size_t old = s->nrule;
	bool *was = calloc(old + 1, sizeof(*was));
	struct rule want = { .key = to,
		.dn = (char *)(*new_dn ? new_dn : dn),
		.limit = limit ? strtoul(limit, NULL, 10) : 1,
		.record = seq };
	int rc = from && to && was ? 0 : PROV_ENOMEM;
	for (size_t i = 0; !rc && i < old; i++) {
		was[i] = s->rule[i].live && !strcmp(s->rule[i].key, from);
		if (was[i])
			s->rule[i].live = false;
	}
	if (!rc && conflict)
		rc = put_conflicts(s, &want, conflict, was, old);
	else if (!rc && set)
		rc = put_set(s, &want, set, was, old);
	*changed = s->nrule > old;
	for (size_t i = 0; !rc && i < old; i++)
		*changed |= was[i] && !s->rule[i].live;
	free(from);
	free(to);
	free(was);
	return rc;
}

/* -- accounts -------------------------------------------------------------------------------- */

static int find_account(struct evidence_sod *s, const json_t *r, size_t *n)
{
	const char *dn = audit_text(r, "newDn");
	int fresh = 0;
	int rc = prov_strmap_add(s->accounts, audit_text(r, "entryUUID"), n, &fresh);
	if (!rc && fresh) {
		rc = prov_grow(&s->account, *n, &s->account_room, sizeof(*s->account));
		if (!rc)
			memset(&s->account[s->naccount++], 0, sizeof(*s->account));
	}
	if (!rc)
		rc = replay_set(&s->account[*n].dn, *dn ? dn : audit_text(r, "dn"));
	return rc ? rc : replay_set(&s->account[*n].uid, audit_text(r, "uid"));
}

static const struct hold *holds(const struct account *a, size_t role)
{
	for (size_t i = 0; i < a->nhold; i++)
		if (a->hold[i].role == role)
			return &a->hold[i];
	return NULL;
}

static int change_role(struct evidence_sod *s, struct account *a, const char *dn, bool gained,
	uint64_t seq)
{
	char *key = replay_fold_dn(dn);
	size_t role = key ? prov_strmap_find(s->roles, key) : PROV_STRMAP_NONE, n = 0;
	bool oom = !key;
	free(key);
	if (role == PROV_STRMAP_NONE)
		return oom ? PROV_ENOMEM : 0;
	for (size_t i = 0; i < a->nhold; i++)
		if (a->hold[i].role != role)
			a->hold[n++] = a->hold[i];
	a->nhold = n;
	if (!gained)
		return 0;
	if (prov_grow(&a->hold, a->nhold, &a->room, sizeof(*a->hold)))
		return PROV_ENOMEM;
	a->hold[a->nhold++] = (struct hold){ role, seq };
	return 0;
}

/* The same two roles by a rule that was there before: both of them say so. */
static bool said_twice(const struct evidence_sod *s, size_t rule)
{
	const struct rule *r = &s->rule[rule];
	for (size_t i = 0; i < rule && !r->set; i++) {
		const struct rule *o = &s->rule[i];
		if (o->live && !o->set && o->role[0] == r->role[0] && o->role[1] == r->role[1])
			return true;
	}
	return false;
}

static bool breaks(const struct evidence_sod *s, const struct account *a, size_t rule)
{
	const struct rule *r = &s->rule[rule];
	size_t n = 0;
	for (size_t i = 0; r->live && i < r->nrole; i++)
		n += holds(a, r->role[i]) != NULL;
	return r->live && n > r->limit && !said_twice(s, rule);
}

/* "DN (record N)", a line each. */
static int list_roles(const struct evidence_sod *s, const struct account *a, const struct rule *r,
	struct breach *b)
{
	size_t len;
	FILE *f = open_memstream(&b->roles, &len);
	b->given = calloc(r->nrole + 1, sizeof(*b->given));
	for (size_t i = 0; f && b->given && i < r->nrole; i++) {
		const struct hold *h = holds(a, r->role[i]);
		if (!h)
			continue;
		fprintf(f, "%s%s (record %llu)", b->ngiven ? "\n" : "", s->role[h->role],
			(unsigned long long)h->record);
		b->given[b->ngiven++] = h->record;
	}
	return !f || fclose(f) || !b->given ? PROV_ENOMEM : 0;
}

static int begin(struct evidence_sod *s, size_t account, size_t rule, uint64_t seq, const json_t *r)
{
	struct account *a = &s->account[account];
	if (prov_grow(&s->breach, s->nbreach, &s->breach_room, sizeof(*s->breach)))
		return PROV_ENOMEM;
	struct breach *b = &s->breach[s->nbreach++];
	*b = (struct breach){ .account = account,
		.rule = rule,
		.before = a->breach,
		.begin = seq,
		.by_rule = !strcmp(audit_text(r, "op"), "policy"),
		.time = strdup(audit_text(r, "time")),
		.by = strdup(audit_text(json_object_get(r, "actor"), "authz")),
		.reason = strdup(audit_text(r, "reason")),
		.dn = strdup(a->dn) };
	a->breach = s->nbreach;
	return b->time && b->by && b->reason && b->dn ? list_roles(s, a, &s->rule[rule], b)
						      : PROV_ENOMEM;
}

static int judge(struct evidence_sod *s, size_t account, uint64_t seq, int64_t usec,
	const json_t *r)
{
	struct account *a = &s->account[account];
	int rc = 0;
	for (size_t b = a->breach; b; b = s->breach[b - 1].before) {
		struct breach *x = &s->breach[b - 1];
		if (x->end || breaks(s, a, x->rule))
			continue;
		x->end = seq;
		x->ended = usec;
	}
	for (size_t i = 0; !rc && a->nhold > 1 && i < s->nrule; i++) {
		bool open = false;
		if (!breaks(s, a, i))
			continue;
		for (size_t b = a->breach; b && !open; b = s->breach[b - 1].before)
			open = !s->breach[b - 1].end && s->breach[b - 1].rule == i;
		if (!open)
			rc = begin(s, account, i, seq, r);
	}
	return rc;
}

static int see_account(struct evidence_sod *s, uint64_t seq, int64_t usec, const json_t *r)
{
	const json_t *roles = json_object_get(r, "roles");
	size_t n, i;
	json_t *v;
	int rc = find_account(s, r, &n);
	json_array_foreach(json_object_get(roles, "lost"), i, v)
	{
		if (!rc && json_is_string(v))
			rc = change_role(s, &s->account[n], json_string_value(v), false, seq);
	}
	json_array_foreach(json_object_get(roles, "gained"), i, v)
	{
		if (!rc && json_is_string(v))
			rc = change_role(s, &s->account[n], json_string_value(v), true, seq);
	}
	return rc ? rc : judge(s, n, seq, usec, r);
}

/* Second walk. */
static int see(void *ctx, uint64_t seq, struct prov_val text)
{
	struct evidence_sod *s = ctx;
	int64_t usec;
	int rc = 0;
	if (!memmem(text.data, text.len, "\"policy\"", 8) &&
		!memmem(text.data, text.len, "\"roles\"", 7) &&
		!memmem(text.data, text.len, "\"newDn\"", 7))
		return 0;
	json_t *r = json_loadb(text.data, text.len, 0, NULL);
	bool policy = !strcmp(audit_text(r, "op"), "policy"), changed = false;
	if (!r || audit_usec(audit_text(r, "time"), 0, false, &usec) || usec > s->until) {
		json_decref(r);
		return 0;
	}
	if (policy)
		rc = see_policy(s, seq, r, &changed);
	else if (replay_is_write(r) && *audit_text(r, "entryUUID") &&
		(json_object_get(r, "roles") ||
			prov_strmap_find(s->accounts, audit_text(r, "entryUUID")) !=
				PROV_STRMAP_NONE))
		rc = see_account(s, seq, usec, r);
	for (size_t i = 0; !rc && changed && i < s->naccount; i++)
		rc = judge(s, i, seq, usec, r);
	json_decref(r);
	return rc;
}

/* -- what comes of it ------------------------------------------------------------------------ */

static bool counts(const struct evidence_sod *s, const struct breach *b)
{
	return !b->end || b->ended >= s->since;
}

static int by_seq(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static int name_record(struct evidence_sod *s, uint64_t seq)
{
	if (prov_grow(&s->name, s->nname, &s->name_room, sizeof(*s->name)))
		return PROV_ENOMEM;
	s->name[s->nname++] = seq;
	return 0;
}

static int name_records(struct evidence_sod *s)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < s->nbreach; i++) {
		const struct breach *b = &s->breach[i];
		if (!counts(s, b))
			continue;
		rc = name_record(s, b->begin);
		if (!rc && b->end)
			rc = name_record(s, b->end);
		for (size_t k = 0; !rc && k < b->ngiven; k++)
			rc = name_record(s, b->given[k]);
		if (!rc)
			rc = name_record(s, s->rule[b->rule].record);
	}
	for (size_t i = 0; !rc && i < s->nrule; i++)
		if (s->rule[i].live)
			rc = name_record(s, s->rule[i].record);
	if (!rc && s->nname)
		qsort(s->name, s->nname, sizeof(*s->name), by_seq);
	return rc;
}

int evidence_sod_read(struct prov_kv_txn *txn, int64_t since, int64_t until,
	struct evidence_sod **out, struct prov_error *err)
{
	struct evidence_sod *s = calloc(1, sizeof(*s));
	*out = s;
	if (!s)
		return PROV_ENOMEM;
	s->since = since;
	s->until = until;
	int rc = prov_strmap_new(&s->roles);
	if (!rc)
		rc = prov_strmap_new(&s->accounts);
	if (!rc)
		rc = prov_trail_walk(txn, 1, learn, s, err);
	if (!rc && prov_strmap_count(s->roles))
		rc = prov_trail_walk(txn, 1, see, s, err);
	return rc ? rc : name_records(s);
}

bool evidence_sod_names(struct evidence_sod *s, uint64_t seq)
{
	while (s->at < s->nname && s->name[s->at] < seq)
		s->at++;
	return s->at < s->nname && s->name[s->at] == seq;
}

static int put_breach(const struct evidence_sod *s, const struct breach *b, struct evidence_out *o)
{
	const struct rule *r = &s->rule[b->rule];
	char n[24], end[24] = "", *rule = NULL;
	snprintf(n, sizeof(n), "%llu", (unsigned long long)b->begin);
	if (b->end)
		snprintf(end, sizeof(end), "%llu", (unsigned long long)b->end);
	if (asprintf(&rule, "%s %s (record %llu)", r->set ? "provSodSet" : "provConflict of", r->dn,
		    (unsigned long long)r->record) < 0)
		return PROV_ENOMEM;
	int rc = evidence_out_row(o, EVIDENCE_SOD,
		(const char *[]){ n, b->time, b->by_rule ? "rule written" : "roles gained", b->dn,
			s->account[b->account].uid, rule, b->roles, b->by, b->reason, end });
	free(rule);
	return rc;
}

static int figure(struct evidence_out *o, const char *name, size_t n, const char *where)
{
	char value[24];
	snprintf(value, sizeof(value), "%zu", n);
	return evidence_out_figure(o, name, value, where);
}

/* "records 3, 7": where the rules were written. *n: how many rules there are. */
static char *list_rules(const struct evidence_sod *s, size_t *n)
{
	char *text = NULL;
	size_t len;
	uint64_t last = 0;
	FILE *f = open_memstream(&text, &len);
	*n = 0;
	for (size_t i = 0; f && i < s->nrule; i++) {
		if (!s->rule[i].live || said_twice(s, i))
			continue;
		if (s->rule[i].record != last)
			fprintf(f, "%s%llu", *n ? ", " : "records.jsonl: seq ",
				(unsigned long long)s->rule[i].record);
		last = s->rule[i].record;
		++*n;
	}
	if (!f || fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

int evidence_sod_put(const struct evidence_sod *s, struct evidence_out *o)
{
	size_t open = 0, rules;
	char *where = list_rules(s, &rules);
	int rc = where ? 0 : PROV_ENOMEM;
	for (size_t i = 0; !rc && i < s->nbreach; i++) {
		if (!counts(s, &s->breach[i]))
			continue;
		open += !s->breach[i].end;
		rc = put_breach(s, &s->breach[i], o);
	}
	if (!rc)
		rc = figure(o, "Segregation of duties: rules at the end of the period", rules,
			where);
	if (!rc)
		rc = figure(o, "Segregation of duties: accounts' violations in the period",
			evidence_out_count(o, EVIDENCE_SOD), "sod.csv: record");
	if (!rc)
		rc = figure(o, "Segregation of duties: violations at the end of the period", open,
			"sod.csv: record, where ended is empty");
	free(where);
	return rc ? rc
		  : evidence_out_note(o, false,
			    "Segregation of duties: rules and roles are those that the trail tells "
			    "of; what came by slapadd or replication, or before rules were written "
			    "into the trail, is not known here. provctl scan --check SOD_VIOLATION "
			    "looks at the directory itself.");
}

void evidence_sod_free(struct evidence_sod **out)
{
	struct evidence_sod *s = *out;
	*out = NULL;
	if (!s)
		return;
	for (size_t i = 0; i < s->nrule; i++) {
		free(s->rule[i].key);
		free(s->rule[i].dn);
		free(s->rule[i].role);
	}
	for (size_t i = 0; i < s->naccount; i++) {
		free(s->account[i].dn);
		free(s->account[i].uid);
		free(s->account[i].hold);
	}
	for (size_t i = 0; i < s->nbreach; i++) {
		free(s->breach[i].time);
		free(s->breach[i].by);
		free(s->breach[i].reason);
		free(s->breach[i].roles);
		free(s->breach[i].given);
		free(s->breach[i].dn);
	}
	for (size_t i = 0; i < s->nrole; i++)
		free(s->role[i]);
	free(s->role);
	free(s->rule);
	free(s->account);
	free(s->breach);
	free(s->name);
	prov_strmap_free(&s->roles);
	prov_strmap_free(&s->accounts);
	free(s);
}
