/*
 * explain_lacks.c - explain DN --lacks VALUE: why the account has it not, in full: every role
 * that would give it, what keeps that role away, and what would have to change.
 *
 * Parts of filters are tested by the server, like whole ones. See explain.h.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "explain.h"
#include "explain_value.h"
#include "fold.h"
#include "jsonout.h"
#include "table.h"

/* End of the filter that begins with "(" here (RFC 4515: parentheses in values are escaped). */
static const char *filter_end(const char *f)
{
	int depth = 0;
	for (; *f; f++) {
		depth += *f == '(' ? 1 : *f == ')' ? -1 : 0;
		if (!depth)
			return f + 1;
	}
	return f;
}

/* The values of the attribute that a simple filter looks at, as one text. */
static char *values_of(struct explain *x, const char *attr)
{
	struct berval **v = ldap_get_values_len(x->ctl->ld, x->entry, attr);
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	for (int i = 0; out && v && v[i]; i++)
		fprintf(out, "%s\"%.*s\"", i ? ", " : "", (int)v[i]->bv_len, v[i]->bv_val);
	ldap_value_free_len(v);
	if (out && !fclose(out))
		return text;
	free(text);
	return NULL;
}

static void why_simple(struct explain *x, const char *f, bool wanted, json_t *why, json_t *todo)
{
	size_t n = 1;
	while (isalnum((unsigned char)f[n]) || f[n] == '-' || f[n] == ';' || f[n] == '.')
		n++;
	char *attr = strndup(f + 1, n - 1), *has = attr ? values_of(x, attr) : NULL;
	if (!has || !*attr) {
		explain_tell(why, "%s %s", wanted ? "does not match" : "matches", f);
	} else if (!wanted) {
		explain_tell(why, "%s is %s, so it matches %s, which is excluded", attr, has, f);
		explain_tell(todo, "change %s so that it does not match %s", attr, f);
	} else {
		explain_tell(why, *has ? "%s is %s, wanted is %s" : "it has no %s%s, wanted is %s",
			attr, has, f);
		explain_tell(todo, "set %s so that it matches %s", attr, f);
	}
	free(attr);
	free(has);
}

/* What of the filter is not as wanted; todo: what would help. */
static void why_filter(struct explain *x, const char *f, bool wanted, json_t *why, json_t *todo,
	int depth)
{
	int got = explain_filter(x, f);
	char kind = f[0] == '(' ? f[1] : 0;
	if (got == wanted)
		return;
	if (got < 0) {
		explain_tell(why, "cannot be tested: %s", f);
		return;
	}
	if (!strchr("&|!", kind) || !kind || depth > 20) {
		why_simple(x, f, wanted, why, todo);
		return;
	}
	if (kind != '!' && (kind == '|') == wanted)
		explain_tell(why, wanted ? "none of these:" : "not all of these must hold:");
	for (const char *p = f + 2; *p == '('; p = filter_end(p)) {
		char *part = strndup(p, (size_t)(filter_end(p) - p));
		if (part)
			why_filter(x, part, kind == '!' ? !wanted : wanted, why, todo, depth + 1);
		free(part);
	}
}

static bool over(const struct explain *x)
{
	return !strcasecmp(x->state, "terminated") || !strcasecmp(x->state, "archived") ||
		!strcasecmp(x->state, "pending");
}

static json_t *filters_json(struct explain *x, const struct explain_role *r, json_t *todo)
{
	json_t *list = json_array();
	for (size_t i = 0; i < r->nfilter; i++) {
		json_t *why = json_array(), *help = json_array();
		why_filter(x, r->filter[i], true, why, help, 0);
		json_array_append_new(list,
			json_pack("{s:o,s:b,s:o}", "filter",
				prov_json_text(r->filter[i], strlen(r->filter[i])), "matches",
				explain_filter(x, r->filter[i]) == 1, "because", why));
		json_array_extend(todo, help);
		json_decref(help);
	}
	return list;
}

/* Does anything give it, although it is not in force? */
static bool is_due(struct explain *x, const struct explain_role *r)
{
	bool due = r->assigned;
	for (size_t i = 0; i < r->nfilter && !due; i++)
		due = explain_filter(x, r->filter[i]) == 1;
	return due;
}

