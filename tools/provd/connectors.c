/* connectors.c - the connectors as the directory has them now. See connectors.h. */
#include "connectors.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "argv.h"
#include "confine.h"
#include "exec_limits.h"
#include "toolschema.h"

#define FILTER "(objectClass=provConnector)"

struct provd_loader {
	struct prov_ldap_options ldap;
	struct prov_toolschema *schema;
	int fd; /* eventfd */
	bool busy;
	pthread_t thread;
	char *suffix;
	struct provd_connectors *set; /* the thread's answer */
	struct prov_error err;
	int rc;
};

void provd_connector_free(struct provd_connector **cp)
{
	struct provd_connector *c = *cp;
	*cp = NULL;
	if (!c || --c->holders)
		return;
	if (c->ops && c->self)
		c->ops->close(c->self);
	prov_arena_dispose(&c->arena);
	free(c->argv);
	free(c);
}

void provd_connector_unusable(struct provd_connector *c, const char *why)
{
	c->c = NULL;
	snprintf(c->problem, sizeof(c->problem), "%.*s", (int)sizeof(c->problem) - 1, why);
}

struct provd_connector *provd_connector_hold(struct provd_connector *c)
{
	c->holders++;
	return c;
}

void provd_connectors_free(struct provd_connectors **sp)
{
	struct provd_connectors *s = *sp;
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		provd_connector_free(&s->item[i]);
	free(s->item);
	free(s);
	*sp = NULL;
}

/* One attribute of an LDAP entry, copied into the arena. */
static int copy_attr(LDAP *ld, LDAPMessage *m, const char *name, const struct prov_schema *schema,
	struct prov_arena *arena, struct prov_attr *out)
{
	int rc = 0;
	struct berval **v = ldap_get_values_len(ld, m, name);
	size_t n = v ? (size_t)ldap_count_values_len(v) : 0;
	struct prov_val *val = prov_arena_array(arena, n + 1, sizeof(*val));
	struct prov_val *nval = prov_arena_array(arena, n + 1, sizeof(*nval));

	out->type = schema->type(schema->ctx, name, strlen(name));
	if (!val || !nval || !out->type)
		rc = PROV_ENOMEM;
	for (size_t i = 0; !rc && i < n; i++) {
		val[i].len = v[i]->bv_len;
		val[i].data = prov_arena_strndup(arena, v[i]->bv_val, v[i]->bv_len);
		rc = val[i].data ? schema->normalize(schema->ctx, out->type, PROV_NORM_EQUALITY,
					   val[i], arena, &nval[i])
				 : PROV_ENOMEM;
	}
	out->n = n;
	out->val = val;
	out->nval = nval;
	if (v)
		ldap_value_free_len(v);
	return rc;
}

static int copy_entry(LDAP *ld, LDAPMessage *m, const struct prov_schema *schema,
	struct prov_arena *arena, struct prov_entry *out)
{
	BerElement *ber = NULL;
	size_t n = 0, i = 0;
	int rc = 0;

	for (char *a = ldap_first_attribute(ld, m, &ber); a; a = ldap_next_attribute(ld, m, ber)) {
		n++;
		ldap_memfree(a);
	}
	ber_free(ber, 0);
	ber = NULL;
	struct prov_attr *attr = prov_arena_array(arena, n + 1, sizeof(*attr));
	char *dn = ldap_get_dn(ld, m);
	char *copy = attr && dn ? prov_arena_strndup(arena, dn, strlen(dn)) : NULL;
	ldap_memfree(dn);
	if (!copy)
		return PROV_ENOMEM;
	for (char *a = ldap_first_attribute(ld, m, &ber); a; a = ldap_next_attribute(ld, m, ber)) {
		if (!rc && i < n)
			rc = copy_attr(ld, m, a, schema, arena, &attr[i++]);
		ldap_memfree(a);
	}
	ber_free(ber, 0);
	out->dn = out->ndn = prov_val_str(copy);
	out->attr = attr;
	out->n = i;
	return rc;
}

static int open_kind(struct provd_connector *c, struct prov_error *err)
{
	c->ops = prov_kind_find(c->c->type);
	if (c->ops)
		return c->ops->open(c->c, &c->self, err);
	char **argv = NULL;
	int rc = prov_argv_split(c->c->target, &argv, err);
	if (rc)
		return rc;
	rc = prov_confine_check(PROV_CONFINE_PROGRAMS, argv[0], err);
	if (rc == 0)
		return prov_exec_limits(c->c, argv, &c->argv, err);
	free(argv);
	return rc;
}

/* What is wrong with one entry stays with that entry. */
static int load_one(LDAP *ld, LDAPMessage *m, const struct prov_schema *schema,
	struct provd_connector **out)
{
	struct prov_error err = { 0 };
	struct prov_entry e = { 0 };
	struct provd_connector *c = calloc(1, sizeof(*c));
	*out = c;
	if (!c)
		return PROV_ENOMEM;
	c->holders = 1;
	char *cn = prov_ldap_first(ld, m, "cn"), *csn = prov_ldap_first(ld, m, "entryCSN");
	snprintf(c->name, sizeof(c->name), "%s", cn ? cn : "");
	snprintf(c->csn, sizeof(c->csn), "%s", csn ? csn : "");
	free(cn);
	free(csn);
	int rc = copy_entry(ld, m, schema, &c->arena, &e);
	if (rc)
		return rc;
	rc = prov_connector_compile(&e, schema, &c->arena, &c->c, &err);
	if (!rc) {
		snprintf(c->name, sizeof(c->name), "%s", c->c->name);
		rc = open_kind(c, &err);
	}
	if (rc == PROV_ENOMEM)
		return rc;
	if (rc)
		provd_connector_unusable(c, err.text);
	return 0;
}

