/* Answers out of files: whole, in part, by HEAD; files that are shorter than they were; clients
 * that leave. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/net/rig.h"

enum { FILE_BYTES = 3 * 1024 * 1024 + 17 };
static struct rig rig;
static char path[] = "/tmp/callmend-file-XXXXXX";
static char content[FILE_BYTES];
static atomic_int asked;

static uint64_t number(struct exchange *x, const char *name)
{
	struct span v;

	return exchange_query(x, name, &v) ? strtoull(v.p, NULL, 10) : 0;
}

static void send_file(struct exchange *x)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	atomic_fetch_add(&asked, 1);
	exchange_answer_file(x, 206, "audio/ogg", fd, number(x, "from"), number(x, "n"));
}

static void hello(struct exchange *x)
{
	exchange_answer(x, 200, "text/plain", SPAN("hello"));
}

static const struct http_route routes[] = {
	{ HTTP_GET, "/file", 0, send_file, NULL, NULL },
	{ HTTP_GET, "/hello", 0, hello, NULL, NULL },
};

static int setup(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	for (size_t i = 0; i < FILE_BYTES; i++)
		content[i] = (char)(i * 31 + i / 7919);
	if (fd < 0 || write(fd, content, FILE_BYTES) != FILE_BYTES)
		return -1;
	close(fd);
	rig_start(&rig, 1, routes, sizeof(routes) / sizeof(routes[0]));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_stop(&rig);
	return unlink(path);
}

static int open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	char link[300], target[300];
	int n = 0;

	for (struct dirent *e; (e = readdir(d));) {
		snprintf(link, sizeof(link), "/proc/self/fd/%s", e->d_name);
		ssize_t length = readlink(link, target, sizeof(target) - 1);
		target[length > 0 ? length : 0] = '\0';
		n += strcmp(target, path) == 0;
	}
	closedir(d);
	return n;
}

/* The server closes a file a moment after the client has its last byte. */
static void assert_files_closed(void)
{
	for (int waited_ms = 0; open_files() != 0; waited_ms++) {
		assert_true(waited_ms < RIG_WAIT_MS);
		usleep(1000);
	}
}

static void ask(int fd, const char *method, size_t from, size_t n)
{
	char request[200];

	snprintf(request, sizeof(request), "%s /file?from=%zu&n=%zu HTTP/1.1\r\nHost: x\r\n\r\n",
		 method, from, n);
	client_sendz(fd, request);
}

static void all_and_parts_on_one_connection(void **state)
{
	(void)state;
	static const size_t parts[][2] = { { 0, FILE_BYTES }, { 0, 1 },	    { FILE_BYTES - 1, 1 },
					   { 100, 65536 },    { 7, 65537 }, { 5, 0 },
					   { 12345, 2000000 } };
	int fd = client_connect(rig.port);
	struct reply r = { 0 };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		ask(fd, "GET", parts[i][0], parts[i][1]);
		client_reply(fd, REPLY_FULL, &r);
		assert_int_equal(r.status, 206);
		assert_true(reply_has(&r, "Content-Type: audio/ogg"));
		assert_int_equal(r.body.n, parts[i][1]);
		if (r.body.n)
			assert_memory_equal(r.body.p, content + parts[i][0], r.body.n);
	}
	ask(fd, "HEAD", 10, 1000000);
	client_reply(fd, REPLY_HEAD, &r);
	assert_true(reply_has(&r, "Content-Length: 1000000"));
	client_sendz(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
	client_reply(fd, REPLY_FULL, &r);
	assert_true(span_is(buf_span(&r.body), "hello"));
	reply_free(&r);
	close(fd);
	assert_files_closed();
}

static void a_file_that_is_too_short_ends_the_connection(void **state)
{
	(void)state;
	int fd = client_connect(rig.port);
	size_t got = 0;
	char bytes[65536];
	ssize_t n;

	ask(fd, "GET", FILE_BYTES - 100000, 200000);
	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		got += (size_t)n;
	assert_in_range(got, 100000, 101000);
	close(fd);
	assert_files_closed();
}

static void clients_that_leave(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		int fd = client_connect(rig.port), before = atomic_load(&asked);
		char byte;

		ask(fd, "GET", 0, FILE_BYTES);
		rig_wait(&asked, before + 1);
		assert_int_equal(read(fd, &byte, 1), 1);
		close(fd);
	}
	rig_wait_connections(&rig, 0);
	assert_files_closed();
}

static void stopping_in_mid_file(void **state)
{
	(void)state;
	int fd = client_connect(rig.port);
	char byte;

	ask(fd, "GET", 0, FILE_BYTES);
	assert_int_equal(read(fd, &byte, 1), 1);
	rig_stop(&rig);
	assert_files_closed();
	close(fd);
	rig_start(&rig, 1, routes, sizeof(routes) / sizeof(routes[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_and_parts_on_one_connection),
		cmocka_unit_test(a_file_that_is_too_short_ends_the_connection),
		cmocka_unit_test(clients_that_leave),
		cmocka_unit_test(stopping_in_mid_file),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
