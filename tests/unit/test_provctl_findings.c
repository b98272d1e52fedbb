/*
 * What is made of findings: exemptions, history, risk, and every form, from lists made by hand.
 *
 * Called with the name of a form it prints that form of the findings on standard input (JSON Lines,
 * as provctl scan --json has them): for black-box tests that want findings no directory can hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "findings_emit.h"
#include "findings_report.h"
#include "wholefile.h"

#define NOW 1795564800 /* 2026-11-25 */
#define DAY 86400

static void add(struct findings *l, enum finding_check check, const char *dn, const char *related,
	const char *ldif)
{
	struct finding f = { .check = check,
		.dn = (char *)dn,
		.related = (char *)related,
		.text = "it is so",
		.fix = "do this",
		.ldif = (char *)ldif };
	assert_int_equal(findings_add(l, &f), 0);
}

typedef int form(const struct report *r, FILE *out);

/* What a form makes of a list; malloc'ed. */
static char *print(struct findings *l, const struct report_ask *ask, form *as)
{
	struct report r;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	findings_sort(l);
	assert_int_equal(report_make(l, ask, &r), 0);
	assert_int_equal(as(&r, f), 0);
	report_dispose(&r);
	fclose(f);
	return text;
}

static const struct report_ask plain = { .suffix = "dc=example", .at = NOW, .seconds = 1.5 };

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, what)); p++)
		n++;
	return n;
}

/* -- risk --------------------------------------------------------------------------------- */

static void risk_is_the_heaviest_and_a_tenth_of_the_rest(void **state)
{
	struct findings l = { .accounts = 10 };
	struct risk r;
	(void)state;
	add(&l, FINDING_DORMANT, "uid=a,dc=x", NULL, NULL);    /* 20 */
	add(&l, FINDING_OWNERLESS, "UID=A, dc=x", NULL, NULL); /* 50, the same entry */
	add(&l, FINDING_INCOMPLETE, "uid=b,dc=x", NULL, NULL); /* 5 */
	assert_int_equal(risk_make(&l, NULL, &r), 0);
	assert_int_equal(r.n, 2);
	assert_int_equal(r.entry[0].risk, 520);
	assert_int_equal(r.entry[0].n, 2);
	assert_int_equal(r.entry[1].risk, 50);
	assert_int_equal(r.total, 570);
	assert_int_equal(r.by_check[FINDING_OWNERLESS], 500);
	assert_int_equal(r.by_check[FINDING_DORMANT], 20);
	assert_int_equal(risk_share(&r, r.total), 5700); /* 57 points over 10 accounts */
	assert_int_equal(r.band[FINDING_HIGH], 1);
	assert_int_equal(r.band[FINDING_LOW], 1);
	risk_dispose(&r);
	const bool counts[] = { false, true, false };
	assert_int_equal(risk_make(&l, counts, &r), 0);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.total, 500);
	risk_dispose(&r);
	findings_dispose(&l);
}

static void risk_ends_at_a_hundred_and_its_parts_add_up(void **state)
{
	struct findings l = { .accounts = 1 };
	struct risk r;
	uint64_t sum = 0, parts = 0;
	(void)state;
	add(&l, FINDING_EXPIRED_ACTIVE, "uid=a", NULL, NULL);
	for (int i = 0; i < 30; i++)
		add(&l, FINDING_UNEXPLAINED, "uid=a", (char[]){ 'a', (char)('a' + i), 0 }, NULL);
	assert_int_equal(risk_make(&l, NULL, &r), 0);
	assert_int_equal(r.entry[0].risk, 1000);
	for (int c = 0; c < FINDING_CHECKS; c++)
		sum += r.by_check[c];
	for (size_t i = 0; i < r.nparts; i++)
		parts += r.part[i].points;
	assert_int_equal(sum, 1000);
	assert_int_equal(parts, 1000);
	assert_int_equal(risk_share(&r, r.total), 100000);
	risk_dispose(&r);
	findings_dispose(&l);
	l = (struct findings){ 0 };
	assert_int_equal(risk_make(&l, NULL, &r), 0); /* nobody there: nothing to divide by */
	assert_int_equal(risk_share(&r, r.total), 0);
	risk_dispose(&r);
}

