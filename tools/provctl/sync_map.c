/* sync_map.c - reading a mapping. See sync_map.h; rows go through it in sync_row.c. */
#include "sync_map_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sync_date.h"

/* What has to be there, and what must not be there twice. */
static int check_whole(struct sync_map_parsing *p)
{
	struct sync_map *map = p->map;
	p->line = 0;
	const char *lacks = !map->source ? "source"
		: !map->key              ? "key"
		: !map->rdn.t            ? "rdn"
		: !map->parent           ? "parent"
		: !map->nclass           ? "class"
					 : NULL;
	if (lacks)
		return prov_error_set(p->err, PROV_EINVAL, "%s: %s is missing", p->file, lacks);
	if (!map->status != !map->nstatus)
		return prov_error_set(p->err, PROV_EINVAL,
			"%s: status goes with lines of active, suspended and terminated", p->file);
	if ((map->start || map->end) && !map->dates)
		return prov_error_set(p->err, PROV_EINVAL, "%s: dates is missing", p->file);
	for (size_t i = 0; i < map->ntarget; i++)
		if (!strcasecmp(map->target[i].attr, map->rdn.attr))
			return prov_error_set(p->err, PROV_EINVAL,
				"%s: %s names the entry: it is for rdn alone", p->file,
				map->rdn.attr);
	for (size_t i = 0; map->manager && i < map->ntarget; i++)
		if (!strcasecmp(map->target[i].attr, map->manager_attr))
			return prov_error_set(p->err, PROV_EINVAL, "%s: manager is there twice",
				p->file);
	return 0;
}

static int begin(struct sync_map_parsing *p)
{
	static const char *const fixed[] = { "objectClass", "provSource", "provSourceKey",
		"provState", "provStartTime", "provEndTime", "provStateSince" };
	struct sync_map *map = calloc(1, sizeof(*map));
	struct prov_error err = { 0 };
	p->map = map;
	if (!map)
		return prov_error_set(p->err, PROV_ENOMEM, "no memory");
	for (size_t i = 0; i < SYNC_N_FIXED; i++)
		map->name[map->nname++] = fixed[i];
	map->delimiter = ',';
	map->end_minute = 24 * 60; /* the last day is worked to its end */
	map->manager_attr = "manager";
	map->manager_at = sync_map_name(map, map->manager_attr);
	map->zone = "UTC";
	sync_map_schema(p);
	return sync_zone_use("UTC", &err) ? prov_error_set(p->err, PROV_ENOMEM, "no memory") : 0;
}

int sync_map_parse(FILE *in, const char *name, struct sync_map **out, struct prov_error *err)
{
	struct sync_map_parsing p = { .file = name, .err = err };
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	int rc = begin(&p);
	while (!rc && (len = getline(&line, &room, in)) >= 0) {
		p.line++;
		rc = strlen(line) != (size_t)len
			? prov_error_set(err, PROV_EINVAL, "%s:%u: not text", name, p.line)
			: sync_map_line(&p, line);
	}
	if (!rc && ferror(in))
		rc = prov_error_set(err, PROV_EIO, "%s: %s", name, strerror(errno));
	if (!rc)
		rc = check_whole(&p);
	free(line);
	if (rc)
		sync_map_free(&p.map);
	*out = p.map;
	return rc;
}

int sync_map_read(const char *path, struct sync_map **out, struct prov_error *err)
{
	FILE *in = fopen(path, "re");
	*out = NULL;
	if (!in)
		return prov_error_set(err, PROV_EIO, "%s: %s", path, strerror(errno));
	int rc = sync_map_parse(in, path, out, err);
	fclose(in);
	return rc;
}

void sync_map_free(struct sync_map **mp)
{
	if (!*mp)
		return;
	free((*mp)->class);
	free((*mp)->status_text);
	free((*mp)->empty);
	prov_arena_dispose(&(*mp)->arena);
	free(*mp);
	*mp = NULL;
}
