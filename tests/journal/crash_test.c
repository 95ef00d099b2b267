/* Processes that end in the middle of things: what they reported durable is there. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "journal_kit.h"

struct appender {
	pid_t pid;
	int out;
	uint64_t last, durable; /* the newest report */
	unsigned reports;
};

static void appender_start(struct appender *a, const char *dir, const char *control)
{
	int fds[2];
	*a = (struct appender){ 0 };
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	a->pid = fork();
	assert_true(a->pid >= 0);
	if (a->pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		if (control) {
			setenv("LD_PRELOAD", DISKSHIM, 1);
			setenv("DISKSHIM_DIR", control, 1);
			setenv("ASAN_OPTIONS", "verify_asan_link_order=0:detect_leaks=0", 1);
		}
		execl(APPENDER, APPENDER, dir, "131072", NULL);
		_exit(127);
	}
	close(fds[1]);
	a->out = fds[0];
}

/* The next report; false when the appender has gone. */
static bool appender_report(struct appender *a)
{
	uint64_t pair[2];
	struct pollfd p = { a->out, POLLIN, 0 };
	int ready;
	do
		ready = poll(&p, 1, KIT_PATIENCE_MS);
	while (ready < 0 && errno == EINTR);
	assert_int_equal(ready, 1);
	ssize_t n = read(a->out, pair, sizeof(pair)); /* pipes don't part writes this small */
	if (n != sizeof(pair))
		return false;
	/* Two threads of the appender report. */
	a->last = pair[0] > a->last ? pair[0] : a->last;
	a->durable = pair[1] > a->durable ? pair[1] : a->durable;
	a->reports++;
	return true;
}

/* Reads the rest of the reports; returns the status as of waitpid. */
static int appender_end(struct appender *a)
{
	int status = 0;
	while (appender_report(a))
		;
	close(a->out);
	assert_int_equal(waitpid(a->pid, &status, 0), a->pid);
	return status;
}

static uint64_t check_durable(const char *dir, const struct appender *a)
{
	struct journal_config config = kit_config(dir);
	struct journal *j = kit_open(&config);
	struct kit_found found = kit_replay(j);
	assert_true(found.n >= a->durable);
	for (uint64_t i = 0; i < found.n; i++)
		assert_int_equal(found.numbers[i], i + 1);
	uint64_t n = found.n;
	assert_int_equal(journal_last(j), n);
	kit_found_free(&found);
	journal_free(j);
	return n;
}

static void kill_at_random_moments(void **state)
{
	(void)state;
	char *dir = kit_folder();
	unsigned random = 12345;
	for (int round = 0; round < 20; round++) {
		struct appender a;
		random = random * 1103515245 + 12345;
		unsigned reports = random >> 16 & 127;
		appender_start(&a, dir, NULL);
		do
			assert_true(appender_report(&a));
		while (a.reports <= reports);
		kill(a.pid, SIGKILL);
		int status = appender_end(&a);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		check_durable(dir, &a);
		assert_int_equal(kit_count(dir, "damaged", ".bin"), 0);
		if (round % 5 ==
		    4) { /* every round reads all that the rounds before have written */
			kit_remove(dir);
			dir = kit_folder();
		}
	}
	kit_remove(dir);
}

static void second_process(void **state)
{
	(void)state;
	struct appender a;
	struct fault f = { 0 };
	struct journal *j = NULL;
	char *dir = kit_folder();
	struct journal_config config = kit_config(dir);
	appender_start(&a, dir, NULL);
	assert_true(appender_report(&a));
	assert_int_equal(journal_open(&j, &config, &f), E_CONFLICT);
	assert_non_null(strstr(f.text, "another process"));
	kill(a.pid, SIGKILL);
	appender_end(&a);
	j = kit_open(&config); /* no stale lock */
	struct journal *second = NULL;
	assert_int_equal(journal_open(&second, &config, &f), E_CONFLICT);
	journal_free(j);
	kit_remove(dir);
}

/* --- diskshim --- */

struct shim {
	char *dir, *control;
};

static int shim_set(void **state)
{
	struct shim *s = calloc(1, sizeof(*s));
	s->dir = kit_folder();
	s->control = kit_folder();
	*state = s;
	return 0;
}

static int shim_clear(void **state)
{
	struct shim *s = *state;
	kit_remove(s->dir);
	kit_remove(s->control);
	free(s);
	return 0;
}

static void ask(const struct shim *s, const char *what)
{
	kit_write_file(s->control, what, SPAN(""));
}

/* Powers off while writes wait for a held sync. */
static void lose_while_held(void **state)
{
	struct shim *s = *state;
	struct appender a;
	appender_start(&a, s->dir, s->control);
	do
		assert_true(appender_report(&a));
	while (a.durable < 3000); /* more than one segment */
	ask(s, "hold");
	do
		assert_true(appender_report(&a));
	while (a.last < a.durable + 300);
	ask(s, "lose");
	int status = appender_end(&a);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_true(kit_exists(s->control, "lost"));
	uint64_t found = check_durable(s->dir, &a);
	assert_int_equal(found, a.durable); /* everything behind it was lost, really */
	assert_true(found < a.last);
}

/* Powers off at full speed. */
static void lose_at_speed(void **state)
{
	struct shim *s = *state;
	for (int round = 0; round < 5; round++) {
		struct appender a;
		char *lose = kit_path(s->control, "lose"), *lost = kit_path(s->control, "lost");
		appender_start(&a, s->dir, s->control);
		do
			assert_true(appender_report(&a));
		while (a.reports < 30u * (unsigned)(round + 1));
		ask(s, "lose");
		int status = appender_end(&a);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		assert_true(kit_exists(s->control, "lost"));
		check_durable(s->dir, &a);
		unlink(lose);
		unlink(lost);
		free(lose);
		free(lost);
	}
}

static void hold_and_go_on(void **state)
{
	struct shim *s = *state;
	struct appender a;
	char *hold = kit_path(s->control, "hold");
	appender_start(&a, s->dir, s->control);
	assert_true(appender_report(&a));
	ask(s, "hold");
	do
		assert_true(appender_report(&a));
	while (a.last < a.durable + 300);
	uint64_t held_at = a.durable;
	unlink(hold);
	free(hold);
	do
		assert_true(appender_report(&a));
	while (a.durable <= held_at);
	kill(a.pid, SIGKILL);
	appender_end(&a);
	check_durable(s->dir, &a);
}

static void refused_syncs(void **state)
{
	struct shim *s = *state;
	struct appender a;
	appender_start(&a, s->dir, s->control);
	do
		assert_true(appender_report(&a));
	while (a.durable < 500);
	ask(s, "fail");
	int status = appender_end(&a);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
	check_durable(s->dir, &a);
}

int main(void)
{
	log_init(LOG_ERROR, LOG_TEXT);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kill_at_random_moments),
		cmocka_unit_test(second_process),
		cmocka_unit_test_setup_teardown(lose_while_held, shim_set, shim_clear),
		cmocka_unit_test_setup_teardown(lose_at_speed, shim_set, shim_clear),
		cmocka_unit_test_setup_teardown(hold_and_go_on, shim_set, shim_clear),
		cmocka_unit_test_setup_teardown(refused_syncs, shim_set, shim_clear),
	};
	return cmocka_run_group_tests_name("journal crashes", tests, NULL, NULL);
}
