/*
 * load.c - a bounded load of one kind of LDAP work, and how fast it went.
 *
 *   load URI BINDDN PASSWORD KIND CLIENTS OPERATIONS ACCOUNTS FIRST GROUPS SUFFIX
 *
 * KIND: modify (description of an account), add (account without roles), joiner (an
 * account of the role "bench"; with GROUPS > 0 the client then adds it to that many
 * groups itself, as it must where the server does not), leaver (undoes a joiner),
 * search (by uid), bind. Account numbers for add and joiner begin at FIRST. Prints
 * one JSON line. Loopback only: the caller starts the server.
 */
#include <ldap.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

enum kind { MODIFY, ADD, JOINER, LEAVER, SEARCH, BIND, KINDS };
static const char *const kind_names[KINDS] = { "modify", "add", "joiner", "leaver", "search",
	"bind" };

struct load {
	const char *uri, *dn, *password, *suffix;
	enum kind kind;
	unsigned clients, operations, accounts, first, groups;
};

struct client {
	const struct load *load;
	pthread_t thread;
	pthread_barrier_t *start;
	unsigned number, done, failed;
	char error[128];
	LDAP *ld;
};

static int try_bind(LDAP *ld, const char *dn, const char *password)
{
	struct berval cred = { strlen(password), (char *)password };

	return ldap_sasl_bind_s(ld, dn, LDAP_SASL_SIMPLE, &cred, NULL, NULL, NULL);
}

static int change(LDAP *ld, const char *dn, int op, const char *attr, const char *value)
{
	char *values[] = { (char *)value, NULL };
	LDAPMod mod = { .mod_op = op, .mod_type = (char *)attr, .mod_vals.modv_strvals = values };
	LDAPMod *mods[] = { &mod, NULL };

	return ldap_modify_ext_s(ld, dn, mods, NULL, NULL);
}

static int add_account(struct client *c, unsigned n, const char *dn, const char *department)
{
	char uid[32], mail[64];
	char *oc[] = { "inetOrgPerson", NULL }, *cn[] = { "Bench Person", NULL },
	     *sn[] = { "Person", NULL };
	char *u[] = { uid, NULL }, *m[] = { mail, NULL }, *d[] = { (char *)department, NULL };
	LDAPMod a[] = {
		{ LDAP_MOD_ADD, "objectClass", { oc } },
		{ LDAP_MOD_ADD, "cn", { cn } },
		{ LDAP_MOD_ADD, "sn", { sn } },
		{ LDAP_MOD_ADD, "uid", { u } },
		{ LDAP_MOD_ADD, "mail", { m } },
		{ LDAP_MOD_ADD, "departmentNumber", { d } },
	};
	LDAPMod *mods[] = { &a[0], &a[1], &a[2], &a[3], &a[4], &a[5], NULL };

	snprintf(uid, sizeof(uid), "b%u", n);
	snprintf(mail, sizeof(mail), "b%u@example.com", n);
	return ldap_add_ext_s(c->ld, dn, mods, NULL, NULL);
}

static int one(struct client *c, unsigned i)
{
	const struct load *l = c->load;
	unsigned n = c->number * l->operations + i, who = (n * 7919u) % l->accounts;
	char dn[256], text[64];
	int rc;

	switch (l->kind) {
	case MODIFY:
		snprintf(dn, sizeof(dn), "uid=u%u,ou=people,%s", who, l->suffix);
		snprintf(text, sizeof(text), "changed %u", n);
		return change(c->ld, dn, LDAP_MOD_REPLACE, "description", text);
	case ADD:
	case JOINER:
		n += l->first;
		snprintf(dn, sizeof(dn), "uid=b%u,ou=people,%s", n, l->suffix);
		rc = add_account(c, n, dn, l->kind == JOINER ? "bench" : "none");
		for (unsigned g = 0; rc == LDAP_SUCCESS && l->kind == JOINER && g < l->groups;
			g++) {
			char group[128];
			snprintf(group, sizeof(group), "cn=bench%u,ou=groups,%s", g, l->suffix);
			rc = change(c->ld, group, LDAP_MOD_ADD, "member", dn);
		}
		return rc;
	case LEAVER:
		n += l->first;
		snprintf(dn, sizeof(dn), "uid=b%u,ou=people,%s", n, l->suffix);
		return ldap_delete_ext_s(c->ld, dn, NULL, NULL);
	case SEARCH: {
		LDAPMessage *res = NULL;
		snprintf(text, sizeof(text), "(uid=u%u)", who);
		rc = ldap_search_ext_s(c->ld, l->suffix, LDAP_SCOPE_SUBTREE, text, NULL, 0, NULL,
			NULL, NULL, 0, &res);
		if (rc == LDAP_SUCCESS && ldap_count_entries(c->ld, res) != 1)
			rc = LDAP_NO_SUCH_OBJECT;
		ldap_msgfree(res);
		return rc;
	}
	case BIND:
		snprintf(dn, sizeof(dn), "uid=u%u,ou=people,%s", who, l->suffix);
		return try_bind(c->ld, dn, "secret");
	case KINDS:
		break;
	}
	return LDAP_PARAM_ERROR;
}

