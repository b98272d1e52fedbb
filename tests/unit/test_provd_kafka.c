/* The kafka connector against the mock cluster of librdkafka, with faults put into it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <pthread.h>
#include <time.h>

#include "daemon.h" /* provd_monotonic() */
#include "kafka.h"

#define TOPIC "events"
#define PARTITIONS 4
#define BROKERS 3
#define MOST 400
#define PRODUCE 0 /* the request's number in the protocol */

struct record {
	char key[40], value[160], content_type[40], id[40], type[60];
	int partition;
};

struct cluster {
	rd_kafka_t *rk;
	rd_kafka_mock_cluster_t *mock;
	struct prov_connector c;
	struct prov_connector_option option[3];
	void *self;
	atomic_bool cancel;
	struct record got[MOST];
	size_t n;
};

static void quiet(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	(void)rk, (void)level, (void)facility, (void)text;
}

static int set_up(void **state)
{
	struct cluster *k = calloc(1, sizeof(*k));
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[200];

	rd_kafka_conf_set_log_cb(conf, quiet);
	k->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	assert_non_null(k->rk);
	k->mock = rd_kafka_mock_cluster_new(k->rk, BROKERS);
	assert_non_null(k->mock);
	assert_int_equal(rd_kafka_mock_topic_create(k->mock, TOPIC, PARTITIONS, BROKERS), 0);
	k->option[0] = (struct prov_connector_option){ "topic", TOPIC };
	k->option[1] = (struct prov_connector_option){ "tls", "no" };
	k->c = (struct prov_connector){ .name = "k",
		.type = "kafka",
		.target = rd_kafka_mock_cluster_bootstraps(k->mock),
		.option = k->option,
		.noption = 2,
		.timeout = 5 };
	*state = k;
	return 0;
}

static int tear_down(void **state)
{
	struct cluster *k = *state;

	if (k->self)
		prov_kafka_ops.close(k->self);
	rd_kafka_mock_cluster_destroy(k->mock);
	rd_kafka_destroy(k->rk);
	free(k);
	return 0;
}

static void open_it(struct cluster *k)
{
	struct prov_error err = { 0 };

	if (prov_kafka_ops.open(&k->c, &k->self, &err))
		fail_msg("%s", err.text);
}

/* One attempt. */
static struct prov_result deliver(struct cluster *k, const char *subject, int n)
{
	struct prov_message m = { 0 };
	struct prov_result r = { 0 };
	char text[160];

	r.outcome = PROV_OUTCOME_PARK; /* must be set */
	snprintf(m.body.id, sizeof(m.body.id), "%s-%d", subject, n);
	snprintf(m.body.type, sizeof(m.body.type), "org.slapo-provision.account.updated");
	snprintf(m.body.subject, sizeof(m.body.subject), "%s", subject);
	m.body.len =
		(size_t)snprintf(text, sizeof(text), "{\"id\":\"%s\",\"n\":%d}\n", m.body.id, n);
	m.body.text = text;
	prov_kafka_ops.deliver(k->self, &m, &k->cancel, &r);
	return r;
}

static void must_deliver(struct cluster *k, const char *subject, int n)
{
	struct prov_result r = deliver(k, subject, n);

	if (r.outcome != PROV_OUTCOME_DONE)
		fail_msg("%s", r.error);
}

static void header(const rd_kafka_message_t *m, const char *name, char *out, size_t room)
{
	rd_kafka_headers_t *h = NULL;
	const void *value = NULL;
	size_t len = 0;

	*out = '\0';
	if (!rd_kafka_message_headers(m, &h) && !rd_kafka_header_get_last(h, name, &value, &len))
		snprintf(out, room, "%.*s", (int)len, (const char *)value);
}

