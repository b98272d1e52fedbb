/*
 * recsrc_scim.c - Users of a SCIM server (RFC 7644, 3.4.2), page by page. See recsrc.h.
 *
 * Only https, and the certificate is always checked. A column is a path: "userName",
 * "name.familyName", "emails.value"; the whole URN of an extension may stand before it. A list
 * gives a value for each of its members. The server's total must be what came.
 */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recsrc_impl.h"

enum { PAGE = 200, TIMEOUT = 60, TOKEN = 8192 };
static const size_t most = (size_t)64 << 20; /* bytes of an answer */

struct answer {
	char *text;
	size_t len, room;
};

static size_t on_data(char *data, size_t size, size_t n, void *ctx)
{
	struct answer *a = ctx;
	size *= n;
	if (size > most - a->len)
		return 0;
	if (a->len + size > a->room) {
		size_t room = 2 * (a->len + size);
		char *p = realloc(a->text, room);
		if (!p)
			return 0;
		a->text = p;
		a->room = room;
	}
	memcpy(a->text + a->len, data, size);
	a->len += size;
	return size;
}

/* "Authorization: Bearer ..." from a file that nobody else may read. */
static int authorization(const char *file, struct curl_slist **header, struct prov_error *err)
{
	char text[TOKEN + 32] = "Authorization: Bearer ";
	size_t at = strlen(text);
	struct stat st;
	int rc = 0, fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = fd < 0 || fstat(fd, &st) ? -1 : read(fd, text + at, TOKEN);
	if (n <= 0 || n == TOKEN)
		rc = prov_error_set(err, PROV_EINVAL, "%s: %s", file,
			n < 0 ? strerror(errno) : "not a token");
	else if (S_ISREG(st.st_mode) && st.st_mode & S_IRWXO)
		rc = prov_error_set(err, PROV_EINVAL,
			"%s: other users may use it (mode %03o); chmod it to 600", file,
			(unsigned)st.st_mode & 0777);
	while (!rc && n && strchr(" \t\r\n", text[at + (size_t)n - 1]))
		n--;
	if (!rc) {
		text[at + (size_t)n] = '\0';
		*header = curl_slist_append(NULL, text);
		if (!*header)
			rc = prov_error_set(err, PROV_ENOMEM, "no memory");
	}
	explicit_bzero(text, sizeof(text));
	if (fd >= 0)
		close(fd);
	return rc;
}

static int put_json(struct prov_recsrc_reading *r, size_t column, const json_t *v)
{
	char number[32];
	if (json_is_string(v))
		return json_string_length(v)
			? prov_recsrc_put(r, column, json_string_value(v), json_string_length(v))
			: 0;
	if (json_is_boolean(v))
		return prov_recsrc_put(r, column, json_is_true(v) ? "true" : "false",
			json_is_true(v) ? 4 : 5);
	if (!json_is_integer(v))
		return 0;
	int n = snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	return prov_recsrc_put(r, column, number, (size_t)n);
}

/* RFC 7643, 2.1: names are compared without case. */
static const json_t *member(const json_t *o, const char *name, size_t len)
{
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)o, key, v)
	{
		if (strlen(key) == len && !strncasecmp(key, name, len))
			return v;
	}
	return NULL;
}

static int walk(struct prov_recsrc_reading *r, size_t column, const json_t *v, const char *path)
{
	size_t i;
	json_t *one;
	int rc = 0;
	if (json_is_array(v)) {
		json_array_foreach(v, i, one)
		{
			if (!rc)
				rc = walk(r, column, one, path);
		}
		return rc;
	}
	if (!json_is_object(v))
		return *path ? 0 : put_json(r, column, v);
	if (!*path) /* a member of a list as it is: its value */
		return put_json(r, column, member(v, "value", 5));
	const char *urn = strncasecmp(path, "urn:", 4) ? NULL : strrchr(path, ':');
	size_t len = urn ? (size_t)(urn - path) : strcspn(path, ".");
	/* urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber */
	const json_t *next = member(v, path, len);
	return next ? walk(r, column, next, path + len + (path[len] != '\0')) : 0;
}

