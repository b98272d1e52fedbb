/* Where in the state directory a file is, and who may use it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "outbox.h"
#include "place.h"
#include "state.h"

struct dir {
	char path[64], slapd[80], provd[80];
	mode_t umask;
};

static int setup(void **state)
{
	struct dir *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	strcpy(d->path, "/tmp/prov-place-XXXXXX");
	assert_non_null(mkdtemp(d->path));
	snprintf(d->slapd, sizeof(d->slapd), "%s/slapd", d->path);
	snprintf(d->provd, sizeof(d->provd), "%s/provd", d->path);
	d->umask = umask(0077);
	*state = d;
	return 0;
}

static int teardown(void **state)
{
	struct dir *d = *state;
	char command[128];

	umask(d->umask);
	snprintf(command, sizeof(command), "rm -r %s", d->path);
	assert_int_equal(system(command), 0);
	free(d);
	return 0;
}

static void share(const struct dir *d)
{
	assert_int_equal(mkdir(d->slapd, 0700), 0);
	assert_int_equal(mkdir(d->provd, 0700), 0);
	assert_int_equal(chmod(d->slapd, 02750), 0);
	assert_int_equal(chmod(d->provd, 02750), 0);
}

static mode_t mode(const char *dir, const char *file)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

/* All that slapd and provd make. */
static void make_all(const struct dir *d)
{
	struct prov_statedir *s = NULL;
	struct prov_delivery_env *e = NULL;
	int fd = -1;

	assert_int_equal(prov_statedir_open(d->path, true, &s, NULL), 0);
	assert_int_equal(prov_delivery_open(d->path, &e, NULL), 0);
	assert_int_equal(prov_wake_listen(d->path, &fd, NULL), 0);
	close(fd);
	prov_delivery_close(&e);
	prov_statedir_close(&s);
}

static void without_directories_of_their_own_everything_is_closed(void **state)
{
	struct dir *d = *state;

	make_all(d);
	assert_int_equal(mode(d->path, "state.mdb"), 0600);
	assert_int_equal(mode(d->path, "state.mdb-lock"), 0600);
	assert_int_equal(mode(d->path, "delivery.mdb"), 0600);
	assert_int_equal(mode(d->path, "delivery.mdb-lock"), 0600);
	assert_int_equal(mode(d->path, "delivery.lock"), 0600);
	assert_int_equal(mode(d->path, "provd.wake"), 0600);
}

static void each_has_its_directory_and_the_group_gets_what_it_needs(void **state)
{
	struct dir *d = *state;

	share(d);
	make_all(d);
	assert_int_equal(mode(d->slapd, "state.mdb"), 0640);
	assert_int_equal(mode(d->slapd, "state.mdb-lock"), 0660);
	assert_int_equal(mode(d->provd, "delivery.mdb"), 0640);
	assert_int_equal(mode(d->provd, "delivery.mdb-lock"), 0660);
	assert_int_equal(mode(d->provd, "delivery.lock"), 0600);
	assert_int_equal(mode(d->provd, "provd.wake"), 0660);
}

static void a_directory_without_the_bit_opens_nothing(void **state)
{
	struct dir *d = *state;

	share(d);
	assert_int_equal(chmod(d->slapd, 0750), 0);
	assert_int_equal(chmod(d->provd, 0770), 0);
	make_all(d);
	assert_int_equal(mode(d->slapd, "state.mdb"), 0600);
	assert_int_equal(mode(d->slapd, "state.mdb-lock"), 0600);
	assert_int_equal(mode(d->provd, "delivery.mdb"), 0600);
	assert_int_equal(mode(d->provd, "provd.wake"), 0600);
}

static void files_that_were_moved_there_are_opened_too(void **state)
{
	struct dir *d = *state;
	char from[128], to[128];

	make_all(d);
	share(d);
	snprintf(from, sizeof(from), "%s/state.mdb", d->path);
	snprintf(to, sizeof(to), "%s/state.mdb", d->slapd);
	assert_int_equal(rename(from, to), 0);
	snprintf(from, sizeof(from), "%s/delivery.mdb", d->path);
	assert_int_equal(unlink(from), 0);
	snprintf(from, sizeof(from), "%s/delivery.lock", d->path);
	assert_int_equal(unlink(from), 0);
	make_all(d);
	assert_int_equal(mode(d->slapd, "state.mdb"), 0640);
}

static void what_is_in_both_places_is_refused(void **state)
{
	struct dir *d = *state;
	struct prov_statedir *s = NULL;
	struct prov_error err = { 0 };

	make_all(d);
	share(d);
	assert_int_equal(prov_statedir_open(d->path, true, &s, &err), PROV_EINVAL);
	assert_non_null(strstr(err.text, "move it there"));
	assert_int_equal(prov_statedir_open(d->path, false, &s, NULL), PROV_EINVAL);
}

static void a_link_is_not_followed(void **state)
{
	struct dir *d = *state;
	char link[128], aim[128];

	share(d);
	snprintf(aim, sizeof(aim), "%s/elsewhere", d->path);
	snprintf(link, sizeof(link), "%s/x", d->slapd);
	int fd = open(aim, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(symlink(aim, link), 0);
	prov_place_make(link, PROV_PLACE_LOCK);
	assert_int_equal(mode(d->path, "elsewhere"), 0600);
}

static void a_long_path_is_refused(void **state)
{
	struct dir *d = *state;
	char out[40];
	struct prov_error err = { 0 };

	assert_int_equal(prov_place_find(d->path, "slapd", "state.mdb", out, 30, &err),
		PROV_EINVAL);
	assert_non_null(strstr(err.text, "29 bytes"));
	assert_int_equal(prov_place_find(d->path, "slapd", "state.mdb", out, sizeof(out), &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			without_directories_of_their_own_everything_is_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(
			each_has_its_directory_and_the_group_gets_what_it_needs, setup, teardown),
		cmocka_unit_test_setup_teardown(a_directory_without_the_bit_opens_nothing, setup,
			teardown),
		cmocka_unit_test_setup_teardown(files_that_were_moved_there_are_opened_too, setup,
			teardown),
		cmocka_unit_test_setup_teardown(what_is_in_both_places_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_link_is_not_followed, setup, teardown),
		cmocka_unit_test_setup_teardown(a_long_path_is_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
