/*
 * logtext.h - bytes of a client in a line of the log.
 *
 * A DN may hold any character, a line's end among them, and slapd's log does not mind.
 */
#ifndef PROV_SLAPD_LOGTEXT_H
#define PROV_SLAPD_LOGTEXT_H

#include "slapd.h"

struct prov_logtext {
	char text[2048];
};

/* text (terminated) itself, or what stands in room: control characters as \0A, cut when it does not fit. */
const char *prov_log_text(struct berval text, struct prov_logtext *room);

/* The room is the caller's, for the block that it is in. */
#define PROV_LOG_TEXT(bv) prov_log_text(bv, &(struct prov_logtext){ "" })

#endif
