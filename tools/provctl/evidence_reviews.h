/*
 * evidence_reviews.h - the access reviews of a period, from the reasons of the records.
 *
 * A reason is only what somebody wrote: what does not fit the rest of the record is said in the
 * row. Start with zeroes.
 */
#ifndef PROV_CTL_EVIDENCE_REVIEWS_H
#define PROV_CTL_EVIDENCE_REVIEWS_H

#include <jansson.h>

#include "evidence.h"
#include "strmap.h"

struct evidence_reviews {
	struct prov_strmap *names;
	size_t kept, revoked, own, vain, odd; /* odd: kept, by a write of something else */
};

/* A row, when the record is of a review. PROV_ENOMEM, PROV_EIO. */
int evidence_reviews_see(struct evidence_reviews *v, struct evidence_out *out, uint64_t seq,
	const json_t *record);
/* The figures, and what is wrong as notes. */
int evidence_reviews_figures(const struct evidence_reviews *v, struct evidence_out *out);
int evidence_reviews_notes(const struct evidence_reviews *v, struct evidence_out *out);
void evidence_reviews_dispose(struct evidence_reviews *v);

#endif
