/* caep_poll.c - where a receiver fetches Security Event Tokens. See caep_poll.h. */
#include "caep_poll.h"

#include <jansson.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon.h" /* provd_monotonic() */
#include "listener.h"
#include "mask.h"
#include "secret.h"

#define LONGEST 25    /* seconds that a poll waits for something to come */
#define GRACE_MS 100  /* a poll that must not wait, but whose acknowledgements set others free */
#define REQUEST 65536 /* bytes */
#define MOST 64       /* tokens in one answer */
#define LOOK_MS 1000  /* how soon a cancelled offer ends */

struct offer {
	const char *jti, *set;
	bool ended;
	char fault[200]; /* what the receiver did not like; empty: it took it */
	struct offer *next;
};

struct prov_poll {
	char *path;
	const char *token;
	struct prov_listener *listener;
	pthread_mutex_t mutex; /* of what follows */
	pthread_cond_t changed;
	struct offer *first, **last; /* oldest first */
	bool hurry;
};

struct request { /* of one connection's thread */
	char *text;
	size_t len;
	bool too_long;
};

static void deadline(struct timespec *t, int64_t ms)
{
	clock_gettime(CLOCK_MONOTONIC, t);
	t->tv_sec += ms / 1000;
	t->tv_nsec += ms % 1000 * 1000000;
	if (t->tv_nsec >= 1000000000) {
		t->tv_sec++;
		t->tv_nsec -= 1000000000;
	}
}

/* Is the receiver who it must be? 0, or the status to answer with. */
static unsigned check_token(const struct prov_poll *p, struct MHD_Connection *c)
{
	const char *had = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization");
	struct prov_error err = { 0 };
	char *want = NULL;
	size_t room = 0;

	if (!p->token)
		return 0; /* its certificate was enough */
	if (!had || strncasecmp(had, "Bearer ", 7) != 0)
		return MHD_HTTP_UNAUTHORIZED;
	if (prov_secret_line(p->token, &want, &room, &err))
		return MHD_HTTP_INTERNAL_SERVER_ERROR;
	size_t n = strlen(want);
	bool same = n > 0 && strlen(had + 7) == n && CRYPTO_memcmp(had + 7, want, n) == 0;
	prov_secret_free(&want, room);
	return same ? 0 : MHD_HTTP_UNAUTHORIZED;
}

/* Under the mutex. */
static bool end_offer(struct prov_poll *p, const char *jti, const char *fault)
{
	for (struct offer *o = p->first; o; o = o->next)
		if (!o->ended && strcmp(o->jti, jti) == 0) {
			o->ended = true;
			snprintf(o->fault, sizeof(o->fault), "%s", fault);
			return true;
		}
	return false;
}

/* What the receiver has done with earlier ones (RFC 8936, 2.2). Under the mutex. True: something. */
static bool take_acks(struct prov_poll *p, const json_t *q)
{
	bool any = false;
	char fault[200];
	const char *jti;
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(q, "ack"), i, v)
	{
		if (json_is_string(v))
			any |= end_offer(p, json_string_value(v), "");
	}
	json_object_foreach(json_object_get(q, "setErrs"), jti, v)
	{
		const char *code = json_string_value(json_object_get(v, "err"));
		const char *text = json_string_value(json_object_get(v, "description"));
		snprintf(fault, sizeof(fault), "the receiver says: %s%s%s",
			code && *code ? code : "error", text ? ": " : "", text ? text : "");
		any |= end_offer(p, jti, fault);
	}
	if (any)
		pthread_cond_broadcast(&p->changed);
	return any;
}

static bool anything(const struct prov_poll *p)
{
	for (const struct offer *o = p->first; o; o = o->next)
		if (!o->ended)
			return true;
	return false;
}

/* Those that are out, the oldest first. Under the mutex. */
static json_t *list_sets(const struct prov_poll *p, json_int_t most)
{
	json_t *sets = json_object();
	bool more = false;
	json_int_t n = 0;

	for (const struct offer *o = p->first; o; o = o->next) {
		if (o->ended)
			continue;
		more = n == most;
		if (more)
			break;
		json_object_set_new(sets, o->jti, json_string(o->set));
		n++;
	}
	return json_pack("{s:o,s:b}", "sets", sets, "moreAvailable", more);
}

static json_t *poll_once(struct prov_poll *p, const json_t *q)
{
	const json_t *wants = json_object_get(q, "maxEvents");
	json_int_t most = json_is_integer(wants) ? json_integer_value(wants) : MOST;
	bool at_once = json_is_true(json_object_get(q, "returnImmediately"));
	struct timespec until;

	most = most < 0 ? 0 : most > MOST ? MOST : most;
	pthread_mutex_lock(&p->mutex);
	bool freed = take_acks(p, q);
	int64_t wait = most == 0 ? 0 : !at_once ? LONGEST * 1000 : freed ? GRACE_MS : 0;
	deadline(&until, wait);
	while (wait && !p->hurry && !anything(p))
		if (pthread_cond_timedwait(&p->changed, &p->mutex, &until))
			break;
	json_t *out = list_sets(p, most);
	pthread_mutex_unlock(&p->mutex);
	return out;
}

static enum MHD_Result respond(struct MHD_Connection *c, unsigned status, json_t *o)
{
	char *text = o ? json_dumps(o, JSON_COMPACT) : strdup("");
	struct MHD_Response *r = text
		? MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE)
		: NULL;
	enum MHD_Result rc = MHD_NO;

	json_decref(o);
	if (r) {
		MHD_add_response_header(r, "Content-Type", "application/json");
		MHD_add_response_header(r, "Cache-Control", "no-store");
		if (status != MHD_HTTP_OK)
			MHD_add_response_header(r, "Connection", "close");
		if (status == MHD_HTTP_UNAUTHORIZED)
			MHD_add_response_header(r, "WWW-Authenticate", "Bearer");
		rc = MHD_queue_response(c, status, r);
		MHD_destroy_response(r);
	} else {
		free(text);
	}
	return rc;
}

