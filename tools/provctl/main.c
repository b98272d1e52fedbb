/* main.c - provctl: choose the command (command.c), run it, and say so when its output is lost. */
#include <locale.h>

#include "ctl.h"
#include "memory.h"

int main(int argc, char **argv)
{
	struct ctl c = { .opt = { .program = "provctl", .usage = "[options] COMMAND ..." } };
	const struct ctl_command *cmd = NULL;
	int operand = 0;
	prov_memory_or_end("provctl");
	setlocale(LC_CTYPE, "");
	int st = ctl_choose(&c, argc, argv, &cmd, &operand);
	if (cmd)
		st = cmd->run(&c, argc - operand, argv + operand);
	ctl_dispose(&c);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "provctl: cannot write the output\n");
		if (st == PROV_EXIT_OK || st == PROV_EXIT_FINDINGS)
			st = PROV_EXIT_CANNOT;
	}
	return st;
}
