/*
 * evidence.h - what happened in a period, row by row, for an auditor. audit_evidence.c collects
 * and counts, evidence_out.c writes.
 *
 * Every row has the number of the record that it comes from, every figure the column where
 * these numbers are. Rows are written as they come; kept are the leavers of the period.
 */
#ifndef PROV_CTL_EVIDENCE_H
#define PROV_CTL_EVIDENCE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "error.h"

enum evidence_section {
	EVIDENCE_JOINERS,
	EVIDENCE_MOVERS,
	EVIDENCE_LEAVERS,
	EVIDENCE_POLICY,
	EVIDENCE_REVIEWS, /* decisions of access reviews */
	EVIDENCE_ADMIN,   /* what admins dropped, and what could not be delivered */
	EVIDENCE_SOD,     /* roles held against a rule (evidence_sod.c) */
	EVIDENCE_DOUBTS,
	EVIDENCE_NSECTION
};

struct evidence_out;

/* Makes the directory (mode 700), which must not be there. */
int evidence_out_open(const char *dir, struct evidence_out **out, struct prov_error *err);
/* One row: as many cells as the section has columns; the first is the record's number. */
int evidence_out_row(struct evidence_out *o, enum evidence_section s, const char *const *cell);
/* One line of records.jsonl; consumes nothing. */
FILE *evidence_out_records(struct evidence_out *o);
/* A figure; where: the file and column that have the records' numbers, or the numbers. */
int evidence_out_figure(struct evidence_out *o, const char *name, const char *value,
	const char *where);
/* A paragraph at the head: what was checked, what does not exist. bad: something is wrong. */
int evidence_out_note(struct evidence_out *o, bool bad, const char *text);
/* Writes index.html and SHA256SUMS. title: of the page. */
int evidence_out_finish(struct evidence_out *o, const char *title, struct prov_error *err);
void evidence_out_free(struct evidence_out **o);
size_t evidence_out_count(const struct evidence_out *o, enum evidence_section s);

#endif
