/*
 * channel.c - one connector's deliveries: made when the connector is first seen (or
 * has stored progress), never thrown away while provd runs, but by an admin.
 *
 * A connector that is gone from the directory keeps its channel: its events wait, and
 * an admin sees them. An answer of slapd that lacks it may be a mistake of access rules.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "log.h"
#include "progress.h"
#include "telling.h"

#define RELEASE_EVERY 4096 /* events: then what was read of the outbox is no memory of ours */

struct channel *provd_channel_find(const struct provd *p, const char *name)
{
	for (size_t i = 0; i < p->nchannel; i++)
		if (!strcmp(p->channel[i]->name, name))
			return p->channel[i];
	return NULL;
}

bool provd_channel_usable(const struct channel *ch)
{
	return ch->conn && ch->conn->c && ch->conn->c->enabled && !ch->refused;
}

static int add_channel(struct provd *p, const char *name, struct prov_error *err)
{
	struct channel **grown = realloc(p->channel, (p->nchannel + 1) * sizeof(struct channel *));
	struct channel *ch = calloc(1, sizeof(*ch));
	uint64_t cursor = 0;
	if (grown)
		p->channel = grown;
	if (!grown || !ch) {
		free(ch);
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	}
	snprintf(ch->name, sizeof(ch->name), "%s", name);
	int rc = prov_progress_cursor(p->delivery, name, &cursor, err);
	if (!rc && prov_queue_new(cursor, PROVD_WINDOW, &ch->q))
		rc = prov_error_set(err, PROV_ENOMEM, "no memory");
	if (rc) {
		free(ch);
		return rc;
	}
	p->channel[p->nchannel++] = ch;
	return 0;
}

struct names {
	size_t n;
	char **name;
};

static int note_name(void *ctx, const char *connector, uint64_t seq)
{
	struct names *l = ctx;
	(void)seq;
	char **grown = realloc(l->name, (l->n + 1) * sizeof(*grown));
	if (!grown)
		return PROV_ENOMEM;
	l->name = grown;
	l->name[l->n] = strdup(connector);
	return l->name[l->n++] ? 0 : PROV_ENOMEM;
}

int provd_channels_restore(struct provd *p, struct prov_error *err)
{
	struct prov_kv_txn *t = NULL;
	struct names l = { 0 };
	int rc = prov_kv_begin(prov_delivery_kv(p->delivery), false, &t, err);
	if (rc)
		return rc;
	rc = prov_cursor_each(t, note_name, &l);
	prov_kv_abort(&t);
	if (rc)
		prov_error_set(err, rc, "delivery environment: %s", prov_strerror(rc));
	for (size_t i = 0; i < l.n; i++) {
		if (!rc)
			rc = add_channel(p, l.name[i], err);
		free(l.name[i]);
	}
	free(l.name);
	return rc;
}

/* Say what changed for this channel, once. */
static void announce(const struct channel *ch, const struct provd_connector *was)
{
	const struct provd_connector *is = ch->conn;
	if (is && !is->c && (!was || strcmp(was->problem, is->problem))) {
		prov_log(LOG_ERR, "event=connector connector=%s state=unusable text=\"%s\"",
			ch->name, is->problem);
	} else if (is && is->c && (!was || !was->c || was->c->enabled != is->c->enabled)) {
		prov_log(LOG_INFO, "event=connector connector=%s type=%s state=%s", ch->name,
			is->c->type,
			!is->c->enabled       ? "disabled"
				: ch->refused ? "refused"
					      : "enabled");
	} else if (!is && was) {
		prov_log(LOG_WARNING,
			"event=connector connector=%s state=gone text=\"not in the directory any more: its "
			"events wait\"",
			ch->name);
	}
}

static void begin(struct provd_connector *conn)
{
	struct prov_error err = { 0 };

	if (conn->c && conn->c->enabled && conn->ops && conn->ops->begin &&
		conn->ops->begin(conn->self, &err))
		provd_connector_unusable(conn, err.text);
}

/* The mark that the destination wants no more holds for one state of the entry: when that was
 * changed, somebody has looked after it. */
static bool was_refused(struct provd *p, const struct channel *ch)
{
	struct prov_kv_txn *t = NULL;
	struct prov_val mark = { NULL, 0 };
	bool same = false;

	if (!ch->conn || prov_kv_begin(prov_delivery_kv(p->delivery), false, &t, NULL))
		return false;
	if (prov_refused_get(t, ch->name, &mark) == 0)
		same = prov_val_equal(mark, prov_val_str(ch->conn->csn));
	prov_kv_abort(&t);
	return same;
}

struct mark {
	const char *name, *csn; /* csn NULL: take it away */
};

static int put_mark(struct prov_kv_txn *t, void *ctx)
{
	const struct mark *m = ctx;

	return prov_refused_put(t, m->name, m->csn);
}

void provd_channel_refuse(struct provd *p, struct channel *ch, bool refused)
{
	struct mark m = { ch->name, refused && ch->conn ? ch->conn->csn : NULL };
	struct prov_error err = { 0 };

	if (ch->refused == refused)
		return;
	ch->refused = refused;
	if (prov_progress_write(p->delivery, put_mark, &m, &err))
		prov_log(LOG_WARNING,
			"event=save-failed connector=%s text=\"refused: %s; it counts until the next start\"",
			ch->name, err.text);
}

