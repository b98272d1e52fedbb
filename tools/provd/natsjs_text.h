/*
 * natsjs_text.h - what the nats connector reads and writes as text. Pure.
 */
#ifndef PROVD_NATSJS_TEXT_H
#define PROVD_NATSJS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "result.h"

#define PROV_NATSJS_PREFIX 200 /* most bytes of a subject's prefix */

/* What a stream answered to a message that was to be stored ("PubAck"): JSON with the stream and
 * the sequence, or with an error. Fills out; returns 0, or -1 when it is not stored. */
int prov_natsjs_ack(const char *json, size_t len, struct prov_result *out);

/* NULL, or why these tokens, separated by dots, cannot begin a subject. */
const char *prov_natsjs_prefix(const char *prefix);

/* Is it a file with a user's JWT and seed, as nsc(1) writes it? */
bool prov_natsjs_is_creds(const char *text);
/* Its two parts, malloc'ed; prov_secret_free(). PROV_EINVAL: one of them is missing. */
int prov_natsjs_creds(const char *text, char **jwt, char **seed, struct prov_error *err);

#define PROV_NATSJS_HOST 256

/* The next of "tls://host:port,host:port"; port 4222 when it names none. Returns what is behind
 * it, NULL when there is no more. */
const char *prov_natsjs_server(const char *list, char host[PROV_NATSJS_HOST], char port[8]);

#endif
