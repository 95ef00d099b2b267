/* Failure modes: a head that cannot be read is refused with what is wrong; a file that ends early
 * gives what is there; damage in the middle of an Ogg file is stepped over by libopusfile. */
#include "record/sound_file.h"

#include <errno.h>
#include <fcntl.h>
#include <mpg123.h>
#include <opusfile.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/wav.h"

enum {
	OGG_RATE = 48000,
	ULAW_RATE = 8000,
	OGG_PIECE = 2 * 5760,
	/* A pipe that nobody writes to would be waited for. */
	OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
};

struct kind {
	const char *name;
	const char *const *ends; /* of file names */
	const char *const *magics;
	int (*open)(struct sound_file *, const char *path, struct fault *f);
	int (*read)(struct sound_file *, int16_t *out, size_t frames, size_t *got, struct fault *f);
};

struct sound_file {
	const struct kind *kind;
	int fd;
	unsigned channels, damaged;
	uint32_t rate_hz;
	struct wav wav; /* raw µ-law, too */
	uint64_t at;
	OggOpusFile *ogg;
	mpg123_handle *mpeg;
	int16_t piece[OGG_PIECE]; /* stereo, decoded and not yet given */
	size_t piece_at, piece_n; /* frames */
};

/* --- WAV --- */

static int open_wav(struct sound_file *s, const char *path, struct fault *f)
{
	(void)path;
	TRY(wav_open(&s->wav, s->fd, f));
	s->channels = s->wav.shape.channels;
	s->rate_hz = s->wav.shape.rate_hz;
	return s->wav.frames ? 0 : fault(f, E_INVALID, "there is no sound in it");
}

static int read_wav(struct sound_file *s, int16_t *out, size_t frames, size_t *got, struct fault *f)
{
	TRY(wav_read(&s->wav, s->at, out, frames, got, f));
	s->at += *got;
	return 0;
}

/* --- raw --- */

static int open_ulaw(struct sound_file *s, const char *path, struct fault *f)
{
	struct stat st;

	(void)path;
	if (fstat(s->fd, &st))
		return fault(f, E_IO, "%s", strerror(errno));
	s->channels = 1;
	s->rate_hz = ULAW_RATE;
	s->wav = (struct wav){ .fd = s->fd,
			       .shape = { WAV_ULAW, 1, 8, ULAW_RATE },
			       .frames = (uint64_t)st.st_size };
	return 0;
}

/* --- Ogg Opus --- */

static const struct {
	int code;
	const char *text;
} ogg_errors[] = {
	{ OP_ENOTFORMAT, "no Opus is in it, or it is cut within its head: of Ogg files only those "
			 "with Opus can be read" },
	{ OP_EBADHEADER, "its Opus head is damaged" },
	{ OP_EVERSION, "it is of a version of Opus that cannot be read" },
	{ OP_EIMPL, "it has more channels than can be read" },
	{ OP_EBADTIMESTAMP, "its first time stamp is wrong, or there is no sound behind its head" },
	{ OP_EBADLINK, "a part of it is damaged" },
	{ OP_EREAD, "it cannot be read, or is cut within its head" },
};

static int refuse_ogg(int code, struct fault *f)
{
	for (size_t i = 0; i < sizeof(ogg_errors) / sizeof(ogg_errors[0]); i++)
		if (ogg_errors[i].code == code)
			return fault(f, E_INVALID, "%s", ogg_errors[i].text);
	return fault(f, E_INVALID, "it is no Ogg Opus that can be read (libopusfile: %d)", code);
}

static int open_ogg(struct sound_file *s, const char *path, struct fault *f)
{
	int code = 0;

	s->ogg = op_open_file(path, &code);
	if (!s->ogg)
		return refuse_ogg(code, f);
	s->channels = (unsigned)op_channel_count(s->ogg, 0);
	s->rate_hz = OGG_RATE;
	return 0;
}

static bool next_piece(struct sound_file *s)
{
	int n;

	do {
		n = op_read_stereo(s->ogg, s->piece, OGG_PIECE);
		s->damaged += n == OP_HOLE;
	} while (n == OP_HOLE);
	s->damaged += n < 0;
	s->piece_at = 0;
	s->piece_n = n > 0 ? (size_t)n : 0;
	return n > 0;
}

/* A mono file gives the same on both sides. */
static void take_frame(struct sound_file *s, int16_t *out)
{
	const int16_t *from = s->piece + 2 * s->piece_at++;

	memcpy(out, from, s->channels * sizeof(*out));
}

static int read_ogg(struct sound_file *s, int16_t *out, size_t frames, size_t *got, struct fault *f)
{
	(void)f;
	for (*got = 0; *got < frames; ++*got) {
		if (s->piece_at == s->piece_n && !next_piece(s))
			return 0;
		take_frame(s, out + *got * s->channels);
	}
	return 0;
}

/* --- MPEG audio (MP3), whole or behind ID3 tags --- */

static int refuse_mpeg(const struct sound_file *s, struct fault *f)
{
	return fault(f, E_INVALID, "it is no MPEG audio that can be read (%s)",
		     mpg123_strerror(s->mpeg));
}

