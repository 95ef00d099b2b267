/* TLS of the gRPC server: what clients must bring, and certificates that change. */
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "grpc_kit.h"

static struct rig rig;
static char dir[64], certificate[128], key[128];

static void place(const char *from) /* `from`.pem and .key become the server's */
{
	struct buf b = { 0 };

	make_certificate(dir, from);
	assert_int_equal(0, shell(&b, "mv %s/%s.key %s && mv %s/%s.pem %s", dir, from, key, dir,
				  from, certificate));
	buf_free(&b);
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/callmend-grpc-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(certificate, sizeof(certificate), "%s/chain", dir);
	snprintf(key, sizeof(key), "%s/private", dir);
	place("first");
	rig = (struct rig){ .grpc = { .certificate = certificate, .key = key } };
	return 0;
}

static int teardown(void **state)
{
	struct buf b = { 0 };

	(void)state;
	assert_int_equal(0, shell(&b, "rm -r %s", dir));
	buf_free(&b);
	return 0;
}

struct caller {
	const char *alpn; /* with its length in front; NULL: none */
	int least, most;  /* versions of TLS; 0: any */
};

/* NULL: it was refused in the handshake. */
static SSL *call(int fd, struct caller how)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl;

	SSL_CTX_set_cipher_list(ctx, "DEFAULT@SECLEVEL=0");
	SSL_CTX_set_min_proto_version(ctx, how.least);
	SSL_CTX_set_max_proto_version(ctx, how.most);
	if (how.alpn)
		SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)how.alpn,
					(unsigned)strlen(how.alpn));
	ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	SSL_set_fd(ssl, fd);
	if (SSL_connect(ssl) == 1)
		return ssl;
	SSL_free(ssl);
	return NULL;
}

static void name_of(SSL *ssl, char *name, int n)
{
	X509 *x = SSL_get1_peer_certificate(ssl);

	assert_non_null(x);
	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, name, n);
	X509_free(x);
}

/* Who a new connection meets. */
static void meet(char *name, int n)
{
	int fd = client_connect(rig.grpc_port);
	SSL *ssl = call(fd, (struct caller){ "\2h2", 0, 0 });

	assert_non_null(ssl);
	name_of(ssl, name, n);
	SSL_free(ssl);
	close(fd);
}

static void versions_and_protocols(void **state)
{
	(void)state;
	static const struct {
		struct caller how;
		bool connects, stays;
	} cases[] = {
		{ { "\2h2", TLS1_3_VERSION, TLS1_3_VERSION }, true, true },
		{ { "\2h2", TLS1_2_VERSION, TLS1_2_VERSION }, true, true },
		{ { "\2h2", TLS1_1_VERSION, TLS1_1_VERSION }, false, false },
		{ { "\x8http/1.1\2h2", 0, 0 }, true, true },
		{ { "\x8http/1.1", 0, 0 }, false, false },
		{ { NULL, 0, 0 }, true, false },
	};

	kit_start(&rig, 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char bytes[9];
		int fd = client_connect(rig.grpc_port);
		SSL *ssl = call(fd, cases[i].how);
		assert_int_equal(cases[i].connects, ssl != NULL);
		if (ssl) /* its SETTINGS, or the end */
			assert_int_equal(cases[i].stays ? 9 : 0,
					 SSL_read(ssl, bytes, sizeof(bytes)) == 9 ? 9 : 0);
		SSL_free(ssl);
		close(fd);
	}
	kit_wait_connections(&rig, 0);
	rig_stop(&rig);
}

