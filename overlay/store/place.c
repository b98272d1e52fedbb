/* place.c - where in the state directory a file is, and who may use it. See place.h. */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int prov_place_find(const char *dir, const char *whose, const char *file, char *out, size_t room,
	struct prov_error *err)
{
	char flat[PATH_MAX];
	struct stat st;

	if ((size_t)snprintf(flat, sizeof(flat), "%s/%s", dir, file) >= sizeof(flat) ||
		(size_t)snprintf(out, room, "%s/%s", dir, whose) >= room)
		return prov_error_set(err, PROV_EINVAL,
			"%s/%s: the path is too long (%zu bytes at most)", dir, file, room - 1);
	bool own = stat(out, &st) == 0 && S_ISDIR(st.st_mode);
	if (own && lstat(flat, &st) == 0 && S_ISREG(st.st_mode))
		return prov_error_set(err, PROV_EINVAL,
			"%s is left from before there was %s: move it there, or away", flat, out);
	if ((size_t)snprintf(out, room, "%s%s%s/%s", dir, own ? "/" : "", own ? whose : "", file) >=
		room)
		return prov_error_set(err, PROV_EINVAL,
			"%s/%s: the path is too long (%zu bytes at most)", dir, file, room - 1);
	return 0;
}

/* The directory that a file is in. */
static bool dir_of(const char *path, char dir[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	if (n >= PATH_MAX)
		return false;
	snprintf(dir, PATH_MAX, "%.*s", (int)n, path);
	if (!n)
		snprintf(dir, PATH_MAX, "%s", slash ? "/" : ".");
	return true;
}

static bool stat_dir(const char *path, struct stat *st)
{
	char dir[PATH_MAX];

	return dir_of(path, dir) && stat(dir, st) == 0;
}

int prov_place_sync(const char *path)
{
	char dir[PATH_MAX];
	int fd = dir_of(path, dir) ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	/* EINVAL: a file system whose directories need no sync, or know none */
	int rc = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL) ? 0 : PROV_EIO;

	if (fd >= 0)
		close(fd);
	return rc;
}

bool prov_place_shared(const char *path)
{
	struct stat st;

	return stat_dir(path, &st) && (st.st_mode & S_ISGID);
}

/* Not something that the directory's owner has linked there for root to open to others. */
static bool ours(const struct stat *st, const struct stat *dir)
{
	uid_t me = geteuid();

	return st->st_nlink == 1 && st->st_uid == (me ? me : dir->st_uid);
}

void prov_place_make(const char *path, mode_t shared)
{
	struct stat dir, st;
	const int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

	if (!stat_dir(path, &dir))
		return;
	bool open_to_group = dir.st_mode & S_ISGID;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | flags, PROV_PLACE_OWN);
	bool made = fd >= 0;
	if (!made && open_to_group)
		fd = open(path, O_RDONLY | flags);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		bool root = geteuid() == 0;
		if (made && root && fchown(fd, dir.st_uid, dir.st_gid))
			unlink(path); /* its owner shall make it */
		else if (open_to_group && (made || ours(&st, &dir)) &&
			(st.st_gid == dir.st_gid || fchown(fd, (uid_t)-1, dir.st_gid) == 0))
			(void)!fchmod(fd, shared); /* whatever the umask is */
	}
	close(fd);
}
