/* Reading WAV files as they are met, whole and damaged. Each case makes a file of chunks. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "record/wav.h"
#include "tests/unit/cmocka_all.h"

/* --- making --- */

static void put(struct buf *b, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		buf_addc(b, (char)(v >> 8 * i));
}

static void riff(struct buf *b, const char *magic, uint32_t size)
{
	buf_addz(b, magic);
	put(b, size, 4);
	buf_addz(b, "WAVE");
}

static void fmt(struct buf *b, unsigned tag, unsigned channels, uint32_t rate, unsigned bits)
{
	buf_addz(b, "fmt ");
	put(b, 16, 4);
	put(b, tag, 2);
	put(b, channels, 2);
	put(b, rate, 4);
	put(b, rate * channels * bits / 8, 4);
	put(b, channels * bits / 8, 2);
	put(b, bits, 2);
}

static void extensible(struct buf *b, unsigned tag, unsigned bits)
{
	buf_addz(b, "fmt ");
	put(b, 40, 4);
	put(b, 0xfffe, 2);
	put(b, 2, 2);
	put(b, 16000, 4);
	put(b, 16000 * 2 * bits / 8, 4);
	put(b, 2 * bits / 8, 2);
	put(b, bits, 2);
	put(b, 22, 2);
	put(b, bits, 2);
	put(b, 3, 4);
	put(b, tag, 2);
	buf_add(b, SPAN("\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"));
}

static void chunk(struct buf *b, const char *id, uint32_t size, struct span body)
{
	buf_addz(b, id);
	put(b, size, 4);
	buf_add(b, body);
}

static int opened(struct buf *b, struct wav *w, struct fault *f)
{
	char path[] = "/tmp/callmend-wav-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(write(fd, b->p, b->n), b->n);
	buf_free(b);
	*f = (struct fault){ 0 };
	return wav_open(w, fd, f);
}

static void expect(struct buf *b, const int16_t *samples, size_t frames)
{
	struct wav w;
	struct fault f;
	int16_t out[64];
	size_t got;

	if (opened(b, &w, &f))
		fail_msg("%s", f.text);
	assert_int_equal(w.frames, frames);
	assert_int_equal(wav_read(&w, 0, out, 64, &got, &f), 0);
	assert_int_equal(got, frames);
	assert_memory_equal(out, samples, frames * w.shape.channels * sizeof(*out));
	close(w.fd);
}

static void refused(struct buf *b, const char *word)
{
	struct wav w;
	struct fault f;

	assert_int_equal(opened(b, &w, &f), E_INVALID);
	if (!strstr(f.text, word))
		fail_msg("\"%s\" does not say \"%s\"", f.text, word);
	close(w.fd);
}

static const int16_t three[] = { 1, -2, 772 };
#define THREE SPAN("\x01\0\xfe\xff\x04\x03")

/* --- formats --- */

static void codings(void **state)
{
	(void)state;
	struct buf b = { 0 };

	riff(&b, "RIFF", 36 + 6);
	fmt(&b, 1, 1, 8000, 16);
	chunk(&b, "data", 6, THREE);
	expect(&b, three, 3);

	riff(&b, "RIFF", 36 + 3);
	fmt(&b, 1, 1, 8000, 8);
	chunk(&b, "data", 3, SPAN("\x80\xff\0"));
	expect(&b, (int16_t[]){ 0, 127 * 256, -32768 }, 3);

	riff(&b, "RIFF", 36 + 6);
	fmt(&b, 1, 1, 48000, 24);
	chunk(&b, "data", 6, SPAN("\x99\x04\x03\x99\xfe\xff"));
	expect(&b, (int16_t[]){ 772, -2 }, 2);

	riff(&b, "RIFF", 36 + 8);
	fmt(&b, 1, 2, 48000, 32);
	chunk(&b, "data", 8, SPAN("\1\2\x04\x03\1\2\xfe\xff"));
	expect(&b, (int16_t[]){ 772, -2 }, 1);

	riff(&b, "RIFF", 36 + 3);
	fmt(&b, 7, 1, 8000, 8);
	chunk(&b, "data", 3, SPAN("\xff\x80\0"));
	expect(&b, (int16_t[]){ 0, 32124, -32124 }, 3);

	riff(&b, "RIFF", 36 + 2);
	fmt(&b, 6, 2, 8000, 8);
	chunk(&b, "data", 2, SPAN("\xd5\x2a"));
	expect(&b, (int16_t[]){ 8, -32256 }, 1);

	riff(&b, "RIFF", 60 + 4);
	extensible(&b, 1, 16);
	chunk(&b, "data", 4, SPAN("\x01\0\xfe\xff"));
	expect(&b, three, 1);
}

