/*
 * disk.c - LD_PRELOAD: writes down what a process does to files below a directory, and makes it fail.
 *
 *   PROV_DISK_DIR    the directory; lock files in it are left out
 *   PROV_DISK_LOG    one record for each write, truncation, sync, new file and new name: struct head, path, data
 *   PROV_DISK_FAULT  while this file is there, what its lines "KIND END ERRNO" name fails: KIND is
 *                    write, meta (a write that is durable when it returns) or sync, END is how the path ends
 *
 * A record is appended in one system call after the thing was done and before the caller hears of it.
 * So what stands before a sync's record was written before it, by whichever thread or process.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))
#define MOST_PARTS 64
#define LOG_FD 900

struct head {
	uint32_t magic;
	char kind; /* W write, M durable write, T truncate, S sync, C create, R rename, U unlink */
	char pad;
	uint16_t path;
	uint64_t at;
	uint64_t
		len; /* of the data behind the path (R: the new name); of T: the new size, without data */
};

static const char *dir, *fault;
static int log_fd = -1;

__attribute__((constructor)) static void begin(void)
{
	const char *name = getenv("PROV_DISK_LOG");

	dir = getenv("PROV_DISK_DIR");
	fault = getenv("PROV_DISK_FAULT");
	if (!name)
		return;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
		0600);
	log_fd = fcntl(fd, F_DUPFD_CLOEXEC, LOG_FD);
	syscall(SYS_close, fd);
}

static bool ends(const char *path, const char *end)
{
	size_t n = strlen(path), m = strlen(end);

	return n >= m && strcmp(path + n - m, end) == 0;
}

static bool is_ours(const char *path)
{
	size_t n = dir ? strlen(dir) : 0;

	return n && strncmp(path, dir, n) == 0 && path[n] == '/' && !ends(path, "-lock") &&
		!ends(path, "lock.mdb") && !ends(path, ".lock");
}

static bool path_of(int fd, char path[PATH_MAX])
{
	char link[64];
	struct stat st;

	if (!dir || fstat(fd, &st) || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, PATH_MAX - 1);
	if (n < 0)
		return false;
	path[n] = '\0';
	return is_ours(path);
}

static void note(char kind, const char *path, uint64_t at, uint64_t len, const struct iovec *data,
	int n)
{
	struct head h = { 0x4b534944, kind, 0, (uint16_t)strlen(path), at, len };
	struct iovec v[2 + MOST_PARTS] = { { &h, sizeof(h) }, { (void *)path, h.path } };

	if (log_fd < 0)
		return;
	if (n > MOST_PARTS)
		abort();
	for (int i = 0; i < n; i++)
		v[2 + i] = data[i];
	if (syscall(SYS_writev, log_fd, v, 2 + n) != (long)(sizeof(h) + h.path + (n ? len : 0)))
		abort();
}

