/* Failure modes of files that are met in the wild, and what is made of them:
 *   sizes 0 or 0xFFFFFFFF (written to a pipe, never finished)   the data reaches to the end
 *   larger than the file (cut)                                  what is there
 *   smaller than the file (head from an earlier moment)         to the end, unless a chunk or tag
 *                                                               follows
 *   odd chunks without their padding byte                       the next chunk is looked for at
 * both half a frame at the end                                     left out */
#include "record/wav.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "callmend/codec.h"

enum { READ_BYTES = 16384, FMT_MAX = 40, CHUNKS_MAX = 1000, NOTE_BYTES = 18, EXTENSIBLE = 0xfffe };

/* --- bytes --- */

static uint32_t u16(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t u32(const uint8_t *p)
{
	return u16(p) | u16(p + 2) << 16;
}

static uint64_t u64(const uint8_t *p)
{
	return u32(p) | (uint64_t)u32(p + 4) << 32;
}

static void put(uint8_t **p, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		*(*p)++ = (uint8_t)(v >> 8 * i);
}

static void put_id(uint8_t **p, const char *id)
{
	memcpy(*p, id, 4);
	*p += 4;
}

/* --- reading --- */

struct scan {
	struct wav *wav;
	uint64_t size, riff_bytes, data64; /* of the file; as the head says; of a ds64, 0: none */
	uint8_t fmt[FMT_MAX];
	size_t fmt_n;
};

static int read_at(int fd, uint64_t at, uint8_t *out, size_t n, size_t *got, struct fault *f)
{
	for (*got = 0; *got < n;) {
		ssize_t r = pread(fd, out + *got, n - *got, (off_t)(at + *got));

		if (r < 0 && errno != EINTR)
			return fault(f, E_IO, "%s", strerror(errno));
		if (r == 0)
			return 0;
		*got += r > 0 ? (size_t)r : 0;
	}
	return 0;
}

static const struct {
	unsigned tag;
	const char *name;
} codings[] = {
	{ 0x0002, "Microsoft ADPCM" },
	{ 0x0003, "floating point" },
	{ 0x0011, "IMA ADPCM" },
	{ 0x0031, "GSM 6.10" },
	{ 0x0040, "G.721 ADPCM" },
	{ 0x0050, "MPEG" },
	{ 0x0055, "MP3" },
	{ 0x0064, "G.726 ADPCM" },
	{ 0x0083, "G.729" },
};

static int refuse_coding(unsigned tag, struct fault *f)
{
	for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]); i++)
		if (codings[i].tag == tag)
			return fault(f, E_INVALID,
				     "its sound is %s, only PCM, A-law and µ-law can be read",
				     codings[i].name);
	return fault(f, E_INVALID,
		     "its sound has the format 0x%04x, only PCM, A-law and µ-law can be read", tag);
}

static bool bits_possible(const struct wav_shape *s)
{
	if (s->coding != WAV_PCM)
		return s->bits == 8;
	return s->bits == 8 || s->bits == 16 || s->bits == 24 || s->bits == 32;
}

static int judge_shape(const struct wav_shape *s, struct fault *f)
{
	if (s->channels == 0 || s->channels > WAV_CHANNELS_MAX)
		return fault(f, E_INVALID, "%u channels: 1 to %d can be read", s->channels,
			     WAV_CHANNELS_MAX);
	if (s->rate_hz < WAV_RATE_MIN || s->rate_hz > WAV_RATE_MAX)
		return fault(f, E_INVALID, "%u samples a second: %d to %d can be read", s->rate_hz,
			     WAV_RATE_MIN, WAV_RATE_MAX);
	if (!bits_possible(s))
		return fault(f, E_INVALID,
			     "samples of %u bits: PCM of 8, 16, 24 and 32 can be read", s->bits);
	return 0;
}

/* Some write 0 or 16 bits for what is 8 by definition. */
static unsigned bits_of(enum wav_coding coding, unsigned said)
{
	return coding == WAV_PCM ? (said + 7) / 8 * 8 : 8;
}

static int read_shape(struct scan *s, struct fault *f)
{
	struct wav_shape *shape = &s->wav->shape;

	if (s->fmt_n < 14)
		return fault(f, E_INVALID,
			     s->fmt_n ? "its fmt chunk is cut"
				      : "it has no fmt chunk before its sound");
	unsigned tag = u16(s->fmt);
	unsigned said = s->fmt_n >= 16 ? u16(s->fmt + 14) : 8;

	if (tag == EXTENSIBLE && s->fmt_n >= 26)
		tag = u16(s->fmt + 24);
	if (tag != WAV_PCM && tag != WAV_ALAW && tag != WAV_ULAW)
		return refuse_coding(tag, f);
	*shape = (struct wav_shape){ .coding = (enum wav_coding)tag,
				     .channels = u16(s->fmt + 2),
				     .bits = bits_of((enum wav_coding)tag, said),
				     .rate_hz = u32(s->fmt + 4) };
	return judge_shape(shape, f);
}

