/*
 * cmd_audit.c - provctl audit: chooses the subcommand, and owns the options of all of them.
 *
 * Needs no server when --state is given: the trail proves itself. Reading never
 * blocks slapd.
 */
#include <string.h>

#include "audit.h"

struct audit_args audit_arg;
#define arg audit_arg

static const struct prov_option option[] = {
	{ "key", 0, PROV_OPTION_TEXT, &arg.key, "PEM",
		"verify: public key that signed the checkpoints" },
	{ "against", 0, PROV_OPTION_TEXT, &arg.against, "ldap",
		"verify: do the accounts in the directory agree with the trail?" },
	{ "timestamps", 0, PROV_OPTION_FLAG, &arg.timestamps, NULL,
		"verify: do the timestamps of checkpoints hold?" },
	{ "tsa", 0, PROV_OPTION_TEXT, &arg.tsa, "URL",
		"stamp: timestamping authority (RFC 3161), http or https" },
	{ "tsa-ca", 0, PROV_OPTION_TEXT, &arg.tsa_ca, "PEM",
		"certificates that the authority's own must lead to" },
	{ "ca", 0, PROV_OPTION_TEXT, &arg.ca, "PEM",
		"stamp: certificates for https (default: the system's)" },
	{ "account", 0, PROV_OPTION_TEXT, &arg.account, "DN|UID", "only changes of this account" },
	{ "actor", 0, PROV_OPTION_TEXT, &arg.actor, "DN", "only changes by this identity" },
	{ "since", 0, PROV_OPTION_TEXT, &arg.since, "TIME",
		"from this time on (2026-11-24, 20261124120000Z, 12h, 7d)" },
	{ "until", 0, PROV_OPTION_TEXT, &arg.until, "TIME", "up to this time" },
	{ "change", 0, PROV_OPTION_TEXT, &arg.change, "ID", "this change, with all there is" },
	{ "group", 0, PROV_OPTION_TEXT, &arg.group, "DN", "only changes of this group's members" },
	{ "reason", 0, PROV_OPTION_TEXT, &arg.reason, "TEXT", "only with this in the reason" },
	{ "op", 0, PROV_OPTION_TEXT, &arg.op, "OP", "only this kind: add, delivery, policy, ..." },
	{ "connector", 0, PROV_OPTION_TEXT, &arg.connector, "NAME",
		"only what deliveries to this connector had to say" },
	{ "outcome", 0, PROV_OPTION_TEXT, &arg.outcome, "WORD",
		"only deliveries that were proven, delivered, unproven, dropped, ..." },
	{ "limit", 0, PROV_OPTION_NUMBER, &arg.limit, "N", "show: only the newest N" },
	{ "out", 0, PROV_OPTION_TEXT, &arg.out, "DIR",
		"evidence: directory for the pack, which must not be there; timestamps: their directory" },
	{ "format", 0, PROV_OPTION_TEXT, &arg.format, "F", "export: jsonl, csv, cef or cef1" },
};

static const struct {
	const char *name;
	int (*run)(struct ctl *c, int argc, char **argv);
} what[] = {
	{ "verify", audit_verify },
	{ "show", audit_show },
	{ "export", audit_export },
	{ "at", audit_at },
	{ "who", audit_who },
	{ "evidence", audit_evidence },
	{ "stamp", audit_stamp },
};

static int run(struct ctl *c, int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(what) / sizeof(what[0]); i++)
		if (!strcmp(argv[1], what[i].name))
			return what[i].run(c, argc - 2, argv + 2);
	return prov_options_misuse(&c->opt,
		"audit: want verify, show, export, at, who, evidence or stamp");
}

const struct ctl_command cmd_audit = {
	"audit",
	"[options] audit verify [--key PUBLIC.pem] [--against ldap] [--timestamps --tsa-ca FILE]\n"
	"[options] audit show [--account DN|UID] [--actor DN] [--since T] [--until T] ...\n"
	"[options] audit export [--format jsonl|csv|cef] [the same filters]\n"
	"[options] audit at TIME DN|UID\n"
	"[options] audit who TIME GROUP\n"
	"[options] audit evidence --since T --until T --out DIR [--key PUBLIC.pem]\n"
	"[options] audit stamp --tsa URL --tsa-ca FILE [--ca FILE]",
	"verify, read and export the trail; who had what, when",
	"\nverify exits with 1 and says where when the chain or a signature is broken.\n"
	"at: the access that an account had then. who: who was in a group then.\n"
	"With --state DIR no server is needed, but for --against ldap.\n",
	option,
	sizeof(option) / sizeof(option[0]),
	run,
};
