/* A leg's audio on its way to a provider: order, times, what is sent again, what is dropped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stt/queue.h"

#include "callmend/codec.h"

#define BASE_US INT64_C(1700000000000000)

static struct stt_queue q;
static int16_t samples[16000];

static void begin(enum stt_coding coding, uint32_t rate_hz)
{
	stt_queue_init(&q, (struct stt_form){ coding, rate_hz }, 100, 1000);
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
		samples[i] = (int16_t)(i * 7);
}

static void add_ms(int64_t at_ms, unsigned ms)
{
	stt_queue_add(&q, samples, q.form.rate_hz / 1000 * ms, BASE_US + at_ms * 1000, false);
}

/* Takes what is due; gives the ms. */
static unsigned drain(void)
{
	unsigned n = 0;

	for (struct stt_block *b; (b = stt_queue_due(&q)); n += b->n)
		stt_queue_sent(&q);
	return n / (q.form.rate_hz / 1000);
}

static void test_blocks_fill(void **state)
{
	(void)state;
	begin(STT_ULAW, 8000);
	for (int i = 0; i < 9; i++)
		add_ms(i * 20, 20);
	struct stt_block *b = stt_queue_due(&q);
	assert_int_equal(800, b->n);
	assert_int_equal(BASE_US, b->at_us);
	assert_int_equal(g711_ulaw_of(samples[5]), b->bytes[5]);
	stt_queue_sent(&q);
	assert_null(stt_queue_due(&q));
	stt_queue_seal(&q);
	b = stt_queue_due(&q);
	assert_int_equal(640, b->n);
	stt_queue_sent(&q);
	add_ms(180, 20); /* what was sent grows no more */
	assert_int_equal(640, b->n);
	assert_int_equal(3, q.blocks);
	stt_queue_fini(&q);
}

static void test_a_gap(void **state)
{
	(void)state;
	begin(STT_PCM, 16000);
	add_ms(0, 100);
	add_ms(300, 100); /* filled */
	add_ms(9000, 50); /* only its first second */
	stt_queue_seal(&q);
	assert_int_equal(BASE_US + 9050 * 1000, stt_queue_end_us(&q));
	assert_int_equal(950, drain()); /* ten blocks: of 1450 ms the oldest were dropped */
	assert_int_equal(0, (BASE_US + 9000 * 1000) - q.end->at_us);
	stt_queue_fini(&q);
}

static void test_pcm_of_a_block(void **state)
{
	static const enum stt_coding codings[] = { STT_ULAW, STT_ALAW, STT_PCM };
	int16_t out[800];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		begin(codings[i], 8000);
		for (int k = 0; k < 800; k++) /* values that G.711 holds exactly */
			samples[k] = codings[i] == STT_ALAW ? g711_alaw_table[k % 256]
							    : g711_ulaw_table[k % 256];
		add_ms(0, 100);
		assert_int_equal(800, stt_block_pcm(&q, q.first, out));
		for (int k = 0; k < 800; k++)
			assert_int_equal(samples[k], out[k]);
		stt_queue_fini(&q);
	}
}

static void test_what_is_not_settled_is_sent_again(void **state)
{
	(void)state;
	begin(STT_ULAW, 8000);
	add_ms(0, 800);
	assert_int_equal(800, drain());
	stt_queue_settle(&q, BASE_US + 350 * 1000);
	assert_int_equal(5, q.blocks);
	stt_queue_rewind(&q);
	assert_int_equal(BASE_US + 300 * 1000, stt_queue_due(&q)->at_us);
	assert_int_equal(500, drain());
	/* The end stays, whatever is settled: what comes is placed by it. */
	stt_queue_settle(&q, BASE_US + 5000 * 1000);
	assert_int_equal(1, q.blocks);
	assert_int_equal(0, q.dropped_us);
	stt_queue_fini(&q);
}

static void test_bounded(void **state)
{
	(void)state;
	begin(STT_ULAW, 8000);
	for (int i = 0; i < 25; i++)
		add_ms(i * 100, 100);
	assert_int_equal(10, q.blocks);
	assert_int_equal(1500000, q.dropped_us);
	assert_int_equal(BASE_US + 1500 * 1000, stt_queue_due(&q)->at_us);
	drain();
	q.dropped_us = 0;
	for (int i = 25; i < 40; i++) { /* what was sent may go */
		add_ms(i * 100, 100);
		drain();
	}
	assert_int_equal(0, q.dropped_us);
	assert_int_equal(10, q.blocks);
	stt_queue_fini(&q);
}

static void test_a_pause_at_the_end(void **state)
{
	(void)state;
	begin(STT_ULAW, 8000);
	add_ms(0, 60);
	stt_queue_pause(&q, 500);
	assert_int_equal(BASE_US + 560 * 1000, stt_queue_end_us(&q));
	assert_int_equal(0xff, q.end->bytes[0]);
	/* Audio that should have come meanwhile has its own time. */
	add_ms(300, 20);
	assert_int_equal(BASE_US + 300 * 1000, q.end->at_us);
	stt_queue_fini(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks_fill),
		cmocka_unit_test(test_a_gap),
		cmocka_unit_test(test_pcm_of_a_block),
		cmocka_unit_test(test_what_is_not_settled_is_sent_again),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_a_pause_at_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
