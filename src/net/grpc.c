/* The gRPC server of a shard: its settings, its certificate, its connections and what looks after
 * them.
 *
 * Failure modes: a certificate that cannot be read at the start (the server does not start), or
 * later (the old one stays in use); all places taken (closed by the acceptor). */
#include "net/grpc.h"

#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

#include "base/log.h"
#include "net/grpc_internal.h"
#include "net/http.h"

enum { SWEEP_MS = 1000, CERTIFICATE_LOOK_MS = 60000 };

int64_t grpc_server_now_ms(const struct grpc_server *s)
{
	return (int64_t)uv_now(shard_loop(s->shard));
}

/* --- certificates --- */

static bool is_set(const char *file)
{
	return file && *file;
}

int grpc_check_certificate(const char *certificate, const char *key, struct fault *f)
{
	struct grpc_tls *tls = NULL;

	if (!is_set(certificate) && !is_set(key))
		return 0;
	if (!is_set(certificate) || !is_set(key))
		return fault(f, E_INVALID,
			     "%s: a certificate needs its key, and a key its certificate",
			     is_set(certificate) ? certificate : key);
	TRY(grpc_tls_new(&tls, certificate, key, f));
	grpc_tls_free(tls);
	return 0;
}

int grpc_server_reload(struct grpc_server *s, struct fault *f)
{
	struct grpc_tls *tls = NULL;

	if (!s->tls)
		return 0;
	TRY(grpc_tls_new(&tls, s->config.certificate, s->config.key, f));
	grpc_tls_free(s->tls);
	s->tls = tls;
	return 0;
}

static void look_at_certificate(struct grpc_server *s, int64_t now_ms)
{
	int64_t every_ms =
		s->config.certificate_look_ms ? s->config.certificate_look_ms : CERTIFICATE_LOOK_MS;
	struct fault f = { 0 };

	if (!s->tls || now_ms - s->looked_ms < every_ms)
		return;
	s->looked_ms = now_ms;
	if (!grpc_tls_changed(s->tls))
		return;
	if (grpc_server_reload(s, &f))
		log_warn("grpc", "the new certificate is not used: %s", f.text);
	else
		log_info("grpc", "new connections get the new certificate in %s",
			 s->config.certificate);
}

/* --- what runs by itself --- */

static void on_sweep(uv_timer_t *timer)
{
	struct grpc_server *s = timer->data;
	struct grpc_connection *c, *next;
	int64_t now_ms = grpc_server_now_ms(s);

	look_at_certificate(s, now_ms);
	DL_FOREACH_SAFE(s->connections, c, next)
	{
		grpc_connection_sweep(c, now_ms);
	}
}

static void on_flush(uv_idle_t *idle)
{
	struct grpc_server *s = idle->data;

	while (s->dirty) {
		struct grpc_connection *c = s->dirty;
		LL_DELETE2(s->dirty, c, dirty_next);
		c->is_dirty = false;
		grpc_connection_flush(c);
	}
	uv_idle_stop(idle);
}

void grpc_server_wake(struct grpc_server *s)
{
	uv_idle_start(&s->flusher, on_flush);
}

/* --- life --- */

static void server_free(struct grpc_server *s)
{
	grpc_tls_free(s->tls);
	nghttp2_session_callbacks_del(s->callbacks);
	nghttp2_option_del(s->option);
	grpc_pool_fini(&s->pool);
	buf_free(&s->gather);
	free(s->wire);
	free(s->plain);
	free(s);
}

void grpc_server_handle_closed(struct grpc_server *s)
{
	if (--s->handles == 0)
		server_free(s);
}

static void on_handle_closed(uv_handle_t *h)
{
	grpc_server_handle_closed(h->data);
}

/* Resets are counted here, by connection, with an answer that says so (ENHANCE_YOUR_CALM). */
static nghttp2_option *option_new(void)
{
	nghttp2_option *o = NULL;

	CHECK(nghttp2_option_new(&o) == 0);
	nghttp2_option_set_no_auto_window_update(o, 1);
	nghttp2_option_set_no_closed_streams(o, 1);
	nghttp2_option_set_stream_reset_rate_limit(o, INT32_MAX, INT32_MAX);
	return o;
}

