/* Sound files of others, as imports and platforms bring them. The first byte picks the name's end,
 * by which WAV and Ogg are not taken in; the rest is the file. Refusing says why; what is opened
 * has one or two channels and a rate, and gives the same frames in large pieces and in small ones,
 * WAV as many as it said. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/crypto.h"
#include "record/sound_file.h"
#include "tests/fuzz/fuzz.h"

enum { FRAMES_MAX = 1 << 18, LARGE = 4096, SMALL = 37 };

static void must(bool ok)
{
	if (!ok)
		abort();
}

static const char *const ends[] = { "wav", "ogg", "mp3", "ulaw" };

/* A file of its own each time; its name ends as its kind's. */
static void put_file(unsigned kind, const uint8_t *data, size_t n, char path[64])
{
	snprintf(path, 64, "/tmp/callmend-fuzz-XXXXXX.%s", ends[kind]);
	int fd = mkstemps(path, (int)strlen(ends[kind]) + 1);
	must(fd >= 0 && write(fd, data, n) == (ssize_t)n);
	close(fd);
}

static uint64_t listen_to(struct sound_file *s, size_t piece, size_t *frames)
{
	static int16_t out[LARGE * 2 + 1];
	struct fault f = { 0 };
	uint64_t hash = 0;
	size_t got = piece;
	unsigned channels = sound_file_channels(s);
	struct buf all AUTO_BUF = { 0 };
	for (*frames = 0; got == piece && *frames < FRAMES_MAX; *frames += got) {
		out[piece * channels] = 12345;
		if (sound_file_read(s, out, piece, &got, &f)) {
			must(f.text[0]);
			break;
		}
		must(got <= piece && out[piece * channels] == 12345);
		buf_add(&all, (struct span){ (const char *)out, got * channels * sizeof(*out) });
	}
	all.n = *frames < FRAMES_MAX ? all.n : (size_t)FRAMES_MAX * channels * sizeof(*out);
	hash = hash64(buf_span(&all));
	return hash;
}

static void check(struct sound_file *s)
{
	unsigned channels = sound_file_channels(s);
	must(channels == 1 || channels == 2);
	must(sound_file_rate_hz(s) >= 1000 && sound_file_rate_hz(s) <= 192000);
	must(*sound_file_format(s));
	(void)sound_file_start_us(s);
}

/* False: refused. */
static bool hear(const char *path, size_t piece, uint64_t *hash, size_t *frames)
{
	struct sound_file *s = NULL;
	struct fault f = { 0 };
	if (sound_file_open(&s, path, &f)) {
		must(f.text[0]);
		return false;
	}
	check(s);
	uint64_t told = sound_file_frames(s);
	*hash = listen_to(s, piece, frames);
	bool exact = strcmp(sound_file_format(s), "wav") == 0;
	must(!exact || *frames == told || *frames >= FRAMES_MAX);
	sound_file_free(s);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char path[64];
	uint64_t large = 0, small = 0;
	size_t frames = 0, again = 0;
	if (n < 1)
		return 0;
	put_file(data[0] % 4, data + 1, n - 1, path);
	bool heard = hear(path, LARGE, &large, &frames);
	must(hear(path, SMALL, &small, &again) == heard);
	must(large == small);
	unlink(path);
	return 0;
}
