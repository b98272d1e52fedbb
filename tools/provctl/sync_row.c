/* sync_row.c - one row of a feed put through the mapping. See sync_map.h. */
#include <stdlib.h>
#include <string.h>

#include "fold.h"
#include "sync_date.h"
#include "sync_map.h"
#include "text.h"

/* What {unique} asks, as the templates' service. */
struct asking {
	bool (*taken)(void *ctx, struct prov_val value);
	void *ctx;
};

static int ask_taken(void *ctx, const struct prov_type *type, struct prov_val value, bool *taken,
	struct prov_error *err)
{
	const struct asking *a = ctx;
	(void)type;
	(void)err;
	*taken = a->taken && a->taken(a->ctx, value);
	return 0;
}

static int accept_value(void *ctx, const struct prov_type *type, struct prov_val in)
{
	(void)ctx;
	(void)type;
	(void)in;
	return 0;
}

static const struct prov_schema any = { .validate = accept_value };

static bool is_empty(const struct sync_map *map, struct prov_val v)
{
	size_t i = 0;
	while (i < v.len && (v.data[i] == ' ' || v.data[i] == '\t'))
		i++;
	for (size_t k = 0; i < v.len && k < map->nempty; k++)
		if (prov_val_equal(v, prov_val_str(map->empty[k])))
			return true;
	return i == v.len;
}

/* The row as an entry whose attributes are the columns that have something. */
struct row {
	const struct sync_map *map;
	struct prov_arena *arena;
	struct prov_error *err;
	struct prov_entry entry;
	struct asking asking;
};

static int begin(struct row *r, const struct prov_val *cell)
{
	const struct sync_map *map = r->map;
	struct prov_attr *attr = prov_arena_array(r->arena, map->ncolumn + 1, sizeof(*attr));
	if (!attr)
		return prov_error_set(r->err, PROV_ENOMEM, "no memory");
	for (size_t i = 0; i < map->ncolumn; i++)
		if (!is_empty(map, cell[i]))
			attr[r->entry.n++] = (struct prov_attr){ .type = map->column_type[i],
				.n = 1,
				.val = &cell[i],
				.nval = &cell[i] };
	r->entry.attr = attr;
	return 0;
}

struct lacking {
	const struct prov_entry *e;
	const char *column;
};

static void note_lacking(void *ctx, const struct prov_type *type)
{
	struct lacking *l = ctx;
	if (!l->column && !prov_entry_attr(l->e, type))
		l->column = type->name;
}

static int lacks(struct row *r, const struct prov_template *t)
{
	struct lacking l = { &r->entry, NULL };
	prov_template_types(t, note_lacking, &l);
	return prov_error_set(r->err, PROV_EINVAL, "%s: column %s is empty",
		prov_template_type(t)->name, l.column ? l.column : "?");
}

/* No value is no error: *out has no data then. t may be NULL. */
static int expand(struct row *r, const struct prov_template *t, struct prov_val *out)
{
	const struct prov_services services = { .ctx = &r->asking, .taken = ask_taken };
	struct prov_error err = { 0 };
	*out = (struct prov_val){ NULL, 0 };
	if (!t)
		return 0;
	int rc = prov_template_expand(t, &r->entry, &any, &services, 0, r->arena, out, &err);
	if (rc)
		*out = (struct prov_val){ NULL, 0 };
	if (rc == PROV_ENOENT)
		return 0;
	return rc ? prov_error_set(r->err, rc, "%s: %s", prov_template_type(t)->name, err.text) : 0;
}

/* The same where a value has to be. */
static int need(struct row *r, const struct prov_template *t, struct prov_val *out)
{
	int rc = expand(r, t, out);
	return rc || out->data ? rc : lacks(r, t);
}

static int read_date(struct row *r, const struct prov_template *t, int minute, bool *there,
	int64_t *out)
{
	struct prov_val v;
	int rc = expand(r, t, &v);
	*there = !rc && v.data;
	if (rc || !v.data)
		return rc;
	if (sync_date_parse(r->map->dates, v, minute, out))
		return prov_error_set(r->err, PROV_EINVAL, "%s: \"%.*s\" is no date like %s",
			prov_template_type(t)->name, v.len > 60 ? 60 : (int)v.len, v.data,
			r->map->dates);
	return 0;
}

