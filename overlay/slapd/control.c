/*
 * control.c - registers the reason, plan, override and adopt controls. Their values: core/ask.h.
 *
 * slapd parses controls one by one, before the database is known; what depends on
 * two of them is checked by prov_control_check when the operation arrives. A response
 * control uses the plan's OID.
 */
#include "control.h"

#include "ask.h"
#include "convert.h"
#include "names.h"

/* Slots in o_ctrlflag and o_controls; constant once registered. */
static int cid[PROV_ASKS];

static char *reason_exops[] = { LDAP_EXOP_MODIFY_PASSWD, NULL };

static int parse(Operation *op, SlapReply *rs, LDAPControl *ctrl, enum prov_ask what)
{
	struct prov_val value = prov_bv(ctrl->ldctl_value);
	const char *fault = prov_ask_fault(what, op->o_ctrlflag[cid[what]] != SLAP_CONTROL_NONE,
		BER_BVISNULL(&ctrl->ldctl_value) ? NULL : &value);

	if (fault) {
		rs->sr_text = fault;
		return LDAP_PROTOCOL_ERROR;
	}
	/* lives as long as o_ctrls: until the operation ends */
	op->o_controls[cid[what]] = &ctrl->ldctl_value;
	op->o_ctrlflag[cid[what]] =
		ctrl->ldctl_iscritical ? SLAP_CONTROL_CRITICAL : SLAP_CONTROL_NONCRITICAL;
	return LDAP_SUCCESS;
}

static int parse_reason(Operation *op, SlapReply *rs, LDAPControl *ctrl)
{
	return parse(op, rs, ctrl, PROV_ASK_REASON);
}

static int parse_plan(Operation *op, SlapReply *rs, LDAPControl *ctrl)
{
	return parse(op, rs, ctrl, PROV_ASK_PLAN);
}

static int parse_override(Operation *op, SlapReply *rs, LDAPControl *ctrl)
{
	return parse(op, rs, ctrl, PROV_ASK_OVERRIDE);
}

static int parse_adopt(Operation *op, SlapReply *rs, LDAPControl *ctrl)
{
	return parse(op, rs, ctrl, PROV_ASK_ADOPT);
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
		{ PROV_CTL_REASON, SLAP_CTRL_UPDATE, reason_exops, parse_reason,
			&cid[PROV_ASK_REASON] },
		{ PROV_CTL_PLAN, SLAP_CTRL_UPDATE, NULL, parse_plan, &cid[PROV_ASK_PLAN] },
		{ PROV_CTL_OVERRIDE, SLAP_CTRL_UPDATE, NULL, parse_override,
			&cid[PROV_ASK_OVERRIDE] },
		{ PROV_CTL_ADOPT, SLAP_CTRL_MODIFY, NULL, parse_adopt, &cid[PROV_ASK_ADOPT] },
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

static bool given(Operation *op, enum prov_ask what)
{
	return op->o_ctrlflag[cid[what]] > SLAP_CONTROL_IGNORED;
}

struct berval prov_control_reason(Operation *op)
{
	struct berval none = BER_BVC("");

	return given(op, PROV_ASK_REASON) ? *(struct berval *)op->o_controls[cid[PROV_ASK_REASON]]
					  : none;
}

bool prov_control_plan(Operation *op)
{
	return given(op, PROV_ASK_PLAN);
}

bool prov_control_override(Operation *op)
{
	return given(op, PROV_ASK_OVERRIDE);
}

bool prov_control_adopt(Operation *op)
{
	return given(op, PROV_ASK_ADOPT);
}

LDAPControl *prov_control_plan_response(const char *json, size_t len)
{
	LDAPControl *ctrl = NULL;
	struct berval value = { .bv_val = (char *)json, .bv_len = len };

	if (ldap_control_create(PROV_CTL_PLAN, 0, &value, 1, &ctrl) != LDAP_SUCCESS)
		return NULL;
	return ctrl;
}