/* Where to search: the policy base when the server tells, else the whole suffix. */
static int find_base(LDAP *ld, const char *suffix, char **out, struct prov_error *err)
{
	struct prov_ldap_server server = { 0 };
	int rc = prov_ldap_server_ask(ld, suffix, &server, err);
	const char *base = server.policy ? server.policy : server.suffix ? server.suffix : suffix;
	if (rc && (rc != PROV_ENOENT || !suffix))
		return rc;
	*out = strdup(base);
	prov_ldap_server_dispose(&server);
	return *out ? 0 : prov_error_set(err, PROV_ENOMEM, "no memory");
}

/* Two that listen at the same place would take each other's requests. */
static void refuse_shared_listeners(struct provd_connectors *set)
{
	for (size_t i = 0; i < set->n; i++) {
		struct provd_connector *c = set->item[i];
		const char *a = c && c->c ? prov_connector_option(c->c, "listen") : NULL;
		char why[256];
		for (size_t k = 0; a && c->c && k < i; k++) {
			const struct provd_connector *o = set->item[k];
			const char *b = o && o->c ? prov_connector_option(o->c, "listen") : NULL;
			if (!b || strcmp(a, b) != 0)
				continue;
			snprintf(why, sizeof(why),
				"provOption: listen=%.60s: connector %.120s listens there already",
				a, o->name);
			provd_connector_unusable(c, why);
		}
	}
}

static int load_all(LDAP *ld, const char *base, const struct prov_schema *schema,
	struct provd_connectors *set, struct prov_error *err)
{
	static char all[] = LDAP_ALL_USER_ATTRIBUTES, csn[] = "entryCSN";
	char *attrs[] = { all, csn, NULL };
	LDAPMessage *res = NULL;
	int rc = prov_ldap_error(ld,
		ldap_search_ext_s(ld, base, LDAP_SCOPE_SUBTREE, FILTER, attrs, 0, NULL, NULL, NULL,
			0, &res),
		err, "search for connectors below %s", base);
	if (rc)
		goto out;
	set->item = calloc((size_t)ldap_count_entries(ld, res) + 1, sizeof(*set->item));
	if (!set->item) {
		rc = prov_error_set(err, PROV_ENOMEM, "no memory");
		goto out;
	}
	for (LDAPMessage *m = ldap_first_entry(ld, res); m && !rc; m = ldap_next_entry(ld, m)) {
		rc = load_one(ld, m, schema, &set->item[set->n++]);
		if (rc)
			prov_error_set(err, rc, "no memory");
	}
	if (!rc)
		refuse_shared_listeners(set);
out:
	ldap_msgfree(res);
	return rc;
}

static void *ask(void *arg)
{
	struct provd_loader *l = arg;
	LDAP *ld = NULL;
	char *base = NULL;

	l->rc = prov_ldap_connect(&l->ldap, &ld, &l->err);
	if (!l->rc)
		l->rc = find_base(ld, l->suffix, &base, &l->err);
	if (!l->rc)
		l->rc = load_all(ld, base, prov_toolschema_schema(l->schema), l->set, &l->err);
	free(base);
	prov_ldap_close(&ld);
	if (eventfd_write(l->fd, 1))
		return NULL; /* cannot be: the counter is never near its end */
	return NULL;
}

int provd_loader_new(const struct prov_ldap_options *ldap, struct provd_loader **out, int *fd,
	struct prov_error *err)
{
	struct provd_loader *l = calloc(1, sizeof(*l));
	*out = NULL;
	if (!l || prov_toolschema_new(&l->schema)) {
		free(l);
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	}
	l->ldap = *ldap;
	l->ldap.quiet = true;
	l->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->fd < 0) {
		prov_toolschema_free(&l->schema);
		free(l);
		return prov_error_set(err, PROV_EIO, "eventfd: %s", strerror(errno));
	}
	*fd = l->fd;
	*out = l;
	return 0;
}

bool provd_loader_busy(const struct provd_loader *l)
{
	return l->busy;
}

int provd_loader_start(struct provd_loader *l, const char *suffix, struct prov_error *err)
{
	if (l->busy)
		return prov_error_set(err, PROV_EBUSY, "connectors are being loaded");
	free(l->suffix);
	l->suffix = suffix ? strdup(suffix) : NULL;
	l->set = calloc(1, sizeof(*l->set));
	memset(&l->err, 0, sizeof(l->err));
	if (!l->set || (suffix && !l->suffix)) {
		provd_connectors_free(&l->set);
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	}
	int rc = pthread_create(&l->thread, NULL, ask, l);
	if (rc) {
		provd_connectors_free(&l->set);
		return prov_error_set(err, PROV_EIO, "thread: %s", strerror(rc));
	}
	l->busy = true;
	return 0;
}

int provd_loader_finish(struct provd_loader *l, struct provd_connectors **out,
	struct prov_error *err)
{
	eventfd_t n = 0;
	*out = NULL;
	if (!l->busy || eventfd_read(l->fd, &n))
		return prov_error_set(err, PROV_EBUSY, "no answer yet");
	pthread_join(l->thread, NULL);
	l->busy = false;
	if (l->rc) {
		provd_connectors_free(&l->set);
		return prov_error_set(err, l->rc, "%s", l->err.text);
	}
	*out = l->set;
	l->set = NULL;
	return 0;
}

void provd_loader_free(struct provd_loader **lp)
{
	struct provd_loader *l = *lp;
	if (!l)
		return;
	if (l->busy)
		pthread_join(l->thread, NULL);
	provd_connectors_free(&l->set);
	prov_toolschema_free(&l->schema);
	free(l->suffix);
	close(l->fd);
	free(l);
	*lp = NULL;
}
