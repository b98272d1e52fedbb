/* explain_value.c - see explain_value.h. */
#include "explain_value.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fold.h"
#include "jsonout.h"
#include "table.h"

static int nomem(struct prov_error *err)
{
	return prov_error_set(err, PROV_ENOMEM, "no memory");
}

/* "cn=devs,ou=groups,..." below the suffix. */
static int try_dn(struct explain *x, const char *text, struct explain_value *v, bool *found)
{
	char *key = prov_fold_dn(text, strlen(text));
	char *suffix = prov_fold_dn(x->ctl->server.suffix, strlen(x->ctl->server.suffix));
	*found = key && suffix && strchr(text, '=') && prov_fold_dn_within(key, suffix);
	free(suffix);
	if (!key)
		return PROV_ENOMEM;
	if (!*found) {
		free(key);
		return 0;
	}
	v->key = key;
	v->shown = strdup(text);
	v->role = explain_role_by_key(x, key);
	v->what = v->role ? EXPLAIN_ROLE : EXPLAIN_GROUP;
	return v->shown ? 0 : PROV_ENOMEM;
}

static bool names_entitlement(const struct explain *x, const char *text)
{
	for (size_t i = 0; i < x->nthing; i++)
		if (!strcmp(x->thing[i].kind, "entitlement") && !strcmp(x->thing[i].what, text))
			return true;
	for (size_t i = 0; i < x->nrole; i++)
		for (size_t k = 0; k < x->role[i].nent; k++)
			if (!strcmp(x->role[i].ent[k], text))
				return true;
	return false;
}

/* Attribute and value as a thing of the account; unexplained when no grant names it. */
static int attribute(struct explain *x, const char *attr, size_t alen, const char *value,
	struct explain_value *v)
{
	v->what = EXPLAIN_ATTRIBUTE;
	v->attr = prov_fold_text(attr, alen);
	if (!v->attr || asprintf(&v->shown, "%.*s: %s", (int)alen, attr, value) < 0) {
		v->shown = NULL;
		return PROV_ENOMEM;
	}
	v->key = prov_fold_text(v->shown, strlen(v->shown));
	if (!v->key)
		return PROV_ENOMEM;
	for (size_t i = 0; i < x->nthing; i++)
		if (!strcmp(x->thing[i].key, v->key))
			return 0;
	if (!explain_has_value(x, v->attr, value))
		return 0;
	struct explain_thing *t = explain_grow(x->thing, x->nthing, &x->room_thing, sizeof(*t));
	if (!t)
		return PROV_ENOMEM;
	x->thing = t;
	t += x->nthing++;
	t->kind = t->mode = "value";
	t->present = true;
	t->what = strdup(v->shown);
	t->key = strdup(v->key);
	return t->what && t->key ? 0 : PROV_ENOMEM;
}

static int try_attribute(struct explain *x, const char *text, struct explain_value *v, bool *found)
{
	size_t n = 0;
	while (isalnum((unsigned char)text[n]) || text[n] == '-' || text[n] == ';' ||
		text[n] == '.')
		n++;
	*found = n && isalpha((unsigned char)*text) &&
		(text[n] == '=' || !strncmp(text + n, ": ", 2));
	if (!*found)
		return 0;
	return attribute(x, text, n, text + n + (text[n] == '=' ? 1 : 2), v);
}

/* The first RDN's value, folded: what people call a group or role. */
static bool called(const char *dn_key, const char *name_key)
{
	const char *eq = strchr(dn_key, '=');
	size_t len = strlen(name_key);
	return eq && !strncmp(eq + 1, name_key, len) && (!eq[1 + len] || eq[1 + len] == ',');
}

static int try_name(struct explain *x, const char *text, struct explain_value *v, bool *found)
{
	char *name = prov_fold_text(text, strlen(text));
	const char *dn = NULL;
	*found = false;
	if (!name)
		return PROV_ENOMEM;
	for (size_t i = 0; !dn && i < x->nthing; i++)
		if (!strcmp(x->thing[i].kind, "group") && called(x->thing[i].key, name))
			dn = x->thing[i].what;
	for (size_t i = 0; !dn && i < x->nrole; i++)
		if (called(x->role[i].key, name))
			dn = x->role[i].dn;
	free(name);
	return dn ? try_dn(x, dn, v, found) : 0;
}

static int try_any_attribute(struct explain *x, const char *text, struct explain_value *v,
	bool *found)
{
	BerElement *ber = NULL;
	int rc = 0;
	*found = false;
	for (char *a = ldap_first_attribute(x->ctl->ld, x->entry, &ber); a;
		a = ldap_next_attribute(x->ctl->ld, x->entry, ber)) {
		if (!*found && strncasecmp(a, "prov", 4) && explain_has_value(x, a, text)) {
			*found = true;
			rc = attribute(x, a, strlen(a), text, v);
		}
		ldap_memfree(a);
	}
	ber_free(ber, 0);
	return rc;
}

int explain_value_find(struct explain *x, const char *text, struct explain_value *v,
	struct prov_error *err)
{
	static int (*const way[])(struct explain *, const char *, struct explain_value *,
		bool *) = { try_dn, try_attribute, try_name, try_any_attribute };
	memset(v, 0, sizeof(*v));
	if (names_entitlement(x, text)) {
		v->what = EXPLAIN_ENTITLEMENT;
		v->shown = strdup(text);
		v->key = prov_fold_text(text, strlen(text));
		return v->shown && v->key ? 0 : nomem(err);
	}
	for (size_t i = 0; i < sizeof(way) / sizeof(way[0]); i++) {
		bool found = false;
		if (way[i](x, text, v, &found))
			return nomem(err);
		if (found)
			return 0;
	}
	return prov_error_set(err, PROV_EINVAL,
		"\"%s\" is neither a DN below %s, an attr=value, an entitlement nor a value of the "
		"account",
		text, x->ctl->server.suffix);
}

