/* Feeds: what is good is read, each row with its number; what is wrong is said with its rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sync_feed.h"

/* The rows as "row:cell|cell;" in one text. */
struct seen {
	char text[4096];
	size_t len;
	struct sync_problems bad;
	struct sync_feed f;
};

static int take(void *ctx, size_t row, const struct prov_val *cell, struct prov_error *err)
{
	struct seen *s = ctx;
	(void)err;
	if (s->len > sizeof(s->text) / 2)
		return 0;
	s->len += (size_t)snprintf(s->text + s->len, sizeof(s->text) - s->len, "%zu:%.*s|%.*s;",
		row, (int)cell[0].len, cell[0].data ? cell[0].data : "", (int)cell[1].len,
		cell[1].data ? cell[1].data : "");
	return 0;
}

static int read_feed(struct seen *s, const char *text, size_t len, const char *encoding,
	char delimiter, bool ldif)
{
	static const char *const column[] = { "k", "The Name" };
	char path[] = "/tmp/syncXXXXXX";
	struct prov_error err = { 0 };
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
	memset(s, 0, sizeof(*s));
	s->f = (struct sync_feed){ .name = "f",
		.delimiter = delimiter,
		.encoding = encoding,
		.ncolumn = 2,
		.column = column,
		.take = take,
		.ctx = s,
		.bad = &s->bad };
	int rc = ldif ? sync_feed_ldif(&s->f, path, &err) : sync_feed_csv(&s->f, path, &err);
	unlink(path);
	return rc;
}

static void dispose(struct seen *s)
{
	sync_feed_dispose(&s->f);
	sync_problems_dispose(&s->bad);
}

static void good_files_give_their_rows(void **state)
{
	static const struct {
		const char *text, *rows;
		char delimiter;
	} t[] = {
		{ "k,The Name\n1,Ann\n2,Bob\n", "2:1|Ann;3:2|Bob;", ',' },
		{ "k,The Name\n1,Ann\n2,Bob", "2:1|Ann;3:2|Bob;", ',' },
		{ "the name, K \r\nAnn,1\r\n\r\n,2\r\n", "2:1|Ann;4:2|;", ',' },
		{ "\xef\xbb\xbf\"k\",\"The Name\"\n\"1\",\"A \"\"n\"\"\n n\"\n2,\n",
			"2:1|A \"n\"\n n;4:2|;", ',' },
		{ "x;k;The Name\n;1;a,b\n", "2:1|a,b;", ';' },
		{ "k\tThe Name\n1\t\n\t2\n", "2:1|;3:|2;", '\t' },
		{ "k,The Name\n\"1\n\n\n\",x\n2,y\n", "2:1\n\n\n|x;6:2|y;", ',' },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct seen s;
		assert_int_equal(read_feed(&s, t[i].text, strlen(t[i].text), NULL, t[i].delimiter,
					 false),
			0);
		assert_int_equal(s.bad.n, 0);
		assert_string_equal(s.text, t[i].rows);
		dispose(&s);
	}
}

