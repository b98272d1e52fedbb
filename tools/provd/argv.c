/* argv.c - a command line into an argument vector. See argv.h. */
#include "argv.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/*
 * Copy one word to *to, unquoted, and pass over it. Returns 0, or the character
 * whose end is missing: a quote or a backslash.
 */
static char copy_word(const char **from, char **to)
{
	const char *p = *from;
	char *w = *to, quote = 0;
	for (; *p && (quote || !blank(*p)); p++) {
		if (quote ? *p == quote : *p == '\'' || *p == '"') {
			quote = quote ? 0 : *p;
			continue;
		}
		bool escapes =
			*p == '\\' && quote != '\'' && (!quote || p[1] == '"' || p[1] == '\\');
		if (escapes && !*++p) {
			quote = '\\';
			break;
		}
		*w++ = *p;
	}
	*w++ = 0;
	*from = p;
	*to = w;
	return quote;
}

int prov_argv_split(const char *line, char ***out, struct prov_error *err)
{
	/* At most one word for every two characters; unquoted text is never longer. */
	size_t len = strlen(line), most = len / 2 + 2, n = 0;
	char **argv = calloc(1, most * sizeof(*argv) + len + 2);
	*out = NULL;
	if (!argv)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	char *to = (char *)(argv + most);
	for (const char *p = line;;) {
		while (blank(*p))
			p++;
		if (!*p)
			break;
		const char *start = p;
		argv[n++] = to;
		char open = copy_word(&p, &to);
		if (open) {
			free(argv);
			return prov_error_set(err, PROV_EINVAL,
				"command line: %c in the word at offset %zu has no end", open,
				(size_t)(start - line));
		}
	}
	if (!n || !*argv[0]) {
		free(argv);
		return prov_error_set(err, PROV_EINVAL, "command line: no program");
	}
	*out = argv;
	return 0;
}
