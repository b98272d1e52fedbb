/* metrics.c - how deliveries go, for Prometheus. See metrics.h. */
#include "metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "options.h" /* PROV_VERSION */
#include "progress.h"
#include "publish.h"

#define CONNECTIONS 8
#define PATIENCE 10 /* seconds for a client */

struct provd_metrics {
	const char *file;
	bool file_works;
	struct MHD_Daemon *server;
	pthread_mutex_t mutex;
	char *text; /* under mutex */
	size_t len;
};

/* A label's value: backslash, quote and newline are escaped. */
static void label(FILE *f, const char *value)
{
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			putc('\\', f);
		if (*value == '\n')
			fputs("\\n", f);
		else
			putc(*value, f);
	}
}

static const struct {
	const char *name, *type, *help;
} figure[] = {
	{ "lag_events", "gauge", "Events of the outbox that were not looked at yet" },
	{ "ready_events", "gauge", "Events that wait for their turn" },
	{ "in_flight_events", "gauge", "Attempts that run" },
	{ "deferred_events", "gauge", "Events that failed and are tried again" },
	{ "parked_events", "gauge", "Events that an admin must retry or drop" },
	{ "delivered_total", "counter", "Events delivered since the start" },
	{ "failed_attempts_total", "counter", "Attempts that failed since the start" },
	{ "failures_in_a_row", "gauge", "Attempts that failed since the last success" },
	{ "last_success_timestamp_seconds", "gauge",
		"When the last event was delivered; 0: never" },
	{ "failing_since_timestamp_seconds", "gauge",
		"First failure of the event that fails longest; 0: none does" },
	{ "throttled_until_timestamp_seconds", "gauge", "No attempt before; 0: not throttled" },
	{ "usable", "gauge",
		"1 when events are delivered, 0 when disabled, gone, refused or wrong" },
};

#define FIGURES (sizeof(figure) / sizeof(figure[0]))

static void read_figures(const struct provd *p, const struct channel *ch, long long out[FIGURES])
{
	struct prov_error err = { 0 };
	struct prov_progress_counts rows = { 0 };
	struct prov_queue_counts q = prov_queue_count(ch->q);
	uint64_t passed = prov_queue_passed(ch->q);

	prov_progress_count(p->delivery, ch->name, &rows, &err);
	const long long v[FIGURES] = { p->last > passed ? (long long)(p->last - passed) : 0,
		(long long)q.ready, (long long)q.in_flight, (long long)q.deferred,
		(long long)rows.parked, (long long)ch->delivered, (long long)ch->failed, q.failures,
		ch->last_success, q.failing_since, q.held_until > provd_wall() ? q.held_until : 0,
		provd_channel_usable(ch) };
	memcpy(out, v, sizeof(v));
}

static void head(FILE *f, const char *name, const char *type, const char *help)
{
	fprintf(f, "# HELP provd_%s %s.\n# TYPE provd_%s %s\n", name, help, name, type);
}

static void render(FILE *f, const struct provd *p)
{
	long long(*v)[FIGURES] = calloc(p->nchannel + 1, sizeof(*v));
	char name[80];

	head(f, "info", "gauge", "Version of provd");
	fprintf(f, "provd_info{version=\"%s\"} 1\n", PROV_VERSION);
	head(f, "start_timestamp_seconds", "gauge", "When provd was started");
	fprintf(f, "provd_start_timestamp_seconds %lld\n", (long long)p->started);
	head(f, "outbox_last_sequence", "gauge", "The newest event");
	fprintf(f, "provd_outbox_last_sequence %llu\n", (unsigned long long)p->last);
	head(f, "directory_reachable", "gauge",
		"1 when the last question for connectors was answered");
	fprintf(f, "provd_directory_reachable %d\n", p->loaded && !p->load_failures);
	head(f, "saving", "gauge", "0 when progress cannot be saved, and nothing is delivered");
	fprintf(f, "provd_saving %d\n", !p->save_at);
	for (size_t i = 0; v && i < p->nchannel; i++)
		read_figures(p, p->channel[i], v[i]);
	for (size_t k = 0; v && k < FIGURES; k++) {
		snprintf(name, sizeof(name), "connector_%s", figure[k].name);
		head(f, name, figure[k].type, figure[k].help);
		for (size_t i = 0; i < p->nchannel; i++) {
			fprintf(f, "provd_%s{connector=\"", name);
			label(f, p->channel[i]->name);
			fprintf(f, "\"} %lld\n", v[i][k]);
		}
	}
	free(v);
}

