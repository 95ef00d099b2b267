#include "stt/queue.h"

#include <stdlib.h>

#include "callmend/codec.h"

enum { SLACK_US = 2000, PIECE = 160 };

void stt_queue_init(struct stt_queue *q, struct stt_form form, unsigned block_ms, unsigned max_ms)
{
	*q = (struct stt_queue){
		.form = form,
		.block_n = form.rate_hz * block_ms / 1000,
		.blocks_max = max_ms / block_ms,
	};
}

static void free_list(struct stt_block *b)
{
	while (b) {
		struct stt_block *next = b->next;

		free(b);
		b = next;
	}
}

void stt_queue_fini(struct stt_queue *q)
{
	free_list(q->first);
	free_list(q->spare);
	*q = (struct stt_queue){ 0 };
}

static int64_t us_of(const struct stt_queue *q, int64_t samples)
{
	return samples * 1000000 / q->form.rate_hz;
}

int64_t stt_block_end_us(const struct stt_queue *q, const struct stt_block *b)
{
	return b->at_us + us_of(q, b->n);
}

int64_t stt_queue_end_us(const struct stt_queue *q)
{
	return q->end ? stt_block_end_us(q, q->end) : 0;
}

void stt_queue_drop_first(struct stt_queue *q)
{
	struct stt_block *b = q->first;

	q->first = b->next;
	if (q->next == b)
		q->next = b->next;
	if (q->end == b)
		q->end = NULL;
	b->next = q->spare;
	q->spare = b;
	q->blocks--;
}

static void make_room(struct stt_queue *q)
{
	if (q->blocks < q->blocks_max)
		return;
	if (q->first == q->next || q->all_counts)
		q->dropped_us += us_of(q, q->first->n);
	stt_queue_drop_first(q);
}

static struct stt_block *new_block(struct stt_queue *q)
{
	struct stt_block *b = q->spare;

	if (b) {
		q->spare = b->next;
		return b;
	}
	b = malloc(sizeof(*b) + (size_t)q->block_n * stt_sample_bytes(q->form));
	CHECK(b);
	return b;
}

static struct stt_block *append(struct stt_queue *q, int64_t at_us)
{
	make_room(q);
	struct stt_block *b = new_block(q);

	b->next = NULL;
	b->at_us = at_us;
	b->n = 0;
	b->speaking = b->last = false;
	if (q->end)
		q->end->next = b;
	else
		q->first = b;
	q->end = b;
	if (!q->next)
		q->next = b;
	q->blocks++;
	q->sealed = false;
	return b;
}

static void encode(const struct stt_queue *q, struct stt_block *b, const int16_t *samples, size_t n)
{
	if (q->form.coding == STT_PCM) {
		memcpy(b->bytes + 2 * b->n, samples, 2 * n);
		return;
	}
	uint8_t (*of)(int16_t) = q->form.coding == STT_ULAW ? g711_ulaw_of : g711_alaw_of;
	for (size_t i = 0; i < n; i++)
		b->bytes[b->n + i] = of(samples[i]);
}

static void add(struct stt_queue *q, const int16_t *samples, size_t n, int64_t at_us, bool speaking)
{
	while (n) {
		struct stt_block *b = q->end;
		int64_t off_us = b ? at_us - stt_block_end_us(q, b) : 0;
		bool follows = b && off_us <= SLACK_US && off_us >= -SLACK_US;

		if (!follows || q->sealed || b->n == q->block_n)
			b = append(q, at_us);
		size_t room = q->block_n - b->n, take_n = n < room ? n : room;
		encode(q, b, samples, take_n);
		b->n += (unsigned)take_n;
		b->speaking |= speaking;
		samples += take_n;
		n -= take_n;
		at_us += us_of(q, (int64_t)take_n);
	}
}

void stt_queue_pause(struct stt_queue *q, int64_t ms)
{
	static const int16_t silence[PIECE];
	int64_t left = ms * q->form.rate_hz / 1000;

	while (left > 0) {
		int64_t n = left < PIECE ? left : PIECE;

		add(q, silence, (size_t)n, stt_queue_end_us(q), false);
		left -= n;
	}
}

void stt_queue_add(struct stt_queue *q, const int16_t *samples, size_t n, int64_t at_us,
		   bool speaking)
{
	int64_t gap_ms = q->end ? (at_us - stt_queue_end_us(q)) / 1000 : 0;

	if (gap_ms > 0)
		stt_queue_pause(q, gap_ms < STT_PAUSE_SENT_MS ? gap_ms : STT_PAUSE_SENT_MS);
	add(q, samples, n, at_us, speaking);
}

void stt_queue_seal(struct stt_queue *q)
{
	q->sealed = q->end != NULL;
}

struct stt_block *stt_queue_due(const struct stt_queue *q)
{
	struct stt_block *b = q->next;

	return b && (b != q->end || q->sealed || b->n == q->block_n) ? b : NULL;
}

void stt_queue_sent(struct stt_queue *q)
{
	if (q->next == q->end)
		q->sealed = true;
	q->next = q->next->next;
}

/* The end stays: what comes is placed by it. */
void stt_queue_settle(struct stt_queue *q, int64_t until_us)
{
	while (q->first && q->first != q->next && q->first != q->end &&
	       stt_block_end_us(q, q->first) <= until_us)
		stt_queue_drop_first(q);
}

void stt_queue_rewind(struct stt_queue *q)
{
	q->next = q->first;
}

unsigned stt_block_pcm(const struct stt_queue *q, const struct stt_block *b, int16_t *out)
{
	const int16_t *table = q->form.coding == STT_ULAW ? g711_ulaw_table : g711_alaw_table;

	if (q->form.coding == STT_PCM)
		memcpy(out, b->bytes, 2 * (size_t)b->n);
	for (unsigned i = 0; q->form.coding != STT_PCM && i < b->n; i++)
		out[i] = table[b->bytes[i]];
	return b->n;
}
