/*
 * mask.h - a secret that a destination sends back, made unreadable. Pure.
 *
 * Some servers repeat what they were sent when they refuse it, and what they say is shown to
 * people and logged.
 */
#ifndef PROVD_MASK_H
#define PROVD_MASK_H

#include <stddef.h>

#define PROV_MASK_LEAST 4 /* bytes: shorter ones are no secrets, and every text has them */

/*
 * Put stars in the place of each occurrence of secret in text (len bytes), also where it is
 * written with the escapes of JSON or of URLs, and of a beginning of it at the end of the text,
 * which may have been cut off there. JSON stays JSON.
 */
void prov_mask(char *text, size_t len, const char *secret);

#endif
