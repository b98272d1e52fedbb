/* natsjs.c - the nats connector. See natsjs.h. */
#include "natsjs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h" /* provd_monotonic() */
#include "natsjs_conn.h"
#include "natsjs_text.h"

struct natsjs {
	const struct prov_connector *c; /* outlives us */
	const char *prefix, *stream;    /* stream: or NULL */
	struct prov_natsjs *nats;
};

static void close_natsjs(void *self)
{
	struct natsjs *w = self;

	prov_natsjs_free(&w->nats);
	free(w);
}

static int check(const char *name, const char *value, const char *(*why)(const char *),
	struct prov_error *err)
{
	const char *bad = value ? why(value) : NULL;

	return bad ? prov_error_set(err, PROV_EINVAL, "provOption: %s=%.60s %s", name, value, bad)
		   : 0;
}

static int open_natsjs(const struct prov_connector *c, void **self, struct prov_error *err)
{
	const struct prov_natsjs_settings s = { c->target,
		{ prov_connector_option(c, "ca"), prov_connector_option(c, "cert"),
			prov_connector_option(c, "key") },
		c->secret_file, prov_connector_option(c, "user") };
	const char *prefix = prov_connector_option(c, "subject");
	const char *stream = prov_connector_option(c, "stream");

	*self = NULL;
	int rc = check("subject", prefix, prov_natsjs_prefix, err);
	if (rc == 0)
		rc = check("stream", stream, prov_natsjs_prefix, err);
	if (rc)
		return rc;
	struct natsjs *w = calloc(1, sizeof(*w));
	if (!w)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	w->c = c;
	w->prefix = prefix ? prefix : "provision";
	w->stream = stream;
	rc = prov_natsjs_new(&s, &w->nats, err);
	if (rc)
		free(w);
	else
		*self = w;
	return rc;
}

/* Nothing that would end a line or a word of the protocol. */
static bool plain(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text >= 127 || *text == '*' || *text == '>')
			return false;
	return true;
}

static void deliver(void *self, const struct prov_message *m, const atomic_bool *cancel,
	struct prov_result *out)
{
	const struct natsjs *w = self;
	const struct prov_body *body = &m->body;
	char subject[PROV_NATSJS_PREFIX + 40], headers[2 * PROV_NATSJS_PREFIX + 300];

	if (!plain(body->subject) || !plain(body->id) || !plain(body->type)) {
		prov_result_fail(out, "the event's subject, id or type is not plain");
		return;
	}
	snprintf(subject, sizeof(subject), "%s.%s", w->prefix,
		body->subject[0] ? body->subject : "test");
	snprintf(headers, sizeof(headers),
		"Nats-Msg-Id: %s\r\nContent-Type: application/cloudevents+json\r\nce-type: %s\r\n"
		"%s%s%s",
		body->id, body->type, w->stream ? "Nats-Expected-Stream: " : "",
		w->stream ? w->stream : "", w->stream ? "\r\n" : "");
	const struct prov_natsjs_message message = { subject, headers, body->text,
		body->len ? body->len - 1 : 0 }; /* without its newline */
	prov_natsjs_publish(w->nats, &message, provd_monotonic() + (int64_t)w->c->timeout * 1000,
		cancel, out);
}

const struct prov_kind_ops prov_nats_ops = { .open = open_natsjs,
	.deliver = deliver,
	.close = close_natsjs };
