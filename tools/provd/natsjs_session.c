/* natsjs_session.c - one connection to a server of NATS. See natsjs_session.h. */
#include "natsjs_session.h"

#include <jansson.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h" /* provd_monotonic() */
#include "natsjs_key.h"
#include "natsjs_text.h"
#include "options.h" /* PROV_VERSION */
#include "secret.h"

#define ALIVE_MOST 3000   /* ms that a kept connection has to show that it still is one */
#define INBOX "_INBOX."   /* what answers come to; users may subscribe there by convention */
#define ANSWER_MOST 65536 /* bytes */
#define NAME "slapo-provision/" PROV_VERSION

struct prov_natsjs_session {
	struct prov_wire wire;
	char inbox[40];
	unsigned long asked; /* messages published: the number is the end of the reply's subject */
	json_int_t most;     /* bytes of a message that the server takes */
	bool headers;        /* it knows them (2.2) */
	char nonce[128];
};

/* One message from the server. */
struct incoming {
	enum { PONG, REFUSAL, ANSWER, OTHER } kind;
	char *text; /* the refusal; the answer's payload */
	size_t len;
	long status; /* of an answer's headers; 0: none */
	unsigned long number;
};

void prov_natsjs_session_free(struct prov_natsjs_session **s)
{
	if (!*s)
		return;
	prov_wire_close(&(*s)->wire);
	free(*s);
	*s = NULL;
}

static int take_info(struct prov_natsjs_session *s, const char *json, struct prov_error *err)
{
	json_t *info = json_loads(json, 0, NULL);
	const char *nonce = json_string_value(json_object_get(info, "nonce"));
	bool tls = json_is_true(json_object_get(info, "tls_required")) ||
		json_is_true(json_object_get(info, "tls_available"));
	int rc = 0;

	s->most = json_integer_value(json_object_get(info, "max_payload"));
	s->headers = json_is_true(json_object_get(info, "headers"));
	snprintf(s->nonce, sizeof(s->nonce), "%s", nonce ? nonce : "");
	if (!info)
		rc = prov_error_set(err, PROV_EIO, "this is no server of NATS");
	else if (!tls && !s->wire.ssl)
		rc = prov_error_set(err, PROV_EIO, "the server offers no TLS");
	json_decref(info);
	return rc;
}

/* "MSG subject sid [reply] bytes", "HMSG subject sid [reply] header-bytes bytes" */
static int read_message(struct prov_natsjs_session *s, char *line, struct incoming *in,
	struct prov_error *err)
{
	bool head = *line == 'H';
	char *word[7] = { NULL }, *save = NULL;
	size_t n = 0, skip = 0;

	for (char *p = strtok_r(line, " \t", &save); p && n < 7; p = strtok_r(NULL, " \t", &save))
		word[n++] = p;
	if (n < 4 + (size_t)head || n == 7)
		return prov_error_set(err, PROV_EIO, "the server says something odd");
	in->kind = ANSWER;
	in->number = 0;
	size_t prefix = strlen(s->inbox);
	if (strncmp(word[1], s->inbox, prefix) == 0 && word[1][prefix] == '.')
		in->number = strtoul(word[1] + prefix + 1, NULL, 10);
	in->len = strtoul(word[n - 1], NULL, 10);
	if (head)
		skip = strtoul(word[n - 2], NULL, 10);
	if (in->len > ANSWER_MOST || skip > in->len)
		return prov_error_set(err, PROV_EIO, "the server says too much at a time");
	int rc = prov_wire_block(&s->wire, in->len, &in->text, err);
	if (rc)
		return rc;
	in->status =
		skip && strncmp(in->text, "NATS/1.0 ", 9) == 0 ? strtol(in->text + 9, NULL, 10) : 0;
	in->text += skip;
	in->len -= skip;
	return 0;
}

static int receive(struct prov_natsjs_session *s, struct incoming *in, struct prov_error *err)
{
	char *line = NULL;
	int rc = prov_wire_line(&s->wire, &line, err);

	memset(in, 0, sizeof(*in));
	in->kind = OTHER;
	if (rc)
		return rc;
	if (strncmp(line, "MSG ", 4) == 0 || strncmp(line, "HMSG ", 5) == 0)
		return read_message(s, line, in, err);
	if (strcmp(line, "PING") == 0)
		return prov_wire_send(&s->wire, "PONG\r\n", 6, err);
	if (strncmp(line, "INFO ", 5) == 0)
		return take_info(s, line + 5, err);
	if (strcmp(line, "PONG") == 0)
		in->kind = PONG;
	if (strncmp(line, "-ERR", 4) == 0) {
		in->kind = REFUSAL;
		in->text = line + 4 + strspn(line + 4, " '");
		in->text[strcspn(in->text, "'")] = '\0';
	}
	return 0;
}

