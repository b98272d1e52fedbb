/* delivery_admin.c - see delivery_admin.h. */
#include "delivery_admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delivery_tables.h"
#include "reports.h"
#include "uuid.h"

void prov_admin_actor(unsigned uid, unsigned gid, char *out, size_t room)
{
	snprintf(out, room, "gidNumber=%u+uidNumber=%u,cn=peercred,cn=external,cn=auth", gid, uid);
}

/* The record of what was done to event seq; 0: to the connector as a whole. */
static int report(const struct prov_admin_act *a, enum prov_report_outcome outcome, uint64_t seq,
	const char *note, struct prov_error *err)
{
	char id[PROV_UUID_TEXT], *record = NULL;
	struct prov_report r = { .id = id,
		.ms = a->ms,
		.actor = a->actor,
		.outcome = outcome,
		.connector = a->connector,
		.reason = a->reason,
		.note = note,
		.seq = seq };
	struct prov_val event;
	uint64_t noted = 0;
	int rc = prov_report_new_id(a->ms, id);

	if (rc)
		return prov_error_set(err, rc, "no random bytes");
	if (seq && prov_outbox_get(a->state, seq, &event) == 0) {
		r.event = event.data;
		r.len = event.len;
	}
	rc = prov_report_encode(&r, &record, err);
	if (rc == 0)
		rc = prov_reports_noted(a->state, &noted);
	if (rc == 0)
		rc = prov_reports_put(a->t, noted, record);
	free(record);
	return rc;
}

struct rows {
	uint64_t seq; /* 0: all */
	size_t n, room;
	struct prov_delivery *row;
	enum prov_delivery_state other; /* of the one that was asked for and is not parked */
	bool seen, any_state;
};

static int collect(void *ctx, const char *connector, const struct prov_delivery *d)
{
	struct rows *r = ctx;

	(void)connector;
	if (r->seq && d->seq != r->seq)
		return 0;
	r->seen = true;
	if (!r->any_state && d->state != PROV_D_PARKED) {
		r->other = d->state;
		return 0;
	}
	if (r->n == r->room) {
		size_t room = r->room ? r->room * 2 : 16;
		struct prov_delivery *grown = realloc(r->row, room * sizeof(*grown));
		if (!grown)
			return PROV_ENOMEM;
		r->row = grown;
		r->room = room;
	}
	r->row[r->n++] = *d;
	return 0;
}

static int drop_one(const struct prov_admin_act *a, struct prov_delivery *d, struct prov_error *err)
{
	char was[sizeof(d->error)];

	memcpy(was, d->error, sizeof(was));
	d->state = PROV_D_DROPPED;
	d->last = a->ms / 1000;
	snprintf(d->error, sizeof(d->error), "dropped: %s", a->reason);
	for (char *p = d->error; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = ' ';
	int rc = prov_delivery_put(a->t, a->connector, d);
	return rc ? rc : report(a, PROV_REPORT_DROPPED, d->seq, was, err);
}

int prov_admin_drop(const struct prov_admin_act *a, uint64_t seq, unsigned *n,
	struct prov_error *err)
{
	struct rows r = { .seq = seq };
	int rc = prov_delivery_each(a->t, a->connector, collect, &r);

	*n = 0;
	for (size_t i = 0; rc == 0 && i < r.n; i++) {
		rc = drop_one(a, &r.row[i], err);
		(*n)++;
	}
	free(r.row);
	if (rc)
		return err && *err->text
			? rc
			: prov_error_set(err, rc, "delivery environment: %s", prov_strerror(rc));
	if (*n || !seq)
		return 0;
	if (r.seen)
		return prov_error_set(err, PROV_EINVAL, "%s: event %llu is %s, not parked",
			a->connector, (unsigned long long)seq, prov_delivery_state_name(r.other));
	return prov_error_set(err, PROV_ENOENT, "%s: event %llu is not parked", a->connector,
		(unsigned long long)seq);
}

int prov_admin_forget(const struct prov_admin_act *a, unsigned *n, struct prov_error *err)
{
	struct rows r = { .any_state = true };
	char note[80];
	int rc = prov_delivery_each(a->t, a->connector, collect, &r);

	*n = 0;
	for (size_t i = 0; rc == 0 && i < r.n; i++) {
		*n += r.row[i].state != PROV_D_DROPPED && r.row[i].state != PROV_D_DONE;
		rc = prov_delivery_delete(a->t, a->connector, r.row[i].seq);
	}
	free(r.row);
	if (rc == 0)
		rc = prov_remote_forget(a->t, a->connector);
	if (rc == 0)
		rc = prov_refused_put(a->t, a->connector, NULL);
	if (rc == 0)
		rc = prov_cursor_delete(a->t, a->connector);
	snprintf(note, sizeof(note), "%u events had waited or were parked", *n);
	if (rc == 0)
		rc = report(a, PROV_REPORT_FORGOTTEN, 0, note, err);
	if (rc && !(err && *err->text))
		prov_error_set(err, rc, "delivery environment: %s", prov_strerror(rc));
	return rc;
}

int prov_admin_import(const struct prov_admin_act *a, const char *source, const char *event,
	size_t len, struct prov_error *err)
{
	char id[PROV_UUID_TEXT], *record = NULL;
	const struct prov_import i = { .id = id,
		.actor = a->actor,
		.source = source,
		.ms = a->ms,
		.event = event,
		.len = len };
	uint64_t noted = 0;
	int rc = prov_report_new_id(a->ms, id);

	if (rc)
		return prov_error_set(err, rc, "no random bytes");
	rc = prov_import_encode(&i, &record, err);
	if (rc == 0)
		rc = prov_reports_noted(a->state, &noted);
	if (rc == 0)
		rc = prov_reports_put(a->t, noted, record);
	free(record);
	return rc;
}
