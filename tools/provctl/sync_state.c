/* sync_state.c - see sync_state.h. */
#include "sync_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "timefmt.h"

enum { VERSION = 1 };

static int take_lock(struct sync_state *s, struct prov_error *err)
{
	char *path = NULL;
	int rc = 0;
	if (asprintf(&path, "%s.lock", s->path) < 0)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock < 0)
		rc = prov_error_set(err, PROV_EIO, "%s: %s", path, strerror(errno));
	else if (flock(s->lock, LOCK_EX | LOCK_NB))
		rc = prov_error_set(err, PROV_EBUSY, "%s: another run is at work", path);
	free(path);
	return rc;
}

static int check(struct sync_state *s, const char *source, struct prov_error *err)
{
	json_int_t version = json_integer_value(json_object_get(s->root, "version"));
	const char *of = json_string_value(json_object_get(s->root, "source"));
	if (!version || !of || !json_is_object(json_object_get(s->root, "missing")) ||
		!json_is_object(json_object_get(s->root, "said")))
		return prov_error_set(err, PROV_ECORRUPT, "%s: not a state file of sync", s->path);
	if (version != VERSION)
		return prov_error_set(err, PROV_EVERSION, "%s: of another version", s->path);
	if (strcmp(of, source))
		return prov_error_set(err, PROV_EINVAL, "%s: of source \"%s\", not \"%s\"", s->path,
			of, source);
	s->known = true;
	s->complete = json_is_true(json_object_get(s->root, "complete"));
	s->rows = (size_t)json_integer_value(json_object_get(s->root, "rows"));
	s->accounts = (size_t)json_integer_value(json_object_get(s->root, "accounts"));
	return 0;
}

static int load(struct sync_state *s, const char *source, struct prov_error *err)
{
	json_error_t why;
	FILE *in = fopen(s->path, "re");
	if (!in && errno == ENOENT) {
		s->root = json_pack("{s:i,s:s,s:{},s:{}}", "version", VERSION, "source", source,
			"missing", "said");
		return s->root ? 0 : prov_error_set(err, PROV_ENOMEM, "no memory");
	}
	if (!in)
		return prov_error_set(err, PROV_EIO, "%s: %s", s->path, strerror(errno));
	s->root = json_loadf(in, 0, &why);
	fclose(in);
	if (!s->root)
		return prov_error_set(err, PROV_ECORRUPT, "%s: line %d: %s", s->path, why.line,
			why.text);
	return check(s, source, err);
}

int sync_state_open(const char *path, const char *source, bool lock, struct sync_state **out,
	struct prov_error *err)
{
	struct sync_state *s = calloc(1, sizeof(*s));
	int rc = 0;
	*out = NULL;
	if (!s)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	s->lock = -1;
	if (!(s->path = strdup(path)))
		rc = prov_error_set(err, PROV_ENOMEM, "no memory");
	if (!rc && lock)
		rc = take_lock(s, err);
	if (!rc)
		rc = load(s, source, err);
	if (rc)
		sync_state_close(&s);
	*out = s;
	return rc;
}

/* The folder too, so that the name is on disk. */
static int sync_folder(const char *path)
{
	char *folder = strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;
	if (slash)
		slash[slash == folder] = '\0';
	int fd = folder ? open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int rc = fd < 0 || fsync(fd);
	if (fd >= 0)
		close(fd);
	free(folder);
	return rc;
}

int sync_state_write(struct sync_state *s, bool complete, struct prov_error *err)
{
	char *path = NULL;
	int rc = 0;
	if (json_object_set_new(s->root, "complete", json_boolean(complete)) ||
		asprintf(&path, "%s.new", s->path) < 0)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
	if (fd >= 0 && !out)
		close(fd);
	if (!out || json_dumpf(s->root, out, JSON_INDENT(1) | JSON_SORT_KEYS) || fflush(out) ||
		fsync(fd))
		rc = PROV_EIO;
	if (out && fclose(out))
		rc = PROV_EIO;
	if (!rc && (rename(path, s->path) || sync_folder(s->path)))
		rc = PROV_EIO;
	if (rc)
		prov_error_set(err, rc, "%s: %s", path, strerror(errno));
	free(path);
	return rc;
}