static int wait_for_pong(struct prov_natsjs_session *s, struct prov_error *err)
{
	struct incoming in = { .kind = OTHER };
	int rc = 0;

	while (rc == 0 && in.kind != PONG) {
		rc = receive(s, &in, err);
		if (rc == 0 && in.kind == REFUSAL)
			rc = prov_error_set(err, PROV_EIO, "the server says: %.200s", in.text);
	}
	return rc;
}

/* By user and password, by a credentials file, by a token. */
static int add_secret(const struct prov_natsjs_settings *set, const struct prov_natsjs_session *s,
	json_t *o, struct prov_error *err)
{
	char *secret = NULL, *jwt = NULL, *seed = NULL, sig[PROV_NATSJS_SIGNATURE];
	struct prov_error why = { 0 };
	size_t room = 0;

	if (!set->secret_file)
		return 0;
	int rc = prov_secret_read(set->secret_file, &secret, &room, err);
	if (rc)
		return rc;
	if (!set->user && prov_natsjs_is_creds(secret)) {
		rc = prov_natsjs_creds(secret, &jwt, &seed, &why);
		if (rc == 0)
			rc = prov_natsjs_sign(seed, s->nonce, sig, &why);
		if (rc == 0) {
			json_object_set_new(o, "jwt", json_string(jwt));
			json_object_set_new(o, "sig", json_string(sig));
		}
	} else {
		secret[strcspn(secret, "\r\n")] = '\0';
		if (!*secret)
			rc = prov_error_set(&why, PROV_EINVAL, "its first line is empty");
		if (set->user)
			json_object_set_new(o, "user", json_string(set->user));
		json_object_set_new(o, set->user ? "pass" : "auth_token", json_string(secret));
	}
	prov_secret_free(&secret, room);
	prov_secret_free(&jwt, jwt ? strlen(jwt) : 0);
	prov_secret_free(&seed, seed ? strlen(seed) : 0);
	return rc ? prov_error_set(err, rc, "%s: %s", set->secret_file, why.text) : 0;
}

/* Who we are; answered by PONG when the server is content. */
static int log_in(const struct prov_natsjs_settings *set, struct prov_natsjs_session *s,
	struct prov_error *err)
{
	json_t *o = json_pack("{s:b,s:b,s:b,s:b,s:b,s:s,s:s,s:s,s:i}", "verbose", 0, "pedantic", 0,
		"tls_required", 1, "headers", 1, "no_responders", 1, "lang", "c", "version",
		PROV_VERSION, "name", NAME, "protocol", 1);
	int rc = o ? add_secret(set, s, o, err) : prov_error_set(err, PROV_ENOMEM, "no memory");
	char *json = rc ? NULL : json_dumps(o, JSON_COMPACT), *text = NULL;
	int len = json ? asprintf(&text, "CONNECT %s\r\nPING\r\n", json) : 0;

	if (rc == 0 && len <= 0) {
		text = NULL;
		rc = prov_error_set(err, PROV_ENOMEM, "no memory");
	}
	if (rc == 0)
		rc = prov_wire_send(&s->wire, text, (size_t)len, err);
	prov_secret_free(&json, json ? strlen(json) : 0);
	prov_secret_free(&text, text ? (size_t)len : 0);
	json_decref(o);
	return rc ? rc : wait_for_pong(s, err);
}

static int subscribe(struct prov_natsjs_session *s, struct prov_error *err)
{
	unsigned char random[11];
	char text[80];
	int n = 0;

	if (RAND_bytes(random, sizeof(random)) != 1)
		return prov_error_set(err, PROV_EIO, "no random bytes");
	snprintf(s->inbox, sizeof(s->inbox), INBOX);
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(s->inbox + strlen(INBOX) + 2 * i, 3, "%02x", random[i]);
	n = snprintf(text, sizeof(text), "SUB %s.* 1\r\n", s->inbox);
	return prov_wire_send(&s->wire, text, (size_t)n, err);
}

