/* exec_limits.c - prlimit(1) and setpriv(1) around a command line. See exec_limits.h. */
#include "exec_limits.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS 16
#define WORD 80

static const struct {
	const char *option, *flag;
	unsigned long long unit, most;
} limits[] = {
	{ "cpu", "--cpu", 1, 86400 },
	{ "memory", "--as", 1024 * 1024, 1024 * 1024 },
	{ "files", "--nofile", 1, 1000000 },
	{ "processes", "--nproc", 1, 1000000 },
	{ "filesize", "--fsize", 1024 * 1024, 1024 * 1024 },
};

struct words {
	char text[WORDS][WORD];
	size_t n;
};

static void word(struct words *w, const char *text)
{
	snprintf(w->text[w->n++], WORD, "%s", text);
}

static int add_limits(const struct prov_connector *c, struct words *w, struct prov_error *err)
{
	word(w, "prlimit");
	word(w, "--core=0");
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		const char *v = prov_connector_option(c, limits[i].option);
		char *end = NULL;
		unsigned long long n = v && *v >= '0' && *v <= '9' ? strtoull(v, &end, 10) : 0;
		if (v && (n == 0 || n > limits[i].most || *end))
			return prov_error_set(err, PROV_EINVAL,
				"provOption: %s=%.50s: want a number from 1 to %llu",
				limits[i].option, v, limits[i].most);
		if (v)
			snprintf(w->text[w->n++], WORD, "%s=%llu", limits[i].flag,
				n * limits[i].unit);
	}
	return 0;
}

static int find_user(const char *name, unsigned *uid, unsigned *gid, struct prov_error *err)
{
	struct passwd pw, *found = NULL;
	char buf[16384];

	if (getpwnam_r(name, &pw, buf, sizeof(buf), &found) || !found)
		return prov_error_set(err, PROV_EINVAL, "provOption: user=%.50s: no such user",
			name);
	*uid = found->pw_uid;
	*gid = found->pw_gid;
	return 0;
}

static int add_privileges(const struct prov_connector *c, struct words *w, struct prov_error *err)
{
	const char *user = prov_connector_option(c, "user");
	unsigned uid = 0, gid = 0;
	int rc = user ? find_user(user, &uid, &gid, err) : 0;

	word(w, "setpriv");
	word(w, "--no-new-privs");
	if (user && rc == 0) {
		snprintf(w->text[w->n++], WORD, "--reuid=%u", uid);
		snprintf(w->text[w->n++], WORD, "--regid=%u", gid);
		word(w, "--init-groups");
		word(w, "--inh-caps=-all");
	}
	word(w, "--");
	return rc;
}

int prov_exec_limits(const struct prov_connector *c, char **argv, char ***out,
	struct prov_error *err)
{
	struct words w = { .n = 0 };
	size_t n = 0, bytes = 0;

	*out = c->noption ? NULL : argv;
	if (!c->noption)
		return 0;
	int rc = add_limits(c, &w, err);
	if (rc == 0)
		rc = add_privileges(c, &w, err);
	for (; argv[n]; n++)
		bytes += strlen(argv[n]) + 1;
	for (size_t i = 0; i < w.n; i++)
		bytes += strlen(w.text[i]) + 1;
	char **v = rc == 0 ? malloc((w.n + n + 1) * sizeof(*v) + bytes) : NULL;
	if (v) {
		char *p = (char *)(v + w.n + n + 1);
		for (size_t i = 0; i < w.n + n; i++) {
			v[i] = p;
			p = stpcpy(p, i < w.n ? w.text[i] : argv[i - w.n]) + 1;
		}
		v[w.n + n] = NULL;
	} else if (rc == 0) {
		rc = prov_error_set(err, PROV_ENOMEM, "no memory");
	}
	free(argv);
	*out = v;
	return rc;
}