static void bands_begin_where_they_say(void **state)
{
	(void)state;
	assert_int_equal(risk_band(900), FINDING_CRITICAL);
	assert_int_equal(risk_band(899), FINDING_HIGH);
	assert_int_equal(risk_band(500), FINDING_HIGH);
	assert_int_equal(risk_band(499), FINDING_MEDIUM);
	assert_int_equal(risk_band(200), FINDING_MEDIUM);
	assert_int_equal(risk_band(199), FINDING_LOW);
}

/* -- exemptions --------------------------------------------------------------------------- */

static int read_text(const char *text, struct exemptions *x, struct prov_error *err)
{
	static char path[64];
	snprintf(path, sizeof(path), "/tmp/exemptionsXXXXXX");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	memset(err, 0, sizeof(*err));
	int rc = exemptions_read(path, x, err);
	unlink(path);
	return rc;
}

#define HEAD "check,dn,pattern,related,reason,owner,expires\n"

static void broken_exemptions_are_refused_as_a_whole(void **state)
{
	static const struct {
		const char *text, *word;
	} t[] = {
		{ HEAD "DORMANT,uid=a,,,r,o,\n", "expires" },
		{ HEAD "DORMANT,uid=a,,,r,,2027-01-01\n", "owner" },
		{ HEAD "DORMANT,uid=a,,, ,o,2027-01-01\n", "reason" },
		{ HEAD ",uid=a,,,r,o,2027-01-01\n", "check" },
		{ HEAD "DORMANTT,uid=a,,,r,o,2027-01-01\n", "DORMANTT" },
		{ HEAD "DORMANT,,,,r,o,2027-01-01\n", "no dn" },
		{ HEAD "DORMANT,uid=a,uid=*,,r,o,2027-01-01\n", "not both" },
		{ HEAD "DORMANT,uid=a,,,r,o,soon\n", "not a time" },
		{ HEAD "DORMANT,uid=a,,,r,o,2027-13-01\n", "not a time" },
		{ HEAD "DORMANT,uid=a,,,r,o,2027-01-01\nDORMANT\n", "line 3" },
		{ "check,dn,reason,owner,expiry\n", "no column" },
		{ "check,dn,reason,owner,dn\n", "twice" },
		{ HEAD "DORMANT,\"uid=a\n", "quote" },
		{ HEAD "DORMANT,uid=\xff,,,r,o,2027-01-01\n", "UTF-8" },
		{ "{\"check\":\"DORMANT\",\"dn\":\"uid=a\",\"reason\":\"r\",\"owner\":\"o\"}",
			"expires" },
		{ "{\"check\":\"DORMANT\",\"dn\":1}\n", "not a text" },
		{ "{\"check\":\"DORMANT\",\"until\":\"x\"}\n", "until" },
		{ "\n{\"check\":\n", "line 2" },
		{ "{}\n", "check" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct exemptions x;
		struct prov_error err;
		int rc = read_text(t[i].text, &x, &err);
		if (rc != PROV_EINVAL || !strstr(err.text, t[i].word))
			fail_msg("case %zu: %d %s", i, rc, err.text);
		assert_int_equal(x.n, 0);
	}
}

static const struct exemption *find(struct exemptions *x, enum finding_check check, const char *dn,
	const char *related, const struct exemption **expired)
{
	const struct exemption *holds, *over;
	struct finding f = { .check = check, .dn = (char *)dn, .related = (char *)related };
	assert_int_equal(exemptions_find(x, &f, NOW, &holds, &over), 0);
	if (expired)
		*expired = over;
	return holds;
}

static void exemptions_excuse_what_they_name_until_their_day_is_over(void **state)
{
	struct exemptions x;
	struct prov_error err;
	const struct exemption *over, *e;
	(void)state;
	assert_int_equal(
		read_text("\xef\xbb\xbf" HEAD
			  "DORMANT,\"UID=Ann, dc=x\",,,\"leave, long\",Bob,2026-11-25\n"
			  "DORMANT,\"uid=old,dc=x\",,,r,Bob,2026-11-24\n"
			  "*,,\"*,ou=Break Glass,dc=?\",,r,Bob,2027-01-01T00:00:00Z\n"
			  "UNEXPLAINED,\"uid=ann,dc=x\",,\"CN=G,dc=x\",r,Bob,20270101000000Z\n"
			  "DORMANT,\"uid=ann,dc=x\",,,r,Eve,2020-01-01\n",
			&x, &err),
		0);
	assert_int_equal(x.n, 5);
	e = find(&x, FINDING_DORMANT, "uid=ann,dc=x", NULL, &over);
	assert_non_null(e);
	assert_string_equal(e->reason, "leave, long");
	assert_int_equal(e->expires, NOW + DAY); /* to the end of that day */
	assert_int_equal(e->line, 2);
	assert_null(over);
	assert_null(find(&x, FINDING_DORMANT, "uid=old,dc=x", NULL, &over));
	assert_non_null(over);
	assert_null(find(&x, FINDING_NEVER_USED, "uid=ann,dc=x", NULL, &over));
	assert_null(over);
	assert_non_null(find(&x, FINDING_OWNERLESS, "uid=z,OU=break  glass,dc=x", NULL, NULL));
	assert_null(find(&x, FINDING_OWNERLESS, "uid=z,ou=break glass,dc=xx", NULL, NULL));
	assert_non_null(find(&x, FINDING_UNEXPLAINED, "uid=ann,dc=x", "cn=g,dc=x", NULL));
	assert_null(find(&x, FINDING_UNEXPLAINED, "uid=ann,dc=x", "cn=h,dc=x", NULL));
	assert_null(find(&x, FINDING_UNEXPLAINED, "uid=ann,dc=x", NULL, NULL));
	assert_int_equal(x.item[0].used, 1);
	assert_false(exemption_idle(&x.item[0], 0, NOW));
	assert_false(exemption_idle(&x.item[1], 0, NOW)); /* over: no use is expected */
	x.item[3].used = 0;
	assert_true(exemption_idle(&x.item[3], 0, NOW));
	assert_false(
		exemption_idle(&x.item[3], 1u << FINDING_DORMANT, NOW)); /* was not looked for */
	exemptions_dispose(&x);
}

static void no_pattern_takes_long(void **state)
{
	struct exemptions x;
	struct prov_error err;
	char dn[2000], text[600] = HEAD "*,,";
	(void)state;
	memset(dn, 'a', sizeof(dn) - 1);
	dn[sizeof(dn) - 1] = '\0';
	for (int i = 0; i < 100; i++)
		strcat(text, "*a");
	strcat(text, "*b,,r,o,2030-01-01\n");
	assert_int_equal(read_text(text, &x, &err), 0);
	assert_null(find(&x, FINDING_DORMANT, dn, NULL, NULL));
	exemptions_dispose(&x);
}

/* -- history and report ------------------------------------------------------------------- */

static char *temporary(void)
{
	static char dir[64], file[96];
	snprintf(dir, sizeof(dir), "/tmp/historyXXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/h.jsonl", dir);
	return file;
}

static void remove_temporary(const char *file)
{
	char dir[96];
	unlink(file);
	snprintf(dir, sizeof(dir), "%s", file);
	*strrchr(dir, '/') = '\0';
	assert_int_equal(rmdir(dir), 0); /* nothing else was left there */
}

/* A scan at a time: makes the report, remembers it. */
static void scan(struct findings *l, struct report_ask *ask, const char *file, struct report *r,
	struct history *h)
{
	struct prov_error err = { 0 };
	struct history next;
	assert_int_equal(history_read(file, "dc=example", h, &err), 0);
	ask->history = h;
	findings_sort(l);
	assert_int_equal(report_make(l, ask, r), 0);
	assert_int_equal(report_remember(r, false, &next), 0);
	assert_int_equal(history_write(file, "dc=example", &next, &err), 0);
	history_dispose(&next);
}

static void what_the_last_scan_had_is_not_new(void **state)
{
	char *file = temporary();
	struct findings one = { 0 }, two = { 0 }, part = { .ran = 1u << FINDING_OWNERLESS };
	struct report_ask ask = plain;
	struct report r;
	struct history h;
	struct stat st;
	(void)state;
	add(&one, FINDING_DORMANT, "uid=a", NULL, NULL);
	add(&one, FINDING_DORMANT, "uid=b", NULL, NULL);
	ask.only_fresh = true;
	scan(&one, &ask, file, &r, &h);
	assert_int_equal(r.n, 2);
	assert_int_equal(r.fresh, 2);
	assert_int_equal(h.last, 0);
	report_dispose(&r);
	history_dispose(&h);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);

	ask.at += DAY;
	scan(&part, &ask, file, &r, &h); /* another check: what the others found is kept */
	assert_int_equal(r.gone, 0);
	report_dispose(&r);
	history_dispose(&h);

	ask.at += DAY;
	add(&two, FINDING_DORMANT, "UID=B", NULL, NULL);
	add(&two, FINDING_DORMANT, "uid=c", NULL, NULL);
	scan(&two, &ask, file, &r, &h);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.older, 1);
	assert_int_equal(r.gone, 1);
	assert_int_equal(r.standing[FINDING_DORMANT], 2);
	assert_int_equal(h.last, NOW + DAY);
	assert_int_equal(r.item[0].first, NOW); /* B */
	assert_int_equal(r.item[1].first, NOW + 2 * DAY);
	assert_true(report_counts(&r, 1) && !report_counts(&r, 0));
	report_dispose(&r);
	history_dispose(&h);

	ask.only_fresh = false;
	ask.since = NOW + 2 * DAY;
	ask.at += DAY;
	scan(&two, &ask, file, &r, &h);
	assert_int_equal(r.n, 1); /* c, which is not new any more, but first found since */
	report_dispose(&r);
	history_dispose(&h);
	findings_dispose(&one);
	findings_dispose(&two);
	remove_temporary(file);
}

