/*
 * ldapconn.c - connect and bind as the stock tools do. See ldapconn.h.
 *
 * What the server says about itself is in ldapserver.c.
 */
#include "ldapconn.h"

#include <errno.h>
#include <fcntl.h>
#include <sasl/sasl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define DEFAULT_URI "ldapi:///"
#define DEFAULT_TIMEOUT 15
/* bytes; what a server sends goes through it, so that one of it is kept for each connection */
#define READ_AHEAD 65536
#define PASSWORD_MAX 4096

int prov_ldap_code(int rc)
{
	switch (rc) {
	case LDAP_SUCCESS:
		return 0;
	case LDAP_NO_SUCH_OBJECT:
	case LDAP_NO_SUCH_ATTRIBUTE:
		return PROV_ENOENT;
	case LDAP_ALREADY_EXISTS:
	case LDAP_TYPE_OR_VALUE_EXISTS:
		return PROV_EEXIST;
	case LDAP_INVALID_CREDENTIALS:
	case LDAP_INSUFFICIENT_ACCESS:
	case LDAP_INAPPROPRIATE_AUTH:
	case LDAP_STRONG_AUTH_REQUIRED:
	case LDAP_CONFIDENTIALITY_REQUIRED:
	case LDAP_AUTH_METHOD_NOT_SUPPORTED:
	case LDAP_AUTH_UNKNOWN:
	case LDAP_UNWILLING_TO_PERFORM:
	case LDAP_CONSTRAINT_VIOLATION:
	case LDAP_OBJECT_CLASS_VIOLATION:
		return PROV_EREFUSED;
	case LDAP_SERVER_DOWN:
	case LDAP_CONNECT_ERROR:
	case LDAP_TIMEOUT:
	case LDAP_BUSY:
	case LDAP_UNAVAILABLE:
	case LDAP_TIMELIMIT_EXCEEDED:
		return PROV_EBUSY;
	case LDAP_PARAM_ERROR:
	case LDAP_FILTER_ERROR:
	case LDAP_INVALID_SYNTAX:
	case LDAP_INVALID_DN_SYNTAX:
	case LDAP_UNDEFINED_TYPE:
		return PROV_EINVAL;
	case LDAP_NO_MEMORY:
		return PROV_ENOMEM;
	default:
		return PROV_EIO;
	}
}

int prov_ldap_error(LDAP *ld, int rc, struct prov_error *err, const char *what, ...)
{
	char doing[300], *text = NULL, *uri = NULL;
	va_list ap;

	if (rc == LDAP_SUCCESS)
		return 0;
	va_start(ap, what);
	vsnprintf(doing, sizeof(doing), what, ap);
	va_end(ap);
	if (ld) {
		ldap_get_option(ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &text);
		ldap_get_option(ld, LDAP_OPT_URI, &uri);
	}
	prov_error_set(err, prov_ldap_code(rc), "%s%s%s: %s%s%s%s", uri ? uri : "", uri ? ": " : "",
		doing, ldap_err2string(rc), text && *text ? " (" : "", text && *text ? text : "",
		text && *text ? ")" : "");
	ldap_memfree(text);
	ldap_memfree(uri);
	return prov_ldap_code(rc);
}

/* The whole file, as the stock tools do: a newline at its end is part of it. */
static int read_password(const char *path, char **out, struct prov_error *err)
{
	struct stat st;
	int rc = 0, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char *buf = NULL;
	if (fd < 0 || fstat(fd, &st) < 0) {
		rc = prov_error_set(err, PROV_EINVAL, "password file %s: %s", path,
			strerror(errno));
		goto out;
	}
	if (S_ISREG(st.st_mode) && (st.st_mode & S_IRWXO)) {
		rc = prov_error_set(err, PROV_EINVAL,
			"password file %s: other users may use it (mode %03o); chmod it to 600",
			path, (unsigned)st.st_mode & 0777);
		goto out;
	}
	buf = calloc(1, PASSWORD_MAX + 1);
	if (!buf) {
		rc = prov_error_set(err, PROV_ENOMEM, "no memory");
		goto out;
	}
	ssize_t n = 0;
	size_t len = 0;
	while (len < PASSWORD_MAX && (n = read(fd, buf + len, PASSWORD_MAX - len)) > 0)
		len += (size_t)n;
	if (n < 0 || len == PASSWORD_MAX || !len) {
		rc = prov_error_set(err, PROV_EINVAL, "password file %s: %s", path,
			n < 0         ? strerror(errno)
				: len ? "too long"
				      : "empty");
		goto out;
	}
	*out = buf;
	buf = NULL;
out:
	free(buf);
	if (fd >= 0)
		close(fd);
	return rc;
}

static int ask_password(const char *prompt, char **out, struct prov_error *err)
{
	struct termios before, silent;
	char line[1024] = "";
	FILE *tty = fopen("/dev/tty", "r+e");
	if (!tty)
		return prov_error_set(err, PROV_EINVAL,
			"no terminal to ask for the password: use -y");
	int fd = fileno(tty);
	bool changed = tcgetattr(fd, &before) == 0;
	if (changed) {
		silent = before;
		silent.c_lflag &= ~(tcflag_t)ECHO;
		changed = tcsetattr(fd, TCSAFLUSH, &silent) == 0;
	}
	fprintf(tty, "%s: ", prompt);
	fflush(tty);
	bool read_it = fgets(line, sizeof(line), tty) != NULL;
	fputc('\n', tty);
	if (changed)
		tcsetattr(fd, TCSAFLUSH, &before);
	fclose(tty);
	line[strcspn(line, "\n")] = 0;
	*out = read_it ? strdup(line) : NULL;
	explicit_bzero(line, sizeof(line));
	return *out ? 0 : prov_error_set(err, PROV_EINVAL, "no password was given");
}

