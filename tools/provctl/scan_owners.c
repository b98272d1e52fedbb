/*
 * scan_owners.c - accounts of machines, shared or for administration whose owners are gone: one
 * who is here is enough.
 */
#include <stdlib.h>

#include "grow.h"
#include "scan.h"

struct owner {
	const struct scan_entry *of;
	const char *dn;
	bool left; /* else: is not there */
	bool live;
	int64_t since;
};

struct owners {
	size_t n, room;
	struct owner *item; /* those of one account follow each other */
};

static int collect(const struct scan_entry *e, struct owners *o)
{
	for (size_t attr = SCAN_A_MANAGER; attr <= SCAN_A_OWNER; attr++)
		for (BerVarray v = e->val[attr]; v && v->bv_val; v++) {
			if (prov_grow(&o->item, o->n, &o->room, sizeof(*o->item)))
				return PROV_ENOMEM;
			o->item[o->n++] = (struct owner){ .of = e, .dn = v->bv_val };
		}
	return 0;
}

static int look_for(struct scan *s, struct owners *o, struct prov_error *err)
{
	static const char *const attrs[] = { "provState", "provStateSince", NULL };
	struct scan_ask *q = calloc(o->n, sizeof(*q));
	if (!q)
		return scan_nomem(err);
	for (size_t i = 0; i < o->n; i++)
		q[i] = scan_ask_entry(o->item[i].dn, attrs);
	int rc = scan_ask(s, q, o->n, err);
	for (size_t i = 0; !rc && i < o->n; i++) {
		struct scan_entry e = { 0 };
		bool there = scan_asked(s, &q[i], &e);
		o->item[i].left = there && scan_left(&e);
		o->item[i].live = there && !o->item[i].left;
		o->item[i].since = o->item[i].left ? scan_time(&e, SCAN_A_SINCE) : 0;
		scan_entry_dispose(&e);
	}
	scan_asked_free(q, o->n);
	free(q);
	return rc;
}

/* The last one of each account that has nobody; the others go. */
static void keep_ownerless(struct owners *o)
{
	size_t kept = 0;
	for (size_t i = 0, end; i < o->n; i = end) {
		bool live = false;
		for (end = i; end < o->n && o->item[end].of == o->item[i].of; end++)
			live |= o->item[end].live;
		if (!live)
			o->item[kept++] = o->item[end - 1];
	}
	o->n = kept;
}

static int say(struct scan *s, const struct owner *o)
{
	const struct berval *uid = scan_first(o->of, SCAN_A_UID);
	char since[24];
	return scan_say(s,
		&(struct scan_say){ FINDING_OWNERLESS, o->of->dn.bv_val, uid ? uid->bv_val : NULL,
			o->dn, "give it an owner who is here", o->since, NULL },
		"a %s account whose owner %s %s%s", scan_first(o->of, SCAN_A_TYPE)->bv_val, o->dn,
		o->left ? "left" : "is not there", scan_since(o->since, since));
}

static int say_all(struct scan *s, const struct owners *o, struct prov_error *err)
{
	const struct scan_entry **e = calloc(o->n, sizeof(*e));
	bool *same = calloc(o->n, sizeof(*same));
	int rc = e && same ? 0 : scan_nomem(err);
	for (size_t i = 0; !rc && i < o->n; i++) {
		e[i] = o->item[i].of;
		same[i] = true;
	}
	if (!rc)
		rc = scan_unchanged(s, e, same, o->n, err);
	for (size_t i = 0; !rc && i < o->n; i++)
		if (same[i] && say(s, &o->item[i]))
			rc = scan_nomem(err);
	free(same);
	free(e);
	return rc;
}

int scan_owners_settle(struct scan *s, const struct scan_again *a, size_t n, struct prov_error *err)
{
	struct owners o = { 0 };
	int rc = 0;
	for (size_t i = 0; !rc && i < n; i++)
		if (a[i].there && a[i].suspect >> FINDING_OWNERLESS & 1 && scan_machine(&a[i].e) &&
			!scan_left(&a[i].e))
			rc = collect(&a[i].e, &o) ? scan_nomem(err) : 0;
	if (!rc && o.n)
		rc = look_for(s, &o, err);
	keep_ownerless(&o);
	if (!rc && o.n)
		rc = say_all(s, &o, err);
	free(o.item);
	return rc;
}
