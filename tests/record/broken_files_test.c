/* Sound files as somebody may hand them over: each gives what is in it, or is refused with what is
 * wrong. A row is a file. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "record/render.h"
#include "record/sound_file.h"
#include "tests/record/folder.h"
#include "tests/unit/cmocka_all.h"

static struct fault oops;

static const char *in_folder(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, struct span bytes)
{
	assert_int_equal(file_replace(in_folder(name), 0600, bytes, &oops), 0);
}

/* What came of it: its frames and how much was damaged, or the word of its refusal. */
static void expect(const char *name, size_t least, size_t most, bool damaged, const char *word)
{
	scoped(sound_file) *s = NULL;
	static int16_t out[2 * 4096];
	size_t n, all = 0;

	oops = (struct fault){ 0 };
	int rc = sound_file_open(&s, in_folder(name), &oops);
	if (word) {
		assert_true(rc == E_INVALID || rc == E_IO);
		if (!strstr(oops.text, word))
			fail_msg("%s: \"%s\" does not say \"%s\"", name, oops.text, word);
		return;
	}
	if (rc)
		fail_msg("%s: %s", name, oops.text);
	do {
		assert_int_equal(sound_file_read(s, out, 4096, &n, &oops), 0);
		all += n;
	} while (n);
	if (all < least || all > most || (sound_file_damaged(s) > 0) != damaged)
		fail_msg("%s: %zu frames, %u damaged", name, all, sound_file_damaged(s));
}

/* --- WAV --- */

static void put(struct buf *b, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		buf_addc(b, (char)(v >> 8 * i));
}

#define LIST SPAN("LIST\x04\0\0\0INFO")
#define ODD SPAN("note\x03\0\0\0abc\0")
#define TAG SPAN("ID3\x03\0\0\0\0\0\0")
#define DS64 SPAN("ds64\x1c\0\0\0\0\0\0\0\0\0\0\0\x60\0\0\0\0\0\0\0\x30\0\0\0\0\0\0\0\0\0\0\0")
enum { BYTES = 96, RIGHT = 1, EXTENSIBLE = 0xfffe };

/* A WAV of so many bytes of sound: PCM of 16 bits, mono, 8 kHz, but for what a row says. */
static const struct wav_row {
	const char *name;
	const char *magic; /* NULL: RIFF */
	unsigned tag, channels, bits;
	uint32_t rate_hz;
	bool no_channels, no_rate, extensible, no_fmt;
	struct span before_fmt, before_data, after;
	uint32_t riff_says, data_says; /* RIGHT: as it is */
	unsigned bytes;		       /* of sound; 0: BYTES */
	bool no_sound;
	unsigned cut; /* the file is so long; 0: whole */
	size_t frames;
	const char *word;
} wavs[] = {
	{ .name = "plain", .frames = 48 },
	{ .name = "rf64",
	  .magic = "RF64",
	  .riff_says = UINT32_MAX,
	  .before_fmt = DS64,
	  .data_says = UINT32_MAX,
	  .frames = 48 },
	{ .name = "rf64-without-ds64",
	  .magic = "RF64",
	  .riff_says = UINT32_MAX,
	  .data_says = UINT32_MAX,
	  .frames = 48 },
	{ .name = "big-endian", .magic = "RIFX", .word = "big-endian" },
	{ .name = "extensible", .extensible = true, .frames = 48 },
	{ .name = "extensible-float",
	  .tag = 3,
	  .bits = 32,
	  .extensible = true,
	  .word = "floating point" },
	{ .name = "extensible-mulaw", .tag = 7, .bits = 8, .extensible = true, .frames = 96 },
	{ .name = "8-bit", .bits = 8, .frames = 96 },
	{ .name = "24-bit", .bits = 24, .frames = 32 },
	{ .name = "32-bit", .bits = 32, .channels = 2, .frames = 12 },
	{ .name = "20-bit-in-24", .bits = 20, .frames = 32 },
	{ .name = "64-bit", .bits = 64, .word = "64 bits" },
	{ .name = "float", .tag = 3, .bits = 32, .word = "floating point" },
	{ .name = "adpcm", .tag = 0x11, .bits = 4, .word = "IMA ADPCM" },
	{ .name = "mulaw", .tag = 7, .bits = 8, .frames = 96 },
	{ .name = "mulaw-of-16-bits", .tag = 7, .frames = 96 },
	{ .name = "alaw", .tag = 6, .bits = 8, .channels = 2, .frames = 48 },
	{ .name = "no-channels", .no_channels = true, .word = "0 channels" },
	{ .name = "three-channels", .channels = 3, .word = "3 channels" },
	{ .name = "no-rate", .no_rate = true, .word = "0 samples a second" },
	{ .name = "too-fast", .rate_hz = 4000000000, .word = "4000000000 samples" },
	{ .name = "odd-size", .bytes = 97, .frames = 48 },
	{ .name = "lists-around",
	  .before_fmt = LIST,
	  .before_data = LIST,
	  .after = LIST,
	  .frames = 48 },
	{ .name = "odd-list", .before_data = ODD, .frames = 48 },
	{ .name = "tag-behind", .after = TAG, .frames = 48 },
	{ .name = "empty-data", .no_sound = true, .word = "no sound" },
	{ .name = "never-finished", .riff_says = 0, .data_says = 0, .frames = 48 },
	{ .name = "to-a-pipe", .riff_says = UINT32_MAX, .data_says = UINT32_MAX, .frames = 48 },
	{ .name = "data-to-a-pipe", .data_says = UINT32_MAX, .frames = 48 },
	{ .name = "larger", .riff_says = 100000, .data_says = 90000, .frames = 48 },
	{ .name = "of-an-earlier-moment", .riff_says = 36, .data_says = 10, .frames = 48 },
	{ .name = "cut-in-sound", .cut = 44 + 51, .frames = 25 },
	{ .name = "cut-before-sound", .cut = 44, .word = "no sound" },
	{ .name = "cut-in-data-head", .cut = 41, .word = "no data chunk" },
	{ .name = "cut-in-fmt", .cut = 25, .word = "no data chunk" },
	{ .name = "cut-in-riff", .cut = 9, .word = "9 bytes are no WAV" },
	{ .name = "without-fmt", .no_fmt = true, .word = "no fmt chunk" },
};

