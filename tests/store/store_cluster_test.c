/* I2: the private cluster - started, adopted, cleaned up after, as whoever runs it. */
#include "store_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

static const char *path_of(const char *name)
{
	static char path[256];
	snprintf(path, sizeof(path), "%s/%s", fixture.dir, name);
	return path;
}

static void status_of(pid_t pid, const char *field, char *out, size_t size)
{
	char path[64], line[256];
	out[0] = 0;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, field, strlen(field)) == 0)
			snprintf(out, size, "%s", line + strlen(field));
	if (file)
		fclose(file);
}

static void runs_unprivileged_on_a_socket_only(void **state)
{
	(void)state;
	char uid[64];
	struct stat st;
	status_of(cluster_pid(fixture.cluster), "Uid:", uid, sizeof(uid));
	assert_int_not_equal(atoi(uid), 0);
	if (geteuid() != 0)
		assert_int_equal(atoi(uid), geteuid());
	assert_string_equal(sql("show listen_addresses"), "");
	assert_string_equal(sql("show fsync"), "on");
	assert_string_equal(sql("show server_encoding"), "UTF8");
	assert_int_equal(stat(path_of("postgres/run"), &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
	assert_int_equal(stat(path_of("postgres/data"), &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
}

/* The terminal's Ctrl-C and our own session's end are not for the server. */
static void has_a_session_of_its_own(void **state)
{
	(void)state;
	pid_t pid = cluster_pid(fixture.cluster);
	assert_int_equal(getsid(pid), pid);
	assert_int_equal(getpgid(pid), pid);
	assert_true(cluster_alive(fixture.cluster));
}

static void inherits_neither_environment_nor_files(void **state)
{
	(void)state;
	char path[64];
	struct buf env AUTO_BUF = { 0 };
	int leaked = open("/dev/null", O_RDONLY);
	cluster_stop(fixture.cluster);
	setenv("CALLMEND_SECRET_LEAK", "x", 1);
	setenv("PGDATA", "/nowhere", 1);
	assert_ok(cluster_start(&fixture.cluster, fixture.dir, &oops));
	unsetenv("PGDATA");
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)cluster_pid(fixture.cluster));
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	for (int c; (c = fgetc(file)) != EOF;)
		buf_addc(&env, (char)(c ? c : ' '));
	fclose(file);
	assert_null(strstr(buf_z(&env), "CALLMEND_SECRET_LEAK"));
	assert_null(strstr(buf_z(&env), "PGDATA=/nowhere"));
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)cluster_pid(fixture.cluster), leaked);
	char target[64] = "";
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	assert_false(n > 0 && strcmp(target, "/dev/null") == 0);
	close(leaked);
}

static void data_survive_a_stop(void **state)
{
	(void)state;
	pid_t pid = cluster_pid(fixture.cluster);
	sql("create table kept as select 42 as n");
	cluster_stop(fixture.cluster);
	assert_true(kill(pid, 0) != 0 && errno == ESRCH);
	assert_ok(cluster_start(&fixture.cluster, fixture.dir, &oops));
	assert_string_equal(sql("select n from kept"), "42");
}

/* What `up` finds after its predecessor was killed: a server that runs on, nobody's child. */
static pid_t start_in_a_process_that_dies(void)
{
	int ends[2];
	pid_t server = 0;
	assert_int_equal(pipe(ends), 0);
	pid_t parent = fork();
	if (parent == 0) {
		struct cluster *c;
		if (cluster_start(&c, fixture.dir, NULL))
			_exit(1);
		server = cluster_pid(c);
		if (write(ends[1], &server, sizeof(server)) != sizeof(server))
			_exit(1);
		raise(SIGKILL);
	}
	assert_int_equal(read(ends[0], &server, sizeof(server)), sizeof(server));
	waitpid(parent, NULL, 0);
	close(ends[0]);
	close(ends[1]);
	return server;
}

static void a_running_server_is_adopted(void **state)
{
	(void)state;
	cluster_stop(fixture.cluster);
	pid_t server = start_in_a_process_that_dies();
	assert_ok(cluster_start(&fixture.cluster, fixture.dir, &oops));
	assert_int_equal(cluster_pid(fixture.cluster), server);
	assert_true(cluster_alive(fixture.cluster));
	assert_string_equal(sql("select n from kept"), "42");
	/* And it is stopped like one of ours. */
	cluster_stop(fixture.cluster);
	assert_true(kill(server, 0) != 0 ||
		    access(path_of("postgres/data/postmaster.pid"), F_OK) != 0);
	assert_ok(cluster_start(&fixture.cluster, fixture.dir, &oops));
	assert_int_not_equal(cluster_pid(fixture.cluster), server);
}

static void wait_until_dead(void)
{
	int64_t until = clock_monotonic_us() + 10 * SECOND_US;
	while (cluster_alive(fixture.cluster) && clock_monotonic_us() < until)
		pause_ms(1);
	assert_false(cluster_alive(fixture.cluster));
}

