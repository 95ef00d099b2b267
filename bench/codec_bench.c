/* Nanoseconds for 20 ms of one leg, decode and encode, each beside what the common libraries need
 * for the same; and how many of all 65536 samples those encode otherwise in G.711.
 *
 * The sound is a vowel of changing pitch. Opus packets are what its encoder here makes of it at the
 * rate named. libsndfile reads and writes through memory, 20 ms at a time; it is left out where its
 * -dev package is not installed. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <spandsp/telephony.h>

#include <spandsp/bit_operations.h>
#include <spandsp/g711.h>
#include <spandsp/g722.h>

#include "base/clock.h"
#include "callmend/codec.h"
#include "codecs/halve.h"
#include "codecs/resample.h"

#ifdef HAVE_SNDFILE
#include <sndfile.h>
#endif

enum { FRAMES = 50, FRAME_MAX = 960, BYTES_MAX = 2 * FRAME_MAX, RUNS = 100 };
/* Short enough to be left alone by the rest of the machine now and then. */
static const int64_t run_us = 1500;

/* One second of sound in frames, and its bytes. */
struct world {
	const struct codec *codec;
	size_t frame; /* samples */
	int16_t in[FRAMES][FRAME_MAX];
	uint8_t bytes[FRAMES][BYTES_MAX];
	size_t bytes_n[FRAMES];
	void *enc, *dec;
	int16_t out[CODEC_SAMPLES_MAX];
	uint8_t coded[BYTES_MAX];
	struct halve halve;
	struct resample *resample;
	g722_decode_state_t *g722_dec;
	g722_encode_state_t *g722_enc;
#ifdef HAVE_SNDFILE
	SNDFILE *file;
	sf_count_t at;
#endif
};

static void speak(struct world *w, double rate_hz)
{
	double phase = 0;
	for (size_t i = 0; i < FRAMES * w->frame; i++) {
		double v = 0, t = (double)i / rate_hz;
		phase += 2 * M_PI * (140 + 40 * sin(6 * t)) / rate_hz;
		for (int k = 1; k <= 8; k++)
			v += sin(k * phase + k * k) / k;
		w->in[i / w->frame][i % w->frame] = (int16_t)(v * 4000 * (1.2 + sin(18 * t)) / 2);
	}
}

static void *state_new(const struct codec *c, struct codec_params p, enum codec_way way)
{
	p.way = way;
	void *state = aligned_alloc(64, (c->state_size(&p) + 127) & ~63ul);
	CHECK(state && c->init(state, &p, NULL) == 0);
	return state;
}

static void world_init(struct world *w, const char *codec, uint32_t rate_hz)
{
	w->codec = codec_find(span_of(codec));
	struct codec_params p = { .rate_hz = w->codec->rate_hz ? w->codec->rate_hz : rate_hz,
				  .out_rate_hz = rate_hz };
	w->frame = w->codec->out_rate(&p) / 50;
	w->enc = state_new(w->codec, p, CODEC_ENCODE);
	w->dec = state_new(w->codec, p, CODEC_DECODE);
	speak(w, (double)w->frame * 50);
	for (size_t i = 0; i < FRAMES; i++)
		CHECK(w->codec->encode(w->enc, w->in[i], w->frame, w->bytes[i], BYTES_MAX,
				       &w->bytes_n[i], NULL) == 0);
}

static struct span bytes_of(const struct world *w, size_t i)
{
	return (struct span){ (const char *)w->bytes[i], w->bytes_n[i] };
}

static void run_decode(struct world *w, size_t i)
{
	size_t used, n;
	CHECK(w->codec->decode(w->dec, bytes_of(w, i), w->out, CODEC_SAMPLES_MAX, &used, &n,
			       NULL) == 0);
}

static void run_decode_stateless(struct world *w, size_t i)
{
	size_t used, n;
	CHECK(w->codec->decode(NULL, bytes_of(w, i), w->out, CODEC_SAMPLES_MAX, &used, &n, NULL) ==
	      0);
}

static void run_encode(struct world *w, size_t i)
{
	size_t n;
	CHECK(w->codec->encode(w->enc, w->in[i], w->frame, w->coded, BYTES_MAX, &n, NULL) == 0);
}

/* One frame lost after every good one. */
static void run_loss(struct world *w, size_t i)
{
	run_decode(w, i);
	w->codec->conceal(w->dec, w->out, w->frame);
}

static void run_table(struct world *w, size_t i)
{
	for (size_t k = 0; k < w->frame; k++)
		w->out[k] = g711_ulaw_table[w->bytes[i][k]];
}

static void run_spandsp_ulaw(struct world *w, size_t i)
{
	for (size_t k = 0; k < w->frame; k++)
		w->out[k] = ulaw_to_linear(w->bytes[i][k]);
}

static void run_spandsp_alaw(struct world *w, size_t i)
{
	for (size_t k = 0; k < w->frame; k++)
		w->out[k] = alaw_to_linear(w->bytes[i][k]);
}

