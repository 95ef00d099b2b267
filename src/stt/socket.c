/* A leg's WebSocket to its provider. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "net/provider_status.h"
#include "stt/internal.h"

enum {
	MESSAGE_MAX = 256 * 1024,
	CONNECT_MS = 8000,
	QUEUED_MAX =
		64 * 1024, /* bytes with the socket: the rest waits in the queue, with its time */
	STALE_MS = 150,	   /* a block that does not fill goes out all the same */
	RUBBISH_MAX = 8,
	BUSY_MS = 2000,
	CLOSED_NORMALLY = 1000,
};

/* --- sending --- */

static int send_message(struct stt_leg *l)
{
	struct buf *b = &l->home->message;

	if (!b->n)
		return 0;
	l->sent_at_us = clock_monotonic_us();
	return ws_client_send(l->ws, buf_span(b));
}

/* What was settled in the middle of a block need not be heard again. */
static unsigned settled_samples(const struct stt_leg *l, const struct stt_block *b)
{
	int64_t us = l->words.settled_us - b->at_us;
	int64_t n = us > 0 ? us * l->queue.form.rate_hz / SECOND_US : 0;

	return n < b->n ? (unsigned)n : b->n;
}

static struct span in_leg_form(const struct stt_leg *l, const struct stt_block *b, unsigned from)
{
	unsigned width = stt_sample_bytes(l->queue.form);

	return (struct span){ (const char *)b->bytes + from * width, (b->n - from) * width };
}

static struct span resampled(struct stt_leg *l, const struct stt_block *b, unsigned from)
{
	struct buf *in = &l->home->samples, *out = &l->home->bytes;

	buf_clear(in);
	buf_reserve(in, b->n * sizeof(int16_t));
	unsigned n = stt_block_pcm(&l->queue, b, (int16_t *)(void *)in->p);
	buf_clear(out);
	buf_reserve(out, resample_max(l->resample, n) * sizeof(int16_t));
	size_t made = resample_run(l->resample, (const int16_t *)(const void *)in->p + from,
				   n - from, (int16_t *)(void *)out->p);
	return (struct span){ out->p, made * sizeof(int16_t) };
}

static int send_bytes(struct stt_leg *l, struct span bytes)
{
	if (!l->c.provider->audio) {
		l->sent_at_us = clock_monotonic_us();
		return ws_client_send_binary(l->ws, bytes);
	}
	buf_clear(&l->home->message);
	l->c.provider->audio(bytes, &l->home->message);
	return send_message(l);
}

/* False: it does not take more now. */
static bool send_block(struct stt_leg *l, const struct stt_block *b)
{
	unsigned from = settled_samples(l, b);

	if (from == b->n)
		return true;
	struct span bytes = l->resample ? resampled(l, b, from) : in_leg_form(l, b, from);
	if (bytes.n && send_bytes(l, bytes))
		return false;
	stt_clock_sent(&l->clock, b->n - from, b->at_us + from * SECOND_US / l->queue.form.rate_hz);
	return true;
}

static void send_finish(struct stt_leg *l)
{
	if (!l->finishing || l->finish_sent || l->queue.next)
		return;
	buf_clear(&l->home->message);
	l->c.provider->finish(l->provider_state, &l->home->message);
	l->finish_sent = send_message(l) == 0;
}

static void pump(struct stt_leg *l)
{
	struct stt_block *b;

	while ((b = stt_queue_due(&l->queue)) && ws_client_queued_bytes(l->ws) < QUEUED_MAX) {
		if (!send_block(l, b))
			return;
		stt_queue_sent(&l->queue);
	}
	send_finish(l);
}

/* --- the connection --- */

static void forget_connection(struct stt_leg *l)
{
	resample_free(take(l->resample));
	l->finish_sent = l->complained = false;
	l->rubbish = 0;
}

