/* control.c - provd.ctl. See control.h. */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "place.h"

#define LINE_MAX_LEN (1 << 20)
#define REPLY_MAX (1 << 20)

struct client {
	int fd; /* -1: free */
	char *in, *out;
	size_t nin, nout;
};

struct prov_control {
	int fd;
	prov_control_answer *answer;
	void *ctx;
	struct sockaddr_un addr;
	struct client client[PROV_CONTROL_CLIENTS];
};

int prov_control_open(const char *dir, prov_control_answer *answer, void *ctx,
	struct prov_control **out, struct prov_error *err)
{
	struct prov_control *c = calloc(1, sizeof(*c));
	*out = NULL;
	if (!c)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	c->answer = answer;
	c->ctx = ctx;
	c->addr.sun_family = AF_UNIX;
	for (size_t i = 0; i < PROV_CONTROL_CLIENTS; i++)
		c->client[i].fd = -1;
	int rc = prov_place_find(dir, "provd", "provd.ctl", c->addr.sun_path,
		sizeof(c->addr.sun_path), err);
	if (rc) {
		free(c);
		return rc;
	}
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unlink(c->addr.sun_path); /* of one that ended without notice: we hold delivery.lock */
	mode_t before = umask(0177);
	rc = c->fd < 0 ? -1 : bind(c->fd, (struct sockaddr *)&c->addr, sizeof(c->addr));
	umask(before);
	if (rc || listen(c->fd, PROV_CONTROL_CLIENTS)) {
		prov_error_set(err, PROV_EIO, "%s: %s", c->addr.sun_path, strerror(errno));
		if (c->fd >= 0)
			close(c->fd);
		free(c);
		return PROV_EIO;
	}
	*out = c;
	return 0;
}

static void hang_up(struct client *c)
{
	close(c->fd);
	free(c->in);
	free(c->out);
	*c = (struct client){ .fd = -1 };
}

void prov_control_close(struct prov_control **cp)
{
	struct prov_control *c = *cp;
	if (!c)
		return;
	for (size_t i = 0; i < PROV_CONTROL_CLIENTS; i++)
		if (c->client[i].fd >= 0)
			hang_up(&c->client[i]);
	close(c->fd);
	unlink(c->addr.sun_path);
	free(c);
	*cp = NULL;
}

size_t prov_control_pollfds(const struct prov_control *c, struct pollfd *p)
{
	size_t n = 0;
	for (size_t i = 0; i < PROV_CONTROL_CLIENTS; i++)
		if (c->client[i].fd >= 0)
			p[n++] = (struct pollfd){ c->client[i].fd,
				c->client[i].nout ? POLLOUT : POLLIN, 0 };
	if (n < PROV_CONTROL_CLIENTS) /* else they wait in the kernel's queue */
		p[n++] = (struct pollfd){ c->fd, POLLIN, 0 };
	return n;
}

static int send_text(struct client *c)
{
	while (c->nout) {
		ssize_t n = send(c->fd, c->out, c->nout, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		c->nout -= (size_t)n;
		memmove(c->out, c->out + n, c->nout);
	}
	free(c->out);
	c->out = NULL;
	return 0;
}

/* Who asks, as the kernel says: whatever the request itself claims is overwritten. */
static void sign(json_t *request, int fd)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	json_object_del(request, "peer");
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0)
		json_object_set_new(request, "peer",
			json_pack("{s:I,s:I}", "uid", (json_int_t)who.uid, "gid",
				(json_int_t)who.gid));
}

/* Answer one line; the reply is put behind what still waits to be sent. */
static int answer_line(struct prov_control *ctl, struct client *c, const char *line, size_t len)
{
	json_error_t e;
	json_t *request = json_loadb(line, len, 0, &e);
	sign(request, c->fd);
	json_t *reply = request ? ctl->answer(ctl->ctx, request)
				: json_pack("{s:b,s:s}", "ok", 0, "error", e.text);
	size_t size = reply ? json_dumpb(reply, NULL, 0, JSON_COMPACT) : 0;
	char *grown =
		size && c->nout + size < REPLY_MAX ? realloc(c->out, c->nout + size + 1) : NULL;
	if (grown) {
		json_dumpb(reply, grown + c->nout, size, JSON_COMPACT);
		grown[c->nout + size] = '\n';
		c->out = grown;
		c->nout += size + 1;
	}
	json_decref(reply);
	json_decref(request);
	return grown ? 0 : -1;
}

static int receive(struct prov_control *ctl, struct client *c)
{
	if (!c->in && !(c->in = malloc(LINE_MAX_LEN)))
		return -1;
	ssize_t n = recv(c->fd, c->in + c->nin, LINE_MAX_LEN - c->nin, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0)
		return -1;
	c->nin += (size_t)n;
	char *end = NULL;
	while ((end = memchr(c->in, '\n', c->nin))) {
		size_t len = (size_t)(end - c->in);
		if (answer_line(ctl, c, c->in, len))
			return -1;
		c->nin -= len + 1;
		memmove(c->in, end + 1, c->nin);
	}
	return c->nin == LINE_MAX_LEN ? -1 : send_text(c);
}

static void let_in(struct prov_control *ctl)
{
	size_t i = 0;
	while (i < PROV_CONTROL_CLIENTS && ctl->client[i].fd >= 0)
		i++;
	int fd = i < PROV_CONTROL_CLIENTS
		? accept4(ctl->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)
		: -1;
	if (fd >= 0)
		ctl->client[i] = (struct client){ .fd = fd };
}

void prov_control_handle(struct prov_control *ctl, const struct pollfd *p, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		if (!p[k].revents)
			continue;
		if (p[k].fd == ctl->fd) {
			let_in(ctl);
			continue;
		}
		size_t i = 0;
		while (i < PROV_CONTROL_CLIENTS && ctl->client[i].fd != p[k].fd)
			i++;
		if (i == PROV_CONTROL_CLIENTS)
			continue;
		struct client *c = &ctl->client[i];
		int rc = c->nout ? send_text(c) : receive(ctl, c);
		if (rc)
			hang_up(c);
	}
}
