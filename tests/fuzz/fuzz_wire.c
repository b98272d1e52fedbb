/*
 * fuzz_wire.c - any bytes from the other end of a socket of ours: as a server's plan for provctl,
 * and as requests to provd's control socket, which answers each line or hangs up.
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "planview.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct prov_control *control;
static char dir[] = "/tmp/fuzz-wire-XXXXXX", name[64];
static size_t asked;

static json_t *answer(void *ctx, const json_t *request)
{
	(void)ctx;
	asked++;
	if (json_is_object(request)) {
		const json_t *peer = json_object_get(request, "peer");
		if (json_integer_value(json_object_get(peer, "uid")) != (json_int_t)getuid())
			abort(); /* nobody can say that he is another */
	}
	return json_pack("{s:b}", "ok", 1);
}

static void end(void)
{
	prov_control_close(&control);
	rmdir(dir);
}

static void begin(void)
{
	if (control)
		return;
	if (!mkdtemp(dir) || prov_control_open(dir, answer, NULL, &control, NULL))
		abort();
	snprintf(name, sizeof(name), "%s/provd.ctl", dir);
	atexit(end);
}

static void turn(void)
{
	struct pollfd p[PROV_CONTROL_FDS];
	size_t n = prov_control_pollfds(control, p);
	if (poll(p, n, 0) > 0)
		prov_control_handle(control, p, n);
}

static void as_requests(const char *data, size_t size)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	char reply[4096];
	size_t sent = 0;
	ssize_t got = -1;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", name);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		abort();
	for (int idle = 0; got && idle < 8; idle++) {
		ssize_t n = sent < size ? send(fd, data + sent, size - sent, MSG_NOSIGNAL) : 0;
		if (n > 0) {
			sent += (size_t)n;
			idle = 0;
		}
		turn();
		while ((got = recv(fd, reply, sizeof(reply), 0)) > 0)
			idle = 0;
	}
	close(fd);
	turn();
	turn();
}

static void as_plan(const char *data, size_t size)
{
	json_t *plan = json_loadb(data, size, 0, NULL);
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		abort();
	planview_print(out, plan);
	fclose(out);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 && text[i] != '\n')
			abort(); /* nothing that a terminal would obey */
	if (plan && planview_empty(plan) && !strstr(text, "nothing"))
		abort();
	free(text);
	json_decref(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	begin();
	as_plan((const char *)data, size);
	as_requests((const char *)data, size);
	return 0;
}