static void keep(struct cluster *k, const rd_kafka_message_t *m)
{
	struct record *r = &k->got[k->n++];

	assert_true(k->n < MOST);
	snprintf(r->key, sizeof(r->key), "%.*s", (int)m->key_len, (const char *)m->key);
	snprintf(r->value, sizeof(r->value), "%.*s", (int)m->len, (const char *)m->payload);
	header(m, "content-type", r->content_type, sizeof(r->content_type));
	header(m, "ce_id", r->id, sizeof(r->id));
	header(m, "ce_type", r->type, sizeof(r->type));
	r->partition = m->partition;
}

/* All that is in the topic, each partition in its order. */
static void read_all(struct cluster *k)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(PARTITIONS);
	char why[200];
	unsigned ends = 0; /* a bit for each partition */

	rd_kafka_conf_set_log_cb(conf, quiet);
	rd_kafka_conf_set(conf, "bootstrap.servers", k->c.target, why, sizeof(why));
	rd_kafka_conf_set(conf, "group.id", "reader", why, sizeof(why));
	rd_kafka_conf_set(conf, "enable.partition.eof", "true", why, sizeof(why));
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
	assert_non_null(rk);
	for (int i = 0; i < PARTITIONS; i++)
		rd_kafka_topic_partition_list_add(all, TOPIC, i)->offset =
			RD_KAFKA_OFFSET_BEGINNING;
	assert_int_equal(rd_kafka_assign(rk, all), 0);
	k->n = 0;
	for (int64_t until = provd_monotonic() + 15000; ends != (1u << PARTITIONS) - 1;) {
		assert_true(provd_monotonic() < until);
		rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 100);
		if (m && m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
			ends |= 1u << m->partition;
		else if (m && !m->err)
			keep(k, m);
		if (m)
			rd_kafka_message_destroy(m);
	}
	rd_kafka_topic_partition_list_destroy(all);
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
}

static void an_event_is_a_record_with_the_account_as_its_key(void **state)
{
	struct cluster *k = *state;

	open_it(k);
	struct prov_result r = deliver(k, "ann", 1);
	assert_int_equal(r.outcome, PROV_OUTCOME_DONE);
	assert_non_null(strstr(r.reply, "topic events, partition "));
	assert_non_null(strstr(r.reply, ", offset 0"));
	must_deliver(k, "", 2); /* a test */
	read_all(k);
	assert_int_equal(k->n, 2);
	const struct record *ann = strcmp(k->got[0].key, "ann") ? &k->got[1] : &k->got[0];
	const struct record *test = ann == k->got ? &k->got[1] : &k->got[0];
	assert_string_equal(ann->key, "ann");
	assert_string_equal(ann->value, "{\"id\":\"ann-1\",\"n\":1}"); /* without a newline */
	assert_string_equal(ann->content_type, "application/cloudevents+json");
	assert_string_equal(ann->id, "ann-1");
	assert_string_equal(ann->type, "org.slapo-provision.account.updated");
	assert_string_equal(test->key, "test");
}

static void what_a_broker_may_say_for_a_while_is_tried_again_and_there_once(void **state)
{
	static const rd_kafka_resp_err_t passing[] = { RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
		RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
		RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
		RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE };
	struct cluster *k = *state;
	const int count = sizeof(passing) / sizeof(passing[0]);

	open_it(k);
	for (int i = 0; i < count; i++) {
		rd_kafka_mock_push_request_errors(k->mock, PRODUCE, 2, passing[i], passing[i]);
		must_deliver(k, "ann", i);
		rd_kafka_mock_clear_request_errors(k->mock, PRODUCE);
	}
	read_all(k);
	assert_int_equal(k->n, count);
	for (int i = 0; i < count; i++) {
		char id[20];
		snprintf(id, sizeof(id), "ann-%d", i);
		assert_string_equal(k->got[i].id, id);
	}
}

