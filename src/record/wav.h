/* WAV files: reading what others wrote, well or badly, and the head of those we write.
 *
 * Read are RIFF, RF64 and BW64 with PCM of 8, 16, 24 and 32 bits, A-law and µ-law, also as
 * WAVE_FORMAT_EXTENSIBLE (Microsoft, "Multiple Channel Audio Data and WAVE Files"; EBU Tech 3306).
 * Sizes in a head are believed as far as the file bears them out: docs/recordings.md, "WAV".
 *
 * Ours: formats 1, 6 and 7 with a head of WAV_HEAD_BYTES, whose chunk "cmnd" says which leg of a
 * call this is and when it began; so a file that was never finished tells all that is needed. */
#ifndef CALLMEND_RECORD_WAV_H
#define CALLMEND_RECORD_WAV_H

#include <stdint.h>

#include "callmend/fault.h"
#include "callmend/input.h"

enum wav_coding { WAV_PCM = 1, WAV_ALAW = 6, WAV_ULAW = 7 }; /* WAVE format tags */
enum { WAV_CHANNELS_MAX = 8, WAV_HEAD_BYTES = 84, WAV_RATE_MIN = 4000, WAV_RATE_MAX = 192000 };
#define WAV_UNKNOWN UINT64_MAX

struct wav_shape {
	enum wav_coding coding;
	unsigned channels;
	unsigned bits; /* of a sample in the file; 8 for A-law and µ-law */
	uint32_t rate_hz;
};
static inline unsigned wav_frame_bytes(const struct wav_shape *s)
{
	return s->channels * s->bits / 8;
}

/* Chunk "cmnd", 18 bytes, little-endian: i64 start_us, u8 version (1), u8 leg, u8 speaker (enum
 * speaker), u8 rank, 6 zero bytes. */
struct wav_note {
	int64_t start_us; /* wall clock of the first sample */
	unsigned leg;
	enum speaker speaker;
	unsigned rank; /* of legs with the same speaker the one of the lowest is heard */
};

struct wav {
	int fd; /* the caller's; read with pread */
	struct wav_shape shape;
	uint64_t data_at, frames; /* whole frames that are really there */
	bool ends_early;	  /* the head promised more */
	bool has_note;
	struct wav_note note;
};

/* E_INVALID: what is wrong with it, for people. E_IO. */
MUST int wav_open(struct wav *out, int fd, struct fault *f);
/* Frames from `at` on as interleaved samples (16 most significant bits); fewer than asked for at
 * the end. */
MUST int wav_read(const struct wav *, uint64_t at, int16_t *out, size_t frames, size_t *got,
		  struct fault *f);
/* Bytes of a file as samples; `frames` * wav_frame_bytes() of them. */
void wav_decode(const struct wav_shape *, const uint8_t *bytes, size_t frames, int16_t *out);

/* The head of a file of ours. data_bytes WAV_UNKNOWN: not finished yet (sizes are 0xFFFFFFFF). */
void wav_head(const struct wav_shape *, const struct wav_note *, uint64_t data_bytes,
	      uint8_t out[WAV_HEAD_BYTES]);

#endif
