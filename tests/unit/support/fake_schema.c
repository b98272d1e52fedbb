/*
 * fake_schema.c - the table of types, and how values of each syntax are compared.
 */
#include "fake_schema.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unicase.h>
#include <unistr.h>

#include "error.h"
#include "fake_values.h"
#include "timefmt.h"

#define FLAG_SINGLE 1
#define FLAG_SERVER 2 /* NO-USER-MODIFICATION */
#define FLAG_SECRET 4
#define FLAG_LOOSE 8
#define FLAG_POWER 16

static const struct {
	const char *name, *sup;
	enum fake_syntax syntax;
	unsigned flags;
} definitions[] = {
	{ "objectClass", NULL, FAKE_WORD, FLAG_LOOSE },
	{ "name", NULL, FAKE_TEXT, 0 },
	{ "cn", "name", FAKE_TEXT, 0 },
	{ "sn", "name", FAKE_TEXT, 0 },
	{ "givenName", "name", FAKE_TEXT, 0 },
	{ "title", "name", FAKE_TEXT, 0 },
	{ "ou", "name", FAKE_TEXT, 0 },
	{ "o", "name", FAKE_TEXT, 0 },
	{ "dc", NULL, FAKE_TEXT, FLAG_SINGLE },
	{ "uid", NULL, FAKE_TEXT, 0 },
	{ "mail", NULL, FAKE_TEXT, 0 },
	{ "displayName", NULL, FAKE_TEXT, FLAG_SINGLE },
	{ "description", NULL, FAKE_TEXT, 0 },
	{ "departmentNumber", NULL, FAKE_TEXT, 0 },
	{ "employeeType", NULL, FAKE_TEXT, 0 },
	{ "employeeNumber", NULL, FAKE_TEXT, FLAG_SINGLE },
	{ "preferredLanguage", NULL, FAKE_TEXT, FLAG_SINGLE },
	{ "homeDirectory", NULL, FAKE_EXACT, FLAG_SINGLE },
	{ "loginShell", NULL, FAKE_EXACT, FLAG_SINGLE },
	{ "memberUid", NULL, FAKE_EXACT, 0 },
	{ "uidNumber", NULL, FAKE_INTEGER, FLAG_SINGLE },
	{ "gidNumber", NULL, FAKE_INTEGER, FLAG_SINGLE },
	{ "userPassword", NULL, FAKE_OCTETS, FLAG_SECRET },
	{ "authzTo", NULL, FAKE_EXACT, FLAG_POWER },
	{ "jpegPhoto", NULL, FAKE_BLOB, 0 },
	{ "distinguishedName", NULL, FAKE_DN, 0 },
	{ "manager", NULL, FAKE_DN, 0 },
	{ "owner", "distinguishedName", FAKE_DN, 0 },
	{ "seeAlso", "distinguishedName", FAKE_DN, 0 },
	{ "member", "distinguishedName", FAKE_DN, 0 },
	{ "uniqueMember", NULL, FAKE_DN, 0 },
	{ "memberOf", NULL, FAKE_DN, FLAG_SERVER },
	{ "entryUUID", NULL, FAKE_WORD, FLAG_SINGLE | FLAG_SERVER },
	{ "entryCSN", NULL, FAKE_EXACT, FLAG_SINGLE | FLAG_SERVER },
	{ "createTimestamp", NULL, FAKE_TIME, FLAG_SINGLE | FLAG_SERVER },
	{ "creatorsName", NULL, FAKE_DN, FLAG_SINGLE | FLAG_SERVER },
	{ "provStatus", NULL, FAKE_WORD, FLAG_SINGLE },
	{ "provAssignFilter", NULL, FAKE_EXACT, 0 },
	{ "provInclude", NULL, FAKE_DN, 0 },
	{ "provTemplate", NULL, FAKE_EXACT, 0 },
	{ "provGroup", NULL, FAKE_DN, 0 },
	{ "provEntitlement", NULL, FAKE_EXACT, 0 },
	{ "provRisk", NULL, FAKE_INTEGER, FLAG_SINGLE },
	{ "provMaxMembers", NULL, FAKE_INTEGER, FLAG_SINGLE },
	{ "provConflict", NULL, FAKE_DN, 0 },
	{ "provPrerequisite", NULL, FAKE_DN, 0 },
	{ "provApprover", NULL, FAKE_DN, 0 },
	{ "provAssignedRole", NULL, FAKE_DN, 0 },
	{ "provTimedRole", NULL, FAKE_TEXT, 0 },
	{ "provState", NULL, FAKE_WORD, FLAG_SINGLE },
	{ "provStartTime", NULL, FAKE_TIME, FLAG_SINGLE },
	{ "provEndTime", NULL, FAKE_TIME, FLAG_SINGLE },
	{ "provSource", NULL, FAKE_TEXT, FLAG_SINGLE },
	{ "provSourceKey", NULL, FAKE_EXACT, FLAG_SINGLE },
	{ "provType", NULL, FAKE_WORD, FLAG_SINGLE },
	{ "provException", NULL, FAKE_EXACT, 0 },
	{ "provEffectiveRole", NULL, FAKE_DN, FLAG_SERVER },
	{ "provGrant", NULL, FAKE_EXACT, FLAG_SERVER },
	{ "provStateSince", NULL, FAKE_TIME, FLAG_SINGLE | FLAG_SERVER },
	{ "provDue", NULL, FAKE_TIME, FLAG_SINGLE | FLAG_SERVER },
	{ "provChangeId", NULL, FAKE_WORD, FLAG_SINGLE | FLAG_SERVER },
	{ "provChangeTime", NULL, FAKE_TIME, FLAG_SINGLE | FLAG_SERVER },
	{ "provChangeBy", NULL, FAKE_DN, FLAG_SINGLE | FLAG_SERVER },
	{ "provChangeReason", NULL, FAKE_TEXT, FLAG_SINGLE | FLAG_SERVER },
	{ "provPoolNext", NULL, FAKE_INTEGER, FLAG_SINGLE },
	{ "provPoolMax", NULL, FAKE_INTEGER, FLAG_SINGLE },
	{ "provPoolRange", NULL, FAKE_WORD, 0 },
	{ "provSodRole", NULL, FAKE_DN, 0 },
	{ "provSodLimit", NULL, FAKE_INTEGER, FLAG_SINGLE },
	{ "provConnectorType", NULL, FAKE_WORD, FLAG_SINGLE },
	{ "provTarget", NULL, FAKE_EXACT, FLAG_SINGLE },
	{ "provEvent", NULL, FAKE_EXACT, 0 },
	{ "provFilter", NULL, FAKE_EXACT, FLAG_SINGLE },
	{ "provAttribute", NULL, FAKE_WORD, 0 },
	{ "provSecretFile", NULL, FAKE_EXACT, FLAG_SINGLE },
	{ "provEnabled", NULL, FAKE_BOOLEAN, FLAG_SINGLE },
	{ "provTimeout", NULL, FAKE_INTEGER, FLAG_SINGLE },
	{ "provMaxAttempts", NULL, FAKE_INTEGER, FLAG_SINGLE },
	{ "provMaxAge", NULL, FAKE_INTEGER, FLAG_SINGLE },
	{ "provConcurrency", NULL, FAKE_INTEGER, FLAG_SINGLE },
	{ "provOption", NULL, FAKE_EXACT, 0 },
};

