/*
 * evidence_out.c - see evidence.h: the CSV files, the page, the sums.
 *
 * The page needs nothing but itself: no script, no picture, no address. All that comes
 * from the trail is escaped.
 */
#include "evidence.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "csvout.h"
#include "sha256.h"

enum { PAGE_ROWS = 2000, NCELL = 10 };

static const struct {
	const char *file, *title, *none;
	size_t n;
	const char *head[NCELL];
} section[EVIDENCE_NSECTION] = {
	[EVIDENCE_JOINERS] = { "joiners.csv", "Joiners", "Nobody joined.", 8,
		{ "record", "time", "what", "dn", "uid", "by", "reason", "access" } },
	[EVIDENCE_MOVERS] = { "movers.csv", "Movers", "Nobody's access changed.", 8,
		{ "record", "time", "what", "dn", "uid", "by", "reason", "access" } },
	[EVIDENCE_LEAVERS] = { "leavers.csv", "Leavers", "Nobody left.", 10,
		{ "record", "time", "what", "dn", "uid", "by", "reason", "revocation",
			"secondsToLast", "deliveries" } },
	[EVIDENCE_POLICY] = { "policy.csv", "Changes of the policy", "The policy did not change.",
		5, { "record", "time", "dn", "by", "reason" } },
	[EVIDENCE_REVIEWS] = { "reviews.csv", "Reviews", "Nothing was reviewed.", 9,
		{ "record", "time", "review", "decision", "dn", "role", "by", "reason", "note" } },
	[EVIDENCE_ADMIN] = { "deliveries.csv", "Events dropped by admins, and revocations unproven",
		"None was dropped, none is unproven.", 9,
		{ "record", "time", "outcome", "connector", "event", "dn", "by", "reason",
			"note" } },
	[EVIDENCE_SOD] = { "sod.csv", "Segregation of duties",
		"No account is known to have held roles against a rule.", 10,
		{ "record", "time", "what", "dn", "uid", "rule", "roles", "by", "reason",
			"ended" } },
	[EVIDENCE_DOUBTS] = { "doubts.csv", "What puts the trail itself in doubt", "Nothing.", 3,
		{ "record", "time", "what" } },
};

struct evidence_out {
	char *dir;
	FILE *csv[EVIDENCE_NSECTION], *page[EVIDENCE_NSECTION]; /* page: rows of the table */
	char *html[EVIDENCE_NSECTION];
	size_t html_len[EVIDENCE_NSECTION], rows[EVIDENCE_NSECTION];
	FILE *records, *summary, *figures, *notes;
	char *figures_text, *notes_text;
	size_t figures_len, notes_len;
};

static FILE *create(const struct evidence_out *o, const char *name, struct prov_error *err)
{
	char *path = NULL;
	if (asprintf(&path, "%s/%s", o->dir, name) < 0) {
		prov_error_set(err, PROV_ENOMEM, "no memory");
		return NULL;
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f)
		prov_error_set(err, PROV_EIO, "%s: %s", path, strerror(errno));
	if (!f && fd >= 0)
		close(fd);
	free(path);
	return f;
}

static void escape(FILE *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '<')
			fputs("&lt;", out);
		else if (*s == '>')
			fputs("&gt;", out);
		else if (*s == '&')
			fputs("&amp;", out);
		else if (*s == '"')
			fputs("&quot;", out);
		else if (*s == '\'')
			fputs("&#39;", out);
		else if (*s == '\n')
			fputs("<br>", out);
		else if ((unsigned char)*s >= ' ' || *s == '\t')
			fputc(*s, out);
	}
}

