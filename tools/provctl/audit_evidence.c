/*
 * audit_evidence.c - provctl audit evidence --since --until --out DIR: joiners, movers, leavers
 * of a period and what became of the leavers' access elsewhere, its access reviews
 * (evidence_reviews.c) and roles that were held against a rule (evidence_sod.c), from the trail
 * alone.
 *
 * One walk, after those of evidence_sod.c. What deliveries had to say may come after the period:
 * they are read to the end of the trail, and the pack says where that was.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit.h"
#include "evidence.h"
#include "evidence_reviews.h"
#include "evidence_sod.h"
#include "grow.h"
#include "jsonout.h"
#include "report.h"
#include "state.h"
#include "strmap.h"
#include "timefmt.h"

/* One event at one connector that takes a leaver's access away. */
struct revocation {
	size_t leaver;
	uint64_t record; /* of the delivery; 0: none yet */
	int64_t usec;
	char outcome[16];
	char connector[64];
};

struct leaver {
	uint64_t seq;
	int64_t usec;
	char *cell[7]; /* record to reason */
	size_t wanted;
};

struct evidence {
	struct audit_trail *t;
	struct evidence_out *out;
	struct evidence_sod *sod;
	int64_t since, until; /* us, both inclusive */
	struct leaver *leaver;
	size_t nleaver, leaver_room;
	struct revocation *rev;
	size_t nrev, rev_room;
	struct prov_strmap *events; /* "event connector" to place in rev */
	struct evidence_reviews reviews;
	size_t joined, rehired, started, moved, suspended, resumed, proven, told, unproven, dropped,
		open, unconnected;
	uint64_t last;
};

static bool over(const char *state)
{
	return !strcmp(state, "terminated") || !strcmp(state, "archived");
}

static int put_row(struct evidence *e, enum evidence_section s, const char *what, uint64_t seq,
	const json_t *r)
{
	char n[24], *access = audit_summary(r);
	const json_t *actor = json_object_get(r, "actor");
	snprintf(n, sizeof(n), "%llu", (unsigned long long)seq);
	int rc = access
		? evidence_out_row(e->out, s,
			  (const char *[]){ n, audit_text(r, "time"), what, audit_text(r, "dn"),
				  audit_text(r, "uid"), audit_text(actor, "authz"),
				  audit_text(r, "reason"), access })
		: PROV_ENOMEM;
	free(access);
	return rc;
}

static int want(struct evidence *e, const char *event, const char *connector)
{
	char *key = NULL;
	size_t at;
	int fresh, rc;
	if (prov_grow(&e->rev, e->nrev, &e->rev_room, sizeof(*e->rev)) ||
		asprintf(&key, "%s %s", event, connector) < 0)
		return PROV_ENOMEM;
	rc = prov_strmap_add(e->events, key, &at, &fresh);
	free(key);
	if (rc || !fresh)
		return rc;
	struct revocation *p = &e->rev[e->nrev++];
	memset(p, 0, sizeof(*p));
	p->leaver = e->nleaver - 1;
	snprintf(p->connector, sizeof(p->connector), "%s", connector);
	e->leaver[p->leaver].wanted++;
	return 0;
}

static int want_events(struct evidence *e, const json_t *r)
{
	size_t i, k;
	json_t *ev, *c;
	int rc = 0;
	json_array_foreach(json_object_get(r, "events"), i, ev)
	{
		if (!prov_report_takes_away(audit_text(ev, "type")))
			continue;
		json_array_foreach(json_object_get(ev, "route"), k, c)
		{
			if (!rc && json_is_string(c))
				rc = want(e, audit_text(ev, "id"), json_string_value(c));
		}
	}
	return rc;
}

