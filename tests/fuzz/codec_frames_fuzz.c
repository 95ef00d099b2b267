/* libFuzzer entry, built once per codec (CODEC): the first byte chooses a rate, then frames follow:
 * a byte that says what is done, a byte for its length (twice as many for the large ones), the
 * bytes. Whatever comes, a codec keeps its bounds, takes what it says and goes on working; what it
 * decodes it can encode. */
#include <stdlib.h>

#include "callmend/codec.h"
#include "tests/fuzz/fuzz.h"

enum { STATE_MAX = 64 * 1024, FRAMES_MAX = 200 };

static const uint32_t rates[] = { 8000, 16000, 24000, 48000, 12000, 44100, 11025, 192000 };

struct talk {
	const struct codec *codec;
	struct codec_params params;
	void *dec, *enc; /* of exactly the size asked for */
	int16_t last[CODEC_SAMPLES_MAX];
	size_t last_n;
};

static void *state_new(const struct codec *c, const struct codec_params *p)
{
	void *state = NULL;
	size_t n = c->state_size(p);
	CHECK(n < STATE_MAX && posix_memalign(&state, CODEC_STATE_ALIGN, n ? n : 1) == 0);
	CHECK(c->init(state, p, NULL) == 0);
	return state;
}

/* A rate this codec has: the first one it takes from the chosen one on. */
static void begin(struct talk *t, unsigned choice)
{
	const size_t n = sizeof(rates) / sizeof(rates[0]);
	for (size_t i = 0; i < n; i++) {
		t->params.rate_hz = t->params.out_rate_hz = rates[(choice + i) % n];
		if (t->codec->init(NULL, &t->params, NULL) == 0)
			break;
	}
	t->dec = state_new(t->codec, &t->params);
	struct codec_params e = t->params;
	e.way = CODEC_ENCODE;
	t->enc = state_new(t->codec, &e);
}

/* Input and output of exactly their size, so that the sanitizer sees a byte too much. */
static void decode(struct talk *t, struct span bytes, size_t cap)
{
	char *in = malloc(bytes.n + 1);
	int16_t *out = malloc(cap * sizeof(*out) + 1);
	size_t used = 0, n = 0;
	if (bytes.n)
		memcpy(in, bytes.p, bytes.n);
	int rc = t->codec->decode(t->dec, (struct span){ in, bytes.n }, out, cap, &used, &n, NULL);
	CHECK(rc == 0 || n == 0);
	CHECK(used <= bytes.n && n <= cap);
	CHECK(rc == 0 || rc == E_INVALID || (rc == E_FULL && cap < CODEC_SAMPLES_MAX));
	memcpy(t->last, out, n * sizeof(*out));
	t->last_n = n;
	free(in);
	free(out);
}

static void conceal(struct talk *t, size_t want)
{
	int16_t *out = malloc(want * sizeof(*out) + 1);
	t->codec->conceal(t->dec, out, want);
	free(out);
}

static void encode(struct talk *t)
{
	uint8_t *out = malloc(2 * CODEC_SAMPLES_MAX);
	size_t n = 0;
	int rc = t->codec->encode(t->enc, t->last, t->last_n, out, 2 * CODEC_SAMPLES_MAX, &n, NULL);
	CHECK(rc == 0 || (rc == E_INVALID && n == 0));
	decode(t, (struct span){ (char *)out, n }, CODEC_SAMPLES_MAX);
	free(out);
}

static void show(struct talk *t, uint8_t what, struct span bytes)
{
	static const size_t caps[] = { CODEC_SAMPLES_MAX, CODEC_SAMPLES_MAX, 160, 1 };
	if (what % 4 == 1)
		conceal(t, bytes.n);
	else if (what % 4 == 2)
		encode(t);
	else
		decode(t, bytes, caps[(what >> 2) % 4]);
}

static struct span next_frame(struct span *rest, uint8_t what)
{
	size_t n = rest->n ? (uint8_t)rest->p[0] : 0;
	n *= what & 0x80 ? 8 : 1;
	*rest = span_from(*rest, 1);
	struct span frame = { rest->p, n < rest->n ? n : rest->n };
	*rest = span_from(*rest, frame.n);
	return frame;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct talk t = { .codec = codec_find(SPAN(CODEC)) };
	struct span rest = { (const char *)data, n };
	begin(&t, n ? data[0] : 0);
	rest = span_from(rest, 1);
	for (int i = 0; rest.n && i < FRAMES_MAX; i++) {
		uint8_t what = (uint8_t)rest.p[0];
		rest = span_from(rest, 1);
		show(&t, what, next_frame(&rest, what));
	}
	free(t.dec);
	free(t.enc);
	return 0;
}
