/* outbox_change.c - provctl outbox retry|drop. See outbox_act.h. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "history.h"
#include "jsonout.h"
#include "outbox_act.h"
#include "provdctl.h"

static int64_t wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int act_directly(const char *dir, struct prov_admin_act *a,
	int (*work)(struct prov_admin_act *a, void *ctx, struct prov_error *err), void *ctx,
	struct prov_error *err)
{
	struct prov_delivery_env *env = NULL;
	struct prov_statedir *state = NULL;
	char actor[128];
	int rc = prov_statedir_open(dir, false, &state, err);

	if (!rc)
		rc = prov_delivery_open(dir, &env, err);
	if (!rc)
		rc = prov_kv_begin(prov_statedir_kv(state), false, &a->state, err);
	if (!rc)
		rc = prov_kv_begin(prov_delivery_kv(env), true, &a->t, err);
	prov_admin_actor(getuid(), getgid(), actor, sizeof(actor));
	a->actor = actor;
	a->ms = wall_ms();
	if (!rc) {
		rc = work(a, ctx, err);
		if (rc && !err->text[0])
			prov_error_set(err, rc, "delivery: %s", prov_strerror(rc));
	}
	if (!rc)
		rc = prov_history_count_save(env, a->t);
	if (!rc)
		rc = prov_kv_commit(&a->t, err);
	prov_kv_abort(&a->t);
	prov_kv_abort(&a->state);
	prov_delivery_close(&env);
	prov_statedir_close(&state);
	return rc;
}

int ctl_outbox_act(const char *dir, const json_t *request, struct prov_admin_act *a,
	int (*work)(struct prov_admin_act *a, void *ctx, struct prov_error *err), void *ctx,
	json_t **answer, struct prov_error *err)
{
	*answer = NULL;
	int rc = request ? provdctl_ask(dir, request, answer, err)
			 : prov_error_set(err, PROV_ENOMEM, "no memory");

	if (rc != PROV_ENOENT)
		return rc;
	memset(err, 0, sizeof(*err));
	return act_directly(dir, a, work, ctx, err);
}

struct change {
	const struct outbox_change *ch;
	unsigned n;
};

static int make_ready(const struct prov_admin_act *a, struct prov_delivery *d)
{
	if (d->state == PROV_D_PARKED) /* or it would be parked again at once */
		d->first = d->attempts = 0;
	d->state = PROV_D_READY;
	d->next = 0;
	return prov_delivery_put(a->t, a->connector, d);
}

static int retry_one(const struct prov_admin_act *a, uint64_t seq, struct prov_error *err)
{
	struct prov_delivery d;
	int rc = prov_delivery_get(a->t, a->connector, seq, &d);

	if (rc)
		return prov_error_set(err, rc, "%s has no event %llu that waits or is parked",
			a->connector, (unsigned long long)seq);
	return make_ready(a, &d);
}

static int retry_all(const struct prov_admin_act *a, unsigned *n)
{
	struct prov_delivery *row = NULL;
	size_t nrow = 0;
	int rc = prov_delivery_list(a->t, a->connector, 1u << PROV_D_PARKED | 1u << PROV_D_DEFERRED,
		&row, &nrow);

	for (size_t i = 0; !rc && i < nrow; i++)
		rc = make_ready(a, &row[i]);
	free(row);
	*n = (unsigned)nrow;
	return rc;
}

static int work(struct prov_admin_act *a, void *ctx, struct prov_error *err)
{
	struct change *x = ctx;

	if (x->ch->drop)
		return prov_admin_drop(a, x->ch->seq, &x->n, err);
	x->n = 1;
	int rc = x->ch->all ? retry_all(a, &x->n) : retry_one(a, x->ch->seq, err);
	return rc ? rc : prov_refused_put(a->t, a->connector, NULL);
}

int ctl_outbox_change(struct ctl *c, const char *dir, const struct outbox_change *ch)
{
	struct prov_error err = { 0 };
	struct change x = { .ch = ch };
	struct prov_admin_act a = { .connector = ch->connector, .reason = ch->reason };
	json_t *answer = NULL;
	json_t *ask = json_pack("{s:s,s:s,s:s*}", "cmd", ch->drop ? "drop" : "retry", "connector",
		ch->connector, "reason", ch->reason);

	if (ask && !ch->all)
		json_object_set_new(ask, "seq", json_integer((json_int_t)ch->seq));
	int rc = ctl_outbox_act(dir, ask, &a, work, &x, &answer, &err);
	if (answer)
		x.n = (unsigned)json_integer_value(json_object_get(answer, "count"));
	json_decref(ask);
	json_decref(answer);
	if (rc)
		return ctl_fail(&err);
	if (c->json)
		return prov_json_line_take(stdout,
			       json_pack("{s:I}", ch->drop ? "dropped" : "retried",
				       (json_int_t)x.n))
			? ctl_nomem()
			: 0;
	printf("%s %u event%s\n", ch->drop ? "dropped" : "ready again:", x.n, x.n == 1 ? "" : "s");
	return 0;
}
