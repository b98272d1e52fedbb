/* audit_trail.c - the open trail, and the filter that the options ask for. See audit.h. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit.h"
#include "fold.h"
#include "state.h"

int audit_trail_open(struct ctl *c, struct audit_trail *t)
{
	struct prov_error err = { 0 };
	int st = ctl_state_dir(c, &t->path);
	if (st)
		return st;
	if (prov_statedir_open(t->path, false, &t->dir, &err) ||
		prov_kv_begin(prov_statedir_kv(t->dir), false, &t->txn, &err))
		st = ctl_fail(&err);
	return st;
}

int audit_trail_refresh(struct audit_trail *t, struct prov_error *err)
{
	prov_kv_abort(&t->txn);
	return prov_kv_begin(prov_statedir_kv(t->dir), false, &t->txn, err);
}

void audit_trail_close(struct audit_trail *t)
{
	prov_kv_abort(&t->txn);
	prov_statedir_close(&t->dir);
	free(t->path);
	t->path = NULL;
}

void audit_trail_hash(struct audit_trail *t, uint64_t seq, char hex[65])
{
	unsigned char be[8];
	struct prov_val key = { (char *)be, sizeof(be) }, row = { NULL, 0 };
	hex[0] = '\0';
	prov_be64_put(be, seq);
	if (prov_kv_get(t->txn, PROV_T_TRAIL, key, &row) || row.len < 33)
		return;
	for (int i = 0; i < 32; i++) /* trail.h: version byte, hash, record */
		sprintf(hex + 2 * i, "%02x", (unsigned char)row.data[1 + i]);
}

/* A time given as an option; says so when it is none. An exit status. */
static int time_arg(struct ctl *c, const char *what, const char *text, int64_t *out)
{
	if (audit_time(text, (int64_t)time(NULL), out))
		return prov_options_misuse(&c->opt, "%s: not a time: %s", what, text);
	return 0;
}

static int make_times(struct ctl *c, struct audit_filter *f)
{
	int st = 0;
	f->has_since = audit_arg.since != NULL;
	f->has_until = audit_arg.until != NULL;
	if (f->has_since)
		st = time_arg(c, "--since", audit_arg.since, &f->since);
	if (!st && f->has_until)
		st = time_arg(c, "--until", audit_arg.until, &f->until);
	return st;
}

int audit_filter_make(struct ctl *c, struct audit_filter *f)
{
	const struct audit_args *a = &audit_arg;
	int st = make_times(c, f);
	if (st)
		return st;
	f->change = a->change;
	f->reason = a->reason;
	f->connector = a->connector;
	f->outcome = a->outcome;
	f->op = a->op;
	if (a->account) {
		f->account_is_uid = !strchr(a->account, '=');
		f->account = f->account_is_uid ? prov_fold_text(a->account, strlen(a->account))
					       : prov_fold_dn(a->account, strlen(a->account));
	}
	if (a->actor)
		f->actor = prov_fold_dn(a->actor, strlen(a->actor));
	if (a->group)
		f->group = prov_fold_dn(a->group, strlen(a->group));
	if ((a->account && !f->account) || (a->actor && !f->actor) || (a->group && !f->group))
		return ctl_nomem();
	return 0;
}
