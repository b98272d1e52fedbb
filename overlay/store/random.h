/*
 * random.h - random bytes from the kernel (getrandom(2)).
 *
 * Not from OpenSSL: that keeps a generator in each thread, taken down when the thread ends.
 * slapd's pool threads end while the process is already ending, and then libcrypto's own
 * end frees the same memory (docs/slapd-notes.md).
 */
#ifndef PROV_RANDOM_H
#define PROV_RANDOM_H

#include <stddef.h>

int prov_random(void *out, size_t len); /* 0 or PROV_EIO */

#endif
