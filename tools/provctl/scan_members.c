/*
 * scan_members.c - suspicious members asked for again, those of several groups together.
 *
 * First the members, then the groups, then the members once more: a member that did not change in
 * between was as it is when its group was read. Those that did change are looked at anew, a few
 * times. Of the groups one at a time is in memory, for it may be large.
 */
#include <stdlib.h>
#include <string.h>

#include "ldifout.h"
#include "scan.h"
#include "search.h"

enum { BATCH = 64, TOGETHER = 512, ROUNDS = 3 };

struct group_now {
	size_t n[3];   /* values of each attribute */
	bool needs[3]; /* the last value cannot go */
};

struct member {
	const struct scan_suspect *x;
	struct group_now *group;
	bool wrong;   /* so far */
	bool granted; /* a leaver's grant gives it: it goes when the policy is applied again */
	uint64_t csn;
	int64_t since;
	char uid[64];
};

static const char *const subject_attrs[] = { "provGrant", "provState", "provStateSince", "entryCSN",
	"uid", NULL };

static uint64_t value_hash(size_t attr, const char *value, size_t len)
{
	return prov_hash_join(attr + 1, prov_hash(value, len));
}

static char *subject(struct scan *s, const struct scan_suspect *x)
{
	if (x->account != SCAN_NONE)
		return scan_account_dn(s, x->account);
	char *dn = strdup(s->text + x->value);
	char *hash = dn && x->attr == 1 ? strrchr(dn, '#') : NULL;
	if (hash && hash[1] == '\'')
		*hash = '\0';
	return dn;
}

static uint64_t csn_of(const struct scan_entry *e)
{
	const struct berval *v = scan_first(e, SCAN_A_CSN);
	return v ? prov_hash(v->bv_val, v->bv_len) : 0;
}

/* Is the account wrong to be in this group, by itself? */
static bool still_wrong(const struct scan *s, const struct scan_suspect *x,
	const struct scan_entry *e)
{
	uint64_t group = s->groups.hash[x->group];
	if (x->check == FINDING_LEAVER_LEFTOVER)
		return scan_left(e);
	return !scan_left(e) && !scan_granted(e, group, NULL, NULL);
}

static int note_alive(struct scan *s, const char *dn)
{
	uint32_t n;
	uint64_t hash = prov_hash_dn(dn, strlen(dn));
	return hash && !prov_hashindex_add(&s->alive, hash, &n, NULL) ? 0 : PROV_ENOMEM;
}

static int look_one(struct scan *s, struct member *m, const struct scan_ask *q, bool again)
{
	struct scan_entry e = { 0 };
	bool there = scan_asked(s, q, &e);
	uint64_t csn = there ? csn_of(&e) : 0;
	const struct berval *uid = there ? scan_first(&e, SCAN_A_UID) : NULL;
	int rc = 0;
	if (m->x->check == FINDING_DANGLING_MEMBER) {
		m->wrong = !there;
		if (there && m->x->attr != 2)
			rc = note_alive(s, q->base);
	} else if (again) {
		m->wrong = csn && csn == m->csn;
	} else {
		m->wrong = there && still_wrong(s, m->x, &e);
		m->granted = there && scan_granted(&e, s->groups.hash[m->x->group], NULL, NULL);
		m->csn = csn;
		m->since = there ? scan_time(&e, SCAN_A_SINCE) : 0;
		snprintf(m->uid, sizeof(m->uid), "%s", uid ? uid->bv_val : "");
	}
	scan_entry_dispose(&e);
	return rc;
}

static int make_ask(struct scan *s, const struct scan_suspect *x, struct scan_ask *q, char **dn,
	char **filter)
{
	*dn = subject(s, x);
	*q = scan_ask_entry(*dn, subject_attrs);
	if (*dn && x->account == SCAN_NONE && x->attr == 2) {
		*filter = ctl_filter_equal("uid", *dn);
		*q = (struct scan_ask){ .base = s->ctl->server.suffix,
			.filter = *filter,
			.scope = LDAP_SCOPE_SUBTREE,
			.attrs = subject_attrs };
		return *filter ? 0 : PROV_ENOMEM;
	}
	return *dn ? 0 : PROV_ENOMEM;
}