static void formats_that_cannot_be_read(void **state)
{
	(void)state;
	static const struct {
		unsigned tag, channels;
		uint32_t rate;
		unsigned bits;
		const char *word;
	} cases[] = {
		{ 3, 1, 8000, 32, "floating point" },  { 2, 1, 8000, 4, "Microsoft ADPCM" },
		{ 0x55, 2, 44100, 16, "MP3" },	       { 0x1234, 1, 8000, 16, "0x1234" },
		{ 1, 0, 8000, 16, "0 channels" },      { 1, 1000, 8000, 16, "1000 channels" },
		{ 1, 1, 0, 16, "0 samples a second" }, { 1, 1, 4000000000, 16, "4000000000" },
		{ 1, 1, 8000, 0, "0 bits" },	       { 1, 1, 8000, 64, "64 bits" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b = { 0 };

		riff(&b, "RIFF", 36 + 6);
		fmt(&b, cases[i].tag, cases[i].channels, cases[i].rate, cases[i].bits);
		chunk(&b, "data", 6, THREE);
		refused(&b, cases[i].word);
	}
	struct buf b = { 0 };
	riff(&b, "RIFF", 64);
	extensible(&b, 3, 32);
	chunk(&b, "data", 6, THREE);
	refused(&b, "floating point");
}

/* --- sizes that lie --- */

static void sizes(void **state)
{
	(void)state;
	static const struct {
		uint32_t riff, data;
	} lies[] = {
		{ UINT32_MAX, UINT32_MAX }, /* to a pipe */
		{ 0, 0 },		    /* never finished */
		{ 36 + 6, UINT32_MAX },
		{ UINT32_MAX, 6 },
		{ 36 + 600, 600 }, /* cut */
		{ 36 + 2, 2 },	   /* head of an earlier moment */
		{ 0, 6 },
	};
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct buf b = { 0 };

		riff(&b, "RIFF", lies[i].riff);
		fmt(&b, 1, 1, 8000, 16);
		chunk(&b, "data", lies[i].data, THREE);
		expect(&b, three, 3);
	}
	struct buf b = { 0 };
	struct wav w;
	struct fault f;
	riff(&b, "RIFF", 636);
	fmt(&b, 1, 1, 8000, 16);
	chunk(&b, "data", 600, THREE);
	assert_int_equal(opened(&b, &w, &f), 0);
	assert_true(w.ends_early);
	close(w.fd);
}

