/*
 * past.c - the outbox may have been put back to an older copy, or made anew, since deliveries
 * were written down: then what is known of numbers that it gave out otherwise is taken back, and
 * the trail says so. See store/history.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "delivery_tables.h"
#include "history.h"
#include "log.h"
#include "progress.h"
#include "report.h"
#include "reports.h"
#include "uuid.h"

struct meeting {
	const struct prov_lineage *outbox;
	struct prov_history_rewound rewound;
	uint64_t reported;
	int64_t ms;
};

static int tell(struct prov_kv_txn *t, const struct meeting *m)
{
	char id[PROV_UUID_TEXT], reason[256], *record = NULL;
	int rc = prov_report_new_id(m->ms, id);

	snprintf(reason, sizeof(reason),
		"the outbox is an older copy or a new one: %u connectors begin again with event %llu, "
		"and %u events that waited or were parked there are gone",
		m->rewound.cursors, (unsigned long long)m->rewound.fork, m->rewound.exceptions);
	if (rc == 0)
		rc = prov_restore_encode(id, m->ms, "provd", reason, 0, &record, NULL);
	if (rc == 0)
		rc = prov_reports_put(t, m->reported, record);
	free(record);
	return rc;
}

static int meet(struct prov_kv_txn *t, void *ctx)
{
	struct meeting *m = ctx;
	int rc = prov_history_meet_outbox(t, m->outbox, &m->rewound);

	return rc == 0 && m->rewound.fork ? tell(t, m) : rc;
}

/* What is stored of it already, when provd starts. */
static int remember(struct provd *p, struct prov_error *err)
{
	struct prov_kv_txn *t = NULL;
	int rc = prov_kv_begin(prov_delivery_kv(p->delivery), false, &t, err);

	if (rc == 0)
		rc = prov_history_get(t, PROV_T_DELIVERY_META, "outbox", &p->outbox);
	prov_kv_abort(&t);
	return rc;
}

int provd_meet_outbox(struct provd *p, const struct prov_lineage *outbox, struct prov_error *err)
{
	struct meeting m = { .outbox = outbox, .reported = p->reported, .ms = provd_wall_ms() };
	int rc = p->outbox.n ? 0 : remember(p, err);

	/* a slapd of before lineages has none */
	if (rc || outbox->n == 0 || prov_lineage_fork(outbox, &p->outbox) == UINT64_MAX)
		return rc;
	rc = prov_progress_write(p->delivery, meet, &m, err);
	if (rc)
		return rc;
	p->outbox = *outbox;
	if (m.rewound.fork)
		prov_log(LOG_ERR,
			"event=progress-reset from=%llu connectors=%u gone=%u text=\"the outbox is older than the "
			"progress, or a new one: its events from there on are delivered again\"",
			(unsigned long long)m.rewound.fork, m.rewound.cursors,
			m.rewound.exceptions);
	return 0;
}