static unsigned or (unsigned v, unsigned otherwise)
{
	return v ? v : otherwise;
}

static void put_fmt(const struct wav_row *r, struct buf *b)
{
	unsigned tag = or (r->tag, 1), bits = or (r->bits, 16);
	unsigned channels = r->no_channels ? 0 : or (r->channels, 1);
	unsigned frame = channels * ((bits + 7) / 8);
	uint32_t rate = r->no_rate ? 0 : or (r->rate_hz, 8000);

	buf_addz(b, "fmt ");
	put(b, r->extensible ? 40 : 16, 4);
	put(b, r->extensible ? EXTENSIBLE : tag, 2);
	put(b, channels, 2);
	put(b, rate, 4);
	put(b, (uint64_t)rate * frame, 4);
	put(b, frame, 2);
	put(b, bits, 2);
	if (!r->extensible)
		return;
	put(b, 22, 2);
	put(b, bits, 2);
	put(b, 3, 4);
	put(b, tag, 2);
	buf_add(b, SPAN("\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"));
}

/* Sizes are right unless a row says otherwise; a 0 that is meant stands beside another lie. */
static void make_wav(const struct wav_row *r, struct buf *b)
{
	unsigned bytes = r->no_sound ? 0 : or (r->bytes, BYTES);
	bool lies = r->riff_says || r->data_says || strcmp(r->name, "never-finished") == 0;
	uint32_t riff = 4 + 8 + bytes + (uint32_t)(r->before_fmt.n + r->before_data.n);

	riff += (uint32_t)r->after.n + (r->no_fmt ? 0 : r->extensible ? 48 : 24);
	buf_addz(b, r->magic ? r->magic : "RIFF");
	put(b, lies && r->riff_says != RIGHT ? r->riff_says : riff, 4);
	buf_addz(b, "WAVE");
	buf_add(b, r->before_fmt);
	if (!r->no_fmt)
		put_fmt(r, b);
	buf_add(b, r->before_data);
	buf_addz(b, "data");
	put(b, lies ? r->data_says : bytes, 4);
	for (unsigned i = 0; i < bytes; i++)
		buf_addc(b, (char)(i * 37));
	buf_add(b, r->after);
	b->n = r->cut ? r->cut : b->n;
}