/* node_exporter may read at any time, and as another user. */
static void write_file(struct provd_metrics *m)
{
	struct prov_error err = { 0 };
	bool ok = prov_publish(m->file, m->text, m->len, &err) == 0;

	if (!ok && m->file_works)
		prov_log(LOG_WARNING, "event=metrics-failed text=\"%s\"", err.text);
	m->file_works = ok;
}

void provd_metrics_update(struct provd_metrics *m, const struct provd *p)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return;
	render(f, p);
	if (fclose(f)) {
		free(text);
		return;
	}
	pthread_mutex_lock(&m->mutex);
	char *old = m->text;
	m->text = text;
	m->len = len;
	pthread_mutex_unlock(&m->mutex);
	free(old);
	if (m->file)
		write_file(m);
}

static enum MHD_Result answer(void *ctx, struct MHD_Connection *c, const char *url,
	const char *method, const char *version, const char *body, size_t *len, void **state)
{
	struct provd_metrics *m = ctx;
	static char none[] = "see /metrics\n";
	bool ok = strcmp(url, "/metrics") == 0 && strcmp(method, "GET") == 0;
	struct MHD_Response *r;

	(void)version, (void)body, (void)len, (void)state;
	pthread_mutex_lock(&m->mutex);
	r = ok && m->text
		? MHD_create_response_from_buffer(m->len, m->text, MHD_RESPMEM_MUST_COPY)
		: MHD_create_response_from_buffer(sizeof(none) - 1, none, MHD_RESPMEM_PERSISTENT);
	pthread_mutex_unlock(&m->mutex);
	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
	enum MHD_Result rc = MHD_queue_response(c, ok ? MHD_HTTP_OK : MHD_HTTP_NOT_FOUND, r);
	MHD_destroy_response(r);
	return rc;
}

/* Loopback only: how deliveries go is nobody else's business. */
static int parse_listen(const char *text, struct sockaddr_storage *out, unsigned *flags)
{
	static const struct {
		const char *prefix;
		int family;
	} known[] = { { "127.0.0.1:", AF_INET }, { "[::1]:", AF_INET6 }, { "", AF_INET } };
	size_t i = 0;

	while (strncmp(text, known[i].prefix, strlen(known[i].prefix)) != 0)
		i++;
	const char *port = text + strlen(known[i].prefix);
	char *end = NULL;
	unsigned long n = *port >= '0' && *port <= '9' ? strtoul(port, &end, 10) : 0;
	if (!n || n > 65535 || *end)
		return PROV_EINVAL;
	memset(out, 0, sizeof(*out));
	if (known[i].family == AF_INET6) {
		struct sockaddr_in6 *a = (struct sockaddr_in6 *)out;
		a->sin6_family = AF_INET6;
		a->sin6_addr = in6addr_loopback;
		a->sin6_port = htons((uint16_t)n);
		*flags |= MHD_USE_IPv6;
	} else {
		struct sockaddr_in *a = (struct sockaddr_in *)out;
		a->sin_family = AF_INET;
		a->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		a->sin_port = htons((uint16_t)n);
	}
	return 0;
}

static int begin_listening(struct provd_metrics *m, const char *text, struct prov_error *err)
{
	struct sockaddr_storage address;
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL;

	if (parse_listen(text, &address, &flags))
		return prov_error_set(err, PROV_EINVAL,
			"metrics-listen: \"%s\": want PORT, 127.0.0.1:PORT or [::1]:PORT", text);
	m->server = MHD_start_daemon(flags, 0, NULL, NULL, answer, m, MHD_OPTION_SOCK_ADDR,
		(struct sockaddr *)&address, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)PATIENCE, MHD_OPTION_END);
	return m->server
		? 0
		: prov_error_set(err, PROV_EIO, "metrics-listen: %s: %s", text, strerror(errno));
}

int provd_metrics_new(const char *file, const char *listen, struct provd_metrics **out,
	struct prov_error *err)
{
	struct provd_metrics *m = calloc(1, sizeof(*m));

	*out = NULL;
	if (!m)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	pthread_mutex_init(&m->mutex, NULL);
	m->file_works = true;
	m->file = file;
	int rc = listen ? begin_listening(m, listen, err) : 0;
	if (rc)
		provd_metrics_free(&m);
	*out = m;
	return rc;
}

void provd_metrics_free(struct provd_metrics **mp)
{
	struct provd_metrics *m = *mp;

	if (!m)
		return;
	if (m->server)
		MHD_stop_daemon(m->server);
	if (m->file)
		unlink(m->file);
	pthread_mutex_destroy(&m->mutex);
	free(m->text);
	free(m);
	*mp = NULL;
}
