/*
 * evidence_sod.h - accounts that held roles against a rule of segregation of duties in a period,
 * from the trail alone.
 *
 * Rules are those that policy records tell of, roles those that accounts' records gain and lose;
 * what came by slapadd, by replication or from a version that did not write rules down is not
 * known. Two walks, up to the end of the period; the second only when there is a rule. Kept: the
 * rules, and of each account the roles that some rule names.
 */
#ifndef PROV_CTL_EVIDENCE_SOD_H
#define PROV_CTL_EVIDENCE_SOD_H

#include "evidence.h"
#include "kv.h"

struct evidence_sod;

/* since, until: us. PROV_ENOMEM, or what the trail says. */
int evidence_sod_read(struct prov_kv_txn *txn, int64_t since, int64_t until,
	struct evidence_sod **out, struct prov_error *err);
/* Is this record one that the rows name? Asked in the order of the trail. */
bool evidence_sod_names(struct evidence_sod *s, uint64_t seq);
/* Rows, figures and a note. */
int evidence_sod_put(const struct evidence_sod *s, struct evidence_out *o);
void evidence_sod_free(struct evidence_sod **s);

#endif
