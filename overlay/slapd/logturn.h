/*
 * logturn.h - keeps accesslog's log in the order of commits.
 *
 * accesslog lets one write in at a time, from its hook until it has logged the answer. Our
 * internal writes are shown to it after the client's answer, so another client's write, with a
 * later CSN, could be logged between; and a delta consumer with several providers drops, without
 * a word, a change whose CSN is older than one that it has seen. Whoever holds a turn keeps
 * accesslog's door shut: it is taken while the client's write is in there, and given back when
 * all has been shown.
 *
 * Taken through accesslog's own hook, with a write of an entry that does not exist and that
 * fails; so it needs "logsuccess TRUE" (which delta-syncrepl wants anyhow). Else nothing is held,
 * and the log's order is open; without accesslog there is nothing to hold.
 *
 * One thread takes it, writes and gives it back; it may take several. It waits for other writes
 * while it takes the first: so never between begin and commit of a transaction (txn.h).
 */
#ifndef PROV_SLAPD_LOGTURN_H
#define PROV_SLAPD_LOGTURN_H

#include "instance.h"

struct prov_logturn {
	struct prov_logturn_op *held; /* NULL: nothing is */
	bool open;                    /* accesslog is there and cannot be held */
};

/* near: the DN of one of the writes. */
void prov_logturn_take(struct prov_logturn *l, struct prov_instance *pi, Operation *op,
	struct berval near);
void prov_logturn_give(struct prov_logturn *l); /* nothing held: does nothing */
#endif
