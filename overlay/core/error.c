/*
 * error.c - texts for people. Never fails: what does not fit is cut.
 *
 * A text often quotes bytes of a client and ends up in a log line and in an LDAP
 * diagnostic message (UTF-8, RFC 4511, 4.1.9), so it is made one line of UTF-8 here.
 */
#include "error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistr.h>

/* '?' for control characters and for what is not UTF-8. A character that was cut at the
 * end goes altogether. */
static void clean(char *text, bool cut)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n;) {
		ucs4_t c;
		int step = u8_mbtoucr(&c, (const uint8_t *)text + i, n - i);
		if (step == -2 && cut) {
			text[i] = '\0';
			return;
		}
		if (step < 1 || c < 0x20 || c == 0x7f)
			text[i] = '?';
		i += step < 1 ? 1 : (size_t)step;
	}
}

int prov_error_set(struct prov_error *err, int code, const char *fmt, ...)
{
	if (err) {
		va_list ap;
		char text[sizeof(err->text)] = ""; /* fmt's arguments may be err's own text */
		va_start(ap, fmt);
		int n = vsnprintf(text, sizeof(text), fmt, ap);
		va_end(ap);
		clean(text, n >= (int)sizeof(text));
		memcpy(err->text, text, sizeof(text));
		err->code = code;
	}
	return code;
}

int prov_error_prefix(struct prov_error *err, const char *fmt, ...)
{
	char head[sizeof(err->text)];
	va_list ap;

	if (!err)
		return 0;
	va_start(ap, fmt);
	vsnprintf(head, sizeof(head), fmt, ap);
	va_end(ap);
	clean(head, true);
	size_t n = strlen(head), left, old = strlen(err->text);
	bool cut = false;
	if (n + 3 > sizeof(head))
		return err->code; /* no room for both: what is there says more */
	left = sizeof(err->text) - n - 3;
	if (old > left) {
		old = left;
		cut = true;
	}
	memmove(err->text + n + 2, err->text, old);
	memcpy(err->text, head, n);
	memcpy(err->text + n, ": ", 2);
	err->text[n + 2 + old] = '\0';
	clean(err->text, cut);
	return err->code;
}

const char *prov_strerror(int code)
{
	switch (code) {
	case PROV_OK:
		return "no error";
	case PROV_ENOMEM:
		return "out of memory";
	case PROV_EINVAL:
		return "invalid input";
	case PROV_ENOENT:
		return "not found";
	case PROV_EEXIST:
		return "already exists";
	case PROV_EREFUSED:
		return "refused by policy";
	case PROV_EFULL:
		return "full";
	case PROV_EIO:
		return "input/output error";
	case PROV_ECORRUPT:
		return "corrupt data";
	case PROV_EBUSY:
		return "busy";
	case PROV_EVERSION:
		return "unsupported version";
	default:
		return "unknown error";
	}
}
