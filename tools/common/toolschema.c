/* toolschema.c - a schema that accepts everything. See toolschema.h. */
#include "toolschema.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "error.h"

#define NAME_MAX_LEN 256

struct node {
	struct prov_type type;
	struct node *next;
};

struct prov_toolschema {
	struct prov_schema schema;
	struct prov_arena arena;
	struct node *first;
};

static bool is_secret(const char *name)
{
	static const char *const secret[] = { "userPassword", "authPassword", "unicodePwd",
		"sambaNTPassword", "sambaLMPassword", "krbPrincipalKey", "krb5Key", "ipaNTHash",
		"pwdHistory", "olcRootPW" };
	for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
		if (!strcasecmp(name, secret[i]))
			return true;
	return false;
}

static bool well_formed(const char *name, size_t len)
{
	if (!len || len > NAME_MAX_LEN || !isalnum((unsigned char)name[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("-;._", name[i]))
			return false;
	return true;
}

static const struct prov_type *find_type(void *ctx, const char *name, size_t len)
{
	struct prov_toolschema *s = ctx;
	const struct prov_type *sup = NULL;

	if (!well_formed(name, len))
		return NULL;
	for (struct node *n = s->first; n; n = n->next)
		if (!strncasecmp(n->type.name, name, len) && !n->type.name[len])
			return &n->type;
	const char *option = memchr(name, ';', len);
	if (option) {
		sup = find_type(ctx, name, (size_t)(option - name));
		if (!sup)
			return NULL;
	}
	struct node *n = prov_arena_alloc(&s->arena, sizeof(*n));
	char *copy = n ? prov_arena_strndup(&s->arena, name, len) : NULL;
	if (!copy)
		return NULL;
	n->type = (struct prov_type){ .name = copy,
		.sup = sup,
		.secret = sup ? sup->secret : is_secret(copy),
		.order = PROV_ORDER_OCTETS };
	n->next = s->first;
	s->first = n;
	return &n->type;
}

/* Lower case (ASCII), blanks at the ends taken off and inner ones folded to one. A
 * part of a substring filter keeps its outer blanks, folded. */
static int fold(void *ctx, const struct prov_type *type, enum prov_norm how, struct prov_val in,
	struct prov_arena *arena, struct prov_val *out)
{
	(void)ctx;
	(void)type;
	char *to = prov_arena_alloc(arena, in.len + 1);
	if (!to)
		return PROV_ENOMEM;
	size_t n = 0;
	for (size_t i = 0; i < in.len; i++) {
		char c = in.data[i];
		if (c == ' ' && (n ? to[n - 1] == ' ' : how == PROV_NORM_EQUALITY))
			continue;
		to[n++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	while (how == PROV_NORM_EQUALITY && n && to[n - 1] == ' ')
		n--;
	*out = (struct prov_val){ to, n };
	return 0;
}

static int accept(void *ctx, const struct prov_type *type, struct prov_val in)
{
	(void)ctx;
	(void)type;
	(void)in;
	return 0;
}

int prov_toolschema_new(struct prov_toolschema **out)
{
	struct prov_toolschema *s = calloc(1, sizeof(*s));
	*out = s;
	if (!s)
		return PROV_ENOMEM;
	s->schema = (struct prov_schema){ .ctx = s,
		.type = find_type,
		.normalize = fold,
		.validate = accept };
	return 0;
}

void prov_toolschema_free(struct prov_toolschema **sp)
{
	if (!*sp)
		return;
	prov_arena_dispose(&(*sp)->arena);
	free(*sp);
	*sp = NULL;
}

const struct prov_schema *prov_toolschema_schema(struct prov_toolschema *s)
{
	return &s->schema;
}
