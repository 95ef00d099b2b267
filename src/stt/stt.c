/* Sessions from begin to end; what sockets and requests have in common. */
#include "stt/stt.h"

#include <stdlib.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "stt/internal.h"

enum {
	QUIET_MS = 700,	      /* without audio: a pause is sent, that utterances end */
	MESSAGE_BYTES = 1900, /* at most, that sending needs no memory (net/ws_client.c) */
	ENVELOPE_BYTES = 80,
	POSTS_RUNNING = 32,
	POSTS_WAITING = 64,
};

/* --- telling --- */

static void count_one(const char *kind, int64_t *n)
{
	if (*n)
		metric_add_label(METRIC_STT_RESULTS, kind, *n);
	*n = 0;
}

static void count(struct stt_leg *l)
{
	count_one("final", &l->words.finals);
	count_one("partial", &l->words.partials);
	count_one("repeated", &l->words.repeats);
	if (l->queue.dropped_us >= MS_US)
		metric_add(METRIC_STT_DROPPED_MS, l->queue.dropped_us / MS_US);
	l->queue.dropped_us %= MS_US;
}

static void tell(void *user, const struct heard *fact)
{
	struct stt_leg *l = user;
	struct heard h = *fact;

	h.leg = l->c.leg;
	h.speaker = l->c.speaker;
	if (h.kind == HEARD_TRANSCRIPT)
		h.name = span_of(l->c.provider->name);
	l->c.heard(l->c.user, &h);
}

static void warn(const struct stt_leg *l, const char *what, const char *then)
{
	struct buf b AUTO_BUF = { 0 };

	buf_addz(&b, l->c.provider->title);
	if (l->c.about) {
		buf_addz(&b, " for ");
		l->c.about(l->c.user, &b);
	}
	log_warn("stt", "%s, leg %u: %s%s", buf_z(&b), l->c.leg, what, then);
}

static void tell_state(struct stt_leg *l, const char *state, const char *why)
{
	struct heard h = { .kind = HEARD_TRANSCRIBER,
			   .at_us = clock_now_us(),
			   .name = span_of(state),
			   .text = span_of(why) };

	metric_add_label(METRIC_STT_STATES, state, 1);
	tell(l, &h);
}

void stt_tell_connected(struct stt_leg *l)
{
	l->lost_told = false;
	if (l->connected_told)
		return;
	l->connected_told = true;
	tell_state(l, "connected", "");
}

static int64_t pause_ms(const struct stt_leg *l)
{
	int64_t ms = l->home->config.pause_ms;

	for (unsigned i = 0; i < l->tries && ms < STT_PAUSE_MAX_MS; i++)
		ms *= 2;
	return ms < STT_PAUSE_MAX_MS ? ms : STT_PAUSE_MAX_MS;
}

void stt_lost(struct stt_leg *l, const char *why, int64_t least_ms)
{
	int64_t ms = pause_ms(l);

	l->state = STT_WAITING;
	l->tries++;
	l->again_us = clock_monotonic_us() + (ms > least_ms ? ms : least_ms) * MS_US;
	l->connected_told = false;
	if (l->lost_told)
		return;
	l->lost_told = true;
	warn(l, why, "; trying again");
	tell_state(l, "lost", why);
}

void stt_failed(struct stt_leg *l, const char *why)
{
	l->state = STT_FAILED;
	stt_words_end(&l->words);
	count(l);
	stt_queue_fini(&l->queue);
	if (l->finishing)
		l->over_us = 0;
	warn(l, why, "; given up for this call");
	tell_state(l, "failed", why);
}

/* --- what a provider says --- */

static void take_words(struct stt_leg *l, const struct stt_result *r)
{
	int64_t sent_us = stt_clock_sent_us(&l->clock);
	int64_t to_us = r->to_us >= 0 && r->to_us <= sent_us ? r->to_us : sent_us;
	int64_t from_us = r->from_us < 0 || r->from_us > to_us ? to_us : r->from_us;
	const struct stt_said said = {
		.text = r->text,
		.final = r->final,
		.ends = r->ends,
		.confidence = r->confidence,
		.from_us = stt_clock_at(&l->clock, from_us),
		.to_us = stt_clock_end(&l->clock, to_us),
	};

	stt_words_hear(&l->words, &said, clock_monotonic_us());
}

