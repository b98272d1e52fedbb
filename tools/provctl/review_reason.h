/*
 * review_reason.h - what a decision of an access review looks like in the trail.
 *
 * The reason of the change that records it, on one line:
 *
 *   review NAME: keep ROLE: TEXT
 *   review NAME: revoke ROLE: TEXT
 *
 * NAME: letters, digits, ".", "_", "-", at most 64. ROLE: the role's DN, in which ":" is written
 * \3A (RFC 4514), so that it ends at the first ":". ": TEXT" is missing when there was no text.
 * Written and read here only. Pure.
 */
#ifndef PROV_CTL_REVIEW_REASON_H
#define PROV_CTL_REVIEW_REASON_H

#include <stdbool.h>
#include <stddef.h>

enum review_decision { REVIEW_NONE, REVIEW_KEEP, REVIEW_REVOKE };
enum { REVIEW_NAME_MOST = 64, REVIEW_REASON_MOST = 1024 /* the reason control's limit */ };

struct review_reason {
	char name[REVIEW_NAME_MOST + 1];
	enum review_decision decision;
	char *role;       /* the caller's, free() */
	const char *text; /* in the reason; "" when there is none */
};

const char *review_decision_name(enum review_decision d);
bool review_name_ok(const char *name);
/* malloc'ed, NULL: no memory. Blanks and ends of lines in text become one blank each. It may be longer
 * than the control takes. */
char *review_reason_make(const char *name, enum review_decision d, const char *role,
	const char *text);
/* 0, PROV_EINVAL: it is none, PROV_ENOMEM. */
int review_reason_parse(const char *reason, struct review_reason *out);

#endif
