/* Dealing connections to shards. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/metrics.h"
#include "rig.h"

enum { CONNECTIONS = 200, ROUNDS = 5, SHARDS = 2 };

static atomic_int served[RIG_MAX_SHARDS];

static void where(struct exchange *x)
{
	char text[32];
	unsigned i = shard_index(exchange_shard(x));

	assert_true(shard_here(exchange_shard(x)));
	atomic_fetch_add(&served[i], 1);
	snprintf(text, sizeof(text), "%u %zu", i, exchange_body(x).n);
	exchange_answer(x, 200, "text/plain", span_of(text));
}

static const struct http_route routes[] = {
	{ HTTP_POST, "/where", 100000, where, NULL, NULL },
	{ HTTP_GET, "/where", 0, where, NULL, NULL },
};

static void connections_are_dealt_evenly_and_kept(void **state)
{
	(void)state;
	struct rig rig = { 0 };
	struct reply r[CONNECTIONS] = { 0 };
	static char body[40000];
	int fds[CONNECTIONS], of_shard[SHARDS] = { 0 };
	int64_t gauge = metric_value(METRIC_CONNECTIONS);

	rig_start(&rig, SHARDS, routes, 2);
	for (int i = 0; i < CONNECTIONS; i++)
		fds[i] = client_connect(rig.port);
	rig_wait_connections(&rig, CONNECTIONS);
	for (unsigned i = 0; i < SHARDS; i++)
		assert_int_equal(CONNECTIONS / SHARDS, http_server_connections(rig.servers[i]));
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < CONNECTIONS; i++) {
			client_sendz(
				fds[i],
				"POST /where HTTP/1.1\r\nHost: x\r\nContent-Length: 40000\r\n\r\n");
			client_send(fds[i], body, sizeof(body));
		}
		for (int i = 0; i < CONNECTIONS; i++) {
			client_reply(fds[i], REPLY_FULL, &r[i]);
			assert_int_equal(200, r[i].status);
			assert_string_equal(" 40000", buf_z(&r[i].body) + 1);
			of_shard[atoi(buf_z(&r[i].body))]++;
		}
	}
	assert_int_equal(gauge + CONNECTIONS, metric_value(METRIC_CONNECTIONS));
	for (int i = 0; i < SHARDS; i++)
		assert_int_equal(CONNECTIONS * ROUNDS / SHARDS, of_shard[i]);
	/* After one shard lost its connections the next ones go there. */
	for (int i = 0; i < CONNECTIONS; i++)
		if (atoi(buf_z(&r[i].body)) == 1)
			close(fds[i]);
	rig_wait_connections(&rig, CONNECTIONS / 2);
	for (int i = 0; i < CONNECTIONS; i++)
		if (atoi(buf_z(&r[i].body)) == 1)
			fds[i] = client_connect(rig.port);
	rig_wait_connections(&rig, CONNECTIONS);
	assert_int_equal(CONNECTIONS / 2, http_server_connections(rig.servers[1]));
	for (int i = 0; i < CONNECTIONS; i++) {
		close(fds[i]);
		reply_free(&r[i]);
	}
	rig_wait_connections(&rig, 0);
	assert_int_equal(gauge, metric_value(METRIC_CONNECTIONS));
	rig_stop(&rig);
}

static void one_connection_too_many_is_refused(void **state)
{
	(void)state;
	struct rig rig = { .config = { .max_connections = 3 } };
	struct reply r = { 0 };
	int fds[6];

	rig_start(&rig, SHARDS, routes, 2);
	for (int i = 0; i < 6; i++)
		fds[i] = client_connect(rig.port);
	rig_wait_connections(&rig, 6);
	int fd = client_connect(rig.port);
	client_reply(fd, REPLY_FULL, &r);
	assert_int_equal(503, r.status);
	assert_true(client_closed(fd));
	close(fd);
	close(fds[0]);
	rig_wait_connections(&rig, 5);
	fd = client_ask(rig.port, "GET /where HTTP/1.1\r\nHost: x\r\n\r\n", &r);
	assert_int_equal(200, r.status);
	close(fd);
	for (int i = 1; i < 6; i++)
		close(fds[i]);
	reply_free(&r);
	rig_stop(&rig);
}

static void running_out_of_descriptors_is_survived(void **state)
{
	(void)state;
	struct rig rig = { 0 };
	struct reply r = { 0 };
	struct rlimit kept, tight;
	int fds[10];

	rig_start(&rig, 1, routes, 2);
	for (int i = 0; i < 10; i++)
		fds[i] = client_connect(rig.port);
	rig_wait_connections(&rig, 10);
	int last = socket(AF_INET, SOCK_STREAM, 0); /* the next descriptor number */
	close(last);
	getrlimit(RLIMIT_NOFILE, &kept);
	tight = kept;
	tight.rlim_cur = (rlim_t)last + 1;
	setrlimit(RLIMIT_NOFILE, &tight);
	int shed = client_connect(rig.port); /* takes the last one; the acceptor finds none */
	assert_true(client_closed(shed));
	setrlimit(RLIMIT_NOFILE, &kept);
	close(shed);
	int fd = client_ask(rig.port, "GET /where HTTP/1.1\r\nHost: x\r\n\r\n", &r);
	assert_int_equal(200, r.status);
	close(fd);
	for (int i = 0; i < 10; i++)
		close(fds[i]);
	reply_free(&r);
	rig_stop(&rig);
}

static void listening(void **state)
{
	(void)state;
	struct fault f = { 0 };
	unsigned port = 0, again;
	int fd = -1, other = -1;

	assert_int_equal(0, net_listen("127.0.0.1", &port, &fd, &f));
	assert_in_range(port, 1024, 65535);
	again = port;
	assert_int_equal(E_IO, net_listen("127.0.0.1", &again, &other, &f));
	assert_non_null(strstr(f.text, "in use"));
	assert_int_equal(-1, other);
	close(fd);
	assert_int_equal(0, net_listen("127.0.0.1", &again, &fd, &f));
	assert_int_equal(port, again);
	close(fd);
	assert_int_equal(E_INVALID, net_listen("no such host.invalid", &again, &other, &f));
	again = 70000;
	assert_int_equal(E_INVALID, net_listen("127.0.0.1", &again, &other, &f));
	again = 0;
	assert_int_equal(E_IO, net_listen("192.0.2.1", &again, &other, &f)); /* not ours */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_are_dealt_evenly_and_kept),
		cmocka_unit_test(one_connection_too_many_is_refused),
		cmocka_unit_test(running_out_of_descriptors_is_survived),
		cmocka_unit_test(listening),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