static void read_note(struct wav *w, const uint8_t *p, size_t n)
{
	if (n < NOTE_BYTES || p[8] != 1 || p[10] > SPEAKER_USER)
		return;
	w->has_note = true;
	w->note = (struct wav_note){ .start_us = (int64_t)u64(p),
				     .leg = p[9],
				     .speaker = (enum speaker)p[10],
				     .rank = p[11] };
}

static bool is_letters(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] < ' ' || p[i] > '~')
			return false;
	return true;
}

/* Behind the data that the head tells of: a chunk, or a tag ("ID3", "TAG")? Then it is right. */
static bool something_else_follows(const struct scan *s, uint64_t at)
{
	uint8_t id[4];
	size_t got;

	for (unsigned pad = 0; pad < 2; pad++)
		if (read_at(s->wav->fd, at + pad, id, sizeof(id), &got, NULL) == 0 && got == 4 &&
		    is_letters(id, 3))
			return true;
	return false;
}

static uint64_t data_bytes(struct scan *s, uint64_t at, uint32_t said32)
{
	uint64_t left = s->size - at;
	uint64_t said = said32 == UINT32_MAX && s->data64 ? s->data64 : said32;
	bool head_is_right = s->riff_bytes + 8 == s->size || s->riff_bytes + 9 == s->size;

	if (said == UINT32_MAX || (said == 0 && !head_is_right))
		return left;
	s->wav->ends_early = said > left;
	if (said >= left)
		return left;
	return head_is_right || something_else_follows(s, at + said) ? said : left;
}

static int found_data(struct scan *s, uint64_t at, uint32_t said, struct fault *f)
{
	TRY(read_shape(s, f));
	s->wav->data_at = at;
	s->wav->frames = data_bytes(s, at, said) / wav_frame_bytes(&s->wav->shape);
	return 0;
}

static int read_small(struct scan *s, const uint8_t *head, uint64_t at, struct fault *f)
{
	uint8_t body[FMT_MAX];
	size_t n = u32(head + 4) < sizeof(body) ? u32(head + 4) : sizeof(body);

	TRY(read_at(s->wav->fd, at, body, n, &n, f));
	if (memcmp(head, "fmt ", 4) == 0) {
		memcpy(s->fmt, body, n);
		s->fmt_n = n;
	} else if (memcmp(head, "ds64", 4) == 0 && n >= 16) {
		s->data64 = u64(body + 8);
	} else if (memcmp(head, "cmnd", 4) == 0) {
		read_note(s->wav, body, n);
	}
	return 0;
}

/* An odd chunk is padded; not everybody knows. */
static uint64_t next_chunk(const struct scan *s, uint64_t at, uint32_t n)
{
	uint8_t id[8];
	size_t got;
	uint64_t end = at + n;

	if (n % 2 == 0)
		return end;
	bool there = read_at(s->wav->fd, end, id, 8, &got, NULL) == 0 && got == 8 &&
		     is_letters(id, 4) && u32(id + 4) <= s->size - end;
	return there ? end : end + 1;
}

static int walk(struct scan *s, struct fault *f)
{
	uint64_t at = 12;
	uint8_t head[8];
	size_t got;

	for (unsigned i = 0; i < CHUNKS_MAX; i++) {
		TRY(read_at(s->wav->fd, at, head, sizeof(head), &got, f));
		if (got < sizeof(head))
			break;
		at += sizeof(head);
		if (memcmp(head, "data", 4) == 0)
			return found_data(s, at, u32(head + 4), f);
		TRY(read_small(s, head, at, f));
		at = next_chunk(s, at, u32(head + 4));
	}
	return fault(f, E_INVALID,
		     s->fmt_n ? "it ends before its sound (no data chunk)"
			      : "it has neither a fmt nor a data chunk");
}

