/* One writer and readers on one environment: each reader sees whole commits only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>
#include <unistd.h>

#include <cmocka.h>

#include "kv.h"

#define ROUNDS 400
#define READERS 3

static const char *const tables[] = { "x", NULL };

struct shared {
	struct prov_kv *kv;
	pthread_mutex_t mutex;
	bool done; /* under mutex */
	unsigned torn, looks;
};

static uint64_t number(struct prov_kv_txn *t, const char *name)
{
	struct prov_val v;
	uint64_t n = 0;

	if (prov_kv_get(t, 0, prov_val_str(name), &v) == 0 && prov_be64_get(v, &n))
		return UINT64_MAX;
	return n;
}

static void *reader(void *arg)
{
	struct shared *s = arg;
	bool done = false;

	while (!done) {
		struct prov_kv_txn *t = NULL;
		if (prov_kv_begin(s->kv, false, &t, NULL))
			break;
		bool same = number(t, "a") == number(t, "b");
		prov_kv_abort(&t);
		pthread_mutex_lock(&s->mutex);
		s->torn += !same;
		s->looks++;
		done = s->done;
		pthread_mutex_unlock(&s->mutex);
	}
	return NULL;
}

static bool write_round(struct prov_kv *kv)
{
	struct prov_kv_txn *t = NULL;
	unsigned char b[8];

	if (prov_kv_begin(kv, true, &t, NULL))
		return false;
	prov_be64_put(b, number(t, "a") + 1);
	prov_kv_put(t, 0, prov_val_str("a"), (struct prov_val){ (char *)b, 8 });
	prov_kv_put(t, 0, prov_val_str("b"), (struct prov_val){ (char *)b, 8 });
	return prov_kv_commit(&t, NULL) == 0;
}

static void *writer(void *arg)
{
	struct shared *s = arg;

	for (int i = 0; i < ROUNDS; i++)
		if (!write_round(s->kv))
			return "a write failed";
	return NULL;
}

static void readers_see_whole_commits_and_no_write_is_lost(void **state)
{
	struct shared s = { .mutex = PTHREAD_MUTEX_INITIALIZER };
	char dir[] = "/tmp/prov-kvt-XXXXXX", path[64], lock[96];
	pthread_t r[READERS], w[2];
	struct prov_kv_txn *t = NULL;
	void *bad;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/x.mdb", dir);
	snprintf(lock, sizeof(lock), "%s-lock", path);
	assert_int_equal(prov_kv_open(path, tables, 64 << 20, PROV_KV_CREATE, &s.kv, NULL), 0);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&r[i], NULL, reader, &s), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&w[i], NULL, writer, &s), 0);
	for (int i = 0; i < 2; i++) {
		pthread_join(w[i], &bad);
		assert_null(bad);
	}
	pthread_mutex_lock(&s.mutex);
	s.done = true;
	pthread_mutex_unlock(&s.mutex);
	for (int i = 0; i < READERS; i++)
		pthread_join(r[i], NULL);
	assert_true(s.looks >= READERS);
	assert_int_equal(s.torn, 0);
	assert_int_equal(prov_kv_begin(s.kv, false, &t, NULL), 0);
	assert_int_equal(number(t, "b"), 2 * ROUNDS);
	prov_kv_abort(&t);
	prov_kv_close(&s.kv);
	unlink(path);
	unlink(lock);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_see_whole_commits_and_no_write_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
