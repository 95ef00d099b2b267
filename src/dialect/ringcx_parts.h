/* What RingCX's protocols of live audio share: names that customers choose, and what a beginning
 * says of the call. */
#ifndef CALLMEND_DIALECT_RINGCX_PARTS_H
#define CALLMEND_DIALECT_RINGCX_PARTS_H

#include "callmend/media.h"

/* Is this name that one (lower case, nothing but letters), whatever the case of its letters, and
 * with or without "_", "-" and blanks? */
bool ringcx_is_name(struct span name, const char *plain);

/* Attributes that say whose audio it is (docs/ringcx.md). Ignores others. */
struct ringcx_names {
	struct span token, call_id, telephony_id;
};
void ringcx_take_name(struct ringcx_names *, struct span name, struct span value);

/* A call as a stream tells of it; members may be empty. */
struct ringcx_call {
	struct span id, session_id;
	struct span from, to, direction; /* "inbound", "outbound"; empty: unknown */
	struct span account, sub_account, rc_account, agent, product, language;
};
/* Fills what names the call, with `message` for src/dialect/ringcx.c. E_INVALID: a name is too
 * long. */
MUST int ringcx_describe(const struct ringcx_call *, const struct ringcx_names *, struct arena *,
			 struct media_start *, struct fault *f);

/* Legacy: the flat frame {"event":"Media","perspective","sequenceId","media"}, as
 * dialect/media_frame.h: the plain form in place, or as JSON allows it. `track` is the perspective.
 */
struct media_frame;
bool ringcx_frame_scan(struct span text, struct media_frame *out);
MUST int ringcx_frame_read(struct json message, struct arena *, struct media_frame *out,
			   struct fault *f);

#endif
