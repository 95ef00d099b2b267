/* Runs a fuzz target over every file of the folders given, so that what fuzzing once found stays
 * fixed in builds without libFuzzer. Fails when there is nothing to run. */
#include <dirent.h>
#include <stdio.h>

#include "base/file.h"
#include "tests/fuzz/fuzz.h"

enum { LARGEST = 16 << 20 };

static int run_file(const char *path)
{
	struct buf b AUTO_BUF = { 0 };
	struct fault f = { 0 };
	if (file_read(path, LARGEST, &b, &f)) {
		fprintf(stderr, "%s\n", f.text);
		return -1;
	}
	LLVMFuzzerTestOneInput((const uint8_t *)b.p, b.n);
	return 0;
}

/* How many files ran; negative when one could not be read. */
static int run_folder(const char *folder)
{
	int ran = 0;
	DIR *d = opendir(folder);
	for (struct dirent *e; d && (e = readdir(d));) {
		struct buf path AUTO_BUF = { 0 };
		if (e->d_name[0] == '.')
			continue;
		buf_printf(&path, "%s/%s", folder, e->d_name);
		if (run_file(buf_z(&path)) != 0) {
			ran = -1;
			break;
		}
		ran++;
	}
	if (d)
		closedir(d);
	return ran;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		int ran = run_folder(argv[i]);
		printf("%s: %d inputs\n", argv[i], ran);
		if (ran <= 0)
			return 1;
	}
	return argc < 2;
}