/* Many groups have the same member that is no account: it is asked for once. */
static bool seen_alive(const struct scan *s, const struct scan_suspect *x)
{
	const char *dn = s->text + x->value;
	return x->check == FINDING_DANGLING_MEMBER && x->attr != 2 &&
		prov_hashindex_find(&s->alive, prov_hash_dn(dn, strlen(dn))) != SCAN_NONE;
}

/* Look at up to BATCH members; those that are not wrong any more are passed over. */
static int look(struct scan *s, struct member *m, size_t n, bool again, struct prov_error *err)
{
	struct scan_ask q[BATCH] = { 0 };
	char *dn[BATCH] = { NULL }, *filter[BATCH] = { NULL };
	size_t which[BATCH], asks = 0;
	int rc = 0;
	for (size_t i = 0; !rc && i < n; i++) {
		if (m[i].wrong && seen_alive(s, m[i].x))
			m[i].wrong = false;
		if (!m[i].wrong)
			continue;
		which[asks] = i;
		if (make_ask(s, m[i].x, &q[asks], &dn[asks], &filter[asks]))
			rc = scan_nomem(err);
		asks++;
	}
	if (!rc)
		rc = scan_ask(s, q, asks, err);
	for (size_t i = 0; !rc && i < asks; i++)
		if (look_one(s, &m[which[i]], &q[i], again))
			rc = scan_nomem(err);
	scan_asked_free(q, asks);
	for (size_t i = 0; i < asks; i++) {
		free(dn[i]);
		free(filter[i]);
	}
	return rc;
}

/* Values of a group by the hash of attribute and value, as written. */
static int read_values(LDAP *ld, LDAPMessage *m, struct group_now *g, struct prov_hashindex *values)
{
	int rc = 0;
	for (size_t k = 0; !rc && k < 3; k++) {
		struct berval **v = ldap_get_values_len(ld, m, scan_member_attr[k]);
		for (; !rc && v && v[g->n[k]]; g->n[k]++) {
			const struct berval *one = v[g->n[k]];
			uint32_t n;
			rc = prov_hashindex_add(values, value_hash(k, one->bv_val, one->bv_len), &n,
				NULL);
		}
		ldap_value_free_len(v);
	}
	g->needs[0] = ctl_entry_has(ld, m, "objectClass", "groupOfNames");
	g->needs[1] = ctl_entry_has(ld, m, "objectClass", "groupOfUniqueNames");
	return rc;
}

/* One group's members: wrong are those only that it has. */
static int look_group(struct scan *s, struct member *m, size_t n, struct prov_error *err)
{
	static const char *const attrs[] = { "member", "uniqueMember", "memberUid", "objectClass",
		NULL };
	struct prov_hashindex values = { 0 };
	struct scan_ask q = scan_ask_entry(s->text + s->group_dn[m->x->group], attrs);
	int rc = scan_ask(s, &q, 1, err);
	LDAPMessage *entry = !rc && q.m ? ldap_first_entry(s->ctl->ld, q.m) : NULL;
	memset(m->group, 0, sizeof(*m->group));
	if (entry && read_values(s->ctl->ld, entry, m->group, &values))
		rc = scan_nomem(err);
	for (size_t i = 0; i < n; i++) {
		const char *value = s->text + m[i].x->value;
		uint64_t hash = value_hash(m[i].x->attr, value, strlen(value));
		m[i].wrong &= prov_hashindex_find(&values, hash) != SCAN_NONE;
	}
	prov_hashindex_dispose(&values);
	scan_asked_free(&q, 1);
	return rc;
}

/* Groups that have none that is wrong need no look. */
static int look_groups(struct scan *s, struct member *m, size_t n, struct prov_error *err)
{
	int rc = 0;
	for (size_t i = 0, end; !rc && i < n; i = end) {
		bool wrong = false;
		for (end = i; end < n && m[end].group == m[i].group; end++)
			wrong |= m[end].wrong;
		if (wrong)
			rc = look_group(s, &m[i], end - i, err);
	}
	return rc;
}