static void warn_complaint(const struct stt_leg *l, struct span complaint)
{
	struct buf b AUTO_BUF = { 0 };

	buf_add(&b, complaint);
	warn(l, "it says: ", buf_z(&b));
}

static void take_result(struct stt_leg *l, const struct stt_result *r)
{
	if (r->ready || r->words)
		stt_tell_connected(l);
	if (r->words && l->clock.n)
		take_words(l, r);
	if (r->complaint.n && !l->complained)
		warn_complaint(l, r->complaint);
	l->complained |= r->complaint.n > 0;
}

int stt_read(struct stt_leg *l, struct span message, bool *done, struct fault *f)
{
	struct stt *s = l->home;
	size_t n = 0;

	arena_reset(&s->arena);
	TRY(l->c.provider->read(l->provider_state, message, &s->arena, s->results, STT_RESULTS_MAX,
				&n, f));
	for (size_t i = 0; i < n; i++) {
		take_result(l, &s->results[i]);
		*done |= s->results[i].done;
		if (s->results[i].fatal)
			return fault(f, E_DENIED, "%.*s", SPAN_ARG(s->results[i].complaint));
	}
	l->tries = n ? 0 : l->tries;
	count(l);
	stt_queue_settle(&l->queue, l->words.settled_us);
	return 0;
}

/* --- legs --- */

static struct span keep(struct buf *b, struct span text)
{
	struct span kept = { b->p + b->n, text.n };

	buf_add(b, text);
	return kept;
}

static void keep_setup(struct stt_leg *l)
{
	struct stt_setup *s = &l->c.setup;

	buf_reserve(&l->setup_text, s->url.n + s->model.n + s->language.n + s->key.n + 1);
	s->url = keep(&l->setup_text, s->url);
	s->model = keep(&l->setup_text, s->model);
	s->language = keep(&l->setup_text, s->language);
	buf_addz(&l->key, l->c.provider->key_as);
	buf_add(&l->key, s->key);
	s->key = (struct span){ 0 };
}

static struct stt_form form_of(const struct stt_leg_config *c)
{
	bool narrow = c->rate_hz == 8000;

	if (narrow && strcmp(c->codec->name, "pcmu") == 0)
		return (struct stt_form){ STT_ULAW, 8000 };
	if (narrow && strcmp(c->codec->name, "pcma") == 0)
		return (struct stt_form){ STT_ALAW, 8000 };
	return (struct stt_form){ STT_PCM, c->rate_hz };
}

/* As much as makes one message that needs no memory. */
static unsigned block_ms_of(const struct stt_leg *l)
{
	static const unsigned sizes[] = { 100, 50, 20 };
	unsigned ms = 20;

	if (l->c.provider->posts)
		return 100;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t n = (size_t)l->wire.rate_hz * sizes[i] / 1000 * stt_sample_bytes(l->wire);

		ms = sizes[i];
		if ((l->c.provider->audio ? n / 3 * 4 + ENVELOPE_BYTES : n) <= MESSAGE_BYTES)
			break;
	}
	return ms;
}

struct stt_leg *stt_leg_new(struct stt *s, const struct stt_leg_config *c)
{
	struct stt_leg *l = calloc(1, sizeof(*l));
	size_t state_bytes = (c->provider->state_bytes + 15) / 16 * 16;

	CHECK(l);
	l->home = s;
	l->c = *c;
	keep_setup(l);
	l->wire = stt_wire_form(c->provider, form_of(c));
	stt_write_url(c->provider, &l->c.setup, l->wire, &l->url);
	stt_queue_init(&l->queue, form_of(c), block_ms_of(l),
		       c->provider->posts ? STT_KEEP_POSTS_MS : STT_KEEP_MS);
	l->queue.all_counts = c->provider->posts;
	stt_words_init(&l->words, tell, l);
	stt_clock_init(&l->clock, c->rate_hz);
	if (state_bytes) {
		l->provider_state = aligned_alloc(16, state_bytes);
		CHECK(l->provider_state);
	}
	DL_APPEND(s->legs, l);
	metric_add(METRIC_STT_LEGS, 1);
	return l;
}

void stt_leg_drop(struct stt_leg *l)
{
	stt_posts_close(l);
	stt_socket_close(l);
	count(l);
	stt_queue_fini(&l->queue);
	buf_free(&l->setup_text);
	buf_free(&l->url);
	buf_free(&l->key);
	free(l->provider_state);
	DL_DELETE(l->home->legs, l);
	metric_add(METRIC_STT_LEGS, -1);
	free(l);
}

