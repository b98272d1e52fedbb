/* restored.c - see restored.h. */
#include "restored.h"

#include <inttypes.h>
#include <sys/time.h>

#include "back-mdb/back-mdb.h"

#include "actor.h"
#include "capture.h"
#include "history.h"
#include "place.h"
#include "report.h"
#include "state.h"
#include "trail.h"

static int note(struct prov_kv_txn *t, const char *what, uint64_t missing, struct prov_error *err)
{
	char id[PROV_UUID_TEXT], *record = NULL;
	struct timeval tv;
	uint64_t seq;

	gettimeofday(&tv, NULL);
	prov_stamp_uuid(id);
	Debug(LDAP_DEBUG_ANY, "provision: relay: restore: %s\n", what);
	int rc = prov_restore_encode(id, (int64_t)tv.tv_sec * 1000 + tv.tv_usec / 1000, "slapd",
		what, missing, &record, err);
	if (rc == 0)
		rc = prov_trail_append(t, prov_val_str(record), &seq, err);
	free(record);
	return rc;
}

/* The files by which both are known; "" where that cannot be told. */
static void files(struct prov_instance *pi, const char *state_dir, char *out, size_t room)
{
	const struct mdb_info *mdb = pi->be->be_private;
	char path[4096], db[64] = "", state[64] = "";

	snprintf(path, sizeof(path), "%s/data.mdb", mdb->mi_dbenv_home);
	prov_history_file(path, db, sizeof(db));
	if (prov_place_find(state_dir, "slapd", "state.mdb", path, sizeof(path), NULL) == 0)
		prov_history_file(path, state, sizeof(state));
	snprintf(out, room, "%s %s", db, state);
}

static int compare_files(struct prov_instance *pi, const char *state_dir, struct prov_kv_txn *t,
	char *what, size_t room)
{
	char is[160];
	struct prov_val had = { "", 0 };
	int rc = prov_meta_get(t, "files", &had);

	files(pi, state_dir, is, sizeof(is));
	if (rc == 0 && !prov_val_equal(had, prov_val_str(is)) && !what[0])
		snprintf(what, room,
			"a file of the database or of the trail is a copy: what was written after it was "
			"made, and is in neither, is lost");
	return rc && rc != PROV_ENOENT ? rc : prov_meta_put(t, "files", prov_val_str(is));
}

/* Where the database's rows part from those that the trail has. */
static int find_fork(struct prov_instance *pi, struct prov_kv_txn *t, uint64_t *fork)
{
	const struct prov_lineage *is = prov_capture_lineage(pi->capture);
	struct prov_lineage had;
	struct prov_val instance;
	int rc = prov_history_get(t, PROV_T_META, "rows", &had);

	*fork = UINT64_MAX;
	if (rc == 0 && had.n)
		*fork = prov_lineage_fork(&had, is);
	else if (rc == 0 && prov_meta_get(t, "instance", &instance) == 0)
		/* noted before there were lineages */
		*fork = prov_val_equal(instance, prov_val_str(prov_capture_instance(pi->capture)))
			? is->at[is->n - 1].from
			: 0;
	return rc ? rc : prov_history_put(t, PROV_T_META, "rows", is);
}

int prov_restored_database(struct prov_instance *pi, const char *state_dir, struct prov_kv_txn *t,
	uint64_t *taken, struct prov_error *err)
{
	const char *instance = prov_capture_instance(pi->capture);
	uint64_t fork = 0, first = prov_capture_first(pi->capture), missing = 0;
	char what[400] = "";
	int rc = prov_meta_get64(t, "capture", taken);

	if (rc == 0)
		rc = find_fork(pi, t, &fork);
	if (rc == 0 && *taken && fork <= *taken) {
		if (fork == 0)
			snprintf(what, sizeof(what),
				"the database is another one (%s): the trail goes on with its rows",
				instance);
		else
			snprintf(what, sizeof(what),
				"the database is an older copy: rows %" PRIu64 " to %" PRIu64
				" of the trail are not in it",
				fork, *taken);
		*taken = fork ? fork - 1 : 0;
		rc = prov_meta_put64(t, "capture", *taken);
	}
	if (rc == 0 && first > *taken + 1) {
		size_t n = strlen(what);
		missing = first - 1 - *taken;
		snprintf(what + n, sizeof(what) - n,
			"%sthe trail is older than the database, or new: rows %" PRIu64
			" to %" PRIu64 " of %s and their events are missing",
			n ? "; " : "", *taken + 1, first - 1, instance);
	}
	if (rc == 0)
		rc = compare_files(pi, state_dir, t, what, sizeof(what));
	if (rc == 0 && what[0])
		rc = note(t, what, missing, err);
	return rc && err && !err->text[0]
		? prov_error_set(err, rc, "cannot compare database and trail: %s",
			  prov_strerror(rc))
		: rc;
}

int prov_restored_delivery(struct prov_kv_txn *t, struct prov_kv_txn *delivery, bool *news,
	struct prov_error *err)
{
	bool changed, older;
	int rc = prov_history_see_delivery(t, delivery, &changed, &older);

	if (rc == 0 && older)
		rc = note(t,
			"provd's environment is an older copy or a new one: events may be delivered again",
			0, err);
	*news = *news || changed;
	return rc;
}
