/*
 * uuid.c - UUIDv7: 48 bits of milliseconds, then version, variant and randomness.
 */
#include "uuid.h"

#include <stdio.h>
#include <string.h>

void prov_uuid_text(const unsigned char id[16], char out[PROV_UUID_TEXT])
{
	static const char hex[] = "0123456789abcdef";

	for (int i = 0, o = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[o++] = '-';
		out[o++] = hex[id[i] >> 4];
		out[o++] = hex[id[i] & 15];
	}
	out[PROV_UUID_TEXT - 1] = '\0';
}

void prov_uuid7(uint64_t unix_ms, const unsigned char rand[10], char out[PROV_UUID_TEXT])
{
	unsigned char u[16];

	for (int i = 0; i < 6; i++)
		u[i] = (unsigned char)(unix_ms >> (8 * (5 - i)));
	memcpy(u + 6, rand, 10);
	u[6] = (unsigned char)((u[6] & 0x0f) | 0x70);
	u[8] = (unsigned char)((u[8] & 0x3f) | 0x80);
	prov_uuid_text(u, out);
}