static void *run(void *arg)
{
	struct client *c = arg;

	pthread_barrier_wait(c->start);
	for (unsigned i = 0; i < c->load->operations; i++) {
		int rc = one(c, i);
		if (rc == LDAP_SUCCESS) {
			c->done++;
			continue;
		}
		if (!c->failed++) {
			char *text = NULL;
			ldap_get_option(c->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &text);
			snprintf(c->error, sizeof(c->error), "%s: %s", ldap_err2string(rc),
				text ? text : "");
			ldap_memfree(text);
		}
	}
	return NULL;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int open_client(struct client *c)
{
	int version = 3;

	if (ldap_initialize(&c->ld, c->load->uri) != LDAP_SUCCESS)
		return -1;
	ldap_set_option(c->ld, LDAP_OPT_PROTOCOL_VERSION, &version);
	if (c->load->kind == BIND)
		return 0;
	return try_bind(c->ld, c->load->dn, c->load->password) == LDAP_SUCCESS ? 0 : -1;
}

static void report(const struct client *c, unsigned n, double took)
{
	unsigned done = 0, failed = 0;
	const char *error = "";

	for (unsigned i = 0; i < n; i++) {
		done += c[i].done;
		failed += c[i].failed;
		if (c[i].failed)
			error = c[i].error;
	}
	printf("{\"done\":%u,\"failed\":%u,\"seconds\":%.6f,\"rate\":%.2f,\"error\":\"%s\"}\n",
		done, failed, took, took > 0 ? done / took : 0.0, error);
}

int main(int argc, char **argv)
{
	if (argc != 11) {
		fprintf(stderr,
			"usage: load URI BINDDN PASSWORD KIND CLIENTS OPERATIONS ACCOUNTS FIRST GROUPS SUFFIX\n");
		return 2;
	}
	struct load l = { argv[1], argv[2], argv[3], argv[10], KINDS, (unsigned)atoi(argv[5]),
		(unsigned)atoi(argv[6]), (unsigned)atoi(argv[7]), (unsigned)atoi(argv[8]),
		(unsigned)atoi(argv[9]) };
	pthread_barrier_t start;

	for (int k = 0; k < KINDS; k++)
		if (strcmp(argv[4], kind_names[k]) == 0)
			l.kind = (enum kind)k;
	if (l.kind == KINDS || !l.clients || l.clients > 256 || !l.accounts) {
		fprintf(stderr,
			"load: unknown kind \"%s\", or clients not 1..256, or no accounts\n",
			argv[4]);
		return 2;
	}
	struct client *c = calloc(l.clients, sizeof(*c));
	if (!c)
		return 2;
	pthread_barrier_init(&start, NULL, l.clients + 1);
	for (unsigned i = 0; i < l.clients; i++) {
		c[i].load = &l;
		c[i].number = i;
		c[i].start = &start;
		if (open_client(&c[i])) {
			fprintf(stderr, "load: cannot bind to %s as %s\n", l.uri, l.dn);
			return 2;
		}
		pthread_create(&c[i].thread, NULL, run, &c[i]);
	}
	double began = seconds();
	pthread_barrier_wait(&start);
	for (unsigned i = 0; i < l.clients; i++)
		pthread_join(c[i].thread, NULL);
	report(c, l.clients, seconds() - began);
	for (unsigned i = 0; i < l.clients; i++)
		ldap_unbind_ext_s(c[i].ld, NULL, NULL);
	free(c);
	return 0;
}
