/*
 * runtime.c - an instance's life: init, open, close, destroy, and configuration that
 * changes while it is open.
 *
 * Open means that pi->snapshot is there. In slapd's tools nothing is opened: they
 * write below every overlay, and accounts they add wait for `provctl adopt`.
 */
#include <inttypes.h>

#include "background.h"
#include "capture.h"
#include "clock.h"
#include "config.h"
#include "control.h"
#include "ending.h"
#include "guard.h"
#include "hooks.h"
#include "monitor.h"
#include "relay.h"
#include "schema.h"
#include "session.h"
#include "snapshot.h"
#include "state.h"
#include "sync.h"
#include "trail.h"

int prov_db_init(BackendDB *be, ConfigReply *cr)
{
	slap_overinst *on = (slap_overinst *)be->bd_info;
	struct prov_instance *pi;

	if (SLAP_ISGLOBALOVERLAY(be)) {
		snprintf(cr->msg, sizeof(cr->msg),
			"provision: cannot be a global overlay: configure it on a mdb database");
		Debug(LDAP_DEBUG_ANY, "%s\n", cr->msg);
		return 1;
	}
	pi = prov_instance_new();
	if (!pi)
		return 1;
	pi->on = on;
	on->on_bi.bi_private = pi;
	prov_control_attach(be);
	pi->controls = true;
	return 0;
}

int prov_db_destroy(BackendDB *be, ConfigReply *cr)
{
	slap_overinst *on = (slap_overinst *)be->bd_info;
	struct prov_instance *pi = on->on_bi.bi_private;

	(void)cr;
	if (pi && pi->controls)
		prov_control_detach(be);
	prov_instance_free(pi);
	on->on_bi.bi_private = NULL;
	return 0;
}

static int unfit_because(ConfigReply *cr, const char *text)
{
	snprintf(cr->msg, sizeof(cr->msg), "provision: %s", text);
	Debug(LDAP_DEBUG_ANY, "%s\n", cr->msg);
	cr->err = LDAP_OTHER;
	return LDAP_OTHER;
}

static const char *unfit(struct prov_instance *pi)
{
	const char *type = pi->on->on_info->oi_orig->bi_type;

	if (!type || strcmp(type, "mdb") != 0)
		return "works on mdb databases only";
	/* slapd itself puts "syncrepl" below all others for a delta consumer; it looks only at
	 * what comes from the provider, which we pass on to it */
	if (pi->on->on_next && strcmp(pi->on->on_next->on_bi.bi_type, "syncrepl") != 0)
		return "must be the innermost overlay: configure it before every other overlay of this database";
	if (!pi->state_dir)
		return "provision-state (olcProvisionState) is missing: name the directory for the trail and the outbox";
	if (pi->on_delete == PROV_DELETE_PRESERVE && BER_BVISNULL(&pi->archive_ndn))
		return "provision-on-delete preserve needs provision-archive";
	return NULL;
}

/* Load the policy with an operation of our own. */
static void load_policy(struct prov_instance *pi)
{
	struct prov_error err = { 0, "" };
	struct prov_snapshot *s = NULL;
	Connection conn = { 0 };
	OperationBuffer opbuf;
	BackendDB db = prov_instance_database(pi);
	void *ctx = ldap_pvt_thread_pool_context();

	connection_fake_init2(&conn, &opbuf, ctx, 0);
	Operation *op = &opbuf.ob_op;
	db.bd_info = (BackendInfo *)pi->on->on_info;
	op->o_bd = &db;
	op->o_dn = db.be_rootdn;
	op->o_ndn = db.be_rootndn;
	int rc = prov_snapshot_load(pi, op, &s, &err);
	if (rc) {
		Debug(LDAP_DEBUG_ANY,
			"provision: policy=\"%s\" does not compile: %s: writes to accounts are refused until it does\n",
			pi->policy_dn.bv_val ? pi->policy_dn.bv_val : "", err.text);
		s = prov_snapshot_broken(pi, rc, err.text);
	}
	s = prov_snapshot_swap(pi, s);
	prov_snapshot_put(&s);
}

int prov_db_open(BackendDB *be, ConfigReply *cr)
{
	slap_overinst *on = (slap_overinst *)be->bd_info;
	struct prov_instance *pi = on->on_bi.bi_private;
	struct prov_error err = { 0, "" };
	const char *why;

	pi->be = be->bd_self;
	pi->on = on;
	prov_schema_late();
	if (pi->memberof && prov_schema_need_memberof())
		return unfit_because(cr, "cannot use memberOf");
	why = unfit(pi);
	if (why)
		return unfit_because(cr, why);
	if (slapMode & SLAP_TOOL_MODE)
		return 0;
	if (!pi->breaker && !(pi->breaker = prov_breaker_new()))
		return unfit_because(cr, "no memory");
	if (prov_trail_ready(&err) || prov_capture_open(pi, &err))
		return unfit_because(cr, err.text);
	load_policy(pi);
	prov_clock_open(pi); /* the relay tells it when somebody sets the system's clock */
	if (prov_relay_start(pi, &err)) {
		prov_db_close(be, cr);
		return unfit_because(cr, err.text[0] ? err.text : "no memory");
	}
	/* slapd then refuses a client's transaction (RFC 5805) write by write, with a text; when
	 * such a one reached us it would be too late for that */
	pi->on->on_info->oi_bi.bi_flags &= ~SLAP_BFLAG_TXNS;
	prov_guard_add(pi);
	prov_monitor_open(pi);
	prov_sync_open(pi);
	prov_background_open(pi);
	return 0;
}