void explain_value_dispose(struct explain_value *v)
{
	free(v->shown);
	free(v->key);
	free(v->attr);
	memset(v, 0, sizeof(*v));
}

bool explain_gives(const struct explain_role *r, const struct explain_value *v, const char **line)
{
	*line = NULL;
	for (size_t i = 0; v->what == EXPLAIN_GROUP && i < r->ngroup; i++)
		if (!strcmp(r->group[i], v->key))
			return true;
	for (size_t i = 0; v->what == EXPLAIN_ENTITLEMENT && i < r->nent; i++)
		if (!strcmp(r->ent[i], v->shown))
			return true;
	for (size_t i = 0; v->what == EXPLAIN_ATTRIBUTE && i < r->nline; i++) {
		if (!strcmp(r->line[i].attr, v->attr)) {
			*line = r->line[i].text;
			return true;
		}
	}
	return false;
}

void explain_tell(json_t *why, const char *fmt, ...)
{
	va_list ap;
	char *text = NULL;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) >= 0)
		json_array_append_new(why, prov_json_text(text, strlen(text)));
	va_end(ap);
	free(text);
}

/* The reasons why the account does not have it, as texts. */
static json_t *why_not(struct explain *x, const struct explain_value *v)
{
	json_t *why = json_array();
	size_t givers = 0;
	for (size_t i = 0; i < x->nhold; i++)
		if (!strcmp(x->hold[i].key, v->key))
			explain_tell(why, "kept away by an exception since %s, by %s",
				x->hold[i].since, x->hold[i].by);
	for (size_t i = 0; i < x->nrole; i++) {
		const struct explain_role *r = &x->role[i];
		const char *template = NULL;
		if (!explain_gives(r, v, &template))
			continue;
		givers++;
		if (r->in_force) {
			explain_tell(why, "%s is in force%s%s", r->dn, template ? " and has: " : "",
				template ? template : "");
			continue;
		}
		char *reason = explain_role_why_not(x, r);
		explain_tell(why, "%s%s%s%s would give it, but: %s", r->dn, template ? " (" : "",
			template ? template : "", template ? ")" : "", reason ? reason : "?");
		free(reason);
	}
	if (!givers)
		explain_tell(why, "no role gives it");
	return why;
}

void explain_print_list(const char *before, const json_t *list)
{
	size_t i;
	json_t *v;
	json_array_foreach(list, i, v)
	{
		char *safe = prov_text_safe(json_string_value(v), json_string_length(v));
		printf("%s%s\n", before, safe ? safe : "");
		free(safe);
	}
}

static int print_role(struct explain *x, const struct explain_value *v)
{
	const struct explain_role *r = v->role;
	char *why = r->in_force ? explain_role_why(x, r) : explain_role_why_not(x, r);
	int st = why ? 0 : ctl_nomem();
	if (!st && x->ctl->json) {
		json_t *o = json_pack("{s:s,s:s,s:b,s:s}", "dn", x->dn, "role", r->dn, "present",
			r->in_force, r->in_force ? "because" : "whyNot", why);
		st = prov_json_line_take(stdout, o) ? ctl_nomem() : 0;
	} else if (!st) {
		printf("%s: %s\n  %s\n", r->dn, r->in_force ? "in force" : "not in force", why);
	}
	free(why);
	return st ? st : r->in_force ? 0 : PROV_EXIT_FINDINGS;
}

bool explain_value_present(const struct explain *x, const struct explain_value *v)
{
	if (v->what == EXPLAIN_ROLE)
		return v->role->in_force;
	for (size_t i = 0; i < x->nthing; i++)
		if (!strcmp(x->thing[i].key, v->key) && x->thing[i].present)
			return true;
	return false;
}

int explain_value_print(struct explain *x, const struct explain_value *v)
{
	bool present = false, granted = false;
	json_t *list = json_array(), *why = NULL;
	int st = 0;
	if (v->what == EXPLAIN_ROLE) {
		json_decref(list);
		return print_role(x, v);
	}
	for (size_t i = 0; i < x->nthing; i++) {
		const struct explain_thing *t = &x->thing[i];
		if (strcmp(t->key, v->key))
			continue;
		present = present || t->present;
		granted = granted || t->granted;
		json_array_append_new(list, explain_thing_json(t));
	}
	if (!present || !granted)
		why = why_not(x, v);
	if (x->ctl->json) {
		json_t *o = json_pack("{s:s,s:o,s:b,s:b,s:O,s:O*}", "dn", x->dn, "value",
			prov_json_text(v->shown, strlen(v->shown)), "present", present, "explained",
			present && granted, "because", list, "whyNot", why);
		st = prov_json_line_take(stdout, o) ? ctl_nomem() : 0;
	} else {
		char *safe = prov_text_safe(v->shown, strlen(v->shown));
		printf("%s: %s\n", safe ? safe : "",
			!present          ? "the account does not have it"
				: granted ? "given by a role"
					  : "no role gave it");
		free(safe);
		explain_things_print(x, true, v->key);
		explain_things_print(x, false, v->key);
		explain_print_list("  ", why);
	}
	json_decref(list);
	json_decref(why);
	return st ? st : present && granted ? 0 : PROV_EXIT_FINDINGS;
}
