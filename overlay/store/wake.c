/*
 * wake.c - a datagram from the relay to provd. Losing one is harmless: provd looks at
 * the outbox when it starts, and the next datagram tells everything.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "outbox.h"
#include "place.h"

static int address(const char *dir, struct sockaddr_un *a, struct prov_error *err)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	return prov_place_find(dir, "provd", "provd.wake", a->sun_path, sizeof(a->sun_path), err);
}

void prov_wake_send(const char *dir)
{
	struct sockaddr_un a;
	int fd;

	if (address(dir, &a, NULL))
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	(void)!sendto(fd, "w", 1, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&a, sizeof(a));
	close(fd);
}

int prov_wake_listen(const char *dir, int *fd, struct prov_error *err)
{
	struct sockaddr_un a;

	*fd = -1;
	if (address(dir, &a, err))
		return PROV_EINVAL;
	*fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return prov_error_set(err, PROV_EIO, "cannot make a socket: %s", strerror(errno));
	unlink(a.sun_path);
	/* slapd sends to it: it may be another user then */
	mode_t was = umask(prov_place_shared(a.sun_path) ? 0117 : 0177);
	int rc = bind(*fd, (struct sockaddr *)&a, sizeof(a));
	int why = errno;
	umask(was);
	if (rc == 0)
		return 0;
	close(*fd);
	*fd = -1;
	return prov_error_set(err, why == ENOENT ? PROV_ENOENT : PROV_EIO, "%s: %s", a.sun_path,
		strerror(why));
}
