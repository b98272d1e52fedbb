/*
 * json.c - building and reading JSON with memory that may be used up.
 */
#include "json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void prov_json_put(struct prov_json *b, json_t *o, const char *name, json_t *v)
{
	if (json_object_set_new_nocheck(o, name, v))
		b->failed = true;
}

void prov_json_push(struct prov_json *b, json_t *array, json_t *v)
{
	if (json_array_append_new(array, v))
		b->failed = true;
}

void prov_json_copy(struct prov_json *b, json_t *o, const char *name, json_t *v)
{
	if (v && json_object_set_nocheck(o, name, v))
		b->failed = true;
}

struct text {
	char *data;
	size_t n, room;
	bool failed;
};

/* jansson does not look at each answer, so what failed once fails to the end. */
static int append(const char *piece, size_t n, void *ctx)
{
	struct text *t = ctx;

	if (!t->failed && t->room - t->n <= n) {
		size_t room = t->n + n < 512 ? 1024 : (t->n + n) * 2;
		char *grown = realloc(t->data, room);
		t->failed = !grown;
		if (grown) {
			t->data = grown;
			t->room = room;
		}
	}
	if (t->failed)
		return -1;
	memcpy(t->data + t->n, piece, n);
	t->n += n;
	t->data[t->n] = '\0';
	return 0;
}

int prov_json_take(struct prov_json *b, json_t *o, char **out, struct prov_error *err)
{
	struct text t = { .data = NULL };
	int rc = o && !b->failed ? json_dump_callback(o, append, &t, JSON_COMPACT | JSON_SORT_KEYS)
				 : -1;

	json_decref(o);
	if (rc || t.failed) {
		free(t.data);
		t.data = NULL;
	}
	*out = t.data;
	return *out ? 0 : prov_error_set(err, PROV_ENOMEM, "out of memory");
}

int prov_json_load(const char *text, size_t len, json_t **out, struct prov_error *err)
{
	json_error_t why = { .text = "" };

	errno = 0;
	*out = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (*out)
		return 0;
	/* jansson often takes a lack of memory for a fault of the text; malloc() says what it was */
	if (errno == ENOMEM)
		return prov_error_set(err, PROV_ENOMEM, "out of memory");
	return prov_error_set(err, PROV_ECORRUPT, "%s", why.text);
}
