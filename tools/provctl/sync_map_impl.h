/* sync_map_impl.h - a mapping while it is read; for sync_map.c and sync_map_line.c only. */
#ifndef PROV_SYNC_MAP_IMPL_H
#define PROV_SYNC_MAP_IMPL_H

#include "sync_map.h"

struct sync_map_parsing {
	struct sync_map *map;
	const char *file;
	unsigned line;
	struct prov_error *err;
	/* the schema's side: the first name asked for is the attribute, the rest are columns */
	bool head, dn;
	struct prov_schema schema;
};

/* The schema of templates here: first the attribute, then columns, which are noted. */
void sync_map_schema(struct sync_map_parsing *p);
/* Take one line, without its end or with it. PROV_EINVAL with a text, PROV_ENOMEM. */
int sync_map_line(struct sync_map_parsing *p, char *line);
/* Where values of the attribute are in an account; noted when it is new. */
size_t sync_map_name(struct sync_map *map, const char *attr);

#endif
