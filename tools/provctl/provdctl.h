/*
 * provdctl.h - asking a running provd through its socket <state dir>/provd.ctl.
 *
 * One JSON request per line, one JSON answer per line. Waits at most 10 seconds.
 */
#ifndef PROV_CTL_PROVDCTL_H
#define PROV_CTL_PROVDCTL_H

#include <jansson.h>

#include "error.h"

/* *answer: json_decref(). PROV_ENOENT: provd does not run. Takes nothing of request.
 * PROV_EREFUSED: provd said no; the text is its own. */
int provdctl_ask(const char *dir, const json_t *request, json_t **answer, struct prov_error *err);

#endif
