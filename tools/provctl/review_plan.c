/*
 * review_plan.c - the reviewer's decisions against what there is: what is to be written, what is
 * not, and whether anything may be. See review.h.
 *
 * Filters are tested by the server itself, for what is to be revoked.
 */
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "audit_match.h"
#include "fold.h"
#include "grow.h"
#include "review.h"
#include "search.h"
#include "state.h"
#include "trail.h"

void review_settle(struct review_row *row, enum review_fate fate, const char *fmt, ...)
{
	va_list ap;
	free(row->why);
	row->fate = fate;
	va_start(ap, fmt);
	if (vasprintf(&row->why, fmt, ap) < 0)
		row->why = NULL;
	va_end(ap);
}

int review_read(struct review *r, const struct review_row *row, LDAPMessage **m,
	struct review_account *a, struct prov_error *err)
{
	static const char *const attrs[] = { REVIEW_ACCOUNT_ATTRS, "entryUUID", NULL };
	memset(a, 0, sizeof(*a));
	int rc = ctl_read(r->c, row->account, NULL, attrs, m, err);
	if (!rc && review_account_read(r->c->ld, ldap_first_entry(r->c->ld, *m), a))
		rc = prov_error_set(err, PROV_ENOMEM, "no memory");
	return rc;
}

int review_row_held(struct review *r, const struct review_account *a, const struct review_row *row,
	struct review_held *out)
{
	static const char *const none[] = { LDAP_NO_ATTRS, NULL };
	size_t at = review_role_at(&r->roles, row->role_key);
	const struct explain_role *role = at == PROV_STRMAP_NONE ? NULL : &r->roles.x.role[at];
	int filter = role ? 0 : -1;
	for (size_t i = 0; role && !filter && i < role->nfilter; i++) {
		LDAPMessage *m = NULL;
		filter = !ctl_read(r->c, a->dn, role->filter[i], none, &m, NULL);
		ldap_msgfree(m);
	}
	return review_held(&r->roles, a, row->role_key, filter, r->now, out);
}

/* -- what earlier runs of this review have recorded ------------------------------------------- */

static char *trail_key(const char *account, const char *role)
{
	char *key = prov_fold_dn(role, strlen(role)), *text = NULL;
	if (key && asprintf(&text, "%s %s", account, key) < 0)
		text = NULL;
	free(key);
	return text;
}

static int remember(struct review *r, const char *uuid, const struct review_reason *was)
{
	char *key = trail_key(uuid, was->role);
	size_t at;
	int rc = key ? prov_strmap_add(r->recorded, key, &at, NULL) : PROV_ENOMEM;
	free(key);
	if (!rc && at == r->nkept) {
		rc = prov_grow(&r->kept, r->nkept, &r->kept_room, sizeof(*r->kept));
		r->nkept += !rc;
	}
	if (!rc)
		r->kept[at] = was->decision == REVIEW_KEEP;
	return rc;
}

static int see_record(void *ctx, uint64_t seq, struct prov_val text)
{
	struct review *r = ctx;
	struct review_reason was;
	char mark[REVIEW_NAME_MOST + 32];
	int n = snprintf(mark, sizeof(mark), "\"review %s: ", r->name), rc;
	(void)seq;
	if (!memmem(text.data, text.len, mark, (size_t)n))
		return 0;
	json_t *record = json_loadb(text.data, text.len, 0, NULL);
	rc = review_reason_parse(audit_text(record, "reason"), &was);
	if (!rc && !strcmp(was.name, r->name))
		rc = remember(r, audit_text(record, "entryUUID"), &was);
	free(was.role);
	json_decref(record);
	return rc == PROV_ENOMEM ? rc : 0;
}

/* Whoever may not read it is told, and records again. */
static int read_trail(struct review *r)
{
	struct prov_error why = { 0 };
	struct prov_statedir *state = NULL;
	struct prov_kv_txn *t = NULL;
	char *dir = NULL;
	int rc = prov_strmap_new(&r->recorded);
	if (rc)
		return rc;
	ctl_state_dir_try(r->c, &dir);
	rc = dir ? prov_statedir_open(dir, false, &state, &why)
		 : prov_error_set(&why, PROV_ENOENT, "the state directory is not known (--state)");
	if (!rc)
		rc = prov_kv_begin(prov_statedir_kv(state), false, &t, &why);
	if (!rc)
		rc = prov_trail_walk(t, 1, see_record, r, &why);
	if (rc)
		ctl_say("note: what an earlier run has recorded is recorded again, since the trail "
			"cannot be read: %s",
			why.text);
	prov_kv_abort(&t);
	prov_statedir_close(&state);
	free(dir);
	return rc == PROV_ENOMEM ? rc : 0;
}

