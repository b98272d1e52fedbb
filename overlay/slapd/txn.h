/*
 * txn.h - one back-mdb transaction around a client's write and what it causes.
 *
 * Order of calls: begin, any of run/modify/rename/put, then commit or abort, then
 * publish, then done. Between begin and commit/abort the thread holds the
 * database's writer lock: nothing in between may wait for a network, a lock of
 * ours that is held across backend calls, or another thread. Replies of the
 * backend are caught and kept; nothing is sent before the transaction has ended.
 *
 * One thread; lives on the stack of the operation.
 */
#ifndef PROV_SLAPD_TXN_H
#define PROV_SLAPD_TXN_H

#include "instance.h"

#include "error.h"
#include "logturn.h"

struct prov_substep; /* one internal write in the transaction */

struct prov_txn {
	struct prov_instance *pi;
	Operation *op;
	BackendInfo *saved_info; /* of op->o_bd */
	BackendInfo *backend;    /* back-mdb itself */
	OpExtra *moi;            /* NULL when no transaction is open */
	int saved_ads;
	size_t number; /* LMDB's, of this transaction: one more than that of the last commit */
	struct prov_substep *steps, **tail;
	uint64_t turn;           /* 0: none */
	struct prov_logturn log; /* from the commit until all is shown */
	/* what the backend answered to the client's own operation */
	bool answered;
	int err;
	char text[SLAP_TEXT_BUFLEN];
	char *matched;
	BerVarray ref;
	LDAPControl **ctrls;
};

/* Is op inside a client's RFC 5805 transaction, or otherwise joined to one? */
bool prov_txn_joined(Operation *op);
/* Is this an internal write that is only shown to the overlays above (see publish)? */
bool prov_txn_publishing(Operation *op);
/* ... or something that an overlay above does while it is shown one? */
bool prov_txn_within_publishing(Operation *op);

int prov_txn_begin(struct prov_txn *t, struct prov_instance *pi, Operation *op,
	struct prov_error *err);
/* Run the client's own operation in the backend; its result code. */
int prov_txn_run(struct prov_txn *t);
/* An internal modify in the same transaction; takes mods. Result code, text in err. */
int prov_txn_modify(struct prov_txn *t, struct berval dn, struct berval ndn, Modifications *mods,
	struct prov_error *err);
/* An internal rename (the client's delete kept as a move); takes mods. */
int prov_txn_rename(struct prov_txn *t, struct berval dn, struct berval ndn, struct berval new_sup,
	struct berval new_nsup, Modifications *mods, struct prov_error *err);
/* The pre-read of a delete (RFC 4527) when the backend has lost it on its way: see mend_delete. */
void prov_txn_preread(struct prov_txn *t, Entry *before);
/* Give the client's operation its CSN now, before any internal write has one: consumers
 * see it first. */
void prov_txn_take_csn(struct prov_txn *t);
/* The LMDB transaction (of back-mdb's own LMDB). */
void *prov_txn_mdb(struct prov_txn *t);

/* CSN of the newest internal write, or an empty value. */
struct berval prov_txn_last_csn(struct prov_txn *t);

int prov_txn_commit(struct prov_txn *t, struct prov_error *err);
void prov_txn_abort(struct prov_txn *t); /* none open: does nothing */
/* Send the answer to the client: the backend's own, or rc and text when rc >= 0. */
void prov_txn_reply(struct prov_txn *t, SlapReply *rs, int rc, const char *text,
	LDAPControl *extra);
/* Show the internal writes to the overlays above (syncprov, accesslog), one by one. */
void prov_txn_publish(struct prov_txn *t);
/* Our hook's part of it: answer an operation that is only shown. */
void prov_txn_show(Operation *op, SlapReply *rs);
/* ... and of syncprov's look at what is shown: it is done, and may have another name by now. */
int prov_txn_entry_get(Operation *op, struct berval *ndn, ObjectClass *oc, AttributeDescription *at,
	int rw, Entry **e);
void prov_txn_done(struct prov_txn *t);

#endif
