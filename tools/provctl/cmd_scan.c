/*
 * cmd_scan.c - provctl scan: what has no owner, no reason or no end.
 *
 * Changes nothing in the directory. Looking is scan_run()'s, telling findings_out.h's.
 */
#include "findings_out.h"
#include "scan_options.h"

static int run(struct ctl *c, int argc, char **argv)
{
	struct findings found = { 0 };
	struct findings_out out;
	int st;
	(void)argv;
	if (argc > 1)
		return prov_options_misuse(&c->opt, "scan takes no operands");
	st = findings_out_begin(c, &out);
	if (!st)
		st = scan_run(c, &scan_options, &found);
	if (!st)
		st = findings_out_end(c, &out, &found);
	findings_out_dispose(&out);
	findings_dispose(&found);
	return st;
}

static const struct prov_option option[] = {
	{ NULL, 0, PROV_OPTION_TABLE, (void *)scan_option, NULL, NULL },
	{ NULL, 0, PROV_OPTION_TABLE, (void *)findings_option, NULL, NULL },
};

const struct ctl_command cmd_scan = {
	"scan",
	"[options] scan [--source KIND:PLACE?key=ATTR[&...]] [--target ...] [--check ID] ...",
	"find what has no owner, no reason or no end",
	"\nA source that is empty, broken or lacks too much is refused: exit status 3.\n",
	option,
	sizeof(option) / sizeof(option[0]),
	run,
};