static void an_exemption_that_expires_makes_a_finding_new(void **state)
{
	char *file = temporary();
	struct findings l = { 0 };
	struct exemptions x;
	struct prov_error err;
	struct report_ask ask = plain;
	struct report r;
	struct history h;
	(void)state;
	assert_int_equal(read_text(HEAD "DORMANT,uid=a,,,r,Bob,2026-11-25\n", &x, &err), 0);
	ask.exemptions = &x;
	ask.only_fresh = true;
	add(&l, FINDING_DORMANT, "uid=a", NULL, NULL);
	scan(&l, &ask, file, &r, &h);
	assert_int_equal(r.n, 0);
	assert_int_equal(r.exempt, 1);
	assert_int_equal(r.risk.total, 0);
	report_dispose(&r);
	history_dispose(&h);
	ask.at += DAY;
	scan(&l, &ask, file, &r, &h);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.expired, 1);
	assert_int_equal(r.risk.total, 200);
	report_dispose(&r);
	history_dispose(&h);
	char *text = print(&l, &ask, findings_as_table);
	assert_non_null(strstr(text, "exemption of Bob expired on 2026-11-25"));
	assert_non_null(strstr(text, "1 counts again: the exemption has expired"));
	free(text);
	exemptions_dispose(&x);
	findings_dispose(&l);
	remove_temporary(file);
}