static void what_a_broker_refuses_is_a_failed_attempt_and_the_next_one_is_good(void **state)
{
	static const struct {
		rd_kafka_resp_err_t code;
		const char *word;
	} refusal[] = { { RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "authorization failed" },
		{ RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, "too large" },
		{ RD_KAFKA_RESP_ERR_INVALID_MSG, "Invalid message" } };
	struct cluster *k = *state;

	open_it(k);
	for (size_t i = 0; i < sizeof(refusal) / sizeof(refusal[0]); i++) {
		rd_kafka_mock_push_request_errors(k->mock, PRODUCE, 1, refusal[i].code);
		struct prov_result r = deliver(k, "ann", (int)i);
		if (r.outcome != PROV_OUTCOME_FAILED || !strstr(r.error, refusal[i].word))
			fail_msg("%d: %s", (int)r.outcome, r.error);
		must_deliver(k, "ann", (int)i);
	}
	read_all(k);
	assert_int_equal(k->n, 3);
}

static void brokers_that_are_down_meet_the_time_limit_and_come_back(void **state)
{
	struct cluster *k = *state;

	k->c.timeout = 2;
	for (int b = 1; b <= BROKERS; b++)
		rd_kafka_mock_broker_set_down(k->mock, b);
	open_it(k);
	int64_t began = provd_monotonic();
	struct prov_result r = deliver(k, "ann", 1);
	int64_t took = provd_monotonic() - began;
	assert_int_equal(r.outcome, PROV_OUTCOME_FAILED);
	assert_non_null(strstr(r.error, "127.0.0.1"));
	assert_true(took < 4000);
	for (int b = 1; b <= BROKERS; b++)
		rd_kafka_mock_broker_set_up(k->mock, b);
	k->c.timeout = 10;
	must_deliver(k, "ann", 1);
	read_all(k);
	assert_int_equal(k->n, 1);
}

static void a_broker_that_does_not_answer_meets_the_time_limit(void **state)
{
	struct cluster *k = *state;

	k->c.timeout = 2;
	open_it(k);
	must_deliver(k, "ann", 1);
	for (int b = 1; b <= BROKERS; b++)
		rd_kafka_mock_broker_set_rtt(k->mock, b, 20000);
	int64_t began = provd_monotonic();
	struct prov_result r = deliver(k, "ann", 2);
	assert_int_equal(r.outcome, PROV_OUTCOME_FAILED);
	assert_true(provd_monotonic() - began < 4000);
}

static void *cancel_soon(void *arg)
{
	const struct timespec t = { 0, 300000000 };

	nanosleep(&t, NULL);
	atomic_store((atomic_bool *)arg, true);
	return NULL;
}

static void who_waits_for_a_report_can_be_stopped(void **state)
{
	struct cluster *k = *state;
	pthread_t thread;

	k->c.timeout = 300;
	for (int b = 1; b <= BROKERS; b++)
		rd_kafka_mock_broker_set_rtt(k->mock, b, 20000);
	open_it(k);
	int64_t began = provd_monotonic();
	pthread_create(&thread, NULL, cancel_soon, &k->cancel);
	struct prov_result r = deliver(k, "ann", 1);
	pthread_join(thread, NULL);
	prov_kafka_ops.close(k->self);
	k->self = NULL;
	assert_int_equal(r.outcome, PROV_OUTCOME_FAILED);
	assert_true(provd_monotonic() - began < 4000);
}

/* As provd does: one event of an account at a time, each until it is delivered. */
struct account {
	struct cluster *k;
	const char *name;
	int events, attempts;
};

static void *deliver_all(void *arg)
{
	struct account *a = arg;

	for (int i = 0; i < a->events; i++)
		do
			a->attempts++;
		while (deliver(a->k, a->name, i).outcome != PROV_OUTCOME_DONE && a->attempts < 500);
	return NULL;
}

