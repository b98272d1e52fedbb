/*
 * options.h - command lines of our tools, as tables.
 *
 * Owns: reading argv (and a configuration file with the same names) into the
 * caller's variables, --help and --version. Never talks to a server. Options may
 * stand before and after the command and its operands; "--" ends them. Texts point
 * into argv or into the struct prov_options, which must outlive their use.
 * A wrong option is said on standard error, with how to get help.
 */
#ifndef PROV_OPTIONS_H
#define PROV_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "ldapconn.h"

#ifndef PROV_VERSION
#define PROV_VERSION "0.1.0"
#endif

/* Exit statuses of every tool. */
enum prov_exit {
	PROV_EXIT_OK = 0,
	PROV_EXIT_FINDINGS = 1,
	PROV_EXIT_CANNOT = 2,
	PROV_EXIT_GUARD = 3
};

enum prov_option_kind {
	PROV_OPTION_FLAG,   /* bool: true when given */
	PROV_OPTION_COUNT,  /* unsigned: how often given (-ZZ) */
	PROV_OPTION_TEXT,   /* const char *: the last one given */
	PROV_OPTION_NUMBER, /* unsigned: decimal */
	PROV_OPTION_SECRET, /* char *: a copy; the argument is overwritten, so that ps does not show it */
	PROV_OPTION_LIST,  /* struct prov_option_list: all that were given */
	PROV_OPTION_TABLE, /* no option: another table, ended by an entry without a name */
};

struct prov_option_list {
	size_t n;
	const char **item;
};

struct prov_option {
	const char *name; /* long name without dashes, or NULL */
	char letter;      /* or 0 */
	enum prov_option_kind kind;
	void *into;       /* as the kind says */
	const char *arg;  /* name of the argument in --help; NULL for FLAG and COUNT */
	const char *help; /* one line */
};

#define PROV_OPTIONS_MAX 64

struct prov_options {
	const char *program; /* "provctl" */
	const char *usage;   /* after "usage: provctl ", lines separated by \n */
	const char *tail;    /* printed after the options in --help, or NULL */
	/* the rest is filled by the functions below; start it with zeroes */
	size_t n;
	struct prov_option option[PROV_OPTIONS_MAX];
	bool given[PROV_OPTIONS_MAX];
	size_t nowned;
	void **owned;
};

/* What every tool takes: -H -b -D -W -w -y -Y -U -X -Z and --state. */
struct prov_common_options {
	struct prov_ldap_options ldap;
	const char *state; /* --state, or NULL: ask the server */
};

/* Append a table; it is copied. PROV_EFULL is a programming error. */
int prov_options_add(struct prov_options *o, const struct prov_option *table, size_t n);
/* Append the common ones, and put the defaults into c. */
int prov_options_add_common(struct prov_options *o, struct prov_common_options *c);

/*
 * Read argv. Operands (the command and what belongs to it) are moved behind the
 * options: argv[*operand] to argv[argc - 1]. Returns 0; 1 when --help or --version
 * was answered (exit 0); PROV_EINVAL when something was wrong and has been said
 * (exit PROV_EXIT_CANNOT).
 */
int prov_options_parse(struct prov_options *o, int argc, char **argv, int *operand);

/*
 * Read a file of lines "name value" (long names; # starts a comment line; a flag
 * stands alone). What the command line gave stays. PROV_EINVAL names file, line and reason.
 */
int prov_options_read(struct prov_options *o, const char *path, struct prov_error *err);

/* "provctl: " text, how to get help; to standard error. Returns PROV_EXIT_CANNOT. */
int prov_options_misuse(const struct prov_options *o, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

void prov_options_dispose(struct prov_options *o);

#endif
