/* ldapdir_conn.c - connections of the ldap connector. See ldapdir_conn.h. */
#include "ldapdir_conn.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h" /* provd_monotonic() */
#include "ldapdir_ad.h"
#include "mask.h"
#include "secret.h"

#define IDLE_MOST 8
#define STEP 200        /* ms between two looks whether we are to stop */
#define CONNECT_MOST 10 /* seconds */

struct conn {
	LDAP *ld;
	struct prov_wire *wire;
};

struct prov_ldapdir {
	char *uri, *base, *ca, *cert, *key, *bind_dn, *secret_file;
	unsigned timeout;
	pthread_mutex_t mutex;
	size_t nidle;
	struct conn idle[IDLE_MOST]; /* bound; under mutex */
};

static int copy(const char *from, char **to)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? PROV_ENOMEM : 0;
}

static int take_url(struct prov_ldapdir *d, const char *target, struct prov_error *err)
{
	LDAPURLDesc *u = NULL;
	int rc = 0;

	if (ldap_url_parse(target, &u) != LDAP_SUCCESS || !u->lud_dn || !*u->lud_dn)
		rc = prov_error_set(err, PROV_EINVAL,
			"provTarget: \"%.200s\" is no LDAP URL with a base DN", target);
	else if (copy(u->lud_dn, &d->base))
		rc = prov_error_set(err, PROV_ENOMEM, "no memory");
	if (rc == 0) {
		ldap_memfree(u->lud_dn);
		u->lud_dn = NULL;
		d->uri = ldap_url_desc2str(u);
		if (d->uri) /* "ldap://host:389/??base": all of it behind the host goes */
			d->uri[strcspn(d->uri, "?")] = '\0';
		rc = d->uri ? 0 : prov_error_set(err, PROV_ENOMEM, "no memory");
	}
	ldap_free_urldesc(u);
	return rc;
}

int prov_ldapdir_new(const struct prov_connector *c, struct prov_ldapdir **out,
	struct prov_error *err)
{
	struct prov_ldapdir *d = calloc(1, sizeof(*d));

	*out = d;
	if (!d)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	pthread_mutex_init(&d->mutex, NULL);
	d->timeout = c->timeout;
	int rc = take_url(d, c->target, err);
	if (rc == 0 && !prov_connector_option(c, "bindDn") != !c->secret_file)
		rc = prov_error_set(err, PROV_EINVAL,
			"provSecretFile and the option bindDn go together; without them the bind is SASL EXTERNAL");
	if (rc == 0 &&
		(copy(prov_connector_option(c, "ca"), &d->ca) ||
			copy(prov_connector_option(c, "cert"), &d->cert) ||
			copy(prov_connector_option(c, "key"), &d->key) ||
			copy(prov_connector_option(c, "bindDn"), &d->bind_dn) ||
			copy(c->secret_file, &d->secret_file)))
		rc = prov_error_set(err, PROV_ENOMEM, "no memory");
	if (rc)
		prov_ldapdir_free(out);
	return rc;
}

static void hang_up(struct conn *c)
{
	if (c->wire) /* the farewell is sent at once, or not at all */
		prov_wire_limit(c->wire, provd_monotonic() + STEP, NULL);
	if (c->ld)
		ldap_unbind_ext(c->ld, NULL, NULL);
	c->ld = NULL;
	prov_wire_free(&c->wire);
}

void prov_ldapdir_free(struct prov_ldapdir **dp)
{
	struct prov_ldapdir *d = *dp;

	if (!d)
		return;
	for (size_t i = 0; i < d->nidle; i++)
		hang_up(&d->idle[i]);
	pthread_mutex_destroy(&d->mutex);
	ldap_memfree(d->uri);
	free(d->base);
	free(d->ca);
	free(d->cert);
	free(d->key);
	free(d->bind_dn);
	free(d->secret_file);
	free(d);
	*dp = NULL;
}

const char *prov_ldapdir_base(const struct prov_ldapdir *d)
{
	return d->base;
}

int prov_ldapdir_fail_code(struct prov_ldapdir_call *call, const char *what)
{
	const char *hint = prov_ldapdir_ad_hint(call->text);

	prov_result_fail(call->out, "%s: %s%s%s%s%.150s", what, ldap_err2string(call->code),
		hint ? ": " : "", hint ? hint : "", *call->text ? ": " : "", call->text);
	if (call->code == LDAP_BUSY || call->code == LDAP_UNAVAILABLE)
		call->out->outcome = PROV_OUTCOME_AGAIN;
	return -1;
}

