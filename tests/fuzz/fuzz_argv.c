/*
 * fuzz_argv.c - any words as provctl's command line, as a configuration file of options and as a
 * connector's command line: read whole, or refused.
 *
 * The first byte says what comes: 'p' words for provctl, each ended by a zero byte; 'f' a
 * file of options; anything else one line to be split into words.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "argv.h"
#include "ctl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_WORDS = 64 };

/* What is said to the user is of no interest here, and is a lot. */
static void swap_output(FILE **out, FILE **err)
{
	FILE *was_out = stdout, *was_err = stderr;
	stdout = *out;
	stderr = *err;
	*out = was_out;
	*err = was_err;
}

static void words(const char *data, size_t size)
{
	struct ctl c = { .opt = { .program = "provctl", .usage = "[options] COMMAND ..." } };
	const struct ctl_command *cmd = NULL;
	char *argv[MOST_WORDS + 2] = { "provctl" };
	char *text = malloc(size + 1);
	int argc = 1, operand = 0;

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = 0;
	for (char *at = text; at < text + size && argc <= MOST_WORDS; at += strlen(at) + 1)
		argv[argc++] = at;
	argv[argc] = NULL;
	int st = ctl_choose(&c, argc, argv, &cmd, &operand);
	if (cmd ? operand < 1 || operand >= argc || strcmp(argv[operand], cmd->name) != 0
		: st != PROV_EXIT_OK && st != PROV_EXIT_CANNOT)
		abort();
	/* the commands' own options live as long as the process, which normally reads one line */
	for (size_t i = 0; i < c.opt.n; i++)
		if (c.opt.option[i].kind == PROV_OPTION_LIST)
			*(struct prov_option_list *)c.opt.option[i].into =
				(struct prov_option_list){ 0, NULL };
	ctl_dispose(&c);
	free(text);
}

static void file(const char *data, size_t size)
{
	struct prov_common_options common;
	struct prov_option_list list = { 0, NULL };
	unsigned number = 0;
	bool flag = false;
	const struct prov_option table[] = {
		{ "flag", 'f', PROV_OPTION_FLAG, &flag, NULL, "a flag" },
		{ "number", 'n', PROV_OPTION_NUMBER, &number, "N", "a number" },
		{ "item", 'i', PROV_OPTION_LIST, &list, "ITEM", "more than one" },
	};
	struct prov_options o = { .program = "tool", .usage = "" };
	struct prov_error err = { 0 };
	char path[40];
	int fd = memfd_create("options", 0);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || prov_options_add(&o, table, 3) ||
		prov_options_add_common(&o, &common))
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (prov_options_read(&o, path, &err) && (!err.text[0] || !err.code))
		abort(); /* a refusal has a reason */
	for (size_t i = 0; i < list.n; i++)
		if (!list.item[i][0])
			abort(); /* an option that takes a value has one */
	prov_options_dispose(&o);
	close(fd);
}

static void line(const char *data, size_t size)
{
	char *text = strndup(data, size), **word = NULL;
	struct prov_error err = { 0 };

	if (!text)
		abort();
	if (prov_argv_split(text, &word, &err) ? !err.text[0] || word : !word || !word[0])
		abort();
	size_t sum = 0;
	for (size_t i = 0; word && word[i]; i++)
		sum += strlen(word[i]);
	if (sum > strlen(text))
		abort(); /* nothing is expanded */
	free(word);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	if (!nowhere && !(nowhere = fopen("/dev/null", "w")))
		abort();
	if (!size)
		return 0;
	FILE *out = nowhere, *err = nowhere;
	swap_output(&out, &err);
	if (*data == 'p')
		words((const char *)data + 1, size - 1);
	else if (*data == 'f')
		file((const char *)data + 1, size - 1);
	else
		line((const char *)data + 1, size - 1);
	swap_output(&out, &err);
	return 0;
}
