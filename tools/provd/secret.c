/* secret.c - secrets from files. See secret.h. */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine.h"

static const char scheme[] = "credential:";

static int find(const char *name, char *path, size_t room, bool *credential, struct prov_error *err)
{
	const char *dir = "", *file = name;

	*credential = strncmp(name, scheme, sizeof(scheme) - 1) == 0;
	if (*credential) {
		file = name + sizeof(scheme) - 1;
		dir = getenv("CREDENTIALS_DIRECTORY");
		if (!dir)
			return prov_error_set(err, PROV_ENOENT,
				"%s: this process was given no credentials", name);
		if (!*file || strchr(file, '/'))
			return prov_error_set(err, PROV_EINVAL, "%s: not the name of a credential",
				name);
	}
	if ((size_t)snprintf(path, room, "%s%s%s", dir, *credential ? "/" : "", file) >= room)
		return prov_error_set(err, PROV_EINVAL, "the name of the secret file is too long");
	return 0;
}

static int check(int fd, const char *name, bool credential, size_t *size, struct prov_error *err)
{
	struct stat st;
	mode_t others = credential ? 0337 : 0177;

	if (fstat(fd, &st))
		return prov_error_set(err, PROV_EIO, "%s: %s", name, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return prov_error_set(err, PROV_EINVAL, "%s: not a regular file", name);
	if (st.st_mode & others)
		return prov_error_set(err, PROV_EINVAL,
			"%s: mode %03o, but only its owner may read a secret (chmod 600)", name,
			(unsigned)st.st_mode & 0777u);
	if (st.st_size > PROV_SECRET_MOST)
		return prov_error_set(err, PROV_EINVAL, "%s: larger than %d bytes", name,
			PROV_SECRET_MOST);
	*size = (size_t)st.st_size;
	return 0;
}

int prov_secret_read(const char *name, char **out, size_t *len, struct prov_error *err)
{
	char path[4096];
	bool credential = false;
	size_t size = 0;

	*out = NULL;
	*len = 0;
	int rc = find(name, path, sizeof(path), &credential, err);
	if (rc == 0 && !credential)
		rc = prov_confine_check(PROV_CONFINE_SECRETS, path, err);
	if (rc)
		return rc;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return prov_error_set(err, errno == ENOENT ? PROV_ENOENT : PROV_EIO, "%s: %s", name,
			strerror(errno));
	rc = check(fd, name, credential, &size, err);
	if (rc == 0) {
		*out = malloc(size + 1);
		ssize_t n = *out ? read(fd, *out, size) : -1;
		if (!*out)
			rc = prov_error_set(err, PROV_ENOMEM, "no memory");
		else if (n < 0)
			rc = prov_error_set(err, PROV_EIO, "%s: %s", name, strerror(errno));
		else
			(*out)[ *len = (size_t)n] = '\0';
	}
	close(fd);
	if (rc)
		prov_secret_free(out, size);
	return rc;
}

int prov_secret_line(const char *name, char **out, size_t *len, struct prov_error *err)
{
	int rc = prov_secret_read(name, out, len, err);

	if (rc == 0 && *out)
		(*out)[strcspn(*out, "\r\n")] = '\0';
	return rc;
}

void prov_secret_free(char **secret, size_t len)
{
	if (*secret)
		OPENSSL_cleanse(*secret, len);
	free(*secret);
	*secret = NULL;
}