static void a_history_that_is_not_whole_or_of_another_directory_is_refused(void **state)
{
	static const char head[] = "{\"format\":\"slapo-provision scan history\",\"v\":1,"
				   "\"suffix\":\"dc=example\",\"time\":\"2026-11-25T00:00:00Z\",";
	static const char row[] = "{\"key\":\"0123456789abcdef0123456789abcdef\",\"check\":"
				  "\"DORMANT\",\"first\":\"2026-11-25T00:00:00Z\"}\n";
	static const struct {
		bool head;
		const char *rest;
		unsigned rows;
		int rc;
	} t[] = {
		{ true, "\"findings\":1}\n", 1, 0 },
		{ true, "\"findings\":2}\n", 1, PROV_ECORRUPT },
		{ true, "\"findings\":0}\n", 1, PROV_ECORRUPT },
		{ true, "\"findings\":1}\n{\"key\":\"short\"}\n", 0, PROV_ECORRUPT },
		{ true, "\"findings\":1}\n{\"key\":\n", 0, PROV_ECORRUPT },
		{ false, "", 0, PROV_ECORRUPT },
		{ false, "not this", 0, PROV_ECORRUPT },
		{ false,
			"{\"format\":\"slapo-provision scan history\",\"v\":2,\"suffix\":"
			"\"dc=example\",\"time\":\"2026-11-25T00:00:00Z\",\"findings\":0}\n",
			0, PROV_EVERSION },
		{ false,
			"{\"format\":\"slapo-provision scan history\",\"v\":1,\"suffix\":"
			"\"dc=other\",\"time\":\"2026-11-25T00:00:00Z\",\"findings\":0}\n",
			0, PROV_EINVAL },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char *file = temporary();
		struct prov_error err = { 0 };
		struct history h;
		FILE *f = fopen(file, "w");
		fprintf(f, "%s%s%s", t[i].head ? head : "", t[i].rest, t[i].rows ? row : "");
		fclose(f);
		int rc = history_read(file, "dc=example", &h, &err);
		if (rc != t[i].rc || (rc && !strstr(err.text, file)))
			fail_msg("case %zu: %d %s", i, rc, err.text);
		history_dispose(&h);
		remove_temporary(file);
	}
}