static void what_stands_around(void **state)
{
	(void)state;
	struct buf b = { 0 };

	/* Behind the sound: a list, a tag. */
	riff(&b, "RIFF", 36 + 6 + 12);
	fmt(&b, 1, 1, 8000, 16);
	chunk(&b, "data", 6, THREE);
	chunk(&b, "LIST", 4, SPAN("INFO"));
	expect(&b, three, 3);
	riff(&b, "RIFF", 36 + 6);
	fmt(&b, 1, 1, 8000, 16);
	chunk(&b, "data", 6, THREE);
	buf_add(&b, SPAN("ID3\x03\0\0\0\0\0\0"));
	expect(&b, three, 3);
	riff(&b, "RIFF", 0);
	fmt(&b, 1, 1, 8000, 16);
	chunk(&b, "data", 6, THREE);
	chunk(&b, "LIST", 4, SPAN("INFO"));
	expect(&b, three, 3);
	/* Before it: with the padding byte of an odd chunk, and without. */
	riff(&b, "RIFF", 36 + 6 + 12);
	fmt(&b, 1, 1, 8000, 16);
	chunk(&b, "note", 3, SPAN("abc\0"));
	chunk(&b, "data", 6, THREE);
	expect(&b, three, 3);
	riff(&b, "RIFF", 36 + 6 + 11);
	chunk(&b, "note", 3, SPAN("abc"));
	fmt(&b, 1, 1, 8000, 16);
	chunk(&b, "data", 6, THREE);
	expect(&b, three, 3);
	/* Half a sample at the end. */
	riff(&b, "RIFF", 36 + 7);
	fmt(&b, 1, 1, 8000, 16);
	chunk(&b, "data", 7, SPAN("\x01\0\xfe\xff\x04\x03\x09"));
	expect(&b, three, 3);
	/* Empty, and truly so. */
	riff(&b, "RIFF", 36);
	fmt(&b, 1, 1, 8000, 16);
	chunk(&b, "data", 0, SPAN(""));
	expect(&b, three, 0);
	/* Empty, and a list behind. */
	riff(&b, "RIFF", 36 + 12);
	fmt(&b, 1, 1, 8000, 16);
	chunk(&b, "data", 0, SPAN(""));
	chunk(&b, "LIST", 4, SPAN("INFO"));
	expect(&b, three, 0);
}

static void rf64(void **state)
{
	(void)state;
	struct buf b = { 0 };

	for (unsigned known = 0; known < 2; known++) {
		riff(&b, known ? "RF64" : "BW64", UINT32_MAX);
		buf_addz(&b, "ds64");
		put(&b, 28, 4);
		put(&b, 0, 8);
		put(&b, known ? 6 : 0, 8);
		put(&b, 3, 8);
		put(&b, 0, 4);
		fmt(&b, 1, 1, 8000, 16);
		chunk(&b, "data", UINT32_MAX, THREE);
		if (known)
			chunk(&b, "LIST", 4, SPAN("INFO"));
		expect(&b, three, 3);
	}
}

static void no_wav_at_all(void **state)
{
	(void)state;
	struct buf b = { 0 };

	refused(&b, "empty");
	buf_addz(&b, "RIFF");
	refused(&b, "4 bytes");
	buf_addz(&b, "<html><body>not found</body></html>");
	refused(&b, "does not begin with RIFF");
	riff(&b, "RIFX", 42);
	refused(&b, "big-endian");
	riff(&b, "RIFF", 42);
	refused(&b, "neither");
	riff(&b, "RIFF", 42);
	fmt(&b, 1, 1, 8000, 16);
	refused(&b, "no data chunk");
	riff(&b, "RIFF", 42);
	chunk(&b, "data", 6, THREE);
	refused(&b, "no fmt chunk");
	riff(&b, "RIFF", 42);
	chunk(&b, "fmt ", 4, SPAN("\1\0\1\0"));
	chunk(&b, "data", 6, THREE);
	refused(&b, "is cut");
	/* Chunks without end. */
	riff(&b, "RIFF", 0);
	for (int i = 0; i < 3000; i++)
		chunk(&b, "void", 0, SPAN(""));
	fmt(&b, 1, 1, 8000, 16);
	chunk(&b, "data", 6, THREE);
	refused(&b, "neither");
}

