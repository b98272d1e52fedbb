/* provdctl.c - see provdctl.h. */
#include "provdctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "place.h"

static int dial(const char *dir, int *out, struct prov_error *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const struct timeval wait = { 10, 0 };
	int rc = prov_place_find(dir, "provd", "provd.ctl", sa.sun_path, sizeof(sa.sun_path), err);
	if (rc)
		return rc;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return prov_error_set(err, PROV_EIO, "socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa))) {
		int e = errno;
		close(fd);
		/* the socket file outlives a provd that was killed */
		return prov_error_set(err,
			e == ENOENT || e == ECONNREFUSED ? PROV_ENOENT : PROV_EIO, "%s: %s",
			sa.sun_path, strerror(e));
	}
	*out = fd;
	return 0;
}

int provdctl_ask(const char *dir, const json_t *request, json_t **answer, struct prov_error *err)
{
	char *line = json_dumps(request, JSON_COMPACT), *got = NULL;
	size_t room = 0;
	FILE *f = NULL;
	int fd = -1, rc;
	*answer = NULL;
	if (!line)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	rc = dial(dir, &fd, err);
	if (rc)
		goto out;
	size_t len = strlen(line);
	line[len] = '\n'; /* the terminator's place; the length is kept */
	if (send(fd, line, len + 1, MSG_NOSIGNAL) != (ssize_t)(len + 1)) {
		rc = prov_error_set(err, PROV_EIO, "provd: %s", strerror(errno));
		goto out;
	}
	f = fdopen(fd, "r");
	if (f)
		fd = -1;
	if (!f || getline(&got, &room, f) <= 0) {
		rc = prov_error_set(err, PROV_EIO, "provd does not answer");
		goto out;
	}
	*answer = json_loads(got, 0, NULL);
	const json_t *why = json_object_get(*answer, "error");
	if (!*answer)
		rc = prov_error_set(err, PROV_EIO, "provd: an answer that is not JSON");
	else if (!json_is_true(json_object_get(*answer, "ok")))
		rc = prov_error_set(err, PROV_EREFUSED, "provd: %s",
			json_is_string(why) ? json_string_value(why) : "no reason given");
	if (rc) {
		json_decref(*answer);
		*answer = NULL;
	}
out:
	if (f)
		fclose(f);
	if (fd >= 0)
		close(fd);
	free(got);
	free(line);
	return rc;
}