static int is_recorded(const struct review *r, const struct review_account *a,
	const struct review_row *row, bool *out)
{
	char *uuid = prov_ldap_first(a->ld, a->entry, "entryUUID");
	char *key = uuid ? trail_key(uuid, row->role) : NULL;
	size_t at = key ? prov_strmap_find(r->recorded, key) : PROV_STRMAP_NONE;
	bool memory = !uuid || key;
	*out = at != PROV_STRMAP_NONE && r->kept[at];
	free(uuid);
	free(key);
	return memory ? 0 : PROV_ENOMEM;
}

/* -- one row ---------------------------------------------------------------------------------- */

static int settle_revoke(struct review *r, struct review_row *row, const struct review_account *a)
{
	struct review_held held;
	int rc = review_row_held(r, a, row, &held);
	if (!rc && held.policy)
		review_settle(row, REVIEW_STAYS, "%s", held.text);
	free(held.text);
	return rc;
}

static int settle(struct review *r, struct review_row *row, const struct review_account *a,
	const char *self)
{
	bool recorded = false;
	int rc = 0;
	if (self && prov_fold_dn_same(self, a->dn) == 1)
		sync_problem_add(&r->refused, row->line,
			"%.200s is who you are: nobody reviews his own access", a->dn);
	if (review_account_has(a, row->role_key) == PROV_STRMAP_NONE)
		review_settle(row, REVIEW_NOT_HELD, "the account does not have the role any more");
	else if (row->decision == REVIEW_REVOKE)
		rc = settle_revoke(r, row, a);
	else
		rc = is_recorded(r, a, row, &recorded);
	if (recorded)
		review_settle(row, REVIEW_RECORDED, "the trail has it");
	return rc;
}

static int plan_row(struct review *r, struct review_row *row, const char *self,
	struct prov_error *err)
{
	struct prov_error why = { 0 };
	struct review_account a;
	LDAPMessage *m = NULL;
	int rc = review_read(r, row, &m, &a, &why);
	if (!rc && settle(r, row, &a, self))
		rc = prov_error_set(&why, PROV_ENOMEM, "no memory");
	if (rc == PROV_ENOENT) {
		review_settle(row, REVIEW_NOT_HELD, "there is no such account");
		rc = 0;
	}
	review_account_dispose(&a);
	ldap_msgfree(m);
	return rc ? prov_error_set(err, rc, "row %zu: %s", row->line, why.text) : 0;
}

/* The DN that the server takes the caller for; NULL: it is none. malloc'ed. */
static int who_am_i(struct review *r, char **self, struct prov_error *err)
{
	struct berval *id = NULL;
	int rc = ldap_whoami_s(r->c->ld, &id, NULL, NULL);
	*self = NULL;
	if (rc)
		return prov_ldap_error(r->c->ld, rc, err, "who am I");
	if (id && id->bv_len > 3 && !strncmp(id->bv_val, "dn:", 3)) {
		*self = strndup(id->bv_val + 3, id->bv_len - 3);
		rc = *self ? 0 : prov_error_set(err, PROV_ENOMEM, "no memory");
	}
	ber_bvfree(id);
	return rc;
}

static void check_revokes(struct review *r)
{
	size_t n = 0, most = sync_limit_most(&r->most, r->nrow);
	for (size_t i = 0; i < r->nrow; i++)
		n += r->row[i].decision == REVIEW_REVOKE && r->row[i].fate == REVIEW_DUE;
	if (n > most)
		sync_problem_add(&r->refused, 0,
			"%zu roles to be revoked of %zu rows, more than %zu (--max-revoke %u%s)", n,
			r->nrow, most, r->most.n, r->most.share ? "%" : "");
}

int review_plan(struct review *r, struct prov_error *err)
{
	char *self = NULL;
	int rc = review_roles_read(r->c, &r->roles, err);
	if (!rc && read_trail(r))
		rc = prov_error_set(err, PROV_ENOMEM, "no memory");
	if (!rc)
		rc = who_am_i(r, &self, err);
	for (size_t i = 0; !rc && i < r->nrow; i++)
		if (r->row[i].decision)
			rc = plan_row(r, &r->row[i], self, err);
	if (!rc)
		check_revokes(r);
	free(self);
	return rc;
}
