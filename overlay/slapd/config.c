/*
 * config.c - the provision-* keywords and the olcProvision* attributes.
 *
 * Each value is judged by itself here, and refused with the reason before anything is
 * changed. What an accepted change means for a database that is open is apply.c's.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#include "apply.h"
#include "names.h"
#include "schema.h"
#include "scope.h"
#include "settings.h"
#include "trail.h"

#define COUNT_MOST 100000U
#define SECONDS_MOST 31536000U /* a year */
#define RECORDS_MOST 1000000000U

enum {
	POLICY = 1,
	ACCOUNTS,
	STATE,
	ON_DELETE,
	ARCHIVE,
	BREAKER,
	MEMBEROF,
	SESSIONS,
	CHECKPOINT,
	KEY
};

static int set(ConfigArgs *c);

#define AT(number, name, desc, rest) \
	"( " PROV_OID ".3." number " NAME '" name "' DESC '" desc "' " rest " )"
#define TEXT "EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15"
#define DN "EQUALITY distinguishedNameMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.12"
#define FLAG "EQUALITY booleanMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.7"
#define SINGLE " SINGLE-VALUE"

/* No argument types and counts: what slapd finds wrong by itself it logs only with -d config. */
ConfigTable prov_config_table[] = {
	{ "provision-policy", "dn", 0, 0, 0, ARG_QUOTE | ARG_MAGIC | POLICY, set,
		AT("1", "olcProvisionPolicy", "Subtree that holds roles, pools and connectors",
			DN SINGLE),
		NULL, { NULL } },
	{ "provision-accounts", "ldap-url", 0, 0, 0, ARG_QUOTE | ARG_MAGIC | ACCOUNTS, set,
		AT("2", "olcProvisionAccounts", "Entries that are accounts: base, scope, filter",
			TEXT),
		NULL, { NULL } },
	{ "provision-state", "directory", 0, 0, 0, ARG_QUOTE | ARG_MAGIC | STATE, set,
		AT("3", "olcProvisionState", "Directory of the trail and the outbox", TEXT SINGLE),
		NULL, { NULL } },
	{ "provision-on-delete", "allow|preserve|deny", 0, 0, 0, ARG_MAGIC | ON_DELETE, set,
		AT("4", "olcProvisionOnDelete", "What deleting an account means", TEXT SINGLE),
		NULL, { NULL } },
	{ "provision-archive", "dn", 0, 0, 0, ARG_QUOTE | ARG_MAGIC | ARCHIVE, set,
		AT("5", "olcProvisionArchive", "Where preserved accounts go", DN SINGLE), NULL,
		{ NULL } },
	{ "provision-breaker", "count seconds", 0, 0, 0, ARG_MAGIC | BREAKER, set,
		AT("6", "olcProvisionBreaker",
			"Most leavers and deletes of one identity in so many seconds", TEXT SINGLE),
		NULL, { NULL } },
	{ "provision-memberof", "on|off", 0, 0, 0, ARG_MAGIC | MEMBEROF, set,
		AT("7", "olcProvisionMemberOf", "Keep memberOf", FLAG SINGLE), NULL, { NULL } },
	{ "provision-sessions", "on|off", 0, 0, 0, ARG_MAGIC | SESSIONS, set,
		AT("8", "olcProvisionSessions", "End the connections of a leaver", FLAG SINGLE),
		NULL, { NULL } },
	{ "provision-checkpoint", "records seconds", 0, 0, 0, ARG_MAGIC | CHECKPOINT, set,
		AT("9", "olcProvisionCheckpoint", "How often the trail gets a checkpoint",
			TEXT SINGLE),
		NULL, { NULL } },
	{ "provision-key", "file", 0, 0, 0, ARG_QUOTE | ARG_MAGIC | KEY, set,
		AT("10", "olcProvisionKey", "Ed25519 key that signs checkpoints", TEXT SINGLE),
		NULL, { NULL } },
	{ NULL, NULL, 0, 0, 0, ARG_IGNORED, NULL, NULL, NULL, { NULL } },
};

