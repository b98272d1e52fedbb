/*
 * flow_noop.c - a no-op of what is neither account, group nor policy.
 *
 * back-mdb's own no-op leaves the numbers of attributes behind that it was the first to use, and
 * what is written with them afterwards cannot be read (docs/slapd-notes.md). An aborted
 * transaction of ours does not.
 */
#include "flow.h"

#include "txn.h"

int prov_flow_noop(struct prov_instance *pi, Operation *op, SlapReply *rs)
{
	struct prov_txn t;
	struct prov_error err = { 0, "" };

	if (prov_txn_begin(&t, pi, op, &err)) {
		send_ldap_error(op, rs, LDAP_OTHER, err.text);
		rs->sr_text = NULL;
		return rs->sr_err;
	}
	int rc = prov_txn_run(&t);
	prov_txn_abort(&t);
	prov_txn_reply(&t, rs, rc == LDAP_SUCCESS ? LDAP_X_NO_OPERATION : -1, NULL, NULL);
	prov_txn_done(&t);
	return rs->sr_err;
}
