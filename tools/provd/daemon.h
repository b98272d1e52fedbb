/*
 * daemon.h - provd's state, shared by its own files: those named below, telling.c, metrics.c, main.c.
 *
 * One thread; the loader's (connectors.h) and the workers' (worker.h) touch none of it. Nothing
 * here blocks but the delivery environment's commits and, at the stop, waiting for the workers.
 */
#ifndef PROVD_DAEMON_H
#define PROVD_DAEMON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "connectors.h"
#include "control.h"
#include "exec.h"
#include "lineage.h"
#include "outbox.h"
#include "queue.h"
#include "rate.h"
#include "state.h"
#include "worker.h"

#define PROVD_TESTS 8     /* results of test events that are kept */
#define PROVD_WINDOW 4096 /* events in memory for each connector */
#define PROVD_JOBS 512    /* attempts at a time in all */
#define PROVD_SCAN 512    /* events looked at for each connector before others have their turn */

/* One connector's deliveries. Lives as long as provd, also when the connector is gone. */
struct channel {
	char name[256];
	struct provd_connector *conn; /* NULL: not in the directory now */
	struct prov_queue *q;
	bool rows_in; /* all waiting rows are in the queue */
	bool at_end;  /* all of the outbox that we know of was looked at */
	bool listed;  /* scratch, while a new set is taken over */
	uint64_t delivered, failed;
	struct prov_rate rate; /* of deliveries; monotonic seconds */
	int64_t last_success;
	char last_error[256];
	bool refused; /* the destination wants no more (HTTP 410): until its entry changes */
};

/* One attempt that runs: in a program or in a worker. */
struct job {
	struct channel *ch;
	const struct prov_delivery *d; /* NULL: a test event, of no outbox */
	struct provd_connector *conn;  /* held */
	struct prov_exec *x;
	struct prov_worker *w;
	struct parcel *parcel; /* the worker's argument */
	char id[40], type[80];
	bool cut; /* stopped by us: no attempt of its own */
};

/* What became of a test event. */
struct provd_test {
	char id[40]; /* empty: none */
	bool done;
	struct prov_result result;
};

struct provd {
	const char *dir;
	const char *suffix; /* -b, or NULL */
	unsigned drain;     /* seconds that running attempts get when we stop */
	struct prov_ldap_options ldap;
	struct prov_statedir *state;
	struct prov_delivery_env *delivery;
	struct provd_loader *loader;
	struct prov_control *control;
	struct prov_workers *workers;
	int loader_fd, wake_fd, signal_fd, worker_fd;

	size_t nchannel;
	struct channel **channel;
	size_t njob;
	struct job job[PROVD_JOBS];
	unsigned ntest; /* ever begun */
	struct provd_test test[PROVD_TESTS];

	int64_t started; /* wall clock, s */
	uint64_t last;   /* last sequence in the outbox, when last looked */
	struct prov_lineage
		outbox;         /* of its numbers, as far as the delivery environment knows it */
	uint64_t unreleased;    /* events looked at since prov_kv_release() */
	uint64_t generation;    /* of the policy, when connectors were last asked for */
	char own_suffix[512];   /* from the state environment */
	bool reload;            /* connectors must be asked for */
	bool anew, load_anew;   /* ... and opened anew, changed or not: wanted, being done */
	bool loaded;            /* they were, at least once */
	unsigned load_failures; /* in a row */
	int64_t reload_at;      /* monotonic ms; not before */
	char load_error[256];
	int64_t wall_ahead; /* ms that the wall clock is ahead of the monotonic one */
	int64_t start_at;   /* monotonic ms: no attempt before (out of processes) */
	int64_t save_at;    /* monotonic ms: next try to save after a failure; 0: saving works */
	int64_t saved_at;   /* monotonic ms: the last save */
	int64_t dirty_at;   /* monotonic ms: what has ended is saved then; 0: nothing has */
	int64_t tidy_at;    /* monotonic ms: cursors that only passed events are saved then */
	int64_t look_at;    /* monotonic ms: look at the outbox even if nobody woke us */
	size_t nreport;     /* records for the trail, not saved yet (telling.h) */
	char **report;
	uint64_t reported;             /* the newest that the trail has */
	struct provd_metrics *metrics; /* NULL: nobody wants them */
	int64_t metrics_at;            /* monotonic ms: when they are written next; 0: at once */
	int64_t watchdog;              /* ms between two signs of life to systemd; 0: none wanted */
	int64_t alive_at;              /* monotonic ms: the next one */
	bool stopping, cut;
	int64_t stop_by; /* monotonic ms */
};

int64_t provd_wall(void); /* s */
int64_t provd_wall_ms(void);
int64_t provd_monotonic(void); /* ms */

/* past.c: before any event of this lineage is looked at. On failure nothing may be delivered. */
int provd_meet_outbox(struct provd *p, const struct prov_lineage *outbox, struct prov_error *err);

/* channel.c */
int provd_channels_restore(struct provd *p, struct prov_error *err);
int provd_channels_take(struct provd *p, struct provd_connectors *set, struct prov_error *err);
struct channel *provd_channel_find(const struct provd *p, const char *name);
bool provd_channel_usable(const struct channel *ch); /* may start attempts */
/* The destination wants no more, or may be asked again: kept over a restart. */
void provd_channel_refuse(struct provd *p, struct channel *ch, bool refused);
/* More events into the window; true: there is more to look at right away. */
bool provd_channel_fill(struct provd *p, struct channel *ch);
void provd_channels_save(struct provd *p, bool all); /* all: also cursors that only passed events */
void provd_channel_remove(struct provd *p, struct channel *ch); /* has no connector, no job */
void provd_channels_free(struct provd *p);

/* jobs.c */
void provd_jobs_start(struct provd *p);
void provd_jobs_poll(struct provd *p); /* read output, enforce limits, take results */
void provd_jobs_cut(struct provd *p);  /* we stop: end them */
/* End those that only wait for a destination to come: of connectors that have changed, or all. */
void provd_jobs_cut_waiting(struct provd *p, bool all);
void provd_jobs_free(struct provd *p);
int64_t provd_jobs_deadline(const struct provd *p);
size_t provd_jobs_pollfds(const struct provd *p, struct pollfd *fd); /* up to 2 for each job */
/* Send an event that means nothing to this connector, now. Its id, or NULL and why not. */
const char *provd_jobs_test(struct provd *p, struct channel *ch, struct prov_error *err);
const struct provd_test *provd_jobs_tested(const struct provd *p, const char *id);

/* answers.c */
prov_control_answer provd_answer;

/* admin.c */
json_t *provd_refuse(const char *code, const char *text); /* the answer "no" */
json_t *provd_admin_change(struct provd *p, const json_t *request,
	const char *reason); /* drop; NULL: retry */
json_t *provd_admin_forget(struct provd *p, const json_t *request, const char *reason);
json_t *provd_admin_import(struct provd *p, const json_t *request);

/* loop.c: until stopped; 0 or an error that ends provd. */
int provd_loop(struct provd *p, struct prov_error *err);

#endif
