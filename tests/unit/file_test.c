#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/unit/cmocka_all.h"

static char folder[] = "/tmp/callmend-file-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

static const char *in_folder(const char *name)
{
	static char path[200];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int entries(void)
{
	int n = 0;
	DIR *d = opendir(folder);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void replaces_and_reads(void **state)
{
	(void)state;
	struct fault f = { 0 };
	struct buf b AUTO_BUF = { 0 };
	struct stat st;
	const char *path = in_folder("a");
	assert_int_equal(file_replace(path, 0600, SPAN("one"), &f), 0);
	assert_int_equal(file_replace(path, 0640, SPAN("two\0x"), &f), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(entries(), 1);
	buf_addz(&b, "=");
	assert_int_equal(file_read(path, 5, &b, &f), 0);
	assert_true(span_eq(buf_span(&b), SPAN("=two\0x")));
	assert_int_equal(file_read(path, 4, &b, &f), E_TOO_LARGE);
	assert_int_equal(b.n, 6);
	unlink(path);
	assert_int_equal(file_read(path, 4, &b, &f), E_NOT_FOUND);
	assert_non_null(strstr(f.text, path));
	assert_int_equal(file_read(folder, 4, &b, NULL), E_IO);
}

/* A target that cannot be replaced: a folder. Nothing is left behind. */
static void failed_replacement_leaves_nothing(void **state)
{
	(void)state;
	struct fault f = { 0 };
	char path[200];
	snprintf(path, sizeof(path), "%s", in_folder("d"));
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(file_replace(path, 0600, SPAN("x"), &f), E_IO);
	assert_int_equal(entries(), 1);
	rmdir(path);
	assert_int_equal(file_replace("/nonexistent/x", 0600, SPAN("x"), &f), E_NOT_FOUND);
}

static void makes_folders(void **state)
{
	(void)state;
	struct fault f = { 0 };
	struct stat st;
	char deep[250];
	snprintf(deep, sizeof(deep), "%s/x/y/z///", folder);
	assert_int_equal(file_make_dir(deep, 0700, &f), 0);
	assert_int_equal(file_make_dir(deep, 0700, &f), 0);
	assert_int_equal(stat(deep, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	rmdir(in_folder("x/y/z"));
	rmdir(in_folder("x/y"));
	rmdir(in_folder("x"));
	assert_int_equal(file_replace(in_folder("f"), 0600, SPAN(""), NULL), 0);
	assert_int_equal(file_make_dir(in_folder("f"), 0700, &f), E_IO);
	unlink(in_folder("f"));
	assert_int_equal(file_make_dir("", 0700, &f), E_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replaces_and_reads),
		cmocka_unit_test(failed_replacement_leaves_nothing),
		cmocka_unit_test(makes_folders),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
