/* Lines from begin to end, and the shards they live on.
 *
 * A line is taken from the shard's pool when its socket is accepted or dialled, and goes back when
 * its socket is gone, what it heard is with its call, and no question or post of it is under way.
 */
#include <stdlib.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "media/internal.h"

enum {
	TICK_MS = 1000,
	TRIM_TICKS = 15, /* memory that nobody uses goes back to the system by and by */
	QUICK_MS = 200,
	CLOSE_ERROR = 1011,
	CLOSE_RESTART = 1012,
	PLACING_MAX = 16,
	MESSAGE_ARENA = 64 * 1024, /* what is kept of it: a frame of protobuf is unpacked here */
};

struct media_shard *media_at(struct media *m, struct shard *s)
{
	return m->shards[shard_index(s)];
}

/* --- lines --- */

struct media_line *line_new(struct media_shard *s)
{
	struct media_line *l = s->spare;

	if (!l)
		return NULL;
	DL_DELETE(s->spare, l);
	struct buf out = l->out;
	memset(l, 0, sizeof(*l));
	l->out = out;
	l->home = s;
	DL_APPEND(s->lines, l);
	s->lines_n++;
	metric_add(METRIC_MEDIA_SOCKETS, 1);
	return l;
}

static void free_legs(struct media_line *l)
{
	for (unsigned i = 0; i < MEDIA_LEGS_MAX; i++) {
		if (l->legs[i].leg)
			leg_fini(l->legs[i].leg);
		if (l->legs[i].leg)
			pool_give(take(l->legs[i].leg));
	}
	free(take(l->detect));
}

struct pool *shard_leg_memory(struct media_shard *s, size_t bytes)
{
	unsigned i = 0;

	while (i + 1 < LEG_SIZES && s->leg_memory[i] && pool_block_bytes(s->leg_memory[i]) != bytes)
		i++;
	if (!s->leg_memory[i])
		s->leg_memory[i] = pool_new(i + 1 < LEG_SIZES ? bytes : POOL_BLOCK_MAX);
	return s->leg_memory[i];
}

static void give_back(struct media_line *l)
{
	struct media_shard *s = l->home;

	free_legs(l);
	free(take(l->marks));
	line_forget(l);
	line_forget_said(l);
	buf_free(&l->claim_text);
	buf_free(&l->play);
	directory_unref(take(l->dir));
	if (l->has_call)
		hear_release(s->media->config.hear, &l->call);
	DL_DELETE(s->lines, l);
	s->lines_n--;
	DL_PREPEND(s->spare, l);
}

static bool is_told(const struct media_line *l)
{
	bool all = l->facts_n == 0 && !l->untold;

	return all || (!l->outbox && !l->has_call);
}

void line_release_soon(struct media_line *l)
{
	bool waits = l->claiming || l->posted || l->moving || l->dirty || l->telling || l->held ||
		     l->said;

	if (line_is_open(l) || l->state != LINE_OVER || waits)
		return;
	if (is_told(l) || l->gives_up)
		give_back(l);
}

void line_end(struct media_line *l, const char *why)
{
	int64_t now_us = clock_now_us();

	metric_add(METRIC_MEDIA_SOCKETS, -1);
	line_finish(l, now_us, why);
	l->closing = true;
	line_claim(l, now_us);
	line_flush(l);
}

/* --- time --- */

static void end_audio(struct media_shard *s)
{
	inbox_hear(s);
	if (s->bytes_n)
		metric_add(METRIC_MEDIA_BYTES, s->bytes_n);
	if (s->audio_n)
		metric_add_label(METRIC_MEDIA_MESSAGES, "audio", s->audio_n);
	s->bytes_n = s->audio_n = 0;
}

static void on_turn_end(uv_prepare_t *p)
{
	struct media_shard *s = p->data;

	end_audio(s);
	while (s->dirty) {
		struct media_line *l = s->dirty;

		s->dirty = l->next_dirty;
		l->dirty = false;
		line_flush(l);
	}
}

/* Over, and nobody takes what it has to say: the node is full, or its journal. */
static void give_up(struct media_line *l)
{
	if (l->state != LINE_OVER || line_is_open(l) || l->has_call || l->claiming)
		return;
	if (++l->tries > 5)
		l->gives_up = true;
	line_release_soon(l);
}

static void on_tick(uv_timer_t *t)
{
	struct media_shard *s = t->data;
	struct media_line *l, *next;
	int64_t now_us = clock_now_us();

	inbox_hear(s);
	DL_FOREACH_SAFE(s->lines, l, next)
	{
		if (line_is_open(l))
			line_tick(l, now_us);
		else
			give_up(l);
	}
	if (++s->ticks % TRIM_TICKS)
		return;
	pool_trim(s->ring_memory);
	for (unsigned i = 0; i < LINE_RECORD_SIZES; i++)
		pool_trim(s->record_memory[i]);
	for (unsigned i = 0; i < LEG_SIZES && s->leg_memory[i]; i++)
		pool_trim(s->leg_memory[i]);
}