static void make_trouble(struct cluster *k, int round)
{
	const struct timespec t = { 0, 50000000 };
	int b = round % BROKERS + 1;

	rd_kafka_mock_push_request_errors(k->mock, PRODUCE, 3,
		RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
		RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
	for (int p = 0; p < PARTITIONS; p++)
		rd_kafka_mock_partition_set_leader(k->mock, TOPIC, p, b);
	nanosleep(&t, NULL);
}

/* The first arrivals of an account must be 0, 1, 2, ...; what comes again has come before. */
static void check_order(const struct cluster *k, const struct account *a)
{
	int next = 0, partition = -1;

	for (size_t i = 0; i < k->n; i++) {
		int n = atoi(strchr(k->got[i].id, '-') + 1);
		if (strcmp(k->got[i].key, a->name) != 0)
			continue;
		assert_true(partition < 0 || partition == k->got[i].partition);
		partition = k->got[i].partition;
		assert_true(n <= next);
		next += n == next;
	}
	assert_int_equal(next, a->events);
}

static void leaders_change_and_refuse_and_all_arrives_in_order(void **state)
{
	struct cluster *k = *state;
	struct account a[4] = { { k, "ann", 40, 0 }, { k, "bob", 40, 0 }, { k, "cid", 40, 0 },
		{ k, "dan", 40, 0 } };
	pthread_t thread[4];
	int attempts = 0;

	open_it(k);
	for (int i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, deliver_all, &a[i]);
	for (int round = 0; round < 20; round++)
		make_trouble(k, round);
	rd_kafka_mock_clear_request_errors(k->mock, PRODUCE);
	for (int i = 0; i < 4; i++) {
		pthread_join(thread[i], NULL);
		attempts += a[i].attempts;
	}
	assert_true(attempts > 160); /* some were refused: there was trouble */
	read_all(k);
	for (int i = 0; i < 4; i++)
		check_order(k, &a[i]);
}

static void what_cannot_be_meant_is_unusable_and_named(void **state)
{
	static const struct {
		const char *target, *secret;
		struct prov_connector_option option[3];
		const char *word;
	} bad[] = {
		{ "kafka.example.com", NULL, { { "tls", "no" } }, "127.0.0.1" },
		{ "127.0.0.1:1,kafka.example.com", NULL, { { "tls", "no" } }, "127.0.0.1" },
		{ "127.0.0.10", NULL, { { "tls", "no" } }, "127.0.0.1" },
		{ "localhost", "/s", { { "tls", "no" }, { "user", "u" } }, "tls=no" },
		{ "k", NULL, { { "user", "u" } }, "provSecretFile" },
		{ "k", "/s", { { "topic", "x" } }, "user=" },
		{ "k", NULL, { { "sasl", "PLAIN" } }, "user=" },
		{ "k", NULL, { { "topic", "a b" } }, "topic=a b" },
		{ "k", NULL, { { "topic", ".." } }, "topic=.." },
	};
	struct cluster *k = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct prov_error err = { 0 };
		struct prov_connector c = { .target = bad[i].target,
			.secret_file = bad[i].secret,
			.timeout = 5 };
		memcpy(k->option, bad[i].option, sizeof(bad[i].option));
		c.option = k->option;
		while (c.noption < 3 && k->option[c.noption].name)
			c.noption++;
		void *self = NULL;
		assert_int_equal(prov_kafka_ops.open(&c, &self, &err), PROV_EINVAL);
		assert_null(self);
		if (!strstr(err.text, bad[i].word))
			fail_msg("%s", err.text);
	}
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_event_is_a_record_with_the_account_as_its_key),
		CASE(what_a_broker_may_say_for_a_while_is_tried_again_and_there_once),
		CASE(what_a_broker_refuses_is_a_failed_attempt_and_the_next_one_is_good),
		CASE(brokers_that_are_down_meet_the_time_limit_and_come_back),
		CASE(a_broker_that_does_not_answer_meets_the_time_limit),
		CASE(who_waits_for_a_report_can_be_stopped),
		CASE(leaders_change_and_refuse_and_all_arrives_in_order),
		CASE(what_cannot_be_meant_is_unusable_and_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
