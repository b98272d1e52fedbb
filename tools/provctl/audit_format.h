/*
 * audit_format.h - records of the trail as CSV and as CEF. Pure but for writing to `out`.
 */
#ifndef PROV_CTL_AUDIT_FORMAT_H
#define PROV_CTL_AUDIT_FORMAT_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

/* CSV (csvout.h): the names of the columns; a record. */
void audit_csv_head(FILE *out);
void audit_csv_row(FILE *out, uint64_t seq, const char *hash, const json_t *record);

/*
 * One line of ArcSight's Common Event Format, version 0 or 1 (the keys are the same). In the
 * header \ and | are escaped, in the extension \ = and the ends of lines. A field longer than the
 * format allows is cut: cn1 has the record's number.
 */
void audit_cef_line(FILE *out, int version, uint64_t seq, const char *hash, const json_t *record);

#endif
