/*
 * audit_stamp.c - provctl audit stamp: a trusted third party's timestamp of the newest checkpoint,
 * and audit verify --timestamps: do they hold?
 *
 * A timestamp is over the SHA-256 of the checkpoint's bytes as they stand in the file, which
 * have the chain's hash and the signature in them. It is kept in timestamps/SEQ.tsr beside
 * state.mdb (or in --out): the answer as it came, so openssl ts can check it, too.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit.h"
#include "jsonout.h"
#include "sha256.h"
#include "state.h"
#include "timefmt.h"
#include "tsa.h"

static char *folder_of(const struct audit_trail *t)
{
	char *path = NULL;
	if (audit_arg.out)
		return strdup(audit_arg.out);
	return asprintf(&path, "%s/timestamps", t->path) < 0 ? NULL : path;
}

static int newest(struct audit_trail *t, uint64_t *seq, unsigned char hash[PROV_SHA256_BYTES],
	struct prov_error *err)
{
	struct prov_kv_cursor *c = NULL;
	struct prov_val k = { NULL, 0 }, v = { NULL, 0 };
	int rc = prov_kv_cursor_open(t->txn, PROV_T_CHECKPOINT, &c);
	if (!rc)
		rc = prov_kv_cursor_last(c, &k, &v);
	if (!rc)
		rc = prov_be64_get(k, seq);
	if (!rc)
		prov_sha256(v.data, v.len, hash);
	prov_kv_cursor_close(&c);
	return rc ? prov_error_set(err, rc,
			    rc == PROV_ENOENT ? "the trail has no checkpoint yet"
					      : "the checkpoint cannot be read")
		  : 0;
}

/* Written whole or not at all. */
static int keep(const char *folder, uint64_t seq, const unsigned char *der, size_t len,
	struct prov_error *err)
{
	char *path = NULL, *draft = NULL;
	int rc = 0, fd = -1;
	if (mkdir(folder, 0750) && errno != EEXIST)
		return prov_error_set(err, PROV_EIO, "%s: %s", folder, strerror(errno));
	if (asprintf(&path, "%s/%020llu.tsr", folder, (unsigned long long)seq) < 0 ||
		asprintf(&draft, "%s/.%020llu.%d", folder, (unsigned long long)seq, (int)getpid()) <
			0)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0 || write(fd, der, len) != (ssize_t)len || fsync(fd) || rename(draft, path))
		rc = prov_error_set(err, PROV_EIO, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	if (rc)
		unlink(draft);
	free(path);
	free(draft);
	return rc;
}

static int tell(struct ctl *c, uint64_t seq, int64_t secs)
{
	char when[PROV_TIME_TEXT];
	prov_time_rfc3339(secs, 0, when);
	if (c->json)
		return prov_json_line_take(stdout,
			       json_pack("{s:I,s:s}", "checkpoint", (json_int_t)seq, "time", when))
			? ctl_nomem()
			: 0;
	printf("checkpoint %llu: timestamp of %s\n", (unsigned long long)seq, when);
	return 0;
}

int audit_stamp(struct ctl *c, int argc, char **argv)
{
	struct prov_error err = { 0 };
	struct audit_trail t = { 0 };
	unsigned char hash[PROV_SHA256_BYTES], *der = NULL;
	char *folder = NULL;
	uint64_t seq = 0;
	int64_t secs = 0;
	size_t len = 0;
	(void)argv;
	if (argc || !audit_arg.tsa || !audit_arg.tsa_ca)
		return prov_options_misuse(&c->opt,
			"audit stamp: want --tsa URL and --tsa-ca FILE");
	int st = audit_trail_open(c, &t);
	if (st)
		goto out;
	folder = folder_of(&t);
	if (!folder)
		st = ctl_nomem();
	else if (newest(&t, &seq, hash, &err) ||
		prov_tsa_ask(audit_arg.tsa, audit_arg.ca, hash, &der, &len, &err) ||
		prov_tsa_verify(der, len, hash, audit_arg.tsa_ca, &secs, &err) ||
		keep(folder, seq, der, len, &err))
		st = ctl_fail(&err);
	else
		st = tell(c, seq, secs);
out:
	free(der);
	free(folder);
	audit_trail_close(&t);
	return st;
}

