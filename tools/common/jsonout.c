/* jsonout.c - see jsonout.h. Holds no state. */
#include "jsonout.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

#include "error.h"

static json_t *as_base64(const char *s, size_t len)
{
	unsigned char *b = len < INT_MAX / 2 ? malloc((len + 2) / 3 * 4 + 1) : NULL;
	if (!b)
		return NULL;
	EVP_EncodeBlock(b, (const unsigned char *)s, (int)len);
	json_t *v = json_pack("{s:s}", "base64", (char *)b);
	free(b);
	return v;
}

json_t *prov_json_text(const char *s, size_t len)
{
	if (!memchr(s, 0, len) && !u8_check((const uint8_t *)s, len))
		return json_stringn(s, len);
	return as_base64(s, len);
}

json_t *prov_json_texts(const char *const *list, size_t n)
{
	json_t *a = json_array();
	for (size_t i = 0; a && i < n; i++) {
		if (json_array_append_new(a, prov_json_text(list[i], strlen(list[i])))) {
			json_decref(a);
			return NULL;
		}
	}
	return a;
}

int prov_json_line_take(FILE *out, json_t *v)
{
	if (!v)
		return PROV_ENOMEM;
	int rc = json_dumpf(v, out, JSON_COMPACT) ? PROV_EIO : 0;
	json_decref(v);
	if (fputc('\n', out) == EOF)
		rc = PROV_EIO;
	return rc;
}
