/* Happy path: a directory comes into force on a shard; each of its sources with a "connect" that
 * belongs here has a session from then on; a timer steps them.
 *
 * Failure modes: no folder to keep places in - the start fails and says so; a request for a source
 * without session, or while the node stops - answered CLIENT_NOT_SENT. */
#include "connect/connect.h"

#include <stdlib.h>

#include "base/container.h"
#include "base/file.h"
#include "base/metrics.h"
#include "connect/internal.h"

/* --- how they stand --- */

void status_set(struct connect *c, const struct uuid *source, enum connect_state state,
		const char *why)
{
	struct status *st = NULL;

	pthread_mutex_lock(&c->lock);
	HASH_FIND(hh, c->statuses, source, sizeof(*source), st);
	if (!st) {
		st = calloc(1, sizeof(*st));
		CHECK(st);
		st->source = *source;
		HASH_ADD(hh, c->statuses, source, sizeof(st->source), st);
	}
	if (!st->since_us || st->state != state)
		st->since_us = clock_now_us();
	st->state = state;
	snprintf(st->why, sizeof(st->why), "%s", why);
	pthread_mutex_unlock(&c->lock);
}

void status_remove(struct connect *c, const struct uuid *source)
{
	struct status *st = NULL;

	pthread_mutex_lock(&c->lock);
	HASH_FIND(hh, c->statuses, source, sizeof(*source), st);
	if (st) {
		HASH_DEL(c->statuses, st);
		free(st);
	}
	pthread_mutex_unlock(&c->lock);
}

void connect_refused(struct connect *c, const struct uuid *source)
{
	struct status *st = NULL;

	pthread_mutex_lock(&c->lock);
	HASH_FIND(hh, c->statuses, source, sizeof(*source), st);
	if (st)
		st->refused = true;
	pthread_mutex_unlock(&c->lock);
}

bool status_take_refused(struct connect *c, const struct uuid *source)
{
	struct status *st = NULL;

	pthread_mutex_lock(&c->lock);
	HASH_FIND(hh, c->statuses, source, sizeof(*source), st);
	bool refused = st && st->refused;
	if (refused)
		st->refused = false;
	pthread_mutex_unlock(&c->lock);
	return refused;
}

bool connect_look(struct connect *c, const struct uuid *source, enum connect_state *state,
		  int64_t *since_us, char *why)
{
	struct status *st = NULL;

	pthread_mutex_lock(&c->lock);
	HASH_FIND(hh, c->statuses, source, sizeof(*source), st);
	if (st) {
		*state = st->state;
		*since_us = st->since_us;
		memcpy(why, st->why, CONNECT_WHY_MAX);
	}
	pthread_mutex_unlock(&c->lock);
	return st != NULL;
}

void connect_look_all(struct connect *c,
		      void (*each)(void *user, const struct uuid *source, enum connect_state,
				   int64_t since_us, const char *why),
		      void *user)
{
	struct status *st, *next;

	pthread_mutex_lock(&c->lock);
	HASH_ITER (hh, c->statuses, st, next)
		each(user, &st->source, st->state, st->since_us, st->why);
	pthread_mutex_unlock(&c->lock);
}

/* --- requests of others --- */

static struct connect_part *part_of(struct connect *c, const struct uuid *source)
{
	return &c->parts[uuid_hash(source) % c->config.shards];
}

static struct login *login_of(struct connect_part *p, const struct uuid *source)
{
	struct login *s;

	DL_FOREACH(p->logins, s)
	{
		if (uuid_eq(&s->id, source))
			return s;
	}
	return NULL;
}

static int64_t now_of(const struct connect *c)
{
	return c->config.now_us ? c->config.now_us() : clock_monotonic_us();
}

static void run_request(struct mail *m, struct shard *here)
{
	struct connect_request *r = CONTAINER_OF(m, struct connect_request, mail);
	struct connect_part *p = part_of(r->connect, &r->source);
	struct login *s = p->stopped ? NULL : login_of(p, &r->source);

	(void)here;
	if (!s) {
		request_refuse(r, p->stopped ? "the node stops"
					     : "the source has no session with its platform");
		return;
	}
	ask_of_others(s, r);
	login_tick(s, login_now(s));
}

