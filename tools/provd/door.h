/*
 * door.h - who is connected to a listener of ours and has not shown yet who he is.
 *
 * A stranger gets DOOR_SECONDS for his handshake and the head of his request, however he spends
 * them, and there are DOOR_STRANGERS at most: one more ends the oldest. So nobody without a
 * token can keep those out who have one. Ending is a shutdown of the socket, which its own
 * thread notices. Any number of threads.
 */
#ifndef PROVD_DOOR_H
#define PROVD_DOOR_H

#include <microhttpd.h>

#define DOOR_SECONDS 5
#define DOOR_STRANGERS 16

struct prov_door;

struct prov_door *prov_door_new(void); /* NULL: no memory */
void prov_door_free(struct prov_door **d);
/* For MHD_OPTION_NOTIFY_CONNECTION, with the door as its context. */
void prov_door_notify(void *door, struct MHD_Connection *c, void **visitor,
	enum MHD_ConnectionNotificationCode code);
/* He has shown who he is: he may stay. */
void prov_door_let_in(struct prov_door *d, struct MHD_Connection *c);
void prov_door_sweep(struct prov_door *d); /* end those whose time is over: about every second */

#endif
