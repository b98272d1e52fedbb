/*
 * apply.c - changes of the configuration while the database is open.
 *
 * Nothing is applied value by value: a modify of cn=config may replace a value (which
 * arrives as a delete and an add) or change several that belong together. The first
 * change of an operation keeps a copy of the settings; the operation's cleanup compares,
 * checks them as a whole and tells the run time once, and puts the copy back when that is refused.
 */
#include "apply.h"

#include "config.h"
#include "settings.h"

/* One cn=config operation at a time: slapd holds its lock and has paused the pool. */
static struct {
	struct prov_instance *pi;    /* being changed, or NULL */
	struct prov_instance before; /* its settings; nothing else of it is used */
	bool key_touched;            /* the same name may hold another key now */
} pending;

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_accounts(const struct prov_instance *a, const struct prov_instance *b)
{
	if (a->naccounts != b->naccounts)
		return false;
	for (int i = 0; i < a->naccounts; i++)
		if (!bvmatch(&a->accounts[i].url, &b->accounts[i].url))
			return false;
	return true;
}

/* bvmatch() compares nothing with nothing by memcmp(), which takes no null pointer. */
static bool same_dn(const struct berval *a, const struct berval *b)
{
	return a->bv_len == b->bv_len && (!a->bv_len || bvmatch(a, b));
}

/* What the run time must hear of. */
enum { TELL_MEMBEROF = 1, TELL_ACCOUNTS = 2, TELL_POLICY = 4, TELL_STATE = 8 };

static unsigned changed(const struct prov_instance *a, const struct prov_instance *b,
	bool key_touched)
{
	unsigned tell = 0;

	if (a->memberof != b->memberof)
		tell |= TELL_MEMBEROF;
	if (!same_accounts(a, b))
		tell |= TELL_ACCOUNTS;
	if (!same_dn(&a->policy_ndn, &b->policy_ndn))
		tell |= TELL_POLICY;
	if (key_touched || !same_text(a->state_dir, b->state_dir) ||
		!same_text(a->key_file, b->key_file) ||
		a->checkpoint_records != b->checkpoint_records ||
		a->checkpoint_seconds != b->checkpoint_seconds)
		tell |= TELL_STATE;
	return tell;
}

/* Tell in turn until one refuses; told is what was called, the refusing one included. */
static int tell(struct prov_instance *pi, unsigned what, unsigned *told, char *msg, size_t len)
{
	static const struct {
		unsigned bit;
		int (*call)(struct prov_instance *pi, char *msg, size_t len);
	} row[] = {
		{ TELL_MEMBEROF, prov_runtime_memberof_changed },
		{ TELL_ACCOUNTS, prov_runtime_accounts_changed },
		{ TELL_POLICY, prov_runtime_policy_changed },
		{ TELL_STATE, prov_runtime_state_changed },
	};
	int rc = 0;

	*told = 0;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]) && rc == 0; i++) {
		if (!(what & row[i].bit))
			continue;
		*told |= row[i].bit;
		rc = row[i].call(pi, msg, len);
	}
	return rc;
}

/* The operation's cleanup. Runs after a failed one too; slapd has set the old values again then. */
static int finish(ConfigArgs *c)
{
	struct prov_instance *pi = pending.pi;
	char ignored[SLAP_TEXT_BUFLEN];
	unsigned told = 0, again;

	if (!pi)
		return 0;
	pending.pi = NULL;
	unsigned what = changed(&pending.before, pi, pending.key_touched);
	int rc = prov_settings_check(pi, c->cr_msg, sizeof(c->cr_msg));
	if (rc == 0)
		rc = tell(pi, what, &told, c->cr_msg, sizeof(c->cr_msg));
	if (rc == 0) {
		prov_settings_dispose(&pending.before);
		return LDAP_SUCCESS;
	}
	Debug(LDAP_DEBUG_ANY, "provision: configuration refused: %s\n", c->cr_msg);
	prov_settings_dispose(pi);
	prov_settings_move(pi, &pending.before);
	tell(pi, told, &again, ignored, sizeof(ignored));
	return LDAP_OTHER;
}

int prov_apply_begin(ConfigArgs *c, struct prov_instance *pi)
{
	if (!pi->snapshot)
		pi->be = c->be->bd_self; /* as long as it is open the relay's thread reads it */
	if (!pi->snapshot || pending.pi == pi)
		return 0;
	if (config_push_cleanup(c, finish)) {
		snprintf(c->cr_msg, sizeof(c->cr_msg), "too much in one operation");
		return ARG_BAD_CONF;
	}
	prov_settings_move(&pending.before, pi);
	prov_settings_copy(pi, &pending.before);
	pending.key_touched = false;
	pending.pi = pi;
	return 0;
}

void prov_apply_key_touched(void)
{
	pending.key_touched = true;
}
