/*
 * options.c - command lines of our tools, as tables. See options.h.
 *
 * A thin layer over getopt_long: the tables become its arrays, and its answers go
 * into the caller's variables.
 */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Values getopt_long returns for options without a letter. */
#define LONG_ONLY 256
#define OPT_HELP (LONG_ONLY + PROV_OPTIONS_MAX)
#define OPT_VERSION (OPT_HELP + 1)

static bool takes_argument(const struct prov_option *opt)
{
	return opt->kind != PROV_OPTION_FLAG && opt->kind != PROV_OPTION_COUNT;
}

int prov_options_add(struct prov_options *o, const struct prov_option *table, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (table[i].kind == PROV_OPTION_TABLE) {
			const struct prov_option *more = table[i].into;
			size_t count = 0;
			while (more[count].name || more[count].letter)
				count++;
			if (prov_options_add(o, more, count))
				return PROV_EFULL;
		} else if (o->n < PROV_OPTIONS_MAX) {
			o->option[o->n++] = table[i];
		} else {
			return PROV_EFULL;
		}
	}
	return 0;
}

int prov_options_add_common(struct prov_options *o, struct prov_common_options *c)
{
	struct prov_ldap_options *l = &c->ldap;
	const struct prov_option table[] = {
		{ "uri", 'H', PROV_OPTION_TEXT, &l->uri, "URI", "server (default ldapi:///)" },
		{ "suffix", 'b', PROV_OPTION_TEXT, &l->suffix, "DN",
			"which database, when the server has several" },
		{ "bind-dn", 'D', PROV_OPTION_TEXT, &l->bind_dn, "DN",
			"simple bind as this entry (default: SASL EXTERNAL)" },
		{ "ask-password", 'W', PROV_OPTION_FLAG, &l->ask_password, NULL,
			"ask for the password" },
		{ "password", 'w', PROV_OPTION_SECRET, &l->password, "PASSWORD",
			"password; better use -y" },
		{ "password-file", 'y', PROV_OPTION_TEXT, &l->password_file, "FILE",
			"the whole file is the password" },
		{ "mech", 'Y', PROV_OPTION_TEXT, &l->mech, "MECH", "SASL mechanism" },
		{ "authcid", 'U', PROV_OPTION_TEXT, &l->authcid, "ID",
			"SASL authentication identity" },
		{ "authzid", 'X', PROV_OPTION_TEXT, &l->authzid, "ID",
			"SASL authorization identity (dn:... or u:...)" },
		{ "starttls", 'Z', PROV_OPTION_COUNT, &l->starttls, NULL,
			"StartTLS; twice: it must succeed" },
		{ "timeout", 0, PROV_OPTION_NUMBER, &l->timeout, "SECONDS",
			"longest wait for the server (default 15)" },
		{ "state", 0, PROV_OPTION_TEXT, &c->state, "DIR",
			"state directory (default: ask the server)" },
	};
	memset(c, 0, sizeof(*c));
	return prov_options_add(o, table, sizeof(table) / sizeof(table[0]));
}

/* Keep p until dispose; takes it also when it fails. */
static int own(struct prov_options *o, void *p)
{
	void **grown = p ? realloc(o->owned, (o->nowned + 1) * sizeof(*grown)) : NULL;
	if (!grown) {
		free(p);
		return PROV_ENOMEM;
	}
	o->owned = grown;
	o->owned[o->nowned++] = p;
	return 0;
}

static int parse_number(const char *text, unsigned *out)
{
	char *end = NULL;
	errno = 0;
	unsigned long v = isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : 0;
	if (!end || *end || errno || v > 0x7fffffffUL)
		return PROV_EINVAL;
	*out = (unsigned)v;
	return 0;
}

static int append(struct prov_options *o, struct prov_option_list *list, const char *text)
{
	const char **grown = malloc((list->n + 1) * sizeof(*grown));
	int rc = own(o, grown); /* a few dozen at most: the older arrays stay until dispose */
	if (rc)
		return rc;
	if (list->n)
		memcpy(grown, list->item, list->n * sizeof(*grown));
	grown[list->n] = text;
	list->item = grown;
	list->n++;
	return 0;
}

