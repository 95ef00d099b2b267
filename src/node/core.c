/* Happy path: replay the journal, start the shards, load the directory, accept; on SIGTERM drain,
 * then stop in the reverse order.
 *
 * Failure modes: SIGTERM or SIGINT before the shards run - the default action, as good as any
 * crash; no directory, from PostgreSQL or from the last copy - accept all the same after a while,
 * so that /readyz can say so; the parent is gone - stop at once (the journal has everything); the
 * journal failed
 * - stop with status 1, the parent starts us again and recovery decides; PostgreSQL away - nothing
 * here notices, except the projector and API reads. */
#include "node/core.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/container.h"
#include "base/file.h"
#include "base/log.h"
#include "connect/connect.h"
#include "ingest/ingest.h"
#include "media/media.h"
#include "net/client.h"
#include "net/grpc.h"
#include "node/database.h"
#include "node/hangup.h"
#include "node/pidfile.h"
#include "node/record_sink.h"
#include "node/transcribe_sink.h"
#include "rt/child.h"

enum {
	DRAIN_LOOK_MS = 100,
	DRAIN_QUIET_PARTS = 10, /* of the limit without a word of any call: nothing is running */
	DIRECTORY_WAIT_MS = 5000,
	SHARDS_MAX = 63, /* as option core.shards says */
	STOP_STORE_MS = 5000,
	MAX_CONNECTIONS = 20000,
	OPEN_FILES = 65536, /* as in config/callmend.service */
	GRPC_WINDOW_BYTES = 256 * 1024,
	GRPC_IDLE_MS = 300000,
};

struct core;

struct core_shard {
	struct core *core;
	struct shard *shard;
	struct http_server *server;
	struct grpc_server *grpc; /* NULL: not wanted */
	struct api *api;
	struct mail drain;
};

struct core {
	const struct config *config;
	struct buf database;
	struct ingest *ingest;
	struct media *media;
	struct connect *connect;
	struct record_sink *recordings;
	struct transcribe_sink *words;
	struct store *store;
	struct projector *projector;
	struct api_common *api;
	struct shards *shards;
	struct core_shard *parts;
	void **servers, **grpc_servers; /* of the shards, in their order */
	unsigned parts_n;
	struct http_route *routes;
	size_t routes_n;
	struct grpc_method *methods;
	size_t methods_n;
	struct acceptor *acceptor, *grpc_acceptor;
	int listen_fd, grpc_fd;
	uv_loop_t loop; /* of the main thread: acceptor, signals, lifeline */
	uv_signal_t term, intr, hup;
	uv_async_t failed, loaded;
	uv_timer_t drain, patience;
	int64_t drain_until_ms;
	int status;
	/* a directory that came before the lanes */
	pthread_mutex_t lock;
	const struct directory *early;
	bool lanes_ready;
	atomic_bool has_directory;
};

/* Of what all shards together may have. */
static int64_t share(int64_t all, unsigned shards)
{
	return (all + shards - 1) / shards;
}

/* --- per shard --- */

struct api *api_of(struct http_server *s)
{
	return ((struct core_shard *)http_server_user(s))->api;
}

static void shard_end(struct shard *s, void *user)
{
	struct core *c = user;
	struct core_shard *part = &c->parts[shard_index(s)];

	connect_shard_stop(c->connect, s);
	media_shard_stop(c->media, s); /* what it hears last is still told */
	transcribe_sink_stop(c->words, s);
	ingest_lane_finish(c->ingest, s);
	if (part->api)
		api_stop(part->api);
	if (part->server)
		http_server_free(part->server);
	grpc_server_free(part->grpc);
	ingest_lane_stop(c->ingest, s);
	part->api = NULL;
	part->server = NULL;
	part->grpc = NULL;
}