static int read_file(const char *path, unsigned char *buf, size_t room, size_t *len)
{
	FILE *f = fopen(path, "re");
	*len = f ? fread(buf, 1, room, f) : 0;
	int rc = f && !ferror(f) && *len < room ? 0 : PROV_EIO;
	if (f)
		fclose(f);
	return rc;
}

struct stamped {
	struct ctl *c;
	struct audit_trail *t;
	const char *folder;
	size_t good, bad;
	uint64_t last;
	int64_t last_time;
};

static int check(struct stamped *s, uint64_t seq, const char *path, struct prov_error *err)
{
	static unsigned char der[256 * 1024];
	unsigned char be[8], hash[PROV_SHA256_BYTES];
	struct prov_val v;
	int64_t secs;
	size_t len;
	prov_be64_put(be, seq);
	if (prov_kv_get(s->t->txn, PROV_T_CHECKPOINT, (struct prov_val){ (char *)be, 8 }, &v))
		return prov_error_set(err, PROV_ECORRUPT,
			"the trail has no checkpoint at record %llu", (unsigned long long)seq);
	if (read_file(path, der, sizeof(der), &len))
		return prov_error_set(err, PROV_ECORRUPT, "cannot be read");
	prov_sha256(v.data, v.len, hash);
	int rc = prov_tsa_verify(der, len, hash, audit_arg.tsa_ca, &secs, err);
	if (!rc && seq > s->last) {
		s->last = seq;
		s->last_time = secs;
	}
	return rc;
}

static int check_one(struct stamped *s, const char *name)
{
	struct prov_error err = { 0 };
	char *end = NULL, *path = NULL;
	unsigned long long seq = strtoull(name, &end, 10);
	if (end == name || strcmp(end, ".tsr"))
		return 0; /* not one of ours */
	if (asprintf(&path, "%s/%s", s->folder, name) < 0)
		return PROV_ENOMEM;
	int rc = check(s, seq, path, &err);
	s->good += !rc;
	s->bad += rc != 0;
	if (rc && s->c->json)
		prov_json_line_take(stdout,
			json_pack("{s:s,s:s}", "timestamp", path, "error", err.text));
	else if (rc)
		printf("BROKEN timestamp %s: %s\n", path, err.text);
	free(path);
	return 0;
}

int audit_timestamps(struct ctl *c, struct audit_trail *t)
{
	struct stamped s = { .c = c, .t = t };
	char *folder = folder_of(t), when[PROV_TIME_TEXT] = "";
	DIR *d = folder ? opendir(folder) : NULL;
	int rc = folder ? 0 : PROV_ENOMEM;
	if (!audit_arg.tsa_ca) {
		free(folder);
		return prov_options_misuse(&c->opt, "--timestamps: want --tsa-ca FILE");
	}
	s.folder = folder;
	for (struct dirent *e = d ? readdir(d) : NULL; e && !rc; e = readdir(d))
		rc = check_one(&s, e->d_name);
	if (d)
		closedir(d);
	if (s.last)
		prov_time_rfc3339(s.last_time, 0, when);
	if (!rc && c->json)
		rc = prov_json_line_take(stdout,
			json_pack("{s:I,s:I,s:I,s:s}", "timestamps", (json_int_t)s.good, "broken",
				(json_int_t)s.bad, "last", (json_int_t)s.last, "time", when));
	else if (!rc && s.last)
		printf("%zu timestamps hold, the last of %s at record %llu\n", s.good, when,
			(unsigned long long)s.last);
	else if (!rc)
		printf("no timestamp holds in %s\n", folder);
	free(folder);
	return rc ? ctl_nomem() : s.bad || !s.good ? PROV_EXIT_FINDINGS : 0;
}
