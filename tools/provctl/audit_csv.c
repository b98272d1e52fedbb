/* audit_csv.c - records as CSV (RFC 4180). See audit_format.h. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "audit_format.h"
#include "audit_match.h"
#include "csvout.h"

/* Columns: a member, or a member of a member; lists one value a line. */
static const struct {
	const char *name, *member, *sub;
} column[] = {
	{ "time", "time", NULL },
	{ "op", "op", NULL },
	{ "changeId", "id", NULL },
	{ "dn", "dn", NULL },
	{ "newDn", "newDn", NULL },
	{ "uid", "uid", NULL },
	{ "entryUUID", "entryUUID", NULL },
	{ "actor", "actor", "authz" },
	{ "authenticated", "actor", "authc" },
	{ "from", "actor", "from" },
	{ "via", "actor", "via" },
	{ "reason", "reason", NULL },
	{ "stateBefore", "state", "before" },
	{ "stateAfter", "state", "after" },
	{ "rolesGained", "roles", "gained" },
	{ "rolesLost", "roles", "lost" },
	{ "groupsGained", "groups", "gained" },
	{ "groupsLost", "groups", "lost" },
	{ "entitlementsGained", "entitlements", "gained" },
	{ "entitlementsLost", "entitlements", "lost" },
	{ "membersAdded", "members", "+" },
	{ "membersRemoved", "members", "-" },
	{ "attributes", "attributes", NULL },
	{ "connector", "delivery", "connector" },
	{ "outcome", "delivery", "outcome" },
	{ "eventType", "delivery", "type" },
	{ "eventId", "delivery", "event" },
	{ "eventChangeId", "delivery", "changeId" },
	{ "committed", "delivery", "committed" },
	{ "note", "delivery", "note" },
};
enum { NCOLUMN = sizeof(column) / sizeof(column[0]) };

void audit_csv_head(FILE *out)
{
	prov_csv_cell(out, "seq", true);
	for (size_t i = 0; i < NCOLUMN; i++)
		prov_csv_cell(out, column[i].name, false);
	prov_csv_cell(out, "hash", false);
	prov_csv_end(out);
}

static void put_text(FILE *to, const json_t *v, bool *first)
{
	const char *s = json_string_value(v);
	if (!s && json_is_object(v)) /* bytes that are no UTF-8 */
		s = json_string_value(json_object_get(v, "base64"));
	if (!s)
		return;
	fprintf(to, "%s%s", *first ? "" : "\n", s);
	*first = false;
}

static void put_members(FILE *to, const json_t *list, bool add)
{
	size_t i;
	json_t *m;
	bool first = true;
	json_array_foreach(list, i, m)
	{
		if (json_is_true(json_object_get(m, "add")) == add)
			put_text(to, json_object_get(m, "dn"), &first);
	}
}

/* malloc'ed; NULL: no memory. */
static char *cell_of(const json_t *record, size_t c)
{
	const char *sub = column[c].sub;
	const json_t *v = json_object_get(record, column[c].member);
	char *text = NULL;
	size_t len = 0, i;
	json_t *one;
	bool first = true;
	FILE *to = open_memstream(&text, &len);
	if (!to)
		return NULL;
	if (sub && (*sub == '+' || *sub == '-')) {
		put_members(to, v, *sub == '+');
	} else {
		if (sub)
			v = json_object_get(v, sub);
		if (!json_is_array(v))
			put_text(to, v, &first);
		json_array_foreach(v, i, one)
		{
			put_text(to, one, &first);
		}
	}
	if (!fclose(to))
		return text;
	free(text);
	return NULL;
}

void audit_csv_row(FILE *out, uint64_t seq, const char *hash, const json_t *record)
{
	char n[24];
	snprintf(n, sizeof(n), "%llu", (unsigned long long)seq);
	prov_csv_cell(out, n, true);
	for (size_t i = 0; i < NCOLUMN; i++) {
		char *text = cell_of(record, i);
		prov_csv_cell(out, text ? text : "", false);
		free(text);
	}
	prov_csv_cell(out, hash, false);
	prov_csv_end(out);
}
