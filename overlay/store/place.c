/* place.c - where in the state directory a file is, and who may use it. See place.h. */
#include "place.h"

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

static bool stat_dir(const char *path, struct stat *st)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	if (n >= sizeof(dir))
		return false;
	snprintf(dir, sizeof(dir), "%.*s", (int)n, path);
	return stat(n ? dir : slash ? "/" : ".", st) == 0;
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