static int half(void *ctx, FILE *f)
{
	(void)ctx;
	fputs("half", f);
	return PROV_ENOMEM;
}

static int whole(void *ctx, FILE *f)
{
	fputs(ctx, f);
	return 0;
}

static void a_file_is_the_old_one_or_the_new_one(void **state)
{
	char *file = temporary(), text[16] = "";
	struct prov_error err = { 0 };
	struct stat st;
	(void)state;
	assert_int_equal(prov_wholefile(file, 0640, whole, "one", &err), 0);
	assert_int_equal(prov_wholefile(file, 0600, half, NULL, &err), PROV_ENOMEM);
	FILE *f = fopen(file, "r");
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	assert_string_equal(text, "one");
	assert_int_equal(prov_wholefile(file, 0600, whole, "two", &err), 0);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640); /* keeps its own */
	remove_temporary(file);
	assert_int_equal(prov_wholefile("/nowhere/at/all", 0600, whole, "x", &err), PROV_EIO);
	assert_int_equal(prov_wholefile("/dev/full", 0600, whole, "x", &err), PROV_EIO);
	assert_int_equal(prov_wholefile("/dev/null", 0600, whole, "x", &err), 0);
}

/* -- forms -------------------------------------------------------------------------------- */

static void the_table_is_worst_first_and_ends_with_counts(void **state)
{
	struct findings l = { .accounts = 3, .groups = 1 };
	(void)state;
	add(&l, FINDING_INCOMPLETE, "uid=low", NULL, NULL);
	add(&l, FINDING_LEAVER_ACTIVE, "uid=\x1b[2Jbad", NULL, "dn: x\n");
	char *text = print(&l, &plain, findings_as_table);
	assert_non_null(strstr(text, "uid=\\x1b[2Jbad"));
	assert_true(strstr(text, "critical") < strstr(text, "uid=low"));
	assert_non_null(strstr(text, "LEAVER_ACTIVE: do this\n"));
	assert_non_null(strstr(text, "1 critical, 1 low\n"));
	assert_non_null(strstr(text,
		"risk 35.000 of 100, the mean over 3 accounts: "
		"LEAVER_ACTIVE 33.333, INCOMPLETE 1.666\n"));
	text[strlen(text) - 1] = '\0';
	assert_string_equal(strrchr(text, '\n') + 1, "3 accounts, 1 group, 2 findings");
	free(text);
	findings_dispose(&l);
}

static void csv_defuses_formulas(void **state)
{
	static const struct {
		const char *dn, *cell;
	} t[] = {
		{ "=cmd|' /C calc'!A0", ",\"'=cmd|' /C calc'!A0\"," },
		{ "+1", ",\"'+1\"," },
		{ "-1", ",\"'-1\"," },
		{ "@SUM(A1)", ",\"'@SUM(A1)\"," },
		{ "\xef\xbc\x9d"
		  "1",
			",\"'\xef\xbc\x9d"
			"1\"," },
		{ "uid=\"q\",dc=x", ",\"uid=\"\"q\"\",dc=x\"," },
		{ "uid=a\nb", ",uid=a\\x0ab," },
		{ "uid=a", ",uid=a," },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct findings l = { 0 };
		add(&l, FINDING_DORMANT, t[i].dn, NULL, NULL);
		char *text = print(&l, &plain, findings_as_csv);
		if (!strstr(text, t[i].cell))
			fail_msg("%s: %s", t[i].cell, text);
		assert_int_equal(count(text, "\r\n"), 2);
		assert_int_equal(count(text, "\n"), 2);
		free(text);
		findings_dispose(&l);
	}
}