/* Take the value out, unless the group would have none left that it must have. */
static char *removal(const struct scan *s, const struct member *m)
{
	const struct scan_suspect *x = m->x;
	struct group_now *g = m->group;
	const char *value = s->text + x->value;
	if (g->needs[x->attr] && g->n[x->attr] < 2)
		return NULL;
	g->n[x->attr]--;
	return prov_ldif_change(s->text + s->group_dn[x->group], "delete",
		scan_member_attr[x->attr], value, strlen(value));
}

static int say_account(struct scan *s, const struct member *m, struct scan_say *f)
{
	const struct scan_suspect *x = m->x;
	char since[24], *dn = scan_account_dn(s, x->account);
	int rc = PROV_ENOMEM;
	f->dn = dn;
	f->uid = *m->uid ? m->uid : NULL;
	if (dn && x->check == FINDING_LEAVER_LEFTOVER)
		rc = scan_say(s, f, "left%s, but is still a member of %s",
			scan_since(f->since, since), f->related);
	else if (dn)
		rc = scan_say(s, f, "is a member of %s, and no role gives that", f->related);
	free(dn);
	return rc;
}

static int say(struct scan *s, const struct member *m)
{
	const struct scan_suspect *x = m->x;
	const char *group = s->text + s->group_dn[x->group], *value = s->text + x->value;
	struct scan_say f = { .check = (enum finding_check)x->check };
	if (x->check == FINDING_DANGLING_MEMBER) {
		f.dn = group;
		f.related = value;
		f.fix = "take the value out of the group";
		f.ldif = removal(s, m);
		return scan_say(s, &f, "%s names %s, which is not there", scan_member_attr[x->attr],
			value);
	}
	f.related = group;
	if (x->check == FINDING_LEAVER_LEFTOVER) {
		f.since = m->since;
		f.fix = "take the account out of the group";
		f.ldif = m->granted ? NULL : removal(s, m);
	} else {
		f.fix = "give it by a role, or take the account out of the group";
	}
	return say_account(s, m, &f);
}

/* The third look: say what held still; the others are to be looked at anew. */
static int confirm(struct scan *s, struct member *m, size_t n, bool *changed,
	struct prov_error *err)
{
	bool before[BATCH];
	for (size_t i = 0; i < n; i++)
		before[i] = m[i].wrong;
	int rc = look(s, m, n, true, err);
	for (size_t i = 0; !rc && i < n; i++) {
		if (m[i].wrong && say(s, &m[i]))
			rc = scan_nomem(err);
		m[i].wrong = before[i] && !m[i].wrong;
		*changed |= m[i].wrong;
	}
	return rc;
}

/* Again as long as some of them change under our eyes. */
static int settle(struct scan *s, struct member *m, size_t n, struct prov_error *err)
{
	bool changed = true;
	int rc = 0;
	for (int round = 0; !rc && changed && round < ROUNDS; round++) {
		changed = false;
		for (size_t at = 0; !rc && at < n; at += BATCH)
			rc = look(s, m + at, n - at < BATCH ? n - at : BATCH, false, err);
		if (!rc)
			rc = look_groups(s, m, n, err);
		for (size_t at = 0; !rc && at < n; at += BATCH)
			rc = confirm(s, m + at, n - at < BATCH ? n - at : BATCH, &changed, err);
	}
	return rc;
}

/* From here: members of whole groups, a number of them or one group's. */
static size_t together(const struct scan *s, size_t from)
{
	size_t i = from;
	while (i < s->nmember &&
		(i - from < TOGETHER || s->member[i].group == s->member[i - 1].group))
		i++;
	return i - from;
}

int scan_settle_members(struct scan *s, struct prov_error *err)
{
	int rc = 0;
	for (size_t i = 0, n; !rc && i < s->nmember; i += n) {
		n = together(s, i);
		struct member *m = calloc(n, sizeof(*m));
		struct group_now *g = calloc(n, sizeof(*g)), *now = g;
		if (!m || !g)
			rc = scan_nomem(err);
		for (size_t k = 0; !rc && k < n; k++) {
			const struct scan_suspect *x = &s->member[i + k];
			now += k && x->group != x[-1].group;
			m[k] = (struct member){ .x = x, .group = now, .wrong = true };
		}
		if (!rc)
			rc = settle(s, m, n, err);
		free(m);
		free(g);
		scan_progress(s, "members", i);
	}
	return rc;
}