static int start_grpc(struct core_shard *part, struct fault *f)
{
	const struct core *c = part->core;
	const struct config *k = c->config;
	const struct grpc_config gc = {
		.methods = c->methods,
		.methods_n = c->methods_n,
		.user = c->media,
		.max_connections = (unsigned)share(k->grpc_max_connections, c->parts_n),
		.max_streams = (unsigned)k->grpc_max_streams,
		.window_bytes = GRPC_WINDOW_BYTES,
		.idle_ms = GRPC_IDLE_MS,
		.certificate = k->grpc_certificate_file,
		.key = k->grpc_key_file,
	};

	if (k->grpc_listen_port == 0)
		return 0;
	TRY(grpc_server_new(&part->grpc, part->shard, &gc, f));
	c->grpc_servers[shard_index(part->shard)] = part->grpc;
	return 0;
}

static int shard_begin(struct shard *s, void *user, struct fault *f)
{
	struct core *c = user;
	struct core_shard *part = &c->parts[shard_index(s)];
	struct http_server_config hc = {
		.routes = c->routes,
		.routes_n = c->routes_n,
		.user = part,
		.ws_queue_bytes = (size_t)c->config->core_watcher_queue_bytes,
		.max_connections = MAX_CONNECTIONS,
	};

	part->core = c;
	part->shard = s;
	TRY(ingest_lane_start(c->ingest, s, f));
	int rc = transcribe_sink_start(c->words, s, f);
	if (!rc)
		rc = media_shard_start(c->media, s, f);
	if (!rc)
		rc = connect_shard_start(c->connect, s, f);
	if (!rc)
		rc = http_server_new(&part->server, s, &hc, f);
	if (!rc)
		rc = start_grpc(part, f);
	if (!rc)
		rc = api_start(&part->api, c->api, s, f);
	if (rc) { /* nothing may keep the loop of this shard alive */
		shard_end(s, c);
		return rc;
	}
	c->servers[shard_index(s)] = part->server;
	return 0;
}

/* --- directory --- */

static void on_directory(void *user, const struct directory *dir)
{
	struct core *c = user;
	bool now;

	pthread_mutex_lock(&c->lock);
	now = c->lanes_ready;
	if (!now) {
		directory_unref(c->early);
		c->early = dir;
	}
	pthread_mutex_unlock(&c->lock);
	if (now)
		ingest_set_directory(c->ingest, dir);
	atomic_store(&c->has_directory, true);
	uv_async_send(&c->loaded);
}

static void lanes_are_ready(struct core *c)
{
	const struct directory *dir;

	pthread_mutex_lock(&c->lock);
	c->lanes_ready = true;
	dir = c->early;
	c->early = NULL;
	pthread_mutex_unlock(&c->lock);
	if (dir)
		ingest_set_directory(c->ingest, dir);
}

/* Signature headers that sources name must be kept by the servers; sessions begin and end. */
static void on_lane_directory(void *user, struct shard *s, const struct directory *dir)
{
	struct core *c = user;
	struct http_server *server = c->parts[shard_index(s)].server;

	for (size_t i = 0; server && i < dir->sources_n; i++) {
		for (size_t k = 0; k < dir->sources[i].auth_n; k++) {
			const struct dir_auth *a = &dir->sources[i].auth[k];

			http_server_capture_span(server, a->header);
			http_server_capture_span(server, a->timestamp_header);
			http_server_capture_span(server, a->id_header);
		}
	}
	connect_directory(c->connect, s, dir);
}

/* --- notifications --- */

struct telling {
	struct mail mail;
	struct core_shard *part;
	struct uuid org;
	struct message *message;
};

static void run_telling(struct mail *m, struct shard *here)
{
	struct telling *t = CONTAINER_OF(m, struct telling, mail);

	(void)here;
	api_tell(t->part->api, &t->org, t->message);
	message_unref(t->message);
	free(t);
}

static void tell_shard(struct core_shard *part, const struct uuid *org, struct message *m)
{
	struct telling *t = calloc(1, sizeof(*t));

	CHECK(t);
	*t = (struct telling){ .part = part, .org = *org, .message = message_ref(m) };
	t->mail.run = run_telling;
	shard_post_sure(part->shard, &t->mail);
}

static struct message *telling_of(struct span notification)
{
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };

	json_begin(&o, NULL);
	json_put_z(&o, "type", "notification");
	json_put_raw(&o, "notification", notification);
	json_end(&o);
	return message_new(buf_span(&b));
}

