/* scan_history.c - see scan.h. The file: {"sources":{NAME:{"records":N,"time":SECONDS}},"v":1}. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scan.h"

static char *path_of(struct scan *s)
{
	char *dir = NULL, *path = NULL;
	if (s->opt->sizes)
		return strdup(s->opt->sizes);
	ctl_state_dir_try(s->ctl, &dir);
	if (dir && asprintf(&path, "%s/scan.json", dir) < 0)
		path = NULL;
	free(dir);
	return path;
}

static int load(const char *path, json_t **doc, struct prov_error *err)
{
	json_error_t why;
	*doc = NULL;
	if (access(path, F_OK) && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	*doc = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
	if (!*doc || !json_is_object(json_object_get(*doc, "sources"))) {
		json_decref(*doc);
		*doc = NULL;
		return prov_error_set(err, PROV_EIO, "%s: %s", path,
			why.text[0] ? why.text : "is no history of scans");
	}
	return 0;
}

int scan_history(struct scan *s, const char *source, size_t *last, struct prov_error *err)
{
	char *path = path_of(s);
	json_t *doc = NULL;
	*last = 0;
	if (!path || (!s->opt->sizes && access(path, R_OK)))
		goto none;
	if (load(path, &doc, err)) {
		free(path);
		return PROV_EIO;
	}
	const json_t *one = json_object_get(json_object_get(doc, "sources"), source);
	json_int_t n = json_integer_value(json_object_get(one, "records"));
	*last = n > 0 ? (size_t)n : 0;
	json_decref(doc);
none:
	free(path);
	return 0;
}

int scan_history_keep(struct scan *s, const char *source, size_t now, struct prov_error *err)
{
	char *path = path_of(s), *aside = NULL;
	json_t *doc = NULL;
	int rc = 0;
	if (!path)
		return 0;
	if (load(path, &doc, NULL))
		doc = NULL; /* it was read before this scan: what is broken now is made anew */
	if (!doc)
		doc = json_pack("{s:i,s:{}}", "v", 1, "sources");
	json_t *one =
		json_pack("{s:I,s:I}", "records", (json_int_t)now, "time", (json_int_t)s->now);
	if (asprintf(&aside, "%s.new", path) < 0)
		aside = NULL;
	if (!doc || !one || !aside ||
		json_object_set_new(json_object_get(doc, "sources"), source, one)) {
		rc = scan_nomem(err);
	} else if (json_dump_file(doc, aside, JSON_COMPACT | JSON_SORT_KEYS) ||
		rename(aside, path)) {
		if (s->opt->sizes)
			rc = prov_error_set(err, PROV_EIO, "%s: %s", path, strerror(errno));
	}
	json_decref(doc);
	free(aside);
	free(path);
	return rc;
}