static const char *const aliases[][2] = { { "commonName", "cn" }, { "2.5.4.3", "cn" },
	{ "surname", "sn" }, { "gn", "givenName" }, { "userid", "uid" },
	{ "rfc822Mailbox", "mail" } };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MOST_TYPES 256

struct fake_type {
	struct prov_type t; /* first: a prov_type is the fake_type around it */
	enum fake_syntax syntax;
	char name[64];
};

static struct fake_type types[MOST_TYPES]; /* the definitions, then those with options */
static size_t ntypes;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static struct fake_type *find(const char *name, size_t len)
{
	for (size_t i = 0; i < COUNT(aliases); i++)
		if (strlen(aliases[i][0]) == len && strncasecmp(aliases[i][0], name, len) == 0)
			return find(aliases[i][1], strlen(aliases[i][1]));
	for (size_t i = 0; i < ntypes; i++)
		if (strlen(types[i].name) == len && strncasecmp(types[i].name, name, len) == 0)
			return &types[i];
	return NULL;
}

static void load(void)
{
	for (size_t i = 0; i < COUNT(definitions); i++) {
		struct fake_type *f = &types[i];
		enum fake_syntax s = definitions[i].syntax;
		strcpy(f->name, definitions[i].name);
		f->syntax = s;
		f->t.name = f->name;
		f->t.single = definitions[i].flags & FLAG_SINGLE;
		f->t.no_usermod = definitions[i].flags & FLAG_SERVER;
		f->t.secret = definitions[i].flags & FLAG_SECRET;
		f->t.loose = definitions[i].flags & FLAG_LOOSE;
		f->t.power = definitions[i].flags & FLAG_POWER;
		f->t.dn = s == FAKE_DN;
		f->t.order = s == FAKE_INTEGER               ? PROV_ORDER_INTEGER
			: s == FAKE_TIME || s == FAKE_OCTETS ? PROV_ORDER_OCTETS
							     : PROV_ORDER_NONE;
		ntypes = i + 1;
		if (definitions[i].sup)
			f->t.sup = &find(definitions[i].sup, strlen(definitions[i].sup))->t;
	}
}

