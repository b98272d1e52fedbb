/*
 * loop.c - provd's one loop: wait for whatever comes first, then do what is due.
 *
 * Woken by the relay's datagram, a signal, a control client, a child's output or end,
 * an answer of slapd, or the next time that something is due. Besides it looks at the
 * outbox every LOOK_EVERY, should a datagram have been lost (the relay's user may have
 * had no right to send it); that is a safety net, not how events are found.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "daemon.h"
#include "history.h"
#include "log.h"
#include "metrics.h"
#include "reports.h"
#include "telling.h"

#define LOOK_EVERY 30000
#define TIDY_EVERY 5000
#define RELOAD_FIRST 500
#define RELOAD_LONGEST 30000
#define CUT_GRACE 2000
#define SAVE_EVERY 20      /* at most so often */
#define JUMP 2             /* s */
#define METRICS_EVERY 1000 /* at most so often; and every LOOK_EVERY when nothing happens */

int64_t provd_wall_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t provd_wall(void)
{
	return provd_wall_ms() / 1000;
}

int64_t provd_monotonic(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* See what is new in the state environment. */
static int look(struct provd *p)
{
	struct prov_error err = { 0 };
	struct prov_lineage outbox = { 0 };
	struct prov_kv_txn *t = NULL;
	struct prov_val suffix = { NULL, 0 };
	uint64_t generation = 0, last = 0, noted = 0, reported = 0;

	p->look_at = provd_monotonic() + LOOK_EVERY;
	int rc = prov_kv_begin(prov_statedir_kv(p->state), false, &t, &err);
	if (!rc) {
		prov_outbox_last(t, &last);
		prov_meta_get64(t, "outbox", &noted); /* counts trimmed ones, too */
		rc = prov_meta_get64(t, "policy", &generation);
		if (!rc)
			rc = prov_reports_noted(t, &reported);
		if (!rc)
			rc = prov_history_get(t, PROV_T_META, "lineage", &outbox);
		if (!rc && !prov_meta_get(t, "suffix", &suffix))
			snprintf(p->own_suffix, sizeof(p->own_suffix), "%.*s", (int)suffix.len,
				suffix.data);
	}
	prov_kv_abort(&t);
	if (!rc) {
		p->reported = reported;
		rc = provd_meet_outbox(p, &outbox, &err);
	}
	if (rc) {
		prov_log(LOG_ERR, "event=read-failed text=\"state environment: %s\"",
			*err.text ? err.text : prov_strerror(rc));
		return rc;
	}
	if (generation != p->generation)
		p->reload = true;
	p->generation = generation;
	p->last = last > noted ? last : noted;
	for (size_t i = 0; i < p->nchannel; i++)
		p->channel[i]->at_end = false;
	return 0;
}

static void load_failed(struct provd *p, const struct prov_error *err)
{
	int64_t wait = (int64_t)RELOAD_FIRST << (p->load_failures < 6 ? p->load_failures : 6);
	p->reload = true;
	p->reload_at = provd_monotonic() + (wait < RELOAD_LONGEST ? wait : RELOAD_LONGEST);
	if (!p->load_failures++ || strcmp(p->load_error, err->text))
		prov_log(LOG_WARNING, "event=load-failed text=\"%s: %s\"", err->text,
			p->loaded ? "going on with the connectors known" : "waiting for slapd");
	snprintf(p->load_error, sizeof(p->load_error), "%.*s", (int)sizeof(p->load_error) - 1,
		err->text);
}

static void ask_directory(struct provd *p)
{
	struct prov_error err = { 0 };
	const char *suffix = p->suffix ? p->suffix : *p->own_suffix ? p->own_suffix : NULL;
	if (!p->reload || p->stopping || provd_loader_busy(p->loader) ||
		provd_monotonic() < p->reload_at)
		return;
	p->reload = false;
	p->load_anew = p->anew;
	p->anew = false;
	if (provd_loader_start(p->loader, suffix, &err))
		load_failed(p, &err);
}

static void take_answer(struct provd *p)
{
	struct prov_error why = { 0 };
	struct provd_connectors *set = NULL;
	if (provd_loader_finish(p->loader, &set, &why)) {
		load_failed(p, &why);
		return;
	}
	(void)look(p);
	bool news = p->load_failures || !p->loaded;
	p->loaded = true;
	int rc = provd_channels_take(p, set, &why);
	if (rc) { /* a new one's place could not be written down: it is asked for again */
		load_failed(p, &why);
	} else {
		if (news)
			prov_log(LOG_INFO, "event=loaded connectors=%zu", set->n);
		p->load_failures = 0;
		p->load_error[0] = 0;
	}
	provd_connectors_free(&set);
}

static void cut(struct provd *p)
{
	if (p->njob)
		prov_log(LOG_WARNING,
			"event=cut running=%zu text=\"their events are delivered again at "
			"the next start\"",
			p->njob);
	p->cut = true;
	p->stop_by = provd_monotonic() + CUT_GRACE;
	provd_jobs_cut(p);
}

static void stop(struct provd *p)
{
	if (p->stopping) { /* asked twice: now */
		cut(p);
		return;
	}
	prov_log(LOG_INFO, "event=stop running=%zu", p->njob);
	sd_notify(0, "STOPPING=1");
	p->stopping = true;
	p->stop_by = provd_monotonic() + (int64_t)p->drain * 1000;
	provd_jobs_cut_waiting(p, true);
}

static void take_signals(struct provd *p)
{
	struct signalfd_siginfo s;
	while (read(p->signal_fd, &s, sizeof(s)) == sizeof(s)) {
		if (s.ssi_signo == SIGHUP) {
			prov_log(LOG_INFO, "event=reload");
			p->reload = true;
			p->anew = true;
			p->reload_at = 0;
		} else if (s.ssi_signo != SIGCHLD) {
			stop(p);
		}
	}
}

/* Milliseconds until something is due; 0: at once. */
static int time_left(const struct provd *p)
{
	int64_t now = provd_monotonic(), first = p->look_at;
	int64_t t = provd_jobs_deadline(p);
	first = t < first ? t : first;
	/* tidying, and saving what has ended, wait for saving to work */
	int64_t save_due = p->save_at ? p->save_at : p->tidy_at;
	first = save_due && save_due < first ? save_due : first;
	if (!p->save_at && p->dirty_at && p->dirty_at < first)
		first = p->dirty_at;
	if (p->reload && !provd_loader_busy(p->loader) && p->reload_at < first && !p->stopping)
		first = p->reload_at;
	if (p->stopping && p->stop_by < first)
		first = p->stop_by;
	if (p->metrics && p->metrics_at < first)
		first = p->metrics_at;
	if (p->watchdog && p->alive_at < first)
		first = p->alive_at;
	int64_t left = first > now ? first - now : 0;
	if (p->stopping || p->save_at || p->njob >= PROVD_JOBS)
		return (int)left;
	for (size_t i = 0; i < p->nchannel; i++) {
		if (!provd_channel_usable(p->channel[i]))
			continue;
		int64_t due = prov_queue_due(p->channel[i]->q);
		if (due == INT64_MAX)
			continue;
		int64_t wait = due * 1000 - provd_wall_ms();
		if (wait < p->start_at - now)
			wait = p->start_at - now;
		left = wait < left ? wait : left;
	}
	return left < 0 ? 0 : (int)left;
}

static bool pass_bytes(int fd)
{
	char scrap[64];
	bool any = false;
	while (recv(fd, scrap, sizeof(scrap), MSG_DONTWAIT) >= 0)
		any = true;
	return any;
}

/* Something happened: the figures are made anew soon. */
static void stir(struct provd *p)
{
	int64_t soon = provd_monotonic() + METRICS_EVERY;
	if (soon < p->metrics_at)
		p->metrics_at = soon;
}

/* Wait, then serve what came. */
static int wait_and_serve(struct provd *p, int timeout, struct prov_error *err)
{
	static struct pollfd fd[4 + PROV_CONTROL_FDS + 2 * PROVD_JOBS];
	eventfd_t ended = 0;
	size_t n = 0;
	fd[n++] = (struct pollfd){ p->signal_fd, POLLIN, 0 };
	fd[n++] = (struct pollfd){ p->wake_fd, POLLIN, 0 };
	fd[n++] = (struct pollfd){ p->loader_fd, POLLIN, 0 };
	fd[n++] = (struct pollfd){ p->worker_fd, POLLIN, 0 };
	size_t ncontrol = prov_control_pollfds(p->control, fd + n), control = n;
	n += ncontrol;
	n += provd_jobs_pollfds(p, fd + n);
	int came = poll(fd, n, timeout);
	if (came < 0)
		return errno == EINTR ? 0
				      : prov_error_set(err, PROV_EIO, "poll: %s", strerror(errno));
	if (came > 0)
		stir(p);
	if (fd[0].revents)
		take_signals(p);
	if ((fd[1].revents && pass_bytes(p->wake_fd)) || provd_monotonic() >= p->look_at)
		(void)look(p); /* once it has worked, a failure only delays what is new */
	if (fd[3].revents)
		(void)eventfd_read(p->worker_fd, &ended);
	prov_control_handle(p->control, fd + control, ncontrol);
	if (fd[2].revents)
		take_answer(p);
	return 0;
}

/*
 * Write down what changed; cursors that only passed events of others now and then.
 *
 * A commit waits for the disk, and nothing else happens meanwhile. So what has ended is saved
 * together with what else ends within SAVE_EVERY. An event of which it is not saved that it
 * was delivered comes again after a crash, as it may; one that was deferred is tried earlier.
 */
static void save(struct provd *p)
{
	int64_t now = provd_monotonic();
	bool dirty = false, ahead = false, all = p->tidy_at && now >= p->tidy_at;
	if (p->save_at && now < p->save_at)
		return;
	for (size_t i = 0; i < p->nchannel; i++) {
		const struct prov_queue *q = p->channel[i]->q;
		dirty = dirty || prov_queue_dirty(q);
		ahead = ahead || prov_queue_passed(q) > prov_queue_cursor(q);
	}
	bool failed = p->save_at;
	if (!dirty)
		p->dirty_at = 0;
	else if (!p->dirty_at)
		p->dirty_at = p->saved_at + SAVE_EVERY;
	if (failed || all || (dirty && now >= p->dirty_at)) {
		provd_channels_save(p, all);
		p->saved_at = provd_monotonic();
		p->dirty_at = 0;
	}
	if (all)
		p->tidy_at = 0;
	else if (ahead && !p->tidy_at)
		p->tidy_at = now + TIDY_EVERY;
}

/* Tell whoever watches us that we live, and how it goes. */
static void tell(struct provd *p)
{
	int64_t now = provd_monotonic();
	if (p->watchdog && now >= p->alive_at) {
		sd_notify(0, "WATCHDOG=1");
		p->alive_at = now + p->watchdog;
	}
	if (p->metrics && now >= p->metrics_at) {
		provd_metrics_update(p->metrics, p);
		p->metrics_at = now + LOOK_EVERY;
	}
}

/* Somebody has set the clock: retries and ages go on by what has really passed. */
static void watch_clock(struct provd *p)
{
	int64_t ahead = provd_wall_ms() - provd_monotonic();
	int64_t by = (ahead - p->wall_ahead) / 1000;

	if (by > -JUMP && by < JUMP)
		return;
	prov_log(LOG_WARNING, "event=clock-set seconds=%lld", (long long)by);
	p->wall_ahead += by * 1000;
	p->started += by;
	for (size_t i = 0; i < p->nchannel; i++)
		prov_queue_clock_set(p->channel[i]->q, by);
}

int provd_loop(struct provd *p, struct prov_error *err)
{
	p->wall_ahead = provd_wall_ms() - provd_monotonic();
	int rc = look(p);
	if (rc)
		prov_error_set(err, rc, "the state environment could not be taken up: see above");
	else
		rc = provd_channels_restore(p, err);
	p->reload = true;
	while (!rc) {
		bool more = false;
		watch_clock(p);
		ask_directory(p);
		for (size_t i = 0; i < p->nchannel && !p->stopping; i++)
			more = provd_channel_fill(p, p->channel[i]) || more;
		provd_jobs_start(p);
		save(p);
		if (p->stopping && (!p->njob || (p->cut && provd_monotonic() >= p->stop_by)))
			break;
		if (p->stopping && !p->cut && provd_monotonic() >= p->stop_by)
			cut(p);
		tell(p);
		rc = wait_and_serve(p, more ? 0 : time_left(p), err);
		provd_jobs_poll(p);
	}
	provd_jobs_free(p);
	provd_channels_save(p, true);
	provd_reports_saved(p);
	return rc;
}
