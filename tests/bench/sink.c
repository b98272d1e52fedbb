/*
 * sink.c - a local HTTPS receiver that is faster than what it measures.
 *
 *   sink CERT KEY TABLE ROOM
 *
 * Speaks HTTP/1.1 with kept connections, answers every request with 204, and notes when
 * event number N (the text "bench N" in the body) was read for the first time. TABLE is
 * a file of ROOM + HEAD numbers of 64 bits, mapped, that the caller reads while it runs:
 * requests, events that came again, connections, ms of silence before an answer (written
 * by the caller), then for each event CLOCK_MONOTONIC in nanoseconds, 0: not yet. Prints
 * its port. One thread; loopback only; ends when its standard input does.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD 8
#define CONNECTIONS 2048
#define REQUEST 32768 /* bytes of head and body together */

enum head { REQUESTS, AGAIN, OPENED };

struct conn {
	int fd;
	SSL *ssl;
	size_t n;
	char in[REQUEST];
};

struct sink {
	int epoll, listener;
	SSL_CTX *ctx;
	volatile uint64_t *table;
	uint64_t room;
	unsigned open;
};

static const char answer[] = "HTTP/1.1 204 No Content\r\n\r\n";

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void note(const struct sink *s, const char *body, size_t len)
{
	const char *mark = memmem(body, len, "\"bench ", 7);
	uint64_t n = mark ? strtoull(mark + 7, NULL, 10) : s->room;

	s->table[REQUESTS]++;
	if (n >= s->room)
		return;
	if (s->table[HEAD + n])
		s->table[AGAIN]++;
	else
		s->table[HEAD + n] = now_ns();
}

/* Bytes of a whole request at the front of the buffer; 0: not all there; -1: cannot be. */
static ssize_t request_size(const struct conn *c, size_t *body)
{
	const char *end = memmem(c->in, c->n, "\r\n\r\n", 4);

	if (!end)
		return c->n < sizeof(c->in) ? 0 : -1;
	*body = (size_t)(end - c->in) + 4;
	size_t len = 0;
	for (const char *line = c->in; line < end;) {
		if (!strncasecmp(line, "content-length:", 15))
			len = strtoul(line + 15, NULL, 10);
		line = (const char *)memmem(line, (size_t)(end - line) + 2, "\r\n", 2) + 2;
	}
	if (*body + len > sizeof(c->in))
		return -1;
	return *body + len <= c->n ? (ssize_t)(*body + len) : 0;
}

static void hang_up(struct sink *s, struct conn *c)
{
	SSL_free(c->ssl);
	close(c->fd);
	free(c);
	s->open--;
}

static void serve(struct sink *s, struct conn *c)
{
	size_t body = 0;
	ssize_t size = 0;

	for (;;) {
		int got = SSL_read(c->ssl, c->in + c->n, (int)(sizeof(c->in) - c->n));
		if (got <= 0) {
			int why = SSL_get_error(c->ssl, got);
			ERR_clear_error();
			if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
				hang_up(s, c);
			return;
		}
		c->n += (size_t)got;
		while ((size = request_size(c, &body)) > 0) {
			note(s, c->in + body, (size_t)size - body);
			if (SSL_write(c->ssl, answer, sizeof(answer) - 1) <= 0)
				size = -1;
			c->n -= size > 0 ? (size_t)size : 0;
			memmove(c->in, c->in + (size > 0 ? size : 0), c->n);
			if (size < 0)
				break;
		}
		if (size < 0) {
			hang_up(s, c);
			return;
		}
	}
}

static void welcome(struct sink *s)
{
	int one = 1, fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct conn *c = fd >= 0 && s->open < CONNECTIONS ? calloc(1, sizeof(*c)) : NULL;

	if (!c) {
		if (fd >= 0)
			close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->fd = fd;
	c->ssl = SSL_new(s->ctx);
	s->open++;
	s->table[OPENED]++;
	struct epoll_event e = { .events = EPOLLIN | EPOLLRDHUP, .data.ptr = c };
	if (!c->ssl || SSL_set_fd(c->ssl, fd) != 1 || epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e)) {
		hang_up(s, c);
		return;
	}
	SSL_set_accept_state(c->ssl);
}

static void run(struct sink *s)
{
	struct epoll_event ev[64];

	for (;;) {
		int n = epoll_wait(s->epoll, ev, 64, -1);
		for (int i = 0; i < n; i++) {
			if (ev[i].data.ptr == s)
				welcome(s);
			else if (!ev[i].data.ptr)
				return;
			else
				serve(s, ev[i].data.ptr);
		}
	}
}

static int listen_loopback(struct sink *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	struct epoll_event in = { .events = EPOLLIN, .data.ptr = NULL },
			   come = { .events = EPOLLIN, .data.ptr = s };

	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->epoll < 0 || s->listener < 0 || bind(s->listener, (struct sockaddr *)&a, len) ||
		listen(s->listener, 512) || getsockname(s->listener, (struct sockaddr *)&a, &len) ||
		epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->listener, &come) ||
		epoll_ctl(s->epoll, EPOLL_CTL_ADD, 0, &in))
		return -1;
	printf("%u\n", ntohs(a.sin_port));
	return fflush(stdout);
}

static int map_table(struct sink *s, const char *path)
{
	size_t size = (s->room + HEAD) * sizeof(uint64_t);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)size))
		return -1;
	void *m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	s->table = m;
	return m == MAP_FAILED ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct sink s = { .ctx = SSL_CTX_new(TLS_server_method()) };

	if (argc != 5) {
		fprintf(stderr, "usage: sink CERT KEY TABLE ROOM\n");
		return 2;
	}
	s.room = strtoull(argv[4], NULL, 10);
	signal(SIGPIPE, SIG_IGN);
	if (!s.ctx || SSL_CTX_use_certificate_chain_file(s.ctx, argv[1]) != 1 ||
		SSL_CTX_use_PrivateKey_file(s.ctx, argv[2], SSL_FILETYPE_PEM) != 1 ||
		map_table(&s, argv[3]) || listen_loopback(&s)) {
		fprintf(stderr, "sink: cannot begin with %s, %s and %s\n", argv[1], argv[2],
			argv[3]);
		return 2;
	}
	run(&s);
	return 0;
}
