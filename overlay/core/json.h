/*
 * json.h - JSON that is whole, or not there: for what is kept.
 *
 * jansson's setters return an error that is easily overlooked, and a document is then
 * written without a member when memory is used up. Here who builds carries one flag,
 * each put sets it when it fails, and prov_json_take() gives no text then.
 * No locks; a builder is its thread's.
 */
#ifndef PROV_JSON_H
#define PROV_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "error.h"

struct prov_json {
	bool failed; /* something is missing */
};

#define PROV_JSON_INIT \
	{ \
		false \
	}

/* v is taken over, and may be NULL: then the builder has failed. So may o, when it has. */
void prov_json_put(struct prov_json *b, json_t *o, const char *name, json_t *v);
void prov_json_push(struct prov_json *b, json_t *array, json_t *v);
/* The same for what somebody else owns; v NULL: there is nothing to copy. */
void prov_json_copy(struct prov_json *b, json_t *o, const char *name, json_t *v);
/* The compact text with sorted names (free()); o is released, and may be NULL. PROV_ENOMEM:
 * *out is NULL. */
int prov_json_take(struct prov_json *b, json_t *o, char **out, struct prov_error *err);

/* Read a text. PROV_ENOMEM; PROV_ECORRUPT with jansson's words: it is no JSON, or has a name
 * twice. *out is the caller's, json_decref(). */
int prov_json_load(const char *text, size_t len, json_t **out, struct prov_error *err);

#endif
