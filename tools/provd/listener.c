/* listener.c - an HTTPS listener of our own. See listener.h. */
#include "listener.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netdb.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "daemon.h" /* provd_monotonic() */
#include "door.h"
#include "log.h"
#include "secret.h"

#define CONNECTIONS 48
#define FROM_ONE_ADDRESS 24
#define PATIENCE 60     /* seconds that an idle connection is kept */
#define LOOK_EVERY 5000 /* ms between two looks at the files */
#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

enum { CERT, KEY, CLIENT_CA, FILES };

struct material { /* what the files hold */
	char *cert, *key, *client_ca;
	size_t key_len;
};

struct prov_listener {
	char *listen, *file[FILES];
	struct addrinfo *address; /* listen, understood */
	struct prov_listener_use use;
	struct prov_door *door;
	struct stat seen[FILES];
	struct MHD_Daemon *server; /* of the watch once that runs */
	pthread_t watch;
	bool watched;
	pthread_mutex_t mutex; /* of what follows */
	pthread_cond_t changed;
	bool stop;
};

static int find_address(const char *text, struct addrinfo **out)
{
	static const struct addrinfo hints = { .ai_flags =
						       AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM };
	const char *colon = strrchr(text, ':'), *host = text;
	size_t n = colon ? (size_t)(colon - text) : 0;
	char name[64] = "127.0.0.1";

	*out = NULL;
	if (n >= 2 && *host == '[' && host[n - 1] == ']') {
		host++;
		n -= 2;
	} else if (colon && memchr(host, ':', n)) {
		return PROV_EINVAL; /* an IPv6 address without its brackets */
	}
	if (n >= sizeof(name) || (colon && n == 0))
		return PROV_EINVAL;
	if (colon)
		snprintf(name, sizeof(name), "%.*s", (int)n, host);
	return getaddrinfo(name, colon ? colon + 1 : text, &hints, out) ? PROV_EINVAL : 0;
}

static int copy(const char *from, char **to)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? PROV_ENOMEM : 0;
}

int prov_listener_new(const struct prov_listener_settings *s, const struct prov_listener_use *use,
	struct prov_listener **out, struct prov_error *err)
{
	struct prov_listener *l = calloc(1, sizeof(*l));
	pthread_condattr_t attr;

	*out = l;
	if (!l)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	pthread_mutex_init(&l->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->changed, &attr);
	pthread_condattr_destroy(&attr);
	l->use = *use;
	int rc = 0;
	if (!s->listen || find_address(s->listen, &l->address))
		rc = prov_error_set(err, PROV_EINVAL,
			"provOption: listen=%.60s: want ADDRESS:PORT, [ADDRESS]:PORT or PORT",
			s->listen ? s->listen : "");
	else if (!s->cert)
		rc = prov_error_set(err, PROV_EINVAL, "provOption: cert= is missing");
	else if (!(l->door = prov_door_new()) || copy(s->listen, &l->listen) ||
		copy(s->cert, &l->file[CERT]) || copy(s->key ? s->key : s->cert, &l->file[KEY]) ||
		copy(s->client_ca, &l->file[CLIENT_CA]))
		rc = prov_error_set(err, PROV_ENOMEM, "no memory");
	if (rc)
		prov_listener_free(out);
	return rc;
}

/* Certificates, which anybody may read. */
static int read_text(const char *file, char **out, struct prov_error *err)
{
	FILE *f = fopen(file, "re");
	size_t n = 0;
	char *text = NULL;

	if (f && getdelim(&text, &n, '\0', f) < 0) {
		free(text);
		text = NULL;
	}
	if (f)
		fclose(f);
	*out = text;
	return text ? 0 : prov_error_set(err, PROV_EIO, "%s: cannot be read", file);
}

static void dispose(struct material *m)
{
	free(m->cert);
	free(m->client_ca);
	prov_secret_free(&m->key, m->key_len);
	memset(m, 0, sizeof(*m));
}

static gnutls_datum_t datum(char *text)
{
	return (gnutls_datum_t){ (unsigned char *)text, (unsigned)strlen(text) };
}

/* Would they do? Asked before the old ones are given up. */
static int check(const struct prov_listener *l, const struct material *m, struct prov_error *err)
{
	gnutls_certificate_credentials_t c = NULL;
	gnutls_datum_t cert = datum(m->cert), key = datum(m->key), ca;
	int rc = 0, why = gnutls_certificate_allocate_credentials(&c);

	if (why == 0)
		why = gnutls_certificate_set_x509_key_mem2(c, &cert, &key, GNUTLS_X509_FMT_PEM,
			NULL, 0);
	if (why < 0)
		rc = prov_error_set(err, PROV_EINVAL, "%s: is it a certificate with its key? (%s)",
			l->file[CERT], gnutls_strerror(why));
	if (rc == 0 && m->client_ca) {
		ca = datum(m->client_ca);
		why = gnutls_certificate_set_x509_trust_mem(c, &ca, GNUTLS_X509_FMT_PEM);
		if (why <= 0)
			rc = prov_error_set(err, PROV_EINVAL, "%s: no certificate in it",
				l->file[CLIENT_CA]);
	}
	if (c)
		gnutls_certificate_free_credentials(c);
	return rc;
}

static int load(const struct prov_listener *l, struct material *m, struct prov_error *err)
{
	memset(m, 0, sizeof(*m));
	int rc = read_text(l->file[CERT], &m->cert, err);

	if (rc == 0)
		rc = prov_secret_read(l->file[KEY], &m->key, &m->key_len, err);
	if (rc == 0 && l->file[CLIENT_CA])
		rc = read_text(l->file[CLIENT_CA], &m->client_ca, err);
	if (rc == 0)
		rc = check(l, m, err);
	if (rc)
		dispose(m);
	return rc;
}