int evidence_out_open(const char *dir, struct evidence_out **out, struct prov_error *err)
{
	struct evidence_out *o = calloc(1, sizeof(*o));
	*out = o;
	if (!o || !(o->dir = strdup(dir)))
		return prov_error_set(err, PROV_ENOMEM, "no memory");
	if (mkdir(dir, 0700))
		return prov_error_set(err, PROV_EIO, "%s: %s", dir, strerror(errno));
	for (int i = 0; i < EVIDENCE_NSECTION; i++) {
		o->csv[i] = create(o, section[i].file, err);
		o->page[i] = o->csv[i] ? open_memstream(&o->html[i], &o->html_len[i]) : NULL;
		if (!o->page[i])
			return PROV_EIO;
		for (size_t c = 0; c < section[i].n; c++)
			prov_csv_cell(o->csv[i], section[i].head[c], !c);
		prov_csv_end(o->csv[i]);
	}
	o->records = create(o, "records.jsonl", err);
	o->summary = o->records ? create(o, "summary.csv", err) : NULL;
	o->figures = open_memstream(&o->figures_text, &o->figures_len);
	o->notes = open_memstream(&o->notes_text, &o->notes_len);
	if (!o->summary || !o->figures || !o->notes)
		return PROV_EIO;
	fputs("figure,value,records\r\n", o->summary);
	return 0;
}

/* May be broken anywhere to fit the page. */
static bool is_long(const char *column)
{
	static const char *const name[] = { "dn", "by", "reason", "access", "deliveries", "note",
		"role", "rule", "roles" };
	for (size_t i = 0; i < sizeof(name) / sizeof(name[0]); i++)
		if (!strcmp(name[i], column))
			return true;
	return false;
}

int evidence_out_row(struct evidence_out *o, enum evidence_section s, const char *const *cell)
{
	FILE *csv = o->csv[s], *page = o->page[s];
	for (size_t c = 0; c < section[s].n; c++)
		prov_csv_cell(csv, cell[c] ? cell[c] : "", !c);
	prov_csv_end(csv);
	if (o->rows[s]++ < PAGE_ROWS) {
		fputs("<tr>", page);
		for (size_t c = 0; c < section[s].n; c++) {
			fputs(is_long(section[s].head[c]) ? "<td class=w>" : "<td>", page);
			escape(page, cell[c] ? cell[c] : "");
		}
		fputs("\n", page);
	}
	return ferror(csv) || ferror(page) ? PROV_EIO : 0;
}

FILE *evidence_out_records(struct evidence_out *o)
{
	return o->records;
}

size_t evidence_out_count(const struct evidence_out *o, enum evidence_section s)
{
	return o->rows[s];
}

int evidence_out_figure(struct evidence_out *o, const char *name, const char *value,
	const char *where)
{
	prov_csv_cell(o->summary, name, true);
	prov_csv_cell(o->summary, value, false);
	prov_csv_cell(o->summary, where, false);
	prov_csv_end(o->summary);
	fputs("<tr><td>", o->figures);
	escape(o->figures, name);
	fputs("<td class=n>", o->figures);
	escape(o->figures, value);
	fputs("<td>", o->figures);
	escape(o->figures, where);
	fputs("\n", o->figures);
	return ferror(o->summary) || ferror(o->figures) ? PROV_EIO : 0;
}

int evidence_out_note(struct evidence_out *o, bool bad, const char *text)
{
	fprintf(o->notes, "<p%s>", bad ? " class=bad" : "");
	escape(o->notes, text);
	fputs("</p>\n", o->notes);
	return ferror(o->notes) ? PROV_EIO : 0;
}

static const char style[] =
	"body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em;"
	"color:#1b1b1b;background:#fff}h1{font-size:1.6em}h2{margin-top:2em;font-size:1.2em}"
	"table{border-collapse:collapse;width:100%;font-size:12px}"
	"th,td{border:1px solid #bbb;padding:.25em .5em;text-align:left;vertical-align:top;"
	"}th{background:#eef1f4}td:first-child{white-space:nowrap}.w{overflow-wrap:anywhere}"
	".n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
	".bad{border-left:.3em solid #b00020;padding-left:.7em;font-weight:600}"
	"@media print{body{margin:0;max-width:none;font-size:10pt}table{font-size:8pt}"
	"thead{display:table-header-group}tr{break-inside:avoid}h2{break-after:avoid}}";

