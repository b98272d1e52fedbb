/*
 * memory.c - see memory.h.
 */
#include "memory.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"

static const char *name = "";

static void *must(size_t n)
{
	static const char text[] = ": out of memory\n";
	void *p = malloc(n ? n : 1);

	if (p)
		return p;
	/* with nothing that would need memory itself; when it cannot be said it ends all the same */
	if (write(STDERR_FILENO, name, strlen(name)) > 0)
		(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(PROV_EXIT_CANNOT);
}

void prov_memory_or_end(const char *program)
{
	name = program;
	json_set_alloc_funcs(must, free);
}