static void wav_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wavs) / sizeof(wavs[0]); i++) {
		struct buf b AUTO_BUF = { 0 };
		char name[64];

		make_wav(&wavs[i], &b);
		snprintf(name, sizeof(name), "%s.wav", wavs[i].name);
		write_file(name, buf_span(&b));
		expect(name, wavs[i].frames, wavs[i].frames, false, wavs[i].word);
	}
}

/* --- Ogg --- */

enum { OGG_FRAMES = 48000 * 10, SLACK = 2 * 5760, PAGES_MAX = 64, HEAD = 27 };

static struct buf good, other;		     /* Ogg Opus of ten seconds each */
static size_t pages[PAGES_MAX + 1], pages_n; /* where they begin; of the good one */

static int tone(void *user, int16_t *stereo, size_t frames, size_t *got, struct fault *f)
{
	size_t *at = user, left = 16000 * 10 - *at;

	(void)f;
	*got = frames < left ? frames : left;
	for (size_t i = 0; i < *got; i++, ++*at)
		stereo[2 * i] = stereo[2 * i + 1] = (int16_t)(9000 * sin(0.2 * (double)*at));
	return 0;
}

static void make_ogg(const char *name, struct buf *out)
{
	size_t at = 0;
	const struct render_source source = { 16000, tone, NULL, &at };
	struct render_result r = { 0 };

	assert_int_equal(render_ogg(&source, in_folder(name), &r, &oops), 0);
	buf_free(&r.peaks);
	assert_int_equal(file_read(in_folder(name), 1 << 20, out, &oops), 0);
}

static size_t page_bytes(const char *page)
{
	size_t n = HEAD + (unsigned char)page[26];

	for (unsigned i = 0; i < (unsigned char)page[26]; i++)
		n += (unsigned char)page[HEAD + i];
	return n;
}

static int setup(void **state)
{
	if (make_folder(state))
		return -1;
	make_ogg("good.opus", &good);
	make_ogg("other.opus", &other);
	for (size_t at = 0; at < good.n && pages_n < PAGES_MAX; at += page_bytes(good.p + at))
		pages[pages_n++] = at;
	pages[pages_n] = good.n;
	assert_true(pages_n > 5); /* two of heads, one a second */
	return 0;
}

static int teardown(void **state)
{
	buf_free(&good);
	buf_free(&other);
	return remove_folder(state);
}

/* RFC 3533: over the page with 0 in this place, polynomial 0x04c11db7. */
static void set_sum(char *page)
{
	uint32_t sum = 0;

	memset(page + 22, 0, 4);
	for (size_t i = 0; i < page_bytes(page); i++) {
		sum ^= (uint32_t)(unsigned char)page[i] << 24;
		for (unsigned bit = 0; bit < 8; bit++)
			sum = sum << 1 ^ (sum & 0x80000000 ? 0x04c11db7 : 0);
	}
	for (unsigned i = 0; i < 4; i++)
		page[22 + i] = (char)(sum >> 8 * i);
}

static void nothing(struct buf *b)
{
	(void)b;
}

static void cut_in_head(struct buf *b)
{
	b->n = 40;
}

static void cut_behind_heads(struct buf *b)
{
	b->n = pages[2];
}

static void cut_in_page(struct buf *b)
{
	b->n = (pages[pages_n / 2] + pages[pages_n / 2 + 1]) / 2;
}

static void bad_sum_in_head(struct buf *b)
{
	b->p[22] ^= 1;
}

static void bad_sum(struct buf *b)
{
	b->p[pages[pages_n / 2] + 22] ^= 1;
}

static void lost_page(struct buf *b)
{
	size_t from = pages[pages_n / 2], to = pages[pages_n / 2 + 1];

	memmove(b->p + from, b->p + to, b->n - to);
	b->n -= to - from;
}

static void vorbis(struct buf *b)
{
	memcpy(b->p + pages[0] + HEAD + 1, "\x01vorbis", 7);
	set_sum(b->p);
}

static void of_version_16(struct buf *b)
{
	b->p[HEAD + 1 + 8] = 16;
	set_sum(b->p);
}

static void of_six_channels(struct buf *b)
{
	b->p[HEAD + 1 + 9] = 6;
	set_sum(b->p);
}

static void chained(struct buf *b)
{
	buf_add(b, buf_span(&other));
}

static void rubbish_in_front(struct buf *b)
{
	memmove(b->p + 100, b->p, b->n - 100);
	memset(b->p, 'x', 100);
}

static void text_behind(struct buf *b)
{
	buf_add(b, SPAN("and some text"));
}