void connect_send(struct connect *c, struct shard *here, struct connect_request *r)
{
	struct connect_part *p = part_of(c, &r->source);

	r->connect = c;
	r->home = here;
	r->until_us = now_of(c) + r->timeout_ms * MS_US;
	r->mail.run = run_request;
	if (p->shard)
		shard_post_sure(p->shard, &r->mail);
	else
		request_refuse(r, "the node starts");
}

/* --- sessions of a shard --- */

static void on_timer(uv_timer_t *t)
{
	struct connect_part *p = t->data;
	struct login *s, *next;

	DL_FOREACH_SAFE(p->logins, s, next)
	login_tick(s, login_now(s));
}

static bool is_ours(const struct connect_part *p, const struct dir_source *source)
{
	return source->connect.on && part_of(p->connect, &source->id) == p;
}

static void end_missing(struct connect_part *p, const struct directory *dir)
{
	struct login *s, *next;

	DL_FOREACH_SAFE(p->logins, s, next)
	{
		const struct dir_source *source = directory_source_by_id(dir, &s->id);

		if (source && source->connect.on)
			continue;
		DL_DELETE(p->logins, s);
		keep_remove(s);
		login_end(s, false);
	}
}

static void configure(struct connect_part *p, const struct directory *dir,
		      const struct dir_source *source)
{
	struct login *s = login_of(p, &source->id);

	if (!s) {
		s = login_new(p, &source->id);
		if (!s)
			return;
		DL_APPEND(p->logins, s);
	}
	login_configure(s, dir, source);
}

void connect_directory(struct connect *c, struct shard *here, const struct directory *dir)
{
	struct connect_part *p = &c->parts[shard_index(here)];

	if (!p->started || p->stopped)
		return;
	end_missing(p, dir);
	for (size_t i = 0; i < dir->sources_n; i++)
		if (is_ours(p, &dir->sources[i]))
			configure(p, dir, &dir->sources[i]);
	if (p->logins)
		uv_timer_start(&p->timer, on_timer, c->config.tick_ms, c->config.tick_ms);
	else
		uv_timer_stop(&p->timer);
}

/* --- life --- */

int connect_new(struct connect **out, const struct connect_config *config, struct fault *f)
{
	struct buf folder = { 0 };

	buf_printf(&folder, "%s/connect", config->state_dir);
	int rc = file_make_dir(buf_z(&folder), 0700, f);
	if (rc) {
		buf_free(&folder);
		return rc;
	}
	struct connect *c = calloc(1, sizeof(*c));
	CHECK(c);
	c->config = *config;
	if (!c->config.tick_ms)
		c->config.tick_ms = CONNECT_TICK_MS;
	c->folder = folder;
	c->parts = calloc(config->shards, sizeof(*c->parts));
	CHECK(c->parts);
	for (unsigned i = 0; i < config->shards; i++)
		c->parts[i].connect = c;
	pthread_mutex_init(&c->lock, NULL);
	*out = c;
	return 0;
}

void connect_free(struct connect *c)
{
	if (!c)
		return;
	pthread_mutex_destroy(&c->lock);
	buf_free(&c->folder);
	free(c->parts);
	free(c);
}

int connect_shard_start(struct connect *c, struct shard *here, struct fault *f)
{
	struct connect_part *p = &c->parts[shard_index(here)];

	TRY(ws_dialer_new(&p->dialer, shard_loop(here), c->config.ca_file, f));
	uv_timer_init(shard_loop(here), &p->timer);
	p->timer.data = p;
	p->shard = here;
	p->started = true;
	return 0;
}

void connect_shard_stop(struct connect *c, struct shard *here)
{
	struct connect_part *p = c ? &c->parts[shard_index(here)] : NULL;
	struct login *s, *next;

	if (!p || !p->started || p->stopped)
		return;
	p->stopped = true;
	DL_FOREACH_SAFE(p->logins, s, next)
	{
		DL_DELETE(p->logins, s);
		keep_finish(s);
		login_end(s, true);
	}
	ws_dialer_free(p->dialer);
	uv_close((uv_handle_t *)&p->timer, NULL);
}