/* The role by itself or in another that includes it: what keeps it away. */
static json_t *role_json(struct explain *x, const struct explain_role *r,
	const struct explain_role *via)
{
	json_t *why = json_array(), *todo = json_array();
	bool active = !strcasecmp(r->status, "active");
	json_t *o = json_pack("{s:o,s:s}", "role", prov_json_text(r->dn, strlen(r->dn)), "status",
		r->status);
	if (via)
		json_object_set_new(o, "includes", prov_json_text(via->dn, strlen(via->dn)));
	if (r->in_force) {
		explain_tell(why, "it is in force");
	} else {
		if (!active) {
			explain_tell(why, "the role is %s", r->status);
			explain_tell(todo, "set provStatus of %s to active", r->dn);
		}
		if (over(x)) {
			explain_tell(why, "the account is %s", x->state);
			explain_tell(todo, "set provState to active");
		}
		if (active && !over(x) && is_due(x, r))
			explain_tell(why,
				"it is due: a rule of segregation of duties (provConflict, provSodSet) "
				"may withhold it, see provctl adopt and the server's log");
		json_object_set_new(o, "filters", filters_json(x, r, todo));
		if (!r->nfilter)
			explain_tell(why, "the role has no assign filter");
		if (!r->assigned) {
			explain_tell(why, "it is not given by hand");
			explain_tell(todo, "add provAssignedRole: %s", r->dn);
		}
	}
	json_object_set_new(o, "because", why);
	json_object_set_new(o, "change", todo);
	return o;
}

static bool seen(const json_t *list, const char *dn)
{
	size_t i;
	json_t *v;
	json_array_foreach(list, i, v)
	{
		const char *s = json_string_value(json_object_get(v, "role"));
		if (s && !strcmp(s, dn))
			return true;
	}
	return false;
}

/* The role, then those that include it, and those that include these. */
static void add_role(struct explain *x, const struct explain_role *r,
	const struct explain_role *via, json_t *list)
{
	if (seen(list, r->dn))
		return;
	json_array_append_new(list, role_json(x, r, via));
	for (size_t i = 0; i < x->nrole; i++)
		for (size_t k = 0; k < x->role[i].ninclude; k++)
			if (!strcmp(x->role[i].include[k], r->key))
				add_role(x, &x->role[i], r, list);
}

static json_t *exceptions_json(const struct explain *x, const struct explain_value *v)
{
	json_t *list = json_array();
	for (size_t i = 0; i < x->nhold; i++)
		if (v->key && !strcmp(x->hold[i].key, v->key))
			explain_tell(list,
				"kept away by an exception since %s, by %s: delete that provException",
				x->hold[i].since, x->hold[i].by);
	return list;
}

static void print_role(const json_t *r)
{
	const char *dn = json_string_value(json_object_get(r, "role"));
	const char *via = json_string_value(json_object_get(r, "includes"));
	char *safe = dn ? prov_text_safe(dn, strlen(dn)) : NULL,
	     *of = via ? prov_text_safe(via, strlen(via)) : NULL;
	size_t i;
	json_t *f;
	printf("\n%s%s%s%s would give it%s\n", safe ? safe : "", of ? ", which includes " : "",
		of ? of : "", of ? "," : "", ", but:");
	explain_print_list("  ", json_object_get(r, "because"));
	json_array_foreach(json_object_get(r, "filters"), i, f)
	{
		const char *text = json_string_value(json_object_get(f, "filter"));
		char *shown = text ? prov_text_safe(text, strlen(text)) : NULL;
		printf("  %s %s\n",
			json_is_true(json_object_get(f, "matches")) ? "matches" : "does not match",
			shown ? shown : "");
		explain_print_list("    ", json_object_get(f, "because"));
		free(shown);
	}
	if (json_array_size(json_object_get(r, "change"))) {
		puts("  one of these would have to change, or several:");
		explain_print_list("    ", json_object_get(r, "change"));
	}
	free(safe);
	free(of);
}

int explain_lacks_print(struct explain *x, const struct explain_value *v)
{
	const char *line = NULL, *shown = v->shown ? v->shown : v->role->dn;
	bool has = explain_value_present(x, v);
	json_t *roles = json_array(), *held = exceptions_json(x, v), *r;
	size_t i;
	int st = has ? 0 : PROV_EXIT_FINDINGS;
	for (size_t k = 0; k < x->nrole; k++)
		if (v->what == EXPLAIN_ROLE ? &x->role[k] == v->role
					    : explain_gives(&x->role[k], v, &line))
			add_role(x, &x->role[k], NULL, roles);
	if (x->ctl->json) {
		json_t *o = json_pack("{s:s,s:o,s:b,s:s,s:O,s:O}", "dn", x->dn, "value",
			prov_json_text(shown, strlen(shown)), "present", has, "state", x->state,
			"exceptions", held, "roles", roles);
		if (prov_json_line_take(stdout, o))
			st = ctl_nomem();
	} else {
		char *safe = prov_text_safe(shown, strlen(shown));
		printf("%s: %s\n", safe ? safe : "",
			has ? "the account has it" : "the account does not have it");
		free(safe);
		explain_print_list("  ", held);
		json_array_foreach(has ? NULL : roles, i, r)
		{
			print_role(r);
		}
		if (!has && !json_array_size(roles))
			puts("  no role gives it: let one give it, or set it by hand");
	}
	json_decref(roles);
	json_decref(held);
	return st;
}
