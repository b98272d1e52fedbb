/*
 * failpoint.h - places where a test makes the process die, sleep or fail. Not in what is shipped.
 *
 * Compiled in with -DPROV_FAILPOINTS only (build/failpoints); otherwise the macros are nothing,
 * and `make lint` proves that nothing of them is left. In such a build places are chosen by the
 * environment, PROV_FAILPOINT=NAME[:COUNT][=ACTION][,...] (four at most, each of another name), and
 * each acts once, when it is passed for the COUNT-th time (1 when not given):
 *
 *   kill      SIGKILL for this process (the default)
 *   sleep MS  wait so many milliseconds
 *   fail [N]  PROV_EIO, N times, where the place can fail (PROV_FAILPOINT_RC); nothing elsewhere
 *
 * "failpoint NAME" on standard error tells that it acted. Any thread.
 */
#ifndef PROV_FAILPOINT_H
#define PROV_FAILPOINT_H

#ifdef PROV_FAILPOINTS
int prov_failpoint(const char *name);
#define PROV_FAILPOINT(name) ((void)prov_failpoint(name))
#define PROV_FAILPOINT_RC(name) prov_failpoint(name)
#else
#define PROV_FAILPOINT(name) ((void)0)
#define PROV_FAILPOINT_RC(name) 0
#endif

#endif
