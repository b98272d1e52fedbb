/*
 * metrics.h - how deliveries go, in the Prometheus text format (version 0.0.4): into a file for
 * node_exporter's textfile collector, and on a listener of this machine only.
 *
 * The main thread renders (provd_metrics_update); libmicrohttpd's one thread hands out the
 * last rendering, under a mutex. Names and meanings are in provd(8).
 */
#ifndef PROVD_METRICS_H
#define PROVD_METRICS_H

#include "daemon.h"

struct provd_metrics;

/* file: absolute, or NULL. listen: "PORT", "127.0.0.1:PORT" or "[::1]:PORT", or NULL.
 * PROV_EINVAL for another address; PROV_EIO when it cannot be listened on. */
int provd_metrics_new(const char *file, const char *listen, struct provd_metrics **out,
	struct prov_error *err);
/* Render, keep, write; call it when something may have changed. */
void provd_metrics_update(struct provd_metrics *m, const struct provd *p);
void provd_metrics_free(struct provd_metrics **m); /* the file is taken away: it would lie */

#endif