static void on_open(void *user)
{
	struct stt_leg *l = user;
	const struct stt_provider *p = l->c.provider;

	if (p->state_bytes)
		memset(l->provider_state, 0, p->state_bytes);
	if (l->wire.rate_hz != l->queue.form.rate_hz &&
	    resample_new(&l->resample, l->queue.form.rate_hz, l->wire.rate_hz, NULL)) {
		stt_failed(l, "the leg's rate cannot be made the provider's");
		ws_client_disconnect(l->ws);
		return;
	}
	l->state = STT_OPEN;
	stt_clock_init(&l->clock, l->c.rate_hz);
	stt_words_again(&l->words);
	stt_queue_rewind(&l->queue);
	buf_clear(&l->home->message);
	if (p->open)
		p->open(l->provider_state, &l->c.setup, l->wire, &l->home->message);
	else
		stt_tell_connected(l);
	if (send_message(l) == 0)
		pump(l);
}

static void on_text(void *user, struct span message)
{
	struct stt_leg *l = user;
	struct fault f = { 0 };
	bool done = false;
	int rc = stt_read(l, message, &done, &f);

	if (rc == E_DENIED) {
		stt_failed(l, f.text);
		ws_client_disconnect(l->ws);
	} else if (rc) {
		metric_add_label(METRIC_STT_RESULTS, "rubbish", 1);
		if (++l->rubbish == RUBBISH_MAX)
			ws_client_disconnect(l->ws);
	} else {
		l->rubbish = 0;
		if (done && l->finishing)
			l->over_us = 0; /* not from within its own callback */
	}
}

/* It has closed because it had been told that nothing more comes, or owes us nothing. */
static bool is_complete(const struct stt_leg *l)
{
	bool all = l->words.settled_us >= stt_queue_end_us(&l->queue);

	return l->finish_sent && (all || ws_client_close_code(l->ws) == CLOSED_NORMALLY);
}

static void on_closed(void *user, int status, const char *why)
{
	struct stt_leg *l = user;
	bool complete = is_complete(l);
	struct fault f = { 0 };
	int rc = status ? provider_status(status, &f) : E_UNAVAILABLE;
	bool busy = rc == E_FULL || ws_client_is_busy(ws_client_close_code(l->ws));
	const char *text = status ? f.text : why;

	forget_connection(l);
	if (l->state == STT_FAILED)
		return;
	if (complete) {
		l->state = STT_WAITING;
		l->over_us = 0;
		l->again_us = INT64_MAX;
	} else if (provider_status_lasts(rc)) {
		stt_failed(l, text);
	} else {
		stt_lost(l, text, busy ? BUSY_MS : 0);
	}
}

static void connect_now(struct stt_leg *l)
{
	static const struct ws_client_handlers handlers = { .open = on_open,
							    .text = on_text,
							    .closed = on_closed };
	bool has_key = l->key.n > strlen(l->c.provider->key_as);
	const struct ws_connect k = {
		.url = buf_z(&l->url),
		.headers = { { has_key ? "authorization" : NULL, buf_z(&l->key) } },
		.timeout_ms = CONNECT_MS,
	};
	struct fault f = { 0 };

	if (!l->ws)
		ws_client_of(&l->ws, l->home->dialer, MESSAGE_MAX, &handlers, l);
	l->state = STT_CONNECTING;
	if (ws_client_dial(l->ws, &k, &f))
		stt_failed(l, f.text);
}

void stt_socket_audio(struct stt_leg *l)
{
	if (l->state == STT_IDLE && l->queue.first)
		connect_now(l);
	else if (l->state == STT_OPEN)
		pump(l);
}

static void keep_alive(struct stt_leg *l, int64_t now_us)
{
	const struct stt_provider *p = l->c.provider;
	int64_t ms =
		l->home->config.keep_alive_ms ? l->home->config.keep_alive_ms : p->keep_alive_ms;

	if (!p->keep_alive || l->finish_sent || now_us - l->sent_at_us < ms * MS_US)
		return;
	buf_clear(&l->home->message);
	p->keep_alive(&l->home->message);
	(void)!send_message(l);
}

void stt_socket_tick(struct stt_leg *l, int64_t now_us)
{
	if (l->state == STT_WAITING && now_us >= l->again_us) {
		connect_now(l);
		return;
	}
	if (l->state != STT_OPEN)
		return;
	if (now_us - l->heard_us > STALE_MS * MS_US)
		stt_queue_seal(&l->queue);
	pump(l);
	keep_alive(l, now_us);
}

void stt_socket_close(struct stt_leg *l)
{
	resample_free(take(l->resample));
	ws_client_free(take(l->ws));
}
