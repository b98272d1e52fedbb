/* A sealed policy is only read: many threads evaluate with one snapshot (run under TSan). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>

#include <cmocka.h>

#include "fake_world.h"

#define THREADS 4
#define ROUNDS 200

static void *evaluator(void *arg)
{
	const struct prov_policy *policy = arg;

	for (int i = 0; i < ROUNDS; i++) {
		struct prov_arena a = PROV_ARENA_INIT;
		struct prov_plan plan;
		struct prov_error err = { 0, "" };
		const struct prov_entry *after =
			FAKE_ENTRY(&a, "uid=ada,ou=people", "objectClass: provAccount", "uid: ada",
				"sn: Lovelace", "departmentNumber: sales");
		struct prov_request req = { PROV_OP_ADD, NULL, after, prov_val_str("c"),
			prov_val_str("cn=admin"), 1700000000, 0, NULL };
		int rc = prov_evaluate(policy, &req, &fake_services, &a, &plan, &err);
		bool good = rc == 0 && plan.roles_gained.n == 2 && plan.groups_gained.n == 1;
		prov_arena_dispose(&a);
		if (!good)
			return "a plan differs";
	}
	return NULL;
}

static void many_threads_share_one_policy(void **state)
{
	struct prov_arena a = PROV_ARENA_INIT;
	struct prov_policy *policy = NULL;
	pthread_t t[THREADS];
	void *bad;

	(void)state;
	assert_int_equal(prov_policy_new(&fake_schema, NULL, &policy, NULL), 0);
	assert_int_equal(prov_policy_add(policy,
				 FAKE_ENTRY(&a, "cn=base", "objectClass: provRole", "cn: base",
					 "provTemplate: default mail: {uid}{unique}@x.example"),
				 NULL),
		0);
	assert_int_equal(prov_policy_add(policy,
				 FAKE_ENTRY(&a, "cn=sales", "objectClass: provRole", "cn: sales",
					 "provInclude: cn=base",
					 "provAssignFilter: (departmentNumber=sales)",
					 "provGroup: cn=g"),
				 NULL),
		0);
	assert_int_equal(prov_policy_seal(policy, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, evaluator, policy), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], &bad);
		assert_null(bad);
	}
	prov_policy_free(&policy);
	prov_arena_dispose(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(many_threads_share_one_policy) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
