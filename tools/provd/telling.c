/* telling.c - see telling.h. */
#include "telling.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "reports.h"
#include "uuid.h"

static int keep(struct provd *p, char *record)
{
	char **grown = reallocarray(p->report, p->nreport + 1, sizeof(*grown));

	if (!grown)
		return PROV_ENOMEM;
	p->report = grown;
	p->report[p->nreport++] = record;
	return 0;
}

static int encode(struct provd *p, struct prov_report *r, char **record, struct prov_error *err)
{
	struct prov_kv_txn *t = NULL;
	struct prov_val event;
	int rc = prov_kv_begin(prov_statedir_kv(p->state), false, &t, err);

	if (rc == 0 && prov_outbox_get(t, r->seq, &event) == 0) {
		r->event = event.data;
		r->len = event.len;
	}
	if (rc == 0)
		rc = prov_report_encode(r, record, err);
	prov_kv_abort(&t);
	return rc;
}

void provd_report_end(struct provd *p, const struct channel *ch, const struct prov_delivery *d,
	const char *type, const struct prov_result *r, bool superseded)
{
	struct prov_error err = { 0 };
	char id[PROV_UUID_TEXT], *record = NULL;
	bool reads_back = ch->conn && ch->conn->ops && ch->conn->ops->keeps_accounts;
	struct prov_report report = { .id = id,
		.ms = provd_wall_ms(),
		.outcome = d->state == PROV_D_PARKED ? PROV_REPORT_UNPROVEN
			: superseded                 ? PROV_REPORT_SUPERSEDED
			: reads_back                 ? PROV_REPORT_PROVEN
						     : PROV_REPORT_DELIVERED,
		.connector = ch->name,
		.note = d->state == PROV_D_PARKED ? r->error : r->note,
		.seq = d->seq };

	if (!prov_report_takes_away(type) || (d->state != PROV_D_DONE && d->state != PROV_D_PARKED))
		return;
	int rc = prov_report_new_id(report.ms, id);
	if (rc == 0)
		rc = encode(p, &report, &record, &err);
	if (rc == 0)
		rc = keep(p, record);
	if (rc == 0)
		return;
	free(record);
	prov_log(LOG_ERR, "event=report-failed connector=%s seq=%llu text=\"%s\"", ch->name,
		(unsigned long long)d->seq, *err.text ? err.text : prov_strerror(rc));
}

void provd_reports_saved(struct provd *p)
{
	for (size_t i = 0; i < p->nreport; i++)
		free(p->report[i]);
	free(p->report);
	p->report = NULL;
	p->nreport = 0;
}
