/*
 * lmdb_stderr.c - the stream that our private LMDB complains to.
 *
 * Debian's liblmdb.a is not position independent in one place: where a failed
 * assertion is printed it refers to libc's stderr directly, and that cannot be put
 * into a module. The Makefile gives that one reference the name below.
 */
#include <stdio.h>

extern FILE *prov_lmdb_stderr;
FILE *prov_lmdb_stderr;

__attribute__((constructor)) static void set_stream(void)
{
	prov_lmdb_stderr = stderr;
}