static int leaves(struct evidence *e, const char *what, uint64_t seq, int64_t usec, const json_t *r)
{
	char n[24];
	if (prov_grow(&e->leaver, e->nleaver, &e->leaver_room, sizeof(*e->leaver)))
		return PROV_ENOMEM;
	struct leaver *l = &e->leaver[e->nleaver++];
	memset(l, 0, sizeof(*l));
	l->seq = seq;
	l->usec = usec;
	snprintf(n, sizeof(n), "%llu", (unsigned long long)seq);
	const char *cell[7] = { n, audit_text(r, "time"), what, audit_text(r, "dn"),
		audit_text(r, "uid"), audit_text(json_object_get(r, "actor"), "authz"),
		audit_text(r, "reason") };
	for (int i = 0; i < 7; i++)
		if (!(l->cell[i] = strdup(cell[i])))
			return PROV_ENOMEM;
	return want_events(e, r);
}

static bool access_changed(const json_t *r)
{
	return json_object_get(r, "roles") || json_object_get(r, "groups") ||
		json_object_get(r, "entitlements");
}

static int see_account(struct evidence *e, uint64_t seq, int64_t usec, const json_t *r)
{
	const json_t *s = json_object_get(r, "state");
	const char *before = audit_text(s, "before"), *after = audit_text(s, "after");
	if (!strcmp(audit_text(r, "op"), "sync"))
		return 0;
	if (!*before && *after) {
		e->joined++;
		return put_row(e, EVIDENCE_JOINERS, "joined", seq, r);
	}
	if (over(before) && *after && !over(after)) {
		e->rehired++;
		return put_row(e, EVIDENCE_JOINERS, "rehired", seq, r);
	}
	if (!strcmp(before, "pending") && *after && strcmp(after, before) && !over(after)) {
		e->started++;
		return put_row(e, EVIDENCE_JOINERS, "started", seq, r);
	}
	if (!over(before) && (over(after) || !*after))
		return leaves(e,
			over(after)                                      ? after
				: !strcmp(audit_text(r, "op"), "delete") ? "deleted"
									 : "no account any more",
			seq, usec, r);
	if (!*after || over(after))
		return 0; /* one that had left before */
	bool state = strcmp(before, after) != 0;
	if (!state && !access_changed(r))
		return 0;
	e->moved++;
	e->suspended += state && !strcmp(after, "suspended");
	e->resumed += state && !strcmp(after, "active");
	return put_row(e, EVIDENCE_MOVERS,
		!state                                ? "access changed"
			: !strcmp(after, "suspended") ? "suspended"
						      : "resumed",
		seq, r);
}

static int see_policy(struct evidence *e, uint64_t seq, const json_t *r)
{
	char n[24];
	const char *by = audit_text(json_object_get(r, "actor"), "authz");
	snprintf(n, sizeof(n), "%llu", (unsigned long long)seq);
	return evidence_out_row(e->out, EVIDENCE_POLICY,
		(const char *[]){ n, audit_text(r, "time"), audit_text(r, "dn"), by,
			audit_text(r, "reason") });
}

static int see_doubt(struct evidence *e, uint64_t seq, const json_t *r)
{
	char n[24];
	snprintf(n, sizeof(n), "%llu", (unsigned long long)seq);
	bool restore = !strcmp(audit_text(r, "op"), "restore");
	return evidence_out_row(e->out, EVIDENCE_DOUBTS,
		(const char *[]){ n, audit_text(r, "time"),
			restore ? audit_text(r, "reason") : "the record cannot be read" });
}

