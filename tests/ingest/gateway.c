#include "tests/ingest/gateway.h"

#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/metrics.h"
#include "journal/journal.h"

enum { HELD_MAX = 4096, WAIT_MS = 20000, TURNS = 64 };

/* --- the obedient machine --- */

static atomic_bool disk_held;
static _Atomic int64_t wall_shift_us, monotonic_shift_us, frozen_us; /* 0: it runs */

void gateway_hold_disk(bool hold)
{
	atomic_store(&disk_held, hold);
}

void gateway_shift_wall(int64_t us)
{
	atomic_fetch_add(&wall_shift_us, us);
}

void gateway_shift_monotonic(int64_t us)
{
	atomic_fetch_add(&monotonic_shift_us, us);
}

static int64_t monotonic_now_us(void)
{
	struct timespec t;

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * SECOND_US + t.tv_nsec / 1000;
}

/* Time goes on where it stood. */
void gateway_freeze(bool freeze)
{
	int64_t frozen = atomic_load(&frozen_us), now = monotonic_now_us();

	if (freeze && !frozen)
		atomic_store(&frozen_us, now);
	if (freeze || !frozen)
		return;
	atomic_fetch_sub(&monotonic_shift_us, now - frozen);
	atomic_store(&frozen_us, 0);
}

static void nap(void)
{
	usleep(1000);
}

int fdatasync(int fd)
{
	while (atomic_load(&disk_held))
		nap();
	return (int)syscall(SYS_fdatasync, fd);
}

static int64_t obey(clockid_t id, int64_t us)
{
	int64_t frozen = atomic_load(&frozen_us);

	switch (id) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
		return us + atomic_load(&wall_shift_us);
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_MONOTONIC_RAW:
		return (frozen ? frozen : us) + atomic_load(&monotonic_shift_us);
	default:
		return us;
	}
}

int clock_gettime(clockid_t id, struct timespec *t)
{
	int rc = (int)syscall(SYS_clock_gettime, id, t);
	int64_t us = (int64_t)t->tv_sec * SECOND_US + t->tv_nsec / 1000, ours = obey(id, us);

	if (rc == 0 && ours != us) {
		t->tv_sec = ours / SECOND_US;
		t->tv_nsec = ours % SECOND_US * 1000;
	}
	return rc;
}

/* --- texts --- */

static void put_json(struct buf *out, const char *text, const char *peers)
{
	for (const char *p = text; *p; p++) {
		if (p[0] == '%' && p[1] == 'P') {
			buf_addz(out, peers);
			p++;
		} else {
			buf_addc(out, *p == '\'' ? '"' : *p);
		}
	}
}

/* --- peers --- */

static void hold(struct gateway *g, struct exchange *x)
{
	pthread_mutex_lock(&g->lock);
	assert_true(g->held_n < HELD_MAX);
	g->held[g->held_n++] = x;
	pthread_mutex_unlock(&g->lock);
}

/* Those of this shard: they are touched by its thread only. */
static void let_go(struct gateway *g, struct shard *s)
{
	pthread_mutex_lock(&g->lock);
	for (size_t i = 0; i < g->held_n; i++) {
		if (!g->held[i] || exchange_shard(g->held[i]) != s)
			continue;
		exchange_answer(g->held[i], 503, "application/json", SPAN("{}"));
		g->held[i] = NULL;
	}
	pthread_mutex_unlock(&g->lock);
}

static void on_peer(struct exchange *x)
{
	struct gateway *g = (struct gateway *)(uintptr_t)exchange_route(x)->info;
	struct span index = exchange_param(x, "index");
	struct gateway_peer *peer = &g->peers[(index.p[0] - '0') % GATEWAY_PEERS];
	struct buf body AUTO_BUF = { 0 };

	if (peer->status) {
		put_json(&body, peer->body ? peer->body : "{}", "");
		exchange_answer(x, peer->status, "application/json", buf_span(&body));
	} else {
		hold(g, x);
	}
	atomic_fetch_add(&peer->requests, 1);
}

/* --- life --- */

/* Turns of each shard's loop. */
static struct {
	uv_prepare_t counter;
	unsigned turns;
} loops[RIG_MAX_SHARDS];

static void count_turn(uv_prepare_t *p)
{
	++*(unsigned *)p->data;
}

static void on_start(struct rig *r, struct shard *s)
{
	struct gateway *g = r->user;
	unsigned i = shard_index(s);
	struct fault f;

	uv_prepare_init(shard_loop(s), &loops[i].counter);
	loops[i].counter.data = &loops[i].turns;
	uv_prepare_start(&loops[i].counter, count_turn);

	if (ingest_lane_start(g->in, s, &f))
		fail_msg("lane: %s", f.text);
}

