/* failpoint.c - see failpoint.h. */
#include "failpoint.h"

#ifdef PROV_FAILPOINTS

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "error.h"

#define MOST 4
static struct point {
	char name[64], action[64];
	long count, times;
	atomic_long passed;
} chosen[MOST];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void choose(void)
{
	const char *text = getenv("PROV_FAILPOINT");

	for (struct point *p = chosen; text && p < chosen + MOST; p++) {
		p->count = p->times = 1;
		if (sscanf(text, "%63[^:=,]:%ld", p->name, &p->count) < 1)
			p->name[0] = '\0';
		const char *next = strchr(text, ','), *action = strchr(text, '=');
		if (action && (!next || action < next))
			(void)sscanf(action + 1, "%63[^,]", p->action);
		(void)sscanf(p->action, "fail %ld", &p->times);
		text = next ? next + 1 : NULL;
	}
}

static void tell(const char *name)
{
	char line[96];
	int n = snprintf(line, sizeof(line), "failpoint %s\n", name);

	(void)!write(STDERR_FILENO, line, (size_t)n);
}

int prov_failpoint(const char *name)
{
	struct point *p = chosen;
	long ms = 0;

	pthread_once(&once, choose);
	while (p < chosen + MOST && strcmp(name, p->name) != 0)
		p++;
	if (p == chosen + MOST)
		return 0;
	long n = atomic_fetch_add(&p->passed, 1) + 1 - p->count;
	if (n < 0 || n >= p->times)
		return 0;
	tell(name);
	if (strncmp(p->action, "fail", 4) == 0)
		return PROV_EIO;
	if (sscanf(p->action, "sleep %ld", &ms) == 1) {
		const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
		nanosleep(&t, NULL);
		return 0;
	}
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

#endif
