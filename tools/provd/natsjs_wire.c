/* natsjs_wire.c - a connection read by lines and by bytes. See natsjs_wire.h. */
#include "natsjs_wire.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon.h" /* provd_monotonic() */

#define STEP 100 /* ms between looks at cancel */

static int lost(struct prov_error *err)
{
	return prov_error_set(err, PROV_EIO, "the server has closed the connection");
}

static int wait_for(struct prov_wire *w, short events, int64_t until, struct prov_error *err)
{
	struct pollfd fd = { w->fd, events, 0 };

	for (;;) {
		int64_t left = until - provd_monotonic();
		if (left <= 0 || atomic_load(w->cancel))
			return prov_error_set(err, PROV_EIO, "no answer in time");
		int n = poll(&fd, 1, left < STEP ? (int)left : STEP);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return prov_error_set(err, PROV_EIO, "poll: %s", strerror(errno));
	}
}

static int dial(struct prov_wire *w, const struct addrinfo *a, int64_t until,
	struct prov_error *err)
{
	int on = 1, code = 0;
	socklen_t len = sizeof(code);

	w->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (w->fd < 0)
		return prov_error_set(err, PROV_EIO, "socket: %s", strerror(errno));
	if (connect(w->fd, a->ai_addr, a->ai_addrlen) && errno != EINPROGRESS)
		return prov_error_set(err, PROV_EIO, "%s", strerror(errno));
	int rc = wait_for(w, POLLOUT, until, err);
	if (rc)
		return rc;
	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &code, &len) || code)
		return prov_error_set(err, PROV_EIO, "%s", strerror(code ? code : errno));
	setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return 0;
}

int prov_wire_connect(struct prov_wire *w, const char *host, const char *port,
	struct prov_error *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *list = NULL;
	int64_t count = 0;

	w->fd = -1;
	w->buf = malloc(PROV_WIRE_ROOM + 1);
	if (!w->buf)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	int rc = getaddrinfo(host, port, &hints, &list);
	if (rc)
		return prov_error_set(err, PROV_EIO, "%s", gai_strerror(rc));
	for (const struct addrinfo *a = list; a; a = a->ai_next)
		count++;
	rc = PROV_EIO;
	for (const struct addrinfo *a = list; a && rc; a = a->ai_next, count--) {
		int64_t now = provd_monotonic();
		if (w->fd >= 0)
			close(w->fd);
		w->fd = -1;
		rc = dial(w, a, now + (w->until - now) / count, err);
	}
	freeaddrinfo(list);
	return rc;
}

/* What OpenSSL says, or errno; its queue is empty then. */
static int tls_error(const struct prov_wire *w, struct prov_error *err, const char *what)
{
	long verify = w->ssl ? SSL_get_verify_result(w->ssl) : X509_V_OK;
	unsigned long code = ERR_peek_last_error();
	const char *why = verify != X509_V_OK ? X509_verify_cert_error_string(verify)
		: code                        ? ERR_reason_error_string(code)
		: errno                       ? strerror(errno)
					      : "the connection was closed";

	prov_error_set(err, PROV_EIO, "%s: %s", what, why ? why : "unknown error");
	ERR_clear_error();
	return PROV_EIO;
}

/* After an operation that returned n: 0: try it again. */
static int tls_again(struct prov_wire *w, int n, const char *what, struct prov_error *err)
{
	int why = SSL_get_error(w->ssl, n);

	if (why == SSL_ERROR_WANT_READ)
		return wait_for(w, POLLIN, w->until, err);
	if (why == SSL_ERROR_WANT_WRITE)
		return wait_for(w, POLLOUT, w->until, err);
	return why == SSL_ERROR_ZERO_RETURN ? lost(err) : tls_error(w, err, what);
}

static int load_files(const struct prov_wire *w, SSL_CTX *ctx, const struct prov_wire_tls *tls,
	struct prov_error *err)
{
	const char *key = tls->key ? tls->key : tls->cert;

	if (tls->ca ? !SSL_CTX_load_verify_locations(ctx, tls->ca, NULL)
		    : !SSL_CTX_set_default_verify_paths(ctx))
		return tls_error(w, err, tls->ca ? tls->ca : "certificates of authorities");
	if (tls->cert && SSL_CTX_use_certificate_chain_file(ctx, tls->cert) != 1)
		return tls_error(w, err, tls->cert);
	if (key &&
		(SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
			SSL_CTX_check_private_key(ctx) != 1))
		return tls_error(w, err, key);
	return 0;
}