/* Store thread. Before the shards are there nobody watches. */
static void on_notification(void *user, const struct uuid *org, struct span json)
{
	struct core *c = user;
	bool now;

	pthread_mutex_lock(&c->lock);
	now = c->lanes_ready;
	pthread_mutex_unlock(&c->lock);
	if (!now)
		return;
	struct message *m = telling_of(json);
	for (unsigned i = 0; i < c->parts_n; i++)
		tell_shard(&c->parts[i], org, m);
	message_unref(m);
}

static void readiness(void *user, struct api_readiness *out)
{
	struct core *c = user;

	out->draining = ingest_draining(c->ingest);
	out->journal_failed = journal_failed(ingest_journal(c->ingest));
	out->detail =
		atomic_load(&c->has_directory)
			? NULL
			: "sources and projects are not loaded yet: PostgreSQL has not answered "
			  "since the start, and there is no copy from earlier";
}

/* --- stopping --- */

static void stop_loop(struct core *c)
{
	uv_stop(&c->loop);
}

static void on_drain_look(uv_timer_t *t)
{
	struct core *c = t->data;

	int64_t quiet_ms = c->config->core_drain_limit_ms / DRAIN_QUIET_PARTS;
	unsigned calls = ingest_live_calls(c->ingest);
	bool quiet = ingest_quiet(c->ingest, quiet_ms);

	if (!quiet && clock_monotonic_us() / 1000 < c->drain_until_ms)
		return;
	log_info("core", "drained: %u calls are left%s", calls,
		 !quiet	 ? ", the limit is over"
		 : calls ? ", no call has been heard of for a tenth of the limit"
			 : "");
	stop_loop(c);
}

/* From now on answers end their connection, so that few are cut at the end. */
static void run_drain(struct mail *m, struct shard *here)
{
	struct core_shard *part = CONTAINER_OF(m, struct core_shard, drain);

	(void)here;
	if (part->server)
		http_server_drain(part->server);
	if (part->grpc)
		grpc_server_drain(part->grpc);
}

static void on_term(uv_signal_t *s, int number)
{
	struct core *c = s->data;

	(void)number;
	if (ingest_draining(c->ingest)) {
		stop_loop(c);
		return;
	}
	log_info("core", "draining: %u calls are running", ingest_live_calls(c->ingest));
	ingest_drain(c->ingest);
	for (unsigned i = 0; i < c->parts_n; i++) {
		c->parts[i].drain.run = run_drain;
		shard_post_sure(c->parts[i].shard, &c->parts[i].drain);
	}
	c->drain_until_ms = clock_monotonic_us() / 1000 + c->config->core_drain_limit_ms;
	uv_timer_start(&c->drain, on_drain_look, 0, DRAIN_LOOK_MS);
}

static void on_hangup(uv_signal_t *s, int number)
{
	struct core *c = s->data;

	if (!ingest_draining(c->ingest))
		on_term(s, number);
}

static void on_intr(uv_signal_t *s, int number)
{
	(void)number;
	stop_loop(s->data);
}

static void on_parent_gone(void *user)
{
	struct core *c = user;

	log_warn("core", "the parent is gone, stopping");
	stop_loop(c);
}

/* Writer thread. */
static void on_journal_failed(void *user)
{
	struct core *c = user;

	uv_async_send(&c->failed);
}

static void on_failed(uv_async_t *a)
{
	struct core *c = a->data;

	c->status = 1;
	stop_loop(c);
}

/* --- starting --- */

static unsigned shard_count(const struct config *config)
{
	unsigned n = (unsigned)config->core_shards;

	if (n == 0)
		n = uv_available_parallelism();
	return n > SHARDS_MAX ? SHARDS_MAX : n;
}