static void a_killed_server_is_noticed_and_replaced(void **state)
{
	(void)state;
	kill(cluster_pid(fixture.cluster), SIGKILL);
	wait_until_dead();
	cluster_stop(fixture.cluster);
	assert_int_equal(access(path_of("postgres/data/postmaster.pid"), F_OK), 0);
	assert_ok(cluster_start(&fixture.cluster, fixture.dir, &oops));
	assert_string_equal(sql("select n from kept"), "42");
}

/* Server processes that outlive the postmaster hold its shared memory: a stopped one does not even
 * notice its death. */
static void processes_left_behind_are_stopped(void **state)
{
	(void)state;
	char gone[64];
	pid_t orphan =
		atoi(sql("select pid from pg_stat_activity where backend_type = 'checkpointer'"));
	assert_true(orphan > 0);
	kill(orphan, SIGSTOP);
	kill(cluster_pid(fixture.cluster), SIGKILL);
	wait_until_dead();
	cluster_stop(fixture.cluster);
	assert_ok(cluster_start(&fixture.cluster, fixture.dir, &oops));
	assert_string_equal(sql("select n from kept"), "42");
	/* Gone, or waiting for whoever is process 1 here to notice. */
	status_of(orphan, "State:\t", gone, sizeof(gone));
	assert_true(gone[0] == 0 || gone[0] == 'Z');
}

/* postmaster.pid names a process that lives but is somebody else: the numbers have come round. */
static void a_pid_file_of_somebody_else_does_not_stop_it(void **state)
{
	(void)state;
	char text[256];
	cluster_stop(fixture.cluster);
	snprintf(text, sizeof(text),
		 "%d\n%s/postgres/data\n1\n5432\n%s/postgres/run\n\n  1 1\nready\n", (int)getpid(),
		 fixture.dir, fixture.dir);
	assert_ok(
		file_replace(path_of("postgres/data/postmaster.pid"), 0644, span_of(text), &oops));
	assert_ok(cluster_start(&fixture.cluster, fixture.dir, &oops));
	assert_string_equal(sql("select n from kept"), "42");
}

/* Killed in the middle of the very first start. */
static void unfinished_data_are_made_again(void **state)
{
	(void)state;
	char moved[256];
	cluster_stop(fixture.cluster);
	snprintf(moved, sizeof(moved), "%s", path_of("postgres/moved"));
	assert_int_equal(rename(path_of("postgres/data"), moved), 0);
	assert_int_equal(mkdir(path_of("postgres/data.new"), 0700), 0);
	assert_int_equal(mkdir(path_of("postgres/data.new/base"), 0700), 0);
	if (geteuid() == 0) {
		struct stat st;
		assert_int_equal(stat(path_of("postgres"), &st), 0);
		assert_int_equal(chown(path_of("postgres/data.new"), st.st_uid, st.st_gid), 0);
		assert_int_equal(chown(path_of("postgres/data.new/base"), st.st_uid, st.st_gid), 0);
	}
	assert_ok(cluster_start(&fixture.cluster, fixture.dir, &oops));
	assert_string_equal(sql("select count(*) from pg_tables where tablename = 'kept'"), "0");
}

