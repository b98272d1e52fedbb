/*
 * scan_mem.c - what a scan keeps of a million accounts, in few bytes each.
 *
 * An account is 20 bytes, its DN's hash 8 and its place in the table about 6, its RDN's text
 * and 4 for the parent, 8 for each value that must be nobody else's. Arrays grow by doubling: what
 * is not used yet is not in memory.
 */
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "scan.h"

uint32_t scan_text(struct scan *s, const char *text, size_t len)
{
	if (!s->ntext)
		s->ntext = 1; /* 0 is no text */
	while (s->textroom - s->ntext < len + 1 || !s->textroom) {
		size_t room = s->textroom ? 2 * s->textroom : 65536;
		char *p = room < SCAN_NONE ? realloc(s->text, room) : NULL;
		if (!p)
			return SCAN_NONE;
		s->text = p;
		s->textroom = room;
	}
	uint32_t at = (uint32_t)s->ntext;
	memcpy(s->text + at, text, len);
	s->text[at + len] = '\0';
	s->ntext += len + 1;
	return at;
}

/* Where the parent's DN begins: behind the first comma that is none of the value's. */
static size_t rdn_length(const struct berval *dn)
{
	size_t i = 0;
	while (i < dn->bv_len && dn->bv_val[i] != ',')
		i += dn->bv_val[i] == '\\' ? 2 : 1;
	return i < dn->bv_len ? i : dn->bv_len;
}

/* The parent's number (4 bytes) and the RDN. */
static uint32_t keep_dn(struct scan *s, const struct berval *dn)
{
	size_t rdn = rdn_length(dn), index;
	const char *parent = rdn < dn->bv_len ? dn->bv_val + rdn + 1 : "";
	char *copy = strndup(parent, rdn < dn->bv_len ? dn->bv_len - rdn - 1 : 0);
	int rc = !copy || prov_strmap_add(s->parents, copy, &index, NULL);
	free(copy);
	if (rc)
		return SCAN_NONE;
	uint32_t number = (uint32_t)index, at = scan_text(s, (const char *)&number, sizeof(number));
	if (at == SCAN_NONE)
		return SCAN_NONE;
	s->ntext--; /* no end between the two */
	return scan_text(s, dn->bv_val, rdn) == SCAN_NONE ? SCAN_NONE : at;
}

char *scan_account_dn(const struct scan *s, uint32_t number)
{
	const char *text = s->text + s->account[number].dn;
	uint32_t index;
	char *dn = NULL;
	memcpy(&index, text, sizeof(index));
	const char *parent = prov_strmap_text(s->parents, index);
	if (asprintf(&dn, "%s%s%s", text + sizeof(index), *parent ? "," : "", parent) < 0)
		return NULL;
	return dn;
}

size_t scan_accounts(const struct scan *s)
{
	return s->dns.n;
}

int scan_account_add(struct scan *s, const struct berval *dn, uint32_t *number, int *fresh)
{
	uint64_t hash = prov_hash_dn(dn->bv_val, dn->bv_len);
	if (!hash || prov_hashindex_add(&s->dns, hash, number, fresh))
		return PROV_ENOMEM;
	if (!*fresh)
		return 0;
	if (prov_grow(&s->account, *number, &s->room, sizeof(*s->account)))
		return PROV_ENOMEM;
	struct scan_account *a = &s->account[*number];
	memset(a, 0, sizeof(*a));
	a->record = SCAN_NONE;
	a->dn = keep_dn(s, dn);
	return a->dn == SCAN_NONE ? PROV_ENOMEM : 0;
}

enum { HOLDER_BITS = 28 };

int scan_id_add(struct scan *s, enum scan_id kind, uint64_t hash, uint32_t holder)
{
	struct scan_ids *x = &s->ids[kind];
	if (prov_grow(&x->item, x->n, &x->room, sizeof(*x->item)))
		return PROV_ENOMEM;
	x->item[x->n++] = hash >> HOLDER_BITS << HOLDER_BITS | holder;
	return 0;
}

uint32_t scan_id_holder(uint64_t item)
{
	return item & ((1u << HOLDER_BITS) - 1);
}

uint64_t scan_id_hash(uint64_t item)
{
	return item >> HOLDER_BITS;
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

/* By the hash, a digit at a time from the lowest; holders stay in their order. */
void scan_id_sort(struct scan *s, enum scan_id kind)
{
	enum { DIGIT = 12, DIGITS = 3, VALUES = 1 << DIGIT };
	struct scan_ids *x = &s->ids[kind];
	uint64_t *from = x->item, *to = x->n ? malloc(x->n * sizeof(*to)) : NULL;
	if (!to) {
		if (x->n)
			qsort(x->item, x->n, sizeof(*x->item), by_number);
		return;
	}
	for (int shift = HOLDER_BITS; shift < HOLDER_BITS + DIGIT * DIGITS; shift += DIGIT) {
		size_t at[VALUES + 1] = { 0 };
		for (size_t i = 0; i < x->n; i++)
			at[(from[i] >> shift & (VALUES - 1)) + 1]++;
		for (size_t d = 0; d < VALUES; d++)
			at[d + 1] += at[d];
		for (size_t i = 0; i < x->n; i++)
			to[at[from[i] >> shift & (VALUES - 1)]++] = from[i];
		uint64_t *swap = from;
		from = to;
		to = swap;
	}
	free(to);
	x->item = from;
	x->room = x->n;
}

uint32_t scan_id_find(const struct scan *s, enum scan_id kind, uint64_t hash)
{
	const struct scan_ids *x = &s->ids[kind];
	size_t low = 0, high = x->n;
	uint64_t want = hash >> HOLDER_BITS;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (scan_id_hash(x->item[mid]) < want)
			low = mid + 1;
		else
			high = mid;
	}
	return low < x->n && scan_id_hash(x->item[low]) == want ? scan_id_holder(x->item[low])
								: SCAN_NONE;
}

int scan_ref_add(struct scan_refs *r, uint64_t target, uint32_t holder)
{
	if (!target || prov_grow(&r->item, r->n, &r->room, sizeof(*r->item)))
		return PROV_ENOMEM;
	r->item[r->n++] = (struct scan_ref){ target, holder };
	return 0;
}

void scan_dispose(struct scan *s)
{
	struct prov_hashindex *x[] = { &s->dns, &s->granted, &s->roles, &s->alive, &s->glass,
		&s->groups, &s->keys, &s->login };
	for (size_t i = 0; i < sizeof(x) / sizeof(x[0]); i++)
		prov_hashindex_dispose(x[i]);
	for (size_t i = 0; i < SCAN_IDS; i++)
		free(s->ids[i].item);
	for (size_t i = 0; i < sizeof(s->late) / sizeof(s->late[0]); i++)
		prov_hashindex_dispose(&s->late[i]);
	for (size_t i = 0; i < s->ntarget; i++)
		prov_recsrc_dispose(&s->target[i]);
	prov_strmap_free(&s->parents);
	prov_recsrc_dispose(&s->source);
	prov_recsrc_dispose(&s->logins);
	/* names that are added belong to the templates and are copies */
	for (size_t i = SCAN_A_FIXED; i < s->attrs.n; i++)
		free((char *)s->attrs.name[i]);
	free(s->text);
	free(s->account);
	free(s->grant);
	free(s->granted_dn);
	free(s->refs.item);
	free(s->owners.item);
	free(s->others.item);
	free(s->group_dn);
	free(s->member);
	free(s->record);
	scan_rules_dispose(s);
	scan_sod_dispose(s);
	free(s->keyless);
	free(s->login_time);
	free(s->target);
	free(s->require);
	free(s->value);
}
