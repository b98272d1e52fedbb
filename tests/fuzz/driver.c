/*
 * driver.c - replays files through a fuzz target, without a fuzzer.
 *
 * Usage: fuzz_x FILE|DIRECTORY... Each file is handed over in memory of exactly its
 * length, so that a read past the end is seen by the address sanitizer. Exit status 2
 * when a file cannot be read; a finding ends the program.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
	struct stat st;
	FILE *f = fopen(path, "rb");
	int bad = !f || fstat(fileno(f), &st);

	if (!bad) {
		size_t n = (size_t)st.st_size;
		uint8_t *data = malloc(n ? n : 1);
		bad = !data || fread(data, 1, n, f) != n;
		if (!bad)
			LLVMFuzzerTestOneInput(data, n);
		free(data);
	}
	if (f)
		fclose(f);
	if (bad)
		fprintf(stderr, "%s: cannot be read\n", path);
	return bad ? 2 : 0;
}

static int replay_all(const char *path, unsigned *count)
{
	DIR *d = opendir(path);
	int bad = 0;

	if (!d) {
		++*count;
		return replay(path);
	}
	for (struct dirent *e; (e = readdir(d));) {
		char file[4096];
		if (e->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		bad |= replay(file);
		++*count;
	}
	closedir(d);
	return bad;
}

int main(int argc, char **argv)
{
	unsigned count = 0;
	int bad = 0;

	for (int i = 1; i < argc; i++)
		bad |= replay_all(argv[i], &count);
	printf("%u inputs\n", count);
	return bad;
}
