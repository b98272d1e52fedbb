/* planview.c - see planview.h. */
#include "planview.h"

#include <stdlib.h>
#include <string.h>

#include "jsonout.h"
#include "ldapconn.h"
#include "names.h"
#include "table.h"

static LDAPControl noop = { PROV_CTL_NOOP, { 0, NULL }, 1 };
static LDAPControl plan_ctl = { PROV_CTL_PLAN, { 0, NULL }, 1 };
static LDAPControl adopt_ctl = { PROV_CTL_ADOPT, { 0, NULL }, 1 };
static LDAPControl permissive = { LDAP_CONTROL_X_PERMISSIVE_MODIFY, { 0, NULL }, 1 };

LDAPControl **planview_controls(void)
{
	static LDAPControl *list[] = { &noop, &plan_ctl, NULL };
	return list;
}

LDAPControl **planview_adopt_controls(int plan)
{
	static LDAPControl *dry[] = { &adopt_ctl, &permissive, &noop, &plan_ctl, NULL };
	static LDAPControl *real[] = { &adopt_ctl, &permissive, NULL };
	return plan ? dry : real;
}

static int read_plan(LDAPControl *ctl, json_t **plan, struct prov_error *err)
{
	if (!ctl) {
		/* nothing that a role looks at is touched: the server did not evaluate */
		*plan = json_object();
		return *plan ? 0 : prov_error_set(err, PROV_ENOMEM, "no memory");
	}
	*plan = json_loadb(ctl->ldctl_value.bv_val, ctl->ldctl_value.bv_len, 0, NULL);
	return *plan ? 0 : prov_error_set(err, PROV_EIO, "the server's plan is not JSON");
}

int planview_take(LDAP *ld, LDAPMessage *m, json_t **plan, struct prov_error *err)
{
	int code = 0;
	char *text = NULL;
	LDAPControl **ctrl = NULL;
	int rc = ldap_parse_result(ld, m, &code, NULL, &text, NULL, &ctrl, 0);
	*plan = NULL;
	if (rc) {
		rc = prov_ldap_error(ld, rc, err, "answer");
	} else if (code == LDAP_UNAVAILABLE_CRITICAL_EXTENSION) {
		rc = prov_error_set(err, PROV_EVERSION,
			"the server does not know the plan control: the overlay is not loaded");
	} else if (code != PLANVIEW_NOOP) {
		rc = prov_ldap_code(code);
		prov_error_set(err, rc ? rc : PROV_EIO, "%s%s%s", ldap_err2string(code),
			text && *text ? ": " : "", text ? text : "");
		rc = err->code;
		if (!code) /* must never be: success means that it was done */
			prov_error_set(err, rc, "the server ignored no-op and made the change");
	} else {
		rc = read_plan(ldap_control_find(PROV_CTL_PLAN, ctrl, NULL), plan, err);
		if (!rc && text && *text)
			json_object_set_new(*plan, "warning", prov_json_text(text, strlen(text)));
	}
	ldap_controls_free(ctrl);
	ldap_memfree(text);
	return rc;
}

static void put_line(FILE *out, const char *lead, const char *text)
{
	char *safe = prov_text_safe(text, strlen(text));
	fprintf(out, "  %s%s\n", lead, safe ? safe : "");
	free(safe);
}

static void put_list(FILE *out, const json_t *plan, const char *what, const char *label)
{
	static const char *const which[] = { "gained", "lost" };
	for (int k = 0; k < 2; k++) {
		size_t i;
		json_t *v;
		json_array_foreach(json_object_get(json_object_get(plan, what), which[k]), i, v)
		{
			char lead[40];
			snprintf(lead, sizeof(lead), "%c %-12s", k ? '-' : '+', label);
			if (json_string_value(v))
				put_line(out, lead, json_string_value(v));
		}
	}
}

/* Bookkeeping that follows from the rest: shown in JSON only. */
static int bookkeeping(const char *attr)
{
	static const char *const own[] = { "provGrant", "provEffectiveRole", "provStateSince",
		"objectClass" };
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (!strcasecmp(attr, own[i]))
			return 1;
	return 0;
}

/* Roles that are due and that segregation of duties keeps away. */
static void put_withheld(FILE *out, const json_t *plan)
{
	const json_t *w = json_object_get(plan, "withheld");
	const char *why = json_string_value(json_object_get(w, "reason"));
	size_t i;
	json_t *v;
	json_array_foreach(json_object_get(w, "roles"), i, v)
	{
		if (json_string_value(v))
			put_line(out, "! withheld    ", json_string_value(v));
	}
	if (why)
		put_line(out, "!   because   ", why);
}

static void put_mod(FILE *out, const json_t *mod)
{
	const char *op = json_string_value(json_object_get(mod, "op"));
	const char *attr = json_string_value(json_object_get(mod, "attr"));
	size_t i;
	json_t *v;
	char lead[16];
	if (!op || !attr || bookkeeping(attr))
		return;
	snprintf(lead, sizeof(lead), "%c %-12s",
		*op == 'd'           ? '-'
			: *op == 'r' ? '='
				     : '+',
		"value");
	if (!json_array_size(json_object_get(mod, "values")))
		put_line(out, lead, attr);
	json_array_foreach(json_object_get(mod, "values"), i, v)
	{
		char *text = NULL;
		if (json_string_value(v) &&
			asprintf(&text, "%s: %s", attr, json_string_value(v)) > 0)
			put_line(out, lead, text);
		free(text);
	}
}

void planview_print(FILE *out, const json_t *plan)
{
	const json_t *state = json_object_get(plan, "state");
	const char *before = json_string_value(json_object_get(state, "before"));
	const char *after = json_string_value(json_object_get(state, "after"));
	size_t i;
	json_t *v;
	if (json_string_value(json_object_get(plan, "warning")))
		put_line(out, "! ", json_string_value(json_object_get(plan, "warning")));
	if (after && (!before || strcmp(before, after))) {
		char text[64];
		snprintf(text, sizeof(text), "%s -> %s", before ? before : "none", after);
		put_line(out, "  state       ", text);
	}
	put_list(out, plan, "roles", "role");
	put_withheld(out, plan);
	put_list(out, plan, "groups", "group");
	put_list(out, plan, "entitlements", "entitlement");
	json_array_foreach(json_object_get(plan, "mods"), i, v)
	{
		put_mod(out, v);
	}
	json_array_foreach(json_object_get(plan, "exceptions"), i, v)
	{
		if (json_string_value(v))
			put_line(out, "! exception   ", json_string_value(v));
	}
	if (planview_empty(plan))
		put_line(out, "nothing", " follows from it");
}

int planview_empty(const json_t *plan)
{
	static const char *const what[] = { "roles", "groups", "entitlements" };
	const json_t *state = json_object_get(plan, "state");
	const char *before = json_string_value(json_object_get(state, "before"));
	const char *after = json_string_value(json_object_get(state, "after"));
	size_t i;
	json_t *v;
	for (size_t k = 0; k < sizeof(what) / sizeof(what[0]); k++) {
		const json_t *o = json_object_get(plan, what[k]);
		if (json_array_size(json_object_get(o, "gained")) ||
			json_array_size(json_object_get(o, "lost")))
			return 0;
	}
	json_array_foreach(json_object_get(plan, "mods"), i, v)
	{
		const char *attr = json_string_value(json_object_get(v, "attr"));
		if (attr && !bookkeeping(attr))
			return 0;
	}
	if (json_array_size(json_object_get(plan, "exceptions")))
		return 0;
	return !after || (before && !strcmp(before, after));
}
