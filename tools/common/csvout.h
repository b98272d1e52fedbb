/*
 * csvout.h - cells of CSV (RFC 4180) that a spreadsheet may open.
 *
 * Texts come from the directory, and a spreadsheet runs what looks like a formula. What it would
 * take for one (= + - @, their full-width forms, also after blanks; tab, CR and LF at the
 * beginning) gets an apostrophe before it; so does what begins with one: taking one leading
 * apostrophe off gives the value back.
 */
#ifndef PROV_CSVOUT_H
#define PROV_CSVOUT_H

#include <stdbool.h>
#include <stdio.h>

/* One cell, quoted when it has to be, also for those who read ";" as the comma. first: no comma
 * before it. */
void prov_csv_cell(FILE *out, const char *text, bool first);
void prov_csv_end(FILE *out); /* CRLF */

#endif
