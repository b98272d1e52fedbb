/*
 * monitor.c - our figures on the database's entry below cn=Databases,cn=Monitor.
 *
 * back-monitor owns the entry and the callback; we put our class on it, fill our
 * attributes whenever the entry is read, and take all of it away on close. back-monitor holds
 * the entry's lock while it calls us.
 */
#include "monitor.h"

#include <inttypes.h>

#include "back-monitor/back-monitor.h"

#include "schema.h"

struct prov_monitor {
	struct berval ndn; /* back-monitor's; filled when it opens, perhaps after us */
	monitor_callback_t *cb;
};

static monitor_extra_t *monitor(void)
{
	BackendInfo *bi = backend_info("monitor");
	monitor_extra_t *mbe = bi ? bi->bi_extra : NULL;

	return mbe && mbe->is_configured() ? mbe : NULL;
}

static void put_text(Entry *e, AttributeDescription *ad, const char *text)
{
	struct berval bv;

	attr_delete(&e->e_attrs, ad);
	if (!*text)
		return;
	ber_str2bv(text, 0, 0, &bv);
	attr_merge_normalize_one(e, ad, &bv, NULL);
}

static void put_number(Entry *e, AttributeDescription *ad, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, n);
	put_text(e, ad, text);
}

static int update(Operation *op, SlapReply *rs, Entry *e, void *priv)
{
	struct prov_instance *pi = priv;
	struct prov_figures f = { .follow_done = 0 };

	(void)op;
	(void)rs;
	prov_runtime_figures(pi, &f);
	put_number(e, prov_ad.monFollowDone, f.follow_done);
	put_number(e, prov_ad.monFollowTotal, f.follow_total);
	put_number(e, prov_ad.monFollowPending, f.follow_pending);
	put_number(e, prov_ad.monBacklog, f.backlog);
	put_number(e, prov_ad.monRelayed, f.relayed);
	put_number(e, prov_ad.monPolicyGeneration, f.policy_generation);
	put_text(e, prov_ad.monPolicyError, f.policy_error);
	put_text(e, prov_ad.monInfo, f.info);
	return SLAP_CB_CONTINUE;
}

static int clear(Entry *e, void **priv)
{
	AttributeDescription *ours[] = { prov_ad.monFollowDone, prov_ad.monFollowTotal,
		prov_ad.monFollowPending, prov_ad.monBacklog, prov_ad.monRelayed,
		prov_ad.monPolicyGeneration, prov_ad.monPolicyError, prov_ad.monInfo };
	struct berval values[2] = { prov_ad.oc_monitor->soc_cname, BER_BVNULL };
	Modification mod = { .sm_op = LDAP_MOD_DELETE,
		.sm_desc = slap_schema.si_ad_objectClass,
		.sm_values = values,
		.sm_numvals = 1 };
	char buf[SLAP_TEXT_BUFLEN];
	const char *text;

	*priv = NULL;
	modify_delete_values(e, &mod, 1, &text, buf, sizeof(buf)); /* not there: as well */
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		attr_delete(&e->e_attrs, ours[i]);
	return SLAP_CB_CONTINUE;
}

int prov_monitor_open(struct prov_instance *pi)
{
	monitor_extra_t *mbe = SLAP_DBMONITORING(pi->be) ? monitor() : NULL;
	struct prov_monitor *m;
	Attribute *a;
	int rc;

	if (pi->monitor || !mbe)
		return 0;
	m = ch_calloc(1, sizeof(*m));
	m->cb = ch_calloc(1, sizeof(*m->cb));
	m->cb->mc_update = update;
	m->cb->mc_free = clear;
	m->cb->mc_private = pi;
	a = attr_alloc(slap_schema.si_ad_objectClass);
	attr_valadd(a, &prov_ad.oc_monitor->soc_cname, NULL, 1);
	/* while slapd starts, back-monitor only remembers these two and fills m->ndn later */
	rc = mbe->register_database(pi->be, &m->ndn);
	if (rc == 0)
		rc = mbe->register_entry_attrs(&m->ndn, a, m->cb, NULL, -1, NULL);
	attr_free(a);
	if (rc) {
		Debug(LDAP_DEBUG_ANY,
			"provision: cannot put figures on this database's entry in cn=Monitor\n");
		ch_free(m->cb);
		ch_free(m);
		return -1;
	}
	pi->monitor = m;
	return 0;
}

/*
 * While slapd shuts down back-monitor unregisters nothing, and frees the entry's callbacks
 * later, each by the address of the first (monitor_entry_destroy of 2.5): only one may be left,
 * and the database has its own.
 */
static void unlink_callback(monitor_extra_t *mbe, struct prov_monitor *m)
{
	Entry *e = mbe->entry_get_unlocked(&m->ndn);
	monitor_entry_t *mp = e ? e->e_private : NULL;

	for (monitor_callback_t **p = mp ? &mp->mp_cb : NULL; p && *p; p = &(*p)->mc_next) {
		if (*p == m->cb) {
			*p = m->cb->mc_next;
			ch_free(m->cb);
			return;
		}
	}
}

void prov_monitor_close(struct prov_instance *pi)
{
	struct prov_monitor *m = pi->monitor;
	struct berval none = BER_BVNULL;
	monitor_extra_t *mbe = monitor();

	if (!m)
		return;
	pi->monitor = NULL;
	if (BER_BVISNULL(&m->ndn))
		return; /* back-monitor, not open yet, has m's address: slapd is giving up its start */
	if (mbe && slapd_shutdown)
		unlink_callback(mbe, m);
	else if (mbe)
		mbe->unregister_entry_callback(&m->ndn, m->cb, &none, 0, &none);
	ch_free(m);
}