char *prov_ldapdir_rdn(const char *attr, const char *value)
{
	LDAPAVA ava = { { strlen(attr), (char *)(uintptr_t)attr },
		{ strlen(value), (char *)(uintptr_t)value }, LDAP_AVA_STRING, NULL };
	LDAPAVA *rdn[] = { &ava, NULL };
	char *text = NULL;

	return ldap_rdn2str(rdn, &text, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS ? text : NULL;
}

char *prov_ldapdir_assertion(const char *attr, const char *value)
{
	struct berval v = { strlen(value), (char *)(uintptr_t)value }, escaped = { 0, NULL };
	char *text = NULL;

	if (ldap_bv2escaped_filter_value(&v, &escaped) || !escaped.bv_val ||
		asprintf(&text, "(%s=%s)", attr, escaped.bv_val) < 0)
		text = NULL;
	ldap_memfree(escaped.bv_val);
	return text;
}

static void drop(struct prov_ldapdir_call *call)
{
	struct conn c = { call->ld, call->wire };

	hang_up(&c);
	call->ld = NULL;
	call->wire = NULL;
}

static int take_result(struct prov_ldapdir_call *call, LDAPMessage *m)
{
	char *text = NULL;
	int rc = ldap_parse_result(call->ld, m, &call->code, NULL, &text, NULL, NULL, 0);

	snprintf(call->text, sizeof(call->text), "%s", text ? text : "");
	ldap_memfree(text);
	return rc == LDAP_SUCCESS ? 0 : prov_result_fail(call->out, "%s", ldap_err2string(rc));
}

/* There is no answer: why not, as well as it is known. */
static void lost(struct prov_ldapdir_call *call, int rc)
{
	const char *why = prov_wire_why(call->wire);
	char *text = NULL;

	if (!why)
		ldap_get_option(call->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &text);
	if (!why && text && *text && *text != '(') /* "(unknown error code)" */
		why = text;
	prov_result_fail(call->out, "%s%s%.150s", ldap_err2string(rc), why ? ": " : "",
		why ? why : "");
	ldap_memfree(text);
}

int prov_ldapdir_wait(struct prov_ldapdir_call *call, int rc, const int *id, LDAPMessage **res)
{
	LDAPMessage *m = NULL;
	int kind = 0;

	if (res)
		*res = NULL;
	while (rc == LDAP_SUCCESS && kind == 0) {
		struct timeval step = { 0, STEP * 1000 };
		if (atomic_load(call->cancel) || provd_monotonic() >= call->until) {
			ldap_abandon_ext(call->ld, *id, NULL, NULL);
			drop(call);
			return prov_result_fail(call->out, "no answer in time");
		}
		kind = ldap_result(call->ld, *id, LDAP_MSG_ALL, &step, &m);
	}
	if (rc == LDAP_SUCCESS && kind < 0)
		ldap_get_option(call->ld, LDAP_OPT_RESULT_CODE, &rc);
	if (rc != LDAP_SUCCESS) {
		lost(call, rc);
		drop(call);
		return -1;
	}
	rc = take_result(call, m);
	if (res && rc == 0)
		*res = m;
	else
		ldap_msgfree(m);
	return rc;
}

int prov_ldapdir_exists(struct prov_ldapdir_call *call, const char *dn, const char *filter,
	bool *there)
{
	static char none[] = LDAP_NO_ATTRS;
	char *attrs[] = { none, NULL };
	LDAPMessage *res = NULL;
	int id = 0;
	int rc = prov_ldapdir_wait(call,
		ldap_search_ext(call->ld, dn, LDAP_SCOPE_BASE, filter, attrs, 0, NULL, NULL, NULL,
			1, &id),
		&id, &res);

	*there = rc == 0 && ldap_count_entries(call->ld, res) > 0;
	ldap_msgfree(res);
	if (rc == 0 && call->code != LDAP_SUCCESS && call->code != LDAP_NO_SUCH_OBJECT)
		rc = prov_ldapdir_fail_code(call, "search for an entry");
	return rc;
}

static int set_tls(const struct prov_ldapdir *d, LDAP *ld)
{
	int demand = LDAP_OPT_X_TLS_DEMAND, client = 0;
	int rc = ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand);

	if (rc == 0 && d->ca)
		rc = ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTFILE, d->ca);
	if (rc == 0 && d->cert) {
		rc = ldap_set_option(ld, LDAP_OPT_X_TLS_CERTFILE, d->cert);
		if (rc == 0)
			rc = ldap_set_option(ld, LDAP_OPT_X_TLS_KEYFILE, d->key ? d->key : d->cert);
	}
	return rc ? rc : ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &client);
}

static int start_tls(struct prov_ldapdir_call *call)
{
	const struct prov_ldapdir *d = call->dir;
	bool local = strncasecmp(d->uri, "ldapi:", 6) == 0;
	int rc = local ? 0 : set_tls(d, call->ld);

	if (rc)
		return prov_result_fail(call->out, "TLS: %s (certificate files?)",
			ldap_err2string(rc));
	if (local || strncasecmp(d->uri, "ldaps:", 6) == 0)
		return 0;
	rc = ldap_start_tls_s(call->ld, NULL, NULL);
	if (rc == LDAP_SUCCESS)
		return 0;
	char *text = NULL;
	ldap_get_option(call->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &text);
	prov_result_fail(call->out, "StartTLS: %s%s%.150s", ldap_err2string(rc), text ? ": " : "",
		text ? text : "");
	ldap_memfree(text);
	return -1;
}