static void ldif_is_the_most_careful_first_and_each_change_once(void **state)
{
	static const char drop[] = "dn: cn=g\nchangetype: modify\ndelete: member\nmember: uid=a\n";
	struct findings l = { 0 };
	(void)state;
	add(&l, FINDING_LEAVER_ACTIVE, "uid=a", NULL, "dn: uid=a\nchangetype: delete\n");
	add(&l, FINDING_LEAVER_LEFTOVER, "uid=b", NULL,
		"dn: uid=b\nchangetype: modrdn\nnewrdn: uid=c\n");
	add(&l, FINDING_UNEXPLAINED, "uid=a", NULL, drop);
	add(&l, FINDING_DANGLING_MEMBER, "cn=g", "uid=a", drop);
	add(&l, FINDING_STALE_SUSPENDED, "uid=d", NULL,
		"dn: uid=d\nchangetype: modify\nreplace: provState\nprovState: suspended\n\n\n");
	add(&l, FINDING_DUPLICATE, "uid=e", NULL, NULL);
	char *text = print(&l, &plain, findings_as_ldif);
	char *set = strstr(text, "\ndn: uid=d\n"), *take = strstr(text, "\ndn: cn=g\n"),
	     *name = strstr(text, "\ndn: uid=b\n"), *gone = strstr(text, "\ndn: uid=a\n");
	assert_true(set && take && name && gone);
	assert_true(set < take && take < name && name < gone);
	assert_int_equal(count(text, "\ndn: cn=g\n"), 1);
	assert_int_equal(count(text, "# the same change is above\n"), 1);
	assert_non_null(strstr(text, "# A person must decide about the other 1:\n"));
	free(text);
	findings_dispose(&l);
}

/* Every line is a comment, empty, or of the one record. */
static void ldif_comments_cannot_become_changes(void **state)
{
	static const char bad[] = "uid=x\n\ndn: cn=config\nchangetype: delete\n\n#\xe2\x80\xae";
	struct findings l = { 0 };
	struct finding f = { .check = FINDING_DORMANT,
		.dn = (char *)bad,
		.text = (char *)bad,
		.fix = (char *)bad,
		.ldif = "dn: uid=x\nchangetype: modify\nreplace: title\n" };
	struct finding hidden = f;
	(void)state;
	hidden.ldif = "dn: uid=y\rchangetype: delete\n";
	assert_int_equal(findings_add(&l, &f), 0);
	assert_int_equal(findings_add(&l, &hidden), 0);
	hidden.ldif = "# nothing\ndn: uid=z\nchangetype: delete\n";
	assert_int_equal(findings_add(&l, &hidden), 0);
	char *text = print(&l, &plain, findings_as_ldif);
	assert_null(strstr(text, "\xe2\x80\xae"));
	assert_int_equal(count(text, "# left out: "), 2);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (*line != '#' && !strstr(f.ldif, line))
			fail_msg("not a comment: %s", line);
	free(text);
	findings_dispose(&l);
}

static void html_escapes_everything(void **state)
{
	static const char bad[] = "\"><script>x('&')</script><img src=x onerror=x>\xe2\x80\xae";
	struct findings l = { .accounts = 1 };
	struct finding f = { .check = FINDING_DORMANT,
		.dn = (char *)bad,
		.related = (char *)bad,
		.text = (char *)bad,
		.fix = (char *)bad,
		.ldif = (char *)bad };
	struct report_ask ask = plain;
	(void)state;
	ask.suffix = bad;
	assert_int_equal(findings_add(&l, &f), 0);
	char *text = print(&l, &ask, findings_as_html);
	assert_int_equal(count(text, "<script"), 1); /* its own */
	assert_int_equal(count(text, "<img"), 0);
	assert_int_equal(count(text, "\xe2\x80\xae"), 0);
	assert_true(count(text, "&quot;&gt;&lt;script&gt;x(&#39;&amp;&#39;)") >= 6);
	assert_int_equal(count(text, "style="), 0); /* its own policy would drop it */
	free(text);
	findings_dispose(&l);
}

static void json_lines_are_one_a_finding_and_a_summary(void **state)
{
	struct findings l = { .accounts = 2, .ran = 1u << FINDING_DORMANT };
	(void)state;
	add(&l, FINDING_DORMANT, "uid=\xff", NULL, NULL);
	char *text = print(&l, &plain, findings_as_json), *second = strchr(text, '\n') + 1;
	json_t *f = json_loadb(text, (size_t)(second - text), 0, NULL),
	       *s = json_loads(second, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(json_object_get(f, "dn"), "base64")),
		"dWlkPf8=");
	assert_string_equal(json_string_value(json_object_get(s, "type")), "summary");
	assert_int_equal(json_object_size(json_object_get(s, "byCheck")), 1);
	assert_float_equal(json_number_value(
				   json_object_get(json_object_get(s, "risk"), "directory")),
		10, 0);
	assert_null(json_object_get(f, "new"));
	json_decref(f);
	json_decref(s);
	free(text);
	findings_dispose(&l);
}

