/* A leg's utterances as requests, one after the other.
 *
 * An utterance begins PREROLL_BLOCKS before the first block in which somebody speaks and ends with
 * the first in which nobody does (the leg's detector waits a while before it says so), or when it
 * is UTTERANCE_BLOCKS long. Complete ones wait in the queue; the request takes the first. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "net/provider_status.h"
#include "stt/internal.h"

enum {
	PREROLL_BLOCKS = 5,
	UTTERANCE_BLOCKS = 250,
	TRIES = 3,
	TIMEOUT_MS = 15000,
	ANSWER_MAX = 256 * 1024,
	BUSY_MS = 2000,
};

struct stt_post {
	struct stt_leg *leg; /* NULL: nobody waits for it any more */
};

/* --- an answer --- */

/* Making room may have taken the first utterance, or its beginning, away. */
static void count_cuts(struct stt_leg *l)
{
	l->cuts = 0;
	for (const struct stt_block *b = l->queue.first; b && b != l->queue.next; b = b->next)
		l->cuts += b->last;
}

/* By its time: some of it may be gone already. */
static void drop_posted(struct stt_leg *l)
{
	int64_t until_us = stt_clock_end(&l->clock, stt_clock_sent_us(&l->clock));

	while (l->queue.first && stt_block_end_us(&l->queue, l->queue.first) <= until_us)
		stt_queue_drop_first(&l->queue);
	count_cuts(l);
	l->post_tries = 0;
}

static void try_later(struct stt_leg *l, const char *why, int64_t least_ms)
{
	stt_lost(l, why, least_ms);
	if (++l->post_tries < TRIES)
		return;
	metric_add_label(METRIC_STT_RESULTS, "given_up", 1);
	drop_posted(l);
}

static void on_answer(struct stt_leg *l, struct span body)
{
	struct fault f = { 0 };
	bool done = false;

	if (stt_read(l, body, &done, &f)) {
		metric_add_label(METRIC_STT_RESULTS, "rubbish", 1);
		try_later(l, "the answer is rubbish", 0);
		return;
	}
	l->state = STT_OPEN;
	stt_tell_connected(l);
	drop_posted(l);
}

static void on_refusal(struct stt_leg *l, int status)
{
	struct fault f = { 0 };
	int rc = provider_status(status, &f);

	if (rc == E_DENIED)
		stt_failed(l, f.text);
	else /* also when it is this piece of audio: another may be fine */
		try_later(l, f.text, rc == E_FULL ? BUSY_MS : 0);
}

static void post_next(struct stt_leg *l);

static void on_done(void *user, const struct client_response *r)
{
	struct stt_post *p = user;
	struct stt_leg *l = p->leg;

	free(p);
	if (!l)
		return;
	l->post = NULL;
	if (r->end != CLIENT_ANSWERED)
		try_later(l, r->timed_out ? "no answer in time" : r->error, 0);
	else if (r->status == 200)
		on_answer(l, r->body);
	else
		on_refusal(l, r->status);
	if (l->state == STT_OPEN)
		post_next(l);
}

/* --- a request --- */

/* What was kept while another request was under way. */
static void trim(struct stt_leg *l)
{
	unsigned quiet = 0;

	for (const struct stt_block *b = l->queue.first; b && !b->speaking && !b->last; b = b->next)
		quiet++;
	for (; quiet > PREROLL_BLOCKS; quiet--)
		stt_queue_drop_first(&l->queue);
}

/* The first complete utterance as PCM; its clock begins anew. */
static struct span collect(struct stt_leg *l)
{
	struct buf *b = &l->home->bytes;

	buf_clear(b);
	stt_clock_init(&l->clock, l->c.rate_hz);
	for (const struct stt_block *k = l->queue.first; k; k = k->last ? NULL : k->next) {
		buf_reserve(b, k->n * sizeof(int16_t));
		stt_block_pcm(&l->queue, k, (int16_t *)(void *)(b->p + b->n));
		b->n += k->n * sizeof(int16_t);
		stt_clock_sent(&l->clock, k->n, k->at_us);
	}
	return buf_span(b);
}

static int send_post(struct stt_leg *l, struct stt_post *p, struct fault *f)
{
	struct buf type AUTO_BUF = { 0 };
	struct buf *body = &l->home->message;
	struct http_header headers[2];
	bool has_key = l->key.n > strlen(l->c.provider->key_as);

	trim(l);
	buf_clear(body);
	l->c.provider->post(&l->c.setup, l->wire, collect(l), body, &type);
	headers[0] = (struct http_header){ SPAN("content-type"), buf_span(&type) };
	headers[1] = (struct http_header){ SPAN("authorization"), buf_span(&l->key) };
	const struct client_request request = {
		.method = HTTP_POST,
		.url = buf_span(&l->url),
		.headers = headers,
		.headers_n = has_key ? 2 : 1,
		.body = buf_span(body),
		.timeout_ms = TIMEOUT_MS,
		.response_limit = ANSWER_MAX,
	};
	return http_client_send(l->home->http, &request, on_done, p, f);
}

static void post_next(struct stt_leg *l)
{
	struct fault f = { 0 };

	if (l->post || !l->cuts)
		return;
	l->post = calloc(1, sizeof(*l->post));
	CHECK(l->post);
	l->post->leg = l;
	int rc = send_post(l, l->post, &f);
	if (!rc)
		return;
	free(take(l->post));
	if (rc == E_INVALID)
		stt_failed(l, "the URL cannot be used");
	else
		try_later(l, "too many requests of our own", BUSY_MS);
}

/* --- utterances --- */

static void cut(struct stt_leg *l, struct stt_block *b)
{
	b->last = true;
	l->cuts++;
	l->collected = 0;
	l->speaking = false;
}

/* Between utterances only what may become the beginning of one is kept. */
static void keep_preroll(struct stt_leg *l)
{
	if (l->collected <= PREROLL_BLOCKS)
		return;
	if (!l->cuts)
		stt_queue_drop_first(&l->queue);
	l->collected--;
}

static void take_block(struct stt_leg *l, struct stt_block *b)
{
	l->collected++;
	l->speaking |= b->speaking;
	if (!l->speaking)
		keep_preroll(l);
	else if (!b->speaking || l->collected >= UTTERANCE_BLOCKS)
		cut(l, b);
}

void stt_posts_audio(struct stt_leg *l)
{
	struct stt_block *b;

	if (l->state == STT_IDLE)
		l->state = STT_OPEN;
	count_cuts(l);
	while ((b = stt_queue_due(&l->queue))) {
		stt_queue_sent(&l->queue);
		take_block(l, b);
	}
	if (l->finishing && l->speaking && l->queue.end)
		cut(l, l->queue.end);
	if (l->state == STT_OPEN)
		post_next(l);
}

void stt_posts_tick(struct stt_leg *l, int64_t now_us)
{
	if (l->state == STT_WAITING && now_us >= l->again_us) {
		l->state = STT_OPEN;
		post_next(l);
	}
	if (l->finishing && !l->post && !l->cuts)
		l->over_us = 0;
}

void stt_posts_close(struct stt_leg *l)
{
	if (l->post)
		l->post->leg = NULL;
	l->post = NULL;
}
