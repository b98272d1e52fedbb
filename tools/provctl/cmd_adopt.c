/*
 * cmd_adopt.c - provctl adopt: bring accounts that were there before under management.
 *
 * Every account without provAccount, or that no write has stamped yet, is shown to the
 * policy: without --apply as a plan (nothing is changed), with it for real, in batches that
 * are sent together. Doing it again does nothing to those that are done, so an interrupted
 * run is just started again. One account's failure does not stop the others.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "jsonout.h"
#include "planview.h"
#include "search.h"
#include "strmap.h"
#include "table.h"

static struct {
	bool apply;
	unsigned batch;
} arg = { .batch = 50 };

static const struct prov_option option[] = {
	{ "apply", 0, PROV_OPTION_FLAG, &arg.apply, NULL, "do it; else only show it" },
	{ "batch", 0, PROV_OPTION_NUMBER, &arg.batch, "N", "how many are sent together (50)" },
};

struct adoption {
	struct ctl *c;
	struct prov_strmap *dns;
	size_t done, failed, changed;
	int stop; /* exit status that ends the run */
};

static int see_account(void *ctx, LDAP *ld, LDAPMessage *e, struct prov_error *err)
{
	struct adoption *a = ctx;
	size_t index;
	char *dn = ldap_get_dn(ld, e);
	int rc = dn ? prov_strmap_add(a->dns, dn, &index, NULL) : PROV_ENOMEM;
	ldap_memfree(dn);
	return rc ? prov_error_set(err, rc, "no memory") : 0;
}

static int find_accounts(struct adoption *a)
{
	static const char *const none[] = { LDAP_NO_ATTRS, NULL };
	struct prov_error err = { 0 };
	if (prov_strmap_new(&a->dns))
		return ctl_nomem();
	for (size_t i = 0; i < a->c->nscope; i++) {
		const struct ctl_scope *s = &a->c->scope[i];
		char *filter = NULL;
		if (asprintf(&filter, "(&%s(|(!(objectClass=provAccount))(!(provChangeId=*))))",
			    s->filter) < 0)
			return ctl_nomem();
		int rc = ctl_search(a->c, s->base, s->scope, filter, none, see_account, a, &err);
		free(filter);
		if (rc)
			return ctl_fail(&err);
	}
	return 0;
}

static int send_one(LDAP *ld, const char *dn, int *msgid)
{
	char *value[] = { "provAccount", NULL };
	LDAPMod mod = { LDAP_MOD_ADD, "objectClass", { value } }, *mods[] = { &mod, NULL };
	return ldap_modify_ext(ld, dn, mods, planview_adopt_controls(!arg.apply), NULL, msgid);
}

static int print_plan(struct adoption *a, const char *dn, const json_t *plan)
{
	if (a->c->json) {
		json_t *v = json_pack("{s:o,s:O*}", "dn", prov_json_text(dn, strlen(dn)),
			arg.apply ? "applied" : "plan", arg.apply ? json_true() : plan);
		return prov_json_line_take(stdout, v) ? ctl_nomem() : 0;
	}
	if (arg.apply)
		return 0;
	char *safe = prov_text_safe(dn, strlen(dn));
	printf("%s\n", safe ? safe : "");
	free(safe);
	planview_print(stdout, plan);
	return 0;
}

static int print_failure(struct adoption *a, const char *dn, const char *why)
{
	a->failed++;
	if (a->c->json) {
		json_t *v = json_pack("{s:o,s:o}", "dn", prov_json_text(dn, strlen(dn)), "refused",
			prov_json_text(why, strlen(why)));
		return prov_json_line_take(stdout, v) ? ctl_nomem() : 0;
	}
	char *d = prov_text_safe(dn, strlen(dn)), *w = prov_text_safe(why, strlen(why));
	fprintf(stderr, "provctl: %s: %s\n", d ? d : "", w ? w : "");
	free(d);
	free(w);
	return 0;
}

