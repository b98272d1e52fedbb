/*
 * module.c - what slapd finds when it loads the module.
 *
 * Registers and returns; starts nothing. It refuses another slapd than the one it was
 * built for, because the structures it shares with slapd differ between versions.
 */
#include "acting.h"
#include "config.h"
#include "control.h"
#include "hooks.h"
#include "schema.h"

slap_overinst prov_overlay;

int init_module(int argc, char *argv[]);

/* "... slapd 2.5.13+dfsg-5 (date)": is it the release of our headers? */
static bool right_slapd(void)
{
	static const char ours[] = OPENLDAP_VERSION;
	const char *p = strstr(Versionstr, "slapd ");

	if (!p || strncmp(p + 6, ours, sizeof(ours) - 1) != 0)
		return false;
	char next = p[6 + sizeof(ours) - 1];
	return next != '.' && (next < '0' || next > '9');
}

static void fill(void)
{
	BackendInfo *bi = &prov_overlay.on_bi;

	bi->bi_type = "provision";
	bi->bi_flags = SLAPO_BFLAG_SINGLE | SLAPO_BFLAG_DBONLY;
	bi->bi_cf_ocs = prov_config_ocs;
	bi->bi_db_init = prov_db_init;
	bi->bi_db_open = prov_db_open;
	bi->bi_db_close = prov_db_close;
	bi->bi_db_destroy = prov_db_destroy;
	bi->bi_op_add = prov_op_add;
	bi->bi_op_modify = prov_op_modify;
	bi->bi_op_modrdn = prov_op_modrdn;
	bi->bi_op_delete = prov_op_delete;
	bi->bi_op_bind = prov_op_bind;
	bi->bi_op_search = prov_op_search;
	bi->bi_op_compare = prov_op_compare;
	bi->bi_connection_destroy = prov_acting_forget;
	bi->bi_extended = prov_op_extended;
	bi->bi_entry_get_rw = prov_op_entry_get;
	prov_overlay.on_response = prov_op_response;
}

/* The one argument of moduleload. */
static int read_arguments(int argc, char *argv[], bool *memberof)
{
	*memberof = true;
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "without-memberof") != 0) {
			Debug(LDAP_DEBUG_ANY,
				"provision: unknown module argument \"%s\": the only one is without-memberof\n",
				argv[i]);
			return -1;
		}
		*memberof = false;
	}
	return 0;
}

__attribute__((visibility("default"))) int init_module(int argc, char *argv[])
{
	bool memberof;

	if (!right_slapd()) {
		Debug(LDAP_DEBUG_ANY,
			"provision: this module was built for slapd %s, and this is \"%s\": install the module that was "
			"built for it, or build it again with this version's headers (make deps all)\n",
			OPENLDAP_VERSION, Versionstr);
		return -1;
	}
	if (read_arguments(argc, argv, &memberof) || prov_schema_register() ||
		(memberof && prov_schema_offer_memberof()) || prov_control_register())
		return -1;
	if (config_register_schema(prov_config_table, prov_config_ocs)) {
		Debug(LDAP_DEBUG_ANY, "provision: cannot register the schema of cn=config\n");
		return -1;
	}
	fill();
	return overlay_register(&prov_overlay);
}
