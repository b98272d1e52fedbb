/* uuid.h - UUID version 7 (RFC 9562, 5.7) from given time and randomness. Pure. */
#ifndef PROV_UUID_H
#define PROV_UUID_H

#include <stdint.h>

#define PROV_UUID_TEXT 37 /* with the terminator */

/* unix_ms: milliseconds since the epoch; rand: 10 random bytes. */
void prov_uuid7(uint64_t unix_ms, const unsigned char rand[10], char out[PROV_UUID_TEXT]);

/* As text (RFC 9562, 4), in lower case. */
void prov_uuid_text(const unsigned char id[16], char out[PROV_UUID_TEXT]);

#endif