static void what_is_no_tls_is_closed(void **state)
{
	(void)state;
	char byte;
	kit_start(&rig, 1);
	int fd = client_connect(rig.grpc_port);

	client_sendz(fd, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	while (recv(fd, &byte, 1, 0) > 0) /* an alert, perhaps */
		;
	close(fd);
	kit_wait_connections(&rig, 0);
	rig_stop(&rig);
}

static void a_handshake_has_to_end(void **state)
{
	(void)state;
	rig.grpc.idle_ms = 100;
	kit_start(&rig, 1);
	int fd = client_connect(rig.grpc_port);

	client_send(fd, "\x16\3\1", 3);
	assert_true(client_closed(fd));
	close(fd);
	kit_wait_connections(&rig, 0);
	rig_stop(&rig);
	rig.grpc.idle_ms = 0;
}

static void a_close_notify_ends_the_streams(void **state)
{
	(void)state;
	kit_start(&rig, 1);
	struct grpc_client *c = grpc_client_new(rig.grpc_port, IN_TLS);
	struct call *k = call_new(c, STREAM_PATH, NULL);

	call_message(c, k, "a");
	rig_wait(&kit_messages, 1);
	SSL_shutdown(c->ssl);
	kit_wait_seen("open 127.0.0.1|message a|closed connection lost|");
	grpc_client_free(c);
	kit_wait_connections(&rig, 0);
	rig_stop(&rig);
}

struct reload {
	struct fault f;
	int rc;
};

static void reload_here(struct shard *s, void *user)
{
	struct reload *r = user;

	(void)s;
	r->rc = grpc_server_reload(rig.grpc_servers[0], &r->f);
}

static void new_connections_get_the_new_certificate(void **state)
{
	(void)state;
	char name[64];
	struct reload r = { 0 };
	kit_start(&rig, 1);
	struct grpc_client *old = grpc_client_new(rig.grpc_port, IN_TLS);

	meet(name, sizeof(name));
	assert_string_equal("first", name);
	place("second");
	rig_on_shard(&rig, 0, reload_here, &r);
	assert_int_equal(0, r.rc);
	meet(name, sizeof(name));
	assert_string_equal("second", name);
	struct call *k = call_new(old, STREAM_PATH, NULL);
	call_end(old, k);
	call_wait(old, k);
	assert_int_equal(GRPC_OK, k->status);
	assert_int_equal(0, truncate(certificate, 10));
	rig_on_shard(&rig, 0, reload_here, &r);
	assert_int_equal(E_INVALID, r.rc);
	assert_non_null(strstr(r.f.text, certificate));
	meet(name, sizeof(name));
	assert_string_equal("second", name);
	grpc_client_free(old);
	rig_stop(&rig);
	place("first");
}

static void changed_files_are_found(void **state)
{
	(void)state;
	char name[64] = "";
	time_t until = time(NULL) + RIG_WAIT_MS / 1000;

	rig.grpc.certificate_look_ms = 1;
	rig.grpc.idle_ms = 400;
	kit_start(&rig, 1);
	place("third");
	while (strcmp(name, "third") != 0) {
		meet(name, sizeof(name));
		assert_true(time(NULL) < until);
	}
	rig_stop(&rig);
	rig.grpc.certificate_look_ms = rig.grpc.idle_ms = 0;
}

static void assert_wrong(const char *c, const char *k, int code, const char *says)
{
	struct fault f = { 0 };

	assert_int_equal(code, grpc_check_certificate(c, k, &f));
	if (!strstr(f.text, says))
		fail_msg("%s: not in: %s", says, f.text);
}

static void files_that_cannot_be_used_are_named(void **state)
{
	(void)state;
	char nowhere[128], other[128], locked[128];
	struct buf b = { 0 };

	snprintf(nowhere, sizeof(nowhere), "%s/nowhere", dir);
	snprintf(other, sizeof(other), "%s/other.key", dir);
	snprintf(locked, sizeof(locked), "%s/locked", dir);
	make_certificate(dir, "other");
	assert_int_equal(
		0, shell(&b, "openssl pkey -in %s -out %s -aes128 -passout pass:x", key, locked));
	assert_int_equal(0, grpc_check_certificate(NULL, NULL, NULL));
	assert_int_equal(0, grpc_check_certificate("", "", NULL));
	assert_int_equal(0, grpc_check_certificate(certificate, key, NULL));
	assert_wrong(certificate, "", E_INVALID, "needs its key");
	assert_wrong(NULL, key, E_INVALID, "needs its key");
	assert_wrong(nowhere, key, E_IO, nowhere);
	assert_wrong(certificate, nowhere, E_IO, nowhere);
	assert_wrong(key, key, E_INVALID, key);
	assert_wrong(certificate, certificate, E_INVALID, certificate);
	assert_wrong(certificate, other, E_INVALID, other);
	assert_wrong(certificate, locked, E_INVALID, "without passphrase");
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_and_protocols),
		cmocka_unit_test(what_is_no_tls_is_closed),
		cmocka_unit_test(a_handshake_has_to_end),
		cmocka_unit_test(a_close_notify_ends_the_streams),
		cmocka_unit_test(new_connections_get_the_new_certificate),
		cmocka_unit_test(changed_files_are_found),
		cmocka_unit_test(files_that_cannot_be_used_are_named),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
