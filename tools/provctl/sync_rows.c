/* sync_rows.c - see sync_rows.h. */
#include "sync_rows.h"

#include <stdlib.h>
#include <string.h>

#include "fold.h"
#include "grow.h"

int sync_rows_new(const struct sync_map *map, struct sync_rows **out)
{
	struct sync_rows *r = calloc(1, sizeof(*r));
	int rc = r ? prov_strmap_new(&r->key) : PROV_ENOMEM;
	if (r)
		r->map = map;
	if (!rc && map->manager_id)
		rc = prov_strmap_new(&r->id);
	for (size_t i = 0; !rc && i < map->nmatch; i++)
		rc = prov_strmap_new(&r->match[i].value);
	if (rc)
		sync_rows_free(&r);
	*out = r;
	return rc;
}

void sync_rows_free(struct sync_rows **rp)
{
	struct sync_rows *r = *rp;
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++) {
		free(r->row[i].packed);
		free(r->row[i].dn);
		free(r->row[i].conflict);
		free((char *)r->row[i].has);
	}
	free(r->row);
	prov_strmap_free(&r->key);
	prov_strmap_free(&r->id);
	free(r->id_row);
	for (size_t i = 0; i < SYNC_MOST_MATCHES; i++) {
		prov_strmap_free(&r->match[i].value);
		free(r->match[i].row);
		free(r->match[i].twice);
	}
	free(r);
	*rp = NULL;
}

static char *pack(size_t n, const struct prov_val *cell)
{
	size_t len = 1;
	for (size_t i = 0; i < n; i++)
		len += cell[i].len + 1;
	char *text = malloc(len), *to = text;
	for (size_t i = 0; text && i < n; i++) {
		if (cell[i].len)
			to = mempcpy(to, cell[i].data, cell[i].len);
		*to++ = '\0';
	}
	return text;
}

const struct prov_val *sync_rows_cells(const struct sync_rows *r, size_t i,
	struct prov_arena *arena)
{
	size_t n = r->map->ncolumn;
	struct prov_val *cell = prov_arena_array(arena, n + 1, sizeof(*cell));
	const char *from = r->row[i].packed;
	for (size_t k = 0; cell && k < n; k++) {
		cell[k] = (struct prov_val){ from, strlen(from) };
		from += cell[k].len + 1;
	}
	return cell;
}

/* Folded into a map. 0 or PROV_ENOMEM. */
static int note(struct prov_strmap *map, struct prov_val v, size_t *index, int *fresh)
{
	char *text = prov_fold_text(v.data, v.len);
	int rc = text ? prov_strmap_add(map, text, index, fresh) : PROV_ENOMEM;
	free(text);
	return rc;
}

/* list[i] exists; room says how many do. */
static int grow(size_t **list, size_t *room, size_t i)
{
	if (i < *room)
		return 0;
	size_t more = 2 * i + 64, *p = reallocarray(*list, more, sizeof(*p));
	if (!p)
		return PROV_ENOMEM;
	memset(p + *room, 0, (more - *room) * sizeof(*p));
	*list = p;
	*room = more;
	return 0;
}

static int note_matches(struct sync_rows *r, size_t row, const struct sync_wish *w)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < r->map->nmatch; i++) {
		size_t index, room = r->match[i].room;
		int fresh;
		if (!w->match[i].data)
			continue;
		rc = note(r->match[i].value, w->match[i], &index, &fresh);
		if (!rc)
			rc = grow(&r->match[i].row, &r->match[i].room, index);
		if (!rc && r->match[i].room != room) {
			unsigned char *more = realloc(r->match[i].twice, r->match[i].room);
			if (!more)
				return PROV_ENOMEM;
			memset(more + room, 0, r->match[i].room - room);
			r->match[i].twice = more;
		}
		if (rc)
			break;
		if (fresh)
			r->match[i].row[index] = row;
		else
			r->match[i].twice[index] = 1;
	}
	return rc;
}

static int note_id(struct sync_rows *r, size_t row, const struct sync_wish *w)
{
	size_t index;
	int fresh;
	if (!r->id || !w->id.data)
		return 0;
	int rc = note(r->id, w->id, &index, &fresh);
	if (!rc)
		rc = grow(&r->id_row, &r->id_room, index);
	if (!rc)
		r->id_row[index] = fresh ? row : SYNC_NO_ROW; /* twice is nobody */
	return rc;
}

static int add(struct sync_rows *r, size_t line, const struct prov_val *cell,
	struct sync_problems *broken, struct sync_problems *bad, struct prov_arena *arena)
{
	struct sync_wish w;
	struct prov_error why = { 0 };
	size_t index;
	int fresh, wrong = sync_map_row(r->map, cell, arena, &w, &why);
	if (wrong == PROV_ENOMEM)
		return wrong;
	if (wrong == PROV_ENOENT) {
		sync_problem_add(broken, line, "%s", why.text);
		return 0;
	}
	if (prov_grow(&r->row, r->n, &r->room, sizeof(*r->row)) ||
		note(r->key, w.key, &index, &fresh))
		return PROV_ENOMEM;
	if (!fresh) {
		sync_problem_add(broken, line, "key %.*s is in row %zu already",
			w.key.len > 60 ? 60 : (int)w.key.len, w.key.data, r->row[index].line);
		return 0;
	}
	struct sync_row *row = &r->row[r->n];
	*row = (struct sync_row){ .line = line,
		.manager = SYNC_NO_ROW,
		.packed = pack(r->map->ncolumn, cell) };
	if (!row->packed)
		return PROV_ENOMEM;
	r->n++;
	row->left = !wrong && w.said == SYNC_LEFT;
	if (wrong) {
		row->bad = 1;
		sync_problem_add(bad, line, "%s", why.text);
		return 0;
	}
	int rc = note_matches(r, index, &w);
	return rc ? rc : note_id(r, index, &w);
}

int sync_rows_add(struct sync_rows *r, size_t line, const struct prov_val *cell,
	struct sync_problems *broken, struct sync_problems *bad, struct prov_error *err)
{
	struct prov_arena arena = PROV_ARENA_INIT;
	int rc = add(r, line, cell, broken, bad, &arena);
	prov_arena_dispose(&arena);
	return rc ? prov_error_set(err, rc, "no memory") : 0;
}

int sync_rows_wish(const struct sync_rows *r, size_t i, struct prov_arena *arena,
	struct sync_wish *out, struct prov_error *err)
{
	const struct prov_val *cell = sync_rows_cells(r, i, arena);
	if (!cell)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	return sync_map_row(r->map, cell, arena, out, err);
}

static int find(const struct prov_strmap *map, struct prov_val v, size_t *out)
{
	char *text = prov_fold_text(v.data, v.len);
	*out = SYNC_NO_ROW;
	if (!text)
		return PROV_ENOMEM;
	*out = prov_strmap_find(map, text);
	free(text);
	return 0;
}

int sync_rows_by_key(const struct sync_rows *r, struct prov_val key, size_t *out)
{
	return find(r->key, key, out);
}

int sync_rows_by_id(const struct sync_rows *r, struct prov_val id, size_t *out)
{
	int rc = find(r->id ? r->id : r->key, id, out);
	if (!rc && r->id && *out != PROV_STRMAP_NONE)
		*out = r->id_row[*out];
	return rc;
}

const char *sync_rows_key(const struct sync_rows *r, size_t i)
{
	return prov_strmap_text(r->key, i);
}