static int open_mpeg(struct sound_file *s, const char *path, struct fault *f)
{
	int channels = 0, encoding = 0;
	long rate = 0;

	(void)path;
	s->mpeg = mpg123_new(NULL, NULL);
	CHECK(s->mpeg);
	mpg123_param(s->mpeg, MPG123_ADD_FLAGS, MPG123_QUIET, 0);
	if (mpg123_open_fd(s->mpeg, s->fd) != MPG123_OK ||
	    mpg123_getformat(s->mpeg, &rate, &channels, &encoding) != MPG123_OK)
		return refuse_mpeg(s, f);
	/* What follows in another format is made like the beginning. */
	if (mpg123_format_none(s->mpeg) != MPG123_OK ||
	    mpg123_format(s->mpeg, rate, channels, MPG123_ENC_SIGNED_16) != MPG123_OK)
		return refuse_mpeg(s, f);
	s->channels = (unsigned)channels;
	s->rate_hz = (uint32_t)rate;
	return 0;
}

/* A part that is damaged ends it: what came before is there. */
static int read_mpeg(struct sound_file *s, int16_t *out, size_t frames, size_t *got,
		     struct fault *f)
{
	size_t width = s->channels * sizeof(int16_t), n = 0;
	int code = MPG123_OK;

	(void)f;
	for (*got = 0; *got < frames && code != MPG123_DONE; *got += n / width) {
		code = mpg123_read(s->mpeg, (unsigned char *)out + *got * width,
				   (frames - *got) * width, &n);
		if (code == MPG123_OK || code == MPG123_DONE || code == MPG123_NEW_FORMAT)
			continue;
		s->damaged++;
		code = MPG123_DONE;
	}
	return 0;
}

/* --- kinds --- */

static const char *const wav_ends[] = { ".wav", ".wave", NULL };
static const char *const wav_magics[] = { "RIFF", "RF64", "BW64", "RIFX", NULL };
static const char *const ogg_ends[] = { ".ogg", ".oga", ".opus", NULL };
static const char *const ogg_magics[] = { "OggS", NULL };
static const char *const ulaw_ends[] = { ".ulaw", ".ul", NULL };
static const char *const mpeg_ends[] = { ".mp3", NULL };
static const char *const no_magics[] = { NULL };
static const struct kind kinds[] = {
	{ "wav", wav_ends, wav_magics, open_wav, read_wav },
	{ "ogg", ogg_ends, ogg_magics, open_ogg, read_ogg },
	{ "mp3", mpeg_ends, no_magics, open_mpeg, read_mpeg },
	{ "ulaw", ulaw_ends, no_magics, open_ulaw, read_wav },
};

static bool is_named(const struct kind *k, const char *path)
{
	size_t n = strlen(path);

	for (const char *const *end = k->ends; *end; end++)
		if (n > strlen(*end) && strcasecmp(path + n - strlen(*end), *end) == 0)
			return true;
	return false;
}

static bool begins_so(const struct kind *k, const char head[4])
{
	for (const char *const *magic = k->magics; *magic; magic++)
		if (memcmp(head, *magic, 4) == 0)
			return true;
	return false;
}

/* What its bytes say goes before its name. */
static const struct kind *kind_of(const char *path)
{
	char head[4] = "";
	int fd = open(path, OPEN_FLAGS);
	ssize_t n = fd < 0 ? 0 : read(fd, head, sizeof(head));

	if (fd >= 0)
		close(fd);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (n == sizeof(head) && begins_so(&kinds[i], head))
			return &kinds[i];
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (is_named(&kinds[i], path))
			return &kinds[i];
	return NULL;
}

bool sound_file_is(const char *path)
{
	return kind_of(path) != NULL;
}

static int judge_file(int fd, struct fault *f)
{
	struct stat st;

	if (fstat(fd, &st))
		return fault(f, E_IO, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fault(f, E_INVALID, "it is no file");
	return st.st_size ? 0 : fault(f, E_INVALID, "it is empty");
}

int sound_file_open(struct sound_file **out, const char *path, struct fault *f)
{
	scoped(sound_file) *s = calloc(1, sizeof(*s));

	CHECK(s);
	s->fd = open(path, OPEN_FLAGS);
	if (s->fd < 0)
		return fault(f, E_IO, "%s", strerror(errno));
	TRY(judge_file(s->fd, f));
	s->kind = kind_of(path);
	if (!s->kind)
		return fault(f, E_INVALID, "it is no WAV, Ogg Opus, MP3 or raw µ-law file");
	TRY(s->kind->open(s, path, f));
	if (s->channels > 2)
		return fault(f, E_INVALID, "%u channels: a call has one or two", s->channels);
	*out = take(s);
	return 0;
}

void sound_file_free(struct sound_file *s)
{
	if (!s)
		return;
	if (s->ogg)
		op_free(s->ogg);
	if (s->mpeg)
		mpg123_delete(s->mpeg);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

const char *sound_file_format(const struct sound_file *s)
{
	return s->kind->name;
}

unsigned sound_file_channels(const struct sound_file *s)
{
	return s->channels;
}

uint32_t sound_file_rate_hz(const struct sound_file *s)
{
	return s->rate_hz;
}

int sound_file_read(struct sound_file *s, int16_t *out, size_t frames, size_t *got, struct fault *f)
{
	return s->kind->read(s, out, frames, got, f);
}

uint64_t sound_file_frames(const struct sound_file *s)
{
	int64_t n = s->ogg    ? op_pcm_total(s->ogg, -1)
		    : s->mpeg ? (int64_t)mpg123_length(s->mpeg)
			      : (int64_t)s->wav.frames;

	return n > 0 ? (uint64_t)n : 0;
}

int64_t sound_file_start_us(const struct sound_file *s)
{
	return s->wav.has_note ? s->wav.note.start_us : 0;
}

unsigned sound_file_damaged(const struct sound_file *s)
{
	return s->damaged;
}
