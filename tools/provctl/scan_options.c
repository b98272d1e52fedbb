/* scan_options.c - see scan_options.h. */
#include "scan_options.h"

struct scan_options scan_options = { .max_missing = 20 };

const struct prov_option scan_option[] = {
	{ "source", 0, PROV_OPTION_TEXT, &scan_options.source, "csv:FILE?key=ATTR[&column=NAME]",
		"who should exist: accounts whose ATTR is not in the file are findings" },
	{ "check", 0, PROV_OPTION_LIST, &scan_options.check, "ID",
		"only this check; may be repeated" },
	{ "max-missing", 0, PROV_OPTION_NUMBER, &scan_options.max_missing, "PCT",
		"refuse a source that lacks more than this share of the known keys (20)" },
	{ NULL, 0, PROV_OPTION_FLAG, NULL, NULL, NULL },
};