void stt_over(struct stt_leg *l)
{
	void (*over)(void *) = l->c.over;
	void *user = l->c.user;

	stt_words_end(&l->words);
	stt_leg_drop(l);
	over(user);
}

static void go_on(struct stt_leg *l)
{
	if (l->c.provider->posts)
		stt_posts_audio(l);
	else
		stt_socket_audio(l);
}

void stt_leg_audio(struct stt_leg *l, const struct stt_audio *a)
{
	if (l->state == STT_FAILED || l->finishing || !a->n)
		return;
	l->heard_us = clock_monotonic_us();
	l->paused = false;
	stt_queue_add(&l->queue, a->samples, a->n, a->at_us, a->speaking);
	go_on(l);
}

void stt_leg_finish(struct stt_leg *l)
{
	int64_t linger_ms = l->home->config.linger_ms;

	if (l->finishing)
		return;
	if (!linger_ms)
		linger_ms = l->c.provider->posts ? STT_LINGER_POSTS_MS : STT_LINGER_MS;
	l->finishing = true;
	l->over_us = clock_monotonic_us() + linger_ms * MS_US;
	if (l->state == STT_FAILED || l->state == STT_IDLE)
		l->over_us = 0; /* with the next tick */
	stt_queue_seal(&l->queue);
	if (l->state != STT_FAILED)
		go_on(l);
}

/* --- time --- */

/* Nothing comes: without silence behind it no provider would find the end of what was said. */
static void pause_if_quiet(struct stt_leg *l, int64_t now_us)
{
	if (l->paused || !l->heard_us || now_us - l->heard_us < QUIET_MS * MS_US)
		return;
	l->paused = true;
	stt_queue_pause(&l->queue, STT_PAUSE_SENT_MS);
	stt_queue_seal(&l->queue);
	go_on(l);
}

static void leg_tick(struct stt_leg *l, int64_t now_us)
{
	if (l->finishing && now_us >= l->over_us) {
		stt_over(l);
		return;
	}
	if (l->state == STT_FAILED)
		return;
	stt_words_tick(&l->words, now_us);
	count(l);
	if (!l->finishing)
		pause_if_quiet(l, now_us);
	if (l->c.provider->posts)
		stt_posts_tick(l, now_us);
	else
		stt_socket_tick(l, now_us);
}

static void on_tick(uv_timer_t *t)
{
	struct stt *s = t->data;
	int64_t now_us = clock_monotonic_us();
	struct stt_leg *l, *next;

	DL_FOREACH_SAFE(s->legs, l, next)
	leg_tick(l, now_us);
}

/* --- the shard --- */

int stt_new(struct stt **out, struct shard *shard, const struct stt_config *config, struct fault *f)
{
	struct stt *s = calloc(1, sizeof(*s));

	CHECK(s);
	s->shard = shard;
	s->config = *config;
	if (!s->config.pause_ms)
		s->config.pause_ms = STT_PAUSE_MS;
	int rc = ws_dialer_new(&s->dialer, shard_loop(shard), config->ca_file, f);
	if (!rc)
		rc = http_client_new(&s->http, shard, POSTS_RUNNING, POSTS_WAITING, f);
	if (rc) {
		ws_dialer_free(s->dialer);
		free(s);
		return rc;
	}
	http_client_trust(s->http, config->ca_file);
	uv_timer_init(shard_loop(shard), &s->tick);
	s->tick.data = s;
	uv_timer_start(&s->tick, on_tick, STT_TICK_MS, STT_TICK_MS);
	*out = s;
	return 0;
}

static void on_tick_closed(uv_handle_t *h)
{
	struct stt *s = h->data;

	arena_fini(&s->arena);
	buf_free(&s->message);
	buf_free(&s->bytes);
	buf_free(&s->samples);
	free(s);
}

void stt_free(struct stt *s)
{
	struct stt_leg *l, *next;

	if (!s)
		return;
	DL_FOREACH_SAFE(s->legs, l, next)
	stt_over(l);
	http_client_free(s->http);
	ws_dialer_free(s->dialer);
	uv_close((uv_handle_t *)&s->tick, on_tick_closed);
}
