/* entryid.c - see entryid.h. Every mdb_ function is back-mdb's own. */
#include "entryid.h"

#include "back-mdb/back-mdb.h"

#include "error.h"

static int read_id(struct prov_instance *pi, MDB_txn *txn, MDB_cursor_op where, ID *id)
{
	const struct mdb_info *mdb = pi->be->be_private;
	MDB_cursor *cur = NULL;
	MDB_val k = { sizeof(*id), id }, v;
	int rc = mdb_cursor_open(txn, mdb->mi_id2entry, &cur);

	if (rc == 0)
		rc = mdb_cursor_get(cur, &k, &v, where);
	if (rc == 0)
		memcpy(id, k.mv_data, sizeof(*id));
	if (cur)
		mdb_cursor_close(cur);
	return rc == MDB_NOTFOUND ? PROV_ENOENT : rc ? PROV_EIO : 0;
}

int prov_entryid_last(struct prov_instance *pi, void *txn, uint64_t *id)
{
	ID last = 0;
	int rc = read_id(pi, txn, MDB_LAST, &last);

	*id = rc ? 0 : last;
	return rc == PROV_ENOENT ? 0 : rc;
}

int prov_entryid_next(struct prov_instance *pi, Operation *op, void *txn, uint64_t after,
	uint64_t *id, struct berval *ndn)
{
	BackendInfo *saved = op->o_bd->bd_info;
	MDB_cursor *cur = NULL;
	struct berval dn = BER_BVNULL;
	ID next = (ID)after + 1;
	int rc = read_id(pi, txn, MDB_SET_RANGE, &next);

	if (rc)
		return rc;
	*id = next;
	op->o_bd->bd_info = pi->on->on_info->oi_orig;
	rc = mdb_id2name(op, txn, &cur, next, &dn, ndn);
	op->o_bd->bd_info = saved;
	if (cur)
		mdb_cursor_close(cur);
	if (rc)
		return PROV_EIO;
	op->o_tmpfree(dn.bv_val, op->o_tmpmemctx);
	return 0;
}