/* In the period or after it: the newest word about a leaver's event counts. */
static int see_delivery(struct evidence *e, uint64_t seq, int64_t usec, const json_t *r, bool in)
{
	const json_t *d = json_object_get(r, "delivery");
	const char *how = audit_text(d, "outcome"), *connector = audit_text(d, "connector");
	char *key = NULL, n[24];
	if (asprintf(&key, "%s %s", audit_text(d, "event"), connector) < 0)
		return PROV_ENOMEM;
	size_t at = prov_strmap_find(e->events, key);
	free(key);
	if (at != PROV_STRMAP_NONE) {
		e->rev[at].record = seq;
		e->rev[at].usec = usec;
		snprintf(e->rev[at].outcome, sizeof(e->rev[at].outcome), "%s", how);
	}
	bool bad = !strcmp(how, "unproven") || !strcmp(how, "dropped") || !strcmp(how, "forgotten");
	if (!in || !bad)
		return 0;
	snprintf(n, sizeof(n), "%llu", (unsigned long long)seq);
	return evidence_out_row(e->out, EVIDENCE_ADMIN,
		(const char *[]){ n, audit_text(r, "time"), how, connector, audit_text(d, "type"),
			audit_text(r, "dn"), audit_text(json_object_get(r, "actor"), "authz"),
			audit_text(r, "reason"), audit_text(d, "note") });
}

static int put_record(struct evidence *e, uint64_t seq, json_t *r)
{
	char hex[65];
	audit_trail_hash(e->t, seq, hex);
	return prov_json_line_take(evidence_out_records(e->out),
		json_pack("{s:I,s:s,s:O}", "seq", (json_int_t)seq, "hash", hex, "record", r));
}

static int see_record(struct evidence *e, uint64_t seq, json_t *r)
{
	const char *op = audit_text(r, "op");
	int64_t usec;
	bool dated = !audit_usec(audit_text(r, "time"), 0, false, &usec);
	bool in = !dated || (usec >= e->since && usec <= e->until);
	bool delivery = !strcmp(op, "delivery");
	int rc = 0;
	e->last = seq;
	if (delivery && dated)
		rc = see_delivery(e, seq, usec, r, in);
	else if (in && (!dated || !strcmp(op, "restore") || !strcmp(op, "undecodable")))
		rc = see_doubt(e, seq, r);
	else if (in && !strcmp(op, "policy"))
		rc = see_policy(e, seq, r);
	else if (in && json_object_get(r, "state"))
		rc = see_account(e, seq, usec, r);
	if (!rc && in && !delivery)
		rc = evidence_reviews_see(&e->reviews, e->out, seq, r);
	bool named = evidence_sod_names(e->sod, seq);
	if (!rc && (in || named || (delivery && e->nrev)))
		rc = put_record(e, seq, r);
	return rc;
}

static int see_text(void *ctx, uint64_t seq, struct prov_val text)
{
	json_t *r = json_loadb(text.data, text.len, 0, NULL);
	if (!r)
		r = json_pack("{s:s}", "op", "undecodable");
	int rc = r ? see_record(ctx, seq, r) : PROV_ENOMEM;
	json_decref(r);
	return rc;
}

/* What became of one leaver's access: the worst of his events, and the last of them. */
struct verdict {
	const char *text;
	size_t settled, proven, dropped, unproven;
	int64_t last; /* us; of the last one that was settled */
	uint64_t record;
};

static void count_one(struct verdict *v, const struct revocation *p)
{
	const char *o = p->outcome;
	v->proven += !strcmp(o, "proven");
	v->dropped += !strcmp(o, "dropped");
	v->unproven += !strcmp(o, "unproven");
	if (strcmp(o, "proven") && strcmp(o, "delivered") && strcmp(o, "superseded"))
		return;
	v->settled++;
	if (p->usec >= v->last) {
		v->last = p->usec;
		v->record = p->record;
	}
}

static void judge(struct evidence *e, const struct leaver *l, struct verdict *v)
{
	size_t *n = NULL;
	if (!l->wanted) {
		v->text = "no connected system";
		n = &e->unconnected;
	} else if (v->dropped) {
		v->text = "dropped by an admin";
		n = &e->dropped;
	} else if (v->unproven) {
		v->text = "unproven";
		n = &e->unproven;
	} else if (v->settled < l->wanted) {
		v->text = "not finished";
		n = &e->open;
	} else if (v->proven == l->wanted) {
		v->text = "proven";
		n = &e->proven;
	} else {
		v->text = "told; not all systems can prove it";
		n = &e->told;
	}
	(*n)++;
}

