/*
 * pause.c - LD_PRELOAD for a slapd with the thread sanitizer: who ends a pause of the pool takes the
 * queues' mutexes once more.
 *
 * ldap_pvt_thread_pool_resume() (OpenLDAP 2.5, tpool.c) takes only the pool's, and a thread that was idle takes
 * its next task under its queue's. So the sanitizer sees nothing that orders what was done in the pause before
 * what that thread does, and would report each setting of cn=config that it reads. A query takes them.
 */
#include <dlfcn.h>

/* enum ldap_pvt_thread_pool_param_t, ldap_pvt_thread.h */
#define PENDING 6

__attribute__((visibility("default"))) int ldap_pvt_thread_pool_resume(void *pool);

int ldap_pvt_thread_pool_resume(void *pool)
{
	int (*resume)(void *pool) =
		(int (*)(void *))dlsym(RTLD_NEXT, "ldap_pvt_thread_pool_resume");
	int (*query)(void *pool, int param, void *value) =
		(int (*)(void *, int, void *))dlsym(RTLD_NEXT, "ldap_pvt_thread_pool_query");
	int ignored;

	query(pool, PENDING, &ignored);
	return resume(pool);
}
