/* kafka_producer.c - a producer of librdkafka, shared. See kafka_producer.h. */
#include "kafka_producer.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon.h" /* provd_monotonic() */
#include "kafka_conf.h"

#define STEP 100    /* ms between looks at cancel and the clock */
#define REPORTS 520 /* records under way: more than provd has attempts at a time */

/* What became of a record. */
struct report {
	enum { FREE, AWAITED, ABANDONED, HERE } state;
	rd_kafka_resp_err_t code;
	int32_t partition;
	int64_t offset;
};

struct producer {
	unsigned holders; /* of the mutex of struct prov_kafka */
	rd_kafka_t *rk;
	pthread_t poller;
	atomic_bool stop;
	pthread_mutex_t mutex;
	pthread_cond_t cond;           /* a report has come */
	struct report report[REPORTS]; /* a record knows its place among them */
	char trouble[160];             /* what librdkafka complained of last */
};

struct prov_kafka {
	struct prov_kafka_settings s;
	pthread_mutex_t mutex;
	struct producer *now; /* or NULL */
};

/* A place for a report; NULL: none is free. */
static struct report *begin_report(struct producer *p)
{
	struct report *found = NULL;

	pthread_mutex_lock(&p->mutex);
	for (size_t i = 0; i < REPORTS && !found; i++)
		if (p->report[i].state == FREE)
			found = &p->report[i];
	if (found)
		found->state = AWAITED;
	pthread_mutex_unlock(&p->mutex);
	return found;
}

/* Nobody waits for it any more. never: it will not come. */
static void end_report(struct producer *p, struct report *r, bool never)
{
	pthread_mutex_lock(&p->mutex);
	r->state = r->state == HERE || never ? FREE : ABANDONED;
	pthread_mutex_unlock(&p->mutex);
}

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *self)
{
	struct producer *p = self;
	struct report *r = m->_private;

	(void)rk;
	pthread_mutex_lock(&p->mutex);
	r->state = r->state == ABANDONED ? FREE : HERE;
	r->code = m->err;
	r->partition = m->partition;
	r->offset = m->offset;
	pthread_cond_broadcast(&p->cond);
	pthread_mutex_unlock(&p->mutex);
}

/* That all are down says less than why one is. */
static void on_trouble(rd_kafka_t *rk, int code, const char *why, void *self)
{
	struct producer *p = self;

	(void)rk;
	if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
		return;
	pthread_mutex_lock(&p->mutex);
	snprintf(p->trouble, sizeof(p->trouble), "%.*s", (int)sizeof(p->trouble) - 1, why);
	pthread_mutex_unlock(&p->mutex);
}

static void *poll_for_reports(void *arg)
{
	struct producer *p = arg;

	while (!atomic_load(&p->stop))
		rd_kafka_poll(p->rk, STEP);
	return NULL;
}

static void producer_free(struct producer *p)
{
	if (!p)
		return;
	if (p->rk) {
		atomic_store(&p->stop, true);
		pthread_join(p->poller, NULL);
		rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
		rd_kafka_flush(p->rk, 1000); /* what is purged is reported, too */
		rd_kafka_destroy(p->rk);
	}
	pthread_cond_destroy(&p->cond);
	pthread_mutex_destroy(&p->mutex);
	free(p);
}

static int start(struct producer *p, const struct prov_kafka_settings *s, struct prov_error *err)
{
	char why[300] = "";
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	int rc = prov_kafka_configure(conf, s, err);

	rd_kafka_conf_set_error_cb(conf, on_trouble);
	rd_kafka_conf_set_dr_msg_cb(conf, on_report);

	if (rc == 0) {
		rd_kafka_conf_set_opaque(conf, p);
		p->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
		if (p->rk)
			conf = NULL; /* taken */
		else
			rc = prov_error_set(err, PROV_EIO, "%s", why);
	}
	if (conf)
		rd_kafka_conf_destroy(conf);
	if (rc == 0 && pthread_create(&p->poller, NULL, poll_for_reports, p)) {
		rd_kafka_destroy(p->rk);
		p->rk = NULL;
		rc = prov_error_set(err, PROV_EIO, "no thread to be had");
	}
	return rc;
}

static struct producer *producer_new(const struct prov_kafka_settings *s, struct prov_error *err)
{
	struct producer *p = calloc(1, sizeof(*p));
	pthread_condattr_t attr;

	if (!p) {
		prov_error_set(err, PROV_ENOMEM, "no memory");
		return NULL;
	}
	p->holders = 1;
	pthread_mutex_init(&p->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->cond, &attr);
	pthread_condattr_destroy(&attr);
	if (start(p, s, err)) {
		producer_free(p);
		return NULL;
	}
	return p;
}

static struct producer *take(struct prov_kafka *k, struct prov_error *err)
{
	pthread_mutex_lock(&k->mutex);
	if (!k->now)
		k->now = producer_new(&k->s, err);
	struct producer *p = k->now;
	if (p)
		p->holders++;
	pthread_mutex_unlock(&k->mutex);
	return p;
}