static void on_stop(struct rig *r, struct shard *s)
{
	struct gateway *g = r->user;

	uv_close((uv_handle_t *)&loops[shard_index(s)].counter, NULL);
	ingest_lane_finish(g->in, s);
	ingest_lane_stop(g->in, s);
	if (g->on_stopped)
		g->on_stopped();
	let_go(g, s);
}

void gateway_init(struct gateway *g)
{
	*g = (struct gateway){ 0 };
	snprintf(g->dir, sizeof(g->dir), "/tmp/callmend-gateway-XXXXXX");
	assert_non_null(mkdtemp(g->dir));
	pthread_mutex_init(&g->lock, NULL);
	g->held = calloc(HELD_MAX, sizeof(struct exchange *));
	assert_non_null(g->held);
}

void gateway_fini(struct gateway *g)
{
	struct buf out AUTO_BUF = { 0 };

	assert_int_equal(shell(&out, "rm -rf %s", g->dir), 0);
	pthread_mutex_destroy(&g->lock);
	free(g->held);
}

void gateway_write(struct gateway *g, const char *name, const char *text)
{
	char path[128];
	struct fault f;

	snprintf(path, sizeof(path), "%s/%s", g->dir, name);
	if (file_replace(path, 0600, span_of(text), &f))
		fail_msg("%s", f.text);
}

static void nothing_failed(void *user)
{
	(void)user;
	fail_msg("the journal failed");
}

static void set_directory(struct gateway *g, const char *document)
{
	struct buf json AUTO_BUF = { 0 };
	struct directory *dir;
	struct fault f;

	put_json(&json, document, g->peers_url);
	if (directory_new(&dir, buf_span(&json), g->dir, &f))
		fail_msg("directory: %s", f.text);
	ingest_set_directory(g->in, dir);
}

void gateway_start(struct gateway *g, unsigned lanes, const char *document)
{
	char journal[80];
	struct ingest_config cfg = {
		.lanes = lanes,
		.journal = { .dir = journal,
			     .segment_bytes = 4 << 20,
			     .memory_bytes = 64 << 20,
			     .disk_cap_bytes = 1 << 30,
			     .retention_ms = 3600000 },
		.state_dir = g->dir,
		.max_calls = g->max_calls ? g->max_calls : 10000,
		.max_effects = 100,
		.on_failed = nothing_failed,
	};
	const struct http_route routes[] = {
		{ .method = HTTP_POST,
		  .pattern = "/in/{dialect}/{source}",
		  .body_limit = 11 << 20,
		  .handle = ingest_webhook },
		{ .method = HTTP_POST,
		  .pattern = "/peer/{index}",
		  .body_limit = 11 << 20,
		  .handle = on_peer,
		  .info = g },
		{ .method = HTTP_GET,
		  .pattern = "/peer/{index}/{rest*}",
		  .handle = on_peer,
		  .info = g },
	};
	struct http_route *mine = malloc(sizeof(routes));
	struct fault f;

	snprintf(journal, sizeof(journal), "%s/journal", g->dir);
	if (file_make_dir(journal, 0700, &f) || ingest_new(&g->in, &cfg, &f))
		fail_msg("ingest: %s", f.text);
	assert_non_null(mine);
	if (g->connect_send || g->connect_refused)
		ingest_set_connect(g->in, NULL, g->connect_send, g->connect_refused);
	if (g->carrier) {
		ingest_leave_to(g->in, EFFECT_SOCKET, g->carrier, g->carrier_user);
		ingest_leave_to(g->in, EFFECT_RECORDER, g->carrier, g->carrier_user);
	}
	memcpy(mine, routes, sizeof(routes));
	mine[0].info = g->in;
	g->held_n = 0;
	/* What a peer holds keeps its connection, also when who asked has given up. */
	g->rig = (struct rig){ .config = { .max_connections = HELD_MAX },
			       .on_start = on_start,
			       .on_stop = on_stop,
			       .user = g };
	rig_start(&g->rig, lanes, mine, sizeof(routes) / sizeof(routes[0]));
	snprintf(g->peers_url, sizeof(g->peers_url), "http://127.0.0.1:%u/peer/", g->rig.port);
	set_directory(g, document);
	ingest_resume(g->in);
	gateway_turns(g);
}

void gateway_stop(struct gateway *g)
{
	const struct http_route *routes = g->rig.config.routes;

	rig_stop(&g->rig);
	ingest_free(g->in);
	g->in = NULL;
	free((void *)(uintptr_t)routes);
}

/* --- asking --- */

int gateway_send(struct gateway *g, const char *source, const char *body)
{
	struct buf json AUTO_BUF = { 0 }, request AUTO_BUF = { 0 };
	int fd = client_connect(g->rig.port);

	put_json(&json, body, g->peers_url);
	buf_printf(&request,
		   "POST /in/vapi/%s HTTP/1.1\r\nHost: localhost\r\n"
		   "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
		   source, json.n);
	buf_add(&request, buf_span(&json));
	client_send(fd, request.p, request.n);
	return fd;
}