static void too_long_a_path_gets_a_socket_elsewhere(void **state)
{
	(void)state;
	struct cluster *c;
	struct stat st;
	char dir[256], socket_dir[64];
	snprintf(dir, sizeof(dir), "%s/%0100d", fixture.dir, 7);
	assert_ok(cluster_start(&c, dir, &oops));
	assert_int_equal(strncmp(cluster_url(c), "host='/tmp/callmend-", 20), 0);
	snprintf(socket_dir, sizeof(socket_dir), "%.*s", (int)strcspn(cluster_url(c) + 6, "'"),
		 cluster_url(c) + 6);
	assert_int_equal(stat(socket_dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_ok(store_migrate(cluster_url(c), NULL, &oops));
	cluster_stop(c);
	assert_int_equal(rmdir(socket_dir), 0);
}

static void a_name_with_quotes_and_spaces(void **state)
{
	(void)state;
	struct cluster *c;
	char dir[256];
	snprintf(dir, sizeof(dir), "%s/it's a \\ folder", fixture.dir);
	assert_ok(cluster_start(&c, dir, &oops));
	assert_ok(store_migrate(cluster_url(c), NULL, &oops));
	cluster_stop(c);
}

/* As root in a folder that the server's user cannot reach. */
static void unreachable_folders_link_to_reachable_ones(void **state)
{
	(void)state;
	struct cluster *c;
	char dir[256], target[PATH_MAX] = "", command[PATH_MAX + 16];
	if (geteuid() != 0)
		skip();
	snprintf(dir, sizeof(dir), "%s/closed", fixture.dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	snprintf(dir, sizeof(dir), "%s/closed/state", fixture.dir);
	assert_ok(cluster_start(&c, dir, &oops));
	pid_t first = cluster_pid(c);
	assert_ok(store_migrate(cluster_url(c), NULL, &oops));
	cluster_stop(c);
	/* The same data the second time. */
	unsigned applied = 9;
	assert_ok(cluster_start(&c, dir, &oops));
	assert_int_not_equal(cluster_pid(c), first);
	assert_ok(store_migrate(cluster_url(c), &applied, &oops));
	assert_int_equal(applied, 0);
	cluster_stop(c);
	snprintf(dir, sizeof(dir), "%s/closed/state/postgres", fixture.dir);
	assert_true(readlink(dir, target, sizeof(target) - 1) > 0);
	assert_int_equal(strncmp(target, "/var/lib/callmend-", 18), 0);
	snprintf(command, sizeof(command), "rm -rf '%s'", target);
	assert_int_equal(system(command), 0);
}

/* As an ordinary user: nothing of the above may depend on being root. */
static void works_for_an_ordinary_user(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	struct passwd *nobody = getpwnam("nobody");
	assert_non_null(nobody);
	char dir[] = "/tmp/callmend-user-XXXXXX", command[64];
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chown(dir, nobody->pw_uid, nobody->pw_gid), 0);
	pid_t child = fork();
	if (child == 0) {
		struct cluster *c;
		struct fault f = { 0 };
		if (setgid(nobody->pw_gid) || setuid(nobody->pw_uid))
			_exit(1);
		if (cluster_start(&c, dir, &f) || store_migrate(cluster_url(c), NULL, &f)) {
			print_error("%s\n", f.text);
			_exit(2);
		}
		cluster_stop(c);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	assert_int_equal(system(command), 0);
}

static void its_url_can_be_found_by_others(void **state)
{
	(void)state;
	struct buf url AUTO_BUF = { 0 };
	char dir[256];
	assert_ok(cluster_find_url(fixture.dir, &url, &oops));
	assert_string_equal(buf_z(&url), fixture_url());
	snprintf(dir, sizeof(dir), "%s/empty", fixture.dir);
	assert_int_equal(cluster_find_url(dir, &url, &oops), E_NOT_FOUND);
	assert_int_not_equal(access(dir, F_OK), 0);
}

static void its_log_is_put_aside_when_long(void **state)
{
	(void)state;
	struct stat st;
	cluster_stop(fixture.cluster);
	assert_int_equal(truncate(path_of("postgres/server.log"), 17 * 1024 * 1024), 0);
	assert_ok(cluster_start(&fixture.cluster, fixture.dir, &oops));
	assert_int_equal(stat(path_of("postgres/server.log.1"), &st), 0);
	assert_int_equal(stat(path_of("postgres/server.log"), &st), 0);
	assert_true(st.st_size < 1024 * 1024);
}

static void a_version_that_is_not_installed_is_named(void **state)
{
	(void)state;
	struct cluster *c;
	char dir[256], name[300];
	snprintf(dir, sizeof(dir), "%s/old", fixture.dir);
	snprintf(name, sizeof(name), "%s/postgres/data", dir);
	assert_ok(file_make_dir(name, 0700, &oops));
	snprintf(name, sizeof(name), "%s/postgres/data/PG_VERSION", dir);
	assert_ok(file_replace(name, 0600, SPAN("9\n"), &oops));
	assert_int_equal(cluster_start(&c, dir, &oops), E_NOT_FOUND);
	assert_non_null(strstr(oops.text, "postgresql-9"));
}

static void a_folder_that_cannot_be_made_is_named(void **state)
{
	(void)state;
	struct cluster *c;
	assert_int_not_equal(cluster_start(&c, "/dev/null/state", &oops), 0);
	assert_non_null(strstr(oops.text, "/dev/null"));
	cluster_stop(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_unprivileged_on_a_socket_only),
		cmocka_unit_test(has_a_session_of_its_own),
		cmocka_unit_test(inherits_neither_environment_nor_files),
		cmocka_unit_test(data_survive_a_stop),
		cmocka_unit_test(a_running_server_is_adopted),
		cmocka_unit_test(a_killed_server_is_noticed_and_replaced),
		cmocka_unit_test(processes_left_behind_are_stopped),
		cmocka_unit_test(a_pid_file_of_somebody_else_does_not_stop_it),
		cmocka_unit_test(unfinished_data_are_made_again),
		cmocka_unit_test(too_long_a_path_gets_a_socket_elsewhere),
		cmocka_unit_test(a_name_with_quotes_and_spaces),
		cmocka_unit_test(unreachable_folders_link_to_reachable_ones),
		cmocka_unit_test(works_for_an_ordinary_user),
		cmocka_unit_test(its_url_can_be_found_by_others),
		cmocka_unit_test(its_log_is_put_aside_when_long),
		cmocka_unit_test(a_version_that_is_not_installed_is_named),
		cmocka_unit_test(a_folder_that_cannot_be_made_is_named),
	};
	return cmocka_run_group_tests_name("store_cluster", tests, fixture_start, fixture_stop);
}