static void every_prefix_of_a_file_is_read_or_refused(void **state)
{
	(void)state;
	for (size_t n = 0;; n++) {
		struct buf b = { 0 };
		struct wav w;
		struct fault f;
		int16_t out[8];
		size_t got, whole;

		riff(&b, "RIFF", 60 + 12 + 8);
		chunk(&b, "LIST", 4, SPAN("INFO"));
		extensible(&b, 1, 16);
		chunk(&b, "data", 8, SPAN("\x01\0\xfe\xff\x01\0\xfe\xff"));
		whole = b.n;
		b.n = n < whole ? n : whole;
		if (opened(&b, &w, &f) == 0) {
			assert_int_equal(wav_read(&w, 0, out, 4, &got, &f), 0);
			assert_int_equal(got, w.frames);
		} else {
			assert_true(f.text[0]);
		}
		close(w.fd);
		if (n >= whole)
			break;
	}
}

/* Whatever stands in a head: read within bounds, or refused with a word. */
static void random_damage(void **state)
{
	(void)state;
	unsigned seed = 7;
	int fd = memfd_create("wav", 0);

	for (unsigned round = 0; round < 30000; round++) {
		struct buf b AUTO_BUF = { 0 };
		struct fault f = { 0 };
		struct wav w;
		int16_t out[64 * WAV_CHANNELS_MAX];
		size_t got;

		riff(&b, "RF64", 60 + 12 + 8);
		chunk(&b, "ds64", 16, SPAN("\x60\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0"));
		chunk(&b, "odd!", 3, SPAN("abc"));
		extensible(&b, 1, 16);
		chunk(&b, "data", UINT32_MAX, SPAN("\x01\0\xfe\xff\x01\0\xfe\xff"));
		for (unsigned k = 0; k < 1 + round % 6; k++)
			b.p[(unsigned)rand_r(&seed) % b.n] = (char)rand_r(&seed);
		assert_int_equal(pwrite(fd, b.p, b.n, 0), b.n);
		assert_int_equal(ftruncate(fd, (off_t)(b.n - (unsigned)rand_r(&seed) % 10)), 0);
		if (wav_open(&w, fd, &f)) {
			assert_true(f.text[0]);
			continue;
		}
		assert_in_range(w.frames, 0, b.n);
		assert_int_equal(wav_read(&w, w.frames / 2, out, 64, &got, &f), 0);
		assert_int_equal(got, w.frames - w.frames / 2);
	}
	close(fd);
}

/* --- ours --- */

static void our_head(void **state)
{
	(void)state;
	static const struct wav_shape shapes[] = { { WAV_PCM, 1, 16, 16000 },
						   { WAV_ALAW, 1, 8, 8000 },
						   { WAV_ULAW, 1, 8, 8000 } };
	struct wav_note note = { INT64_C(1790000000123456), 5, SPEAKER_AI, 0 };

	for (size_t i = 0; i < 6; i++) {
		note.rank = (unsigned)i % 3;
		struct buf b = { 0 };
		uint8_t head[WAV_HEAD_BYTES];
		struct wav w;
		struct fault f;

		wav_head(&shapes[i / 2], &note, i % 2 ? 6 : WAV_UNKNOWN, head);
		buf_add(&b, (struct span){ (const char *)head, sizeof(head) });
		buf_add(&b, THREE);
		assert_int_equal(opened(&b, &w, &f), 0);
		assert_memory_equal(&w.shape, &shapes[i / 2], sizeof(w.shape));
		assert_int_equal(w.frames, 6 / wav_frame_bytes(&w.shape));
		assert_true(w.has_note);
		assert_int_equal(w.note.start_us, note.start_us);
		assert_int_equal(w.note.leg, 5);
		assert_int_equal(w.note.speaker, SPEAKER_AI);
		assert_int_equal(w.note.rank, i % 3);
		assert_false(w.ends_early);
		close(w.fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codings),
		cmocka_unit_test(formats_that_cannot_be_read),
		cmocka_unit_test(sizes),
		cmocka_unit_test(what_stands_around),
		cmocka_unit_test(rf64),
		cmocka_unit_test(no_wav_at_all),
		cmocka_unit_test(every_prefix_of_a_file_is_read_or_refused),
		cmocka_unit_test(random_damage),
		cmocka_unit_test(our_head),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
