/* Receiving gRPC messages allocates nothing once a stream is warm: what live audio stands on. In
 * the clear and over TLS (but for what OpenSSL itself takes), messages whole and in two frames, and
 * with what flow control says. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <unistd.h>

#include "allocations.h"
#include "grpc_client.h"

enum { WARM = 200, MESSAGES = 2000, PAYLOAD = 800 };

static struct rig rig;
static atomic_int messages;
static atomic_long bytes;

static enum grpc_status on_open(struct grpc_stream *s, const char **why)
{
	(void)s;
	(void)why;
	return GRPC_OK;
}

static void on_message(struct grpc_stream *s, struct span m)
{
	(void)s;
	atomic_fetch_add(&bytes, (long)m.n);
	atomic_fetch_add(&messages, 1);
}

static void on_end(struct grpc_stream *s)
{
	grpc_stream_finish(s, GRPC_OK, NULL);
}

static void on_closed(struct grpc_stream *s, const char *why)
{
	(void)s;
	(void)why;
}

static const struct grpc_handlers handlers = { on_open, on_message, on_end, on_closed };
static const struct grpc_method methods[] = { { "/media", 100000, &handlers } };

static void watch(struct shard *s, void *on)
{
	(void)s;
	allocations_watch(on != NULL);
}

static void send_messages(struct grpc_client *c, struct call *k, int n)
{
	static const char zeroes[PAYLOAD];
	struct buf b = { 0 };

	put_grpc_message(&b, 0, zeroes, sizeof(zeroes));
	for (int i = 0; i < n; i += 2) {
		call_piece(c, k, b.p, b.n);
		call_piece(c, k, b.p, b.n / 2);
		call_piece(c, k, b.p + b.n / 2, b.n - b.n / 2);
	}
	while (k->piece_at < k->pieces_n) /* as windows allow */
		assert_true(client_turn(c));
	buf_free(&b);
}

static void receive(enum client_way way)
{
	struct grpc_client *c = grpc_client_new(rig.grpc_port, way);
	struct call *k = call_new(c, "/media", NULL);

	atomic_store(&messages, 0);
	atomic_store(&bytes, 0);
	send_messages(c, k, WARM);
	rig_wait(&messages, WARM);
	rig_on_shard(&rig, 0, watch, &rig);
	allocations_seen();
	send_messages(c, k, MESSAGES);
	rig_wait(&messages, WARM + MESSAGES);
	long n = allocations_seen();
	rig_on_shard(&rig, 0, watch, NULL);
	assert_int_equal((long)PAYLOAD * (WARM + MESSAGES), atomic_load(&bytes));
	call_end(c, k);
	call_wait(c, k);
	assert_true(c->window_updates > 10);
	assert_int_equal(0, n);
	grpc_client_free(c);
}

static void begin(const char *certificate, const char *key)
{
	rig = (struct rig){ .grpc = { .methods = methods,
				      .methods_n = 1,
				      .max_connections = 10,
				      .max_streams = 10,
				      .window_bytes = 65536,
				      .idle_ms = 60000,
				      .certificate = certificate,
				      .key = key } };
	rig_start(&rig, 1, NULL, 0);
}

static void receiving_allocates_nothing(void **state)
{
	(void)state;
	begin(NULL, NULL);
	receive(IN_CLEAR);
	rig_stop(&rig);
}

static void nor_does_it_over_tls(void **state)
{
	(void)state;
	char dir[] = "/tmp/callmend-grpc-XXXXXX", certificate[64], key[64];

	assert_non_null(mkdtemp(dir));
	make_certificate(dir, "server");
	snprintf(certificate, sizeof(certificate), "%s/server.pem", dir);
	snprintf(key, sizeof(key), "%s/server.key", dir);
	begin(certificate, key);
	receive(IN_TLS);
	rig_stop(&rig);
	unlink(certificate);
	unlink(key);
	rmdir(dir);
}

/* OpenSSL takes 40 bytes for each record of TLS 1.3, and gives them back; nobody can change that.
 */
static void *openssl_malloc(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return allocations_uncounted(n);
}

static void *openssl_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return realloc(p, n);
}

static void openssl_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(receiving_allocates_nothing),
					    cmocka_unit_test(nor_does_it_over_tls) };

	if (!CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
