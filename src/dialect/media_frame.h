/* The frame of audio as Twilio's protocol and its relatives send it, a hundred times a second and
 * call: {"event":"media", COUNTER, STREAM, "media":{"track","chunk","timestamp","payload"}}.
 *
 * media_frame_scan() reads the plain form in place in one walk that proves every byte of it;
 * whatever is not plain (escapes, letters beyond ASCII, containers and literals, fractions, names
 * twice) it leaves to media_frame_read(), which takes everything that JSON allows. What the first
 * takes the second takes with the same result; tests/fuzz/media_frame_fuzz.c holds both to it, and
 * to jansson. */
#ifndef CALLMEND_DIALECT_MEDIA_FRAME_H
#define CALLMEND_DIALECT_MEDIA_FRAME_H

#include "base/json.h"

/* What the members are called that every relative calls otherwise: SPAN() of literals, so that a
 * zero byte follows. */
struct media_frame_names {
	struct span sequence, stream_id;
};

struct media_frame {
	struct span stream_id, track;	    /* empty: not said */
	struct span payload;		    /* base64, without escapes */
	int64_t sequence, chunk, timestamp; /* -1: not said */
};

/* False: not a plain media frame; it may be another event or no JSON at all. */
bool media_frame_scan(const struct media_frame_names *, struct span text, struct media_frame *out);
/* Of a checked message, an object whose event is "media". E_INVALID names the member. */
MUST int media_frame_read(const struct media_frame_names *, struct json message, struct arena *a,
			  struct media_frame *out, struct fault *f);

#endif
