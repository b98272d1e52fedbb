/* caep_poll.c - where a receiver fetches Security Event Tokens. See caep_poll.h. */
#include "caep_poll.h"

#include <errno.h>
#include <jansson.h>
#include <microhttpd.h>
#include <netdb.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon.h" /* provd_monotonic() */
#include "secret.h"

#define CONNECTIONS 16
#define PATIENCE 60   /* seconds that an idle connection is kept */
#define LONGEST 25    /* seconds that a poll waits for something to come */
#define GRACE_MS 100  /* a poll that must not wait, but whose acknowledgements set others free */
#define REQUEST 65536 /* bytes */
#define MOST 64       /* tokens in one answer */
#define LOOK_MS 1000  /* how soon a cancelled offer ends */
#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct offer {
	const char *jti, *set;
	bool ended;
	char fault[200]; /* what the receiver did not like; empty: it took it */
	struct offer *next;
};

struct prov_poll {
	char *listen, *path, *cert, *key;
	struct addrinfo *address; /* listen, understood */
	const char *token;
	struct MHD_Daemon *server;
	pthread_mutex_t mutex; /* of what follows */
	pthread_cond_t changed;
	struct offer *first, **last; /* oldest first */
	bool stop;
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
	while (wait && !p->stop && !anything(p))
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
		if (status == MHD_HTTP_UNAUTHORIZED)
			MHD_add_response_header(r, "WWW-Authenticate", "Bearer");
		rc = MHD_queue_response(c, status, r);
		MHD_destroy_response(r);
	} else {
		free(text);
	}
	return rc;
}

static enum MHD_Result answer_whole(struct prov_poll *p, struct MHD_Connection *c, const char *url,
	const char *method, const struct request *q)
{
	unsigned refuse = strcmp(url, p->path) != 0 ? MHD_HTTP_NOT_FOUND
		: strcmp(method, "POST") != 0       ? MHD_HTTP_METHOD_NOT_ALLOWED
		: q->too_long                       ? MHD_HTTP_CONTENT_TOO_LARGE
						    : check_token(p, c);

	if (refuse)
		return respond(c, refuse, NULL);
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
	struct request *q = *state;

	(void)version;
	if (!q) { /* the headers are there */
		*state = calloc(1, sizeof(*q));
		return *state ? MHD_YES : MHD_NO;
	}
	if (*len == 0)
		return answer_whole(ctx, c, url, method, q);
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

static int find_address(const char *text, struct addrinfo **out)
{
	static const struct addrinfo hints = { .ai_flags =
						       AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM };
	const char *colon = strrchr(text, ':'), *host = text;
	size_t n = colon ? (size_t)(colon - text) : 0;
	char name[64] = "127.0.0.1";

	*out = NULL;
	if (n >= 2 && *host == '[' && host[n - 1] == ']') {
		host++;
		n -= 2;
	} else if (colon && memchr(host, ':', n)) {
		return PROV_EINVAL; /* an IPv6 address without its brackets */
	}
	if (n >= sizeof(name) || (colon && n == 0))
		return PROV_EINVAL;
	if (colon)
		snprintf(name, sizeof(name), "%.*s", (int)n, host);
	return getaddrinfo(name, colon ? colon + 1 : text, &hints, out) ? PROV_EINVAL : 0;
}

int prov_poll_new(const struct prov_poll_settings *s, struct prov_poll **out,
	struct prov_error *err)
{
	struct prov_poll *p = calloc(1, sizeof(*p));
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
	if (!s->listen || find_address(s->listen, &p->address)) {
		prov_poll_free(out);
		return prov_error_set(err, PROV_EINVAL,
			"provOption: listen=%.60s: want ADDRESS:PORT, [ADDRESS]:PORT or PORT",
			s->listen ? s->listen : "");
	}
	if (!s->cert || !s->token) {
		prov_poll_free(out);
		return prov_error_set(err, PROV_EINVAL, "provOption: %s= is missing",
			s->cert ? "token" : "cert");
	}
	p->listen = strdup(s->listen);
	p->path = strdup(*s->path ? s->path : "/");
	p->cert = strdup(s->cert);
	p->key = strdup(s->key ? s->key : s->cert);
	if (p->listen && p->path && p->cert && p->key)
		return 0;
	prov_poll_free(out);
	return prov_error_set(err, PROV_ENOMEM, "no memory");
}

/* A certificate, which anybody may read. */
static int read_text(const char *file, char **out, struct prov_error *err)
{
	FILE *f = fopen(file, "re");
	size_t n = 0;
	char *text = NULL;

	if (f && getdelim(&text, &n, '\0', f) < 0) {
		free(text);
		text = NULL;
	}
	if (f)
		fclose(f);
	*out = text;
	return text ? 0 : prov_error_set(err, PROV_EIO, "%s: cannot be read", file);
}

int prov_poll_listen(struct prov_poll *p, struct prov_error *err)
{
	const struct addrinfo *a = p->address;
	char *cert = NULL, *key = NULL;
	size_t n = 0;
	int rc = read_text(p->cert, &cert, err);

	if (rc == 0)
		rc = prov_secret_read(p->key, &key, &n, err);
	if (rc == 0) {
		unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
			MHD_USE_POLL | MHD_USE_TLS | (a->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0u);
		p->server = MHD_start_daemon(flags, 0, NULL, NULL, answer, p, MHD_OPTION_SOCK_ADDR,
			a->ai_addr, MHD_OPTION_HTTPS_MEM_CERT, cert, MHD_OPTION_HTTPS_MEM_KEY, key,
			MHD_OPTION_HTTPS_PRIORITIES, PRIORITIES, MHD_OPTION_LISTENING_ADDRESS_REUSE,
			1u, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
			MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
			MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)PATIENCE, MHD_OPTION_END);
		if (!p->server)
			rc = prov_error_set(err, PROV_EIO, "cannot listen at %s with %s: %s",
				p->listen, p->cert,
				errno ? strerror(errno) : "is it a certificate with its key?");
	}
	free(cert);
	prov_secret_free(&key, n);
	return rc;
}

void prov_poll_free(struct prov_poll **pp)
{
	struct prov_poll *p = *pp;

	if (!p)
		return;
	pthread_mutex_lock(&p->mutex);
	p->stop = true;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->mutex);
	if (p->server)
		MHD_stop_daemon(p->server);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->mutex);
	if (p->address)
		freeaddrinfo(p->address);
	free(p->listen);
	free(p->path);
	free(p->cert);
	free(p->key);
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