int gateway_answer(int fd, struct buf *answer)
{
	struct reply reply = { 0 };

	client_reply(fd, REPLY_FULL, &reply);
	close(fd);
	int status = reply.status;
	if (answer) {
		buf_clear(answer);
		buf_add(answer, buf_span(&reply.body));
	}
	reply_free(&reply);
	return status;
}

int gateway_post(struct gateway *g, const char *source, const char *body, struct buf *answer)
{
	return gateway_answer(gateway_send(g, source, body), answer);
}

bool gateway_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static void look(struct shard *s, void *turns)
{
	*(unsigned *)turns = loops[shard_index(s)].turns;
}

/* Several visits may fall into one turn, and do where all threads share a processor. */
static void pass_turn(struct gateway *g, unsigned shard)
{
	unsigned first, now;

	rig_on_shard(&g->rig, shard, look, &first);
	do
		rig_on_shard(&g->rig, shard, look, &now);
	while (now == first);
}

void gateway_turns(struct gateway *g)
{
	for (int turn = 0; turn < TURNS; turn++)
		for (unsigned i = 0; i < shards_count(g->rig.shards); i++)
			pass_turn(g, i);
}

void gateway_wait_records(struct gateway *g, uint64_t last)
{
	for (int i = 0; journal_last(ingest_journal(g->in)) < last; i++) {
		if (i == WAIT_MS)
			fail_msg("waited for record %llu, have %llu", (unsigned long long)last,
				 (unsigned long long)journal_last(ingest_journal(g->in)));
		nap();
	}
}

/* --- looking --- */

static void on_event(void *user, struct span json)
{
	struct buf *out = user;

	buf_add(out, json);
	buf_addc(out, '\n');
}

void gateway_events(struct gateway *g, struct buf *out)
{
	char journal[80];
	struct fault f;

	snprintf(journal, sizeof(journal), "%s/journal", g->dir);
	buf_clear(out);
	if (replay_journal(journal, NULL, on_event, out, &f))
		fail_msg("replay: %s", f.text);
}

static bool line_has(struct span line, const char *part)
{
	struct buf json AUTO_BUF = { 0 };

	put_json(&json, part, "");
	return memmem(line.p, line.n, json.p, json.n) != NULL;
}

size_t gateway_count(const struct buf *lines, const char *part, ...)
{
	size_t n = 0;

	for (size_t at = 0; at < lines->n;) {
		const char *end = memchr(lines->p + at, '\n', lines->n - at);
		struct span line = { lines->p + at, (size_t)(end - (lines->p + at)) };
		bool all = line_has(line, part);
		va_list more;

		va_start(more, part);
		for (const char *p; all && (p = va_arg(more, const char *)) != NULL;)
			all = line_has(line, p);
		va_end(more);
		n += all;
		at += line.n + 1;
	}
	return n;
}

long gateway_metric(const char *name_and_label)
{
	struct buf text AUTO_BUF = { 0 }, name AUTO_BUF = { 0 };
	const char *at;

	put_json(&name, name_and_label, "");
	buf_addc(&name, ' ');
	metrics_write(&text);
	at = strstr(buf_z(&text), buf_z(&name));
	return at ? strtol(at + name.n, NULL, 10) : 0;
}

/* --- commands --- */

struct asked {
	struct gateway *g;
	struct uuid org;
	const char *call;
	struct command command;
	struct buf *out;
	int code;
	sem_t done;
};

static void on_command_done(void *user, const struct live_command_answer *a)
{
	struct asked *k = user;

	k->code = a->code;
	if (k->out) {
		buf_clear(k->out);
		buf_add(k->out, a->json);
	}
	sem_post(&k->done);
}

static void ask(struct shard *here, void *arg)
{
	struct asked *k = arg;
	int rc = live_command(ingest_live(k->g->in), here, &k->org, span_of(k->call), &k->command,
			      5000, on_command_done, k);

	if (rc == 0)
		return;
	k->code = rc;
	sem_post(&k->done);
}

int gateway_command(struct gateway *g, const struct uuid *org, const char *call, const char *verb,
		    struct buf *out)
{
	struct asked k = { .g = g, .org = *org, .call = call, .out = out };

	assert_true(command_verb_from(span_of(verb), &k.command.verb));
	k.command.id = uuid_v7();
	k.command.text = SPAN("Good evening.");
	k.command.actor = SPAN("test");
	sem_init(&k.done, 0, 0);
	rig_on_shard(&g->rig, 0, ask, &k);
	sem_wait(&k.done);
	sem_destroy(&k.done);
	return k.code;
}
