/* door.c - who is connected and has not shown who he is. See door.h. */
#include "door.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "daemon.h" /* provd_monotonic() */

struct visitor {
	int fd;
	int64_t until;
	struct visitor *prev, *next; /* strangers only */
	bool stranger;
};

struct prov_door {
	pthread_mutex_t mutex;
	struct visitor *first, *last; /* strangers, the oldest first */
	unsigned strangers;
};

struct prov_door *prov_door_new(void)
{
	struct prov_door *d = calloc(1, sizeof(*d));

	if (d)
		pthread_mutex_init(&d->mutex, NULL);
	return d;
}

void prov_door_free(struct prov_door **dp)
{
	if (!*dp)
		return;
	pthread_mutex_destroy(&(*dp)->mutex);
	free(*dp);
	*dp = NULL;
}

/* Under the mutex. */
static void forget(struct prov_door *d, struct visitor *v)
{
	if (!v->stranger)
		return;
	*(v->prev ? &v->prev->next : &d->first) = v->next;
	*(v->next ? &v->next->prev : &d->last) = v->prev;
	v->stranger = false;
	d->strangers--;
}

/* Under the mutex, so that the descriptor is still his. */
static void end(struct prov_door *d, struct visitor *v)
{
	shutdown(v->fd, SHUT_RDWR);
	forget(d, v);
}

static void came(struct prov_door *d, struct visitor *v)
{
	pthread_mutex_lock(&d->mutex);
	if (d->strangers >= DOOR_STRANGERS)
		end(d, d->first);
	v->stranger = true;
	v->until = provd_monotonic() + DOOR_SECONDS * 1000;
	v->prev = d->last;
	*(d->last ? &d->last->next : &d->first) = v;
	d->last = v;
	d->strangers++;
	pthread_mutex_unlock(&d->mutex);
}

void prov_door_notify(void *door, struct MHD_Connection *c, void **visitor,
	enum MHD_ConnectionNotificationCode code)
{
	struct prov_door *d = door;
	struct visitor *v = *visitor;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *i =
			MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
		v = i ? calloc(1, sizeof(*v)) : NULL;
		*visitor = v;
		if (!v)
			return;
		v->fd = i->connect_fd;
		came(d, v);
	} else if (v) { /* the socket is not closed yet */
		pthread_mutex_lock(&d->mutex);
		forget(d, v);
		pthread_mutex_unlock(&d->mutex);
		free(v);
		*visitor = NULL;
	}
}

void prov_door_let_in(struct prov_door *d, struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *i =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct visitor *v = i ? i->socket_context : NULL;

	if (!v)
		return;
	pthread_mutex_lock(&d->mutex);
	forget(d, v);
	pthread_mutex_unlock(&d->mutex);
}

void prov_door_sweep(struct prov_door *d)
{
	int64_t now = provd_monotonic();

	pthread_mutex_lock(&d->mutex);
	while (d->first && d->first->until <= now)
		end(d, d->first);
	pthread_mutex_unlock(&d->mutex);
}
