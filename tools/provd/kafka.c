/* kafka.c - the kafka connector. See kafka.h. */
#include "kafka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon.h" /* provd_monotonic() */
#include "kafka_producer.h"

#define TOPIC_MOST 249 /* bytes of a topic's name */

struct kafka {
	const struct prov_connector *c; /* outlives us */
	const char *topic;
	struct prov_kafka *kafka;
};

static void close_kafka(void *self)
{
	struct kafka *w = self;

	prov_kafka_free(&w->kafka);
	free(w);
}

/* Is every server of the list this machine? */
static bool all_here(const char *servers)
{
	static const char *const here[] = { "127.0.0.1", "[::1]", "localhost" };
	bool good = true;

	for (const char *p = servers; good && *p; p += strcspn(p, ","), p += *p == ',') {
		size_t n = *p == '[' ? strcspn(p, "]") + 1 : strcspn(p, ":,");
		good = false;
		for (size_t i = 0; i < sizeof(here) / sizeof(here[0]); i++)
			good = good || (strlen(here[i]) == n && strncasecmp(p, here[i], n) == 0);
	}
	return good;
}

static int check_topic(const char *topic, struct prov_error *err)
{
	static const char good[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t n = strlen(topic);

	if (n > TOPIC_MOST || strspn(topic, good) != n || strcmp(topic, ".") == 0 ||
		strcmp(topic, "..") == 0)
		return prov_error_set(err, PROV_EINVAL,
			"provOption: topic=%.60s: want up to 249 letters, digits, dots, underlines "
			"or hyphens",
			topic);
	return 0;
}

static int check_security(const struct prov_kafka_settings *s, const char *mechanism,
	struct prov_error *err)
{
	if (s->plain && (!all_here(s->servers) || s->user || s->cert || s->ca))
		return prov_error_set(err, PROV_EINVAL,
			"provOption: tls=no is for tests: servers at 127.0.0.1, [::1] or localhost, "
			"without ca, cert and user");
	if (s->user && !s->secret_file)
		return prov_error_set(err, PROV_EINVAL,
			"provSecretFile is missing: it has the password of user=%.60s", s->user);
	if (!s->user && (s->secret_file || mechanism))
		return prov_error_set(err, PROV_EINVAL,
			"provOption: user= is missing: without it there is no use for a secret or "
			"for sasl=");
	return 0;
}

static int open_kafka(const struct prov_connector *c, void **self, struct prov_error *err)
{
	const char *topic = prov_connector_option(c, "topic");
	const char *mechanism = prov_connector_option(c, "sasl");
	const struct prov_kafka_settings s = { c->target, prov_connector_option_is(c, "tls", "no"),
		prov_connector_option(c, "ca"), prov_connector_option(c, "cert"),
		prov_connector_option(c, "key"), prov_connector_option(c, "user"),
		mechanism ? mechanism : "SCRAM-SHA-512", c->secret_file, c->timeout };

	*self = NULL;
	int rc = topic ? check_topic(topic, err) : 0;
	if (rc == 0)
		rc = check_security(&s, mechanism, err);
	if (rc)
		return rc;
	struct kafka *w = calloc(1, sizeof(*w));
	if (!w)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	w->c = c;
	w->topic = topic ? topic : "provision";
	rc = prov_kafka_new(&s, &w->kafka, err);
	if (rc)
		free(w);
	else
		*self = w;
	return rc;
}

static void deliver(void *self, const struct prov_message *m, const atomic_bool *cancel,
	struct prov_result *out)
{
	const struct kafka *w = self;
	const struct prov_body *body = &m->body;
	const struct prov_kafka_record r = { w->topic, body->subject[0] ? body->subject : "test",
		body->text, body->len ? body->len - 1 : 0, /* without its newline */
		body->id, body->type };

	prov_kafka_send(w->kafka, &r, provd_monotonic() + (int64_t)w->c->timeout * 1000, cancel,
		out);
}

const struct prov_kind_ops prov_kafka_ops = { .open = open_kafka,
	.deliver = deliver,
	.close = close_kafka };
