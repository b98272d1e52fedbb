/* scan_setup.c - from options to a scan: checks, attributes, sources; see scan.h. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "scan.h"

static const char *const fixed[SCAN_A_FIXED] = {
	[SCAN_A_UID] = "uid",
	[SCAN_A_CN] = "cn",
	[SCAN_A_SN] = "sn",
	[SCAN_A_GIVENNAME] = "givenName",
	[SCAN_A_MAIL] = "mail",
	[SCAN_A_EMPLOYEE] = "employeeNumber",
	[SCAN_A_BIRTH] = NULL, /* --birth-date */
	[SCAN_A_STATE] = "provState",
	[SCAN_A_TYPE] = "provType",
	[SCAN_A_SINCE] = "provStateSince",
	[SCAN_A_START] = "provStartTime",
	[SCAN_A_END] = "provEndTime",
	[SCAN_A_ASSIGNED] = "provAssignedRole",
	[SCAN_A_TIMED] = "provTimedRole",
	[SCAN_A_EFFECTIVE] = "provEffectiveRole",
	[SCAN_A_GRANT] = "provGrant",
	[SCAN_A_UIDNUMBER] = "uidNumber",
	[SCAN_A_MANAGER] = "manager",
	[SCAN_A_OWNER] = "owner",
	[SCAN_A_SEEALSO] = "seeAlso",
	[SCAN_A_SOURCE] = "provSource",
	[SCAN_A_SOURCEKEY] = "provSourceKey",
	[SCAN_A_CREATED] = "createTimestamp",
	[SCAN_A_SUCCESS] = "pwdLastSuccess",
	[SCAN_A_AUTHTIME] = "authTimestamp",
	[SCAN_A_LOCKED] = "pwdAccountLockedTime",
	[SCAN_A_CSN] = "entryCSN",
};

static const struct {
	enum finding_check check;
	const char *needs;
} needs[] = {
	{ FINDING_ORPHAN_SOURCE, "--source" },
	{ FINDING_MISSING_ACCOUNT, "--source" },
	{ FINDING_DISPUTED, "--source" },
	{ FINDING_LEAVER_ACTIVE, "--source with status= and left=" },
	{ FINDING_INCOMPLETE, "--require" },
	{ FINDING_ORPHAN_TARGET, "--target" },
};

static bool given(const struct scan *s, enum finding_check check)
{
	switch (check) {
	case FINDING_LEAVER_ACTIVE:
		return s->source.place && s->source.option[PROV_RECSRC_STATUS];
	case FINDING_INCOMPLETE:
		return s->nrequire;
	case FINDING_ORPHAN_TARGET:
		return s->ntarget;
	default:
		return s->source.place;
	}
}

static int choose_checks(struct scan *s, struct prov_error *err)
{
	const struct prov_option_list *list = &s->opt->check;
	for (size_t i = 0; i < list->n; i++) {
		enum finding_check k = finding_check_parse(list->item[i]);
		if (k == FINDING_CHECKS)
			return prov_error_set(err, PROV_EINVAL, "no such check: %s", list->item[i]);
		s->checks |= 1u << k;
	}
	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
		if (scan_wants(s, needs[i].check) && !given(s, needs[i].check))
			return prov_error_set(err, PROV_EINVAL, "%s needs %s",
				finding_about(needs[i].check)->id, needs[i].needs);
	if (list->n)
		return 0;
	s->checks = (1u << FINDING_CHECKS) - 1;
	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
		if (!given(s, needs[i].check))
			s->checks &= ~(1u << needs[i].check);
	return 0;
}

static int default_option(char **option, const char *text)
{
	if (!*option)
		*option = strdup(text);
	return *option ? 0 : PROV_ENOMEM;
}

/* --source and --logins name an attribute; a target's is uid unless it says otherwise. */
static int parse_source(struct scan *s, const char *name, const char *key, struct prov_recsrc *out,
	size_t *attr, struct prov_error *err)
{
	int rc = prov_recsrc_parse(name, out, err);
	char **o = out->option;
	if (rc)
		return rc;
	if (!o[PROV_RECSRC_KEY] && !key)
		return prov_error_set(err, PROV_EINVAL, "source \"%s\": key=ATTR is missing", name);
	if ((key && default_option(&o[PROV_RECSRC_KEY], key)) ||
		(out->kind == PROV_RECSRC_SCIM && key &&
			default_option(&o[PROV_RECSRC_COLUMN], "userName")) ||
		(out->kind == PROV_RECSRC_PASSWD && default_option(&o[PROV_RECSRC_COLUMN], "name")))
		return scan_nomem(err);
	*attr = scan_attr_add(&s->attrs, o[PROV_RECSRC_KEY]);
	return *attr < SCAN_ATTRS ? 0 : prov_error_set(err, PROV_EINVAL, "too many attributes");
}

static int parse_sources(struct scan *s, struct prov_error *err)
{
	const struct scan_options *o = s->opt;
	int rc = 0;
	if (o->source)
		rc = parse_source(s, o->source, NULL, &s->source, &s->source_attr, err);
	if (!rc && o->logins)
		rc = parse_source(s, o->logins, NULL, &s->logins, &s->login_attr, err);
	if (!rc && o->logins && !s->logins.option[PROV_RECSRC_TIME])
		rc = prov_error_set(err, PROV_EINVAL, "--logins wants time=COLUMN");
	if (!rc && o->target.n > SCAN_IDS - SCAN_ID_TARGET)
		rc = prov_error_set(err, PROV_EINVAL, "at most %d --target",
			SCAN_IDS - SCAN_ID_TARGET);
	if (rc)
		return rc;
	s->target = calloc(o->target.n + 1, sizeof(*s->target));
	if (!s->target)
		return scan_nomem(err);
	for (size_t i = 0; !rc && i < o->target.n; i++, s->ntarget++)
		rc = parse_source(s, o->target.item[i], "uid", &s->target[i], &s->target_attr[i],
			err);
	if (!rc && o->match.n && !o->source)
		rc = prov_error_set(err, PROV_EINVAL, "--match needs --source");
	return rc ? rc : scan_rules_parse(s, err);
}

int scan_set_up(struct scan *s, struct prov_error *err)
{
	const struct scan_options *o = s->opt;
	int rc = 0;
	s->now = time(NULL);
	for (size_t i = 0; i < SCAN_A_FIXED; i++)
		s->attrs.name[s->attrs.n++] = fixed[i] ? fixed[i] : o->birth;
	if (o->max_missing > 100 || o->max_shrink > 100)
		return prov_error_set(err, PROV_EINVAL,
			"--max-missing and --max-shrink want a percentage");
	if (prov_strmap_new(&s->parents))
		return scan_nomem(err);
	rc = parse_sources(s, err);
	s->require = rc ? NULL : calloc(o->require.n + 1, sizeof(*s->require));
	if (!rc && !s->require)
		rc = scan_nomem(err);
	for (size_t i = 0; !rc && i < o->require.n; i++) {
		s->require[s->nrequire++] = scan_attr_add(&s->attrs, o->require.item[i]);
		if (s->require[i] == SCAN_ATTRS)
			rc = prov_error_set(err, PROV_EINVAL, "too many attributes");
	}
	return rc ? rc : choose_checks(s, err);
}