static void make_routes(struct core *c)
{
	size_t n = api_routes(NULL, 0), sockets = media_routes(c->media, NULL, 0);

	c->routes = calloc(n + sockets + 1, sizeof(*c->routes));
	CHECK(c->routes);
	c->routes[0] = (struct http_route){
		.method = HTTP_POST,
		.pattern = "/in/{dialect}/{source}",
		.body_limit = (size_t)c->config->core_body_limit_bytes,
		.handle = ingest_webhook,
		.info = c->ingest,
	};
	media_routes(c->media, c->routes + 1, sockets);
	c->routes_n = 1 + sockets + api_routes(c->routes + 1 + sockets, n);
	c->methods_n = media_methods(c->media, NULL, 0);
	c->methods = calloc(c->methods_n + 1, sizeof(*c->methods));
	CHECK(c->methods);
	media_methods(c->media, c->methods, c->methods_n);
}

static int start_ingest(struct core *c, struct fault *f)
{
	struct arena a = { 0 };
	const struct config *k = c->config;
	struct ingest_config cfg = {
		.lanes = c->parts_n,
		.journal = {
			.dir = arena_printf(&a, "%s/journal", k->state_dir),
			.segment_bytes = (uint64_t)k->journal_segment_bytes,
			.memory_bytes = (uint64_t)k->journal_memory_bytes,
			.disk_cap_bytes = (uint64_t)k->journal_disk_cap_bytes,
			.retention_ms = k->journal_retention_ms,
		},
		.state_dir = k->state_dir,
		.max_calls = (unsigned)k->core_max_calls,
		.max_effects = (unsigned)k->tools_max_waiting,
		.ca_file = k->tls_ca_file,
		.on_failed = on_journal_failed,
		.on_directory = on_lane_directory,
		.user = c,
	};
	int rc = file_make_dir(cfg.journal.dir, 0700, f);

	if (!rc)
		rc = ingest_new(&c->ingest, &cfg, f);
	arena_fini(&a);
	return rc;
}

static int start_store(struct core *c, struct fault *f)
{
	struct store_config cfg = {
		.url = buf_z(&c->database),
		.state_dir = c->config->state_dir,
		.secrets_dir = c->config->secrets_dir,
		.connections = 2,
		.max_waiting = (unsigned)c->config->database_max_queries_waiting,
		.on_directory = on_directory,
		.on_notification = on_notification,
		.user = c,
	};
	TRY(store_new(&c->store, &cfg, f));
	ingest_set_store(c->ingest, c->store);
	return 0;
}

static int start_media(struct core *c, struct fault *f)
{
	struct media_config mc = {
		.shards = c->parts_n,
		.max_lines = (unsigned)share(c->config->core_max_media, c->parts_n),
		.hear = ingest_hear(c->ingest),
		.ca_file = c->config->tls_ca_file,
		.bind_grace_ms = c->config->media_bind_grace_ms,
		.silence_ms = c->config->media_silence_limit_ms,
	};

	TRY(media_new(&c->media, &mc, f));
	ingest_leave_to(c->ingest, EFFECT_SOCKET, media_command, c->media);
	return 0;
}

static int start_connect(struct core *c, struct fault *f)
{
	const struct connect_config cc = {
		.shards = c->parts_n,
		.state_dir = c->config->state_dir,
		.ca_file = c->config->tls_ca_file,
		.public_url = c->config->public_url,
		.look_ms = c->config->connect_look_ms,
		.calls = ingest_connect_calls(c->ingest),
	};

	TRY(connect_new(&c->connect, &cc, f));
	ingest_set_connect(c->ingest, c->connect, connect_send, connect_refused);
	return 0;
}

static int start_recordings(struct core *c, struct fault *f)
{
	const struct recorder_config rc = {
		.folder = c->config->recording_folder,
		.memory_bytes = (size_t)c->config->recording_memory_bytes,
		.file_bytes_max = (uint64_t)c->config->recording_max_bytes,
		.free_bytes_min = (uint64_t)c->config->recording_min_free_bytes,
	};
	TRY(record_sink_new(&c->recordings, &rc, c->parts_n, f));
	record_sink_attach(c->recordings, c->media);
	ingest_leave_to(c->ingest, EFFECT_RECORDER, record_sink_command, c->recordings);
	return 0;
}

static void start_words(struct core *c)
{
	const struct stt_config sc = { .ca_file = c->config->tls_ca_file };

	c->words = transcribe_sink_new(&sc, c->parts_n);
	transcribe_sink_attach(c->words, c->media);
}

