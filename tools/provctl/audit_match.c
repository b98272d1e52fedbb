/* audit_match.c - see audit_match.h. */
#include "audit_match.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fold.h"
#include "names.h"
#include "timefmt.h"

int audit_time(const char *text, int64_t now, int64_t *out)
{
	static const struct {
		char unit;
		int64_t secs;
	} unit[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	size_t len = strlen(text), digits = strspn(text, "0123456789");
	if (digits && digits <= 9 && len == digits + 1) {
		for (size_t i = 0; i < sizeof(unit) / sizeof(unit[0]); i++) {
			if (text[digits] == unit[i].unit) {
				*out = now - strtoll(text, NULL, 10) * unit[i].secs;
				return 0;
			}
		}
	}
	if (len == 10 && text[4] == '-' && text[7] == '-') {
		char whole[32];
		snprintf(whole, sizeof(whole), "%sT00:00:00Z", text);
		return prov_time_parse(prov_val_str(whole), out);
	}
	return prov_time_parse(prov_val_str(text), out);
}

int audit_usec(const char *text, int64_t now, bool late, int64_t *out)
{
	const char *dot = strpbrk(text, ".,");
	int64_t usec = 0, unit = 100000;
	if (audit_time(text, now, out))
		return PROV_EINVAL;
	for (const char *p = dot ? dot + 1 : ""; isdigit((unsigned char)*p); p++) {
		usec += (*p - '0') * unit;
		unit /= 10;
	}
	*out = *out * 1000000 + (dot ? usec : late ? 999999 : 0);
	return 0;
}

void audit_filter_dispose(struct audit_filter *f)
{
	free(f->account);
	free(f->actor);
	free(f->group);
	memset(f, 0, sizeof(*f));
}

const char *audit_text(const json_t *record, const char *name)
{
	const char *s = json_string_value(json_object_get(record, name));
	return s ? s : "";
}

static bool dn_equal(const char *dn, const char *folded)
{
	char *key = *dn ? prov_fold_dn(dn, strlen(dn)) : NULL;
	bool same = key && !strcmp(key, folded);
	free(key);
	return same;
}

static bool text_equal(const char *s, const char *folded)
{
	char *key = *s ? prov_fold_text(s, strlen(s)) : NULL;
	bool same = key && !strcmp(key, folded);
	free(key);
	return same;
}

/* Is a DN of the array (strings, or objects with "dn") the folded one? */
static bool any_dn(const json_t *array, const char *folded)
{
	size_t i;
	json_t *v;
	json_array_foreach(array, i, v)
	{
		const char *dn = json_is_object(v) ? audit_text(v, "dn") : json_string_value(v);
		if (dn && dn_equal(dn, folded))
			return true;
	}
	return false;
}

static bool about_account(const struct audit_filter *f, const json_t *r)
{
	if (f->account_is_uid)
		return text_equal(audit_text(r, "uid"), f->account) ||
			text_equal(audit_text(r, "entryUUID"), f->account);
	return dn_equal(audit_text(r, "dn"), f->account) ||
		dn_equal(audit_text(r, "newDn"), f->account) ||
		any_dn(json_object_get(r, "members"), f->account);
}

static bool by_actor(const struct audit_filter *f, const json_t *r)
{
	const json_t *actor = json_object_get(r, "actor");
	return dn_equal(audit_text(actor, "authz"), f->actor) ||
		dn_equal(audit_text(actor, "authc"), f->actor);
}

static bool about_group(const struct audit_filter *f, const json_t *r)
{
	const json_t *groups = json_object_get(r, "groups");
	return any_dn(json_object_get(groups, "gained"), f->group) ||
		any_dn(json_object_get(groups, "lost"), f->group) ||
		(json_object_get(r, "members") && dn_equal(audit_text(r, "dn"), f->group));
}

static bool part_of(const char *text, const char *part)
{
	char *t = prov_fold_text(text, strlen(text)), *p = prov_fold_text(part, strlen(part));
	bool found = t && p && strstr(t, p);
	free(t);
	free(p);
	return found;
}

static bool about_delivery(const struct audit_filter *f, const json_t *r)
{
	const json_t *d = json_object_get(r, "delivery");
	return (!f->connector || !strcasecmp(audit_text(d, "connector"), f->connector)) &&
		(!f->outcome || !strcasecmp(audit_text(d, "outcome"), f->outcome));
}

bool audit_match(const struct audit_filter *f, const json_t *r)
{
	if (f->has_since || f->has_until) {
		int64_t at;
		if (prov_time_parse(prov_val_str(audit_text(r, "time")), &at))
			return false;
		if ((f->has_since && at < f->since) || (f->has_until && at > f->until))
			return false;
	}
	if (f->change && strcasecmp(audit_text(r, "id"), f->change))
		return false;
	if (f->op && strcasecmp(audit_text(r, "op"), f->op))
		return false;
	if ((f->connector || f->outcome) && !about_delivery(f, r))
		return false;
	if (f->reason && !part_of(audit_text(r, "reason"), f->reason))
		return false;
	return (!f->account || about_account(f, r)) && (!f->actor || by_actor(f, r)) &&
		(!f->group || about_group(f, r));
}

/* First RDN of a DN, enough to recognise a role or group in a line. */
static int rdn_len(const char *dn)
{
	const char *p = dn;
	while (*p && *p != ',')
		p += *p == '\\' && p[1] ? 2 : 1;
	return (int)(p - dn);
}

static void put_list(FILE *out, const json_t *r, const char *what, const char *which, char sign)
{
	size_t i;
	json_t *v;
	json_array_foreach(json_object_get(json_object_get(r, what), which), i, v)
	{
		const char *s = json_string_value(v);
		if (!s)
			continue;
		/* an entitlement is opaque: shown whole */
		int len = strcmp(what, "entitlements") ? rdn_len(s) : (int)strlen(s);
		fprintf(out, " %c%.*s", sign, len, s);
	}
}

/* An event's type without the prefix that they all have. */
static const char *type_name(const char *type)
{
	size_t n = strlen(PROV_EVENT_PREFIX);
	return strncmp(type, PROV_EVENT_PREFIX, n) ? type : type + n;
}

char *audit_summary(const json_t *r)
{
	static const char *const what[] = { "roles", "groups", "entitlements" };
	const json_t *state = json_object_get(r, "state");
	const char *before = audit_text(state, "before"), *after = audit_text(state, "after");
	char *text = NULL;
	size_t len = 0, i;
	json_t *v;
	FILE *out = open_memstream(&text, &len);
	if (!out)
		return NULL;
	if (*audit_text(r, "newDn"))
		fprintf(out, " to %s", audit_text(r, "newDn"));
	if (strcmp(before, after))
		fprintf(out, " %s->%s", *before ? before : "none", *after ? after : "none");
	for (size_t k = 0; k < sizeof(what) / sizeof(what[0]); k++) {
		put_list(out, r, what[k], "gained", '+');
		put_list(out, r, what[k], "lost", '-');
	}
	json_array_foreach(json_object_get(r, "members"), i, v)
	{
		const char *dn = audit_text(v, "dn");
		if (i == 10) { /* a bulk load of a group is not listed here */
			fprintf(out, " and %zu more",
				json_array_size(json_object_get(r, "members")) - i);
			break;
		}
		fprintf(out, " %c%.*s", json_is_true(json_object_get(v, "add")) ? '+' : '-',
			rdn_len(dn), dn);
	}
	const json_t *d = json_object_get(r, "delivery");
	if (d)
		fprintf(out, " %s %s of %s", audit_text(d, "outcome"),
			type_name(audit_text(d, "type")), audit_text(d, "connector"));
	bool first = true;
	json_array_foreach(json_object_get(r, "attributes"), i, v)
	{
		if (!json_string_value(v))
			continue;
		fprintf(out, "%s %s", first ? "" : ",", json_string_value(v));
		first = false;
	}
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	if (len)
		memmove(text, text + 1, len);
	return text;
}
