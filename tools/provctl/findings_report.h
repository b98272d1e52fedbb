/*
 * findings_report.h - a scan's findings, ready to be told: which are new, which are exempt, which
 * are listed, how bad it all is. The outputs (findings_as_*) only read it.
 *
 * Pure: time and history are arguments. Owns its arrays; borrows findings, exemptions and texts.
 */
#ifndef PROV_CTL_FINDINGS_REPORT_H
#define PROV_CTL_FINDINGS_REPORT_H

#include <stdio.h>

#include "exemptions.h"
#include "findings_history.h"
#include "risk.h"
#include "timefmt.h"

struct report_item { /* of one finding */
	char key[33];
	bool fresh;    /* the last scan did not have it, or it was exempt then */
	bool sent;     /* connectors were told, by a scan before */
	bool listed;   /* passes --new and --since */
	int64_t first; /* when a scan first found it; 0: no history is kept */
	unsigned risk; /* of its entry, in tenths */
	const struct exemption *exempt, *expired;
};

/* What to make of it. */
struct report_ask {
	const char *suffix;            /* of the directory */
	int64_t at;                    /* when the scan began, seconds */
	double seconds;                /* how long it took */
	const struct history *history; /* NULL: none is kept, and nothing is fresh */
	bool only_fresh;
	int64_t since;                 /* only what was first found then or later; 0: everything */
	struct exemptions *exemptions; /* NULL: none */
};

struct report {
	struct report_ask ask;
	const struct findings *found; /* sorted */
	struct report_item *item;     /* one for each */
	struct risk risk;             /* of all that are not exempt, listed or not */
	/* listed and not exempt: those that count */
	size_t n, check[FINDING_CHECKS], severity[FINDING_CRITICAL + 1], expired;
	size_t remedy; /* of those that count, how many have LDIF */
	size_t exempt; /* listed, and not counted */
	size_t older;  /* left out by --new or --since */
	/* whatever is listed */
	size_t standing[FINDING_CHECKS]; /* not exempt */
	size_t fresh;                    /* of these */
	size_t gone; /* in the last scan, and not any more; of the checks that ran */
};

/* PROV_ENOMEM. */
int report_make(const struct findings *found, const struct report_ask *ask, struct report *out);
void report_dispose(struct report *r);
/* Is it listed, and not exempt? */
bool report_counts(const struct report *r, size_t i);
/* Did this check run? */
bool report_ran(const struct report *r, enum finding_check check);
/* The worst severity that counts; -1: nothing does. */
int report_worst(const struct report *r);
/* What the next scan has to know. sent: connectors were told of all that are not exempt. PROV_ENOMEM. */
int report_remember(const struct report *r, bool sent, struct history *out);

/* "1.234", of thousandths; "12.3", of tenths. */
#define REPORT_NUMBER 24
const char *report_thousandths(unsigned n, char out[REPORT_NUMBER]);
const char *report_tenths(unsigned n, char out[REPORT_NUMBER]);
/* "2026-11-25" of a time; "" for 0. */
const char *report_date(int64_t secs, char out[PROV_TIME_TEXT]);
/* "2 critical, 1 low"; "" when nothing counts. */
void report_severities(const struct report *r, char *out, size_t room);
/* "s" but for one. */
const char *report_s(size_t n);
/* "risk 1.234 of 100 (…): LEAVER_ACTIVE 1.000, …" with a newline. */
void report_print_risk(const struct report *r, FILE *out);
/* Things that do not show in a list of findings: hidden, exempt, expired, gone. No line: nothing. */
void report_print_notes(const struct report *r, const char *before, FILE *out);

/* The forms. 0, PROV_ENOMEM; what out did is the caller's to see. */
int findings_as_table(const struct report *r, FILE *out);
int findings_as_summary(const struct report *r, FILE *out);
int findings_as_scorecard(const struct report *r, FILE *out);
int findings_as_json(const struct report *r, FILE *out);
int findings_as_json_scorecard(const struct report *r, FILE *out);
int findings_as_csv(const struct report *r, FILE *out);
int findings_as_ldif(const struct report *r, FILE *out);
int findings_as_html(const struct report *r, FILE *out);
int findings_as_metrics(const struct report *r, FILE *out);

#endif
