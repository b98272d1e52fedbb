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

/* A record that is the caller's no more. */
static int put(const struct prov_admin_act *a, char *record)
{
	uint64_t noted = 0;
	int rc = prov_reports_noted(a->state, &noted);

	if (rc == 0)
		rc = prov_reports_put(a->t, noted, record);
	free(record);
	return rc;
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
	int rc = prov_report_new_id(a->ms, id);

	if (rc)
		return prov_error_set(err, rc, "no random bytes");
	if (seq && prov_outbox_get(a->state, seq, &event) == 0) {
		r.event = event.data;
		r.len = event.len;
	}
	rc = prov_report_encode(&r, &record, err);
	return rc ? rc : put(a, record);
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

static int fail(struct prov_error *err, int rc)
{
	return !rc || (err && *err->text)
		? rc
		: prov_error_set(err, rc, "delivery environment: %s", prov_strerror(rc));
}

static int drop_by_number(const struct prov_admin_act *a, uint64_t seq, struct prov_error *err)
{
	struct prov_delivery d;
	int rc = prov_delivery_get(a->t, a->connector, seq, &d);

	if (rc == PROV_ENOENT)
		return prov_error_set(err, rc, "%s: event %llu is not parked", a->connector,
			(unsigned long long)seq);
	if (rc == 0 && d.state != PROV_D_PARKED)
		return prov_error_set(err, PROV_EINVAL, "%s: event %llu is %s, not parked",
			a->connector, (unsigned long long)seq, prov_delivery_state_name(d.state));
	return rc ? rc : drop_one(a, &d, err);
}

int prov_admin_drop(const struct prov_admin_act *a, uint64_t seq, unsigned *n,
	struct prov_error *err)
{
	struct prov_delivery *row = NULL;
	size_t nrow = 0;
	int rc;

	*n = 0;
	if (seq) {
		rc = drop_by_number(a, seq, err);
		*n = rc == 0;
		return fail(err, rc);
	}
	rc = prov_delivery_list(a->t, a->connector, 1u << PROV_D_PARKED, &row, &nrow);
	for (size_t i = 0; rc == 0 && i < nrow; i++) {
		rc = drop_one(a, &row[i], err);
		(*n)++;
	}
	free(row);
	return fail(err, rc);
}

int prov_admin_forget(const struct prov_admin_act *a, unsigned *n, struct prov_error *err)
{
	struct prov_delivery *row = NULL;
	size_t nrow = 0;
	char note[80];
	int rc = prov_delivery_list(a->t, a->connector, ~0u, &row, &nrow);

	*n = 0;
	for (size_t i = 0; rc == 0 && i < nrow; i++) {
		*n += row[i].state != PROV_D_DROPPED && row[i].state != PROV_D_DONE;
		rc = prov_delivery_delete(a->t, a->connector, row[i].seq);
	}
	free(row);
	if (rc == 0)
		rc = prov_remote_forget(a->t, a->connector);
	if (rc == 0)
		rc = prov_refused_put(a->t, a->connector, NULL);
	if (rc == 0)
		rc = prov_cursor_delete(a->t, a->connector);
	snprintf(note, sizeof(note), "%u events had waited or were parked", *n);
	if (rc == 0)
		rc = report(a, PROV_REPORT_FORGOTTEN, 0, note, err);
	return fail(err, rc);
}

static int import_one(const struct prov_admin_act *a, const char *source, const char *event,
	struct prov_error *err)
{
	char id[PROV_UUID_TEXT], *record = NULL;
	const struct prov_import i = { .id = id,
		.actor = a->actor,
		.source = source,
		.ms = a->ms,
		.event = event,
		.len = strlen(event) };
	int rc = prov_report_new_id(a->ms, id);

	if (rc)
		return prov_error_set(err, rc, "no random bytes");
	rc = prov_import_encode(&i, &record, err);
	return rc ? rc : put(a, record);
}

int prov_admin_import(const struct prov_admin_act *a, const char *source, const json_t *events,
	unsigned *n, struct prov_error *err)
{
	size_t i;
	const json_t *event;

	*n = 0;
	json_array_foreach(events, i, event)
	{
		char *text = json_dumps(event, JSON_COMPACT);
		int rc = text ? import_one(a, source, text, err)
			      : prov_error_set(err, PROV_ENOMEM, "no memory");
		free(text);
		if (rc)
			return rc;
		++*n;
	}
	return 0;
}