static void forget(char **secret)
{
	if (*secret) {
		explicit_bzero(*secret, strlen(*secret));
		free(*secret);
		*secret = NULL;
	}
}

/* A password from -w, -y or -W; *out stays NULL when none was given. */
static int get_password(const struct prov_ldap_options *o, char **out, struct prov_error *err)
{
	if (o->password) {
		*out = strdup(o->password);
		return *out ? 0 : prov_error_set(err, PROV_ENOMEM, "no memory");
	}
	if (o->password_file)
		return read_password(o->password_file, out, err);
	if (!o->ask_password)
		return 0;
	if (o->quiet)
		return prov_error_set(err, PROV_EINVAL,
			"a password cannot be asked for here: use -y");
	return ask_password("Enter LDAP Password", out, err);
}

struct sasl_answers {
	const struct prov_ldap_options *o;
	const char *password;
};

/* Answer what the mechanism asks from the options; nothing is prompted for. */
static int answer_sasl(LDAP *ld, unsigned flags, void *defaults, void *in)
{
	const struct sasl_answers *a = defaults;
	(void)ld;
	(void)flags;
	for (sasl_interact_t *q = in; q->id != SASL_CB_LIST_END; q++) {
		const char *s = NULL;
		switch (q->id) {
		case SASL_CB_AUTHNAME:
			s = a->o->authcid;
			break;
		case SASL_CB_USER:
			s = a->o->authzid;
			break;
		case SASL_CB_PASS:
			s = a->password;
			break;
		}
		if (!s)
			s = q->defresult ? q->defresult : "";
		q->result = s;
		q->len = (unsigned)strlen(s);
	}
	return LDAP_SUCCESS;
}

static int bind_as_asked(LDAP *ld, const struct prov_ldap_options *o, struct prov_error *err)
{
	char *password = NULL;
	int rc = get_password(o, &password, err);
	if (rc)
		return rc;
	if (o->bind_dn && !o->mech) {
		if (!password) /* else it would be an unauthenticated bind, which succeeds */
			rc = prov_error_set(err, PROV_EINVAL, "-D needs a password: -y, -W or -w");
		else
			rc = prov_ldap_error(ld,
				ldap_sasl_bind_s(ld, o->bind_dn, LDAP_SASL_SIMPLE,
					&(struct berval){ strlen(password), password }, NULL, NULL,
					NULL),
				err, "bind as %s", o->bind_dn);
	} else {
		const char *mech = o->mech ? o->mech : "EXTERNAL";
		struct sasl_answers answers = { o, password };
		rc = prov_ldap_error(ld,
			ldap_sasl_interactive_bind_s(ld, o->bind_dn, mech, NULL, NULL,
				LDAP_SASL_QUIET, answer_sasl, &answers),
			err, "SASL %s bind", mech);
	}
	forget(&password);
	return rc;
}

static int trust(LDAP *ld, const struct prov_ldap_options *o, struct prov_error *err)
{
	int rc;
	if (!o->ca)
		return 0;
	rc = ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTFILE, o->ca);
	if (!rc)
		rc = ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &(int){ 0 });
	return rc ? prov_error_set(err, PROV_EINVAL, "%s: cannot be used as certificates to trust",
			    o->ca)
		  : 0;
}

static int start_tls(LDAP *ld, const struct prov_ldap_options *o, struct prov_error *err)
{
	if (!o->starttls)
		return 0;
	int rc = ldap_start_tls_s(ld, NULL, NULL);
	if (rc == LDAP_SUCCESS ||
		(o->starttls < 2 && rc != LDAP_SERVER_DOWN && rc != LDAP_CONNECT_ERROR))
		return 0; /* one -Z: go on without */
	return prov_ldap_error(ld, rc, err, "StartTLS");
}

/*
 * libldap asks the kernel three times for each message: is there one, how long is it, what is it.
 * Below TLS and SASL, whose layers lie above; what cannot be set is only slower.
 */
static void read_ahead(LDAP *ld)
{
	Sockbuf *sb = NULL;
	ber_len_t size = READ_AHEAD;
	if (!ldap_get_option(ld, LDAP_OPT_SOCKBUF, &sb) && sb &&
		!ber_sockbuf_add_io(sb, &ber_sockbuf_io_readahead, LBER_SBIOD_LEVEL_PROVIDER, NULL))
		ber_sockbuf_ctrl(sb, LBER_SB_OPT_SET_READAHEAD, &size);
}

int prov_ldap_connect(const struct prov_ldap_options *o, LDAP **out, struct prov_error *err)
{
	const char *uri = o->uri ? o->uri : DEFAULT_URI;
	struct timeval limit = { .tv_sec = o->timeout ? o->timeout : DEFAULT_TIMEOUT };
	LDAP *ld = NULL;

	*out = NULL;
	int rc = ldap_initialize(&ld, uri);
	if (rc != LDAP_SUCCESS)
		return prov_error_set(err, PROV_EINVAL, "%s: not an LDAP URI: %s", uri,
			ldap_err2string(rc));
	ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &(int){ LDAP_VERSION3 });
	ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
	ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &limit);
	ldap_set_option(ld, LDAP_OPT_TIMEOUT, &limit);
	rc = trust(ld, o, err);
	if (!rc)
		rc = start_tls(ld, o, err);
	if (!rc)
		rc = bind_as_asked(ld, o, err);
	if (rc) {
		prov_ldap_close(&ld);
		return rc;
	}
	read_ahead(ld);
	*out = ld;
	return 0;
}

void prov_ldap_close(LDAP **ld)
{
	if (*ld)
		ldap_unbind_ext(*ld, NULL, NULL);
	*ld = NULL;
}
