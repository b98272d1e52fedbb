/*
 * latin.h - text of ASCII and of Latin letters with marks, folded from a table.
 *
 * A person's name in Europe has letters of U+0080 to U+02FF, and composing Unicode's forms for
 * each name of a million costs more than all else that is done with them. None of these characters
 * combines with its neighbours (the marks begin at U+0300), so that each one's form, asked of
 * libunistring once, is its form in every text.
 */
#ifndef PROV_LATIN_H
#define PROV_LATIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum prov_latin {
	PROV_LATIN_TEXT, /* case folded, NFKC; spaces as they are */
	PROV_LATIN_NAME, /* case folded, NFKD, and of that the letters and digits */
};

/*
 * Into out, *n bytes of at most room, not terminated. False: there are other characters, bytes that are
 * not UTF-8, or more than room. Any thread.
 */
bool prov_latin_fold(enum prov_latin form, const char *s, size_t len, char *out, size_t room,
	size_t *n);

/* What a name keeps of decomposed UTF-8: letters and digits, in place. Returns how many bytes. */
size_t prov_latin_letters(uint8_t *s, size_t len);

#endif
