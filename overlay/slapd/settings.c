/*
 * settings.c - configuration members of an instance; the making and freeing of instances.
 */
#include "settings.h"

#include "config.h"
#include "scope.h"

void prov_settings_default(struct prov_instance *to)
{
	to->breaker_count = 100;
	to->breaker_seconds = 3600;
	to->sessions = true;
	to->checkpoint_records = 1000;
	to->checkpoint_seconds = 3600;
}

static void take(struct prov_instance *to, const struct prov_instance *from)
{
	to->policy_dn = from->policy_dn;
	to->policy_ndn = from->policy_ndn;
	to->naccounts = from->naccounts;
	to->accounts = from->accounts;
	to->state_dir = from->state_dir;
	to->on_delete = from->on_delete;
	to->archive_dn = from->archive_dn;
	to->archive_ndn = from->archive_ndn;
	to->breaker_count = from->breaker_count;
	to->breaker_seconds = from->breaker_seconds;
	to->memberof = from->memberof;
	to->sessions = from->sessions;
	to->checkpoint_records = from->checkpoint_records;
	to->checkpoint_seconds = from->checkpoint_seconds;
	to->key_file = from->key_file;
}

static void forget(struct prov_instance *pi)
{
	BER_BVZERO(&pi->policy_dn);
	BER_BVZERO(&pi->policy_ndn);
	BER_BVZERO(&pi->archive_dn);
	BER_BVZERO(&pi->archive_ndn);
	pi->naccounts = 0;
	pi->accounts = NULL;
	pi->state_dir = NULL;
	pi->key_file = NULL;
}

void prov_settings_move(struct prov_instance *to, struct prov_instance *from)
{
	take(to, from);
	forget(from);
}

static struct prov_accounts *copy_accounts(BackendDB *be, const struct prov_instance *from)
{
	struct prov_accounts *copy = NULL;
	char msg[SLAP_TEXT_BUFLEN];

	if (from->naccounts)
		copy = ch_calloc((size_t)from->naccounts, sizeof(*copy));
	/* they parsed once on this database, so they parse again */
	for (int i = 0; i < from->naccounts; i++)
		prov_scope_parse(be, from->accounts[i].url.bv_val, &copy[i], msg, sizeof(msg));
	return copy;
}

static void copy_bv(struct berval *to, struct berval from)
{
	ber_dupbv(to, &from);
}

void prov_settings_copy(struct prov_instance *to, const struct prov_instance *from)
{
	take(to, from);
	copy_bv(&to->policy_dn, from->policy_dn);
	copy_bv(&to->policy_ndn, from->policy_ndn);
	copy_bv(&to->archive_dn, from->archive_dn);
	copy_bv(&to->archive_ndn, from->archive_ndn);
	to->accounts = copy_accounts(to->be, from);
	to->state_dir = from->state_dir ? ch_strdup(from->state_dir) : NULL;
	to->key_file = from->key_file ? ch_strdup(from->key_file) : NULL;
}

void prov_settings_dispose(struct prov_instance *pi)
{
	ch_free(pi->policy_dn.bv_val);
	ch_free(pi->policy_ndn.bv_val);
	ch_free(pi->archive_dn.bv_val);
	ch_free(pi->archive_ndn.bv_val);
	for (int i = 0; i < pi->naccounts; i++)
		prov_scope_dispose(&pi->accounts[i]);
	ch_free(pi->accounts);
	ch_free(pi->state_dir);
	ch_free(pi->key_file);
	forget(pi);
}

int prov_settings_check(const struct prov_instance *pi, char *msg, size_t len)
{
	if (!pi->state_dir) {
		snprintf(msg, len,
			"provision-state (olcProvisionState) is missing: name the directory for the "
			"trail and the outbox");
		return 1;
	}
	if (pi->on_delete == PROV_DELETE_PRESERVE && BER_BVISNULL(&pi->archive_ndn)) {
		snprintf(msg, len,
			"provision-on-delete preserve needs provision-archive (olcProvisionArchive): "
			"name the entry that preserved accounts move below");
		return 1;
	}
	return 0;
}

struct prov_instance *prov_instance_new(void)
{
	struct prov_instance *pi = ch_calloc(1, sizeof(*pi));

	prov_settings_default(pi);
	ldap_pvt_thread_mutex_init(&pi->breaker_mutex);
	return pi;
}

void prov_instance_free(struct prov_instance *pi)
{
	if (!pi)
		return;
	prov_settings_dispose(pi);
	prov_breaker_free(&pi->breaker);
	ldap_pvt_thread_mutex_destroy(&pi->breaker_mutex);
	ch_free(pi);
}
