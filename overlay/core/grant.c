/*
 * grant.c - the text form of grants and exceptions.
 */
#include "grant.h"

#include <stdio.h>
#include <string.h>

#define FIELDS 7

static const char *const kind_names[] = {
	[PROV_KIND_GROUP] = "group",
	[PROV_KIND_ENTITLEMENT] = "entitlement",
	[PROV_KIND_DEFAULT] = "default",
	[PROV_KIND_ADD] = "add",
	[PROV_KIND_ENFORCE] = "enforce",
};

const char *prov_kind_name(enum prov_kind k)
{
	return k <= PROV_KIND_ENFORCE ? kind_names[k] : "unknown";
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* One field, up to a '$' or the end; *p moves behind it. */
static int take_field(const char **p, const char *end, struct prov_arena *arena,
	struct prov_val *out)
{
	const char *stop = memchr(*p, '$', (size_t)(end - *p));
	size_t n = (size_t)((stop ? stop : end) - *p);
	char *v = prov_arena_alloc(arena, n + 1);

	if (!v)
		return PROV_ENOMEM;
	out->data = v;
	out->len = 0;
	for (size_t i = 0; i < n; i++) {
		char c = (*p)[i];
		if (c == '\\') {
			if (n - i < 3 || hex((*p)[i + 1]) < 0 || hex((*p)[i + 2]) < 0)
				return PROV_EINVAL;
			c = (char)(hex((*p)[i + 1]) * 16 + hex((*p)[i + 2]));
			i += 2;
		}
		v[out->len++] = c;
	}
	*p = stop ? stop + 1 : NULL;
	return 0;
}

static int parse_kind(struct prov_val v, enum prov_kind *out)
{
	for (int k = PROV_KIND_GROUP; k <= PROV_KIND_ENFORCE; k++)
		if (prov_val_equal(v, prov_val_str(kind_names[k]))) {
			*out = (enum prov_kind)k;
			return 0;
		}
	return PROV_EINVAL;
}

int prov_grant_parse(struct prov_val text, struct prov_arena *arena, struct prov_grant *out,
	struct prov_error *err)
{
	static const char *const names[FIELDS] = { "kind", "origin", "since", "change", "role",
		"tag", "what" };
	struct prov_val f[FIELDS];
	const char *p = text.data, *end = text.data + text.len;

	for (int i = 0; i < FIELDS; i++) {
		if (!p)
			return prov_error_set(err, PROV_EINVAL, "grant: field \"%s\" is missing",
				names[i]);
		int rc = take_field(&p, end, arena, &f[i]);
		if (rc)
			return prov_error_set(err, rc, "grant: field \"%s\": %s", names[i],
				rc == PROV_ENOMEM ? "out of memory"
						  : "'\\' wants two hexadecimal digits");
	}
	if (p)
		return prov_error_set(err, PROV_EINVAL, "grant: more than %d fields", FIELDS);
	memset(out, 0, sizeof(*out));
	if (parse_kind(f[0], &out->kind))
		return prov_error_set(err, PROV_EINVAL, "grant: field \"kind\": unknown \"%.*s\"",
			f[0].len > 40 ? 40 : (int)f[0].len, f[0].data);
	if (prov_val_equal(f[1], prov_val_str("had")))
		out->had = true;
	else if (f[1].len && !prov_val_equal(f[1], prov_val_str("new")))
		return prov_error_set(err, PROV_EINVAL,
			"grant: field \"origin\": neither new nor had");
	if (f[6].len == 0)
		return prov_error_set(err, PROV_EINVAL, "grant: field \"what\" is empty");
	out->since = f[2];
	out->change = f[3];
	out->role = f[4];
	out->tag = f[5];
	out->what = f[6];
	return 0;
}

static char *put(char *p, struct prov_val v)
{
	for (size_t i = 0; i < v.len; i++) {
		if (v.data[i] == '$' || v.data[i] == '\\') {
			memcpy(p, v.data[i] == '$' ? "\\24" : "\\5C", 3);
			p += 3;
		} else {
			*p++ = v.data[i];
		}
	}
	return p;
}

int prov_grant_print(const struct prov_grant *g, bool exception, struct prov_arena *arena,
	struct prov_val *out)
{
	const struct prov_val f[FIELDS] = { prov_val_str(prov_kind_name(g->kind)),
		prov_val_str(exception   ? ""
				: g->had ? "had"
					 : "new"),
		g->since, g->change, g->role, g->tag, g->what };
	size_t most = FIELDS;

	for (int i = 0; i < FIELDS; i++)
		most += f[i].len * 3;
	char *buf = prov_arena_alloc(arena, most + 1), *p = buf;
	if (!buf)
		return PROV_ENOMEM;
	for (int i = 0; i < FIELDS; i++) {
		if (i)
			*p++ = '$';
		p = put(p, f[i]);
	}
	out->data = buf;
	out->len = (size_t)(p - buf);
	return 0;
}

bool prov_grant_split(struct prov_val what, struct prov_val *attr, struct prov_val *value)
{
	const char *colon = what.len ? memmem(what.data, what.len, ": ", 2) : NULL;

	if (!colon || colon == what.data)
		return false;
	attr->data = what.data;
	attr->len = (size_t)(colon - what.data);
	value->data = colon + 2;
	value->len = what.len - attr->len - 2;
	return true;
}
