/* audit_cef.c - records in ArcSight's Common Event Format. See audit_format.h. */
#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "audit_format.h"
#include "audit_match.h"
#include "options.h"

/* Name and severity (0 to 10) by what a record tells. */
static const char *name_of(const json_t *r, int *severity)
{
	const json_t *state = json_object_get(r, "state"), *d = json_object_get(r, "delivery");
	const char *op = audit_text(r, "op"), *after = audit_text(state, "after");
	const char *before = audit_text(state, "before"), *how = audit_text(d, "outcome");
	*severity = 3;
	if (d) {
		bool bad = !strcmp(how, "unproven") || !strcmp(how, "dropped") ||
			!strcmp(how, "forgotten");
		*severity = bad ? 8 : 3;
		return bad ? "Revocation not proven" : "Revocation delivered";
	}
	if (!strcmp(op, "restore") || !strcmp(op, "undecodable")) {
		*severity = 9;
		return !strcmp(op, "restore") ? "Database replaced" : "Record not readable";
	}
	if (!strcmp(op, "policy")) {
		*severity = 6;
		return "Policy changed";
	}
	if (!strcmp(op, "group"))
		return "Group changed";
	if (!strcmp(op, "import"))
		return "Event imported";
	if (state && !*before)
		return "Account created";
	if (state && !*after) {
		*severity = 5;
		return "Account deleted";
	}
	if (strcmp(before, after)) {
		*severity = 5;
		return "Account state changed";
	}
	return *audit_text(r, "newDn") ? "Account renamed" : "Account changed";
}

static void header(FILE *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '\\' || *s == '|')
			fputc('\\', out);
		fputc(*s == '\n' || *s == '\r' ? ' ' : *s, out);
	}
}

/* The value of a key, cut to `most` bytes at a character's border. */
static void extension(FILE *out, const char *s, size_t most)
{
	size_t len = strlen(s);
	if (len > most)
		for (len = most; len && ((unsigned char)s[len] & 0xc0) == 0x80; len--)
			;
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '\n' || s[i] == '\r')
			fputs(s[i] == '\n' ? "\\n" : "\\r", out);
		else if (s[i] == '\\' || s[i] == '=')
			fprintf(out, "\\%c", s[i]);
		else
			fputc(s[i], out);
	}
}

static void put(FILE *out, const char *key, const char *value, size_t most)
{
	if (!value || !*value)
		return;
	fprintf(out, " %s=", key);
	extension(out, value, most);
}

static void custom(FILE *out, const char *key, const char *label, const char *value, size_t most)
{
	if (!value || !*value)
		return;
	fprintf(out, " %sLabel=%s", key, label);
	put(out, key, value, most);
}

static void signs(FILE *to, const json_t *list, char sign)
{
	size_t i;
	json_t *v;
	json_array_foreach(list, i, v)
	{
		const char *s = json_is_object(v) ? audit_text(v, "dn") : json_string_value(v);
		char c = sign ? sign : json_is_true(json_object_get(v, "add")) ? '+' : '-';
		if (s)
			fprintf(to, "%s%c%s", ftell(to) > 0 ? "; " : "", c, s);
	}
}

/* "+gained; -lost" */
static void diff(FILE *out, const char *key, const char *label, const json_t *r)
{
	const json_t *v = json_object_get(r, label);
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);
	if (!to)
		return;
	if (json_is_array(v)) {
		signs(to, v, 0);
	} else {
		signs(to, json_object_get(v, "gained"), '+');
		signs(to, json_object_get(v, "lost"), '-');
	}
	if (!fclose(to))
		custom(out, key, label, text, 4000);
	free(text);
}

/* "IP=127.0.0.1:1234", "IP=[::1]:1234", "PATH=/run/slapd/ldapi" */
static void peer(FILE *out, const char *from)
{
	const char *colon = strrchr(from, ':');
	char address[64];
	if (strncmp(from, "IP=", 3) || !colon || colon - from > 50) {
		put(out, "sourceServiceName", from, 1023);
		return;
	}
	bool six = from[3] == '[';
	snprintf(address, sizeof(address), "%.*s", (int)(colon - from - 3 - 2 * six),
		from + 3 + six);
	put(out, six ? "c6a2" : "src", address, 45);
	if (six)
		put(out, "c6a2Label", "Source IPv6 Address", 1023);
	put(out, "spt", colon + 1, 5);
}

static void milliseconds(FILE *out, const json_t *r)
{
	int64_t usec;
	if (!audit_usec(audit_text(r, "time"), 0, false, &usec))
		fprintf(out, " rt=%lld", (long long)(usec / 1000));
}

static void state(FILE *out, const json_t *r)
{
	const json_t *s = json_object_get(r, "state");
	const char *before = audit_text(s, "before"), *after = audit_text(s, "after");
	char text[64];
	if (!s)
		return;
	snprintf(text, sizeof(text), "%s->%s", *before ? before : "none", *after ? after : "none");
	custom(out, "flexString1", "state", text, 1023);
}

static void attributes(FILE *out, const json_t *r)
{
	size_t i;
	json_t *v;
	bool first = true;
	json_array_foreach(json_object_get(r, "attributes"), i, v)
	{
		const char *s = json_string_value(v);
		if (!s)
			continue;
		fputs(first ? " flexString2Label=attributes flexString2=" : " ", out);
		extension(out, s, 256);
		first = false;
	}
}

void audit_cef_line(FILE *out, int version, uint64_t seq, const char *hash, const json_t *record)
{
	const json_t *actor = json_object_get(record, "actor");
	const json_t *d = json_object_get(record, "delivery");
	const char *op = audit_text(record, "op");
	int severity;
	const char *name = name_of(record, &severity);
	fprintf(out, "CEF:%d|slapo-provision|slapo-provision|" PROV_VERSION "|", version);
	header(out, *op ? op : "unknown");
	fprintf(out, "|%s|%d|", name, severity);
	fprintf(out, "cn1Label=record cn1=%llu", (unsigned long long)seq);
	milliseconds(out, record);
	put(out, "externalId", audit_text(record, "id"), 40);
	put(out, "act", op, 63);
	put(out, "duid", audit_text(record, "entryUUID"), 1023);
	put(out, "duser", audit_text(record, "uid"), 1023);
	put(out, "suser", audit_text(actor, "authz"), 1023);
	put(out, "suid", audit_text(actor, "authc"), 1023);
	peer(out, audit_text(actor, "from"));
	put(out, "app", audit_text(actor, "via"), 31);
	put(out, "reason", audit_text(record, "reason"), 1023);
	custom(out, "cs1", "dn", audit_text(record, "dn"), 4000);
	diff(out, "cs2", "roles", record);
	diff(out, "cs3", "groups", record);
	diff(out, "cs4", "entitlements", record);
	diff(out, "cs5", "members", record);
	custom(out, "cs6", "hash", hash, 4000);
	state(out, record);
	attributes(out, record);
	put(out, "destinationServiceName", audit_text(d, "connector"), 1023);
	put(out, "outcome", audit_text(d, "outcome"), 63);
	put(out, "msg",
		*audit_text(record, "newDn") ? audit_text(record, "newDn") : audit_text(d, "note"),
		1023);
	fputc('\n', out);
}
