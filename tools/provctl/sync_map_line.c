/* sync_map_line.c - the keywords of a mapping. See sync_map.h. */
#include "sync_map_impl.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fold.h"
#include "sync_date.h"

static int wrong(struct sync_map_parsing *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static int wrong(struct sync_map_parsing *p, const char *fmt, ...)
{
	char text[400];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return prov_error_set(p->err, PROV_EINVAL, "%s:%u: %s", p->file, p->line, text);
}

static int nomem(struct sync_map_parsing *p)
{
	return prov_error_set(p->err, PROV_ENOMEM, "no memory");
}

static const struct prov_type *new_type(struct sync_map_parsing *p, const char *name, size_t len)
{
	struct prov_type *t = prov_arena_alloc(&p->map->arena, sizeof(*t));
	if (!t || !(t->name = prov_arena_strndup(&p->map->arena, name, len)))
		return NULL;
	return t;
}

static const struct prov_type *find_type(void *ctx, const char *name, size_t len)
{
	struct sync_map_parsing *p = ctx;
	struct sync_map *map = p->map;
	struct prov_type *t;
	if (p->head) {
		p->head = false;
		for (size_t i = 0; i < len; i++)
			if (!isalnum((unsigned char)name[i]) && !strchr("-;.", name[i]))
				return NULL;
		t = (struct prov_type *)new_type(p, name, len);
		if (t)
			t->dn = p->dn;
		return t;
	}
	for (; len && name[0] == ' '; name++, len--)
		;
	for (; len && name[len - 1] == ' '; len--)
		;
	if (!len)
		return NULL;
	for (size_t i = 0; i < map->ncolumn; i++)
		if (!strncasecmp(map->column[i], name, len) && !map->column[i][len])
			return map->column_type[i];
	if (map->ncolumn == SYNC_MOST_COLUMNS)
		return NULL;
	const struct prov_type *column = new_type(p, name, len);
	if (column) {
		map->column[map->ncolumn] = column->name;
		map->column_type[map->ncolumn++] = column;
	}
	return column;
}

static int accept_value(void *ctx, const struct prov_type *type, struct prov_val in)
{
	(void)ctx;
	(void)type;
	(void)in;
	return 0;
}

void sync_map_schema(struct sync_map_parsing *p)
{
	p->schema = (struct prov_schema){ .ctx = p, .type = find_type, .validate = accept_value };
}

static void note_pool(void *ctx, struct prov_val pool)
{
	(void)pool;
	*(bool *)ctx = true;
}

enum { AS_DN = 1, MAY_UNIQUE = 2 };

/* "MODE ATTR: EXPRESSION" */
static int compile(struct sync_map_parsing *p, const char *mode, const char *rest, int how,
	const struct prov_template **out)
{
	struct prov_error err = { 0 };
	bool pools = false;
	char *line = prov_arena_printf(&p->map->arena, "%s %s", mode, rest);
	if (!line)
		return nomem(p);
	p->head = true;
	p->dn = how & AS_DN;
	if (prov_template_compile(prov_val_str(line), &p->schema, &p->map->arena, out, &err))
		return wrong(p, "%s", err.text);
	prov_template_pools(*out, note_pool, &pools);
	if (pools || strstr(rest, "{random:") || strstr(rest, "{now"))
		return wrong(p,
			"{next:}, {random:} and {now} are for templates of roles: a feed "
			"must give the same value every time");
	if (prov_template_volatile(*out) && !(how & MAY_UNIQUE))
		return wrong(p, "{unique} is for \"rdn default\" alone");
	return 0;
}

static int expression(struct sync_map_parsing *p, const char *name, const char *expr,
	const struct prov_template **out)
{
	if (*out)
		return wrong(p, "%s is there already", name);
	char *rest = prov_arena_printf(&p->map->arena, "%s: %s", name, expr);
	return rest ? compile(p, "enforce", rest, 0, out) : nomem(p);
}

/* Attributes that the tool itself writes, that only slapd writes, or that no feed should. */
static const char *reserved(const char *attr)
{
	static const char *const own[] = { "objectClass", "provSource", "provSourceKey",
		"provState", "provStartTime", "provEndTime", "provEffectiveRole", "provGrant",
		"provStateSince", "provDue", "provException", "memberOf" };
	static const char *const secret[] = { "userPassword", "authPassword", "unicodePwd",
		"sambaNTPassword", "sambaLMPassword", "krbPrincipalKey" };
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (!strcasecmp(attr, own[i]))
			return "has a keyword of its own, or is the server's";
	if (!strncasecmp(attr, "provChange", 10) || !strncasecmp(attr, "provCreate", 10))
		return "is the server's";
	for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
		if (!strcasecmp(attr, secret[i]))
			return "is a secret: a diff would show it";
	return NULL;
}

size_t sync_map_name(struct sync_map *map, const char *attr)
{
	for (size_t i = 0; i < map->nname; i++)
		if (!strcasecmp(map->name[i], attr))
			return i;
	map->name[map->nname] = attr;
	return map->nname++;
}

static int target(struct sync_map_parsing *p, enum sync_mode mode, const char *rest)
{
	struct sync_map *map = p->map;
	struct sync_target *t = &map->target[map->ntarget];
	if (map->ntarget == SYNC_MOST_TARGETS)
		return wrong(p, "more than %d attributes", SYNC_MOST_TARGETS);
	int rc = compile(p, mode == SYNC_DEFAULT ? "default" : "enforce", rest, 0, &t->t);
	if (rc)
		return rc;
	t->attr = prov_template_type(t->t)->name;
	t->mode = mode;
	if (reserved(t->attr))
		return wrong(p, "%s %s", t->attr, reserved(t->attr));
	for (size_t i = 0; i < map->ntarget; i++)
		if (!strcasecmp(map->target[i].attr, t->attr))
			return wrong(p, "%s is there already", t->attr);
	t->at = sync_map_name(map, t->attr);
	map->ntarget++;
	return 0;
}

static int take_require(struct sync_map_parsing *p, char *rest)
{
	return target(p, SYNC_REQUIRE, rest);
}

static int take_enforce(struct sync_map_parsing *p, char *rest)
{
	return target(p, SYNC_ENFORCE, rest);
}

static int take_default(struct sync_map_parsing *p, char *rest)
{
	return target(p, SYNC_DEFAULT, rest);
}

static int take_match(struct sync_map_parsing *p, char *rest)
{
	struct sync_map *map = p->map;
	struct sync_target *t = &map->match[map->nmatch];
	if (map->nmatch == SYNC_MOST_MATCHES)
		return wrong(p, "more than %d rules to match by", SYNC_MOST_MATCHES);
	int rc = compile(p, "enforce", rest, 0, &t->t);
	if (rc)
		return rc;
	t->attr = prov_template_type(t->t)->name;
	t->at = sync_map_name(map, t->attr);
	map->nmatch++;
	return 0;
}

/* "default REST" or "enforce REST" */
static int take_word(struct sync_map_parsing *p, char **rest, bool *enforce)
{
	char *word = strsep(rest, " \t");
	if (!*rest || (strcmp(word, "default") && strcmp(word, "enforce")))
		return wrong(p, "next comes default (for who joins) or enforce (always)");
	*enforce = *word == 'e';
	while (**rest == ' ' || **rest == '\t')
		++*rest;
	return 0;
}

static int take_rdn(struct sync_map_parsing *p, char *rest)
{
	struct sync_target *t = &p->map->rdn;
	bool enforce = false;
	if (t->t)
		return wrong(p, "rdn is there already");
	int rc = take_word(p, &rest, &enforce);
	if (!rc)
		rc = compile(p, "default", rest, enforce ? 0 : MAY_UNIQUE, &t->t);
	if (rc)
		return rc;
	t->attr = prov_template_type(t->t)->name;
	t->mode = enforce ? SYNC_ENFORCE : SYNC_DEFAULT;
	if (reserved(t->attr))
		return wrong(p, "%s cannot name an entry", t->attr);
	t->at = sync_map_name(p->map, t->attr);
	return 0;
}

static int take_parent(struct sync_map_parsing *p, char *rest)
{
	if (p->map->parent)
		return wrong(p, "parent is there already");
	int rc = take_word(p, &rest, &p->map->parent_enforce);
	char *line = rc ? NULL : prov_arena_printf(&p->map->arena, "parent: %s", rest);
	return rc ? rc : line ? compile(p, "enforce", line, AS_DN, &p->map->parent) : nomem(p);
}

static int take_key(struct sync_map_parsing *p, char *rest)
{
	return expression(p, "key", rest, &p->map->key);
}

static int take_status(struct sync_map_parsing *p, char *rest)
{
	return expression(p, "status", rest, &p->map->status);
}

static int take_start(struct sync_map_parsing *p, char *rest)
{
	return expression(p, "start", rest, &p->map->start);
}

static int take_end(struct sync_map_parsing *p, char *rest)
{
	return expression(p, "end", rest, &p->map->end);
}

static int take_manager(struct sync_map_parsing *p, char *rest)
{
	return expression(p, "manager", rest, &p->map->manager);
}

static int take_manager_id(struct sync_map_parsing *p, char *rest)
{
	return expression(p, "manager-id", rest, &p->map->manager_id);
}

static int say(struct sync_map_parsing *p, enum sync_said said, const char *rest)
{
	struct sync_map *map = p->map;
	char *text = prov_fold_text(rest, strlen(rest));
	struct sync_status *more = reallocarray(map->status_text, map->nstatus + 1, sizeof(*more));
	if (more)
		map->status_text = more;
	char *copy = text ? prov_arena_strndup(&map->arena, text, strlen(text)) : NULL;
	free(text);
	if (!more || !copy)
		return nomem(p);
	for (size_t i = 0; i < map->nstatus; i++)
		if (!strcmp(more[i].text, copy))
			return wrong(p, "\"%s\" is there already", rest);
	more[map->nstatus++] = (struct sync_status){ copy, said };
	return 0;
}

static int take_active(struct sync_map_parsing *p, char *rest)
{
	return say(p, SYNC_HERE, rest);
}

static int take_suspended(struct sync_map_parsing *p, char *rest)
{
	return say(p, SYNC_AWAY, rest);
}

static int take_terminated(struct sync_map_parsing *p, char *rest)
{
	return say(p, SYNC_LEFT, rest);
}

static int push(struct sync_map_parsing *p, const char ***list, size_t *n, const char *text)
{
	const char **more = reallocarray(*list, *n + 1, sizeof(*more));
	if (!more)
		return nomem(p);
	*list = more;
	more[*n] = prov_arena_strndup(&p->map->arena, text, strlen(text));
	return more[(*n)++] ? 0 : nomem(p);
}

static int take_class(struct sync_map_parsing *p, char *rest)
{
	return push(p, &p->map->class, &p->map->nclass, rest);
}

static int take_empty(struct sync_map_parsing *p, char *rest)
{
	return push(p, &p->map->empty, &p->map->nempty, rest);
}

static int take_source(struct sync_map_parsing *p, char *rest)
{
	if (p->map->source)
		return wrong(p, "source is there already");
	p->map->source = prov_arena_strndup(&p->map->arena, rest, strlen(rest));
	return p->map->source ? 0 : nomem(p);
}

static int take_delimiter(struct sync_map_parsing *p, char *rest)
{
	if (!strcmp(rest, "tab"))
		rest[0] = '\t';
	else if (strlen(rest) != 1 || !strchr(",;|", *rest))
		return wrong(p, "a delimiter is one of , ; | and tab");
	p->map->delimiter = rest[0];
	return 0;
}

static int take_dates(struct sync_map_parsing *p, char *rest)
{
	struct prov_error err = { 0 };
	if (sync_date_check(rest, &err))
		return wrong(p, "%s", err.text);
	p->map->dates = prov_arena_strndup(&p->map->arena, rest, strlen(rest));
	return p->map->dates ? 0 : nomem(p);
}

static int take_zone(struct sync_map_parsing *p, char *rest)
{
	struct prov_error err = { 0 };
	if (sync_zone_use(rest, &err))
		return wrong(p, "%s", err.text);
	p->map->zone = prov_arena_strndup(&p->map->arena, rest, strlen(rest));
	return p->map->zone ? 0 : nomem(p);
}

static int take_start_at(struct sync_map_parsing *p, char *rest)
{
	return sync_minute_parse(rest, &p->map->start_minute) ? wrong(p, "want hh:mm, to 24:00")
							      : 0;
}

static int take_end_at(struct sync_map_parsing *p, char *rest)
{
	return sync_minute_parse(rest, &p->map->end_minute) ? wrong(p, "want hh:mm, to 24:00") : 0;
}

static const struct {
	const char *name;
	int (*take)(struct sync_map_parsing *p, char *rest);
} keyword[] = {
	{ "source", take_source },
	{ "delimiter", take_delimiter },
	{ "dates", take_dates },
	{ "zone", take_zone },
	{ "start-at", take_start_at },
	{ "end-at", take_end_at },
	{ "empty", take_empty },
	{ "key", take_key },
	{ "match", take_match },
	{ "rdn", take_rdn },
	{ "parent", take_parent },
	{ "class", take_class },
	{ "require", take_require },
	{ "enforce", take_enforce },
	{ "default", take_default },
	{ "manager", take_manager },
	{ "manager-id", take_manager_id },
	{ "status", take_status },
	{ "active", take_active },
	{ "suspended", take_suspended },
	{ "terminated", take_terminated },
	{ "start", take_start },
	{ "end", take_end },
};

int sync_map_line(struct sync_map_parsing *p, char *line)
{
	char *end = line + strlen(line);
	while (end > line && strchr(" \t\r\n", end[-1]))
		*--end = '\0';
	line += strspn(line, " \t");
	if (!*line || *line == '#')
		return 0;
	char *rest = line + strcspn(line, " \t");
	size_t len = (size_t)(rest - line);
	rest += strspn(rest, " \t");
	for (size_t i = 0; i < sizeof(keyword) / sizeof(keyword[0]); i++) {
		if (strncmp(keyword[i].name, line, len) || keyword[i].name[len])
			continue;
		return *rest ? keyword[i].take(p, rest) : wrong(p, "%s: what?", keyword[i].name);
	}
	if (len == 3 && !strncmp(line, "add", 3))
		return wrong(p,
			"add: a feed does not know which value it gave before; use enforce or default");
	return wrong(p, "unknown keyword \"%.*s\"", len > 40 ? 40 : (int)len, line);
}
