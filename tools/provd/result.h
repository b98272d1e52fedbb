/* result.h - what became of one attempt, whatever kind of connector made it. */
#ifndef PROVD_RESULT_H
#define PROVD_RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include "queue.h" /* enum prov_outcome */

#define PROV_REMOTE_ID 256

struct prov_result {
	enum prov_outcome outcome;
	char error[256];  /* empty when done */
	char reply[512];  /* what the destination said, for people; may be empty */
	const char *note; /* ours, lives for ever: what was found or done, for the log; or NULL */
	int64_t ms;       /* how long it took */
	unsigned after; /* the destination wants nothing for so many seconds; 0: it said nothing */
	bool remote_known; /* `remote` tells the account's id there; empty: it has none */
	char remote[PROV_REMOTE_ID];
	bool gone; /* the destination wants nothing any more */
};

/* It failed; the text for people is made fit for a log line. Returns -1. */
int prov_result_fail(struct prov_result *out, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* It worked; note: see there. Returns 0. */
int prov_result_done(struct prov_result *out, const char *note);

#endif
