/* ldapdir_wire.c - see ldapdir_wire.h. */
#include "ldapdir_wire.h"

#include <errno.h>
#include <lber.h>
#include <poll.h>
#include <stdlib.h>

#include "daemon.h" /* provd_monotonic() */

#define STEP 200 /* ms between two looks whether we are to stop */
#define LEVEL ((LBER_SBIOD_LEVEL_PROVIDER + LBER_SBIOD_LEVEL_TRANSPORT) / 2) /* below TLS */

struct prov_wire {
	ldap_conncb cb; /* first member: libldap hands it back */
	int64_t until;
	const atomic_bool *cancel;
	size_t left;
	const char *why;
};

static ber_slen_t give_up(struct prov_wire *w, const char *why)
{
	w->why = why;
	errno = ETIMEDOUT; /* neither EAGAIN nor EINTR: TLS gives up, too */
	return -1;
}

/* Until the socket is ready. 0, or -1. */
static int wait_for(Sockbuf_IO_Desc *d, short events)
{
	struct prov_wire *w = d->sbiod_pvt;
	struct pollfd fd = { -1, events, 0 };

	ber_sockbuf_ctrl(d->sbiod_sb, LBER_SB_OPT_GET_FD, &fd.fd);
	for (;;) {
		int64_t left = w->until - provd_monotonic();
		if (poll(&fd, 1, left <= 0 ? 0 : left < STEP ? (int)left : STEP) > 0)
			return 0;
		if (left <= 0 || (w->cancel && atomic_load(w->cancel)))
			return (int)give_up(w, "no answer in time");
	}
}

static ber_slen_t wire_read(Sockbuf_IO_Desc *d, void *buf, ber_len_t len)
{
	struct prov_wire *w = d->sbiod_pvt;

	if (wait_for(d, POLLIN))
		return -1;
	if (w->left == 0)
		return give_up(w, "the answer is longer than 8 MiB");
	ber_slen_t n = LBER_SBIOD_READ_NEXT(d, buf, len);
	if (n > 0)
		w->left -= (size_t)n < w->left ? (size_t)n : w->left;
	return n;
}

static ber_slen_t wire_write(Sockbuf_IO_Desc *d, void *buf, ber_len_t len)
{
	return wait_for(d, POLLOUT) ? -1 : LBER_SBIOD_WRITE_NEXT(d, buf, len);
}

static int wire_ctrl(Sockbuf_IO_Desc *d, int opt, void *arg)
{
	return LBER_SBIOD_CTRL_NEXT(d, opt, arg);
}

static int wire_setup(Sockbuf_IO_Desc *d, void *arg)
{
	d->sbiod_pvt = arg;
	return 0;
}

static int wire_end(Sockbuf_IO_Desc *d)
{
	(void)d;
	return 0;
}

static Sockbuf_IO wire_io = { wire_setup, wire_end, wire_ctrl, wire_read, wire_write, wire_end };

static int connected(LDAP *ld, Sockbuf *sb, LDAPURLDesc *srv, struct sockaddr *addr,
	struct ldap_conncb *ctx)
{
	ber_len_t most = PROV_WIRE_MOST;

	(void)ld, (void)srv, (void)addr;
	ber_sockbuf_ctrl(sb, LBER_SB_OPT_SET_MAX_INCOMING, &most); /* of one message */
	return ber_sockbuf_add_io(sb, &wire_io, LEVEL, ctx);
}

static void disconnected(LDAP *ld, Sockbuf *sb, struct ldap_conncb *ctx)
{
	(void)ld, (void)sb, (void)ctx;
}

int prov_wire_new(LDAP *ld, struct prov_wire **out)
{
	struct prov_wire *w = calloc(1, sizeof(*w));

	*out = w;
	if (!w)
		return PROV_ENOMEM;
	w->cb.lc_add = connected;
	w->cb.lc_del = disconnected;
	if (ldap_set_option(ld, LDAP_OPT_CONNECT_CB, &w->cb) == LDAP_OPT_SUCCESS)
		return 0;
	prov_wire_free(out);
	return PROV_ENOMEM;
}

void prov_wire_limit(struct prov_wire *w, int64_t until, const atomic_bool *cancel)
{
	w->until = until;
	w->cancel = cancel;
	w->left = PROV_WIRE_MOST;
	w->why = NULL;
}

const char *prov_wire_why(const struct prov_wire *w)
{
	return w->why;
}

void prov_wire_free(struct prov_wire **w)
{
	free(*w);
	*w = NULL;
}
