/* sync_problem.c - see sync_problem.h. */
#include "sync_problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_KEPT = 200 };

void sync_problem_add(struct sync_problems *p, size_t row, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	p->n++;
	if (p->kept >= MOST_KEPT)
		return;
	va_start(ap, fmt);
	int len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0)
		return;
	struct sync_problem *list = reallocarray(p->list, p->kept + 1, sizeof(*list));
	if (!list) {
		free(text);
		return;
	}
	p->list = list;
	list[p->kept++] = (struct sync_problem){ row, text };
}

void sync_problems_dispose(struct sync_problems *p)
{
	for (size_t i = 0; i < p->kept; i++)
		free(p->list[i].text);
	free(p->list);
	memset(p, 0, sizeof(*p));
}
