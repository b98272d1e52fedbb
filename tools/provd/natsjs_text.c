/* natsjs_text.c - what the nats connector reads and writes as text. See natsjs_text.h. */
#include "natsjs_text.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "log.h"

#define SCHEME "tls://"

static int refused(const json_t *error, const char *stream, struct prov_result *out)
{
	const char *why = json_string_value(json_object_get(error, "description"));
	json_int_t code = json_integer_value(json_object_get(error, "err_code"));

	if (!code)
		code = json_integer_value(json_object_get(error, "code"));
	return prov_result_fail(out, "the stream%s%.60s refuses it: %.140s (%lld)",
		stream ? " " : "", stream ? stream : "", why ? why : "no reason given",
		(long long)code);
}

int prov_natsjs_ack(const char *json, size_t len, struct prov_result *out)
{
	json_t *ack = json_loadb(json, len, 0, NULL);
	const char *stream = json_string_value(json_object_get(ack, "stream"));
	const json_t *error = json_object_get(ack, "error");
	const json_t *seq = json_object_get(ack, "seq");
	int rc = 0;

	if (json_is_object(error)) {
		rc = refused(error, stream, out);
	} else if (!stream || !json_is_integer(seq)) {
		rc = prov_result_fail(out,
			"somebody has answered, but it is no stream of JetStream: %.100s",
			len ? json : "nothing");
	} else {
		bool again = json_is_true(json_object_get(ack, "duplicate"));
		out->outcome = PROV_OUTCOME_DONE;
		out->note = again ? "the stream had it already" : NULL;
		snprintf(out->reply, sizeof(out->reply), "stream %s, sequence %lld%s", stream,
			(long long)json_integer_value(seq), again ? ", was there already" : "");
		prov_log_clean(out->reply);
	}
	json_decref(ack);
	return rc;
}

const char *prov_natsjs_prefix(const char *prefix)
{
	char before = '.';

	if (!*prefix || strlen(prefix) > PROV_NATSJS_PREFIX)
		return "must have 1 to 200 bytes";
	if (*prefix == '$' || *prefix == '_')
		return "begins with $ or _, which is for NATS itself";
	for (const char *p = prefix; *p; before = *p++) {
		if (*p <= ' ' || *p >= 127 || *p == '*' || *p == '>')
			return "has a blank, a wildcard or a letter that is not ASCII in it";
		if (*p == '.' && before == '.')
			return "has an empty part";
	}
	return before == '.' ? "has an empty part" : NULL;
}

static const char *block(const char *text, const char *name)
{
	char begin[64];

	snprintf(begin, sizeof(begin), "-----BEGIN %s-----", name);
	const char *p = strstr(text, begin);
	if (!p)
		return NULL;
	p += strlen(begin);
	return p + strspn(p, "\r\n");
}

bool prov_natsjs_is_creds(const char *text)
{
	return block(text, "NATS USER JWT") != NULL;
}

static char *line_of(const char *p)
{
	size_t n = p ? strcspn(p, "\r\n") : 0;

	return n && *p != '-' ? strndup(p, n) : NULL;
}

int prov_natsjs_creds(const char *text, char **jwt, char **seed, struct prov_error *err)
{
	*jwt = line_of(block(text, "NATS USER JWT"));
	*seed = line_of(block(text, "USER NKEY SEED"));
	if (!*jwt)
		return prov_error_set(err, PROV_EINVAL, "it has no user JWT");
	return *seed ? 0 : prov_error_set(err, PROV_EINVAL, "it has no seed of a user's key");
}

const char *prov_natsjs_server(const char *list, char host[PROV_NATSJS_HOST], char port[8])
{
	size_t scheme = strlen(SCHEME);

	if (!list || !*list)
		return NULL;
	if (strncasecmp(list, SCHEME, scheme) == 0)
		list += scheme;
	bool v6 = *list == '[';
	list += v6;
	size_t n = strcspn(list, v6 ? "]," : ":,");
	snprintf(host, PROV_NATSJS_HOST, "%.*s",
		n < PROV_NATSJS_HOST ? (int)n : PROV_NATSJS_HOST - 1, list);
	list += n;
	list += v6 && *list == ']';
	n = strcspn(list, ",");
	snprintf(port, 8, "%.*s", n > 1 && n < 8 ? (int)n - 1 : 4,
		n > 1 && n < 8 ? list + 1 : "4222");
	return list[n] ? list + n + 1 : list + n;
}
