/*
 * main.c - provd, the delivery daemon: options, start and end.
 *
 * Takes events from the outbox (state environment, read only) to the connectors that
 * the directory lists, and keeps its progress in the delivery environment, which it
 * alone writes while it runs. See provd(8).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "confine.h"
#include "daemon.h"
#include "log.h"
#include "memory.h"
#include "metrics.h"
#include "options.h"
#include "place.h"

#define PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define WAIT_STEP 1000    /* ms between two looks for the state directory */
#define WORKER_IDLE 15000 /* ms without an attempt, then its thread ends */
#define LOCK_PATIENCE 10  /* s for a provctl that holds the lock for a moment */

struct settings {
	struct prov_common_options common;
	const char *config, *metrics_file, *metrics_listen, *programs, *secrets;
	bool foreground;
	unsigned drain;
};

static int read_options(struct prov_options *o, struct settings *s, int argc, char **argv)
{
	const struct prov_option table[] = {
		{ "foreground", 0, PROV_OPTION_FLAG, &s->foreground, NULL,
			"stay in the foreground, log to standard error" },
		{ "config", 0, PROV_OPTION_TEXT, &s->config, "FILE",
			"read options from lines \"name value\"" },
		{ "metrics-file", 0, PROV_OPTION_TEXT, &s->metrics_file, "FILE",
			"write figures for Prometheus there (node_exporter's textfile collector)" },
		{ "metrics-listen", 0, PROV_OPTION_TEXT, &s->metrics_listen, "[ADDRESS:]PORT",
			"and give them out over HTTP, to this machine only" },
		{ "programs", 0, PROV_OPTION_TEXT, &s->programs, "DIR",
			"run programs of connectors from below this directory only" },
		{ "secrets", 0, PROV_OPTION_TEXT, &s->secrets, "DIR",
			"read secret files from below this directory only" },
		{ "drain", 0, PROV_OPTION_NUMBER, &s->drain, "SECONDS",
			"time for running deliveries when stopped (default 30)" },
	};
	struct prov_error err = { 0 };
	int operand = 0;
	prov_options_add(o, table, sizeof(table) / sizeof(table[0]));
	prov_options_add_common(o, &s->common);
	s->drain = 30;
	int rc = prov_options_parse(o, argc, argv, &operand);
	if (rc)
		return rc;
	if (operand < argc) {
		prov_options_misuse(o, "unknown argument \"%s\"", argv[operand]);
		return PROV_EINVAL;
	}
	rc = s->config ? prov_options_read(o, s->config, &err) : 0;
	if (rc == 0 && s->programs)
		rc = prov_confine_to(PROV_CONFINE_PROGRAMS, s->programs, &err);
	if (rc == 0 && s->secrets)
		rc = prov_confine_to(PROV_CONFINE_SECRETS, s->secrets, &err);
	if (rc)
		fprintf(stderr, "provd: %s\n", err.text);
	return rc;
}

/* Descriptors 0 to 2 must be taken, or pipes to children would get their numbers. */
static void fill_standard_fds(void)
{
	int fd = 0;
	while (fd >= 0 && fd <= 2)
		fd = open("/dev/null", O_RDWR);
	if (fd > 2)
		close(fd);
}

/* A path that still means the same after chdir("/"). Kept until the end. */
static int make_absolute(const char **path)
{
	char *cwd = NULL, *whole = NULL;
	if (!*path || **path == '/')
		return 0;
	cwd = getcwd(NULL, 0);
	int rc = cwd ? asprintf(&whole, "%s/%s", cwd, *path) : -1;
	free(cwd);
	if (rc < 0)
		return -1;
	*path = whole;
	return 0;
}

/*
 * Go into the background. The first process waits until the daemon says that it is
 * well (a byte) or ends; *tell is where to say it.
 */
