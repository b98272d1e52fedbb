/*
 * error.c - texts for people. Never fails: what does not fit is cut.
 */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int prov_error_set(struct prov_error *err, int code, const char *fmt, ...)
{
	if (err) {
		va_list ap;
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
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
	size_t n = strlen(head), left, old = strlen(err->text);
	if (n + 3 > sizeof(head))
		return err->code; /* no room for both: what is there says more */
	left = sizeof(err->text) - n - 3;
	if (old > left)
		old = left;
	memmove(err->text + n + 2, err->text, old);
	memcpy(err->text, head, n);
	memcpy(err->text + n, ": ", 2);
	err->text[n + 2 + old] = '\0';
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
