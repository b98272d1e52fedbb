/*
 * fill.c - events into the outbox, as if so many writes had happened.
 *
 *   fill STATE FIRST COUNT ACCOUNTS CONNECTOR...
 *
 * A million LDAP writes would take longer than what is measured, so the rows that the
 * relay would have written are made here, for every CONNECTOR, spread over ACCOUNTS, with
 * the numbers FIRST, FIRST + 1, ... as "bench N". slapd must be down: it alone writes there.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outbox.h"
#include "state.h"

#define PER_COMMIT 20000

struct fill {
	uint64_t first, count, accounts;
	char route[2048];
};

static int make(const struct fill *f, uint64_t n, uint64_t seq, char *out, size_t room)
{
	uint64_t who = n % f->accounts;

	return snprintf(out, room,
		"{\"data\":{\"actor\":{\"authz\":\"cn=admin,dc=example,dc=com\",\"from\":"
		"\"IP=127.0.0.1:40000\",\"via\":\"simple;ssf=0\"},\"attributes\":[\"description\"],"
		"\"changeId\":\"01936b2a-0000-7000-8000-%012" PRIx64 "\",\"csn\":"
		"\"20261125120000.%06" PRIu64 "Z#000000#000#000000\",\"dn\":\"uid=u%" PRIu64
		",ou=people,dc=example,dc=com\",\"stateAfter\":\"active\",\"stateBefore\":"
		"\"active\",\"uid\":\"u%" PRIu64 "\"},\"datacontenttype\":\"application/json\","
		"\"id\":\"01936b2a-0001-7000-8000-%012" PRIx64 "\",\"route\":[%s],"
		"\"sequence\":\"%020" PRIu64 "\",\"source\":\"ldap://localhost/dc=example,dc=com\","
		"\"specversion\":\"1.0\",\"subject\":\"6d1f0b54-0000-4000-8000-%012" PRIx64
		"\",\"time\":\"2026-11-25T12:00:00.000000Z\",\"type\":"
		"\"org.slapo-provision.account.updated\",\"values\":{\"description\":"
		"[\"bench %" PRIu64 "\"]}}",
		n, n % 1000000, who, who, n, f->route, seq, who, n);
}

static int put_some(struct prov_kv *kv, const struct fill *f, uint64_t *done)
{
	char json[4096];
	uint64_t seq = 0, n = *done;
	struct prov_kv_txn *t = NULL;
	struct prov_error err = { 0 };
	int rc = prov_kv_begin(kv, true, &t, &err);

	if (!rc)
		rc = prov_meta_get64(t, "outbox", &seq);
	for (; !rc && n < f->count && n < *done + PER_COMMIT; n++) {
		int len = make(f, f->first + n, ++seq, json, sizeof(json));
		rc = len < (int)sizeof(json) ? prov_outbox_put(t, seq, json, (size_t)len)
					     : PROV_EINVAL;
	}
	if (!rc)
		rc = prov_meta_put64(t, "outbox", seq);
	if (!rc)
		rc = prov_kv_commit(&t, &err);
	prov_kv_abort(&t);
	if (rc == PROV_EFULL && !prov_kv_grow(kv, &err))
		return 0;
	if (!rc)
		*done = n;
	else
		fprintf(stderr, "fill: %s\n", *err.text ? err.text : prov_strerror(rc));
	return rc;
}

int main(int argc, char **argv)
{
	struct prov_statedir *s = NULL;
	struct prov_error err = { 0 };
	struct fill f = { 0 };
	uint64_t done = 0;

	if (argc < 6) {
		fprintf(stderr, "usage: fill STATE FIRST COUNT ACCOUNTS CONNECTOR...\n");
		return 2;
	}
	f.first = strtoull(argv[2], NULL, 10);
	f.count = strtoull(argv[3], NULL, 10);
	f.accounts = strtoull(argv[4], NULL, 10);
	for (int i = 5; i < argc && strlen(f.route) + strlen(argv[i]) + 4 < sizeof(f.route); i++)
		sprintf(f.route + strlen(f.route), "%s\"%s\"", i > 5 ? "," : "", argv[i]);
	int rc = f.accounts ? prov_statedir_open(argv[1], true, &s, &err) : PROV_EINVAL;
	if (rc)
		fprintf(stderr, "fill: %s\n", *err.text ? err.text : prov_strerror(rc));
	while (!rc && done < f.count)
		rc = put_some(prov_statedir_kv(s), &f, &done);
	prov_statedir_close(&s);
	return rc ? 2 : 0;
}