static struct grpc_server *server_new(struct shard *shard, const struct grpc_config *config)
{
	struct grpc_server *s = calloc(1, sizeof(*s));

	CHECK(s);
	s->shard = shard;
	s->config = *config;
	s->mem = grpc_pool_mem(&s->pool);
	s->option = option_new();
	CHECK(nghttp2_session_callbacks_new(&s->callbacks) == 0);
	grpc_stream_callbacks(s->callbacks);
	s->wire = malloc(GRPC_READ_BYTES);
	s->plain = is_set(config->certificate) ? malloc(GRPC_READ_BYTES) : NULL;
	CHECK(s->wire && (s->plain || !is_set(config->certificate)));
	return s;
}

/* Often enough for the shortest limit there is. */
static int64_t sweep_every_ms(const struct grpc_config *config)
{
	int64_t idle_ms = config->idle_ms, stuck_ms = config->stuck_ms;
	int64_t limit_ms = stuck_ms && stuck_ms < idle_ms ? stuck_ms : idle_ms;

	return limit_ms / 4 < SWEEP_MS ? limit_ms / 4 + 1 : SWEEP_MS;
}

static void start_handles(struct grpc_server *s)
{
	uv_loop_t *loop = shard_loop(s->shard);
	int64_t often = sweep_every_ms(&s->config);

	CHECK(uv_timer_init(loop, &s->sweeper) == 0 && uv_idle_init(loop, &s->flusher) == 0);
	s->sweeper.data = s->flusher.data = s;
	s->handles = 2;
	s->looked_ms = grpc_server_now_ms(s);
	uv_timer_start(&s->sweeper, on_sweep, (uint64_t)often, (uint64_t)often);
}

int grpc_server_new(struct grpc_server **out, struct shard *shard, const struct grpc_config *config,
		    struct fault *f)
{
	struct grpc_tls *tls = NULL;

	TRY(grpc_check_certificate(config->certificate, config->key, f));
	if (is_set(config->certificate))
		TRY(grpc_tls_new(&tls, config->certificate, config->key, f));
	*out = server_new(shard, config);
	(*out)->tls = tls;
	start_handles(*out);
	return 0;
}

void grpc_server_free(struct grpc_server *s)
{
	if (!s)
		return;
	s->draining = true;
	while (s->connections)
		grpc_connection_stop(s->connections);
	uv_close((uv_handle_t *)&s->sweeper, on_handle_closed);
	uv_close((uv_handle_t *)&s->flusher, on_handle_closed);
}

void grpc_server_drain(struct grpc_server *s)
{
	struct grpc_connection *c;

	if (s->draining)
		return;
	s->draining = true;
	DL_FOREACH(s->connections, c)
	{
		grpc_connection_drain(c);
	}
}

void *grpc_server_user(const struct grpc_server *s)
{
	return s->config.user;
}

/* --- connections --- */

unsigned grpc_server_connections(const struct grpc_server *s)
{
	return atomic_load_explicit(&s->count, memory_order_relaxed);
}

static bool reserve(struct grpc_server *s)
{
	if (atomic_fetch_add(&s->count, 1) < s->config.max_connections)
		return true;
	atomic_fetch_sub(&s->count, 1);
	return false;
}

static void adopt_reserved(struct grpc_server *s, int fd)
{
	if (!s->draining) {
		grpc_connection_new(s, fd);
		return;
	}
	close(fd);
	atomic_fetch_sub(&s->count, 1);
}

static unsigned kind_connections(const void *server)
{
	return grpc_server_connections(server);
}

static bool kind_reserve(void *server)
{
	return reserve(server);
}

static void kind_adopt(void *server, int fd)
{
	adopt_reserved(server, fd);
}

const struct acceptor_kind acceptor_grpc = {
	.connections = kind_connections,
	.reserve = kind_reserve,
	.adopt = kind_adopt,
};