/* RFC 6125; an address is looked for among the addresses in the certificate. */
static bool expect_host(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
		return true;
	ERR_clear_error();
	return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 &&
		SSL_set_tlsext_host_name(ssl, host) == 1;
}

static int handshake(struct prov_wire *w, struct prov_error *err)
{
	int n = 0, rc = 0;

	while (rc == 0 && (errno = 0, ERR_clear_error(), n = SSL_connect(w->ssl)) != 1)
		rc = tls_again(w, n, "TLS", err);
	return rc;
}

int prov_wire_secure(struct prov_wire *w, const struct prov_wire_tls *tls, const char *host,
	struct prov_error *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	int rc = load_files(w, ctx, tls, err);
	if (rc == 0) {
		w->ssl = SSL_new(ctx);
		if (!w->ssl || !expect_host(w->ssl, host) || SSL_set_fd(w->ssl, w->fd) != 1)
			rc = tls_error(w, err, "TLS");
	}
	SSL_CTX_free(ctx); /* counted: ssl keeps it */
	return rc ? rc : handshake(w, err);
}

int prov_wire_send(struct prov_wire *w, const char *data, size_t len, struct prov_error *err)
{
	size_t done = 0;
	int rc = 0;

	while (done < len && rc == 0) {
		size_t n = 0;
		errno = 0;
		ERR_clear_error();
		if (SSL_write_ex(w->ssl, data + done, len - done, &n) == 1)
			done += n;
		else
			rc = tls_again(w, 0, "cannot send", err);
	}
	return rc;
}

/* Some more bytes behind those that are there. */
static int fill(struct prov_wire *w, struct prov_error *err)
{
	size_t n = 0;
	int rc = 0;

	memmove(w->buf, w->buf + w->start, w->len);
	w->start = 0;
	char *at = w->buf + w->len;
	size_t room = PROV_WIRE_ROOM - w->len;
	if (!room)
		return prov_error_set(err, PROV_EIO, "the server says too much at a time");
	while (rc == 0 && n == 0) {
		errno = 0;
		if (w->ssl) {
			ERR_clear_error();
			if (SSL_read_ex(w->ssl, at, room, &n) != 1)
				rc = tls_again(w, 0, "cannot read", err);
			continue;
		}
		ssize_t got = recv(w->fd, at, room, 0);
		n = got > 0 ? (size_t)got : 0;
		if (got == 0)
			rc = lost(err);
		else if (got < 0)
			rc = errno == EAGAIN || errno == EINTR
				? wait_for(w, POLLIN, w->until, err)
				: prov_error_set(err, PROV_EIO, "%s", strerror(errno));
	}
	w->len += n;
	return rc;
}

static void taken(struct prov_wire *w, size_t n)
{
	w->start += n;
	w->len -= n;
}

int prov_wire_line(struct prov_wire *w, char **line, struct prov_error *err)
{
	char *end = NULL;
	int rc = 0;

	while (rc == 0 && !(end = memchr(w->buf + w->start, '\n', w->len)))
		rc = fill(w, err);
	if (rc)
		return rc;
	*line = w->buf + w->start;
	taken(w, (size_t)(end - *line) + 1);
	*end = '\0';
	if (end > *line && end[-1] == '\r')
		end[-1] = '\0';
	return 0;
}

int prov_wire_block(struct prov_wire *w, size_t n, char **data, struct prov_error *err)
{
	int rc = n + 2 > PROV_WIRE_ROOM
		? prov_error_set(err, PROV_EIO, "the server says too much at a time")
		: 0;

	while (rc == 0 && w->len < n + 2)
		rc = fill(w, err);
	if (rc)
		return rc;
	*data = w->buf + w->start;
	taken(w, n + 2);
	(*data)[n] = '\0';
	return 0;
}

void prov_wire_close(struct prov_wire *w)
{
	SSL_free(w->ssl);
	if (w->buf && w->fd >= 0)
		close(w->fd);
	free(w->buf);
	memset(w, 0, sizeof(*w));
	w->fd = -1;
}
