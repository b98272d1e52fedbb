/*
 * error.h - result codes and error texts.
 *
 * Every fallible function returns 0 or a negative enum prov_err. A text for
 * people goes into an optional trailing struct prov_error; it names what was
 * wrong and where. Plain data, no ownership, no globals; safe in any thread.
 */
#ifndef PROV_ERROR_H
#define PROV_ERROR_H

enum prov_err {
	PROV_OK = 0,
	PROV_ENOMEM = -1,    /* no memory */
	PROV_EINVAL = -2,    /* input that does not parse or breaks a rule */
	PROV_ENOENT = -3,    /* not there */
	PROV_EEXIST = -4,    /* there already */
	PROV_EREFUSED = -5,  /* the policy refuses the request */
	PROV_EFULL = -6,     /* map, disk or bounded backlog full */
	PROV_EIO = -7,       /* the system failed: see the text */
	PROV_ECORRUPT = -8,  /* stored bytes that cannot be what was written */
	PROV_EBUSY = -9,     /* somebody else holds it: try again */
	PROV_EVERSION = -10, /* another format or program version */
};

struct prov_error {
	int code;
	char text[512]; /* one line of UTF-8, terminated, cut when too long */
};

/* Fill err (may be NULL) and return code, so that callers can `return
 * prov_error_set(...)`. */
int prov_error_set(struct prov_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Put "prefix: " (printf style) before the text that is there. Returns err->code. */
int prov_error_prefix(struct prov_error *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* A constant short text for a code. */
const char *prov_strerror(int code);

#endif
