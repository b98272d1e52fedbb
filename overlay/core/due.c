/*
 * due.c - what time does to an account: its beginning, its end, roles for a time; and when it
 * has to be looked at next (provDue).
 */
#include <stdio.h>
#include <string.h>

#include "evaluate_impl.h"
#include "timefmt.h"

static bool read_time(const struct prov_entry *e, const struct prov_type *type, int64_t *out)
{
	struct prov_val v;

	return e && prov_entry_first(e, type, &v) && prov_time_parse(v, out) == 0;
}

/* Did this write bring the attribute's value? */
static bool is_new(const struct eval *ev, const struct prov_type *type)
{
	const struct prov_attr *a = prov_entry_attr(ev->req->after, type);

	return a && a->n && !prov_attr_has(prov_entry_attr(ev->req->before, type), a->nval[0]);
}

/* The request with another state in its entry: everything behind this sees only that. */
static int put_state(struct eval *ev, enum prov_state s)
{
	const struct prov_entry *e = ev->req->after;
	struct prov_attr *attr = prov_arena_array(ev->arena, e->n + 1, sizeof(*attr));
	struct prov_entry *patched = prov_arena_alloc(ev->arena, sizeof(*patched));
	struct prov_val *val = prov_arena_array(ev->arena, 2, sizeof(*val));
	size_t n = 0;

	if (!attr || !patched || !val)
		return PROV_ENOMEM;
	val[0] = prov_val_str(prov_state_name(s));
	val[1] = prov_ev_normal(ev, ev->type.state, val[0]);
	for (size_t i = 0; i < e->n; i++)
		if (e->attr[i].type != ev->type.state)
			attr[n++] = e->attr[i];
	attr[n] = (struct prov_attr){ .type = ev->type.state, .n = 1, .val = val, .nval = val + 1 };
	*patched = *e;
	patched->attr = attr;
	patched->n = n + 1;
	ev->timed_req = *ev->req;
	ev->timed_req.after = patched;
	ev->req = &ev->timed_req;
	ev->entry = patched;
	ev->state_set = val[0];
	return 0;
}

static int refuse_end(struct eval *ev, const char *why)
{
	struct prov_val v = { "", 0 };

	prov_entry_first(ev->req->after, ev->type.end, &v);
	return prov_error_set(ev->err, PROV_EREFUSED, "provEndTime \"%.*s\" %s",
		v.len > 40 ? 40 : (int)v.len, v.data, why);
}

int prov_ev_time(struct eval *ev)
{
	const struct prov_entry *after = ev->req->after;
	int64_t start = 0, end = 0, now = ev->req->now;
	bool starts = read_time(after, ev->type.start, &start);
	bool ends = read_time(after, ev->type.end, &end);
	enum prov_state was = prov_entry_state(ev->req->before, ev->schema);
	enum prov_state s = prov_entry_state(after, ev->schema), is = s;
	bool told = after && prov_entry_attr(after, ev->type.state);

	if (!after || s == PROV_STATE_NONE || (!starts && !ends))
		return 0;
	if (starts && ends && end <= start &&
		(is_new(ev, ev->type.start) || is_new(ev, ev->type.end)))
		return refuse_end(ev, "is not after provStartTime");
	if (ends && end <= now && !prov_ev_is_over(s) && prov_ev_is_over(was))
		return refuse_end(ev,
			"has passed: an account that shall be there again needs another");
	if (starts && start > now && !told && !ev->req->before)
		s = PROV_STATE_PENDING;
	if (starts && start <= now && s == PROV_STATE_PENDING)
		s = PROV_STATE_ACTIVE;
	if (ends && end <= now && !prov_ev_is_over(s))
		s = PROV_STATE_TERMINATED;
	ev->plan->ends_soon = ends && !prov_ev_is_over(s) && is_new(ev, ev->type.end) &&
		ev->req->before && end <= now + PROV_ENDS_SOON;
	/* what has times has its state written down, so that it can be searched for */
	return s != is || !told ? put_state(ev, s) : 0;
}

static bool take_word(struct prov_val *rest, struct prov_val *word)
{
	const char *blank = rest->len ? memchr(rest->data, ' ', rest->len) : NULL;

	if (!blank || blank == rest->data)
		return false;
	word->data = rest->data;
	word->len = (size_t)(blank - rest->data);
	rest->data += word->len + 1;
	rest->len -= word->len + 1;
	return true;
}

static bool open_or_time(struct prov_val word, int64_t open, int64_t *out)
{
	if (word.len == 1 && word.data[0] == '-') {
		*out = open;
		return true;
	}
	return prov_time_parse(word, out) == 0;
}

int prov_ev_timed(struct eval *ev, struct prov_val v, struct timed *out)
{
	struct prov_val from, until, rest = v;

	if (!take_word(&rest, &from) || !take_word(&rest, &until) || !rest.len ||
		!open_or_time(from, INT64_MIN, &out->from) ||
		!open_or_time(until, INT64_MAX, &out->until))
		return PROV_EINVAL;
	out->role = prov_policy_role(ev->policy, prov_ev_normal(ev, ev->type.group, rest));
	return 0;
}

static void sooner(int64_t at, int64_t now, int64_t *due)
{
	if (at > now && at < *due)
		*due = at;
}

static int64_t next_due(struct eval *ev)
{
	const struct prov_entry *e = ev->req->after;
	const struct prov_attr *a = prov_entry_attr(e, ev->type.timed);
	int64_t t, due = INT64_MAX, now = ev->req->now;

	if (!e || prov_ev_is_over(ev->plan->after))
		return due;
	if (ev->plan->after == PROV_STATE_PENDING && read_time(e, ev->type.start, &t))
		sooner(t, now, &due);
	if (read_time(e, ev->type.end, &t))
		sooner(t, now, &due);
	for (size_t i = 0; a && i < a->n; i++) {
		struct timed w;
		if (prov_ev_timed(ev, a->val[i], &w))
			continue;
		sooner(w.from, now, &due);
		if (w.until != INT64_MAX)
			sooner(w.until, now, &due);
	}
	return due;
}

int prov_ev_due(struct eval *ev, struct prov_val *value)
{
	int64_t due = next_due(ev);
	char *text = prov_arena_alloc(ev->arena, PROV_TIME_TEXT);

	*value = (struct prov_val){ "", 0 };
	ev->plan->due = due == INT64_MAX ? 0 : due;
	if (!text)
		return PROV_ENOMEM;
	if (due == INT64_MAX)
		return 0;
	prov_time_generalized(due, text);
	*value = prov_val_str(text);
	return 0;
}
