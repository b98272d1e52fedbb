/*
 * relay.h - the thread that takes capture rows into the state environment.
 *
 * One thread per instance, started at db_open, joined at db_close. It is the only
 * writer of the state environment and holds no lock while it waits for a disk. It
 * reads the database in read transactions of its own, and every two seconds what provd has
 * told (store/reports.h) from the delivery environment. When the state directory
 * cannot be written it logs once, tries again with growing pauses (1 to 30 s), and
 * the capture rows wait.
 *
 * It does not stop while slapd's pool is paused, so of the instance it uses only what stays as it is
 * while the database is open, and what has a lock of its own (snapshot.h, capture.h, clock.h). The
 * settings that it needs are copied when it starts.
 */
#ifndef PROV_SLAPD_RELAY_H
#define PROV_SLAPD_RELAY_H

#include "instance.h"

#include "error.h"

int prov_relay_start(struct prov_instance *pi, struct prov_error *err); /* sets pi->relay */
void prov_relay_stop(struct prov_instance *pi);                         /* waits for it */
void prov_relay_kick(struct prov_instance *pi); /* something was committed */
unsigned prov_relays(void);                     /* threads that run, of all instances */
/* The last failure's text, or "" ; copied. */
void prov_relay_error(struct prov_instance *pi, char *out, size_t len);

#endif
