/* A codec: bytes of a media frame <-> 16-bit samples. Pure; layer 1; implemented in codecs/, one
 * file each, listed in the const array of codecs/codecs.c. Figures and choices: docs/codecs.md.
 *
 * State lives in the caller's memory (state_size bytes, 16-byte aligned) and is never freed: a
 * codec allocates nothing, ever. It may not be moved. One state is one direction of one leg, said
 * by codec_params.way; any thread, one at a time.
 *
 * Samples are mono, native-endian int16, at out_rate() in both directions. Interleaved channels are
 * taken apart by codecs_deinterleave() before a mono codec sees them. */
#ifndef CALLMEND_CODEC_H
#define CALLMEND_CODEC_H

#include <stdint.h>

#include "callmend/fault.h"
#include "callmend/span.h"

/* Which functions a state serves: decode and conceal, or encode. */
enum codec_way { CODEC_DECODE, CODEC_ENCODE };

/* What the sender announced. rate 0: the codec's own. */
struct codec_params {
	uint32_t rate_hz;     /* g722: 8000 means 16000, as in RTP; opus: not looked at */
	uint32_t out_rate_hz; /* opus: 8000 or 16000, what the leg runs at (12000, 24000 and 48000
				 are possible, too); 0: 16000. Others: not looked at */
	unsigned ptime_ms;    /* of one frame; 0: 20. No codec here needs it */
	enum codec_way way;
};

enum {
	CODEC_STATE_ALIGN = 16,
	/* Samples of one decoded frame at most: 120 ms of Opus at 48 kHz, 200 ms and more of PCM in
	 * pieces. A decode call takes at most what fills this; see `used`. */
	CODEC_SAMPLES_MAX = 5760,
	/* Room that one encoded frame of a packet codec wants. */
	CODEC_PACKET_MAX = 1276,
};

struct codec {
	const char *name;	    /* "pcmu" "pcma" "g722" "l16" (little-endian) "l16be" "opus" */
	const char *const *aliases; /* as dialects announce it, lower case, NULL at the end:
				       "audio/x-mulaw" "mulaw" "pcm_s16le" ... */
	uint32_t rate_hz;	    /* the only one, or 0: as params name it (l16: it must) */
	uint16_t wav_format;	 /* WAVE format tag when a WAV file can hold its frames as they are
				    (1, 6, 7), else 0: recorded as decoded PCM */
	uint8_t bits_per_sample; /* 8, 16; 0: no fixed size (opus) or not byte-wise (g722) */
	uint8_t silence; /* the byte that is silence, for fixed-size codecs; g722: one that soon
			    leads there, to a constant below -50 dBFS; opus: none */

	/* Bytes of state for params->way; 0: `state` may be NULL below. Codecs of fixed size
	 * (bits_per_sample) encode without a state, and decode with NULL too when nobody will ask
	 * them to conceal. */
	size_t (*state_size)(const struct codec_params *);
	/* E_INVALID: such a rate is not possible (fault says which are). To be asked before
	 * out_rate() and state_size() are believed; `state` NULL: only checks. */
	MUST int (*init)(void *state, const struct codec_params *, struct fault *f);
	/* The rate of decoded samples. */
	uint32_t (*out_rate)(const struct codec_params *);
	/* Decodes from the front of `in` as much as `out` (room for `cap`) holds: *used bytes gave
	 * *n samples. A packet codec (opus) takes all of `in` as one packet. Odd tail bytes of l16
	 * are left unused: the caller carries them. Nothing in, nothing out. After a concealed
	 * loss the first 5 ms are blended with its continuation (opus: by its own means).
	 * E_INVALID: a damaged packet (*n is 0; treat as lost). E_FULL: a packet of more samples
	 * than `cap`; never with CODEC_SAMPLES_MAX. */
	MUST int (*decode)(void *state, struct span in, int16_t *out, size_t cap, size_t *used,
			   size_t *n, struct fault *f);
	/* A frame was lost: gives `want` samples in its place (packet-loss concealment where the
	 * codec has one, else the last pitch period, repeated and faded to silence within 60 ms).
	 * Exact for any `want`; opus works in steps of 2.5 ms and drops the end of its last one. */
	void (*conceal)(void *state, int16_t *out, size_t want);
	/* NULL: receive only. Encodes all n samples; *out_n <= cap. E_FULL: `cap` is too small
	 * (opus: below CODEC_PACKET_MAX); E_INVALID: not a frame this codec has (opus: one of 2.5,
	 * 5, 10, 20, 40, 60 ms; g722: an even number). */
	MUST int (*encode)(void *state, const int16_t *in, size_t n, uint8_t *out, size_t cap,
			   size_t *out_n, struct fault *f);
};

extern const struct codec *const codecs[]; /* NULL at the end; codecs/codecs.c */
/* By name or alias, letters of either case, parameters after ';' ignored. NULL: unknown. */
const struct codec *codec_find(struct span name);
/* The rate that such a name says by itself: 16000 for "slin16" or "audio/x-l16;rate=16000". 0:
 * none. What the platform says beside the name goes first. */
uint32_t codec_rate_named(struct span name);

/* Takes channel `channel` of `channels` interleaved samples of `bytes` (1 or 2) each out of `in`;
 * gives the bytes written (<= in.n / channels), all to `out`, which must not overlap `in`. Whole
 * sample groups only: what is left of one is the caller's to carry. */
size_t codecs_deinterleave(struct span in, unsigned channels, unsigned channel, unsigned bytes,
			   char *out);

/* G.711 for those who need no state: levels, rings, silence. Encoding is that of the ITU's
 * reference (docs/codecs.md, "G.711"). */
extern const int16_t g711_ulaw_table[256], g711_alaw_table[256];
uint8_t g711_ulaw_of(int16_t sample);
uint8_t g711_alaw_of(int16_t sample);

#endif
