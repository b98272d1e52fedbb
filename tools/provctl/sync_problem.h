/*
 * sync_problem.h - what is wrong with a feed, row by row.
 *
 * A list of texts with the rows that they are about. All are counted, the first 200 are
 * kept, so that a file of a million broken rows stays printable. Adding cannot fail: when
 * there is no memory for the text, the count still grows, and the count decides.
 */
#ifndef PROV_SYNC_PROBLEM_H
#define PROV_SYNC_PROBLEM_H

#include <stddef.h>

struct sync_problem {
	size_t row; /* 0: the feed as a whole */
	char *text;
};

struct sync_problems {
	size_t n; /* that there are */
	size_t kept;
	struct sync_problem *list;
};

void sync_problem_add(struct sync_problems *p, size_t row, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void sync_problems_dispose(struct sync_problems *p);

#endif
