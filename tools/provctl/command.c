/*
 * command.c - from a command line to a command and its options. See ctl.h.
 *
 * Owns the table of commands. A command's own options are known only once the
 * command is, so argv is looked through twice: once for the command's name, once for all.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl.h"

static const struct ctl_command *const command[] = {
	&cmd_status,
	&cmd_explain,
	&cmd_plan,
	&cmd_scan,
	&cmd_audit,
	&cmd_outbox,
	&cmd_adopt,
	&cmd_connector,
	&cmd_role,
	&cmd_sync,
	&cmd_review,
};
enum { NCOMMAND = sizeof(command) / sizeof(command[0]) };

static const struct ctl_command *by_name(const char *name)
{
	for (size_t i = 0; i < NCOMMAND; i++)
		if (!strcmp(command[i]->name, name))
			return command[i];
	return NULL;
}

static bool takes_argument(const struct prov_option *o)
{
	return o->kind != PROV_OPTION_FLAG && o->kind != PROV_OPTION_COUNT;
}

/* Does this word ("-H", "--state") take the next one as its argument? */
static bool eats_next(const struct prov_options *opt, const char *word)
{
	bool is_long = word[1] == '-';
	if (is_long && strchr(word, '='))
		return false;
	for (size_t i = 0; i < opt->n; i++) {
		const struct prov_option *o = &opt->option[i];
		if (is_long ? o->name && !strcmp(o->name, word + 2) && takes_argument(o)
			    : o->letter && o->letter == word[1] && takes_argument(o) && !word[2])
			return true;
	}
	return false;
}

static const struct ctl_command *find_command(const struct prov_options *opt, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] != '-' || !argv[i][1]) {
			const struct ctl_command *cmd = by_name(argv[i]);
			if (cmd)
				return cmd;
		} else if (eats_next(opt, argv[i])) {
			i++;
		}
	}
	return NULL;
}

/* "COMMAND [...]" lines for the general help. */
static char *all_commands(void)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	if (!f)
		return NULL;
	fputs("\nCommands (provctl COMMAND --help says more):\n", f);
	for (size_t i = 0; i < NCOMMAND; i++)
		fprintf(f, "  %-10s %s\n", command[i]->name, command[i]->help);
	fputs("\nExit status: 0 fine, 1 findings or a failed check, 2 usage or cannot run, "
	      "3 refused by a safety guard.\n",
		f);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

static int set_up(struct ctl *c)
{
	const struct prov_option own[] = {
		{ "json", 0, PROV_OPTION_FLAG, &c->json, NULL, "JSON Lines, for programs" },
		{ "policy", 0, PROV_OPTION_TEXT, &c->policy_opt, "DN",
			"subtree of the roles, when cn=config cannot be read" },
		{ "accounts", 0, PROV_OPTION_LIST, &c->accounts_opt, "URL",
			"which entries are accounts, when cn=config cannot be read" },
	};
	return prov_options_add_common(&c->opt, &c->common) ||
		prov_options_add(&c->opt, own, sizeof(own) / sizeof(own[0]));
}

int ctl_choose(struct ctl *c, int argc, char **argv, const struct ctl_command **out, int *operand)
{
	const struct ctl_command *cmd;
	char *tail = NULL;
	int rc;
	*out = NULL;
	if (set_up(c))
		return ctl_nomem();
	cmd = find_command(&c->opt, argc, argv);
	if (cmd) {
		c->opt.usage = cmd->usage;
		c->opt.tail = cmd->tail;
		if (cmd->noption && prov_options_add(&c->opt, cmd->option, cmd->noption))
			return ctl_nomem();
	} else {
		tail = all_commands();
		c->opt.tail = tail;
	}
	rc = prov_options_parse(&c->opt, argc, argv, operand);
	if (rc)
		rc = rc > 0 ? PROV_EXIT_OK : PROV_EXIT_CANNOT;
	else if (*operand >= argc)
		rc = prov_options_misuse(&c->opt, "no command given");
	else if (!cmd || strcmp(argv[*operand], cmd->name))
		rc = prov_options_misuse(&c->opt, "no such command: %s", argv[*operand]);
	else
		*out = cmd;
	free(tail);
	c->opt.tail = NULL;
	return rc;
}