static void on_quick(uv_timer_t *t)
{
	struct media_shard *s = t->data;
	struct media_line *l, *next;
	int64_t now_us = clock_now_us();

	inbox_hear(s);
	DL_FOREACH_SAFE(s->lines, l, next)
	{
		line_claim(l, now_us);
		line_say_again(l);
	}
	dials_tick(s, clock_monotonic_us());
	listen_pauses_tick(s);
	listen_levels_tick(s, now_us);
	listen_watches_tick(s, false);
}

static void on_clock(uv_timer_t *t)
{
	struct media_shard *s = t->data;
	struct media_line *l, *next;
	int64_t now_us = clock_monotonic_us();

	DL_FOREACH_SAFE2(s->paced, l, next, paced_next)
	line_clock(l, now_us);
}

void line_pace(struct media_line *l)
{
	struct media_shard *s = l->home;

	if (l->paced || s->stopped)
		return;
	if (!s->paced)
		uv_timer_start(&s->clock, on_clock, 0, PLAY_FRAME_MS);
	l->paced = true;
	DL_APPEND2(s->paced, l, paced_prev, paced_next);
}

void line_unpace(struct media_line *l)
{
	struct media_shard *s = l->home;

	if (!l->paced)
		return;
	l->paced = false;
	DL_DELETE2(s->paced, l, paced_prev, paced_next);
	if (!s->paced && !s->stopped)
		uv_timer_stop(&s->clock);
}

/* --- shards --- */

static void start_timers(struct media_shard *s)
{
	uv_loop_t *loop = shard_loop(s->shard);

	uv_prepare_init(loop, &s->turn_end);
	uv_timer_init(loop, &s->tick);
	uv_timer_init(loop, &s->quick);
	uv_timer_init(loop, &s->clock);
	s->turn_end.data = s->tick.data = s->quick.data = s->clock.data = s;
	uv_prepare_start(&s->turn_end, on_turn_end);
	uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
	uv_timer_start(&s->quick, on_quick, QUICK_MS, QUICK_MS);
}

int media_shard_start(struct media *m, struct shard *shard, struct fault *f)
{
	struct media_shard *s = aligned_alloc(_Alignof(struct media_shard), sizeof(*s));

	CHECK(s);
	memset(s, 0, sizeof(*s));
	s->media = m;
	s->shard = shard;
	s->ring_memory = pool_new(LEG_RING_PIECE_BYTES);
	int rc = http_client_new(&s->http, shard, PLACING_MAX, PLACING_MAX, f);
	if (!rc)
		rc = ws_dialer_new(&s->dialer, shard_loop(shard), m->config.ca_file, f);
	if (rc) {
		http_client_free(s->http);
		pool_free(s->ring_memory);
		free(s);
		return rc;
	}
	http_client_trust(s->http, m->config.ca_file);
	for (unsigned i = 0; i < m->config.max_lines; i++) {
		struct media_line *l = aligned_alloc(_Alignof(struct media_line), sizeof(*l));

		CHECK(l);
		memset(l, 0, sizeof(*l));
		DL_PREPEND(s->spare, l);
	}
	arena_alloc(&s->arena, MESSAGE_ARENA);
	arena_reset(&s->arena);
	for (unsigned i = 0; i < LINE_RECORD_SIZES; i++)
		s->record_memory[i] = pool_new(line_record_bytes[i]);
	buf_reserve(&s->record, line_record_bytes[LINE_RECORD_SIZES - 1]);
	start_timers(s);
	m->shards[shard_index(shard)] = s;
	return 0;
}

void media_shard_stop(struct media *m, struct shard *shard)
{
	struct media_shard *s = media_at(m, shard);
	struct media_line *l, *next;
	int64_t now_us = clock_now_us();

	if (!s)
		return;
	s->stopped = true;
	end_audio(s);
	listen_watches_tick(s, true);
	http_client_free(s->http);
	dials_stop(s);
	DL_FOREACH_SAFE(s->lines, l, next)
	{
		line_finish(l, now_us, "node stops");
		if (l->ws)
			ws_close(l->ws, CLOSE_RESTART, "the node stops");
		if (l->grpc)
			door_finish(l, CLOSE_RESTART, "the node stops");
		l->closing = true;
		line_flush(l);
	}
	ws_dialer_free(s->dialer);
	uv_close((uv_handle_t *)&s->turn_end, NULL);
	uv_close((uv_handle_t *)&s->tick, NULL);
	uv_close((uv_handle_t *)&s->quick, NULL);
	uv_close((uv_handle_t *)&s->clock, NULL);
}

/* --- the whole --- */