static int greet(const struct prov_natsjs_settings *set, struct prov_natsjs_session *s,
	const char *host, const char *port, struct prov_error *err)
{
	char *line = NULL;
	int rc = prov_wire_connect(&s->wire, host, port, err);

	if (rc == 0)
		rc = prov_wire_line(&s->wire, &line, err);
	if (rc == 0)
		rc = strncmp(line, "INFO ", 5)
			? prov_error_set(err, PROV_EIO, "this is no server of NATS")
			: take_info(s, line + 5, err);
	if (rc == 0 && s->wire.len) /* else it would be taken for something said within TLS */
		rc = prov_error_set(err, PROV_EIO, "the server speaks before TLS");
	if (rc == 0)
		rc = prov_wire_secure(&s->wire, &set->tls, host, err);
	if (rc == 0)
		rc = log_in(set, s, err);
	return rc ? rc : subscribe(s, err);
}

int prov_natsjs_session_open(const struct prov_natsjs_settings *set, const char *host,
	const char *port, int64_t until, const atomic_bool *cancel,
	struct prov_natsjs_session **out, struct prov_error *err)
{
	struct prov_natsjs_session *s = calloc(1, sizeof(*s));

	*out = s;
	if (!s)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	s->wire.fd = -1;
	prov_natsjs_session_use(s, until, cancel);
	int rc = greet(set, s, host, port, err);
	if (rc)
		prov_natsjs_session_free(out);
	return rc;
}

void prov_natsjs_session_use(struct prov_natsjs_session *s, int64_t until,
	const atomic_bool *cancel)
{
	s->wire.until = until;
	s->wire.cancel = cancel;
}

bool prov_natsjs_session_alive(struct prov_natsjs_session *s)
{
	int64_t until = s->wire.until, now = provd_monotonic(), most = (until - now) / 2;
	struct prov_error scrap = { 0 };

	s->wire.until = now + (most < ALIVE_MOST ? most : ALIVE_MOST);
	bool yes = prov_wire_send(&s->wire, "PING\r\n", 6, &scrap) == 0 &&
		wait_for_pong(s, &scrap) == 0;
	s->wire.until = until;
	return yes;
}

int prov_natsjs_session_send(struct prov_natsjs_session *s, const struct prov_natsjs_message *m,
	struct prov_error *err)
{
	char *head = NULL;
	const char *headers = m->headers ? m->headers : "";
	size_t hlen = strlen("NATS/1.0\r\n") + strlen(headers) + 2;

	if (!s->headers)
		return prov_error_set(err, PROV_EIO, "the server is older than 2.2");
	if (s->most > 0 && hlen + m->len > (size_t)s->most)
		return prov_error_set(err, PROV_EIO,
			"the event has %zu bytes, and the server takes %lld (max_payload)",
			hlen + m->len, (long long)s->most);
	int n = asprintf(&head, "HPUB %s %s.%lu %zu %zu\r\nNATS/1.0\r\n%s\r\n", m->subject,
		s->inbox, ++s->asked, hlen, hlen + m->len, headers);
	if (n < 0)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	int rc = prov_wire_send(&s->wire, head, (size_t)n, err);
	free(head);
	if (rc == 0)
		rc = prov_wire_send(&s->wire, m->data, m->len, err);
	return rc ? rc : prov_wire_send(&s->wire, "\r\n", 2, err);
}

/* True: there is an answer or a refusal, and out says what it means. */
static bool take_answer(struct prov_natsjs_session *s, const struct incoming *in,
	const char *subject, struct prov_result *out)
{
	if (in->kind == REFUSAL) {
		prov_result_fail(out, "the server says: %.200s", in->text);
		return true;
	}
	if (in->kind != ANSWER || in->number != s->asked)
		return false;
	if (in->status == 503)
		prov_result_fail(out, "there is no stream for the subject %s", subject);
	else
		prov_natsjs_ack(in->text, in->len, out);
	return true;
}

int prov_natsjs_session_answer(struct prov_natsjs_session *s, const char *subject,
	struct prov_result *out, struct prov_error *err)
{
	struct incoming in = { .kind = OTHER };
	int rc = 0;

	do
		rc = receive(s, &in, err);
	while (rc == 0 && !take_answer(s, &in, subject, out));
	return rc;
}