static int take_page(struct prov_recsrc_reading *r, const json_t *doc, size_t *got, size_t *total)
{
	const json_t *list = json_object_get(doc, "Resources");
	const json_t *sum = json_object_get(doc, "totalResults");
	size_t i;
	json_t *user;
	int rc = 0;
	*got = 0;
	if (!json_is_integer(sum) || json_integer_value(sum) < 0 || (list && !json_is_array(list)))
		return prov_error_set(r->err, PROV_EREFUSED,
			"%s: the answer is no list of SCIM (RFC 7644, 3.4.2)", r->src->place);
	*total = (size_t)json_integer_value(sum);
	json_array_foreach(list, i, user)
	{
		for (size_t c = 0; !rc && c < r->ncolumn; c++)
			rc = walk(r, c, user, r->column[c]);
		if (!rc)
			rc = prov_recsrc_emit(r, r->src->seen + 1,
				json_string_value(json_object_get(user, "id")));
		if (rc)
			return rc;
	}
	*got = json_array_size(list);
	return 0;
}

static int ask(struct prov_recsrc_reading *r, CURL *curl, size_t start, json_t **doc)
{
	struct answer a = { NULL, 0, 0 };
	char why[CURL_ERROR_SIZE] = "", *url = NULL;
	size_t n = strlen(r->src->place);
	long status = 0;
	int rc = 0;
	while (n && r->src->place[n - 1] == '/')
		n--;
	if (asprintf(&url, "%.*s/Users?startIndex=%zu&count=%d", (int)n, r->src->place, start,
		    PAGE) < 0)
		return prov_recsrc_nomem(r);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &a);
	CURLcode code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (code)
		rc = prov_error_set(r->err, PROV_EIO, "%s: %s", url,
			*why ? why : curl_easy_strerror(code));
	else if (status != 200)
		rc = prov_error_set(r->err, PROV_EIO, "%s: HTTP %ld", url, status);
	*doc = rc ? NULL : json_loadb(a.text ? a.text : "", a.len, 0, NULL);
	if (!rc && !*doc)
		rc = prov_error_set(r->err, PROV_EREFUSED, "%s: the answer is not JSON", url);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
	free(a.text);
	free(url);
	return rc;
}

/* Pages until as many came as the server counted. */
static int read_all(struct prov_recsrc_reading *r, CURL *curl)
{
	size_t have = 0, total = 0, said = 0, got = 0;
	int rc;
	do {
		json_t *doc = NULL;
		rc = ask(r, curl, have + 1, &doc);
		if (!rc)
			rc = take_page(r, doc, &got, &total);
		json_decref(doc);
		if (!rc && have && total != said)
			rc = prov_error_set(r->err, PROV_EREFUSED,
				"%s: it had %zu users at first, and %zu later: try again",
				r->src->place, said, total);
		said = total;
		have += got;
		if (!rc && (have > total || (have < total && !got)))
			rc = prov_error_set(r->err, PROV_EREFUSED,
				"%s: it counts %zu users and gave %zu", r->src->place, total, have);
	} while (!rc && have < total);
	return rc;
}

int prov_recsrc_scim(struct prov_recsrc_reading *r)
{
	char *const *o = r->src->option;
	struct curl_slist *header = NULL;
	CURL *curl = curl_easy_init();
	int rc = curl ? 0 : prov_recsrc_nomem(r);
	if (!rc && o[PROV_RECSRC_TOKEN])
		rc = authorization(o[PROV_RECSRC_TOKEN], &header, r->err);
	if (!rc) {
		curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
		curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT);
		curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, header);
		curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
		if (o[PROV_RECSRC_CA])
			curl_easy_setopt(curl, CURLOPT_CAINFO, o[PROV_RECSRC_CA]);
		rc = read_all(r, curl);
	}
	curl_slist_free_all(header);
	curl_easy_cleanup(curl);
	return rc;
}