static void run_spandsp_to_ulaw(struct world *w, size_t i)
{
	for (size_t k = 0; k < w->frame; k++)
		w->coded[k] = linear_to_ulaw(w->in[i][k]);
}

static void run_spandsp_to_alaw(struct world *w, size_t i)
{
	for (size_t k = 0; k < w->frame; k++)
		w->coded[k] = linear_to_alaw(w->in[i][k]);
}

static void run_spandsp_g722(struct world *w, size_t i)
{
	g722_decode(w->g722_dec, w->out, w->bytes[i], (int)w->bytes_n[i]);
}

static void run_spandsp_to_g722(struct world *w, size_t i)
{
	g722_encode(w->g722_enc, w->coded, w->in[i], (int)w->frame);
}

static void run_halve(struct world *w, size_t i)
{
	halve_run(&w->halve, w->in[i], w->frame, w->out);
}

static void run_resample(struct world *w, size_t i)
{
	resample_run(w->resample, w->in[i], w->frame, w->out);
}

/* Two legs of w->codec in one frame, the second one taken out. */
static void run_apart(struct world *w, size_t i)
{
	unsigned bytes = w->codec->bits_per_sample / 8u;
	struct span both = { (const char *)w->in[i], 2 * w->frame * bytes };
	codecs_deinterleave(both, 2, 1, bytes, (char *)w->out);
}

#ifdef HAVE_SNDFILE
/* A file without end, which gives the frames again and again and keeps nothing. */
static sf_count_t file_length(void *user)
{
	(void)user;
	return (sf_count_t)1 << 40;
}

static sf_count_t file_seek(sf_count_t to, int whence, void *user)
{
	struct world *w = user;
	w->at = whence == SEEK_SET   ? to
		: whence == SEEK_CUR ? w->at + to
				     : ((sf_count_t)1 << 40) + to;
	return w->at;
}

static sf_count_t file_read(void *to, sf_count_t n, void *user)
{
	struct world *w = user;
	memcpy(to, w->bytes[w->at / 160 % FRAMES], (size_t)n);
	w->at += n;
	return n;
}

static sf_count_t file_write(const void *from, sf_count_t n, void *user)
{
	struct world *w = user;
	memcpy(w->coded, from, (size_t)n < sizeof(w->coded) ? (size_t)n : sizeof(w->coded));
	w->at += n;
	return n;
}

static sf_count_t file_tell(void *user)
{
	return ((struct world *)user)->at;
}

static void file_open(struct world *w, int mode, int subtype)
{
	static SF_VIRTUAL_IO io = { file_length, file_seek, file_read, file_write, file_tell };
	SF_INFO info = { .samplerate = 8000, .channels = 1, .format = SF_FORMAT_RAW | subtype };
	w->file = sf_open_virtual(&io, mode, &info, w);
	CHECK(w->file != NULL);
}

static void run_sndfile(struct world *w, size_t i)
{
	(void)i;
	CHECK(sf_read_short(w->file, w->out, (sf_count_t)w->frame) == (sf_count_t)w->frame);
}

static void run_to_sndfile(struct world *w, size_t i)
{
	CHECK(sf_write_short(w->file, w->in[i], (sf_count_t)w->frame) == (sf_count_t)w->frame);
}

static uint8_t sndfile_code(struct world *w, int16_t sample)
{
	CHECK(sf_write_short(w->file, &sample, 1) == 1);
	return w->coded[0];
}

static void differ_sndfile(struct world *w)
{
	int u = 0, a = 0;
	file_open(w, SFM_WRITE, SF_FORMAT_ULAW);
	for (int s = INT16_MIN; s <= INT16_MAX; s++)
		u += sndfile_code(w, (int16_t)s) != g711_ulaw_of((int16_t)s);
	sf_close(w->file);
	file_open(w, SFM_WRITE, SF_FORMAT_ALAW);
	for (int s = INT16_MIN; s <= INT16_MAX; s++)
		a += sndfile_code(w, (int16_t)s) != g711_alaw_of((int16_t)s);
	sf_close(w->file);
	printf("libsndfile encodes otherwise: u-law %d, A-law %d of 65536\n", u, a);
}
#endif

static void differ_spandsp(void)
{
	int u = 0, a = 0;
	for (int s = INT16_MIN; s <= INT16_MAX; s++) {
		u += linear_to_ulaw(s) != g711_ulaw_of((int16_t)s);
		a += linear_to_alaw(s) != g711_alaw_of((int16_t)s);
	}
	printf("spandsp encodes otherwise: u-law %d, A-law %d of 65536\n", u, a);
}

typedef void runner(struct world *, size_t i);

static double once(struct world *w, runner *run)
{
	int64_t from = clock_monotonic_us(), now;
	size_t frames = 0;
	do {
		for (size_t i = 0; i < FRAMES; i++, frames++)
			run(w, i);
		now = clock_monotonic_us();
	} while (now - from < run_us);
	return 1000.0 * (double)(now - from) / (double)frames;
}

