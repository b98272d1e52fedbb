/* history.c - see history.h. */
#include "history.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "delivery_tables.h"
#include "random.h"
#include "state.h"

int prov_history_get(struct prov_kv_txn *t, unsigned table, const char *name,
	struct prov_lineage *out)
{
	struct prov_val v = { "", 0 };
	int rc = prov_kv_get(t, table, prov_val_str(name), &v);

	out->n = 0;
	if (rc == PROV_ENOENT)
		return 0;
	return rc ? rc : prov_lineage_decode(v, out);
}

int prov_history_put(struct prov_kv_txn *t, unsigned table, const char *name,
	const struct prov_lineage *l)
{
	char bytes[PROV_LINEAGE_BYTES];
	size_t n = prov_lineage_encode(l, bytes);

	return prov_kv_put(t, table, prov_val_str(name), (struct prov_val){ bytes, n });
}

int prov_history_begin_outbox(struct prov_kv_txn *t)
{
	unsigned char id[PROV_LINEAGE_ID];
	struct prov_lineage l;
	uint64_t last = 0;
	int rc = prov_random(id, sizeof(id));

	if (rc == 0)
		rc = prov_history_get(t, PROV_T_META, "lineage", &l);
	if (rc == 0)
		rc = prov_meta_get64(t, "outbox", &last);
	if (rc)
		return rc;
	prov_lineage_begin(&l, last + 1, id);
	return prov_history_put(t, PROV_T_META, "lineage", &l);
}

static int saves(struct prov_kv_txn *t, uint64_t *n)
{
	struct prov_val v;
	int rc = prov_kv_get(t, PROV_T_DELIVERY_META, prov_val_str("saves"), &v);

	*n = 0;
	if (rc == PROV_ENOENT)
		return 0;
	return rc ? rc : prov_be64_get(v, n);
}

int prov_history_count_save(struct prov_delivery_env *d, struct prov_kv_txn *t)
{
	const unsigned char *id = prov_delivery_stretch(d);
	unsigned char be[8];
	struct prov_lineage l;
	uint64_t n;
	int rc = saves(t, &n);

	if (rc == 0)
		rc = prov_history_get(t, PROV_T_DELIVERY_META, "lineage", &l);
	if (rc == 0 && (l.n == 0 || memcmp(l.at[l.n - 1].id, id, PROV_LINEAGE_ID))) {
		prov_lineage_begin(&l, n + 1, id);
		rc = prov_history_put(t, PROV_T_DELIVERY_META, "lineage", &l);
	}
	prov_be64_put(be, n + 1);
	return rc ? rc
		  : prov_kv_put(t, PROV_T_DELIVERY_META, prov_val_str("saves"),
			    (struct prov_val){ (char *)be, sizeof(be) });
}

int prov_history_see_delivery(struct prov_kv_txn *state, struct prov_kv_txn *delivery, bool *news,
	bool *older)
{
	char bytes[8 + PROV_LINEAGE_BYTES];
	struct prov_lineage had, is;
	struct prov_val v = { "", 0 };
	uint64_t n_had = 0, n_is = 0;
	int rc = prov_meta_get(state, "saves", &v);

	*news = *older = false;
	bool known = rc == 0;
	if (rc == 0 && (v.len < 8 || prov_be64_get((struct prov_val){ v.data, 8 }, &n_had)))
		rc = PROV_ECORRUPT;
	if (rc == 0)
		rc = prov_lineage_decode((struct prov_val){ v.data + 8, v.len - 8 }, &had);
	if (rc == 0 || rc == PROV_ENOENT)
		rc = saves(delivery, &n_is);
	if (rc == 0)
		rc = prov_history_get(delivery, PROV_T_DELIVERY_META, "lineage", &is);
	if (rc)
		return rc;
	prov_be64_put((unsigned char *)bytes, n_is);
	size_t n = 8 + prov_lineage_encode(&is, bytes + 8);
	*news = !known || v.len != n || memcmp(v.data, bytes, n) != 0;
	*older = known && had.n && (n_is < n_had || prov_lineage_fork(&had, &is) <= n_had);
	return *news ? prov_meta_put(state, "saves", (struct prov_val){ bytes, n }) : 0;
}

struct names {
	size_t n;
	char **name;
	uint64_t fork;
	int rc;
};

/* Connectors with a cursor; those that are past the fork are marked by what is before the name. */
static int note_name(void *ctx, const char *connector, uint64_t seq)
{
	struct names *l = ctx;
	char **grown = realloc(l->name, (l->n + 1) * sizeof(*grown));

	if (!grown)
		return PROV_ENOMEM;
	l->name = grown;
	if (asprintf(&l->name[l->n], "%c%s", seq >= l->fork ? '+' : '-', connector) < 0)
		return PROV_ENOMEM;
	l->n++;
	return 0;
}

static int rewind_exceptions(struct prov_kv_txn *t, const char *connector, uint64_t fork,
	unsigned *dropped)
{
	struct prov_delivery *row = NULL;
	size_t n = 0;
	int rc = prov_delivery_list(t, connector, ~0u, &row, &n);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (row[i].seq < fork)
			continue;
		rc = prov_delivery_delete(t, connector, row[i].seq);
		++*dropped;
	}
	free(row);
	return rc;
}

static int take_back(struct prov_kv_txn *t, struct prov_history_rewound *r)
{
	struct names l = { .fork = r->fork };
	int rc = prov_cursor_each(t, note_name, &l);

	for (size_t i = 0; i < l.n; i++) {
		const char *name = l.name[i] + 1;
		if (rc == 0 && *l.name[i] == '+') {
			r->cursors++;
			rc = prov_cursor_put(t, name, r->fork - 1);
		}
		if (rc == 0)
			rc = rewind_exceptions(t, name, r->fork, &r->exceptions);
		free(l.name[i]);
	}
	free(l.name);
	return rc ? rc : prov_remote_rewind(t, r->fork);
}

int prov_history_meet_outbox(struct prov_kv_txn *t, const struct prov_lineage *outbox,
	struct prov_history_rewound *r)
{
	struct prov_lineage known;
	int rc = prov_history_get(t, PROV_T_DELIVERY_META, "outbox", &known);

	memset(r, 0, sizeof(*r));
	if (rc == 0 && known.n) {
		uint64_t fork = prov_lineage_fork(&known, outbox);
		r->fork = fork ? fork : 1;
		rc = take_back(t, r);
	}
	if (!r->cursors && !r->exceptions)
		r->fork = 0;
	return rc ? rc : prov_history_put(t, PROV_T_DELIVERY_META, "outbox", outbox);
}

void prov_history_file(const char *path, char *out, size_t room)
{
	struct statx x;

	out[0] = '\0';
	if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &x))
		return;
	bool born = x.stx_mask & STATX_BTIME;
	snprintf(out, room, "%llu@%lld.%09u", (unsigned long long)x.stx_ino,
		born ? (long long)x.stx_btime.tv_sec : 0, born ? x.stx_btime.tv_nsec : 0);
}