static int read_status(struct row *r, enum sync_said *out)
{
	const struct sync_map *map = r->map;
	struct prov_val v;
	*out = SYNC_HERE;
	if (!map->status)
		return 0;
	int rc = need(r, map->status, &v);
	if (rc)
		return rc;
	char *text = prov_fold_text(v.data, v.len);
	if (!text)
		return prov_error_set(r->err, PROV_ENOMEM, "no memory");
	rc = PROV_EINVAL;
	for (size_t i = 0; rc && i < map->nstatus; i++) {
		if (!strcmp(map->status_text[i].text, text)) {
			*out = map->status_text[i].said;
			rc = 0;
		}
	}
	free(text);
	return rc ? prov_error_set(r->err, rc,
			    "status: \"%.*s\" is neither active, suspended nor terminated in the "
			    "mapping",
			    v.len > 60 ? 60 : (int)v.len, v.data)
		  : 0;
}

static int read_times(struct row *r, struct sync_wish *w)
{
	const struct sync_map *map = r->map;
	int rc = read_date(r, map->start, map->start_minute, &w->starts, &w->start);
	if (!rc)
		rc = read_date(r, map->end, map->end_minute, &w->ends, &w->end);
	if (!rc && w->starts && w->ends && w->end <= w->start)
		rc = prov_error_set(r->err, PROV_EINVAL, "it ends before it starts");
	return rc;
}

int sync_map_row(const struct sync_map *map, const struct prov_val *cell, struct prov_arena *arena,
	struct sync_wish *w, struct prov_error *err)
{
	struct row r = { .map = map, .arena = arena, .err = err };
	memset(w, 0, sizeof(*w));
	int rc = begin(&r, cell);
	if (!rc && (rc = need(&r, map->key, &w->key)) == PROV_EINVAL)
		rc = err ? prov_error_set(err, PROV_ENOENT, "%s", err->text) : PROV_ENOENT;
	if (!rc)
		rc = read_status(&r, &w->said);
	if (!rc)
		rc = read_times(&r, w);
	for (size_t i = 0; !rc && i < map->nmatch; i++)
		rc = expand(&r, map->match[i].t, &w->match[i]);
	for (size_t i = 0; !rc && i < map->ntarget; i++) {
		bool must = map->target[i].mode == SYNC_REQUIRE && w->said != SYNC_LEFT;
		rc = must ? need(&r, map->target[i].t, &w->value[i])
			  : expand(&r, map->target[i].t, &w->value[i]);
	}
	if (!rc)
		rc = expand(&r, map->manager, &w->manager);
	if (!rc)
		rc = expand(&r, map->manager_id, &w->id);
	if (!rc && !map->manager_id)
		w->id = w->key;
	return rc;
}

int sync_map_place(const struct sync_map *map, const struct prov_val *cell,
	bool (*taken)(void *ctx, struct prov_val value), void *ctx, struct prov_arena *arena,
	struct sync_place *out, struct prov_error *err)
{
	struct row r = { .map = map, .arena = arena, .err = err, .asking = { taken, ctx } };
	struct prov_val safe, parent;
	int rc = begin(&r, cell);
	if (!rc)
		rc = need(&r, map->rdn.t, &out->value);
	if (!rc)
		rc = need(&r, map->parent, &parent);
	if (!rc)
		rc = prov_text_escape_rdn(out->value, arena, &safe);
	if (rc)
		return err->code ? rc : prov_error_set(err, rc, "the name cannot be made");
	out->rdn = prov_arena_printf(arena, "%s=%.*s", map->rdn.attr, (int)safe.len, safe.data);
	out->parent = prov_arena_strndup(arena, parent.data, parent.len);
	return out->rdn && out->parent ? 0 : prov_error_set(err, PROV_ENOMEM, "no memory");
}
