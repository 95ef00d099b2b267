/* Sound files of others: each format, and damaged ones. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "callmend/codec.h"
#include "record/render.h"
#include "record/sound_file.h"
#include "record/wav.h"
#include "tests/record/folder.h"
#include "tests/unit/cmocka_all.h"

static struct fault oops;

static const char *in_folder(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int tone(void *user, int16_t *stereo, size_t frames, size_t *got, struct fault *f)
{
	size_t *at = user, left = 16000 * 10 - *at;

	(void)f;
	*got = frames < left ? frames : left;
	for (size_t i = 0; i < *got; i++, ++*at) {
		stereo[2 * i] = (int16_t)(9000 * sin(0.2 * (double)*at));
		stereo[2 * i + 1] = 0;
	}
	return 0;
}

static int folder_with_sound(void **state)
{
	size_t at = 0;
	const struct render_source source = { 16000, tone, NULL, &at };
	struct render_result r = { 0 };

	if (make_folder(state) || render_ogg(&source, in_folder("good.opus"), &r, &oops))
		return -1;
	buf_free(&r.peaks);
	return 0;
}

static void write_file(const char *name, struct span bytes)
{
	assert_int_equal(file_replace(in_folder(name), 0600, bytes, &oops), 0);
}

static size_t frames_of(const char *name, unsigned *damaged)
{
	scoped(sound_file) *s = NULL;
	static int16_t out[2 * 48000];
	size_t n, all = 0;

	if (sound_file_open(&s, in_folder(name), &oops))
		fail_msg("%s: %s", name, oops.text);
	do {
		assert_int_equal(sound_file_read(s, out, 48000, &n, &oops), 0);
		all += n;
	} while (n);
	*damaged = sound_file_damaged(s);
	return all;
}

static void refused(const char *name, const char *word)
{
	struct sound_file *s = NULL;

	oops = (struct fault){ 0 };
	assert_int_equal(sound_file_open(&s, in_folder(name), &oops), E_INVALID);
	if (!strstr(oops.text, word))
		fail_msg("%s: \"%s\" does not say \"%s\"", name, oops.text, word);
}

static void raw_mulaw(void **state)
{
	(void)state;
	scoped(sound_file) *s = NULL;
	int16_t out[8];
	size_t n;

	write_file("a.UL", SPAN("\xff\x80\0"));
	assert_true(sound_file_is(in_folder("a.UL")));
	assert_int_equal(sound_file_open(&s, in_folder("a.UL"), &oops), 0);
	assert_int_equal(sound_file_channels(s), 1);
	assert_int_equal(sound_file_rate_hz(s), 8000);
	assert_int_equal(sound_file_read(s, out, 8, &n, &oops), 0);
	assert_int_equal(n, 3);
	assert_memory_equal(out, ((int16_t[]){ 0, 32124, -32124 }), 6);
	write_file("b.ulaw", SPAN(""));
	refused("b.ulaw", "empty");
}

/* tone.mp3: two seconds at 8 kHz, 440 Hz for half a second, then none, and again. */
static void mp3(void **state)
{
	struct buf good AUTO_BUF = { 0 };
	unsigned damaged;

	(void)state;
	assert_int_equal(file_read(GOLDEN_DIR "/audio/tone.mp3", 1 << 20, &good, &oops), 0);
	write_file("a.mp3", buf_span(&good));
	size_t whole = frames_of("a.mp3", &damaged);
	assert_in_range(whole, 16000, 16000 + 4 * 1152);
	assert_int_equal(damaged, 0);
	write_file("cut.mp3", (struct span){ good.p, good.n / 2 });
	assert_in_range(frames_of("cut.mp3", &damaged), whole / 4, whole * 3 / 4);
	write_file("text.mp3", SPAN("not at all"));
	refused("text.mp3", "no MPEG audio");
	write_file("empty.mp3", SPAN(""));
	refused("empty.mp3", "empty");
}

/* By its bytes when they say something, else by its name. */
static void what_is_ours(void **state)
{
	(void)state;
	write_file("x.json", SPAN("{\"messages\":[]}"));
	write_file("y.bin", SPAN("RIFFxxxxWAVE"));
	write_file("z.wav", SPAN("hello"));
	assert_false(sound_file_is(in_folder("x.json")));
	assert_true(sound_file_is(in_folder("y.bin")));
	assert_true(sound_file_is(in_folder("z.wav")));
	assert_true(sound_file_is(in_folder("good.opus")));
	assert_false(sound_file_is(in_folder("nothing")));
	refused("z.wav", "5 bytes");
}

static void wav_of_several_channels(void **state)
{
	(void)state;
	const struct wav_shape shape = { WAV_PCM, 6, 16, 8000 };
	const struct wav_note note = { 0 };
	uint8_t head[WAV_HEAD_BYTES + 12] = { 0 };

	wav_head(&shape, &note, 12, head);
	write_file("six.wav", (struct span){ (char *)head, sizeof(head) });
	refused("six.wav", "6 channels");
	write_file("none.wav", (struct span){ (char *)head, WAV_HEAD_BYTES });
	refused("none.wav", "no sound");
}

static void damaged_ogg(void **state)
{
	(void)state;
	struct buf good AUTO_BUF = { 0 };
	unsigned damaged;
	size_t whole = frames_of("good.opus", &damaged);

	assert_in_range(whole, 48000 * 10 - 48, 48000 * 10 + 48);
	assert_int_equal(damaged, 0);
	assert_int_equal(file_read(in_folder("good.opus"), 1 << 20, &good, &oops), 0);
	/* cut: what is there */
	write_file("cut.ogg", (struct span){ good.p, good.n / 2 });
	assert_in_range(frames_of("cut.ogg", &damaged), whole / 4, whole * 3 / 4);
	/* a hole in the middle */
	memset(good.p + good.n / 2, 0x55, 300);
	write_file("hole.ogg", buf_span(&good));
	assert_in_range(frames_of("hole.ogg", &damaged), whole / 2, whole);
	assert_true(damaged > 0);
	/* nothing but a head; a head in pieces; another codec; no Ogg */
	write_file("head.ogg", (struct span){ good.p, 40 });
	refused("head.ogg", "");
	memset(good.p + 28, 'x', 8);
	write_file("other.ogg", buf_span(&good));
	refused("other.ogg", "no");
	write_file("text.opus", SPAN("not at all"));
	refused("text.opus", "no Opus");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(raw_mulaw),	cmocka_unit_test(mp3),
		cmocka_unit_test(what_is_ours), cmocka_unit_test(wav_of_several_channels),
		cmocka_unit_test(damaged_ogg),
	};
	return cmocka_run_group_tests(tests, folder_with_sound, remove_folder);
}
