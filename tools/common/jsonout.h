/*
 * jsonout.h - JSON Lines for programs.
 *
 * Directory values may be any bytes, JSON strings may not: prov_json_text() gives a
 * string for UTF-8 and {"base64": "..."} for the rest, so nothing is lost. Functions
 * that build return NULL when there is no memory; jansson's *_new() setters take
 * that and fail, and prov_json_line_take() reports it.
 */
#ifndef PROV_JSONOUT_H
#define PROV_JSONOUT_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

json_t *prov_json_text(const char *s, size_t len);
/* Array of texts; list may be NULL, ends at n. */
json_t *prov_json_texts(const char *const *list, size_t n);
/* Write v compact on one line and drop the caller's reference, also on failure
 * (v may be NULL then). PROV_ENOMEM, PROV_EIO. */
int prov_json_line_take(FILE *out, json_t *v);

#endif