static void the_first_line_of_a_mail_is_its_subject(void **state)
{
	struct findings l = { .accounts = 2 };
	(void)state;
	char *text = print(&l, &plain, findings_as_summary);
	assert_int_equal(strncmp(text, "provctl scan of dc=example: no findings\n\n", 41), 0);
	free(text);
	add(&l, FINDING_DORMANT, "uid=a", NULL, NULL);
	text = print(&l, &plain, findings_as_summary);
	assert_int_equal(strncmp(text, "provctl scan of dc=example: 1 finding (1 medium)\n\n", 50),
		0);
	free(text);
	findings_dispose(&l);
}

static void an_event_has_one_id_for_one_finding(void **state)
{
	struct report_item a = { .key = "k", .first = NOW }, b = { .key = "k", .first = NOW + 1 };
	char one[37], two[37], three[37];
	(void)state;
	findings_event_id(&a, one);
	findings_event_id(&a, two);
	findings_event_id(&b, three);
	assert_string_equal(one, two);
	assert_string_not_equal(one, three);
	assert_int_equal(strlen(one), 36);
	assert_int_equal(one[14], '8');
	assert_true(strchr("89ab", one[19]));
}

static char *member(const json_t *o, const char *name)
{
	return (char *)json_string_value(json_object_get(o, name));
}

static int form_of_input(const char *name)
{
	static const struct {
		const char *name;
		form *as;
	} known[] = { { "html", findings_as_html }, { "ldif", findings_as_ldif },
		{ "csv", findings_as_csv }, { "json", findings_as_json } };
	struct findings l = { .accounts = 100 };
	char *line = NULL;
	size_t room = 0, i = 0;

	while (i < 4 && strcmp(known[i].name, name) != 0)
		i++;
	while (i < 4 && getline(&line, &room, stdin) > 0) {
		json_t *o = json_loads(line, 0, NULL);
		struct finding f = { .dn = member(o, "dn"),
			.uid = member(o, "uid"),
			.related = member(o, "related"),
			.text = member(o, "text"),
			.fix = member(o, "fix"),
			.ldif = member(o, "ldif"),
			.since = json_integer_value(json_object_get(o, "since")) };
		f.check = finding_check_parse(member(o, "id"));
		if (findings_add(&l, &f))
			return 1;
		json_decref(o);
	}
	free(line);
	if (i == 4)
		return 1;
	char *text = print(&l, &plain, known[i].as);
	fputs(text, stdout);
	free(text);
	findings_dispose(&l);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return form_of_input(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(risk_is_the_heaviest_and_a_tenth_of_the_rest),
		cmocka_unit_test(risk_ends_at_a_hundred_and_its_parts_add_up),
		cmocka_unit_test(bands_begin_where_they_say),
		cmocka_unit_test(broken_exemptions_are_refused_as_a_whole),
		cmocka_unit_test(exemptions_excuse_what_they_name_until_their_day_is_over),
		cmocka_unit_test(no_pattern_takes_long),
		cmocka_unit_test(what_the_last_scan_had_is_not_new),
		cmocka_unit_test(an_exemption_that_expires_makes_a_finding_new),
		cmocka_unit_test(a_history_that_is_not_whole_or_of_another_directory_is_refused),
		cmocka_unit_test(a_file_is_the_old_one_or_the_new_one),
		cmocka_unit_test(the_table_is_worst_first_and_ends_with_counts),
		cmocka_unit_test(csv_defuses_formulas),
		cmocka_unit_test(ldif_is_the_most_careful_first_and_each_change_once),
		cmocka_unit_test(ldif_comments_cannot_become_changes),
		cmocka_unit_test(html_escapes_everything),
		cmocka_unit_test(json_lines_are_one_a_finding_and_a_summary),
		cmocka_unit_test(the_first_line_of_a_mail_is_its_subject),
		cmocka_unit_test(an_event_has_one_id_for_one_finding),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
