/*
 * table.c - see table.h.
 *
 * Cells are made safe when they come in, so that width and output agree. It
 * never truncates: an admin may need the whole DN. The only failure is no memory.
 */
#include "table.h"

#include <stdlib.h>
#include <string.h>
#include <unistr.h>
#include <uniwidth.h>

#include "error.h"

struct prov_table {
	size_t ncol, nrow, room;
	size_t *width;
	char **head;
	char **cell; /* nrow * ncol */
};

/* C0, DEL, C1, and the bidirectional overrides that can make a line read as another. */
static int unsafe(ucs4_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
		(c >= 0x2066 && c <= 0x2069) || c == 0x2028 || c == 0x2029;
}

char *prov_text_safe(const char *s, size_t len)
{
	char *out = malloc(4 * len + 1), *p = out;
	if (!out)
		return NULL;
	for (size_t i = 0; i < len;) {
		ucs4_t c;
		int n = u8_mbtoucr(&c, (const uint8_t *)s + i, len - i);
		int keep = n > 0 && !unsafe(c);
		if (n <= 0)
			n = 1;
		if (keep) {
			memcpy(p, s + i, (size_t)n);
			p += n;
		} else {
			for (int k = 0; k < n; k++)
				p += sprintf(p, "\\x%02x", (unsigned char)s[i + (size_t)k]);
		}
		i += (size_t)n;
	}
	*p = '\0';
	return out;
}

size_t prov_text_width(const char *s)
{
	int w = u8_strwidth((const uint8_t *)s, "UTF-8");
	return w > 0 ? (size_t)w : 0;
}

int prov_table_new(size_t ncol, const char *const *head, struct prov_table **out)
{
	struct prov_table *t = calloc(1, sizeof(*t));
	*out = NULL;
	if (!t)
		return PROV_ENOMEM;
	t->width = calloc(ncol, sizeof(*t->width));
	t->head = calloc(ncol, sizeof(*t->head));
	if (!t->width || !t->head)
		goto fail;
	t->ncol = ncol;
	for (size_t i = 0; i < ncol; i++) {
		t->head[i] = strdup(head[i]);
		if (!t->head[i])
			goto fail;
		t->width[i] = prov_text_width(head[i]);
	}
	*out = t;
	return 0;
fail:
	prov_table_free(&t);
	return PROV_ENOMEM;
}

static int make_room(struct prov_table *t)
{
	if (t->nrow < t->room)
		return 0;
	size_t room = t->room ? 2 * t->room : 32;
	char **cell = reallocarray(t->cell, room * t->ncol, sizeof(*cell));
	if (!cell)
		return PROV_ENOMEM;
	t->cell = cell;
	t->room = room;
	return 0;
}

int prov_table_add(struct prov_table *t, const char *const *cell)
{
	if (make_room(t))
		return PROV_ENOMEM;
	char **row = t->cell + t->nrow * t->ncol;
	for (size_t i = 0; i < t->ncol; i++) {
		const char *s = cell[i] ? cell[i] : "";
		row[i] = prov_text_safe(s, strlen(s));
		if (!row[i]) {
			while (i)
				free(row[--i]);
			return PROV_ENOMEM;
		}
	}
	for (size_t i = 0; i < t->ncol; i++) {
		size_t w = prov_text_width(row[i]);
		if (w > t->width[i])
			t->width[i] = w;
	}
	t->nrow++;
	return 0;
}

size_t prov_table_rows(const struct prov_table *t)
{
	return t->nrow;
}

static void print_row(const struct prov_table *t, char **row, FILE *out)
{
	/* trailing empty cells would only leave blanks at the end of the line */
	size_t last = t->ncol;
	while (last > 1 && !row[last - 1][0])
		last--;
	for (size_t i = 0; i < last; i++) {
		fputs(row[i], out);
		if (i + 1 < last)
			fprintf(out, "%*s", (int)(t->width[i] - prov_text_width(row[i]) + 2), "");
	}
	fputc('\n', out);
}

void prov_table_print(const struct prov_table *t, FILE *out)
{
	if (!t->nrow)
		return;
	print_row(t, t->head, out);
	for (size_t i = 0; i < t->nrow; i++)
		print_row(t, t->cell + i * t->ncol, out);
}

void prov_table_free(struct prov_table **tp)
{
	struct prov_table *t = *tp;
	if (!t)
		return;
	for (size_t i = 0; i < t->nrow * t->ncol; i++)
		free(t->cell[i]);
	for (size_t i = 0; t->head && i < t->ncol; i++)
		free(t->head[i]);
	free(t->cell);
	free(t->head);
	free(t->width);
	free(t);
	*tp = NULL;
}