static void put_section(FILE *f, struct evidence_out *o, int s)
{
	fprintf(f, "<h2 id=s%d>%s</h2>\n", s, section[s].title);
	if (!o->rows[s]) {
		fprintf(f, "<p>%s</p>\n", section[s].none);
		return;
	}
	fputs("<table><thead><tr>", f);
	for (size_t c = 0; c < section[s].n; c++)
		fprintf(f, "<th>%s", section[s].head[c]);
	fprintf(f, "</thead><tbody>\n%s</tbody></table>\n", o->html[s]);
	if (o->rows[s] > PAGE_ROWS)
		fprintf(f, "<p>The first %d of %zu; all are in %s.</p>\n", PAGE_ROWS, o->rows[s],
			section[s].file);
}

static int put_page(struct evidence_out *o, const char *title, struct prov_error *err)
{
	FILE *f = create(o, "index.html", err);
	if (!f)
		return PROV_EIO;
	fputs("<!doctype html>\n<html lang=en><meta charset=utf-8>\n<meta name=viewport "
	      "content=\"width=device-width\">\n<title>",
		f);
	escape(f, title);
	fprintf(f, "</title>\n<style>%s</style>\n<h1>", style);
	escape(f, title);
	fprintf(f,
		"</h1>\n%s<h2>Figures</h2>\n<table><thead><tr><th>figure<th>value<th>records"
		"</thead><tbody>\n%s</tbody></table>\n",
		o->notes_text, o->figures_text);
	for (int i = 0; i < EVIDENCE_NSECTION; i++)
		put_section(f, o, i);
	fputs("<p>The numbers in the column \"record\" are those of the trail; records.jsonl has "
	      "these records with their hashes, SHA256SUMS the sums of all files.</p>\n</html>\n",
		f);
	return fclose(f) ? prov_error_set(err, PROV_EIO, "index.html: %s", strerror(errno)) : 0;
}

static int sum_of(const struct evidence_out *o, const char *name, FILE *sums)
{
	unsigned char md[PROV_SHA256_BYTES];
	char *path = NULL;
	FILE *f = asprintf(&path, "%s/%s", o->dir, name) < 0 ? NULL : fopen(path, "re");
	int rc = f ? prov_sha256_file(f, md) : PROV_EIO;
	for (size_t i = 0; !rc && i < sizeof(md); i++)
		fprintf(sums, "%02x", md[i]);
	if (!rc)
		fprintf(sums, "  %s\n", name);
	if (f)
		fclose(f);
	free(path);
	return rc;
}

static int put_sums(struct evidence_out *o, struct prov_error *err)
{
	FILE *sums = create(o, "SHA256SUMS", err);
	int rc = sums ? 0 : PROV_EIO;
	for (int i = 0; !rc && i < EVIDENCE_NSECTION; i++)
		rc = sum_of(o, section[i].file, sums);
	if (!rc)
		rc = sum_of(o, "index.html", sums);
	if (!rc)
		rc = sum_of(o, "records.jsonl", sums);
	if (!rc)
		rc = sum_of(o, "summary.csv", sums);
	if (sums && fclose(sums))
		rc = PROV_EIO;
	return rc && !err->text[0] ? prov_error_set(err, rc, "SHA256SUMS: cannot be written") : rc;
}

static int close_file(FILE **f)
{
	int rc = *f && fclose(*f) ? PROV_EIO : 0;
	*f = NULL;
	return rc;
}

static int close_all(struct evidence_out *o)
{
	int rc = 0;
	for (int i = 0; i < EVIDENCE_NSECTION; i++) {
		rc |= close_file(&o->csv[i]);
		rc |= close_file(&o->page[i]);
	}
	rc |= close_file(&o->records);
	rc |= close_file(&o->summary);
	rc |= close_file(&o->figures);
	return close_file(&o->notes) | rc;
}

int evidence_out_finish(struct evidence_out *o, const char *title, struct prov_error *err)
{
	if (close_all(o))
		return prov_error_set(err, PROV_EIO, "%s: cannot be written", o->dir);
	int rc = put_page(o, title, err);
	return rc ? rc : put_sums(o, err);
}

void evidence_out_free(struct evidence_out **o)
{
	if (!*o)
		return;
	close_all(*o);
	for (int i = 0; i < EVIDENCE_NSECTION; i++)
		free((*o)->html[i]);
	free((*o)->figures_text);
	free((*o)->notes_text);
	free((*o)->dir);
	free(*o);
	*o = NULL;
}