static int read_riff(struct scan *s, struct fault *f)
{
	uint8_t head[12];
	size_t got;

	TRY(read_at(s->wav->fd, 0, head, sizeof(head), &got, f));
	if (got == 0)
		return fault(f, E_INVALID, "it is empty");
	if (got < sizeof(head))
		return fault(f, E_INVALID, "%zu bytes are no WAV file", got);
	if (memcmp(head, "RIFX", 4) == 0)
		return fault(f, E_INVALID, "big-endian WAV (RIFX) cannot be read");
	bool riff = memcmp(head, "RIFF", 4) == 0 || memcmp(head, "RF64", 4) == 0 ||
		    memcmp(head, "BW64", 4) == 0;
	if (!riff || memcmp(head + 8, "WAVE", 4) != 0)
		return fault(f, E_INVALID,
			     "it is no WAV file: it does not begin with RIFF and WAVE");
	s->riff_bytes = u32(head + 4);
	return 0;
}

int wav_open(struct wav *out, int fd, struct fault *f)
{
	struct scan s = { .wav = out };
	struct stat st;

	*out = (struct wav){ .fd = fd };
	if (fstat(fd, &st))
		return fault(f, E_IO, "%s", strerror(errno));
	s.size = (uint64_t)st.st_size;
	TRY(read_riff(&s, f));
	return walk(&s, f);
}

/* --- samples --- */

static void from_pcm8(const uint8_t *in, size_t n, int16_t *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (int16_t)((in[i] - 128) * 256);
}

/* The two most significant bytes of each. */
static void from_pcm(const uint8_t *in, size_t n, unsigned bytes, int16_t *out)
{
	const uint8_t *high = in + bytes - 2;

	for (size_t i = 0; i < n; i++, high += bytes)
		out[i] = (int16_t)u16(high);
}

static void from_table(const uint8_t *in, size_t n, const int16_t table[256], int16_t *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = table[in[i]];
}

void wav_decode(const struct wav_shape *s, const uint8_t *bytes, size_t frames, int16_t *out)
{
	size_t n = frames * s->channels;

	if (s->coding != WAV_PCM)
		from_table(bytes, n, s->coding == WAV_ULAW ? g711_ulaw_table : g711_alaw_table,
			   out);
	else if (s->bits == 8)
		from_pcm8(bytes, n, out);
	else
		from_pcm(bytes, n, s->bits / 8, out);
}

int wav_read(const struct wav *w, uint64_t at, int16_t *out, size_t frames, size_t *got,
	     struct fault *f)
{
	uint8_t bytes[READ_BYTES];
	unsigned each = wav_frame_bytes(&w->shape);
	size_t most = sizeof(bytes) / each, n;

	*got = 0;
	if (at >= w->frames)
		return 0;
	frames = frames < w->frames - at ? frames : (size_t)(w->frames - at);
	while (*got < frames) {
		size_t want = frames - *got < most ? frames - *got : most;

		TRY(read_at(w->fd, w->data_at + (at + *got) * each, bytes, want * each, &n, f));
		wav_decode(&w->shape, bytes, n / each, out + *got * w->shape.channels);
		*got += n / each;
		if (n < want * each)
			return 0;
	}
	return 0;
}

/* --- writing --- */

static uint32_t size32(uint64_t n)
{
	return n >= UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static void put_fmt(uint8_t **p, const struct wav_shape *s)
{
	put_id(p, "fmt ");
	put(p, 18, 4);
	put(p, s->coding, 2);
	put(p, s->channels, 2);
	put(p, s->rate_hz, 4);
	put(p, (uint64_t)s->rate_hz * wav_frame_bytes(s), 4);
	put(p, wav_frame_bytes(s), 2);
	put(p, s->bits, 2);
	put(p, 0, 2); /* of extension */
}

static void put_note(uint8_t **p, const struct wav_note *note)
{
	put_id(p, "cmnd");
	put(p, NOTE_BYTES, 4);
	put(p, (uint64_t)note->start_us, 8);
	put(p, 1, 1);
	put(p, note->leg, 1);
	put(p, note->speaker, 1);
	put(p, note->rank, 1);
	put(p, 0, 6);
}

void wav_head(const struct wav_shape *s, const struct wav_note *note, uint64_t bytes,
	      uint8_t out[WAV_HEAD_BYTES])
{
	bool known = bytes != WAV_UNKNOWN;
	uint8_t *p = out;

	put_id(&p, "RIFF");
	put(&p, known ? size32(bytes + bytes % 2 + WAV_HEAD_BYTES - 8) : UINT32_MAX, 4);
	put_id(&p, "WAVE");
	put_fmt(&p, s);
	put_id(&p, "fact"); /* a must for all but PCM */
	put(&p, 4, 4);
	put(&p, known ? size32(bytes / wav_frame_bytes(s)) : UINT32_MAX, 4);
	put_note(&p, note);
	put_id(&p, "data");
	put(&p, known ? size32(bytes) : UINT32_MAX, 4);
	CHECK(p == out + WAV_HEAD_BYTES);
}
