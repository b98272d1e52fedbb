/* ldapdir.c - the ldap connector: one event. See ldapdir.h and ldapdir_impl.h. */
#include "ldapdir.h"

#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "ldapdir_ad.h"
#include "ldapdir_impl.h"

/* Under the name that it has there until now. */
static int leave_groups(struct attempt *a)
{
	char *called = prov_ldapdir_first_value(a, a->s->rdn);
	int rc = prov_ldapdir_groups_leave(&a->s->groups, &a->call, a->event, a->dn,
		called ? called : a->name);

	free(called);
	return rc;
}

/* An account that may not be used is locked before all else, which the server may refuse. When
 * it refuses the lock, at least the groups are left. */
static int take_access(struct attempt *a, bool lock, bool *changed)
{
	int rc = lock ? prov_ldapdir_lock(a, changed) : 0;

	if (rc == 0 || a->call.ld)
		rc = leave_groups(a) ? -1 : rc;
	return rc;
}

static int check_login(struct attempt *a)
{
	const char *bad =
		a->s->ad && a->login ? prov_ldapdir_ad_bad_name(a->login, PROV_AD_USER_NAME) : NULL;

	return bad ? prov_result_fail(a->call.out, "\"%.60s\" cannot be a sAMAccountName: it %s",
			     a->login, bad)
		   : 0;
}

static int prove_locked(struct attempt *a, bool changed)
{
	if (prov_ldapdir_read_back(a))
		return -1;
	if (a->entry && !prov_ldapdir_locked(a))
		return prov_result_fail(a->call.out,
			"the server took the change, but the account is not locked there");
	return prov_result_done(a->call.out,
		changed ? "locked, proven by reading it back"
			: "is locked, proven by reading it back");
}

static int settle(struct attempt *a, const char *kept)
{
	bool active = provd_event_active(a->event), waits = false;
	bool deleted = provd_event_is(a->event, "account.deleted"), made = false, changed = false;
	bool remove = deleted && a->s->remove;

	if (prov_ldapdir_find(a, kept))
		return -1;
	if (!a->entry && !active)
		return prov_result_done(a->call.out, "it has no such account");
	if (!a->entry) {
		if (check_login(a) || prov_ldapdir_create(a))
			return -1;
		made = true;
	}
	if (take_access(a, !active && !remove, &changed))
		return -1;
	if (remove)
		return prov_ldapdir_delete(a);
	if (check_login(a) || prov_ldapdir_rename(a, &changed) ||
		prov_ldapdir_groups_join(&a->s->groups, &a->call, a->event, a->dn, a->name) ||
		prov_ldapdir_change(a, active, &changed, &waits))
		return -1;
	if (!active)
		return prove_locked(a, changed);
	return prov_result_done(a->call.out,
		waits             ? "it waits there for its first password, disabled"
			: made    ? "created"
			: changed ? "changed"
				  : "nothing to change");
}

static int look(struct attempt *a)
{
	if (prov_ldapdir_look(a, prov_ldapdir_base(a->s->dir)))
		return -1;
	return a->entry ? prov_result_done(a->call.out, "bound, and the base was read")
			: prov_result_fail(a->call.out, "bound, but the base cannot be read");
}

static void deliver(void *self, const struct prov_message *m, const atomic_bool *cancel,
	struct prov_result *out)
{
	struct attempt a = { .s = self };

	a.call = (struct prov_ldapdir_call){ .dir = a.s->dir, .cancel = cancel, .out = out };
	a.event = json_loadb(m->body.text, m->body.len, 0, NULL);
	a.subject = json_string_value(json_object_get(a.event, "subject"));
	a.name = prov_ldapdir_map_first(a.s->map, a.s->rdn, a.event);
	a.login = prov_ldapdir_map_first(a.s->map, a.s->login, a.event);
	/* all that follows ends in a result; the call's own end looks at it */
	if (prov_ldapdir_begin(&a.call) == 0)
		(void)(provd_event_is(a.event, "connector.test") ? look(&a)
								 : settle(&a, m->remote));
	prov_ldapdir_forget(&a);
	prov_ldapdir_end(&a.call);
	json_decref(a.event);
	free(a.name);
	free(a.login);
}

const struct prov_kind_ops prov_ldapdir_ops = { .keeps_accounts = true,
	.open = prov_ldapdir_open,
	.deliver = deliver,
	.close = prov_ldapdir_close };