static int keep_secret(struct prov_options *o, char **into, char *text)
{
	char *copy = strdup(text);
	int rc = own(o, copy);
	if (rc)
		return rc;
	*into = copy;
	memset(text, '*', strlen(text));
	return 0;
}

/* Take one option; text is writable and NULL for options without an argument. */
static int take(struct prov_options *o, size_t i, char *text)
{
	struct prov_option *opt = &o->option[i];
	switch (opt->kind) {
	case PROV_OPTION_FLAG:
		*(bool *)opt->into = true;
		return 0;
	case PROV_OPTION_COUNT:
		++*(unsigned *)opt->into;
		return 0;
	case PROV_OPTION_TEXT:
		*(const char **)opt->into = text;
		return 0;
	case PROV_OPTION_NUMBER:
		return parse_number(text, opt->into);
	case PROV_OPTION_SECRET:
		return keep_secret(o, opt->into, text);
	case PROV_OPTION_LIST:
		return append(o, opt->into, text);
	case PROV_OPTION_TABLE:
		break; /* flattened by prov_options_add() */
	}
	return PROV_EINVAL;
}

static void show_help(const struct prov_options *o)
{
	const char *line = o->usage ? o->usage : "";
	const char *lead = "usage: ";
	do {
		size_t len = strcspn(line, "\n");
		printf("%s%s %.*s\n", lead, o->program, (int)len, line);
		lead = "       ";
		line += len + (line[len] != 0);
	} while (*line);
	printf("\noptions:\n");
	for (size_t i = 0; i < o->n; i++) {
		const struct prov_option *opt = &o->option[i];
		char left[64];
		snprintf(left, sizeof(left), "%s%c%s%s%s%s%s", opt->letter ? "-" : " ",
			opt->letter ? opt->letter : ' ', opt->letter && opt->name ? ", " : "  ",
			opt->name ? "--" : "", opt->name ? opt->name : "", opt->arg ? " " : "",
			opt->arg ? opt->arg : "");
		printf("  %-28s %s\n", left, opt->help ? opt->help : "");
	}
	printf("  %-28s %s\n  %-28s %s\n", "    --help", "this text", "    --version",
		"the version");
	if (o->tail)
		printf("\n%s", o->tail);
}

int prov_options_misuse(const struct prov_options *o, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fprintf(stderr, "%s: ", o->program);
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\nTry '%s --help'.\n", o->program);
	va_end(ap);
	return PROV_EXIT_CANNOT;
}

/* Make getopt_long's arrays. letters: room for 2 a letter and the end. */
static void make_arrays(const struct prov_options *o, char *letters, struct option *longs)
{
	size_t nl = 0;
	for (size_t i = 0; i < o->n; i++) {
		const struct prov_option *opt = &o->option[i];
		if (opt->letter) {
			*letters++ = opt->letter;
			if (takes_argument(opt))
				*letters++ = ':';
		}
		if (opt->name)
			longs[nl++] = (struct option){ opt->name,
				takes_argument(opt) ? required_argument : no_argument, NULL,
				LONG_ONLY + (int)i };
	}
	*letters = 0;
	longs[nl++] = (struct option){ "help", no_argument, NULL, OPT_HELP };
	longs[nl++] = (struct option){ "version", no_argument, NULL, OPT_VERSION };
	longs[nl] = (struct option){ NULL, 0, NULL, 0 };
}

static size_t find_letter(const struct prov_options *o, int letter)
{
	size_t i = 0;
	while (i < o->n && o->option[i].letter != letter)
		i++;
	return i;
}

