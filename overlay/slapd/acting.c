/* acting.c - see acting.h. */
#include "acting.h"

#define BUCKETS 256

struct acting {
	struct acting *next;
	unsigned long connid, opid;
	struct berval ndn;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of the table */
static struct acting *table[BUCKETS];

static bool runs(Connection *c, unsigned long opid)
{
	Operation *o;

	LDAP_STAILQ_FOREACH(o, &c->c_ops, o_next)
	{
		if (o->o_opid == opid)
			return true;
	}
	return false;
}

/* What is noted of the connection goes, except for what still runs, if keep says so. */
static void sweep(Connection *c, bool keep)
{
	struct acting **p = &table[c->c_connid % BUCKETS];

	while (*p) {
		struct acting *a = *p;
		if (a->connid != c->c_connid || (keep && runs(c, a->opid))) {
			p = &a->next;
			continue;
		}
		*p = a->next;
		ch_free(a->ndn.bv_val);
		ch_free(a);
	}
}

void prov_acting_note(Operation *op)
{
	Connection *c = op->o_conn;
	struct acting *a = ch_calloc(1, sizeof(*a));

	a->connid = op->o_connid;
	a->opid = op->o_opid;
	ber_dupbv(&a->ndn, &op->o_ndn);
	ldap_pvt_thread_mutex_lock(&c->c_mutex);
	pthread_mutex_lock(&mutex);
	sweep(c, true);
	a->next = table[a->connid % BUCKETS];
	table[a->connid % BUCKETS] = a;
	pthread_mutex_unlock(&mutex);
	ldap_pvt_thread_mutex_unlock(&c->c_mutex);
}

bool prov_acting_as(Connection *c, struct berval *ndn)
{
	bool is = false;

	pthread_mutex_lock(&mutex);
	for (struct acting *a = table[c->c_connid % BUCKETS]; a && !is; a = a->next)
		is = a->connid == c->c_connid && dn_match(&a->ndn, ndn) && runs(c, a->opid);
	pthread_mutex_unlock(&mutex);
	return is;
}

int prov_acting_forget(BackendDB *be, Connection *c)
{
	(void)be;
	pthread_mutex_lock(&mutex);
	sweep(c, false);
	pthread_mutex_unlock(&mutex);
	return 0;
}
