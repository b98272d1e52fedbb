/*
 * logtext.c - makes one line of what goes into the log.
 */
#include "logtext.h"

#include <stdbool.h>

static bool is_control(unsigned char c)
{
	return c < 0x20 || c == 0x7f;
}

const char *prov_log_text(struct berval text, struct prov_logtext *room)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = 0, o = 0;

	if (!text.bv_val)
		return "";
	while (n < text.bv_len && !is_control((unsigned char)text.bv_val[n]))
		n++;
	if (n == text.bv_len)
		return text.bv_val;
	for (n = 0; n < text.bv_len && o + 4 < sizeof(room->text); n++) {
		unsigned char c = (unsigned char)text.bv_val[n];
		if (is_control(c)) {
			room->text[o++] = '\\';
			room->text[o++] = hex[c >> 4];
			c = (unsigned char)hex[c & 15];
		}
		room->text[o++] = (char)c;
	}
	room->text[o] = '\0';
	return room->text;
}
