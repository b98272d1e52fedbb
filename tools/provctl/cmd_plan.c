/*
 * cmd_plan.c - provctl plan -f FILE.ldif: what would these changes cause?
 *
 * Reads change records (RFC 2849; an entry without changetype is an add) with libldap's
 * reader and sends each with the no-op and plan controls, both critical: a server
 * that does not know them refuses, and nothing is ever changed. Each record is judged
 * against the directory as it is, not as the records before it would leave it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ldap.h>
#include <ldif.h> /* needs both of the above */

#include "ctl.h"
#include "jsonout.h"
#include "planview.h"
#include "table.h"

static const char *file;

static const struct prov_option option[] = {
	{ "file", 'f', PROV_OPTION_TEXT, &file, "FILE.ldif", "the changes; - is standard input" },
};

struct planning {
	struct ctl *c;
	size_t done, refused;
};

static const char *op_name(const LDIFRecord *r)
{
	switch (r->lr_op) {
	case LDAP_REQ_ADD:
		return "add";
	case LDAP_REQ_MODIFY:
		return "modify";
	case LDAP_REQ_DELETE:
		return "delete";
	case LDAP_REQ_MODRDN:
		return "rename";
	default:
		return "?";
	}
}

/* The record's own controls (reason, relax ...) and ours. *out: free() only. */
static int all_controls(const LDIFRecord *r, LDAPControl ***out)
{
	LDAPControl **ours = planview_controls();
	size_t n = 0, m = 0;
	while (r->lr_ctrls && r->lr_ctrls[n])
		n++;
	while (ours[m])
		m++;
	*out = calloc(n + m + 1, sizeof(**out));
	if (!*out)
		return PROV_ENOMEM;
	if (n)
		memcpy(*out, r->lr_ctrls, n * sizeof(**out));
	memcpy(*out + n, ours, m * sizeof(**out));
	return 0;
}

static int send_record(LDAP *ld, const LDIFRecord *r, int *msgid)
{
	LDAPControl **ctrl = NULL;
	int rc = LDAP_NO_MEMORY;
	if (all_controls(r, &ctrl))
		return rc;
	switch (r->lr_op) {
	case LDAP_REQ_ADD:
		rc = ldap_add_ext(ld, r->lr_dn.bv_val, r->lrop_mods, ctrl, NULL, msgid);
		break;
	case LDAP_REQ_MODIFY:
		rc = ldap_modify_ext(ld, r->lr_dn.bv_val, r->lrop_mods, ctrl, NULL, msgid);
		break;
	case LDAP_REQ_DELETE:
		rc = ldap_delete_ext(ld, r->lr_dn.bv_val, ctrl, NULL, msgid);
		break;
	case LDAP_REQ_MODRDN:
		rc = ldap_rename(ld, r->lr_dn.bv_val, r->lrop_newrdn.bv_val, r->lrop_newsup.bv_val,
			r->lrop_delold, ctrl, NULL, msgid);
		break;
	default:
		rc = LDAP_PARAM_ERROR;
	}
	free(ctrl);
	return rc;
}

static int print_one(struct planning *p, const LDIFRecord *r, const json_t *plan,
	const struct prov_error *why)
{
	const char *dn = r->lr_dn.bv_val;
	if (p->c->json) {
		json_t *v = json_pack("{s:s,s:o,s:O*,s:s*}", "op", op_name(r), "dn",
			prov_json_text(dn, strlen(dn)), "plan", plan, "refused",
			plan ? NULL : why->text);
		return prov_json_line_take(stdout, v) ? ctl_nomem() : 0;
	}
	char *safe = prov_text_safe(dn, strlen(dn));
	printf("%s %s\n", op_name(r), safe ? safe : "");
	free(safe);
	if (plan) {
		planview_print(stdout, plan);
	} else {
		safe = prov_text_safe(why->text, strlen(why->text));
		printf("  REFUSED: %s\n", safe ? safe : "");
		free(safe);
	}
	return 0;
}

/* 0, or an exit status that ends the run. */
static int plan_record(struct planning *p, const LDIFRecord *r)
{
	LDAP *ld = p->c->ld;
	struct prov_error err = { 0 };
	LDAPMessage *m = NULL;
	json_t *plan = NULL;
	int msgid = -1, rc = send_record(ld, r, &msgid), st;
	if (!rc && ldap_result(ld, msgid, LDAP_MSG_ALL, NULL, &m) <= 0)
		ldap_get_option(ld, LDAP_OPT_RESULT_CODE, &rc);
	if (rc) {
		prov_ldap_error(ld, rc, &err, "%s %s", op_name(r), r->lr_dn.bv_val);
		return ctl_fail(&err);
	}
	rc = planview_take(ld, m, &plan, &err);
	ldap_msgfree(m);
	if (rc == PROV_EVERSION)
		return ctl_fail(&err);
	p->done++;
	p->refused += rc != 0;
	st = print_one(p, r, plan, &err);
	json_decref(plan);
	return st;
}

static int plan_file(struct planning *p, LDIFFP *in)
{
	unsigned long line = 0;
	char *buf = NULL;
	int room = 0, st = 0, got;
	while (!st && (got = ldif_read_record(in, &line, &buf, &room)) > 0) {
		LDIFRecord r = { 0 };
		struct berval text = { (ber_len_t)room, buf };
		if (ldap_parse_ldif_record(&text, line, &r, "provctl", LDIF_DEFAULT_ADD)) {
			st = ctl_say("%s: the record before line %lu is not good LDIF", file, line);
		} else if (r.lr_dn.bv_val) { /* else comments or a version line */
			st = plan_record(p, &r);
			ldap_ldif_record_done(&r);
		}
	}
	if (!st && got < 0)
		st = ctl_say("%s: line %lu cannot be read", file, line);
	ber_memfree(buf);
	return st;
}

static int run(struct ctl *c, int argc, char **argv)
{
	struct planning p = { .c = c };
	int st;
	(void)argv;
	if (argc > 1 || !file)
		return prov_options_misuse(&c->opt, "plan: want -f FILE.ldif");
	LDIFFP *in = ldif_open(strcmp(file, "-") ? file : "/dev/stdin", "r");
	if (!in)
		return ctl_say("%s: %s", file, strerror(errno));
	st = ctl_connect(c);
	if (!st)
		st = plan_file(&p, in);
	ldif_close(in);
	if (!st && !p.done)
		st = ctl_say("%s: no change records", file);
	return st ? st : p.refused ? PROV_EXIT_FINDINGS : 0;
}

const struct ctl_command cmd_plan = {
	"plan",
	"[options] plan -f FILE.ldif",
	"what changes would cause; nothing is changed",
	"\nExit status 1 when a change would be refused.\n",
	option,
	sizeof(option) / sizeof(option[0]),
	run,
};
