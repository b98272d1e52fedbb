/*
 * exec.h - one attempt by the exec connector: a program run without a shell.
 *
 * Owns: the child, its process group, its pipes and its time limit. The event is
 * the child's standard input (an unlinked file in memory: a child that does not
 * read it cannot hold us up). Standard output and error are read, up to
 * PROV_EXEC_OUTPUT bytes kept together, the rest thrown away; the first line becomes
 * the error text. The environment is what the caller gives and nothing else; the
 * working directory is /.
 *
 * When the time limit passes, SIGTERM goes to the whole group, PROV_EXEC_GRACE
 * later SIGKILL. A background process that the program left behind is not waited
 * for; it loses its pipes.
 *
 * Times are milliseconds of a monotonic clock, given by the caller.
 */
#ifndef PROVD_EXEC_H
#define PROVD_EXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "result.h"

#define PROV_EXEC_OUTPUT 65536
#define PROV_EXEC_GRACE 3000
#define PROV_EXEC_AGAIN 75 /* EX_TEMPFAIL */

struct prov_exec;

struct prov_exec_spec {
	char *const *argv;
	char *const *envp;
	const char *body;
	size_t len;
	int64_t timeout; /* ms */
};

/* PROV_EINVAL: this program cannot be run (text says why). PROV_EIO, PROV_ENOMEM: we
 * could not start anything (no process, no descriptor); try later. */
int prov_exec_start(const struct prov_exec_spec *spec, int64_t now, struct prov_exec **out,
	struct prov_error *err);
/* Descriptors to poll for reading: standard output and error; -1 when closed. */
void prov_exec_fds(const struct prov_exec *x, int fd[2]);
void prov_exec_read(struct prov_exec *x);
/* When prov_exec_poll() must be called again at the latest. */
int64_t prov_exec_deadline(const struct prov_exec *x);
/* Enforce the time limit and see whether it ended; true: result is filled. */
bool prov_exec_poll(struct prov_exec *x, int64_t now, struct prov_result *result);
void prov_exec_signal(struct prov_exec *x, int sig); /* to the whole group */
/* A child that still runs is killed, with its group. */
void prov_exec_free(struct prov_exec **x);

#endif
