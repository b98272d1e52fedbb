/*
 * scan_outbox.c - leavers of whom a connected system was not told.
 *
 * The outbox is read from the state directory, the leavers' states from the directory, and then the
 * outbox once more: what was delivered meanwhile is no finding.
 */
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "outbox_view.h"
#include "scan.h"
#include "search.h"
#include "timefmt.h"

struct late { /* one account at one connector */
	char *subject, *connector, *dn, *uid;
	int64_t since; /* time of the oldest event */
	size_t n, parked;
	bool still;
};

struct lates {
	struct scan *s;
	struct prov_strmap *index; /* "subject connector" */
	size_t n, room;
	struct late *item;
	bool second; /* the second look: only mark */
};

static const char *text(const json_t *o, const char *name)
{
	const char *v = json_string_value(json_object_get(o, name));
	return v ? v : "";
}

static int note(struct lates *l, const char *connector, const json_t *event, int64_t at,
	bool parked)
{
	const json_t *data = json_object_get(event, "data");
	const char *uid = text(data, "uid");
	char *key = NULL;
	size_t i;
	int fresh = 0;
	if (asprintf(&key, "%s %s", text(event, "subject"), connector) < 0)
		return PROV_ENOMEM;
	int rc = l->second ? 0 : prov_strmap_add(l->index, key, &i, &fresh);
	if (l->second)
		i = prov_strmap_find(l->index, key);
	free(key);
	if (rc || i == PROV_STRMAP_NONE)
		return rc;
	if (fresh) {
		if (prov_grow(&l->item, i, &l->room, sizeof(*l->item)))
			return PROV_ENOMEM;
		l->item[i] = (struct late){ strdup(text(event, "subject")), strdup(connector), NULL,
			*uid ? strdup(uid) : NULL, at, 0, 0, false };
		l->n++;
	}
	struct late *x = &l->item[i];
	x->still = true;
	if (l->second)
		return 0;
	free(x->dn); /* the newest name */
	x->dn = strdup(text(data, "dn"));
	x->n++;
	x->parked += parked;
	if (at < x->since)
		x->since = at;
	return x->subject && x->connector && x->dn ? 0 : PROV_ENOMEM;
}

static int see_event(void *ctx, uint64_t seq, const char *connector, const json_t *event,
	const struct prov_delivery *d)
{
	struct lates *l = ctx;
	const char *when = text(event, "time");
	int64_t at = 0;
	bool parked = d->state == PROV_D_PARKED;
	(void)seq;
	if (!event || d->state == PROV_D_DROPPED || !*text(event, "subject"))
		return 0;
	if (prov_time_parse((struct prov_val){ when, strlen(when) }, &at))
		at = 0;
	if (!parked && l->s->now - at <= (int64_t)l->s->opt->undelivered * 60)
		return 0;
	return note(l, connector, event, at, parked);
}

static int look(struct lates *l, const char *dir, struct prov_error *err)
{
	struct outbox_view v = { 0 };
	int rc = outbox_view_open(dir, &v, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < l->n; i++)
		l->item[i].still = false;
	rc = outbox_view_each(&v, NULL, false, see_event, l, err);
	outbox_view_close(&v);
	return rc == PROV_ENOMEM ? scan_nomem(err) : rc;
}

/* Gone, or here as a leaver: its DN now. */
static int still_left(struct scan *s, struct late *x, bool *left, struct prov_error *err)
{
	static const char *const attrs[] = { "provState", NULL };
	char filter[64];
	struct scan_ask q = { .base = s->ctl->server.suffix,
		.filter = filter,
		.scope = LDAP_SCOPE_SUBTREE,
		.attrs = attrs };
	struct scan_entry e = { 0 };
	if (strlen(x->subject) != 36 || strspn(x->subject, "0123456789abcdefABCDEF-") != 36) {
		*left = false;
		return 0;
	}
	snprintf(filter, sizeof(filter), "(entryUUID=%s)", x->subject);
	int rc = scan_ask(s, &q, 1, err);
	*left = !rc;
	if (!rc && scan_asked(s, &q, &e)) {
		*left = scan_left(&e);
		free(x->dn);
		x->dn = strdup(e.dn.bv_val);
		if (!x->dn)
			rc = scan_nomem(err);
	}
	scan_entry_dispose(&e);
	scan_asked_free(&q, 1);
	return rc;
}

static int settle(struct scan *s, struct lates *l, const char *dir, struct prov_error *err)
{
	bool *left = calloc(l->n + 1, sizeof(*left));
	int rc = 0;
	if (!left)
		return scan_nomem(err);
	for (size_t i = 0; !rc && i < l->n; i++)
		rc = still_left(s, &l->item[i], &left[i], err);
	l->second = true;
	if (!rc && l->n)
		rc = look(l, dir, err);
	for (size_t i = 0; !rc && i < l->n; i++) {
		const struct late *x = &l->item[i];
		char since[24];
		if (left[i] && x->still &&
			scan_say(s,
				&(struct scan_say){ FINDING_UNDELIVERED, x->dn, x->uid,
					x->connector,
					"see provctl outbox list; repair the connector, then retry",
					x->since, NULL },
				"left, and %s was not told%s: %zu event%s, %zu parked",
				x->connector, scan_since(x->since, since), x->n,
				x->n == 1 ? "" : "s", x->parked))
			rc = scan_nomem(err);
	}
	free(left);
	return rc;
}

int scan_outbox(struct scan *s, struct prov_error *err)
{
	struct lates l = { .s = s };
	char *dir = NULL;
	int rc;
	if (!scan_wants(s, FINDING_UNDELIVERED))
		return 0;
	ctl_state_dir_try(s->ctl, &dir);
	if (!dir)
		return s->opt->check.n ? prov_error_set(err, PROV_EINVAL,
						 "UNDELIVERED needs the state directory: --state")
				       : 0;
	rc = prov_strmap_new(&l.index);
	if (!rc)
		rc = look(&l, dir, err);
	if (!rc)
		rc = settle(s, &l, dir, err);
	/* far from the server there is no state directory, and nobody asked for this check */
	if (rc && rc != PROV_ENOMEM && !s->opt->check.n) {
		ctl_say("UNDELIVERED is not looked for: %s", err->text);
		rc = 0;
	}
	for (size_t i = 0; i < l.n; i++) {
		free(l.item[i].subject);
		free(l.item[i].connector);
		free(l.item[i].dn);
		free(l.item[i].uid);
	}
	free(l.item);
	prov_strmap_free(&l.index);
	free(dir);
	return rc;
}