void sync_state_close(struct sync_state **sp)
{
	struct sync_state *s = *sp;
	if (!s)
		return;
	json_decref(s->root);
	if (s->lock >= 0)
		close(s->lock);
	free(s->path);
	free(s);
	*sp = NULL;
}

int sync_state_feed(struct sync_state *s, size_t rows, const struct prov_strmap *head,
	size_t accounts, int64_t now)
{
	char time[PROV_TIME_TEXT];
	json_t *list = head ? json_array() : json_null();
	int rc = !list;
	for (size_t i = 0; !rc && head && i < prov_strmap_count(head); i++)
		rc = json_array_append_new(list, json_string(prov_strmap_text(head, i)));
	prov_time_generalized(now, time);
	rc |= json_object_set_new(s->root, "head", list);
	if (!s->known || s->complete)
		s->accounts = accounts;
	rc |= json_object_set_new(s->root, "accounts", json_integer((json_int_t)s->accounts));
	rc |= json_object_set_new(s->root, "rows", json_integer((json_int_t)rows));
	rc |= json_object_set_new(s->root, "time", json_string(time));
	return rc ? PROV_ENOMEM : 0;
}

static bool lists(const json_t *list, const char *name)
{
	size_t i;
	json_t *v;
	json_array_foreach(list, i, v)
	{
		if (json_string_value(v) && !strcmp(json_string_value(v), name))
			return true;
	}
	return false;
}

char *sync_state_columns(const struct sync_state *s, const struct prov_strmap *head)
{
	const json_t *was = json_object_get(s->root, "head");
	char *text = NULL;
	size_t len = 0, i;
	bool any = false;
	json_t *v;
	FILE *out = json_is_array(was) && head ? open_memstream(&text, &len) : NULL;
	if (!out)
		return NULL;
	json_array_foreach(was, i, v)
	{
		const char *name = json_string_value(v);
		if (!name || prov_strmap_find(head, name) != PROV_STRMAP_NONE)
			continue;
		fprintf(out, "%s\"%s\" is gone", any ? ", " : "", name);
		any = true;
	}
	for (i = 0; i < prov_strmap_count(head); i++) {
		if (lists(was, prov_strmap_text(head, i)))
			continue;
		fprintf(out, "%s\"%s\" is new", any ? ", " : "", prov_strmap_text(head, i));
		any = true;
	}
	if (fclose(out) || !any) {
		free(text);
		return NULL;
	}
	return text;
}

bool sync_state_missing(const struct sync_state *s, const char *key, int64_t *since, unsigned *runs)
{
	const json_t *v = json_object_get(json_object_get(s->root, "missing"), key);
	const char *text = json_string_value(json_object_get(v, "since"));
	*since = 0;
	*runs = (unsigned)json_integer_value(json_object_get(v, "runs"));
	return text && !prov_time_parse(prov_val_str(text), since);
}

int sync_state_set_missing(struct sync_state *s, const char *key, int64_t since, unsigned runs)
{
	char time[PROV_TIME_TEXT];
	prov_time_generalized(since, time);
	json_t *v = json_pack("{s:s,s:i}", "since", time, "runs", (int)runs);
	return json_object_set_new(json_object_get(s->root, "missing"), key, v) ? PROV_ENOMEM : 0;
}

void sync_state_not_missing(struct sync_state *s, const char *key)
{
	json_object_del(json_object_get(s->root, "missing"), key);
}

void sync_state_keep_missing(struct sync_state *s, const struct prov_strmap *keys)
{
	const char *key;
	json_t *v;
	void *next;
	json_object_foreach_safe(json_object_get(s->root, "missing"), next, key, v)
	{
		if (prov_strmap_find(keys, key) == PROV_STRMAP_NONE)
			json_object_del(json_object_get(s->root, "missing"), key);
	}
}

const char *sync_state_said(const struct sync_state *s, const char *key)
{
	return json_string_value(json_object_get(json_object_get(s->root, "said"), key));
}

int sync_state_say(struct sync_state *s, const char *key, const char *what)
{
	json_t *said = json_object_get(s->root, "said");
	if (!what) {
		json_object_del(said, key);
		return 0;
	}
	return json_object_set_new(said, key, json_string(what)) ? PROV_ENOMEM : 0;
}