static void set_connector(struct provd *p, struct channel *ch, struct provd_connector *conn)
{
	struct provd_connector *was = ch->conn;
	if (conn)
		begin(conn);
	ch->conn = conn;
	if (conn)
		ch->refused = was_refused(p, ch);
	announce(ch, was);
	provd_connector_free(&was);
	if (!conn || !conn->c)
		return;
	const struct prov_queue_limits limits = { .concurrency = conn->c->concurrency,
		.max_attempts = conn->c->max_attempts,
		.max_age = conn->c->max_age };
	prov_queue_limit(ch->q, &limits);
}

/* Then its connections and tokens stay. */
static bool unchanged(const struct provd_connector *is, const struct provd_connector *found)
{
	return is && is->c && found->c && *found->csn && strcmp(is->csn, found->csn) == 0;
}

int provd_channels_take(struct provd *p, struct provd_connectors *set, struct prov_error *err)
{
	int rc = 0;
	for (size_t i = 0; i < p->nchannel; i++)
		p->channel[i]->listed = false;
	for (size_t i = 0; !rc && i < set->n; i++) {
		const char *name = set->item[i]->name;
		if (!provd_channel_find(p, name))
			rc = add_channel(p, name, err);
		struct channel *ch = rc ? NULL : provd_channel_find(p, name);
		if (!ch || ch->listed) /* two of one name: the first counts */
			continue;
		ch->listed = true;
		if (!p->load_anew && unchanged(ch->conn, set->item[i]))
			continue;
		set_connector(p, ch, set->item[i]);
		set->item[i] = NULL;
	}
	for (size_t i = 0; !rc && i < p->nchannel; i++)
		if (!p->channel[i]->listed)
			set_connector(p, p->channel[i], NULL);
	provd_jobs_cut_waiting(p, false);
	return rc;
}

/* Which events are for it is only known when its entry is; or when it is gone. */
static bool may_look(const struct provd *p, const struct channel *ch)
{
	return p->loaded && (!ch->conn || ch->conn->c);
}

bool provd_channel_fill(struct provd *p, struct channel *ch)
{
	struct prov_error err = { 0 };
	int rc = 0;

	if (!prov_queue_low(ch->q) || (ch->rows_in && ch->at_end))
		return false;
	uint64_t passed = prov_queue_passed(ch->q);
	/* Rows first: events in the outbox are later than all of them. */
	if (!ch->rows_in)
		rc = prov_progress_load(p->delivery, ch->name, ch->q, provd_wall(), &ch->rows_in,
			&err);
	if (!rc && ch->rows_in && !ch->at_end && may_look(p, ch))
		rc = prov_progress_scan(prov_statedir_kv(p->state), ch->name,
			ch->conn ? ch->conn->c : NULL, ch->q, PROVD_SCAN, provd_wall(), &ch->at_end,
			&err);
	p->unreleased += prov_queue_passed(ch->q) - passed;
	if (p->unreleased >= RELEASE_EVERY) {
		prov_kv_release(prov_statedir_kv(p->state));
		p->unreleased = 0;
	}
	if (rc) {
		prov_log(LOG_ERR, "event=read-failed connector=%s text=\"%s\"", ch->name, err.text);
		return false; /* again at the next wake or look */
	}
	return ch->rows_in && !ch->at_end && prov_queue_low(ch->q) && may_look(p, ch);
}

void provd_channels_save(struct provd *p, bool all)
{
	struct prov_error err = { 0 };
	size_t n = 0;
	struct prov_progress_item *item = calloc(p->nchannel + 1, sizeof(*item));
	for (size_t i = 0; item && i < p->nchannel; i++) {
		struct channel *ch = p->channel[i];
		uint64_t ahead = prov_queue_passed(ch->q) - prov_queue_cursor(ch->q);
		if (prov_queue_dirty(ch->q) || (all && ahead && !prov_queue_count(ch->q).ready))
			item[n++] = (struct prov_progress_item){ ch->name, ch->q };
	}
	const struct prov_progress_reports reports = { p->nreport, p->report, p->reported };
	int rc = item ? prov_progress_save(p->delivery, item, n, &reports, &err)
		      : prov_error_set(&err, PROV_ENOMEM, "no memory");
	free(item);
	if (!rc)
		provd_reports_saved(p);
	if (rc) {
		if (!p->save_at)
			prov_log(LOG_ERR,
				"event=save-failed text=\"%s: no delivery is started until it works\"",
				err.text);
		p->save_at = provd_monotonic() + 2000;
	} else if (p->save_at) {
		prov_log(LOG_INFO, "event=save-works");
		p->save_at = 0;
	}
}

void provd_channel_remove(struct provd *p, struct channel *ch)
{
	for (size_t i = 0; i < p->nchannel; i++)
		if (p->channel[i] == ch)
			p->channel[i] = p->channel[--p->nchannel];
	prov_queue_free(&ch->q);
	free(ch);
}

void provd_channels_free(struct provd *p)
{
	for (size_t i = 0; i < p->nchannel; i++) {
		struct channel *ch = p->channel[i];
		provd_connector_free(&ch->conn);
		prov_queue_free(&ch->q);
		free(ch);
	}
	free(p->channel);
	p->channel = NULL;
	p->nchannel = 0;
}
