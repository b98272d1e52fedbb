/*
 * schema_defs.h - every attribute type and class of ours, as text.
 *
 * Included by schema.c alone. schema/provision.schema and provision.ldif hold the
 * same definitions for servers without the module, and schema/OIDS.md says which number is
 * whose; a test compares them. A number is never used again.
 */
#ifndef PROV_SLAPD_SCHEMA_DEFS_H
#define PROV_SLAPD_SCHEMA_DEFS_H

#include "schema.h"

#include <stdbool.h>

#include "names.h"

#define AT(number, name, desc, rest) \
	"( " PROV_OID ".1." number " NAME '" name "' DESC '" desc "' " rest " )"
#define OC(number, name, desc, rest) \
	"( " PROV_OID ".2." number " NAME '" name "' DESC '" desc "' SUP top " rest " )"

#define SINGLE " SINGLE-VALUE"
#define OPERATIONAL " NO-USER-MODIFICATION USAGE directoryOperation"
#define MONITOR " NO-USER-MODIFICATION USAGE dSAOperation"

#define SYNTAX "SYNTAX 1.3.6.1.4.1.1466.115.121.1."
#define DN "EQUALITY distinguishedNameMatch " SYNTAX "12"
#define WORD "EQUALITY caseIgnoreMatch " SYNTAX "15"
#define TEXT "EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch " SYNTAX "15"
#define EXACT "EQUALITY caseExactMatch SUBSTR caseExactSubstringsMatch " SYNTAX "15"
#define INTEGER "EQUALITY integerMatch ORDERING integerOrderingMatch " SYNTAX "27"
#define BOOLEAN "EQUALITY booleanMatch " SYNTAX "7"
#define TIME "EQUALITY generalizedTimeMatch ORDERING generalizedTimeOrderingMatch " SYNTAX "24"
#define UUID "EQUALITY UUIDMatch ORDERING UUIDOrderingMatch SYNTAX 1.3.6.1.1.16.1"