static int go_background(int *tell)
{
	int pipe_fd[2];
	char well = 0;
	if (pipe2(pipe_fd, O_CLOEXEC))
		return -1;
	pid_t pid = fork();
	if (pid < 0)
		return -1;
	if (pid) {
		close(pipe_fd[1]);
		ssize_t n = read(pipe_fd[0], &well, 1);
		_exit(n == 1 ? PROV_EXIT_OK : PROV_EXIT_CANNOT);
	}
	close(pipe_fd[0]);
	*tell = pipe_fd[1];
	return setsid() < 0 || chdir("/") ? -1 : 0;
}

static void say_well(int *tell)
{
	if (*tell < 0)
		return;
	int null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd <= 2 && null >= 0; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	if (write(*tell, "", 1) != 1)
		prov_log(LOG_WARNING, "event=start text=\"nobody waits for the start\"");
	close(*tell);
	*tell = -1;
}

static int open_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* Wait a step; true when we are to end. */
static bool told_to_stop(int signal_fd)
{
	struct pollfd fd = { signal_fd, POLLIN, 0 };
	struct signalfd_siginfo s;
	poll(&fd, 1, WAIT_STEP);
	while (read(signal_fd, &s, sizeof(s)) == sizeof(s))
		if (s.ssi_signo == SIGTERM || s.ssi_signo == SIGINT)
			return true;
	return false;
}

static int find_state_dir(const struct settings *s, char **dir, struct prov_error *err)
{
	LDAP *ld = NULL;
	struct prov_ldap_options ldap = s->common.ldap;
	ldap.quiet = true;
	if (s->common.state) {
		*dir = realpath(s->common.state, NULL);
		if (*dir)
			return 0;
		int code = errno == ENOENT ? PROV_ENOENT : PROV_EINVAL;
		return prov_error_set(err, code, "%s: %s", s->common.state, strerror(errno));
	}
	int rc = prov_ldap_connect(&ldap, &ld, err);
	if (!rc)
		rc = prov_ldap_state_dir(ld, ldap.suffix, NULL, dir, err);
	/* Only slapd being away is worth waiting for; what it answers will not change. */
	if (rc && ld && rc != PROV_EBUSY)
		rc = PROV_EINVAL;
	prov_ldap_close(&ld);
	return rc;
}

/* Find the state directory and open both environments. */
static int try_open(const struct settings *s, struct provd *p, char **dir, struct prov_error *err)
{
	int rc = *dir ? 0 : find_state_dir(s, dir, err);
	if (!rc && !p->state)
		rc = prov_statedir_open(*dir, false, &p->state, err);
	if (!rc)
		rc = prov_delivery_open(*dir, &p->delivery, err);
	return rc;
}

/* try_open until it works. PROV_EREFUSED: told to stop. */
static int open_state(const struct settings *s, struct provd *p, int *tell, char **dir,
	struct prov_error *err)
{
	char said[sizeof(err->text)] = "";
	for (int locked = 0;;) {
		int rc = try_open(s, p, dir, err);
		bool lock = rc == PROV_EBUSY && p->state;
		if (!rc || (rc != PROV_ENOENT && rc != PROV_EBUSY) ||
			(lock && locked++ >= LOCK_PATIENCE))
			return rc;
		if (strcmp(said, err->text)) {
			prov_log(LOG_WARNING, "event=wait text=\"%s: waiting for %s\"", err->text,
				lock ? "the lock"
				     : "slapd to be there and make its state directory");
			memcpy(said, err->text, sizeof(said));
		}
		if (!lock)
			say_well(tell); /* waiting for slapd is no failure */
		if (told_to_stop(p->signal_fd))
			return PROV_EREFUSED;
	}
}

static void write_pid(const char *dir, char *path, size_t room)
{
	struct prov_error err = { 0 };
	if (prov_place_find(dir, "provd", "provd.pid", path, room, &err)) {
		prov_log(LOG_WARNING, "event=start text=\"%s\"", err.text);
		*path = '\0';
		return;
	}
	FILE *f = fopen(path, "we");
	if (!f || fprintf(f, "%ld\n", (long)getpid()) < 0)
		prov_log(LOG_WARNING, "event=start text=\"%s: %s\"", path, strerror(errno));
	if (f)
		fclose(f);
}

