/*
 * argv.h - a command line into an argument vector, without a shell. Pure.
 *
 * Quoting is the shell's: blanks separate; '...' keeps everything; "..." keeps all
 * but \" and \\ ; a backslash outside of quotes keeps the next character. Nothing is
 * expanded: $ ` * ? ~ | ; & < > are ordinary characters, so no value can ever become
 * a command.
 */
#ifndef PROVD_ARGV_H
#define PROVD_ARGV_H

#include "error.h"

/* *out: NULL-terminated, one allocation, the caller's (free()). PROV_EINVAL names the
 * offset: quote not closed, backslash at the end, no word at all. */
int prov_argv_split(const char *line, char ***out, struct prov_error *err);

#endif