/* 0, or the error that is to be. */
static int fails(const char *what, const char *path)
{
	char text[1024], *save = NULL;
	int fd = fault ? (int)syscall(SYS_openat, AT_FDCWD, fault, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		syscall(SYS_close, fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char kind[16], end[256];
		int error;
		if (sscanf(line, "%15s %255s %d", kind, end, &error) == 3 &&
			strcmp(kind, what) == 0 && ends(path, end))
			return error;
	}
	return 0;
}

/* Any write, at an offset that is known. */
static ssize_t put(int fd, const struct iovec *v, int n, off_t at, bool moves)
{
	char path[PATH_MAX];
	bool ours = path_of(fd, path);
	bool durable = ours && fcntl(fd, F_GETFL) & O_DSYNC;
	int error = ours ? fails(durable ? "meta" : "write", path) : 0;

	if (error) {
		errno = error;
		return -1;
	}
	if (ours && moves)
		at = lseek(fd, 0, SEEK_CUR);
	ssize_t done =
		moves ? syscall(SYS_writev, fd, v, n) : syscall(SYS_pwritev, fd, v, n, at, 0);
	size_t left = done > 0 ? (size_t)done : 0;
	if (!ours || !left)
		return done;
	struct iovec part[MOST_PARTS];
	int parts = 0;
	for (; parts < n && left && parts < MOST_PARTS; parts++) {
		part[parts] = v[parts];
		if (part[parts].iov_len > left)
			part[parts].iov_len = left;
		left -= part[parts].iov_len;
	}
	int kept = errno;
	note(durable ? 'M' : 'W', path, (uint64_t)at, (uint64_t)done, part, parts);
	errno = kept;
	return done;
}

PUBLIC ssize_t write(int fd, const void *buf, size_t len)
{
	struct iovec v = { (void *)buf, len };

	return dir ? put(fd, &v, 1, 0, true) : syscall(SYS_write, fd, buf, len);
}

PUBLIC ssize_t writev(int fd, const struct iovec *v, int n)
{
	return put(fd, v, n, 0, true);
}

PUBLIC ssize_t pwrite(int fd, const void *buf, size_t len, off_t at)
{
	struct iovec v = { (void *)buf, len };

	return put(fd, &v, 1, at, false);
}

PUBLIC ssize_t pwrite64(int fd, const void *buf, size_t len, off_t at)
	__attribute__((alias("pwrite")));

PUBLIC ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	return put(fd, v, n, at, false);
}

PUBLIC ssize_t pwritev64(int fd, const struct iovec *v, int n, off_t at)
	__attribute__((alias("pwritev")));

static int synced(int fd, long call)
{
	char path[PATH_MAX];
	bool ours = path_of(fd, path);
	int error = ours ? fails("sync", path) : 0;

	if (error) {
		errno = error;
		return -1;
	}
	int rc = (int)syscall(call, fd);
	if (rc == 0 && ours)
		note('S', path, 0, 0, NULL, 0);
	return rc;
}

PUBLIC int fsync(int fd)
{
	return synced(fd, SYS_fsync);
}

PUBLIC int fdatasync(int fd)
{
	return synced(fd, SYS_fdatasync);
}

PUBLIC int ftruncate(int fd, off_t len)
{
	char path[PATH_MAX];
	int rc = (int)syscall(SYS_ftruncate, fd, len);

	if (rc == 0 && path_of(fd, path))
		note('T', path, 0, (uint64_t)len, NULL, 0);
	return rc;
}

PUBLIC int ftruncate64(int fd, off_t len) __attribute__((alias("ftruncate")));

/* A map that is written through would go past all this. */
PUBLIC void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t at)
{
	char path[PATH_MAX];

	if (fd >= 0 && (prot & PROT_WRITE) && (flags & MAP_SHARED) && path_of(fd, path)) {
		dprintf(STDERR_FILENO, "disk: %s is mapped for writing\n", path);
		abort();
	}
	return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, at);
}

PUBLIC void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t at)
	__attribute__((alias("mmap")));

static int opened(const char *path, int flags, mode_t mode)
{
	struct stat st;
	bool new = dir && (flags & O_CREAT) && is_ours(path) && stat(path, &st);
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);

	if (fd >= 0 && new)
		note('C', path, 0, 0, NULL, 0);
	return fd;
}

PUBLIC int open(const char *path, int flags, ...)
{
	__builtin_va_list ap;

	__builtin_va_start(ap, flags);
	mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? __builtin_va_arg(ap, mode_t) : 0;
	__builtin_va_end(ap);
	return opened(path, flags, mode);
}

PUBLIC int open64(const char *path, int flags, ...) __attribute__((alias("open")));

PUBLIC int rename(const char *from, const char *to)
{
	struct iovec name = { (void *)to, strlen(to) };
	int rc = (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);

	if (rc == 0 && is_ours(from))
		note('R', from, 0, name.iov_len, &name, 1);
	return rc;
}

PUBLIC int unlink(const char *path)
{
	int rc = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);

	if (rc == 0 && is_ours(path))
		note('U', path, 0, 0, NULL, 0);
	return rc;
}