static int run(const struct settings *s, int *tell, struct prov_error *err)
{
	static struct provd p; /* large, and there is one */
	char *dir = NULL, pid_file[4096] = "";

	p.wake_fd = p.loader_fd = -1;
	p.worker_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p.signal_fd = open_signals();
	if (p.signal_fd < 0 || p.worker_fd < 0)
		return prov_error_set(err, PROV_EIO, "signalfd or eventfd: %s", strerror(errno));
	int rc = open_state(s, &p, tell, &dir, err);
	if (rc)
		goto out;
	p.dir = dir;
	p.suffix = s->common.ldap.suffix;
	p.ldap = s->common.ldap;
	p.drain = s->drain;
	p.started = provd_wall();
	rc = prov_wake_listen(dir, &p.wake_fd, err);
	if (!rc)
		rc = prov_workers_new(p.worker_fd, WORKER_IDLE, &p.workers, err);
	if (!rc)
		rc = prov_control_open(dir, provd_answer, &p, &p.control, err);
	if (!rc)
		rc = provd_loader_new(&p.ldap, &p.loader, &p.loader_fd, err);
	if (!rc && (s->metrics_file || s->metrics_listen))
		rc = provd_metrics_new(s->metrics_file, s->metrics_listen, &p.metrics, err);
	if (rc)
		goto out;
	write_pid(dir, pid_file, sizeof(pid_file));
	prov_log(LOG_INFO, "event=start version=%s pid=%ld state=%s", PROV_VERSION, (long)getpid(),
		dir);
	say_well(tell);
	sd_notifyf(0, "READY=1\nMAINPID=%ld", (long)getpid());
	uint64_t usec = 0;
	if (sd_watchdog_enabled(0, &usec) > 0)
		p.watchdog = (int64_t)(usec / 2000) + 1;
	rc = provd_loop(&p, err);
	prov_log(LOG_INFO, "event=end");
out:
	provd_metrics_free(&p.metrics);
	prov_control_close(&p.control);
	provd_loader_free(&p.loader);
	provd_channels_free(&p);
	prov_workers_free(&p.workers);
	if (*pid_file)
		unlink(pid_file);
	if (p.wake_fd >= 0)
		close(p.wake_fd);
	close(p.signal_fd);
	close(p.worker_fd);
	prov_delivery_close(&p.delivery);
	prov_statedir_close(&p.state);
	free(dir);
	return rc == PROV_EREFUSED ? 0 : rc;
}

int main(int argc, char **argv)
{
	struct settings s = { 0 };
	struct prov_options o = { .program = "provd",
		.usage = "[--foreground] [--state DIR] [-H URI] [--config FILE]",
		.tail = "Takes provisioning events to the connected systems. See provd(8).\n" };
	struct prov_error err = { 0 };
	int tell = -1;

	prov_memory_or_end("provd");
	int rc = read_options(&o, &s, argc, argv);
	if (rc) {
		prov_options_dispose(&o);
		return rc > 0 ? PROV_EXIT_OK : PROV_EXIT_CANNOT;
	}
	fill_standard_fds();
	setenv("PATH", PATH, 1); /* where programs of connectors are looked for */
	if (!s.foreground &&
		(make_absolute(&s.common.state) || make_absolute(&s.metrics_file) ||
			make_absolute(&s.common.ldap.password_file) || go_background(&tell))) {
		fprintf(stderr, "provd: cannot go into the background: %s\n", strerror(errno));
		return PROV_EXIT_CANNOT;
	}
	prov_log_open("provd", !s.foreground);
	rc = run(&s, &tell, &err);
	if (rc) {
		prov_log(LOG_ERR, "event=end text=\"%s\"", err.text);
		if (tell >= 0) /* the caller still waits and sees this */
			fprintf(stderr, "provd: %s\n", err.text);
	}
	prov_options_dispose(&o);
	return rc ? PROV_EXIT_CANNOT : PROV_EXIT_OK;
}
