/* Sound files of others, for import: WAV (record/wav.h), Ogg Opus (libopusfile, RFC 7845), MP3
 * (libmpg123), and raw µ-law of 8000 bytes a second. One thread; blocks on the disk. */
#ifndef CALLMEND_RECORD_SOUND_FILE_H
#define CALLMEND_RECORD_SOUND_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "callmend/fault.h"

struct sound_file;

/* By name (.wav .wave .ogg .oga .opus .mp3 .ulaw .ul) or by its first bytes: is this for us? */
bool sound_file_is(const char *path);
/* E_INVALID: what is wrong with it. E_IO. Neither names the path. */
MUST int sound_file_open(struct sound_file **out, const char *path, struct fault *f);
void sound_file_free(struct sound_file *);
DEFINE_SCOPED(sound_file)

const char *sound_file_format(const struct sound_file *); /* "wav", "ogg", "mp3", "ulaw" */
unsigned sound_file_channels(const struct sound_file *);  /* 1 or 2; others are refused */
uint32_t sound_file_rate_hz(const struct sound_file *);	  /* Ogg Opus: always 48000 */
/* As its head says, 0: not known. */
uint64_t sound_file_frames(const struct sound_file *);
/* Wall clock of its first sample, where it is a file of ours; 0: not known. */
int64_t sound_file_start_us(const struct sound_file *);
/* The next frames, interleaved; fewer than asked for: the end. Damaged stretches of Ogg Opus are
 * left out and counted. */
MUST int sound_file_read(struct sound_file *, int16_t *out, size_t frames, size_t *got,
			 struct fault *f);
unsigned sound_file_damaged(const struct sound_file *);

#endif