ConfigOCs prov_config_ocs[] = {
	{ .co_def = "( " PROV_OID
		    ".4.1 NAME 'olcProvisionConfig' DESC 'Provisioning' SUP olcOverlayConfig "
		    "MAY ( olcProvisionPolicy $ olcProvisionAccounts $ olcProvisionState $ olcProvisionOnDelete $ "
		    "olcProvisionArchive $ olcProvisionBreaker $ olcProvisionMemberOf $ olcProvisionSessions $ "
		    "olcProvisionCheckpoint $ olcProvisionKey ) )",
		.co_type = Cft_Overlay,
		.co_table = prov_config_table },
	{ .co_def = NULL },
};

static slap_verbmasks on_delete_words[] = {
	{ BER_BVC("allow"), PROV_DELETE_ALLOW },
	{ BER_BVC("preserve"), PROV_DELETE_PRESERVE },
	{ BER_BVC("deny"), PROV_DELETE_DENY },
	{ BER_BVNULL, 0 },
};

__attribute__((format(printf, 2, 3))) static int refused(ConfigArgs *c, const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(c->cr_msg, sizeof(c->cr_msg), "<%s> ", c->argv[0]);

	va_start(ap, fmt);
	vsnprintf(c->cr_msg + n, sizeof(c->cr_msg) - (size_t)n, fmt, ap);
	va_end(ap);
	Debug(LDAP_DEBUG_ANY, "%s: %s\n", c->log, c->cr_msg);
	return ARG_BAD_CONF;
}

/* In a file a keyword that has one value stands once. */
static int twice(ConfigArgs *c, const void *old)
{
	if (c->op != SLAP_CONFIG_ADD || !old)
		return 0;
	return refused(c, "is given twice for this database");
}

static void free_dn(struct berval *dn, struct berval *ndn)
{
	ch_free(dn->bv_val);
	ch_free(ndn->bv_val);
	BER_BVZERO(dn);
	BER_BVZERO(ndn);
}

static int add_dn(ConfigArgs *c, struct berval *dn, struct berval *ndn)
{
	struct berval bv, pretty = BER_BVNULL, normal = BER_BVNULL;
	int rc = twice(c, dn->bv_val);

	ber_str2bv(c->argv[1], 0, 0, &bv);
	if (rc == 0 && dnPrettyNormal(NULL, &bv, &pretty, &normal, NULL) != LDAP_SUCCESS)
		rc = refused(c, "\"%s\" is not a DN", c->argv[1]);
	if (rc == 0 && !c->be->be_nsuffix)
		rc = refused(c, "must come after the database's suffix");
	if (rc == 0 && !prov_scope_inside(c->be, &normal))
		rc = refused(c, "\"%s\" is outside this database's suffix", pretty.bv_val);
	for (BerVarray s = c->be->be_nsuffix; rc == 0 && !BER_BVISNULL(s); s++)
		if (dn_match(s, &normal))
			rc = refused(c, "\"%s\" is the suffix itself: name a subtree below it",
				s->bv_val);
	if (rc) {
		free_dn(&pretty, &normal);
		return rc;
	}
	free_dn(dn, ndn);
	*dn = pretty;
	*ndn = normal;
	return 0;
}

static int add_accounts(ConfigArgs *c, struct prov_instance *pi)
{
	struct prov_accounts one;
	char msg[SLAP_TEXT_BUFLEN];

	if (!c->be->be_nsuffix)
		return refused(c, "must come after the database's suffix");
	if (prov_scope_parse(c->be, c->argv[1], &one, msg, sizeof(msg)))
		return refused(c, "%s", msg);
	for (int i = 0; i < pi->naccounts; i++) {
		if (bvmatch(&pi->accounts[i].url, &one.url)) {
			prov_scope_dispose(&one);
			return refused(c, "\"%s\" is given twice", c->argv[1]);
		}
	}
	pi->accounts =
		ch_realloc(pi->accounts, ((size_t)pi->naccounts + 1) * sizeof(*pi->accounts));
	pi->accounts[pi->naccounts++] = one;
	return 0;
}

static void delete_accounts(ConfigArgs *c, struct prov_instance *pi)
{
	int at = c->valx;

	if (at < 0) {
		while (pi->naccounts)
			prov_scope_dispose(&pi->accounts[--pi->naccounts]);
		ch_free(pi->accounts);
		pi->accounts = NULL;
		return;
	}
	for (int i = 0; c->line && i < pi->naccounts; i++)
		if (strcmp(pi->accounts[i].url.bv_val, c->line) == 0)
			at = i;
	if (at >= pi->naccounts)
		return;
	prov_scope_dispose(&pi->accounts[at]);
	pi->naccounts--;
	memmove(&pi->accounts[at], &pi->accounts[at + 1],
		(size_t)(pi->naccounts - at) * sizeof(*pi->accounts));
}

