/* exec.c - one attempt by the exec connector. See exec.h. */
#include "exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"

struct prov_exec {
	pid_t pid; /* and process group; 0 once reaped */
	int fd[2]; /* standard output, error */
	char *text[2];
	size_t len[2], room[2];
	int64_t started, timeout, kill_at;
	enum { RUNNING, TERMINATED, KILLED } stage;
};

/* A file in memory that holds the event. */
static int make_stdin(const char *body, size_t len, int *out, struct prov_error *err)
{
	int fd = memfd_create("event", MFD_CLOEXEC);
	size_t done = 0;
	while (fd >= 0 && done < len) {
		ssize_t n = write(fd, body + done, len - done);
		if (n < 0 && errno != EINTR) {
			close(fd);
			fd = -1;
		} else if (n > 0) {
			done += (size_t)n;
		}
	}
	if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0) {
		prov_error_set(err, PROV_EIO, "standard input: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return PROV_EIO;
	}
	*out = fd;
	return 0;
}

/* Own process group, no signal blocked or ignored, only the three standard descriptors. */
static int spawn(const struct prov_exec_spec *spec, int in, int out, int err_fd, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	int rc = posix_spawn_file_actions_adddup2(&files, in, 0);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&files, out, 1);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&files, err_fd, 2);
	if (!rc) /* ours are close-on-exec; those that we were started with may not be */
		rc = posix_spawn_file_actions_addclosefrom_np(&files, 3);
	if (!rc)
		rc = posix_spawn_file_actions_addchdir_np(&files, "/");
	posix_spawnattr_setflags(&attr,
		POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	if (!rc)
		rc = posix_spawnp(pid, spec->argv[0], &files, &attr, spec->argv, spec->envp);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return rc;
}

/* Out of processes, descriptors or memory says nothing about the program. */
static int spawn_error(int code, const char *program, struct prov_error *err)
{
	bool ours = code == EAGAIN || code == ENOMEM || code == EMFILE || code == ENFILE;
	return prov_error_set(err, ours ? PROV_EIO : PROV_EINVAL, "cannot run %s: %s", program,
		strerror(code));
}

int prov_exec_start(const struct prov_exec_spec *spec, int64_t now, struct prov_exec **out,
	struct prov_error *err)
{
	int in = -1, o[2] = { -1, -1 }, e[2] = { -1, -1 }, rc = 0;
	struct prov_exec *x = calloc(1, sizeof(*x));

	*out = NULL;
	if (!x)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	rc = make_stdin(spec->body, spec->len, &in, err);
	if (!rc && (pipe2(o, O_CLOEXEC) || pipe2(e, O_CLOEXEC)))
		rc = prov_error_set(err, PROV_EIO, "pipe: %s", strerror(errno));
	if (rc)
		goto out;
	int code = spawn(spec, in, o[1], e[1], &x->pid);
	if (code) {
		rc = spawn_error(code, spec->argv[0], err);
		goto out;
	}
	x->fd[0] = o[0];
	x->fd[1] = e[0];
	for (int i = 0; i < 2; i++)
		fcntl(x->fd[i], F_SETFL, O_NONBLOCK);
	o[0] = e[0] = -1;
	x->started = now;
	x->timeout = spec->timeout;
	x->kill_at = now + spec->timeout;
	*out = x;
	x = NULL;
out:
	for (int i = 0; i < 2; i++) {
		if (o[i] >= 0)
			close(o[i]);
		if (e[i] >= 0)
			close(e[i]);
	}
	if (in >= 0)
		close(in);
	free(x);
	return rc;
}

void prov_exec_fds(const struct prov_exec *x, int fd[2])
{
	fd[0] = x->fd[0];
	fd[1] = x->fd[1];
}

/* Keep what fits under the common limit; the rest is dropped without a sound. */
static void keep(struct prov_exec *x, int which, const char *data, size_t n)
{
	size_t left = PROV_EXEC_OUTPUT - x->len[0] - x->len[1];
	if (n > left)
		n = left;
	if (x->len[which] + n > x->room[which]) {
		size_t room = x->room[which] ? x->room[which] * 2 : 512;
		while (room < x->len[which] + n)
			room *= 2;
		char *grown = realloc(x->text[which], room);
		if (!grown)
			return;
		x->text[which] = grown;
		x->room[which] = room;
	}
	if (n)
		memcpy(x->text[which] + x->len[which], data, n);
	x->len[which] += n;
}