struct longest {
	double *seconds; /* of the settled ones */
	size_t n;
	uint64_t leaver, record;
	double most;
};

static int put_leaver(struct evidence *e, size_t i, const struct verdict *v, const char *deliveries,
	struct longest *times)
{
	struct leaver *l = &e->leaver[i];
	char seconds[40] = "";
	if (l->wanted && v->settled == l->wanted) {
		double took = (double)(v->last - l->usec) / 1e6;
		snprintf(seconds, sizeof(seconds), "%.3f", took);
		times->seconds[times->n++] = took;
		if (took >= times->most) {
			times->most = took;
			times->leaver = l->seq;
			times->record = v->record;
		}
	}
	const char *cell[10] = { l->cell[0], l->cell[1], l->cell[2], l->cell[3], l->cell[4],
		l->cell[5], l->cell[6], v->text, seconds, deliveries };
	return evidence_out_row(e->out, EVIDENCE_LEAVERS, cell);
}

/* Revocations stand in the order of their leavers. */
static int put_leavers(struct evidence *e, struct longest *times)
{
	size_t at = 0;
	int rc = 0;
	times->seconds = calloc(e->nleaver + 1, sizeof(*times->seconds));
	if (!times->seconds)
		return PROV_ENOMEM;
	for (size_t i = 0; !rc && i < e->nleaver; i++) {
		struct verdict v = { 0 };
		char *text = NULL;
		size_t len = 0;
		FILE *f = open_memstream(&text, &len);
		for (; f && at < e->nrev && e->rev[at].leaver == i; at++) {
			const struct revocation *p = &e->rev[at];
			count_one(&v, p);
			fprintf(f, "%s%s %s", ftell(f) > 0 ? "\n" : "", p->connector,
				*p->outcome ? p->outcome : "open");
			if (p->record)
				fprintf(f, " (record %llu)", (unsigned long long)p->record);
		}
		if (!f || fclose(f))
			rc = PROV_ENOMEM;
		judge(e, &e->leaver[i], &v);
		if (!rc)
			rc = put_leaver(e, i, &v, text, times);
		free(text);
	}
	return rc;
}

