/*
 * recsrc.h - a stream of records from somewhere else: a file, a directory, a SCIM server.
 *
 * One name for each, "KIND:PLACE?option=value&option=value", in which a value may have %XX:
 *
 *   csv:FILE      RFC 4180, UTF-8; the first row names the columns
 *   ldif:FILE     content records (RFC 2849)
 *   ldap:URL      every entry that the URL (RFC 4516) finds; bind=DN password=FILE ca=FILE
 *   scim:URL      every User below the URL (RFC 7644); token=FILE ca=FILE
 *   passwd:FILE   name uid gid gecos home shell (passwd(5))
 *
 * A source that cannot be whole is refused as a whole (PROV_EREFUSED, and the text says where):
 * no records, no such column, a row with another number of fields than the head, text that is not
 * UTF-8, a quote that never ends, LDIF that does not parse, a SCIM server whose total is not what
 * it sent. PROV_EIO, PROV_EBUSY: it cannot be read. Nothing is kept of a record once it was seen.
 */
#ifndef PROV_RECSRC_H
#define PROV_RECSRC_H

#include <stdbool.h>
#include <stddef.h>

#include "entry.h"
#include "error.h"

enum prov_recsrc_kind {
	PROV_RECSRC_CSV,
	PROV_RECSRC_LDIF,
	PROV_RECSRC_LDAP,
	PROV_RECSRC_SCIM,
	PROV_RECSRC_PASSWD
};

enum prov_recsrc_option {
	PROV_RECSRC_KEY,    /* account attribute that holds the key */
	PROV_RECSRC_COLUMN, /* the record's column with the key; default as the attribute */
	PROV_RECSRC_STATUS, /* column that tells who left */
	PROV_RECSRC_LEFT,   /* its values that say so, with commas */
	PROV_RECSRC_TIME,   /* column with a time */
	PROV_RECSRC_BIND,
	PROV_RECSRC_PASSWORD,
	PROV_RECSRC_TOKEN,
	PROV_RECSRC_CA,
	PROV_RECSRC_OPTIONS
};

struct prov_recsrc {
	enum prov_recsrc_kind kind;
	char *place;                       /* file or URL */
	char *option[PROV_RECSRC_OPTIONS]; /* NULL: not given */
	size_t seen;                       /* records read */
};

/* PROV_EINVAL: the text says what is wrong. Options that do not fit are refused. */
int prov_recsrc_parse(const char *name, struct prov_recsrc *out, struct prov_error *err);
void prov_recsrc_dispose(struct prov_recsrc *s);
/* The column of the key. */
const char *prov_recsrc_column(const struct prov_recsrc *s);

struct prov_record {
	size_t number;    /* row, line or count, for messages */
	const char *name; /* how the source calls it (a DN), or NULL */
	const struct prov_vals {
		size_t n;
		const struct prov_val *val;
	} * col; /* one for each column asked for; 0 values: it has none */
};
typedef int prov_recsrc_see(void *ctx, const struct prov_record *r, struct prov_error *err);

/* Column names are compared without case. Returns what `see` returned when that is not 0. */
int prov_recsrc_read(struct prov_recsrc *s, const char *const *column, size_t ncolumn,
	prov_recsrc_see *see, void *ctx, struct prov_error *err);

#endif
