/*
 * explain_role.c - the roles as the admin wrote them, and why one is in force or not.
 *
 * Filters are tested by the server itself, with a search of the one entry, so that
 * schema and matching rules are the real ones. See explain.h.
 */
#include "explain.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "fold.h"
#include "search.h"
#include "template.h"
#include "timefmt.h"
#include "toolschema.h"

static int nomem(struct prov_error *err)
{
	return prov_error_set(err, PROV_ENOMEM, "no memory");
}

void *explain_grow(void *list, size_t n, size_t *room, size_t size)
{
	if (n < *room)
		return list;
	size_t more = *room ? 2 * *room : 16;
	char *p = reallocarray(list, more, size);
	if (!p)
		return NULL;
	memset(p + *room * size, 0, (more - *room) * size);
	*room = more;
	return p;
}

const struct explain_role *explain_role_by_key(const struct explain *x, const char *key)
{
	for (size_t i = 0; i < x->nrole; i++)
		if (!strcmp(x->role[i].key, key))
			return &x->role[i];
	return NULL;
}

int explain_role_find(const struct explain *x, const char *name, const struct explain_role **out,
	struct prov_error *err)
{
	char *key = strchr(name, '=') ? prov_fold_dn(name, strlen(name))
				      : prov_fold_text(name, strlen(name));
	*out = NULL;
	for (size_t i = 0; key && i < x->nrole; i++) {
		char *cn =
			x->role[i].cn ? prov_fold_text(x->role[i].cn, strlen(x->role[i].cn)) : NULL;
		if (!strcmp(x->role[i].key, key) || (cn && !strcmp(cn, key)))
			*out = &x->role[i];
		free(cn);
	}
	free(key);
	return *out ? 0 : prov_error_set(err, PROV_ENOENT, "there is no role %s", name);
}

int explain_values(LDAP *ld, LDAPMessage *e, const char *attr, bool dn, char ***out, size_t *n)
{
	struct berval **v = ldap_get_values_len(ld, e, attr);
	int count = ldap_count_values_len(v), rc = 0;
	*out = calloc((size_t)count + 1, sizeof(**out));
	*n = 0;
	if (!*out)
		rc = PROV_ENOMEM;
	for (int i = 0; !rc && i < count; i++) {
		(*out)[i] = dn ? prov_fold_dn(v[i]->bv_val, v[i]->bv_len)
			       : strndup(v[i]->bv_val, v[i]->bv_len);
		if (!(*out)[i])
			rc = PROV_ENOMEM;
		else
			(*n)++;
	}
	ldap_value_free_len(v);
	return rc;
}

/* The lines of a role, with the tags that grants know them by. */
static int take_lines(LDAP *ld, LDAPMessage *e, struct explain_role *r)
{
	struct prov_toolschema *schema = NULL;
	struct prov_arena arena = PROV_ARENA_INIT;
	char **text = NULL;
	int rc = explain_values(ld, e, "provTemplate", false, &text, &r->nline);
	if (!rc)
		rc = prov_toolschema_new(&schema);
	r->line = rc ? NULL : calloc(r->nline + 1, sizeof(*r->line));
	for (size_t i = 0; r->line && i < r->nline; i++) {
		const struct prov_template *t = NULL;
		struct explain_line *l = &r->line[i];
		const char *attr = text[i] + strcspn(text[i], " ");
		attr += strspn(attr, " ");
		l->attr = prov_fold_text(attr, strcspn(attr, ":"));
		l->text = text[i];
		text[i] = NULL;
		if (!prov_template_compile(prov_val_str(l->text), prov_toolschema_schema(schema),
			    &arena, &t, NULL))
			snprintf(l->tag, sizeof(l->tag), "%s", prov_template_tag(t));
	}
	if (!r->line) {
		for (size_t i = 0; text && text[i]; i++)
			free(text[i]);
		r->nline = 0;
		rc = PROV_ENOMEM;
	}
	free(text);
	prov_arena_dispose(&arena);
	prov_toolschema_free(&schema);
	return rc;
}

static int see_role(void *ctx, LDAP *ld, LDAPMessage *e, struct prov_error *err)
{
	struct explain *x = ctx;
	struct explain_role *r = explain_grow(x->role, x->nrole, &x->room_role, sizeof(*r));
	char *dn = ldap_get_dn(ld, e);
	int rc = r && dn ? 0 : PROV_ENOMEM;
	if (r) {
		x->role = r;
		r += x->nrole;
	}
	if (!rc) {
		x->nrole++;
		r->dn = strdup(dn);
		r->key = prov_fold_dn(dn, strlen(dn));
		r->cn = prov_ldap_first(ld, e, "cn");
		r->risk = prov_ldap_first(ld, e, "provRisk");
		r->status = prov_ldap_first(ld, e, "provStatus");
		if (!r->status)
			r->status = strdup("active");
		if (!r->dn || !r->key || !r->status ||
			explain_values(ld, e, "provAssignFilter", false, &r->filter, &r->nfilter) ||
			explain_values(ld, e, "provInclude", true, &r->include, &r->ninclude) ||
			explain_values(ld, e, "provGroup", true, &r->group, &r->ngroup) ||
			explain_values(ld, e, "provEntitlement", false, &r->ent, &r->nent) ||
			explain_values(ld, e, "provApprover", false, &r->approver, &r->napprover) ||
			take_lines(ld, e, r))
			rc = PROV_ENOMEM;
	}
	ldap_memfree(dn);
	return rc ? nomem(err) : 0;
}

