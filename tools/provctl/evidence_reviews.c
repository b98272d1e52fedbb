/* evidence_reviews.c - see evidence_reviews.h. */
#include "evidence_reviews.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "audit_match.h"
#include "fold.h"
#include "review_reason.h"

/* Is the text in the list, as a DN or as a name? 1, 0, PROV_ENOMEM. */
static int is_in(const json_t *list, const char *text, bool dn)
{
	size_t i;
	json_t *one;
	int found = 0;
	json_array_foreach(list, i, one)
	{
		const char *s = json_string_value(one);
		if (s && !found)
			found = dn ? prov_fold_dn_same(s, text) : !strcasecmp(s, text);
	}
	return found;
}

/* Who decided, also behind another identity, about himself? */
static int is_own(const json_t *record)
{
	const json_t *actor = json_object_get(record, "actor");
	const char *dn = audit_text(record, "dn"), *authc = audit_text(actor, "authc");
	int same = prov_fold_dn_same(audit_text(actor, "authz"), dn);
	return same || !*authc ? same : prov_fold_dn_same(authc, dn);
}

static int put(struct evidence_reviews *v, struct evidence_out *out, uint64_t seq, const json_t *r,
	const struct review_reason *was)
{
	bool revoke = was->decision == REVIEW_REVOKE;
	int own = is_own(r);
	int fits = revoke
		? is_in(json_object_get(json_object_get(r, "roles"), "lost"), was->role, true)
		: is_in(json_object_get(r, "attributes"), "provAssignedRole", false);
	char n[24], note[64];
	if (own < 0 || fits < 0)
		return PROV_ENOMEM;
	v->kept += !revoke;
	v->revoked += revoke;
	v->own += own != 0;
	v->vain += revoke && !fits;
	v->odd += !revoke && !fits;
	snprintf(n, sizeof(n), "%llu", (unsigned long long)seq);
	snprintf(note, sizeof(note), "%s%s%s", own ? "own access" : "", own && !fits ? "; " : "",
		fits             ? ""
			: revoke ? "the role did not go"
				 : "not a write of the role");
	return evidence_out_row(out, EVIDENCE_REVIEWS,
		(const char *[]){ n, audit_text(r, "time"), was->name,
			review_decision_name(was->decision), audit_text(r, "dn"), was->role,
			audit_text(json_object_get(r, "actor"), "authz"), was->text, note });
}

int evidence_reviews_see(struct evidence_reviews *v, struct evidence_out *out, uint64_t seq,
	const json_t *record)
{
	struct review_reason was;
	size_t at;
	int rc = review_reason_parse(audit_text(record, "reason"), &was);
	if (rc)
		return rc == PROV_ENOMEM ? rc : 0;
	if (!v->names)
		rc = prov_strmap_new(&v->names);
	if (!rc)
		rc = prov_strmap_add(v->names, was.name, &at, NULL);
	if (!rc)
		rc = put(v, out, seq, record, &was);
	free(was.role);
	return rc;
}

int evidence_reviews_figures(const struct evidence_reviews *v, struct evidence_out *out)
{
	const struct {
		const char *name;
		size_t n;
		const char *where;
	} row[] = {
		{ "Reviews", v->names ? prov_strmap_count(v->names) : 0, "reviews.csv: review" },
		{ "Reviews: decisions", v->kept + v->revoked, "reviews.csv: record" },
		{ "Reviews: kept", v->kept, "reviews.csv: record, where decision is keep" },
		{ "Reviews: revoked", v->revoked, "reviews.csv: record, where decision is revoke" },
		{ "Reviews: own access", v->own, "reviews.csv: record, where note has own access" },
		{ "Reviews: revoked, but the role did not go", v->vain,
			"reviews.csv: record, where note has did not go" },
		{ "Reviews: kept, but not by a write of the role", v->odd,
			"reviews.csv: record, where note has not a write" },
	};
	int rc = 0;
	for (size_t i = 0; !rc && i < sizeof(row) / sizeof(row[0]); i++) {
		char value[24];
		snprintf(value, sizeof(value), "%zu", row[i].n);
		rc = evidence_out_figure(out, row[i].name, value, row[i].where);
	}
	return rc;
}

int evidence_reviews_notes(const struct evidence_reviews *v, struct evidence_out *out)
{
	char text[160];
	int rc = 0;
	if (v->own) {
		snprintf(text, sizeof(text),
			"In %zu decisions of access reviews somebody reviewed his own access.",
			v->own);
		rc = evidence_out_note(out, true, text);
	}
	if (!rc && v->vain + v->odd) {
		snprintf(text, sizeof(text),
			"%zu decisions of access reviews are in the trail as a reason alone: the record "
			"does not do what it says.",
			v->vain + v->odd);
		rc = evidence_out_note(out, true, text);
	}
	return rc;
}

void evidence_reviews_dispose(struct evidence_reviews *v)
{
	prov_strmap_free(&v->names);
}
