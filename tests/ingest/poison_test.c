/* One poisoned input must never keep the core down: a record that was being applied at two crashes
 * is skipped, SIGKILL is no crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ingest/poison.h"

static char dir[] = "/tmp/callmend-poison-XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/applying.map", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/poison.list", dir);
	unlink(path);
	return rmdir(dir);
}

/* A process that dies by `signal_number` while it applies record 7 (and has finished 6). */
static void die_applying(int signal_number)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct poison *p;

		if (poison_open(&p, dir, NULL))
			_exit(1);
		poison_enter(p, 0, 6);
		poison_leave(p, 0);
		poison_enter(p, 0, 7);
		raise(signal_number);
		_exit(1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), signal_number);
}

static bool skips(uint64_t number)
{
	struct poison *p;
	bool skip;

	assert_int_equal(poison_open(&p, dir, NULL), 0);
	skip = poison_skip(p, number);
	poison_free(p);
	return skip;
}

static void only_two_crashes_make_a_record_poison(void **state)
{
	(void)state;
	assert_false(skips(7));
	die_applying(SIGKILL);
	die_applying(SIGKILL);
	assert_false(skips(7));
	die_applying(SIGABRT);
	assert_false(skips(7));
	die_applying(SIGSEGV);
	assert_true(skips(7));
	assert_false(skips(6));
	assert_true(skips(7)); /* for good */
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(
		only_two_crashes_make_a_record_poison) };
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
