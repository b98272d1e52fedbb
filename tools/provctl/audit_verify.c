/*
 * audit_verify.c - provctl audit verify: the chain, the checkpoints, and by option the
 * directory's stamps.
 */
#include <string.h>
#include <unistd.h>

#include "audit.h"
#include "jsonout.h"

static void show_progress(void *ctx, uint64_t done)
{
	(void)ctx;
	fprintf(stderr, "\r%llu records ", (unsigned long long)done);
}

/* Something was put back to an older copy there: the chain holds, but what it tells may not be
 * what is in the directory. */
static int see_restore(void *ctx, uint64_t seq, struct prov_val text)
{
	json_t *numbers = ctx;
	static const char op[] = "\"op\":\"restore\"";
	if (!memmem(text.data, text.len, op, sizeof(op) - 1))
		return 0;
	json_t *r = json_loadb(text.data, text.len, 0, NULL);
	bool is = !strcmp(audit_text(r, "op"), "restore");
	json_decref(r);
	return is && json_array_append_new(numbers, json_integer((json_int_t)seq)) ? PROV_ENOMEM
										   : 0;
}

static void print_restores(const json_t *at)
{
	size_t i;
	json_t *v;
	if (!json_array_size(at))
		return;
	printf("%zu times something was restored from a copy or replaced (audit show --op restore), records",
		json_array_size(at));
	json_array_foreach(at, i, v) printf("%s %lld", i ? "," : "", json_integer_value(v));
	puts("");
}

static int print_report(struct ctl *c, int rc, const struct prov_trail_report *r, json_t *restores,
	const struct prov_error *err)
{
	if (c->json) {
		json_t *v = json_pack("{s:b,s:I,s:I,s:I,s:I,s:b}", "ok", !rc, "records",
			(json_int_t)r->records, "checkpoints", (json_int_t)r->checkpoints,
			"signedCheckpoints", (json_int_t)r->signed_checkpoints, "lastSigned",
			(json_int_t)r->last_signed, "signaturesChecked", audit_arg.key != NULL);
		json_object_set_new(v, "afterLastSigned",
			json_integer((json_int_t)(r->records - r->last_signed)));
		json_object_set(v, "restores", restores);
		if (rc) {
			json_object_set_new(v, "badSeq", json_integer((json_int_t)r->bad_seq));
			json_object_set_new(v, "error", json_string(err->text));
		}
		return prov_json_line_take(stdout, v) ? ctl_nomem() : 0;
	}
	if (rc) {
		printf("BROKEN at record %llu: %s\n", (unsigned long long)r->bad_seq, err->text);
		print_restores(restores);
		return 0;
	}
	printf("%llu records, unbroken\n", (unsigned long long)r->records);
	printf("%llu checkpoints, %llu signed, the last at record %llu\n",
		(unsigned long long)r->checkpoints, (unsigned long long)r->signed_checkpoints,
		(unsigned long long)r->last_signed);
	if (!audit_arg.key)
		puts("signatures not checked: no --key");
	else if (r->records > r->last_signed)
		printf("%llu records after the last signed checkpoint: no signature covers them yet\n",
			(unsigned long long)(r->records - r->last_signed));
	print_restores(restores);
	return 0;
}

static int verify_chain(struct ctl *c, struct audit_trail *t, const struct prov_key *key)
{
	struct prov_error err = { 0 };
	struct prov_trail_report report = { 0 };
	bool tty = isatty(STDERR_FILENO);
	int rc = prov_trail_verify(t->txn, key, tty ? show_progress : NULL, NULL, &report, &err);
	if (tty)
		fputs("\r                              \r", stderr);
	if (rc && rc != PROV_ECORRUPT)
		return ctl_fail(&err);
	/* who can write the file can take all signatures off */
	if (!rc && key && report.records && !report.signed_checkpoints) {
		report.bad_seq = 1;
		rc = prov_error_set(&err, PROV_ECORRUPT, "no checkpoint is signed");
	}
	json_t *restores = json_array();
	int st = restores ? 0 : ctl_nomem();
	/* of a broken trail as many as can be read */
	if (!st && prov_trail_walk(t->txn, 1, see_restore, restores, NULL) == PROV_ENOMEM)
		st = ctl_nomem();
	if (!st)
		st = print_report(c, rc, &report, restores, &err);
	json_decref(restores);
	return st ? st : rc ? PROV_EXIT_FINDINGS : 0;
}

int audit_verify(struct ctl *c, int argc, char **argv)
{
	struct prov_error err = { 0 };
	struct prov_key *key = NULL;
	struct audit_trail t = { 0 };
	(void)argv;
	if (argc != 0)
		return prov_options_misuse(&c->opt, "audit verify takes no operand");
	if (audit_arg.against && strcmp(audit_arg.against, "ldap"))
		return prov_options_misuse(&c->opt, "--against: want ldap");
	if (audit_arg.key && prov_key_load(audit_arg.key, false, &key, &err))
		return ctl_fail(&err);
	int st = audit_trail_open(c, &t);
	if (!st)
		st = verify_chain(c, &t, key);
	if (audit_arg.against && st != PROV_EXIT_CANNOT) {
		int more = audit_against_ldap(c, &t);
		st = more > st ? more : st;
	}
	if (audit_arg.timestamps && st != PROV_EXIT_CANNOT) {
		int more = audit_timestamps(c, &t);
		st = more > st ? more : st;
	}
	audit_trail_close(&t);
	prov_key_free(&key);
	return st;
}
