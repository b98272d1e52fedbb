/* result.h - what became of one attempt, whatever kind of connector made it. */
#ifndef PROVD_RESULT_H
#define PROVD_RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include "queue.h" /* enum prov_outcome */

struct prov_result {
	enum prov_outcome outcome;
	char error[256]; /* empty when done */
	char reply[512]; /* what the destination said, for people; may be empty */
	int64_t ms;      /* how long it took */
	unsigned after;  /* the destination wants nothing for so many seconds; 0: it said nothing */
	bool gone;       /* the destination wants nothing any more */
};

#endif
