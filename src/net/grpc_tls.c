/* OpenSSL between a socket and nghttp2: bytes are handed over by a BIO of our own, so that nothing
 * here reads or writes sockets, and nothing is copied but by OpenSSL itself.
 *
 * Failure modes: a file that cannot be read, holds no certificate or key, or a key of another
 * certificate (the fault names the file); a client without "h2" in its ALPN (alert); everything a
 * client can do wrong (the connection ends). */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/grpc_internal.h"

struct grpc_tls {
	SSL_CTX *ctx;
	char *certificate, *key;
	struct stat stamps[2];
};

struct grpc_secure {
	SSL *ssl;
	struct span in;
	struct buf *out;
};

/* --- the BIO --- */

static int bio_read(BIO *b, char *p, int n)
{
	struct grpc_secure *t = BIO_get_data(b);
	size_t k = t->in.n < (size_t)n ? t->in.n : (size_t)n;

	BIO_clear_retry_flags(b);
	if (k == 0) {
		BIO_set_retry_read(b);
		return -1;
	}
	memcpy(p, t->in.p, k);
	t->in = span_from(t->in, k);
	return (int)k;
}

static int bio_write(BIO *b, const char *p, int n)
{
	struct grpc_secure *t = BIO_get_data(b);

	buf_add(t->out, (struct span){ p, (size_t)n });
	return n;
}

static long bio_ctrl(BIO *b, int command, long number, void *p)
{
	(void)b;
	(void)number;
	(void)p;
	return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;

static void make_method(void)
{
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "callmend");
	CHECK(method && BIO_meth_set_read(method, bio_read) &&
	      BIO_meth_set_write(method, bio_write) && BIO_meth_set_ctrl(method, bio_ctrl));
}

/* --- certificates --- */

static const char *reason(void)
{
	unsigned long e = ERR_peek_last_error();
	const char *text = e ? ERR_reason_error_string(e) : NULL;

	return text ? text : "no reason given";
}

static int choose_h2(SSL *ssl, const unsigned char **out, unsigned char *out_n,
		     const unsigned char *in, unsigned in_n, void *user)
{
	static const unsigned char h2[] = { 2, 'h', '2' };
	unsigned char *chosen = NULL;

	(void)ssl;
	(void)user;
	if (SSL_select_next_proto(&chosen, out_n, h2, sizeof(h2), in, in_n) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* Else OpenSSL would ask at a terminal. */
static int no_passphrase(char *p, int n, int writing, void *user)
{
	(void)p;
	(void)n;
	(void)writing;
	(void)user;
	return 0;
}

static SSL_CTX *context_new(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	CHECK(ctx && SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION));
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(ctx, 0); /* another shard could not read them */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	SSL_CTX_set_alpn_select_cb(ctx, choose_h2, NULL);
	return ctx;
}

static int look(const char *path, struct stat *st, struct fault *f)
{
	if (access(path, R_OK) || stat(path, st))
		return fault(f, E_IO, "%s: %s", path, strerror(errno));
	return 0;
}

static int load(struct grpc_tls *t, struct fault *f)
{
	TRY(look(t->certificate, &t->stamps[0], f));
	TRY(look(t->key, &t->stamps[1], f));
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(t->ctx, t->certificate) != 1)
		return fault(f, E_INVALID, "%s: no certificate in PEM form (%s)", t->certificate,
			     reason());
	if (SSL_CTX_use_PrivateKey_file(t->ctx, t->key, SSL_FILETYPE_PEM) != 1)
		return fault(f, E_INVALID,
			     "%s: no private key in PEM form, without passphrase, of the "
			     "certificate in %s (%s)",
			     t->key, t->certificate, reason());
	return 0;
}

int grpc_tls_new(struct grpc_tls **out, const char *certificate, const char *key, struct fault *f)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct grpc_tls *t = calloc(1, sizeof(*t));

	CHECK(t && pthread_once(&once, make_method) == 0);
	t->ctx = context_new();
	t->certificate = strdup(certificate);
	t->key = strdup(key);
	CHECK(t->certificate && t->key);
	int rc = load(t, f);
	ERR_clear_error();
	if (rc)
		grpc_tls_free(t);
	else
		*out = t;
	return rc;
}

void grpc_tls_free(struct grpc_tls *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	free(t->certificate);
	free(t->key);
	free(t);
}

static bool differs(const char *path, const struct stat *was)
{
	struct stat now;

	return stat(path, &now) || now.st_ino != was->st_ino || now.st_size != was->st_size ||
	       now.st_mtim.tv_sec != was->st_mtim.tv_sec ||
	       now.st_mtim.tv_nsec != was->st_mtim.tv_nsec;
}

bool grpc_tls_changed(const struct grpc_tls *t)
{
	return differs(t->certificate, &t->stamps[0]) || differs(t->key, &t->stamps[1]);
}

/* --- a connection --- */

struct grpc_secure *grpc_secure_new(struct grpc_tls *tls, struct buf *out)
{
	struct grpc_secure *t = calloc(1, sizeof(*t));
	BIO *b = BIO_new(method);

	CHECK(t && b);
	t->out = out;
	t->ssl = SSL_new(tls->ctx);
	CHECK(t->ssl);
	BIO_set_data(b, t);
	BIO_set_init(b, 1);
	SSL_set_bio(t->ssl, b, b); /* its own now */
	SSL_set_accept_state(t->ssl);
	return t;
}

void grpc_secure_free(struct grpc_secure *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	free(t);
}

void grpc_secure_feed(struct grpc_secure *t, struct span bytes)
{
	t->in = bytes;
}

ssize_t grpc_secure_read(struct grpc_secure *t, char *to, size_t cap, struct fault *f)
{
	size_t n = 0;

	ERR_clear_error();
	if (SSL_read_ex(t->ssl, to, cap, &n) == 1)
		return (ssize_t)n;
	int e = SSL_get_error(t->ssl, 0);
	if (e == SSL_ERROR_WANT_READ)
		return 0;
	if (e == SSL_ERROR_ZERO_RETURN)
		return E_CLOSED;
	fault(f, E_CORRUPT, "TLS: %s", reason());
	ERR_clear_error();
	return E_CORRUPT;
}

bool grpc_secure_ready(const struct grpc_secure *t)
{
	return SSL_is_init_finished(t->ssl);
}

bool grpc_secure_is_h2(const struct grpc_secure *t)
{
	const unsigned char *p = NULL;
	unsigned n = 0;

	SSL_get0_alpn_selected(t->ssl, &p, &n);
	return span_is((struct span){ (const char *)p, n }, "h2");
}

int grpc_secure_write(struct grpc_secure *t, struct span bytes)
{
	size_t n = 0;

	ERR_clear_error();
	return SSL_write_ex(t->ssl, bytes.p, bytes.n, &n) == 1 && n == bytes.n ? 0 : E_CORRUPT;
}

void grpc_secure_end(struct grpc_secure *t)
{
	ERR_clear_error();
	if (SSL_is_init_finished(t->ssl))
		(void)SSL_shutdown(t->ssl);
	ERR_clear_error();
}