static int start_shards(struct core *c, struct fault *f)
{
	struct api_config ac = {
		.live = ingest_live(c->ingest),
		.listen = media_listen(c->media),
		.store = c->store,
		.readiness = readiness,
		.user = c,
		.recordings_folder = c->config->recording_folder,
		.connect = c->connect,
		.session = connect_look,
		.sessions = connect_look_all,
		.rate_per_s = (unsigned)c->config->api_rate_per_s,
		.rate_burst = (unsigned)c->config->api_rate_burst,
		.watcher_queue_bytes = (size_t)c->config->core_watcher_queue_bytes,
	};
	struct shard_hooks hooks = { shard_begin, shard_end, c };

	TRY(api_common_new(&c->api, &ac, f));
	make_routes(c);
	TRY(shards_start(&c->shards, c->parts_n, (unsigned)c->config->core_mailbox_limit, &hooks,
			 f));
	lanes_are_ready(c);
	ingest_resume(c->ingest);
	return 0;
}

static int start_projector(struct core *c, struct fault *f)
{
	struct projector_config cfg = {
		.ingest = c->ingest,
		.url = buf_z(&c->database),
		.keep_days = (unsigned)c->config->retention_event_days,
		.store = c->store,
	};
	return projector_start(&c->projector, &cfg, f);
}

static int listen_for_grpc(struct core *c, struct fault *f)
{
	unsigned port = (unsigned)c->config->grpc_listen_port;

	if (port == 0)
		return 0;
	if (getenv("CALLMEND_INHERITED_SOCKET"))
		c->grpc_fd = CORE_GRPC_FD;
	else
		TRY(net_listen(c->config->grpc_listen_host, &port, &c->grpc_fd, f));
	return acceptor_new(&c->grpc_acceptor, &c->loop, &c->grpc_fd, 1, &acceptor_grpc,
			    c->grpc_servers, c->shards, f);
}

static int start_listening(struct core *c, struct fault *f)
{
	unsigned port = (unsigned)c->config->listen_port;

	if (getenv("CALLMEND_INHERITED_SOCKET"))
		c->listen_fd = CORE_LISTEN_FD;
	else
		TRY(net_listen(c->config->listen_host, &port, &c->listen_fd, f));
	TRY(listen_for_grpc(c, f));
	TRY(acceptor_new(&c->acceptor, &c->loop, &c->listen_fd, 1, &acceptor_http, c->servers,
			 c->shards, f));
	log_info("core", "ready on %s:%u with %u shard%s", c->config->listen_host, port, c->parts_n,
		 c->parts_n == 1 ? "" : "s");
	return 0;
}

static void listen_now(struct core *c)
{
	struct fault f = { 0 };

	uv_timer_stop(&c->patience);
	if (c->acceptor)
		return;
	if (!atomic_load(&c->has_directory))
		log_info("core", "no sources and projects yet: webhooks get 503 until PostgreSQL "
				 "has told them");
	if (start_listening(c, &f)) {
		log_error("core", "cannot start: %s", f.text);
		c->status = 1;
		stop_loop(c);
	}
}

static void on_loaded(uv_async_t *a)
{
	listen_now(a->data);
}

/* Connections queue until then: a webhook that finds no source would be refused, and most providers
 * do not send it again. */
static void on_patience(uv_timer_t *t)
{
	listen_now(t->data);
}

static void start_loop(struct core *c)
{
	uv_loop_init(&c->loop);
	uv_signal_init(&c->loop, &c->term);
	uv_signal_init(&c->loop, &c->intr);
	uv_async_init(&c->loop, &c->failed, on_failed);
	uv_async_init(&c->loop, &c->loaded, on_loaded);
	uv_timer_init(&c->loop, &c->drain);
	uv_timer_init(&c->loop, &c->patience);
	c->term.data = c->intr.data = c->hup.data = c->failed.data = c->loaded.data = c;
	c->drain.data = c->patience.data = c;
	signal(SIGPIPE, SIG_IGN);
}

