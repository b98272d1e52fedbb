/* The exec connector against real programs: input, output, limits, process groups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "exec.h"

static int64_t clock_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int start(const char *script, const char *body, int64_t timeout, struct prov_exec **x)
{
	char *const argv[] = { "/bin/sh", "-c", (char *)(uintptr_t)script, NULL };
	char *const env[] = { "PATH=/usr/bin:/bin", "ONLY=this", NULL };
	const struct prov_exec_spec spec = { argv, env, body, strlen(body), timeout };
	return prov_exec_start(&spec, clock_ms(), x, NULL);
}

/* Wait as the loop does. */
static void await(struct prov_exec *x, struct prov_result *r)
{
	memset(r, 0, sizeof(*r));
	while (!prov_exec_poll(x, clock_ms(), r)) {
		int fd[2];
		prov_exec_fds(x, fd);
		struct pollfd p[2] = { { fd[0], POLLIN, 0 }, { fd[1], POLLIN, 0 } };
		poll(p, 2, 5);
		prov_exec_read(x);
	}
}

static void run(const char *script, const char *body, int64_t timeout, struct prov_result *r)
{
	struct prov_exec *x = NULL;
	assert_int_equal(start(script, body, timeout, &x), 0);
	await(x, r);
	prov_exec_free(&x);
}

static void the_exit_status_decides(void **state)
{
	(void)state;
	static const struct {
		const char *script;
		enum prov_outcome outcome;
		const char *error;
	} t[] = {
		{ "exit 0", PROV_OUTCOME_DONE, "" },
		{ "echo chatter; echo more >&2; exit 0", PROV_OUTCOME_DONE, "" },
		{ "echo busy >&2; exit 75", PROV_OUTCOME_AGAIN, "exit status 75: busy" },
		{ "exit 3", PROV_OUTCOME_FAILED, "exit status 3" },
		{ "echo out; exit 1", PROV_OUTCOME_FAILED, "exit status 1: out" },
		{ "echo out; echo; echo ' why' >&2; echo b >&2; exit 1", PROV_OUTCOME_FAILED,
			"exit status 1: why" },
		{ "printf 'a\\tb\\033[1m\"c\"' >&2; exit 1", PROV_OUTCOME_FAILED,
			"exit status 1: a b [1m'c'" },
		{ "printf 'caf\\351 caf\\303\\251' >&2; exit 1", PROV_OUTCOME_FAILED,
			"exit status 1: caf? caf\xc3\xa9" },
		{ "kill -9 $$", PROV_OUTCOME_FAILED, "ended by signal 9" },
	};
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct prov_result r;
		run(t[i].script, "{}", 10000, &r);
		assert_int_equal(r.outcome, t[i].outcome);
		assert_string_equal(r.error, t[i].error);
	}
}

static void the_event_comes_on_standard_input_whole(void **state)
{
	(void)state;
	struct prov_result r;
	size_t len = 3000000; /* more than any pipe holds */
	char *body = malloc(len + 1);
	assert_non_null(body);
	memset(body, 'x', len);
	body[len] = 0;
	run("test $(wc -c) = 3000000", body, 10000, &r);
	assert_int_equal(r.outcome, PROV_OUTCOME_DONE);
	run("exit 0", body, 10000, &r); /* a program that does not read it */
	assert_int_equal(r.outcome, PROV_OUTCOME_DONE);
	free(body);
}

static void the_environment_is_what_was_given_and_nothing_else(void **state)
{
	(void)state;
	struct prov_result r;
	setenv("SECRET", "1", 1);
	run("env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= -e ^OLDPWD= | sort | tr '\\n' ' '; pwd; exit 1",
		"{}", 10000, &r);
	assert_string_equal(r.error, "exit status 1: ONLY=this PATH=/usr/bin:/bin /");
}

static void no_descriptor_of_ours_gets_through(void **state)
{
	(void)state;
	struct prov_result r;
	int fd[2];
	assert_int_equal(pipe(fd), 0);
	run("ls /proc/self/fd | tr '\\n' ' '; exit 1", "{}", 10000, &r);
	/* 3 is the folder that ls has open */
	assert_string_equal(r.error, "exit status 1: 0 1 2 3 ");
	close(fd[0]);
	close(fd[1]);
}