static int mark_roles(struct explain *x, const char *attr, bool assigned)
{
	char **key = NULL;
	size_t n = 0;
	int rc = explain_values(x->ctl->ld, x->entry, attr, true, &key, &n);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < x->nrole; k++) {
			if (strcmp(x->role[k].key, key[i]))
				continue;
			x->role[k].in_force = x->role[k].in_force || !assigned;
			x->role[k].assigned = x->role[k].assigned || assigned;
		}
		free(key[i]);
	}
	free(key);
	return rc;
}

int explain_roles_read(struct explain *x, struct prov_error *err)
{
	static const char *const attrs[] = { "cn", "provStatus", "provAssignFilter", "provInclude",
		"provGroup", "provEntitlement", "provTemplate", "provRisk", "provApprover", NULL };
	struct ctl *c = x->ctl;
	int rc = ctl_search(c, c->policy ? c->policy : c->server.suffix, LDAP_SCOPE_SUBTREE,
		"(objectClass=provRole)", attrs, see_role, x, err);
	if (rc == PROV_ENOENT) /* a policy that the caller may not see */
		rc = 0;
	if (!rc && x->entry && /* none: the roles alone */
		(mark_roles(x, "provEffectiveRole", false) ||
			mark_roles(x, "provAssignedRole", true)))
		rc = nomem(err);
	return rc;
}

void explain_values_free(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

void explain_role_dispose(struct explain_role *r)
{
	free(r->dn);
	free(r->key);
	free(r->cn);
	free(r->status);
	free(r->risk);
	explain_values_free(r->filter, r->nfilter);
	explain_values_free(r->include, r->ninclude);
	explain_values_free(r->group, r->ngroup);
	explain_values_free(r->ent, r->nent);
	explain_values_free(r->approver, r->napprover);
	for (size_t i = 0; i < r->nline; i++) {
		free(r->line[i].text);
		free(r->line[i].attr);
	}
	free(r->line);
}

int explain_filter(struct explain *x, const char *filter)
{
	static const char *const none[] = { LDAP_NO_ATTRS, NULL };
	LDAPMessage *m = NULL;
	int rc = ctl_read(x->ctl, x->dn, filter, none, &m, NULL);
	ldap_msgfree(m);
	return !rc ? 1 : rc == PROV_ENOENT ? 0 : -1;
}

int explain_time_parse(const struct berval *v, struct explain_time *out)
{
	const char *p = v->bv_val, *end = p + v->bv_len;
	const char *until = memchr(p, ' ', v->bv_len);
	const char *dn = until ? memchr(until + 1, ' ', (size_t)(end - until - 1)) : NULL;
	*out = (struct explain_time){ NULL, INT64_MIN, INT64_MAX };
	if (!dn)
		return PROV_EINVAL;
	if (*p != '-')
		prov_time_parse((struct prov_val){ p, (size_t)(until - p) }, &out->from);
	if (until[1] != '-')
		prov_time_parse((struct prov_val){ until + 1, (size_t)(dn - until - 1) },
			&out->until);
	out->role_key = prov_fold_dn(dn + 1, (size_t)(end - dn - 1));
	return out->role_key ? 0 : PROV_ENOMEM;
}

bool explain_timed(LDAP *ld, LDAPMessage *e, const char *role_key, int64_t now)
{
	struct berval **v = ldap_get_values_len(ld, e, "provTimedRole");
	bool found = false;
	for (int i = 0; v && v[i] && !found; i++) {
		struct explain_time t;
		if (explain_time_parse(v[i], &t))
			continue;
		found = !strcmp(t.role_key, role_key) && t.from <= now && now < t.until;
		free(t.role_key);
	}
	ldap_value_free_len(v);
	return found;
}

static void put(FILE *out, const char *text, const char *more)
{
	fprintf(out, "%s%s%s", ftell(out) > 0 ? "; " : "", text, more);
}

static char *finish(FILE *out, char **text)
{
	if (!fclose(out))
		return *text;
	free(*text);
	return NULL;
}

char *explain_role_why(struct explain *x, const struct explain_role *r)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	if (!out)
		return NULL;
	if (r->assigned)
		put(out, "given by hand (provAssignedRole)", "");
	if (explain_timed(x->ctl->ld, x->entry, r->key, (int64_t)time(NULL)))
		put(out, "given for a time (provTimedRole)", "");
	for (size_t i = 0; i < r->nfilter; i++)
		if (explain_filter(x, r->filter[i]) == 1)
			put(out, "matches ", r->filter[i]);
	for (size_t i = 0; i < x->nrole; i++) {
		const struct explain_role *by = &x->role[i];
		for (size_t k = 0; by->in_force && k < by->ninclude; k++)
			if (!strcmp(by->include[k], r->key))
				put(out, "included by ", by->dn);
	}
	if (!ftell(out))
		put(out, "nothing supports it any more: the account has yet to follow the policy",
			"");
	return finish(out, &text);
}

char *explain_role_why_not(struct explain *x, const struct explain_role *r)
{
	char *text = NULL;
	size_t len = 0, matching = 0;
	FILE *out = open_memstream(&text, &len);
	if (!out)
		return NULL;
	if (strcasecmp(r->status, "active"))
		put(out, "the role is ", r->status);
	if (!strcasecmp(x->state, "terminated") || !strcasecmp(x->state, "archived") ||
		!strcasecmp(x->state, "pending"))
		put(out, "the account is ", x->state);
	for (size_t i = 0; i < r->nfilter; i++) {
		int got = explain_filter(x, r->filter[i]);
		matching += got == 1;
		put(out,
			got == 1      ? "matches "
				: got ? "cannot be tested: "
				      : "does not match ",
			r->filter[i]);
	}
	if (!matching && !r->assigned) {
		if (!r->nfilter)
			put(out, "the role has no assign filter", "");
		put(out, "and it is not given by hand", "");
	}
	return finish(out, &text);
}
