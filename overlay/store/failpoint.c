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

static struct {
	char name[64], action[64];
	long count, times;
} chosen;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_long passed;

static void choose(void)
{
	const char *text = getenv("PROV_FAILPOINT");

	chosen.count = 1;
	if (text && sscanf(text, "%63[^:=]:%ld", chosen.name, &chosen.count) < 1)
		chosen.name[0] = '\0';
	const char *action = text ? strchr(text, '=') : NULL;
	snprintf(chosen.action, sizeof(chosen.action), "%s", action ? action + 1 : "kill");
	chosen.times = 1;
	(void)sscanf(chosen.action, "fail %ld", &chosen.times);
}

static void tell(void)
{
	char line[96];
	int n = snprintf(line, sizeof(line), "failpoint %s\n", chosen.name);

	(void)!write(STDERR_FILENO, line, (size_t)n);
}

int prov_failpoint(const char *name)
{
	long ms = 0;

	pthread_once(&once, choose);
	if (strcmp(name, chosen.name) != 0)
		return 0;
	long n = atomic_fetch_add(&passed, 1) + 1 - chosen.count;
	if (n < 0 || n >= chosen.times)
		return 0;
	tell();
	if (strncmp(chosen.action, "fail", 4) == 0)
		return PROV_EIO;
	if (sscanf(chosen.action, "sleep %ld", &ms) == 1) {
		const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
		nanosleep(&t, NULL);
		return 0;
	}
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

#endif