static bool options_are_well_formed(const char *s, size_t len)
{
	bool empty = true;

	for (size_t i = 0; i < len; i++) {
		bool semicolon = s[i] == ';';
		if (semicolon ? i && empty : !(strchr("-", s[i]) || fake_is_alnum(s[i])))
			return false;
		empty = semicolon;
	}
	return !empty;
}

static const struct prov_type *type(void *ctx, const char *name, size_t len)
{
	const char *semicolon = len ? memchr(name, ';', len) : NULL;
	struct fake_type *f, *base;

	(void)ctx;
	if (!len || len >= sizeof(f->name) || memchr(name, '\0', len))
		return NULL;
	pthread_mutex_lock(&mutex);
	if (!ntypes)
		load();
	f = find(name, len);
	base = !f && semicolon ? find(name, (size_t)(semicolon - name)) : NULL;
	if (base && ntypes < MOST_TYPES &&
		options_are_well_formed(semicolon, len - (size_t)(semicolon - name))) {
		f = &types[ntypes++];
		*f = *base;
		size_t n = strlen(base->name), rest = len - (size_t)(semicolon - name);
		if (n + rest >= sizeof(f->name))
			rest = sizeof(f->name) - n - 1;
		memcpy(f->name + n, semicolon, rest);
		f->name[n + rest] = '\0';
		f->t.name = f->name;
		f->t.sup = &base->t;
	}
	pthread_mutex_unlock(&mutex);
	return f ? &f->t : NULL;
}

static int normalize(void *ctx, const struct prov_type *t, enum prov_norm how, struct prov_val in,
	struct prov_arena *arena, struct prov_val *out)
{
	(void)ctx;
	return fake_value_normalize(((const struct fake_type *)t)->syntax, how, in, arena, out);
}

static int validate(void *ctx, const struct prov_type *t, struct prov_val in)
{
	(void)ctx;
	return fake_value_validate(((const struct fake_type *)t)->syntax, in);
}

/* A class that is another one too, as every inetOrgPerson is a person. */
static bool equal(void *ctx, const struct prov_type *t, struct prov_val stored,
	struct prov_val asserted)
{
	(void)ctx;
	return strcmp(t->name, "objectClass") == 0 &&
		prov_val_equal(stored, prov_val_str("inetorgperson")) &&
		(prov_val_equal(asserted, prov_val_str("person")) ||
			prov_val_equal(asserted, prov_val_str("organizationalperson")));
}