int prov_options_parse(struct prov_options *o, int argc, char **argv, int *operand)
{
	char letters[2 * PROV_OPTIONS_MAX + 1];
	struct option longs[PROV_OPTIONS_MAX + 3];
	int c, at = 0;

	make_arrays(o, letters, longs);
	unsetenv("POSIXLY_CORRECT"); /* options after the command are promised */
	optind = 0;                  /* glibc: start over, whoever called before */
	while ((c = getopt_long(argc, argv, letters, longs, &at)) != -1) {
		if (c == OPT_HELP) {
			show_help(o);
			return 1;
		}
		if (c == OPT_VERSION) {
			printf("%s (slapo-provision) %s\n", o->program, PROV_VERSION);
			return 1;
		}
		size_t i = c >= LONG_ONLY ? (size_t)(c - LONG_ONLY) : find_letter(o, c);
		if (c == '?' || i >= o->n) { /* getopt_long has said what */
			fprintf(stderr, "Try '%s --help'.\n", o->program);
			return PROV_EINVAL;
		}
		if (take(o, i, optarg)) {
			const struct prov_option *opt = &o->option[i];
			prov_options_misuse(o, "%s%s: \"%s\" is not a number",
				opt->name ? "--" : "-",
				opt->name ? opt->name : (char[]){ opt->letter, 0 }, optarg);
			return PROV_EINVAL;
		}
		o->given[i] = true;
	}
	*operand = optind;
	return 0;
}

static int take_line(struct prov_options *o, const bool *from_argv, char *line,
	struct prov_error *err)
{
	char *name = line + strspn(line, " \t");
	size_t len = strcspn(name, " \t");
	char *value = name[len] ? name + len + 1 : NULL;
	name[len] = 0;
	if (!*name || *name == '#')
		return 0;
	if (value) {
		value += strspn(value, " \t");
		for (char *end = value + strlen(value);
			end > value && isspace((unsigned char)end[-1]);)
			*--end = 0;
		if (!*value)
			value = NULL;
	}
	size_t i = 0;
	while (i < o->n && (!o->option[i].name || strcmp(o->option[i].name, name)))
		i++;
	if (i == o->n)
		return prov_error_set(err, PROV_EINVAL, "unknown option \"%s\"", name);
	if (takes_argument(&o->option[i]) != (value != NULL))
		return prov_error_set(err, PROV_EINVAL, "\"%s\" %s", name,
			value ? "takes no value" : "needs a value");
	if (from_argv[i])
		return 0;
	if (take(o, i, value))
		return prov_error_set(err, PROV_EINVAL, "\"%s\" needs a number", name);
	o->given[i] = true;
	return 0;
}

int prov_options_read(struct prov_options *o, const char *path, struct prov_error *err)
{
	bool from_argv[PROV_OPTIONS_MAX];
	char *line = NULL;
	size_t room = 0;
	int rc = 0;

	memcpy(from_argv, o->given, sizeof(from_argv));
	FILE *f = fopen(path, "re");
	if (!f)
		return prov_error_set(err, PROV_EIO, "%s: %s", path, strerror(errno));
	for (unsigned n = 1; !rc && getline(&line, &room, f) > 0; n++) {
		line[strcspn(line, "\r\n")] = 0;
		char *copy = strdup(line); /* the options' texts point into it */
		rc = own(o, copy);
		if (rc)
			prov_error_set(err, rc, "no memory");
		else
			rc = take_line(o, from_argv, copy, err);
		if (rc)
			prov_error_prefix(err, "%s: line %u", path, n);
	}
	if (!rc && ferror(f))
		rc = prov_error_set(err, PROV_EIO, "%s: %s", path, strerror(errno));
	free(line);
	fclose(f);
	return rc;
}

void prov_options_dispose(struct prov_options *o)
{
	for (size_t i = 0; i < o->n; i++) {
		if (o->option[i].kind != PROV_OPTION_SECRET)
			continue;
		char **secret = o->option[i].into;
		if (*secret)
			explicit_bzero(*secret, strlen(*secret));
		*secret = NULL;
	}
	for (size_t i = 0; i < o->nowned; i++)
		free(o->owned[i]);
	free(o->owned);
	o->owned = NULL;
	o->nowned = 0;
}
