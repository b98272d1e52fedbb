/*
 * sync_text.c - a file's bytes as UTF-8. See sync_feed.h.
 *
 * Nothing is guessed: another encoding than UTF-8 has to be named, and what looks like one
 * is refused with the option that would read it.
 */
#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistr.h>

#include "fold.h"
#include "sync_feed.h"

enum { BLOCK = 65536 };

struct sync_text {
	FILE *in;
	char *path;
	iconv_t conv; /* (iconv_t)-1: none */
	char raw[BLOCK];
	size_t at, have; /* in raw */
	bool ended, begun;
};

static int fill(struct sync_text *t, struct prov_error *err)
{
	memmove(t->raw, t->raw + t->at, t->have - t->at);
	t->have -= t->at;
	t->at = 0;
	size_t n = fread(t->raw + t->have, 1, BLOCK - t->have, t->in);
	t->have += n;
	if (ferror(t->in))
		return prov_error_set(err, PROV_EIO, "%s: %s", t->path, strerror(errno));
	t->ended = feof(t->in);
	return 0;
}

/* UTF-16 has a mark, or a NUL in each ASCII character. */
static int check_begin(struct sync_text *t, const char *encoding, struct prov_error *err)
{
	const unsigned char *b = (const unsigned char *)t->raw;
	bool mark =
		t->have >= 2 && ((b[0] == 0xff && b[1] == 0xfe) || (b[0] == 0xfe && b[1] == 0xff));
	if (!encoding && (mark || (t->have >= 4 && (!b[0] || !b[1]) && (!b[2] || !b[3]))))
		return prov_error_set(err, PROV_EREFUSED,
			"this is UTF-16: export it as UTF-8, or use --encoding UTF-16");
	if (!encoding && t->have >= 3 && !memcmp(b, "\xef\xbb\xbf", 3))
		t->at = 3;
	return 0;
}

int sync_text_open(const char *path, const char *encoding, struct sync_text **out,
	struct prov_error *err)
{
	struct sync_text *t = calloc(1, sizeof(*t));
	int rc = 0;
	*out = NULL;
	if (encoding && (!strcasecmp(encoding, "UTF-8") || !strcasecmp(encoding, "UTF8")))
		encoding = NULL;
	if (!t)
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	t->conv = (iconv_t)-1;
	if (!(t->path = strdup(path)))
		rc = prov_error_set(err, PROV_ENOMEM, "no memory");
	else if (!(t->in = fopen(path, "re")))
		rc = prov_error_set(err, PROV_EIO, "%s: %s", path, strerror(errno));
	else if (encoding && (t->conv = iconv_open("UTF-8", encoding)) == (iconv_t)-1)
		rc = prov_error_set(err, PROV_EINVAL, "--encoding %.60s: not known", encoding);
	if (!rc)
		rc = fill(t, err);
	if (!rc)
		rc = check_begin(t, encoding, err);
	if (rc)
		sync_text_close(&t);
	*out = t;
	return rc;
}

static long convert(struct sync_text *t, char *buf, size_t room, struct prov_error *err)
{
	char *from = t->raw + t->at, *to = buf;
	size_t left = t->have - t->at, space = room;
	size_t rc = iconv(t->conv, &from, &left, &to, &space);
	bool cut = rc == (size_t)-1 && errno == EINVAL; /* half a character: wants more */
	if ((rc == (size_t)-1 && errno != E2BIG && !cut) || (cut && t->ended))
		return prov_error_set(err, PROV_EREFUSED,
			"the bytes are not of the encoding that was given");
	t->at = (size_t)(from - t->raw);
	size_t skip = 0;
	if (!t->begun && to - buf >= 3 && !memcmp(buf, "\xef\xbb\xbf", 3))
		skip = 3;
	memmove(buf, buf + skip, (size_t)(to - buf) - skip);
	t->begun |= to > buf;
	return to - buf - (long)skip;
}

long sync_text_read(struct sync_text *t, char *buf, size_t room, struct prov_error *err)
{
	for (;;) {
		/* half a character may be what is left */
		if (!t->ended && t->have - t->at < 16) {
			int rc = fill(t, err);
			if (rc)
				return rc;
		}
		if (t->at == t->have)
			return 0;
		if (t->conv != (iconv_t)-1) {
			size_t was = t->at;
			long n = convert(t, buf, room, err);
			if (n || t->at == was)
				return n;
			continue; /* it was a mark alone */
		}
		size_t n = t->have - t->at < room ? t->have - t->at : room;
		memcpy(buf, t->raw + t->at, n);
		t->at += n;
		return (long)n;
	}
}

void sync_text_close(struct sync_text **tp)
{
	struct sync_text *t = *tp;
	if (!t)
		return;
	if (t->conv != (iconv_t)-1)
		iconv_close(t->conv);
	if (t->in)
		fclose(t->in);
	free(t->path);
	free(t);
	*tp = NULL;
}

/* U+00C3 and then one of U+0080 to U+00BF: what a UTF-8 letter looks like that was taken for
 * Latin-1 and encoded again. No word of any language has that. */
static bool encoded_twice(const char *s, size_t len)
{
	for (size_t i = 0; i + 3 < len; i++)
		if (!memcmp(s + i, "\xc3\x83\xc2", 3))
			return true;
	return false;
}

bool sync_feed_text(struct sync_feed *f, size_t row, const char *what, const char *s, size_t len)
{
	const char *why = NULL;
	if (u8_check((const uint8_t *)s, len))
		why = "not UTF-8 (is it Latin-1 or Windows-1252? export it as UTF-8, or use --encoding "
		      "WINDOWS-1252)";
	else if (encoded_twice(s, len))
		why = "encoded twice: UTF-8 that was read as Latin-1";
	else if (len && memmem(s, len, "\xef\xbf\xbd", 3))
		why = "characters were lost (U+FFFD) when it was exported";
	for (size_t i = 0; !why && i < len; i++)
		if (((unsigned char)s[i] < 0x20 && !strchr("\t\r\n", s[i])) || !s[i] ||
			s[i] == 0x7f)
			why = "a control character";
	if (why)
		sync_problem_add(f->bad, row, "%s: %s", what, why);
	return !why;
}

void sync_feed_dispose(struct sync_feed *f)
{
	prov_strmap_free(&f->head);
}
