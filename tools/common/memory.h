/*
 * memory.h - for a program of ours that may end at any time: it does, where jansson has no memory.
 *
 * jansson goes on in several places when it gets none (json_dumps() may then leave out a name, a
 * setter's answer is easily overlooked), and a text without a part would be delivered as if it were
 * whole. What is under way is done again after a restart, as after kill -9. Not for slapd: there
 * core/json.h refuses.
 */
#ifndef PROV_MEMORY_H
#define PROV_MEMORY_H

/* Once, before anything is made of JSON. program: a literal, said in front of "out of memory" on
 * standard error; the exit status is PROV_EXIT_CANNOT then, and nothing registered with atexit() is done. */
void prov_memory_or_end(const char *program);

#endif
