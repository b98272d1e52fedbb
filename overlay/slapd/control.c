/*
 * control.c - parses the reason, plan, override and adopt controls.
 *
 * slapd parses controls one by one, before the database is known; what depends on
 * two of them is checked by prov_control_check when the operation arrives. A response
 * control uses the plan's OID.
 */
#include "control.h"

#include "names.h"

#define REASON_MOST 1024 /* bytes */

/* Slots in o_ctrlflag and o_controls; constant once registered. */
static int reason_cid, plan_cid, override_cid, adopt_cid;

static char *reason_exops[] = { LDAP_EXOP_MODIFY_PASSWD, NULL };

static char flag(const LDAPControl *ctrl)
{
	return ctrl->ldctl_iscritical ? SLAP_CONTROL_CRITICAL : SLAP_CONTROL_NONCRITICAL;
}

/* Text that can be kept in a Directory String and shown on one line. */
static bool is_text(const struct berval *v)
{
	Syntax *directory_string = slap_schema.si_ad_description->ad_type->sat_syntax;
	struct berval copy = *v;

	for (ber_len_t i = 0; i < v->bv_len; i++)
		if ((unsigned char)v->bv_val[i] < 0x20 || v->bv_val[i] == 0x7f)
			return false;
	return directory_string->ssyn_validate(directory_string, &copy) == LDAP_SUCCESS;
}

static int parse_reason(Operation *op, SlapReply *rs, LDAPControl *ctrl)
{
	struct berval *v = &ctrl->ldctl_value;

	if (op->o_ctrlflag[reason_cid] != SLAP_CONTROL_NONE) {
		rs->sr_text = "reason control given more than once";
		return LDAP_PROTOCOL_ERROR;
	}
	if (BER_BVISEMPTY(v)) {
		rs->sr_text = "reason control without a text";
		return LDAP_PROTOCOL_ERROR;
	}
	if (v->bv_len > REASON_MOST) {
		rs->sr_text = "reason control's text is longer than 1024 bytes";
		return LDAP_PROTOCOL_ERROR;
	}
	if (!is_text(v)) {
		rs->sr_text = "reason control's value is not UTF-8 text on one line";
		return LDAP_PROTOCOL_ERROR;
	}
	op->o_controls[reason_cid] = v; /* lives as long as o_ctrls: until the operation ends */
	op->o_ctrlflag[reason_cid] = flag(ctrl);
	return LDAP_SUCCESS;
}

static int parse_bare(Operation *op, SlapReply *rs, LDAPControl *ctrl, int cid, const char *twice,
	const char *value)
{
	if (op->o_ctrlflag[cid] != SLAP_CONTROL_NONE) {
		rs->sr_text = twice;
		return LDAP_PROTOCOL_ERROR;
	}
	if (!BER_BVISNULL(&ctrl->ldctl_value)) {
		rs->sr_text = value;
		return LDAP_PROTOCOL_ERROR;
	}
	op->o_ctrlflag[cid] = flag(ctrl);
	return LDAP_SUCCESS;
}

static int parse_plan(Operation *op, SlapReply *rs, LDAPControl *ctrl)
{
	return parse_bare(op, rs, ctrl, plan_cid, "plan control given more than once",
		"plan control takes no value");
}

static int parse_override(Operation *op, SlapReply *rs, LDAPControl *ctrl)
{
	return parse_bare(op, rs, ctrl, override_cid, "override control given more than once",
		"override control takes no value");
}

static int parse_adopt(Operation *op, SlapReply *rs, LDAPControl *ctrl)
{
	return parse_bare(op, rs, ctrl, adopt_cid, "adopt control given more than once",
		"adopt control takes no value");
}

int prov_control_register(void)
{
	static const struct {
		const char *oid;
		slap_mask_t operations;
		char **exops;
		SLAP_CTRL_PARSE_FN *parse;
		int *cid;
	} row[] = {
		{ PROV_CTL_REASON, SLAP_CTRL_UPDATE, reason_exops, parse_reason, &reason_cid },
		{ PROV_CTL_PLAN, SLAP_CTRL_UPDATE, NULL, parse_plan, &plan_cid },
		{ PROV_CTL_OVERRIDE, SLAP_CTRL_UPDATE, NULL, parse_override, &override_cid },
		{ PROV_CTL_ADOPT, SLAP_CTRL_MODIFY, NULL, parse_adopt, &adopt_cid },
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		int rc = register_supported_control2(row[i].oid, row[i].operations, row[i].exops,
			row[i].parse, 0, row[i].cid);
		if (rc != LDAP_SUCCESS) {
			Debug(LDAP_DEBUG_ANY, "provision: cannot register control %s: %s\n",
				row[i].oid, ldap_err2string(rc));
			return -1;
		}
	}
	return 0;
}

static const char *const controls[] = { PROV_CTL_REASON, PROV_CTL_PLAN, PROV_CTL_OVERRIDE,
	PROV_CTL_ADOPT };

#define CONTROLS (sizeof(controls) / sizeof(controls[0]))

int prov_control_attach(BackendDB *be)
{
	for (size_t i = 0; i < CONTROLS; i++) {
		int rc = overlay_register_control(be, controls[i]);
		if (rc)
			return rc;
	}
	return 0;
}

void prov_control_detach(BackendDB *be)
{
	for (size_t i = 0; i < CONTROLS; i++)
		overlay_unregister_control(be, controls[i]);
}

const char *prov_control_check(Operation *op)
{
	if (prov_control_plan(op) && !op->o_noop)
		return "plan control without the no-op control";
	return NULL;
}

struct berval prov_control_reason(Operation *op)
{
	struct berval none = BER_BVC("");

	if (op->o_ctrlflag[reason_cid] <= SLAP_CONTROL_IGNORED || !op->o_controls[reason_cid])
		return none;
	return *(struct berval *)op->o_controls[reason_cid];
}

bool prov_control_plan(Operation *op)
{
	return op->o_ctrlflag[plan_cid] > SLAP_CONTROL_IGNORED;
}

bool prov_control_override(Operation *op)
{
	return op->o_ctrlflag[override_cid] > SLAP_CONTROL_IGNORED;
}

bool prov_control_adopt(Operation *op)
{
	return op->o_ctrlflag[adopt_cid] > SLAP_CONTROL_IGNORED;
}

LDAPControl *prov_control_plan_response(const char *json, size_t len)
{
	LDAPControl *ctrl = NULL;
	struct berval value = { .bv_val = (char *)json, .bv_len = len };

	if (ldap_control_create(PROV_CTL_PLAN, 0, &value, 1, &ctrl) != LDAP_SUCCESS)
		return NULL;
	return ctrl;
}
