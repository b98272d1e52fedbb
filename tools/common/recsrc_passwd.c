/* recsrc_passwd.c - accounts of a machine, from a file as passwd(5) says. See recsrc.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recsrc_impl.h"

enum { FIELDS = 7 };
static const char *const name[FIELDS] = { "name", NULL, "uid", "gid", "gecos", "home", "shell" };

static int take_line(struct prov_recsrc_reading *r, char *line, size_t number)
{
	char *field[FIELDS], *rest = line;
	int n = 0, rc = 0;
	for (; n < FIELDS && rest; n++)
		field[n] = strsep(&rest, ":");
	if (n < FIELDS || rest || !*field[0])
		return prov_error_set(r->err, PROV_EREFUSED,
			"%s: line %zu is not of passwd(5): seven fields", r->src->place, number);
	for (int f = 0; f < FIELDS; f++)
		for (size_t i = name[f] ? prov_recsrc_find(r, name[f], strlen(name[f]), 0)
					: r->ncolumn;
			!rc && i < r->ncolumn;
			i = prov_recsrc_find(r, name[f], strlen(name[f]), i + 1))
			if (*field[f])
				rc = prov_recsrc_put(r, i, field[f], strlen(field[f]));
	return rc ? rc : prov_recsrc_emit(r, number, NULL);
}

int prov_recsrc_passwd(struct prov_recsrc_reading *r)
{
	FILE *in = fopen(r->src->place, "re");
	char *line = NULL;
	size_t room = 0, number = 0;
	ssize_t n;
	int rc = 0;
	if (!in)
		return prov_error_set(r->err, PROV_EIO, "%s: %s", r->src->place, strerror(errno));
	while (!rc && (n = getline(&line, &room, in)) > 0) {
		number++;
		if (line[n - 1] == '\n')
			line[--n] = '\0';
		if (strlen(line) != (size_t)n)
			rc = prov_error_set(r->err, PROV_EREFUSED, "%s: line %zu is not text",
				r->src->place, number);
		else if (n && *line != '#' && *line != '+' && *line != '-') /* NIS has those */
			rc = take_line(r, line, number);
	}
	if (!rc && ferror(in))
		rc = prov_error_set(r->err, PROV_EIO, "%s: %s", r->src->place, strerror(errno));
	free(line);
	fclose(in);
	return rc;
}