/* give_up: nobody shall take it any more. */
static void give(struct prov_kafka *k, struct producer *p, bool give_up)
{
	pthread_mutex_lock(&k->mutex);
	if (give_up && k->now == p) {
		k->now = NULL;
		p->holders--;
	}
	bool last = --p->holders == 0;
	pthread_mutex_unlock(&k->mutex);
	if (last)
		producer_free(p);
}

/* At most a step; the producer's mutex is held. */
static void wait_a_step(struct producer *p)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += STEP * 1000000L;
	if (t.tv_nsec >= 1000000000L) {
		t.tv_nsec -= 1000000000L;
		t.tv_sec++;
	}
	pthread_cond_timedwait(&p->cond, &p->mutex, &t);
}

static void fail(struct producer *p, rd_kafka_resp_err_t code, struct prov_result *out)
{
	char why[200] = "";

	pthread_mutex_lock(&p->mutex);
	snprintf(why, sizeof(why), "%s", p->trouble);
	pthread_mutex_unlock(&p->mutex);
	if (code == RD_KAFKA_RESP_ERR__FATAL)
		rd_kafka_fatal_error(p->rk, why, sizeof(why));
	if (code > 0) /* the broker's own words, whatever else went wrong before */
		why[0] = '\0';
	prov_result_fail(out, "%s%s%.160s", rd_kafka_err2str(code), *why ? ": " : "", why);
}

static rd_kafka_resp_err_t produce(const struct producer *p, const struct prov_kafka_record *r,
	struct report *report)
{
	static const char type[] = "application/cloudevents+json";

	return rd_kafka_producev(p->rk, RD_KAFKA_V_TOPIC(r->topic),
		RD_KAFKA_V_KEY(r->key, strlen(r->key)),
		RD_KAFKA_V_VALUE((void *)(uintptr_t)r->value, r->len),
		RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
		RD_KAFKA_V_HEADER("content-type", type, sizeof(type) - 1),
		RD_KAFKA_V_HEADER("ce_id", r->id, strlen(r->id)),
		RD_KAFKA_V_HEADER("ce_type", r->type, strlen(r->type)), RD_KAFKA_V_OPAQUE(report),
		RD_KAFKA_V_END);
}

/* True: there is a report. */
static bool wait_for_report(struct producer *p, const struct report *report, int64_t until,
	const atomic_bool *cancel)
{
	pthread_mutex_lock(&p->mutex);
	while (report->state != HERE && !atomic_load(cancel) && provd_monotonic() < until)
		wait_a_step(p);
	bool done = report->state == HERE;
	pthread_mutex_unlock(&p->mutex);
	return done;
}

static void take_report(struct producer *p, const struct report *report,
	const struct prov_kafka_record *r, struct prov_result *out)
{
	if (report->code) {
		fail(p, report->code, out);
		return;
	}
	out->outcome = PROV_OUTCOME_DONE;
	snprintf(out->reply, sizeof(out->reply), "topic %.250s, partition %d, offset %lld",
		r->topic, (int)report->partition, (long long)report->offset);
}

static void send_with(struct producer *p, const struct prov_kafka_record *r, int64_t until,
	const atomic_bool *cancel, struct prov_result *out)
{
	struct report *report = begin_report(p);

	if (!report) {
		prov_result_fail(out, "too many records under way");
		return;
	}
	rd_kafka_resp_err_t code = produce(p, r, report);
	if (code) {
		fail(p, code, out);
	} else if (!wait_for_report(p, report, until, cancel)) {
		rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE);
		fail(p, RD_KAFKA_RESP_ERR__TIMED_OUT, out);
	} else {
		take_report(p, report, r, out);
	}
	end_report(p, report, code != 0);
}

void prov_kafka_send(struct prov_kafka *k, const struct prov_kafka_record *r, int64_t until,
	const atomic_bool *cancel, struct prov_result *out)
{
	struct prov_error err = { 0 };
	struct producer *p = take(k, &err);

	if (!p) {
		prov_result_fail(out, "%s", err.text);
		return;
	}
	send_with(p, r, until, cancel, out);
	/* One that has failed is given up: librdkafka remembers some errors of a topic or of a
	 * partition, and its idempotent producer may be left with a gap. */
	give(k, p, out->outcome != PROV_OUTCOME_DONE);
}

int prov_kafka_new(const struct prov_kafka_settings *s, struct prov_kafka **out,
	struct prov_error *err)
{
	struct prov_kafka *k = calloc(1, sizeof(*k));

	*out = k;
	if (!k)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	k->s = *s;
	pthread_mutex_init(&k->mutex, NULL);
	return 0;
}

void prov_kafka_free(struct prov_kafka **kp)
{
	struct prov_kafka *k = *kp;

	*kp = NULL;
	if (!k)
		return;
	producer_free(k->now);
	pthread_mutex_destroy(&k->mutex);
	free(k);
}