static int by_number(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static int figure(struct evidence *e, const char *name, size_t n, const char *where)
{
	char value[24];
	snprintf(value, sizeof(value), "%zu", n);
	return evidence_out_figure(e->out, name, value, where);
}

static int time_figures(struct evidence *e, struct longest *t)
{
	char value[40], where[128];
	if (!t->n)
		return 0;
	qsort(t->seconds, t->n, sizeof(*t->seconds), by_number);
	snprintf(value, sizeof(value), "%.3f s", t->seconds[(t->n - 1) / 2]);
	int rc = evidence_out_figure(e->out, "Median time from leaver to last revocation", value,
		"leavers.csv: secondsToLast");
	snprintf(value, sizeof(value), "%.3f s", t->most);
	snprintf(where, sizeof(where), "leaver: record %llu, last revocation: record %llu",
		(unsigned long long)t->leaver, (unsigned long long)t->record);
	return rc ? rc
		  : evidence_out_figure(e->out, "Longest time from leaver to last revocation",
			    value, where);
}

static int figures(struct evidence *e, struct longest *times)
{
	const struct {
		const char *name;
		size_t n;
		const char *where;
	} row[] = {
		{ "Joiners: joined", e->joined, "joiners.csv: record, where what is joined" },
		{ "Joiners: rehired", e->rehired, "joiners.csv: record, where what is rehired" },
		{ "Joiners: started", e->started, "joiners.csv: record, where what is started" },
		{ "Movers: changes of access or state", e->moved, "movers.csv: record" },
		{ "Movers: suspended", e->suspended,
			"movers.csv: record, where what is suspended" },
		{ "Movers: resumed", e->resumed, "movers.csv: record, where what is resumed" },
		{ "Leavers", e->nleaver, "leavers.csv: record" },
		{ "Leavers: revocation proven everywhere", e->proven,
			"leavers.csv: deliveries, where revocation is proven" },
		{ "Leavers: all systems told, not all can prove it", e->told,
			"leavers.csv: deliveries, where revocation begins with told" },
		{ "Leavers: revocation unproven", e->unproven,
			"leavers.csv: deliveries, where revocation is unproven" },
		{ "Leavers: revocation dropped by an admin", e->dropped,
			"leavers.csv: deliveries, where revocation begins with dropped" },
		{ "Leavers: revocation not finished", e->open,
			"leavers.csv: record, where revocation is not finished" },
		{ "Leavers: no connected system", e->unconnected,
			"leavers.csv: record, where revocation is no connected system" },
		{ "Changes of the policy", evidence_out_count(e->out, EVIDENCE_POLICY),
			"policy.csv: record" },
		{ "Deliveries dropped or unproven", evidence_out_count(e->out, EVIDENCE_ADMIN),
			"deliveries.csv: record" },
	};
	int rc = 0;
	for (size_t i = 0; !rc && i < sizeof(row) / sizeof(row[0]); i++)
		rc = figure(e, row[i].name, row[i].n, row[i].where);
	if (!rc)
		rc = evidence_reviews_figures(&e->reviews, e->out);
	return rc ? rc : time_figures(e, times);
}

static int note(struct evidence *e, bool bad, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int note(struct evidence *e, bool bad, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	int rc = n < 0 ? PROV_ENOMEM : evidence_out_note(e->out, bad, text);
	if (n >= 0)
		free(text);
	return rc;
}

/* The newest checkpoint, as it stands in the file. */
static int note_checkpoint(struct evidence *e)
{
	struct prov_kv_cursor *c = NULL;
	struct prov_val k = { NULL, 0 }, v = { NULL, 0 };
	int rc = prov_kv_cursor_open(e->t->txn, PROV_T_CHECKPOINT, &c);
	if (!rc)
		rc = prov_kv_cursor_last(c, &k, &v);
	if (!rc)
		rc = note(e, false, "Newest checkpoint: %.*s", (int)v.len, v.data);
	else if (rc == PROV_ENOENT)
		rc = note(e, false, "The trail has no checkpoint yet.");
	prov_kv_cursor_close(&c);
	return rc;
}

/* *broken: the trail does not hold. */
static int note_verified(struct evidence *e, bool *broken, struct prov_error *err)
{
	struct prov_error why = { 0 };
	struct prov_trail_report r = { 0 };
	struct prov_key *key = NULL;
	if (audit_arg.key && prov_key_load(audit_arg.key, false, &key, err))
		return err->code;
	int rc = prov_trail_verify(e->t->txn, key, NULL, NULL, &r, &why);
	prov_key_free(&key);
	if (rc && rc != PROV_ECORRUPT)
		return prov_error_set(err, rc, "%s", why.text);
	bool unsigned_only = !rc && audit_arg.key && !r.signed_checkpoints;
	*broken = rc != 0 || unsigned_only;
	if (rc)
		return note(e, true, "The trail is BROKEN at record %llu: %s",
			(unsigned long long)r.bad_seq, why.text);
	return note(e, unsigned_only,
		"The trail was verified: %llu records, unbroken; %llu checkpoints, %llu signed, the "
		"last signed one at record %llu; signatures %s.",
		(unsigned long long)r.records, (unsigned long long)r.checkpoints,
		(unsigned long long)r.signed_checkpoints, (unsigned long long)r.last_signed,
		audit_arg.key ? "checked" : "not checked (no key was given)");
}

static int notes(struct evidence *e, bool *broken, struct prov_error *err)
{
	int rc = note_verified(e, broken, err);
	if (!rc)
		rc = note_checkpoint(e);
	if (!rc)
		rc = note(e, false,
			"What this server wrote. Deliveries were read up to record %llu, the end of the "
			"trail.",
			(unsigned long long)e->last);
	if (!rc)
		rc = evidence_reviews_notes(&e->reviews, e->out);
	if (!rc && evidence_out_count(e->out, EVIDENCE_DOUBTS))
		rc = note(e, true,
			"Records in the period put the trail itself in doubt: see the last section.");
	return rc;
}

static void dispose(struct evidence *e)
{
	for (size_t i = 0; i < e->nleaver; i++)
		for (int k = 0; k < 7; k++)
			free(e->leaver[i].cell[k]);
	free(e->leaver);
	free(e->rev);
	prov_strmap_free(&e->events);
	evidence_reviews_dispose(&e->reviews);
	evidence_sod_free(&e->sod);
	evidence_out_free(&e->out);
}

static int period(struct ctl *c, struct evidence *e, char title[128])
{
	int64_t now = (int64_t)time(NULL);
	char a[PROV_TIME_TEXT], b[PROV_TIME_TEXT];
	if (!audit_arg.since || !audit_arg.until || !audit_arg.out)
		return prov_options_misuse(&c->opt,
			"audit evidence: want --since, --until and --out");
	if (audit_usec(audit_arg.since, now, false, &e->since))
		return prov_options_misuse(&c->opt, "--since: not a time: %s", audit_arg.since);
	if (audit_usec(audit_arg.until, now, true, &e->until))
		return prov_options_misuse(&c->opt, "--until: not a time: %s", audit_arg.until);
	if (e->until < e->since)
		return prov_options_misuse(&c->opt, "--until is before --since");
	prov_time_rfc3339(e->since / 1000000, (unsigned)(e->since % 1000000), a);
	prov_time_rfc3339(e->until / 1000000, (unsigned)(e->until % 1000000), b);
	snprintf(title, 128, "Evidence from the trail, %s to %s", a, b);
	return 0;
}

static int collect(struct evidence *e, bool *broken, const char *title, struct prov_error *err)
{
	struct longest times = { 0 };
	int rc = evidence_out_open(audit_arg.out, &e->out, err);
	if (!rc)
		rc = prov_strmap_new(&e->events);
	if (!rc)
		rc = evidence_sod_read(e->t->txn, e->since, e->until, &e->sod, err);
	if (!rc)
		rc = prov_trail_walk(e->t->txn, 1, see_text, e, err);
	if (!rc)
		rc = put_leavers(e, &times);
	if (!rc)
		rc = figures(e, &times);
	if (!rc)
		rc = evidence_sod_put(e->sod, e->out);
	if (!rc)
		rc = notes(e, broken, err);
	if (!rc)
		rc = evidence_out_finish(e->out, title, err);
	free(times.seconds);
	return rc;
}

int audit_evidence(struct ctl *c, int argc, char **argv)
{
	struct prov_error err = { 0 };
	struct audit_trail t = { 0 };
	struct evidence e = { .t = &t };
	char title[128];
	bool broken = false;
	(void)argv;
	int st = argc ? prov_options_misuse(&c->opt, "audit evidence takes no operand")
		      : period(c, &e, title);
	if (!st)
		st = audit_trail_open(c, &t);
	if (!st && collect(&e, &broken, title, &err))
		st = err.text[0] ? ctl_fail(&err) : ctl_say("%s: cannot be written", audit_arg.out);
	if (!st && broken)
		ctl_say("the trail does not hold: see %s/index.html, and run audit verify",
			audit_arg.out);
	if (!st && !c->json)
		printf("%s: %zu joiners, %zu movers, %zu leavers\n", audit_arg.out,
			evidence_out_count(e.out, EVIDENCE_JOINERS),
			evidence_out_count(e.out, EVIDENCE_MOVERS),
			evidence_out_count(e.out, EVIDENCE_LEAVERS));
	dispose(&e);
	audit_trail_close(&t);
	return st ? st : broken ? PROV_EXIT_FINDINGS : 0;
}
