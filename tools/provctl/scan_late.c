/*
 * scan_late.c - accounts that were written since shortly before the scan began: one search, whatever
 * the number of suspects, and a quick one where entryCSN is indexed.
 *
 * Clocks of server and client may differ by ten minutes.
 */
#include <stdlib.h>

#include "scan.h"
#include "search.h"
#include "timefmt.h"

enum { MARGIN = 600 };

static int note(struct prov_hashindex *x, const struct scan_entry *e, size_t attr)
{
	uint32_t n;
	for (BerVarray v = e->val[attr]; v && v->bv_val; v++) {
		uint64_t hash = prov_hash_text(v->bv_val, v->bv_len);
		if (!hash || prov_hashindex_add(x, hash, &n, NULL))
			return PROV_ENOMEM;
	}
	return 0;
}

static int see_late(void *ctx, LDAP *ld, LDAPMessage *m, struct prov_error *err)
{
	struct scan *s = ctx;
	struct scan_entry e = { 0 };
	int rc = scan_entry_decode(&s->attrs, ld, m, &e, err), bad = 0;
	if (!rc && s->source.place)
		bad = note(&s->late[SCAN_IDS - SCAN_ID_TARGET], &e, s->source_attr);
	for (size_t i = 0; !rc && !bad && i < s->ntarget && !scan_left(&e); i++)
		bad = note(&s->late[i], &e, s->target_attr[i]);
	scan_entry_dispose(&e);
	return bad ? scan_nomem(err) : rc;
}

int scan_late(struct scan *s, struct prov_error *err)
{
	char since[PROV_TIME_TEXT];
	int rc = 0;
	prov_time_generalized(s->now - MARGIN, since);
	for (size_t k = 0; !rc && k < s->ctl->nscope; k++) {
		const struct ctl_scope *sc = &s->ctl->scope[k];
		char *filter = NULL;
		/* a CSN is the time, microseconds, and what tells equal times apart */
		if (asprintf(&filter, "(&%s(entryCSN>=%.14s.000000Z#000000#000#000000))",
			    sc->filter, since) < 0)
			return scan_nomem(err);
		rc = ctl_search(s->ctl, sc->base, sc->scope, filter, s->attrs.name, see_late, s,
			err);
		free(filter);
	}
	return rc;
}
