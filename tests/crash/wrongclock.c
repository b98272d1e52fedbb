/*
 * wrongclock.c - LD_PRELOAD: a system clock that somebody sets, while it runs.
 *
 *   PROV_CLOCK   a file of 8 bytes, mapped: nanoseconds (int64, this machine's order) that the real time
 *                clock is off. Whoever writes it sets the clock, for all processes at once.
 *
 * The monotonic clock is the machine's. Whoever waits for a point of the real time clock wakes when that
 * clock shows it, as with the kernel's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))
#define SECOND 1000000000L
#define LOOK 20000000L /* ns: how soon one that waits sees that the clock was set */

static volatile int64_t *off;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("PROV_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *m = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*off), PROT_READ, MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	off = m == MAP_FAILED ? NULL : m;
}

static int64_t now(clockid_t which)
{
	struct timespec t = { 0, 0 };

	syscall(SYS_clock_gettime, which, &t);
	return (int64_t)t.tv_sec * SECOND + t.tv_nsec +
		(off && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE) ? *off : 0);
}

static struct timespec spec(int64_t ns)
{
	return (struct timespec){ ns / SECOND, ns % SECOND };
}

PUBLIC int clock_gettime(clockid_t which, struct timespec *t)
{
	if (which != CLOCK_REALTIME && which != CLOCK_REALTIME_COARSE)
		return (int)syscall(SYS_clock_gettime, which, t);
	*t = spec(now(which));
	return 0;
}

PUBLIC int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
	int64_t ns = now(CLOCK_REALTIME);

	(void)zone;
	*t = (struct timeval){ ns / SECOND, ns % SECOND / 1000 };
	return 0;
}

PUBLIC time_t time(time_t *out)
{
	time_t t = now(CLOCK_REALTIME) / SECOND;

	if (out)
		*out = t;
	return t;
}

PUBLIC int pthread_cond_timedwait(pthread_cond_t *restrict c, pthread_mutex_t *restrict m,
	const struct timespec *restrict until)
{
	int64_t end = (int64_t)until->tv_sec * SECOND + until->tv_nsec;

	for (;;) {
		int64_t left = end - now(CLOCK_REALTIME);
		if (left <= 0)
			return ETIMEDOUT;
		struct timespec look = spec(now(CLOCK_MONOTONIC) + (left < LOOK ? left : LOOK));
		int rc = pthread_cond_clockwait(c, m, CLOCK_MONOTONIC, &look);
		if (rc != ETIMEDOUT)
			return rc;
	}
}