void prov_exec_read(struct prov_exec *x)
{
	char buf[16384];
	for (int i = 0; i < 2; i++) {
		/* A few rounds only: a child that writes without end must not keep us here. */
		for (int round = 0; x->fd[i] >= 0 && round < 8; round++) {
			ssize_t n = read(x->fd[i], buf, sizeof(buf));
			if (n > 0) {
				keep(x, i, buf, (size_t)n);
			} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
				close(x->fd[i]);
				x->fd[i] = -1;
			} else {
				break;
			}
		}
	}
}

int64_t prov_exec_deadline(const struct prov_exec *x)
{
	return x->stage == KILLED ? INT64_MAX : x->kill_at;
}

void prov_exec_signal(struct prov_exec *x, int sig)
{
	if (x->pid)
		kill(-x->pid, sig);
}

static void enforce_limit(struct prov_exec *x, int64_t now)
{
	if (x->stage == KILLED || now < x->kill_at)
		return;
	prov_exec_signal(x, x->stage == RUNNING ? SIGTERM : SIGKILL);
	x->kill_at = now + PROV_EXEC_GRACE;
	x->stage++;
}

/* First line with something on it: of standard error, else of standard output. */
static void first_line(const struct prov_exec *x, char *out, size_t room)
{
	*out = 0;
	for (int i = 1; i >= 0 && !*out; i--) {
		const char *p = x->text[i], *end = p ? p + x->len[i] : NULL;
		while (p < end && strchr(" \t\r\n", *p))
			p++;
		size_t n = 0;
		while (p && p + n < end && p[n] != '\n' && p[n] && n + 1 < room)
			n++;
		if (n)
			memcpy(out, p, n);
		out[n] = 0;
	}
	prov_log_clean(out);
}

static void judge(const struct prov_exec *x, const siginfo_t *end, struct prov_result *r)
{
	char line[200];
	first_line(x, line, sizeof(line));
	memcpy(r->reply, line, sizeof(line));
	const char *colon = *line ? ": " : "";
	r->outcome = PROV_OUTCOME_FAILED;
	if (x->stage != RUNNING)
		snprintf(r->error, sizeof(r->error), "no end within %lld s, stopped%s%s",
			(long long)(x->timeout / 1000), colon, line);
	else if (end->si_code != CLD_EXITED)
		snprintf(r->error, sizeof(r->error), "ended by signal %d%s%s", end->si_status,
			colon, line);
	else if (end->si_status) {
		if (end->si_status == PROV_EXEC_AGAIN)
			r->outcome = PROV_OUTCOME_AGAIN;
		snprintf(r->error, sizeof(r->error), "exit status %d%s%s", end->si_status, colon,
			line);
	} else {
		r->outcome = PROV_OUTCOME_DONE;
		*r->error = 0;
	}
}

bool prov_exec_poll(struct prov_exec *x, int64_t now, struct prov_result *result)
{
	siginfo_t end = { 0 };
	enforce_limit(x, now);
	/* Leave the zombie for a moment: its number keeps the group's from being reused. */
	if (waitid(P_PID, (id_t)x->pid, &end, WEXITED | WNOHANG | WNOWAIT) || !end.si_pid)
		return false;
	prov_exec_read(x);
	if (x->stage != RUNNING)
		prov_exec_signal(x, SIGKILL); /* whoever in the group ignored SIGTERM */
	waitpid(x->pid, NULL, 0);
	x->pid = 0;
	judge(x, &end, result);
	result->ms = now - x->started;
	return true;
}

void prov_exec_free(struct prov_exec **xp)
{
	struct prov_exec *x = *xp;
	if (!x)
		return;
	if (x->pid) {
		prov_exec_signal(x, SIGKILL);
		waitpid(x->pid, NULL, 0);
	}
	for (int i = 0; i < 2; i++) {
		if (x->fd[i] >= 0)
			close(x->fd[i]);
		free(x->text[i]);
	}
	free(x);
	*xp = NULL;
}