static int add_path(ConfigArgs *c, struct prov_instance *pi, char **path)
{
	struct prov_error err = { 0, "" };
	struct prov_key *key = NULL;
	const char *value = c->argv[1];
	int rc = twice(c, *path);

	if (rc == 0 && *value != '/')
		rc = refused(c, "\"%s\" must be an absolute path", value);
	/* slapd's tools may run as somebody who is kept from the key */
	if (rc == 0 && path == &pi->key_file &&
		(!(slapMode & SLAP_TOOL_MODE) || access(value, R_OK) == 0) &&
		prov_key_load(value, true, &key, &err))
		rc = refused(c, "%s", err.text);
	prov_key_free(&key);
	if (rc)
		return rc;
	ch_free(*path);
	*path = ch_strdup(value);
	return 0;
}

static int add_on_delete(ConfigArgs *c, struct prov_instance *pi)
{
	int i = verb_to_mask(c->argv[1], on_delete_words);

	if (BER_BVISNULL(&on_delete_words[i].word))
		return refused(c, "\"%s\" is not allow, preserve or deny", c->argv[1]);
	pi->on_delete = (enum prov_on_delete)on_delete_words[i].mask;
	return 0;
}

static int add_flag(ConfigArgs *c, bool *flag)
{
	const char *v = c->argv[1];

	if (strcasecmp(v, "on") == 0 || strcasecmp(v, "true") == 0 || strcasecmp(v, "yes") == 0)
		*flag = true;
	else if (strcasecmp(v, "off") == 0 || strcasecmp(v, "false") == 0 ||
		strcasecmp(v, "no") == 0)
		*flag = false;
	else
		return refused(c, "\"%s\" is not on or off", v);
	return 0;
}

static int add_memberof(ConfigArgs *c, struct prov_instance *pi)
{
	bool flag = false;
	int rc = add_flag(c, &flag);

	if (rc == 0 && flag && prov_schema_need_memberof())
		rc = refused(c, "cannot use memberOf as it is defined here: see the log");
	if (rc == 0)
		pi->memberof = flag;
	return rc;
}

static int number(ConfigArgs *c, const char *text, const char *what, unsigned least, unsigned most,
	unsigned *out)
{
	char *end = NULL;

	errno = 0;
	unsigned long n = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || n < least || n > most)
		return refused(c, "%s \"%s\" is not a number from %u to %u", what, text, least,
			most);
	*out = (unsigned)n;
	return 0;
}

static int add_breaker(ConfigArgs *c, struct prov_instance *pi)
{
	unsigned count = 0, seconds = 0;
	int rc = number(c, c->argv[1], "count", 0, COUNT_MOST, &count);

	if (rc == 0)
		rc = number(c, c->argv[2], "seconds", 0, SECONDS_MOST, &seconds);
	if (rc == 0 && !count != !seconds)
		rc = refused(c, "\"%s %s\": both are 0 (no limit) or neither is", c->argv[1],
			c->argv[2]);
	if (rc)
		return rc;
	pi->breaker_count = count;
	pi->breaker_seconds = seconds;
	return 0;
}

static int add_checkpoint(ConfigArgs *c, struct prov_instance *pi)
{
	unsigned records = 0, seconds = 0;
	int rc = number(c, c->argv[1], "records", 1, RECORDS_MOST, &records);

	if (rc == 0)
		rc = number(c, c->argv[2], "seconds", 1, SECONDS_MOST, &seconds);
	if (rc)
		return rc;
	pi->checkpoint_records = records;
	pi->checkpoint_seconds = seconds;
	return 0;
}