static void too_long_a_run_is_stopped_with_all_its_children(void **state)
{
	(void)state;
	struct prov_result r;
	char path[] = "/tmp/provd-exec-XXXXXX", script[300];
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	int64_t begun = clock_ms();
	snprintf(script, sizeof(script), "echo started; sleep 300 & echo $! >%s; wait", path);
	run(script, "{}", 300, &r);
	assert_int_equal(r.outcome, PROV_OUTCOME_FAILED);
	assert_string_equal(r.error, "no end within 0 s, stopped: started");
	assert_in_range(clock_ms() - begun, 290, 2500); /* SIGTERM was enough */
	char text[32] = "";
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	pid_t child = (pid_t)atol(text);
	for (int i = 0; i < 200 && !kill(child, 0); i++)
		usleep(10000); /* init reaps it */
	char stat[64], what = 0;
	snprintf(stat, sizeof(stat), "/proc/%ld/stat", (long)child);
	FILE *f = fopen(stat, "r");
	if (f && fscanf(f, "%*d (sleep) %c", &what) == 1) /* nobody may have reaped it */
		assert_int_equal(what, 'Z');
	if (f)
		fclose(f);
	close(fd);
	unlink(path);
}

static void a_program_that_ignores_sigterm_is_killed(void **state)
{
	(void)state;
	struct prov_result r;
	int64_t begun = clock_ms();
	run("trap '' TERM; while :; do sleep 0.1; done", "{}", 100, &r);
	assert_int_equal(r.outcome, PROV_OUTCOME_FAILED);
	assert_in_range(clock_ms() - begun, PROV_EXEC_GRACE, PROV_EXEC_GRACE + 3000);
}

static void endless_output_costs_no_memory_and_ends_with_the_time_limit(void **state)
{
	(void)state;
	struct prov_result r;
	run("exec yes 0123456789", "{}", 400, &r);
	assert_int_equal(r.outcome, PROV_OUTCOME_FAILED);
	assert_string_equal(r.error, "no end within 0 s, stopped: 0123456789");
	/* more than the limit, then an end of its own: read to the end, nothing blocks */
	run("head -c 5000000 /dev/zero | tr '\\0' a; echo; exit 4", "{}", 10000, &r);
	assert_memory_equal(r.error, "exit status 4: aaaa", 19);
}

static void a_background_process_is_not_waited_for(void **state)
{
	(void)state;
	struct prov_result r;
	int64_t begun = clock_ms();
	run("sleep 5 & exit 0", "{}", 10000, &r);
	assert_int_equal(r.outcome, PROV_OUTCOME_DONE);
	assert_true(clock_ms() - begun < 4000);
}

static void a_program_that_is_not_there_is_said_so(void **state)
{
	(void)state;
	char *const argv[] = { "/no/such/program", NULL };
	char *const env[] = { NULL };
	const struct prov_exec_spec spec = { argv, env, "", 0, 1000 };
	struct prov_exec *x = NULL;
	struct prov_error err = { 0 };
	assert_int_equal(prov_exec_start(&spec, clock_ms(), &x, &err), PROV_EINVAL);
	assert_null(x);
	assert_string_equal(err.text, "cannot run /no/such/program: No such file or directory");
}

static void out_of_descriptors_is_our_own_trouble(void **state)
{
	(void)state;
	struct rlimit before, few;
	struct prov_exec *x = NULL;
	int free_fd = dup(0);
	assert_true(free_fd > 0);
	close(free_fd);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	for (rlim_t more = 0; more < 4; more++) { /* each of the descriptors that it needs */
		few = before;
		few.rlim_cur = (rlim_t)free_fd + more;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		int rc = start("exit 0", "{}", 1000, &x);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		assert_int_equal(rc, PROV_EIO);
		assert_null(x);
		int again = dup(0); /* none was left open */
		assert_int_equal(again, free_fd);
		close(again);
	}
}

static void signals_we_block_or_ignore_reach_the_program(void **state)
{
	(void)state;
	struct prov_result r;
	sigset_t set, before;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &before);
	void (*pipe_before)(int) = signal(SIGPIPE, SIG_IGN);
	run("yes | head -1; kill -TERM $$; exit 0", "{}", 10000, &r);
	assert_string_equal(r.error, "ended by signal 15: y");
	signal(SIGPIPE, pipe_before);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_exit_status_decides),
		cmocka_unit_test(the_event_comes_on_standard_input_whole),
		cmocka_unit_test(the_environment_is_what_was_given_and_nothing_else),
		cmocka_unit_test(no_descriptor_of_ours_gets_through),
		cmocka_unit_test(too_long_a_run_is_stopped_with_all_its_children),
		cmocka_unit_test(a_program_that_ignores_sigterm_is_killed),
		cmocka_unit_test(endless_output_costs_no_memory_and_ends_with_the_time_limit),
		cmocka_unit_test(a_background_process_is_not_waited_for),
		cmocka_unit_test(a_program_that_is_not_there_is_said_so),
		cmocka_unit_test(out_of_descriptors_is_our_own_trouble),
		cmocka_unit_test(signals_we_block_or_ignore_reach_the_program),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