static int take_applied(LDAP *ld, LDAPMessage *m, struct prov_error *err)
{
	int code = 0, rc;
	char *text = NULL;
	rc = ldap_parse_result(ld, m, &code, NULL, &text, NULL, NULL, 0);
	if (rc || code) {
		rc = prov_ldap_code(rc ? rc : code);
		prov_error_set(err, rc, "%s%s%s", ldap_err2string(code), text && *text ? ": " : "",
			text ? text : "");
	}
	if (code == LDAP_UNAVAILABLE_CRITICAL_EXTENSION)
		rc = prov_error_set(err, PROV_EVERSION,
			"the server does not know the adopt control: the overlay is not loaded");
	ldap_memfree(text);
	return rc;
}

static int take_one(struct adoption *a, const char *dn, int msgid)
{
	LDAP *ld = a->c->ld;
	struct prov_error err = { 0 };
	LDAPMessage *m = NULL;
	json_t *plan = NULL;
	int rc;
	if (ldap_result(ld, msgid, LDAP_MSG_ALL, NULL, &m) <= 0) {
		ldap_get_option(ld, LDAP_OPT_RESULT_CODE, &rc);
		prov_ldap_error(ld, rc, &err, "modify %s", dn);
		return ctl_fail(&err);
	}
	rc = arg.apply ? take_applied(ld, m, &err) : planview_take(ld, m, &plan, &err);
	ldap_msgfree(m);
	if (rc == PROV_EVERSION)
		return ctl_fail(&err);
	a->done++;
	if (rc)
		return print_failure(a, dn, err.text);
	a->changed += arg.apply || !planview_empty(plan);
	rc = print_plan(a, dn, plan);
	json_decref(plan);
	return rc;
}

/* Send a batch, then take all its answers. 0 or an exit status. */
static int do_batch(struct adoption *a, size_t from, size_t n, int *msgid)
{
	struct prov_error err = { 0 };
	size_t sent = 0;
	int st = 0;
	for (; sent < n; sent++) {
		int rc = send_one(a->c->ld, prov_strmap_text(a->dns, from + sent), &msgid[sent]);
		if (rc) {
			prov_ldap_error(a->c->ld, rc, &err, "modify");
			st = ctl_fail(&err);
			break;
		}
	}
	for (size_t i = 0; i < sent; i++) {
		int one = take_one(a, prov_strmap_text(a->dns, from + i), msgid[i]);
		if (one)
			return one; /* the connection or the output is gone */
	}
	return st;
}

static int do_all(struct adoption *a)
{
	size_t total = prov_strmap_count(a->dns);
	bool tty = isatty(STDERR_FILENO) && arg.apply;
	int *msgid = calloc(arg.batch, sizeof(*msgid)), st = 0;
	if (!msgid)
		return ctl_nomem();
	for (size_t at = 0; !st && at < total; at += arg.batch) {
		size_t n = total - at < arg.batch ? total - at : arg.batch;
		st = do_batch(a, at, n, msgid);
		if (tty)
			fprintf(stderr, "\r%zu of %zu ", a->done, total);
	}
	if (tty && total)
		fputc('\n', stderr);
	free(msgid);
	return st;
}

static int run(struct ctl *c, int argc, char **argv)
{
	struct adoption a = { .c = c };
	int st;
	(void)argv;
	if (argc > 1)
		return prov_options_misuse(&c->opt, "adopt takes no operands");
	if (!arg.batch || arg.batch > 10000)
		return prov_options_misuse(&c->opt, "--batch wants 1 to 10000");
	st = ctl_site(c);
	if (!st)
		st = find_accounts(&a);
	if (!st)
		st = do_all(&a);
	if (!st && !c->json) {
		if (arg.apply)
			printf("%zu adopted, %zu failed\n", a.done - a.failed, a.failed);
		else
			printf("%s%zu to adopt, %zu of them would change, %zu would be refused%s\n",
				a.done ? "\n" : "", a.done, a.changed, a.failed,
				a.done ? "; --apply does it" : "");
	}
	prov_strmap_free(&a.dns);
	return st ? st : a.failed ? PROV_EXIT_FINDINGS : 0;
}

const struct ctl_command cmd_adopt = {
	"adopt",
	"[options] adopt [--apply] [--batch N]",
	"bring accounts that were there before under management",
	"\nWithout --apply it shows what the policy would do and changes nothing.\n",
	option,
	sizeof(option) / sizeof(option[0]),
	run,
};
