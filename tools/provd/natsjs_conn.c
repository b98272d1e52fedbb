/* natsjs_conn.c - publishing to NATS. See natsjs_conn.h. */
#include "natsjs_conn.h"

#include <pthread.h>
#include <stdlib.h>

#include "daemon.h" /* provd_monotonic() */
#include "natsjs_text.h"

#define IDLE_MOST 16 /* connections kept for the next message */

struct prov_natsjs {
	struct prov_natsjs_settings s;
	size_t nserver;
	pthread_mutex_t mutex;
	size_t first, nidle; /* first: which server is called first */
	struct prov_natsjs_session *idle[IDLE_MOST];
};

static void call_first(struct prov_natsjs *n, size_t which)
{
	pthread_mutex_lock(&n->mutex);
	n->first = which;
	pthread_mutex_unlock(&n->mutex);
}

/* The one that was called first may be the trouble. */
static void call_another(struct prov_natsjs *n)
{
	pthread_mutex_lock(&n->mutex);
	n->first = (n->first + 1) % n->nserver;
	pthread_mutex_unlock(&n->mutex);
}

/* Calls the servers in turn, each with its share of the time. */
static int dial(struct prov_natsjs *n, int64_t until, const atomic_bool *cancel,
	struct prov_natsjs_session **out, struct prov_error *err)
{
	char host[PROV_NATSJS_HOST] = "", port[8] = "";
	int rc = PROV_EIO;

	pthread_mutex_lock(&n->mutex);
	size_t first = n->first;
	pthread_mutex_unlock(&n->mutex);
	for (size_t i = 0; i < n->nserver && rc && !atomic_load(cancel); i++) {
		const char *rest = n->s.servers;
		size_t which = (first + i) % n->nserver;
		for (size_t k = 0; k <= which; k++)
			rest = prov_natsjs_server(rest, host, port);
		int64_t now = provd_monotonic();
		rc = prov_natsjs_session_open(&n->s, host, port,
			now + (until - now) / (int64_t)(n->nserver - i), cancel, out, err);
		if (rc)
			prov_error_prefix(err, "%s port %s", host, port);
		else if (i)
			call_first(n, which);
	}
	if (rc && atomic_load(cancel))
		prov_error_set(err, rc, "stopped");
	return rc;
}

static struct prov_natsjs_session *take_idle(struct prov_natsjs *n)
{
	pthread_mutex_lock(&n->mutex);
	struct prov_natsjs_session *s = n->nidle ? n->idle[--n->nidle] : NULL;
	pthread_mutex_unlock(&n->mutex);
	return s;
}

static int begin(struct prov_natsjs *n, int64_t until, const atomic_bool *cancel,
	struct prov_natsjs_session **out, struct prov_error *err)
{
	struct prov_natsjs_session *s = take_idle(n);
	int rc = 0;

	if (s) {
		prov_natsjs_session_use(s, until, cancel);
		if (!prov_natsjs_session_alive(s))
			prov_natsjs_session_free(&s);
	}
	if (!s)
		rc = dial(n, until, cancel, &s, err);
	*out = s;
	if (s)
		prov_natsjs_session_use(s, until, cancel);
	return s ? 0 : rc;
}

static void keep(struct prov_natsjs *n, struct prov_natsjs_session **s)
{
	pthread_mutex_lock(&n->mutex);
	if (n->nidle < IDLE_MOST) {
		n->idle[n->nidle++] = *s;
		*s = NULL;
	}
	pthread_mutex_unlock(&n->mutex);
}

void prov_natsjs_publish(struct prov_natsjs *n, const struct prov_natsjs_message *m, int64_t until,
	const atomic_bool *cancel, struct prov_result *out)
{
	struct prov_natsjs_session *s = NULL;
	struct prov_error err = { 0 };

	if (begin(n, until, cancel, &s, &err) || !s) {
		prov_result_fail(out, "%s", err.text);
		return;
	}
	int rc = prov_natsjs_session_send(s, m, &err);
	if (rc == 0) {
		rc = prov_natsjs_session_answer(s, m->subject, out, &err);
		if (rc) {
			prov_error_prefix(&err, "not acknowledged by a stream");
			call_another(n);
		}
	}
	if (rc)
		prov_result_fail(out, "%s", err.text);
	else if (out->outcome == PROV_OUTCOME_DONE)
		keep(n, &s);
	prov_natsjs_session_free(&s);
}

int prov_natsjs_new(const struct prov_natsjs_settings *s, struct prov_natsjs **out,
	struct prov_error *err)
{
	struct prov_natsjs *n = calloc(1, sizeof(*n));
	char host[PROV_NATSJS_HOST], port[8];

	*out = n;
	if (!n)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	n->s = *s;
	for (const char *p = s->servers; (p = prov_natsjs_server(p, host, port)) != NULL;)
		n->nserver++;
	pthread_mutex_init(&n->mutex, NULL);
	return 0;
}

void prov_natsjs_free(struct prov_natsjs **np)
{
	struct prov_natsjs *n = *np;

	*np = NULL;
	if (!n)
		return;
	while (n->nidle)
		prov_natsjs_session_free(&n->idle[--n->nidle]);
	pthread_mutex_destroy(&n->mutex);
	free(n);
}