static void wrong_files_are_said_with_their_rows(void **state)
{
	static const struct {
		const char *text;
		size_t row, n; /* of the first problem; how many */
		const char *word;
	} t[] = {
		{ "", 1, 1, "empty" },
		{ "k,The Name,K\n1,2,3\n", 1, 1, "twice" },
		{ "k,Name\n1,2\n", 1, 1, "no column \"The Name\"" },
		{ "k;The Name\n1;2\n", 1, 2, "no column" },
		{ "k,The Name\n1\n2,b\n3,c,d\n", 2, 2, "1 fields, the head has 2" },
		{ "k,The Name\n1,\"a\n2,b\n", 2, 1, "quote" },
		{ "k,The Name\n\n1,a\"b\n2,b\n", 3, 1, "quote" },
		{ "k,The Name\n1,\"a\"b\n2,b\n", 2, 1, "quote" },
		{ "k,The Name\n1,\xe9\n2,\xfc\n", 2, 2, "not UTF-8" },
		{ "k,The Name\n1,\xc3\x83\xc2\xbc\n", 2, 1, "twice" },
		{ "k,The Name\n1,a\xef\xbf\xbd\n", 2, 1, "lost" },
		{ "k,The Name\n1,a\x1b[2J\n", 2, 1, "control" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct seen s;
		assert_int_equal(read_feed(&s, t[i].text, strlen(t[i].text), NULL, ',', false), 0);
		if (s.bad.n != t[i].n)
			print_message("case %zu: %zu problems\n", i, s.bad.n);
		assert_int_equal(s.bad.n, t[i].n);
		assert_int_equal(s.bad.list[0].row, t[i].row);
		assert_non_null(strstr(s.bad.list[0].text, t[i].word));
		dispose(&s);
	}
}

static void other_encodings_are_read_only_by_name(void **state)
{
	static const char le[] = "\xff\xfek\0,\0T\0h\0e\0 \0N\0a\0m\0e\0\n\0"
				 "1\0,\0\xe9\0\n\0";
	static const char latin[] = "k,The Name\n1,\xe9\n";
	struct seen s;
	(void)state;
	assert_int_equal(read_feed(&s, le, sizeof(le) - 1, NULL, ',', false), 0);
	assert_int_equal(s.bad.n, 1);
	assert_non_null(strstr(s.bad.list[0].text, "--encoding UTF-16"));
	dispose(&s);
	assert_int_equal(read_feed(&s, le, sizeof(le) - 1, "UTF-16", ',', false), 0);
	assert_int_equal(s.bad.n, 0);
	assert_string_equal(s.text, "2:1|\xc3\xa9;");
	dispose(&s);
	assert_int_equal(read_feed(&s, latin, sizeof(latin) - 1, "ISO-8859-1", ',', false), 0);
	assert_string_equal(s.text, "2:1|\xc3\xa9;");
	dispose(&s);
	/* half a character at the end, and an encoding that nobody knows */
	assert_int_equal(read_feed(&s, le, sizeof(le) - 2, "UTF-16", ',', false), 0);
	assert_int_equal(s.bad.n, 1);
	dispose(&s);
	assert_int_equal(read_feed(&s, latin, sizeof(latin) - 1, "KLINGON", ',', false),
		PROV_EINVAL);
	dispose(&s);
}

static void a_long_file_is_read_across_blocks(void **state)
{
	enum { ROWS = 20000 };
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	struct seen s;
	(void)state;
	fputs("k,The Name\n", out);
	for (int i = 0; i < ROWS; i++)
		fprintf(out, "%d,\"\xc3\xa9\xc3\xa9,%d\"\n", i, i);
	fclose(out);
	for (int utf = 0; utf < 2; utf++) {
		/* through iconv as well: characters are cut at the blocks' ends */
		read_feed(&s, text, len, utf ? "ISO-10646/UTF8/" : NULL, ',', false);
		assert_int_equal(s.bad.n, 0);
		assert_int_equal(s.f.rows, ROWS);
		dispose(&s);
	}
	free(text);
}

static void a_quote_without_an_end_does_not_eat_the_memory(void **state)
{
	size_t len = 3u << 20;
	char *text = malloc(len);
	struct seen s;
	(void)state;
	assert_non_null(text);
	memset(text, 'x', len);
	memcpy(text, "k,The Name\n1,\"", 14);
	assert_int_equal(read_feed(&s, text, len, NULL, ',', false), 0);
	assert_int_equal(s.bad.n, 1);
	assert_int_equal(s.bad.list[0].row, 2);
	assert_non_null(strstr(s.bad.list[0].text, "megabyte"));
	dispose(&s);
	free(text);
}

static void ldif_is_read_and_follows_nothing(void **state)
{
	static const char good[] = "version: 1\n\n# c\ndn: uid=a\nk: 1\nThe Name: An\n n\nk: 9\n\n"
				   "dn: uid=b\nk:: Mg==\n";
	static const char *const bad[] = { "dn: a=b\nk:< file:///etc/passwd\n",
		"dn: a=b\nk:\n < file:///etc/passwd\n", "include: file:///etc/passwd\n",
		"dn: a=b\nchangetype: delete\n", "k: 1\n", "dn: a=b\nk 1\n", "dn: a=b\nk:: ***\n",
		"dn: a=b\ndn: c=d\n", "dn: a=b\nk: \xff\n" };
	struct seen s;
	(void)state;
	assert_int_equal(read_feed(&s, good, sizeof(good) - 1, NULL, ',', true), 0);
	assert_int_equal(s.bad.n, 0);
	/* a name of two words is no attribute type, and nobody asked libldap for it */
	assert_string_equal(s.text, "4:1|Ann;10:2|;");
	dispose(&s);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(read_feed(&s, bad[i], strlen(bad[i]), NULL, ',', true), 0);
		assert_int_equal(s.bad.n, 1);
		assert_string_equal(s.text, "");
		dispose(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_files_give_their_rows),
		cmocka_unit_test(wrong_files_are_said_with_their_rows),
		cmocka_unit_test(other_encodings_are_read_only_by_name),
		cmocka_unit_test(a_long_file_is_read_across_blocks),
		cmocka_unit_test(a_quote_without_an_end_does_not_eat_the_memory),
		cmocka_unit_test(ldif_is_read_and_follows_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
