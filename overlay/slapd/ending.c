/* ending.c - see ending.h. */
#include "ending.h"

#include <dirent.h>
#include <time.h>

#include "slapd.h"

#define STEP_NS 1000000
#define STEPS 200

/* proc(5), /proc/PID/task: a folder for each thread. 0: cannot be known. */
static unsigned count_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	unsigned n = 0;

	for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

void prov_ending_wait(unsigned threads)
{
	const struct timespec step = { 0, STEP_NS };

	for (int i = 0; slapd_shutdown && i < STEPS && count_threads() > threads; i++)
		nanosleep(&step, NULL);
}
