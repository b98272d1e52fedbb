/* replay_skip.c - see replay_skip.h. */
#include "replay_skip.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "audit_match.h"

int replay_skip_add(struct replay_skip *s, const char *name)
{
	const char *value = strchr(name, '=');
	value = value ? value + 1 : name;
	size_t len = strcspn(value, ",+");
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)value[i]) && !strchr("._-", value[i]))
			s->off = true;
	char **word = reallocarray(s->word, s->n + 1, sizeof(*word));
	if (!word)
		return PROV_ENOMEM;
	s->word = word;
	s->off = s->off || !len;
	s->word[s->n] = strndup(value, len);
	return s->word[s->n++] ? 0 : PROV_ENOMEM;
}

void replay_skip_dispose(struct replay_skip *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->word[i]);
	free(s->word);
	memset(s, 0, sizeof(*s));
}

static bool plain(struct prov_val t)
{
	for (size_t i = 0; i < t.len; i++)
		if ((unsigned char)t.data[i] >= 0x80 || t.data[i] == '\\')
			return false;
	return true;
}

static bool has_word(struct prov_val t, const char *word)
{
	size_t n = strlen(word);
	char low = *word, high = (char)toupper((unsigned char)*word);
	for (size_t i = 0; i + n <= t.len; i++)
		if ((t.data[i] == low || t.data[i] == high) && !strncasecmp(t.data + i, word, n))
			return true;
	return false;
}

bool replay_skip_named(const struct replay_skip *s, struct prov_val text)
{
	if (s->off || !plain(text))
		return true;
	for (size_t i = 0; i < s->n; i++)
		if (has_word(text, s->word[i]))
			return true;
	return false;
}

bool replay_skip_has(struct prov_val text, const char *part)
{
	return memmem(text.data, text.len, part, strlen(part)) != NULL;
}

bool replay_skip_groups(struct prov_val text)
{
	static const char *const part[] = { "\"members\":", "\"newDn\":", "\"op\":\"group\"",
		"\"op\":\"delete\"", "\"op\":\"restore\"", "\"op\":\"undecodable\"" };
	for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++)
		if (replay_skip_has(text, part[i]))
			return true;
	return !replay_skip_has(text, "\"op\":\"") || !text.len ||
		text.data[text.len - 1] != '}'; /* not whole: it cannot be read */
}

/* The only place where it stands, up to the next quote; false: none or several. */
static bool member(struct prov_val t, const char *name, char *out, size_t room)
{
	const char *p = memmem(t.data, t.len, name, strlen(name)), *end = t.data + t.len;
	if (!p)
		return false;
	p += strlen(name);
	const char *quote = memchr(p, '"', (size_t)(end - p));
	if (!quote || (size_t)(quote - p) >= room ||
		memmem(quote, (size_t)(end - quote), name, strlen(name)))
		return false;
	snprintf(out, room, "%.*s", (int)(quote - p), p);
	return true;
}

bool replay_skip_time(struct prov_val text, bool *write, int64_t *usec)
{
	char op[24], when[40];
	if (!member(text, "\"op\":\"", op, sizeof(op)) ||
		!member(text, "\"time\":\"", when, sizeof(when)) ||
		audit_usec(when, 0, false, usec))
		return false;
	json_t *r = json_pack("{s:s}", "op", op);
	*write = replay_is_write(r);
	json_decref(r);
	return true;
}
