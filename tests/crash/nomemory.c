/*
 * nomemory.c - LD_PRELOAD: a process whose memory is used up, for some callers.
 *
 *   PROV_NOMEM        a file (struct control, this machine's order), mapped: which allocation fails
 *                     its name with .trace added gets the stack of each that failed
 *   PROV_NOMEM_FOR    objects whose own calls count, as parts of their file names: "provision.so:libjansson";
 *                     "(program)" is the program itself
 *
 * Others get what they ask for: slapd itself ends when it has no memory (ch_malloc), so that says nothing.
 * What the C library allocates for a caller is not seen, but for strdup and strndup.
 */
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default"), noinline))

/* Whoever sets `count`, last, arms it. */
struct control {
	volatile int64_t after;  /* so many are given still, */
	volatile int64_t count;  /* then so many are not */
	volatile int64_t failed; /* so many were not */
};

static struct control *ctl;
static const char *objects;
static int trace = -1;

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("PROV_NOMEM");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *m = fd < 0 ? MAP_FAILED
			 : mmap(NULL, sizeof(*ctl), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	objects = getenv("PROV_NOMEM_FOR");
	char name[4096];
	snprintf(name, sizeof(name), "%s.trace", path ? path : "");
	void *frame[1];
	backtrace(frame, 1); /* it allocates the first time */
	trace = path ? open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
	ctl = m == MAP_FAILED || !objects ? NULL : m;
}

static int named(const char *file)
{
	for (const char *o = objects; *o;) {
		size_t n = strcspn(o, ":");
		for (const char *f = file; n && *f; f++)
			if (!strncmp(f, o, n))
				return 1;
		o += n + (o[n] == ':');
	}
	return 0;
}

static int look(struct dl_phdr_info *info, size_t size, void *caller)
{
	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t from = info->dlpi_addr + p->p_vaddr;
		if (p->p_type == PT_LOAD && (uintptr_t)caller >= from &&
			(uintptr_t)caller < from + p->p_memsz)
			return named(*info->dlpi_name ? info->dlpi_name : "(program)") ? 1 : -1;
	}
	return 0;
}

static int fails(void *caller)
{
	if (!ctl || ctl->count <= 0 || dl_iterate_phdr(look, caller) != 1)
		return 0;
	if (__atomic_fetch_sub(&ctl->after, 1, __ATOMIC_SEQ_CST) > 0 ||
		__atomic_fetch_sub(&ctl->count, 1, __ATOMIC_SEQ_CST) <= 0)
		return 0;
	void *frame[16];
	backtrace_symbols_fd(frame, backtrace(frame, 16), trace);
	__atomic_add_fetch(&ctl->failed, 1, __ATOMIC_SEQ_CST);
	errno = ENOMEM;
	return 1;
}

#define CALLER __builtin_return_address(0)

PUBLIC void *malloc(size_t n)
{
	return fails(CALLER) ? NULL : __libc_malloc(n);
}

PUBLIC void *calloc(size_t n, size_t size)
{
	return fails(CALLER) ? NULL : __libc_calloc(n, size);
}

PUBLIC void *realloc(void *p, size_t n)
{
	return fails(CALLER) ? NULL : __libc_realloc(p, n);
}

PUBLIC char *strndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *copy = fails(CALLER) ? NULL : __libc_malloc(len + 1);

	if (copy) {
		memcpy(copy, s, len);
		copy[len] = '\0';
	}
	return copy;
}

PUBLIC char *strdup(const char *s)
{
	size_t size = strlen(s) + 1;
	char *copy = fails(CALLER) ? NULL : __libc_malloc(size);

	return copy ? memcpy(copy, s, size) : NULL;
}