/* A good file, changed. */
static const struct ogg_row {
	const char *name;
	void (*change)(struct buf *);
	size_t least, most;
	bool damaged;
	const char *word;
} oggs[] = {
	{ "good", nothing, OGG_FRAMES - SLACK, OGG_FRAMES, false, NULL },
	{ "cut-in-head", cut_in_head, 0, 0, false, "no Opus is in it, or it is cut" },
	{ "cut-behind-heads", cut_behind_heads, 0, 0, false, "no sound" },
	{ "cut-in-page", cut_in_page, OGG_FRAMES / 4, OGG_FRAMES * 3 / 4, false, NULL },
	{ "bad-sum-in-head", bad_sum_in_head, 0, 0, false, "no Opus is in it" },
	{ "bad-sum", bad_sum, OGG_FRAMES / 2, OGG_FRAMES - 1, true, NULL },
	{ "lost-page", lost_page, OGG_FRAMES / 2, OGG_FRAMES - 1, true, NULL },
	{ "vorbis", vorbis, 0, 0, false, "no Opus is in it" },
	{ "of-version-16", of_version_16, 0, 0, false, "version" },
	{ "of-six-channels", of_six_channels, 0, 0, false, "" },
	{ "chained", chained, 2 * (OGG_FRAMES - SLACK), 2 * OGG_FRAMES, false, NULL },
	{ "rubbish-in-front", rubbish_in_front, OGG_FRAMES / 2, OGG_FRAMES, false, NULL },
	{ "text-behind", text_behind, OGG_FRAMES - SLACK, OGG_FRAMES, false, NULL },
};

static void ogg_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(oggs) / sizeof(oggs[0]); i++) {
		struct buf b AUTO_BUF = { 0 };
		char name[64];

		buf_add(&b, buf_span(&good));
		oggs[i].change(&b);
		snprintf(name, sizeof(name), "%s.ogg", oggs[i].name);
		write_file(name, buf_span(&b));
		expect(name, oggs[i].least, oggs[i].most, oggs[i].damaged, oggs[i].word);
	}
}

/* --- no sound at all --- */

static void other_files(void **state)
{
	static const struct {
		const char *name;
		struct span bytes;
		const char *word;
	} rows[] = {
		{ "empty.wav", { NULL, 0 }, "it is empty" },
		{ "empty.ogg", { NULL, 0 }, "it is empty" },
		{ "empty.mp3", { NULL, 0 }, "it is empty" },
		{ "empty.ul", { NULL, 0 }, "it is empty" },
		{ "text.wav", { "hello, this is text", 19 }, "does not begin with RIFF" },
		{ "text.ogg", { "hello, this is text", 19 }, "no Opus is in it" },
		{ "text.mp3", { "hello, this is text", 19 }, "no MPEG audio" },
		{ "text.txt", { "hello, this is text", 19 }, "no WAV, Ogg Opus, MP3" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		write_file(rows[i].name, rows[i].bytes);
		expect(rows[i].name, 0, 0, false, rows[i].word);
	}
	expect("nowhere.wav", 0, 0, false, "No such file");
}

/* Neither is opened for good: who reads a pipe nobody writes to waits for ever. */
static void what_is_no_file(void **state)
{
	static const char *const names[] = { "pipe.wav",  "pipe.ul",	"folder.wav",
					     "folder.ul", "folder.ogg", "folder.mp3" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		bool pipe = names[i][0] == 'p';

		assert_int_equal(pipe ? mkfifo(in_folder(names[i]), 0600)
				      : mkdir(in_folder(names[i]), 0700),
				 0);
		expect(names[i], 0, 0, false, "it is no file");
	}
}

static void what_may_not_be_read(void **state)
{
	enum { NOBODY = 65534 };
	bool root = geteuid() == 0;

	(void)state;
	write_file("secret.wav", SPAN("RIFF"));
	assert_int_equal(chmod(in_folder("secret.wav"), 0), 0);
	if (root)
		assert_int_equal(seteuid(NOBODY), 0);
	expect("secret.wav", 0, 0, false, "Permission denied");
	if (root)
		assert_int_equal(seteuid(0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wav_files),
		cmocka_unit_test(ogg_files),
		cmocka_unit_test(other_files),
		cmocka_unit_test(what_is_no_file),
		cmocka_unit_test(what_may_not_be_read),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