static int add(ConfigArgs *c, struct prov_instance *pi)
{
	int wanted = c->type == BREAKER || c->type == CHECKPOINT ? 2 : 1;

	if (c->argc != wanted + 1)
		return refused(c, "takes %s, not %d", wanted == 2 ? "two numbers" : "one value",
			c->argc - 1);
	switch (c->type) {
	case POLICY:
		return add_dn(c, &pi->policy_dn, &pi->policy_ndn);
	case ACCOUNTS:
		return add_accounts(c, pi);
	case STATE:
		return add_path(c, pi, &pi->state_dir);
	case ON_DELETE:
		return add_on_delete(c, pi);
	case ARCHIVE:
		return add_dn(c, &pi->archive_dn, &pi->archive_ndn);
	case BREAKER:
		return add_breaker(c, pi);
	case MEMBEROF:
		return add_memberof(c, pi);
	case SESSIONS:
		return add_flag(c, &pi->sessions);
	case CHECKPOINT:
		return add_checkpoint(c, pi);
	case KEY:
		prov_apply_key_touched();
		return add_path(c, pi, &pi->key_file);
	default:
		return ARG_BAD_CONF;
	}
}

static int delete (ConfigArgs *c, struct prov_instance *pi)
{
	struct prov_instance usual = { 0 };

	prov_settings_default(&usual);
	switch (c->type) {
	case POLICY:
		free_dn(&pi->policy_dn, &pi->policy_ndn);
		break;
	case ACCOUNTS:
		delete_accounts(c, pi);
		break;
	case STATE:
		ch_free(pi->state_dir);
		pi->state_dir = NULL;
		break;
	case ON_DELETE:
		pi->on_delete = usual.on_delete;
		break;
	case ARCHIVE:
		free_dn(&pi->archive_dn, &pi->archive_ndn);
		break;
	case BREAKER:
		pi->breaker_count = usual.breaker_count;
		pi->breaker_seconds = usual.breaker_seconds;
		break;
	case MEMBEROF:
		pi->memberof = usual.memberof;
		break;
	case SESSIONS:
		pi->sessions = usual.sessions;
		break;
	case CHECKPOINT:
		pi->checkpoint_records = usual.checkpoint_records;
		pi->checkpoint_seconds = usual.checkpoint_seconds;
		break;
	case KEY:
		ch_free(pi->key_file);
		pi->key_file = NULL;
		break;
	default:
		return ARG_BAD_CONF;
	}
	return 0;
}

static int emit_dn(ConfigArgs *c, struct berval *dn, struct berval *ndn)
{
	if (BER_BVISNULL(dn))
		return 1;
	value_add_one(&c->rvalue_vals, dn);
	value_add_one(&c->rvalue_nvals, ndn);
	return 0;
}

static int emit_text(ConfigArgs *c, const char *text)
{
	struct berval bv;

	if (!text)
		return 1;
	ber_str2bv(text, 0, 0, &bv);
	value_add_one(&c->rvalue_vals, &bv);
	return 0;
}

static int emit_pair(ConfigArgs *c, unsigned a, unsigned b)
{
	char text[32];

	snprintf(text, sizeof(text), "%u %u", a, b);
	return emit_text(c, text);
}

static int emit(ConfigArgs *c, struct prov_instance *pi)
{
	switch (c->type) {
	case POLICY:
		return emit_dn(c, &pi->policy_dn, &pi->policy_ndn);
	case ACCOUNTS:
		for (int i = 0; i < pi->naccounts; i++)
			value_add_one(&c->rvalue_vals, &pi->accounts[i].url);
		return pi->naccounts == 0;
	case STATE:
		return emit_text(c, pi->state_dir);
	case ON_DELETE:
		return emit_text(c, on_delete_words[pi->on_delete].word.bv_val);
	case ARCHIVE:
		return emit_dn(c, &pi->archive_dn, &pi->archive_ndn);
	case BREAKER:
		return emit_pair(c, pi->breaker_count, pi->breaker_seconds);
	case MEMBEROF:
		return emit_text(c, pi->memberof ? "TRUE" : "FALSE");
	case SESSIONS:
		return emit_text(c, pi->sessions ? "TRUE" : "FALSE");
	case CHECKPOINT:
		return emit_pair(c, pi->checkpoint_records, pi->checkpoint_seconds);
	case KEY:
		return emit_text(c, pi->key_file);
	default:
		return 1;
	}
}

static int set(ConfigArgs *c)
{
	slap_overinst *on = (slap_overinst *)c->bi;
	struct prov_instance *pi = on->on_bi.bi_private;

	if (c->op == SLAP_CONFIG_EMIT)
		return emit(c, pi);
	int rc = prov_apply_begin(c, pi);
	if (rc)
		return rc;
	return c->op == LDAP_MOD_DELETE ? delete (c, pi) : add(c, pi);
}