static const struct {
	const char *def;
	AttributeDescription **ad;
} types[] = {
	/* roles */
	{ AT("1", "provStatus", "Status of a role: draft, active or retired", WORD SINGLE),
		&prov_ad.status },
	{ AT("2", "provAssignFilter", "LDAP filter: an account that matches has the role", EXACT),
		&prov_ad.assignFilter },
	{ AT("3", "provInclude", "Role that this role contains", DN), &prov_ad.include },
	{ AT("4", "provTemplate", "Mode, attribute and expression of a value that the role gives",
		  EXACT),
		&prov_ad.template_ },
	{ AT("5", "provGroup", "Group that the role grants", DN), &prov_ad.group },
	{ AT("6", "provEntitlement", "Opaque right in a connected system", EXACT),
		&prov_ad.entitlement },
	{ AT("7", "provRisk", "Risk of a role, 0 to 100", INTEGER SINGLE), &prov_ad.risk },
	{ AT("8", "provMaxMembers", "Most accounts that may have the role", INTEGER SINGLE),
		&prov_ad.maxMembers },
	{ AT("9", "provConflict", "Role that must not be held together with this one", DN),
		&prov_ad.conflict },
	{ AT("10", "provPrerequisite", "Role that must be held before this one", DN),
		&prov_ad.prerequisite },
	{ AT("11", "provApprover", "Who approves this role", DN), &prov_ad.approver },
	/* accounts: for people and applications to write */
	{ AT("12", "provAssignedRole", "Role given explicitly", DN), &prov_ad.assignedRole },
	{ AT("13", "provTimedRole", "Role given for a time: from, until, DN of the role", TEXT),
		&prov_ad.timedRole },
	{ AT("14", "provState",
		  "State of the account: pending, active, suspended, terminated or archived",
		  WORD SINGLE),
		&prov_ad.state },
	{ AT("15", "provStartTime", "When the account becomes active", TIME SINGLE),
		&prov_ad.startTime },
	{ AT("16", "provEndTime", "When the account ends", TIME SINGLE), &prov_ad.endTime },
	{ AT("17", "provSource", "Authoritative source of the account", TEXT SINGLE),
		&prov_ad.source },
	{ AT("18", "provSourceKey", "Key of the record in the authoritative source", EXACT SINGLE),
		&prov_ad.sourceKey },
	{ AT("19", "provType", "Kind of account: person, service, shared or admin", WORD SINGLE),
		&prov_ad.type },
	{ AT("20", "provException", "Thing a role gives that was taken away by hand", EXACT),
		&prov_ad.exception },
	/* accounts: set by the overlay alone */
	{ AT("21", "provEffectiveRole", "Role in force", DN OPERATIONAL), &prov_ad.effectiveRole },
	{ AT("22", "provGrant", "Thing given: what, by which role, since when, by which change",
		  EXACT OPERATIONAL),
		&prov_ad.grant },
	{ AT("23", "provStateSince", "Since when the account is in its state",
		  TIME SINGLE OPERATIONAL),
		&prov_ad.stateSince },
	{ AT("63", "provDue", "When time alone will change the account next",
		  TIME SINGLE OPERATIONAL),
		&prov_ad.due },
	{ AT("24", "provChangeId", "Id of the last change", UUID SINGLE OPERATIONAL),
		&prov_ad.changeId },
	{ AT("25", "provChangeTime", "Time of the last change", TIME SINGLE OPERATIONAL),
		&prov_ad.changeTime },
	{ AT("26", "provChangeBy", "Authorized identity of the last change", DN SINGLE OPERATIONAL),
		&prov_ad.changeBy },
	{ AT("27", "provChangeAuth",
		  "Authenticated identity of the last change, when it is another",
		  DN SINGLE OPERATIONAL),
		&prov_ad.changeAuth },
	{ AT("28", "provChangeFrom", "Peer that asked for the last change",
		  TEXT SINGLE OPERATIONAL),
		&prov_ad.changeFrom },
	{ AT("29", "provChangeVia", "Mechanism, TLS and strength of the last change",
		  TEXT SINGLE OPERATIONAL),
		&prov_ad.changeVia },
	{ AT("30", "provChangeReason", "Reason given with the last change",
		  TEXT SINGLE OPERATIONAL),
		&prov_ad.changeReason },
	{ AT("31", "provCreateId", "Id of the change that made the account",
		  UUID SINGLE OPERATIONAL),
		&prov_ad.createId },
	{ AT("32", "provCreateTime", "Time of the change that made the account",
		  TIME SINGLE OPERATIONAL),
		&prov_ad.createTime },
	{ AT("33", "provCreateBy", "Authorized identity of the change that made the account",
		  DN SINGLE OPERATIONAL),
		&prov_ad.createBy },
	{ AT("34", "provCreateAuth", "Authenticated identity of that change, when it is another",
		  DN SINGLE OPERATIONAL),
		&prov_ad.createAuth },
	{ AT("35", "provCreateFrom", "Peer that asked for the account", TEXT SINGLE OPERATIONAL),
		&prov_ad.createFrom },
	{ AT("36", "provCreateVia",
		  "Mechanism, TLS and strength of the change that made the account",
		  TEXT SINGLE OPERATIONAL),
		&prov_ad.createVia },
	{ AT("37", "provCreateReason", "Reason given when the account was made",
		  TEXT SINGLE OPERATIONAL),
		&prov_ad.createReason },
	/* pools */
	{ AT("38", "provPoolNext", "Next number of the pool", INTEGER SINGLE), &prov_ad.poolNext },
	{ AT("39", "provPoolMax", "Last number of the pool", INTEGER SINGLE), &prov_ad.poolMax },
	{ AT("40", "provPoolRange", "Numbers of one server: serverID, next, last", WORD),
		&prov_ad.poolRange },
	/* separation of duties */
	{ AT("41", "provSodRole", "Role of the set", DN), &prov_ad.sodRole },
	{ AT("42", "provSodLimit", "Most roles of the set that one account may have",
		  INTEGER SINGLE),
		&prov_ad.sodLimit },
	/* connectors */
	{ AT("43", "provConnectorType", "Kind of connector", WORD SINGLE), &prov_ad.connectorType },
	{ AT("44", "provTarget", "URI or command line of the connected system", EXACT SINGLE),
		&prov_ad.target },
	{ AT("45", "provEvent", "Pattern of the event types that are wanted", EXACT),
		&prov_ad.event },
	{ AT("46", "provFilter", "LDAP filter of the accounts that are wanted", EXACT SINGLE),
		&prov_ad.filter },
	{ AT("47", "provAttribute", "Attribute whose values may leave", WORD), &prov_ad.attribute },
	{ AT("48", "provSecretFile", "File that holds the secret", EXACT SINGLE),
		&prov_ad.secretFile },
	{ AT("49", "provEnabled", "Whether the connector is used", BOOLEAN SINGLE),
		&prov_ad.enabled },
	{ AT("50", "provTimeout", "Seconds that one attempt may take", INTEGER SINGLE),
		&prov_ad.timeout },
	{ AT("51", "provMaxAttempts", "Attempts before an event is parked", INTEGER SINGLE),
		&prov_ad.maxAttempts },
	{ AT("52", "provMaxAge", "Seconds before an event is parked", INTEGER SINGLE),
		&prov_ad.maxAge },
	{ AT("53", "provConcurrency", "Accounts whose events are delivered at the same time",
		  INTEGER SINGLE),
		&prov_ad.concurrency },
	{ AT("62", "provOption", "Setting of this kind of connector: name=value", EXACT),
		&prov_ad.option },
	/* cn=Monitor */
	{ AT("54", "provMonitorFollowPending", "Accounts that still have to follow a policy change",
		  INTEGER SINGLE MONITOR),
		&prov_ad.monFollowPending },
	{ AT("55", "provMonitorFollowDone", "Accounts that have followed the policy change",
		  INTEGER SINGLE MONITOR),
		&prov_ad.monFollowDone },
	{ AT("56", "provMonitorFollowTotal", "Accounts that the policy change touches",
		  INTEGER SINGLE MONITOR),
		&prov_ad.monFollowTotal },
	{ AT("57", "provMonitorBacklog", "Changes that are not in the trail yet",
		  INTEGER SINGLE MONITOR),
		&prov_ad.monBacklog },
	{ AT("58", "provMonitorPolicyGeneration", "How often the policy in force was replaced",
		  INTEGER SINGLE MONITOR),
		&prov_ad.monPolicyGeneration },
	{ AT("59", "provMonitorPolicyError", "Why there is no policy in force",
		  TEXT SINGLE MONITOR),
		&prov_ad.monPolicyError },
	{ AT("60", "provMonitorRelayed", "Changes taken into the trail", INTEGER SINGLE MONITOR),
		&prov_ad.monRelayed },
	{ AT("61", "provMonitorInfo", "What an administrator should know", TEXT MONITOR),
		&prov_ad.monInfo },
};