/* A call holds a socket or two and, while it is recorded, a file for each leg: a shell's usual 1
 * 024 would end at a few hundred calls. Not more either: libwebsockets keeps a table of all that
 * may be open. */
static void raise_file_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) || l.rlim_cur == OPEN_FILES)
		return;
	l.rlim_cur = l.rlim_max < OPEN_FILES ? l.rlim_max : OPEN_FILES;
	if (setrlimit(RLIMIT_NOFILE, &l) || l.rlim_cur < OPEN_FILES)
		log_warn("core",
			 "at most %llu files and sockets may be open (ulimit -Hn): %d is what a "
			 "busy node wants",
			 (unsigned long long)l.rlim_cur, OPEN_FILES);
}

static int start(struct core *c, struct fault *f)
{
	raise_file_limit();
	if (getenv("CALLMEND_INHERITED_SOCKET")) {
		hangup_leave_to_parent();
		TRY(child_watch_lifeline(&c->loop, on_parent_gone, c, f));
	}
	TRY(database_url(c->config, &c->database, f));
	if (http_client_check_ca(c->config->tls_ca_file, f))
		return fault_wrap(f, "tls.ca_file");
	if (grpc_check_certificate(c->config->grpc_certificate_file, c->config->grpc_key_file, f))
		return fault_wrap(f, "grpc.certificate_file");
	TRY(start_ingest(c, f));
	TRY(start_store(c, f));
	TRY(start_media(c, f));
	TRY(start_connect(c, f));
	TRY(start_recordings(c, f));
	start_words(c);
	TRY(start_shards(c, f));
	TRY(start_projector(c, f));
	uv_signal_start(&c->term, on_term, SIGTERM);
	uv_signal_start(&c->intr, on_intr, SIGINT);
	if (!getenv("CALLMEND_INHERITED_SOCKET"))
		hangup_watch(&c->loop, &c->hup, on_hangup);
	uv_timer_start(&c->patience, on_patience, DIRECTORY_WAIT_MS, 0);
	return 0;
}

static void close_handle(uv_handle_t *h, void *unused)
{
	(void)unused;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

static void stop(struct core *c)
{
	acceptor_free(c->acceptor);
	acceptor_free(c->grpc_acceptor);
	store_close(c->store);
	if (c->shards)
		shards_stop(c->shards);
	/* Where nobody answers there is nothing to wait for. */
	bool answering = c->projector && projector_connected(c->projector);
	projector_stop(c->projector, answering ? STOP_STORE_MS : 0);
	store_free(c->store);
	api_common_free(c->api);
	media_free(c->media);
	connect_free(c->connect);
	record_sink_free(c->recordings);
	transcribe_sink_free(c->words);
	ingest_free(c->ingest);
	directory_unref(c->early);
	uv_walk(&c->loop, close_handle, NULL);
	uv_run(&c->loop, UV_RUN_DEFAULT);
	uv_loop_close(&c->loop);
	free(c->routes);
	free(c->methods);
	free(c->parts);
	free(c->servers);
	free(c->grpc_servers);
	buf_free(&c->database);
	pthread_mutex_destroy(&c->lock);
}

int core_main(const struct config *config)
{
	struct core c = {
		.config = config, .listen_fd = -1, .grpc_fd = -1, .parts_n = shard_count(config)
	};
	struct fault f = { 0 };

	log_thread("core");
	pthread_mutex_init(&c.lock, NULL);
	c.parts = calloc(c.parts_n, sizeof(*c.parts));
	c.servers = calloc(c.parts_n, sizeof(void *));
	c.grpc_servers = calloc(c.parts_n, sizeof(void *));
	CHECK(c.parts && c.servers && c.grpc_servers);
	start_loop(&c);
	if (start(&c, &f)) {
		log_error("core", "cannot start: %s", f.text);
		c.status = 1;
	} else {
		pidfile_write(config->state_dir, "core", getpid());
		uv_run(&c.loop, UV_RUN_DEFAULT);
		log_info("core", "stopping");
	}
	stop(&c);
	pidfile_remove(config->state_dir, "core");
	return c.status;
}