static int begin(struct prov_listener *l, const struct material *m, struct prov_error *err)
{
	const struct addrinfo *a = l->address;
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
		MHD_USE_POLL | MHD_USE_TLS | (a->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0u);
	struct MHD_OptionItem trust[] = {
		{ m->client_ca ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, m->client_ca },
		{ MHD_OPTION_END, 0, NULL },
	};

	l->server = MHD_start_daemon(flags, 0, NULL, NULL, l->use.answer, l->use.ctx,
		MHD_OPTION_SOCK_ADDR, a->ai_addr, MHD_OPTION_HTTPS_MEM_CERT, m->cert,
		MHD_OPTION_HTTPS_MEM_KEY, m->key, MHD_OPTION_HTTPS_PRIORITIES, PRIORITIES,
		MHD_OPTION_ARRAY, trust, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u,
		MHD_OPTION_NOTIFY_COMPLETED, l->use.completed, l->use.ctx,
		MHD_OPTION_NOTIFY_CONNECTION, prov_door_notify, l->door,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)FROM_ONE_ADDRESS,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)PATIENCE, MHD_OPTION_END);
	return l->server ? 0
			 : prov_error_set(err, PROV_EIO, "cannot listen at %s: %s", l->listen,
				   strerror(errno));
}

static void end(struct prov_listener *l)
{
	if (!l->server)
		return;
	l->use.hurry(l->use.ctx, true);
	MHD_stop_daemon(l->server);
	l->server = NULL;
	l->use.hurry(l->use.ctx, false);
}

/* Are the files others than when last asked? */
static bool look(struct prov_listener *l)
{
	bool other = false;

	for (size_t i = 0; i < FILES; i++) {
		struct stat st = { 0 };
		if (!l->file[i] || stat(l->file[i], &st))
			continue;
		const struct stat *had = &l->seen[i];
		other = other || st.st_ino != had->st_ino || st.st_size != had->st_size ||
			st.st_mtim.tv_sec != had->st_mtim.tv_sec ||
			st.st_mtim.tv_nsec != had->st_mtim.tv_nsec;
		l->seen[i] = st;
	}
	return other;
}

/* A file may be there before the other: then what was there stays, and the next look finds both. */
static void renew(struct prov_listener *l)
{
	struct prov_error err = { 0 };
	struct material m;
	int rc = load(l, &m, &err);

	if (rc == 0) {
		end(l);
		rc = begin(l, &m, &err);
		dispose(&m);
	}
	prov_log(rc ? LOG_WARNING : LOG_INFO, "event=certificate listen=%s text=\"%s\"", l->listen,
		rc ? err.text : "listening with the new files");
	if (!l->server)
		memset(l->seen, 0, sizeof(l->seen)); /* again at the next look */
}

static void *watch(void *arg)
{
	struct prov_listener *l = arg;
	int64_t look_at = provd_monotonic() + LOOK_EVERY;

	pthread_mutex_lock(&l->mutex);
	while (!l->stop) {
		int64_t next = provd_monotonic() + 1000; /* strangers come while we sleep */
		struct timespec t = { next / 1000, next % 1000 * 1000000 };
		pthread_cond_timedwait(&l->changed, &l->mutex, &t);
		if (l->stop)
			break;
		pthread_mutex_unlock(&l->mutex);
		prov_door_sweep(l->door);
		if (provd_monotonic() >= look_at) {
			if (look(l))
				renew(l);
			look_at = provd_monotonic() + LOOK_EVERY;
		}
		pthread_mutex_lock(&l->mutex);
	}
	pthread_mutex_unlock(&l->mutex);
	return NULL;
}

int prov_listener_start(struct prov_listener *l, struct prov_error *err)
{
	struct material m;

	look(l);
	int rc = load(l, &m, err);
	if (rc)
		return rc;
	rc = begin(l, &m, err);
	dispose(&m);
	if (rc == 0 && pthread_create(&l->watch, NULL, watch, l))
		return prov_error_set(err, PROV_EIO, "cannot make a thread");
	l->watched = rc == 0;
	return rc;
}

void prov_listener_free(struct prov_listener **lp)
{
	struct prov_listener *l = *lp;

	if (!l)
		return;
	pthread_mutex_lock(&l->mutex);
	l->stop = true;
	pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->mutex);
	if (l->watched)
		pthread_join(l->watch, NULL);
	end(l);
	prov_door_free(&l->door);
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->mutex);
	if (l->address)
		freeaddrinfo(l->address);
	free(l->listen);
	for (size_t i = 0; i < FILES; i++)
		free(l->file[i]);
	free(l);
	*lp = NULL;
}

bool prov_listener_verified(const struct prov_listener *l, struct MHD_Connection *c)
{
	gnutls_typed_vdata_st purpose = { GNUTLS_DT_KEY_PURPOSE_OID,
		(unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT, 0 };
	unsigned status = 0;

	if (!l->file[CLIENT_CA])
		return true;
	const union MHD_ConnectionInfo *i =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	return i && gnutls_certificate_verify_peers(i->tls_session, &purpose, 1, &status) == 0 &&
		status == 0;
}

void prov_listener_let_in(struct prov_listener *l, struct MHD_Connection *c)
{
	prov_door_let_in(l->door, c);
}