/* May this go on, as far as its head tells? 0, or the status to answer with. */
static unsigned check_head(const struct prov_poll *p, struct MHD_Connection *c, const char *url,
	const char *method)
{
	return strcmp(url, p->path) != 0                  ? MHD_HTTP_NOT_FOUND
		: strcmp(method, "POST") != 0             ? MHD_HTTP_METHOD_NOT_ALLOWED
		: !prov_listener_verified(p->listener, c) ? MHD_HTTP_FORBIDDEN
							  : check_token(p, c);
}

static enum MHD_Result answer_whole(struct prov_poll *p, struct MHD_Connection *c,
	const struct request *q)
{
	const char *shown = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization");

	if (q->too_long)
		return respond(c, MHD_HTTP_CONTENT_TOO_LARGE, NULL);
	if (shown && q->text) /* what it reports of errors is shown to people */
		prov_mask(q->text, q->len,
			shown + strcspn(shown, " ") + (strchr(shown, ' ') != NULL));
	json_t *o = q->len ? json_loadb(q->text, q->len, 0, NULL) : json_object();
	if (!json_is_object(o)) {
		json_decref(o);
		return respond(c, MHD_HTTP_BAD_REQUEST,
			json_pack("{s:s,s:s}", "err", "invalid_request", "description",
				"the body is no JSON object"));
	}
	json_t *sets = poll_once(p, o);
	json_decref(o);
	return respond(c, MHD_HTTP_OK, sets);
}

static enum MHD_Result answer(void *ctx, struct MHD_Connection *c, const char *url,
	const char *method, const char *version, const char *body, size_t *len, void **state)
{
	struct prov_poll *p = ctx;
	struct request *q = *state;

	(void)version;
	if (!q) { /* the head is there: who must not go on is sent away before his body is read */
		unsigned refuse = check_head(p, c, url, method);
		if (refuse)
			return respond(c, refuse, NULL);
		prov_listener_let_in(p->listener, c);
		*state = calloc(1, sizeof(*q));
		return *state ? MHD_YES : MHD_NO;
	}
	if (*len == 0)
		return answer_whole(p, c, q);
	char *grown = q->len + *len <= REQUEST ? realloc(q->text, q->len + *len) : NULL;
	if (grown) {
		q->text = grown;
		memcpy(q->text + q->len, body, *len);
		q->len += *len;
	}
	q->too_long = q->too_long || !grown;
	*len = 0;
	return MHD_YES;
}

static void completed(void *ctx, struct MHD_Connection *c, void **state,
	enum MHD_RequestTerminationCode why)
{
	struct request *q = *state;

	(void)ctx, (void)c, (void)why;
	if (q)
		free(q->text);
	free(q);
	*state = NULL;
}

/* Whoever waits is answered at once while `on`. */
static void hurry(void *ctx, bool on)
{
	struct prov_poll *p = ctx;

	pthread_mutex_lock(&p->mutex);
	p->hurry = on;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->mutex);
}

int prov_poll_new(const struct prov_poll_settings *s, struct prov_poll **out,
	struct prov_error *err)
{
	struct prov_poll *p = calloc(1, sizeof(*p));
	const struct prov_listener_use use = { answer, completed, hurry, p };
	pthread_condattr_t attr;

	*out = p;
	if (!p)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	pthread_mutex_init(&p->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->changed, &attr);
	pthread_condattr_destroy(&attr);
	p->last = &p->first;
	p->token = s->token;
	p->path = strdup(*s->path ? s->path : "/");
	int rc = p->path ? prov_listener_new(&s->listener, &use, &p->listener, err)
			 : prov_error_set(err, PROV_ENOMEM, "no memory");
	if (rc == 0 && !s->token && !s->listener.client_ca)
		rc = prov_error_set(err, PROV_EINVAL,
			"provOption: token= is missing (or clientCa=)");
	if (rc)
		prov_poll_free(out);
	return rc;
}

int prov_poll_listen(struct prov_poll *p, struct prov_error *err)
{
	return prov_listener_start(p->listener, err);
}

void prov_poll_free(struct prov_poll **pp)
{
	struct prov_poll *p = *pp;

	if (!p)
		return;
	prov_listener_free(&p->listener);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->mutex);
	free(p->path);
	free(p);
	*pp = NULL;
}

void prov_poll_offer(struct prov_poll *p, const char *jti, const char *set, unsigned seconds,
	const atomic_bool *cancel, struct prov_result *out)
{
	int64_t end = provd_monotonic() + (int64_t)seconds * 1000;
	struct offer o = { .jti = jti, .set = set }, **at;
	struct timespec until;

	pthread_mutex_lock(&p->mutex);
	*p->last = &o;
	p->last = &o.next;
	pthread_cond_broadcast(&p->changed);
	while (!o.ended && !atomic_load(cancel) && provd_monotonic() < end) {
		deadline(&until, LOOK_MS);
		pthread_cond_timedwait(&p->changed, &p->mutex, &until);
	}
	for (at = &p->first; *at != &o;)
		at = &(*at)->next;
	*at = o.next;
	if (p->last == &o.next)
		p->last = at;
	pthread_mutex_unlock(&p->mutex);
	if (!o.ended)
		prov_result_fail(out, "nobody has fetched it in %u s", seconds);
	else if (*o.fault)
		prov_result_fail(out, "%s", o.fault);
	else
		prov_result_done(out, "fetched and acknowledged");
}