BackendDB prov_instance_database(const struct prov_instance *pi)
{
	ldap_pvt_thread_mutex_lock(&pi->be->be_pcsn_st.be_pcsn_mutex);
	BackendDB db = *pi->be;
	ldap_pvt_thread_mutex_unlock(&pi->be->be_pcsn_st.be_pcsn_mutex);
	return db;
}

bool prov_instance_listed(const struct prov_instance *pi)
{
	const slap_overinst *on = pi->on->on_info->oi_list;

	while (on && on != pi->on)
		on = on->on_next;
	return on != NULL;
}

int prov_db_close(BackendDB *be, ConfigReply *cr)
{
	slap_overinst *on = (slap_overinst *)be->bd_info;
	struct prov_instance *pi = on->on_bi.bi_private;

	(void)cr;
	if (!pi)
		return 0;
	/* slapd closes us in a pause or at its end, except when the overlay alone was deleted: then
	 * binds, the clock and the background task go on in other threads */
	bool pause = pi->background && !prov_instance_listed(pi) && !slapd_shutdown &&
		slap_pause_server() >= 0;
	pi->on->on_info->oi_bi.bi_flags |= SLAP_BFLAG_TXNS & pi->on->on_info->oi_orig->bi_flags;
	prov_guard_remove(pi);
	prov_relay_stop(pi);
	prov_clock_close(pi);
	prov_background_close(pi);
	prov_monitor_close(pi);
	prov_ending_wait(1 + prov_relays()); /* before back-mdb closes what is below us */
	struct prov_snapshot *s = prov_snapshot_swap(pi, NULL);
	prov_snapshot_put(&s);
	if (pi->capture)
		prov_capture_close(pi);
	if (pause) {
		prov_control_detach(be); /* slapd counts without a lock who has them */
		pi->controls = false;
		slap_unpause_server();
	}
	return 0;
}

int prov_runtime_policy_changed(struct prov_instance *pi, char *msg, size_t len)
{
	load_policy(pi);
	struct prov_snapshot *s = prov_snapshot_get(pi);
	const char *why = prov_snapshot_error(s);
	int rc = why != NULL;

	if (why)
		snprintf(msg, len, "the policy there does not compile: %s", why);
	prov_snapshot_put(&s);
	prov_relay_kick(pi);
	return rc;
}

int prov_runtime_accounts_changed(struct prov_instance *pi, char *msg, size_t len)
{
	(void)pi;
	(void)msg;
	(void)len;
	prov_session_touch();
	return 0;
}

int prov_runtime_state_changed(struct prov_instance *pi, char *msg, size_t len)
{
	struct prov_error err = { 0, "" };

	prov_relay_stop(pi);
	if (!pi->state_dir) {
		snprintf(msg, len,
			"provision-state cannot be taken away while the database is open");
		return 1;
	}
	/* Tried out here, so that who sets it learns at once; the relay opens it again. */
	struct prov_statedir *s = NULL;
	if (prov_statedir_open(pi->state_dir, true, &s, &err)) {
		snprintf(msg, len, "%s", err.text);
		return 1;
	}
	prov_statedir_close(&s);
	if (prov_relay_start(pi, &err)) {
		snprintf(msg, len, "%s", err.text);
		return 1;
	}
	return 0;
}

int prov_runtime_memberof_changed(struct prov_instance *pi, char *msg, size_t len)
{
	if (pi->memberof && prov_schema_need_memberof()) {
		snprintf(msg, len, "cannot use memberOf: see the log");
		return 1;
	}
	return 0;
}

static void tell_refused(const struct prov_background_figures *f, char *out, size_t len)
{
	struct prov_error text;

	prov_error_set(&text, PROV_EREFUSED,
		"%" PRIu64 " times since the start an account did not get all that it was due (see "
		"the log), the last: %s",
		f->refused, f->refusal.text);
	snprintf(out, len, "%s", text.text);
}

void prov_runtime_figures(struct prov_instance *pi, struct prov_figures *out)
{
	struct prov_background_figures f;

	memset(out, 0, sizeof(*out));
	struct prov_snapshot *s = prov_snapshot_get(pi);
	if (!s)
		return;
	prov_background_read(pi, &f);
	out->follow_done = f.done;
	out->follow_total = f.total;
	out->follow_pending = f.total > f.done ? f.total - f.done : f.stored;
	out->relayed = prov_capture_relayed(pi->capture);
	uint64_t last = prov_capture_last(pi->capture);
	out->backlog = last > out->relayed ? last - out->relayed : 0;
	out->policy_generation = prov_snapshot_generation(s);
	if (prov_snapshot_error(s))
		snprintf(out->policy_error, sizeof(out->policy_error), "%s",
			prov_snapshot_error(s));
	prov_relay_error(pi, out->info, sizeof(out->info));
	if (!out->info[0] && f.total && f.done < f.total)
		snprintf(out->info, sizeof(out->info), "%.200s", f.what);
	if (!out->info[0] && f.refused)
		tell_refused(&f, out->info, sizeof(out->info));
	prov_snapshot_put(&s);
}