static bool linked(void *user, struct shard *here, const struct uuid *from, const struct uuid *to)
{
	struct media_shard *s = media_at(user, here);
	struct media_line *l, *next;
	bool any = false;

	if (!s)
		return false;
	inbox_hear(s);
	DL_FOREACH_SAFE(s->lines, l, next)
	{
		if (l->has_call && uuid_eq(&l->call, from))
			any |= line_link(l, to);
	}
	return any;
}

int media_new(struct media **out, const struct media_config *config, struct fault *f)
{
	struct media *m = calloc(1, sizeof(*m));
	const struct hear_calls calls = { dial_running, dial_ended, linked, m };

	(void)f;
	CHECK(m);
	m->config = *config;
	if (!m->config.bind_grace_ms)
		m->config.bind_grace_ms = MEDIA_BIND_GRACE_MS;
	if (!m->config.silence_ms)
		m->config.silence_ms = MEDIA_SILENCE_MS;
	m->listen.media = m;
	m->shards = calloc(config->shards, sizeof(struct media_shard *));
	CHECK(m->shards);
	hear_watch(config->hear, &calls);
	*out = m;
	return 0;
}

static void free_lines(struct media_line *list)
{
	struct media_line *l, *next;

	DL_FOREACH_SAFE(list, l, next)
	{
		free_legs(l);
		line_forget_said(l);
		free(l->marks);
		buf_free(&l->claim_text);
		buf_free(&l->out);
		buf_free(&l->play);
		directory_unref(l->dir);
		free(l);
	}
}

static void shard_free(struct media_shard *s)
{
	if (!s)
		return;
	free_lines(s->lines);
	free_lines(s->spare);
	arena_fini(&s->arena);
	buf_free(&s->bytes);
	buf_free(&s->joined);
	buf_free(&s->channel);
	buf_free(&s->record);
	for (unsigned i = 0; i < LINE_RECORD_SIZES; i++)
		pool_free(s->record_memory[i]);
	for (unsigned i = 0; i < LEG_SIZES; i++)
		pool_free(s->leg_memory[i]);
	pool_free(s->ring_memory);
	free(s);
}

void media_free(struct media *m)
{
	if (!m)
		return;
	for (unsigned i = 0; i < m->config.shards; i++)
		shard_free(m->shards[i]);
	free(m->shards);
	free(m);
}

struct listen *media_listen(struct media *m)
{
	return &m->listen;
}

void media_add_sink(struct media *m, const struct media_sink *sink, void *owner)
{
	CHECK(m->sinks_n < MEDIA_SINKS_MAX);
	m->sinks[m->sinks_n++] = (struct media_sink_entry){ sink, owner };
}

/* --- what a sink may ask --- */

struct shard *media_line_shard(const struct media_line *l)
{
	return l->home->shard;
}

bool media_line_call(const struct media_line *l, struct uuid *call)
{
	*call = l->call;
	return l->has_call;
}

const struct dir_project *media_line_project(const struct media_line *l)
{
	return l->project;
}

const struct media_dialect *media_line_dialect(const struct media_line *l)
{
	return l->dialect;
}

bool media_line_leg(const struct media_line *l, unsigned leg, struct media_leg_about *out)
{
	if (leg >= l->legs_n || !l->legs[leg].leg)
		return false;
	*out = (struct media_leg_about){ l->legs[leg].speaker, l->legs[leg].codec,
					 l->legs[leg].rate_hz, l->legs[leg].announced_hz };
	return true;
}

void media_line_tell(struct media_line *l, const struct heard *facts, size_t n)
{
	line_tell(l, facts, n);
}

void media_line_transcript(struct media_line *l, unsigned leg, struct span text, bool final)
{
	struct media_out out = { .b = &l->out };

	if (!l->dialect->put_transcript || l->closing)
		return;
	buf_clear(&l->out);
	l->dialect->put_transcript(l->dialect_state, leg, text, final, &out);
	if (line_send(l, &out))
		metric_add_label(METRIC_MEDIA_MESSAGES, "unsent", 1);
}

void media_line_wordless(struct media_line *l)
{
	if (l->dialect->put_transcript)
		line_refuse(l, CLOSE_ERROR, "no_words", "no speech-to-text");
}

void media_line_about(const struct media_line *l, struct buf *out)
{
	char call[UUID_TEXT + 1];

	uuid_format(&l->call, call);
	buf_printf(out, "%s of source %.*s, ", l->dialect->title, SPAN_ARG(l->source->name));
	if (l->has_call)
		buf_printf(out, "call %s", call);
	else
		buf_printf(out, "a call not known yet (theirs: %.*s)",
			   SPAN_ARG(l->call_id.n ? l->call_id : SPAN("unnamed")));
}

void media_line_hold(struct media_line *l)
{
	l->held++;
}

void media_line_release(struct media_line *l)
{
	l->held--;
	line_flush(l); /* its turn may not come any more: the shard may have stopped */
}