/*
 * `later` names attributes of schema files that may not be loaded when the module
 * is: cn=config reads cn=module before cn=schema.
 */
static struct {
	const char *def, *later[3];
	ObjectClass **oc;
	bool hidden;
} classes[] = {
	{ OC("1", "provRole", "Role: who has it and what it gives",
		  "STRUCTURAL MUST cn MAY ( description $ provStatus $ provAssignFilter $ provInclude $ "
		  "provTemplate $ provGroup $ provEntitlement $ provRisk $ provMaxMembers $ "
		  "provConflict $ provPrerequisite $ provApprover )"),
		{ "owner" }, &prov_ad.oc_role, false },
	{ OC("2", "provAccount", "Account whose provisioning this directory does",
		  "AUXILIARY MAY ( provAssignedRole $ provTimedRole $ provState $ provStartTime $ "
		  "provEndTime $ provSource $ provSourceKey $ provType $ provException $ "
		  "provEffectiveRole $ provGrant $ provStateSince $ provDue $ provChangeId $ provChangeTime $ "
		  "provChangeBy $ provChangeAuth $ provChangeFrom $ provChangeVia $ provChangeReason $ "
		  "provCreateId $ provCreateTime $ provCreateBy $ provCreateAuth $ provCreateFrom $ "
		  "provCreateVia $ provCreateReason )"),
		{ "owner", "manager" }, &prov_ad.oc_account, false },
	{ OC("3", "provPool", "Pool of numbers",
		  "STRUCTURAL MUST cn MAY ( description $ provPoolNext $ provPoolMax $ provPoolRange )"),
		{ NULL }, &prov_ad.oc_pool, false },
	{ OC("4", "provSodSet", "Roles that one account must not have too many of",
		  "STRUCTURAL MUST cn MAY ( description $ provSodRole $ provSodLimit )"),
		{ NULL }, &prov_ad.oc_sodset, false },
	{ OC("5", "provConnector", "Connected system that hears of events",
		  "STRUCTURAL MUST cn MAY ( description $ provConnectorType $ provTarget $ provEvent $ "
		  "provFilter $ provAttribute $ provSecretFile $ provEnabled $ provTimeout $ "
		  "provMaxAttempts $ provMaxAge $ provConcurrency $ provOption )"),
		{ NULL }, &prov_ad.oc_connector, false },
	{ OC("6", "provMonitor", "Figures of the overlay under cn=Monitor",
		  "AUXILIARY MAY ( provMonitorFollowPending $ provMonitorFollowDone $ "
		  "provMonitorFollowTotal $ provMonitorBacklog $ provMonitorPolicyGeneration $ "
		  "provMonitorPolicyError $ provMonitorRelayed $ provMonitorInfo )"),
		{ NULL }, &prov_ad.oc_monitor, true },
};

#endif