const struct prov_schema fake_schema = { NULL, type, normalize, validate, equal };

static void die(const char *what, const char *which)
{
	fprintf(stderr, "fake_schema: %s: %s\n", what, which);
	abort();
}

const struct prov_type *fake_type(const char *name)
{
	const struct prov_type *t = type(NULL, name, strlen(name));

	if (!t)
		die("unknown attribute", name);
	return t;
}

static struct prov_val norm(struct prov_arena *arena, const struct prov_type *t, struct prov_val v)
{
	struct prov_val out = v;

	if (((const struct fake_type *)t)->syntax != FAKE_BLOB &&
		normalize(NULL, t, PROV_NORM_EQUALITY, v, arena, &out))
		die("not a value of this attribute", t->name);
	return out;
}

struct prov_val fake_norm(struct prov_arena *arena, const char *name, struct prov_val value)
{
	return norm(arena, fake_type(name), value);
}

static struct prov_attr *attr_of(struct prov_entry *e, struct prov_attr *attrs,
	const struct prov_type *t)
{
	for (size_t i = 0; i < e->n; i++)
		if (attrs[i].type == t)
			return &attrs[i];
	attrs[e->n].type = t;
	return &attrs[e->n++];
}

static void add_value(struct prov_arena *arena, struct prov_attr *a, struct prov_val v)
{
	struct prov_val *val = prov_arena_array(arena, a->n + 1, sizeof(*val));
	struct prov_val *nval = prov_arena_array(arena, a->n + 1, sizeof(*nval));

	if (a->n) {
		memcpy(val, a->val, a->n * sizeof(*val));
		memcpy(nval, a->nval, a->n * sizeof(*nval));
	}
	val[a->n] = v;
	nval[a->n++] = norm(arena, a->type, v);
	a->val = val;
	a->nval = nval;
}

static const char *split(const char *line, const struct prov_type **t)
{
	const char *colon = strchr(line, ':');

	*t = colon ? type(NULL, line, (size_t)(colon - line)) : NULL;
	if (!*t)
		die("not \"attr: value\" of a known attribute", line);
	for (colon++; *colon == ' ';)
		colon++;
	return colon;
}

struct prov_entry *fake_entry(struct prov_arena *arena, const char *dn, const char *const *lines)
{
	struct prov_entry e = { .dn = prov_val_str(dn) };

	e.dn.data = prov_arena_strndup(arena, dn, e.dn.len);
	e.ndn = fake_norm(arena, "distinguishedName", e.dn);
	e.uuid = prov_val_str("");
	return fake_entry_with(arena, &e, lines);
}

struct prov_entry *fake_entry_with(struct prov_arena *arena, const struct prov_entry *e,
	const char *const *lines)
{
	struct prov_entry *out = prov_arena_alloc(arena, sizeof(*out));
	size_t n = 0, kept = 0;

	while (lines[n])
		n++;
	struct prov_attr *attrs = prov_arena_array(arena, e->n + n + 1, sizeof(*attrs));
	*out = *e;
	out->attr = attrs;
	out->n = 0;
	for (size_t i = 0; i < e->n; i++) {
		bool named = false;
		for (size_t j = 0; j < n; j++) {
			const struct prov_type *t;
			split(lines[j], &t);
			named |= t == e->attr[i].type;
		}
		if (!named)
			attrs[kept++] = e->attr[i];
	}
	out->n = kept;
	for (size_t j = 0; j < n; j++) {
		const struct prov_type *t;
		struct prov_val v = prov_val_str(split(lines[j], &t));
		if (!v.len)
			continue;
		v.data = prov_arena_strndup(arena, v.data, v.len);
		add_value(arena, attr_of(out, attrs, t), v);
		if (t == fake_type("entryUUID"))
			out->uuid = v;
	}
	return out;
}