static int bind_simple(struct prov_ldapdir_call *call)
{
	const struct prov_ldapdir *d = call->dir;
	struct prov_error err = { 0 };
	char *secret = NULL;
	size_t room = 0;
	int id = 0;

	if (prov_secret_line(d->secret_file, &secret, &room, &err))
		return prov_result_fail(call->out, "%s", err.text);
	struct berval cred = { strlen(secret), secret };
	int rc = -1;
	if (cred.bv_len == 0) /* RFC 4513, 5.1.2: that would be no authentication at all */
		prov_result_fail(call->out, "%s: its first line is empty", d->secret_file);
	else
		rc = prov_ldapdir_wait(call,
			ldap_sasl_bind(call->ld, d->bind_dn, LDAP_SASL_SIMPLE, &cred, NULL, NULL,
				&id),
			&id, NULL);
	prov_mask(call->text, strlen(call->text), secret); /* some repeat it */
	prov_secret_free(&secret, room);
	return rc;
}

static int bind_external(struct prov_ldapdir_call *call)
{
	struct berval none = { 0, NULL };
	int id = 0;

	return prov_ldapdir_wait(call,
		ldap_sasl_bind(call->ld, NULL, "EXTERNAL", &none, NULL, NULL, &id), &id, NULL);
}

static int dial(struct prov_ldapdir_call *call)
{
	const struct prov_ldapdir *d = call->dir;
	int version = LDAP_VERSION3;
	unsigned secs = d->timeout < CONNECT_MOST ? d->timeout : CONNECT_MOST;
	struct timeval wait = { (time_t)secs, 0 };

	if (ldap_initialize(&call->ld, d->uri) != LDAP_SUCCESS)
		return prov_result_fail(call->out, "%s: cannot be used", d->uri);
	if (prov_wire_new(call->ld, &call->wire))
		return prov_result_fail(call->out, "no memory");
	prov_wire_limit(call->wire, call->until, call->cancel);
	ldap_set_option(call->ld, LDAP_OPT_PROTOCOL_VERSION, &version);
	ldap_set_option(call->ld, LDAP_OPT_NETWORK_TIMEOUT, &wait);
	ldap_set_option(call->ld, LDAP_OPT_TIMEOUT, &wait);
	ldap_set_option(call->ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
	ldap_set_option(call->ld, LDAP_OPT_RESTART, LDAP_OPT_ON);
	if (start_tls(call) || (d->bind_dn ? bind_simple(call) : bind_external(call)))
		return -1;
	return call->code == LDAP_SUCCESS ? 0 : prov_ldapdir_fail_code(call, "bind");
}

/* Is a connection that was kept still one? An answer to any question will do. */
static bool alive(struct prov_ldapdir_call *call)
{
	static char none[] = LDAP_NO_ATTRS;
	char *attrs[] = { none, NULL };
	struct prov_result scrap = { 0 }, *out = call->out;
	int id = 0;

	call->out = &scrap;
	int rc = prov_ldapdir_wait(call,
		ldap_search_ext(call->ld, "", LDAP_SCOPE_BASE, NULL, attrs, 0, NULL, NULL, NULL, 1,
			&id),
		&id, NULL);
	call->out = out;
	return rc == 0;
}

int prov_ldapdir_begin(struct prov_ldapdir_call *call)
{
	struct prov_ldapdir *d = call->dir;

	call->until = provd_monotonic() + (int64_t)d->timeout * 1000;
	pthread_mutex_lock(&d->mutex);
	struct conn kept = { NULL, NULL };
	if (d->nidle)
		kept = d->idle[--d->nidle];
	pthread_mutex_unlock(&d->mutex);
	call->ld = kept.ld;
	call->wire = kept.wire;
	if (kept.ld)
		prov_wire_limit(kept.wire, call->until, call->cancel);
	if (kept.ld && alive(call))
		return 0;
	drop(call);
	return dial(call);
}

void prov_ldapdir_end(struct prov_ldapdir_call *call)
{
	struct prov_ldapdir *d = call->dir;

	pthread_mutex_lock(&d->mutex);
	if (call->ld && call->out->outcome == PROV_OUTCOME_DONE && d->nidle < IDLE_MOST) {
		d->idle[d->nidle++] = (struct conn){ call->ld, call->wire };
		prov_wire_limit(call->wire, 0, NULL);
		call->ld = NULL;
		call->wire = NULL;
	}
	pthread_mutex_unlock(&d->mutex);
	drop(call);
}