/* The best of some runs: the others were disturbed. */
static void report(struct world *w, const char *name, runner *run)
{
	double best = 1e12;
	for (int i = 0; i < RUNS; i++) {
		double ns = once(w, run);
		best = ns < best ? ns : best;
	}
	printf("  %-44s %9.1f ns\n", name, best);
}

static void world_fini(struct world *w)
{
	free(w->enc);
	free(w->dec);
	resample_free(w->resample);
	*w = (struct world){ 0 };
}

static void bench_sndfile(struct world *w, int subtype)
{
#ifdef HAVE_SNDFILE
	file_open(w, SFM_READ, subtype);
	report(w, "decode, libsndfile", run_sndfile);
	sf_close(w->file);
	file_open(w, SFM_WRITE, subtype);
	report(w, "encode, libsndfile", run_to_sndfile);
	sf_close(w->file);
#else
	(void)w;
	(void)subtype;
#endif
}

static void bench_g711(struct world *w, const char *codec, runner *spandsp, runner *to_spandsp,
		       int subtype)
{
	world_init(w, codec, 8000);
	printf("%s, 160 bytes\n", codec);
	report(w, "decode", run_decode_stateless);
	report(w, "decode, remembered for concealment", run_decode);
	if (spandsp == run_spandsp_ulaw)
		report(w, "decode by table", run_table);
	report(w, "decode, spandsp", spandsp);
	report(w, "encode", run_encode);
	report(w, "encode, spandsp", to_spandsp);
	report(w, "decode and a lost frame", run_loss);
	report(w, "one of two channels", run_apart);
	bench_sndfile(w, subtype);
	world_fini(w);
}

static void bench_linear(struct world *w, const char *codec, uint32_t rate_hz)
{
	world_init(w, codec, rate_hz);
	printf("%s, %u Hz\n", codec, rate_hz);
	report(w, "decode", run_decode_stateless);
	report(w, "decode, remembered for concealment", run_decode);
	report(w, "encode", run_encode);
	report(w, "decode and a lost frame", run_loss);
	report(w, "one of two channels", run_apart);
	world_fini(w);
}

static void bench_g722(struct world *w)
{
	world_init(w, "g722", 16000);
	w->g722_dec = g722_decode_init(NULL, 64000, 0);
	w->g722_enc = g722_encode_init(NULL, 64000, 0);
	printf("g722, 160 bytes\n");
	report(w, "decode", run_decode);
	report(w, "decode, spandsp", run_spandsp_g722);
	report(w, "encode", run_encode);
	report(w, "encode, spandsp", run_spandsp_to_g722);
	report(w, "decode and a lost frame", run_loss);
	g722_decode_free(w->g722_dec);
	g722_encode_free(w->g722_enc);
	world_fini(w);
}

static void bench_opus(struct world *w, uint32_t rate_hz)
{
	world_init(w, "opus", rate_hz);
	size_t bytes = 0;
	for (size_t i = 0; i < FRAMES; i++)
		bytes += w->bytes_n[i];
	printf("opus, %u Hz, %zu bytes on the average\n", rate_hz, bytes / FRAMES);
	report(w, "decode", run_decode);
	report(w, "encode", run_encode);
	report(w, "decode and a lost frame", run_loss);
	world_fini(w);
}

static void bench_rate(struct world *w, uint32_t from_hz, uint32_t to_hz)
{
	world_init(w, "l16", from_hz);
	CHECK(resample_new(&w->resample, from_hz, to_hz, NULL) == 0);
	printf("%u to %u Hz\n", from_hz, to_hz);
	report(w, "speexdsp", run_resample);
	if (from_hz == 2 * to_hz)
		report(w, "half-band", run_halve);
	world_fini(w);
}

int main(void)
{
	struct world *w = calloc(1, sizeof(*w));
	CHECK(w != NULL);
#ifdef HAVE_SNDFILE
	enum { ULAW = SF_FORMAT_ULAW, ALAW = SF_FORMAT_ALAW };
	differ_sndfile(w);
#else
	enum { ULAW, ALAW };
#endif
	differ_spandsp();
	bench_g711(w, "pcmu", run_spandsp_ulaw, run_spandsp_to_ulaw, ULAW);
	bench_g711(w, "pcma", run_spandsp_alaw, run_spandsp_to_alaw, ALAW);
	bench_linear(w, "l16", 16000);
	bench_linear(w, "l16be", 16000);
	bench_g722(w);
	bench_opus(w, 8000);
	bench_opus(w, 16000);
	bench_opus(w, 48000);
	bench_rate(w, 16000, 8000);
	bench_rate(w, 24000, 16000);
	bench_rate(w, 44100, 16000);
	bench_rate(w, 48000, 16000);
	free(w);
	return 0;
}
