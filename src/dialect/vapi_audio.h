/* What Vapi's audio sockets share: the start frame {"type":"start","encoding","container",
 * "sampleRate","channels"} and the two who are heard. */
#ifndef CALLMEND_DIALECT_VAPI_AUDIO_H
#define CALLMEND_DIALECT_VAPI_AUDIO_H

#include "callmend/media.h"

struct vapi_audio_state {
	bool started;
};

/* channels 0: to be detected. Channel 0 is the customer, 1 the assistant. */
void vapi_audio_legs(struct media_start *start, unsigned channels);
/* Of a checked start frame; start->channels is 0 when it does not say. */
MUST int vapi_audio_start(struct json message, struct arena *a, struct media_start *start,
			  struct fault *f);
struct media_event vapi_audio_nothing(void);

/* Of media_dialect, for the WebSocket transport (vapi_place.c). */
void vapi_place(const struct media_place *p, struct arena *a, struct span *url, struct span *body);
MUST int vapi_placed(struct json answer, struct arena *a, struct media_placed *out,
		     struct fault *f);
/* A command as Vapi reads it, at its control URL and over its transport (vapi_command.c).
 * E_INVALID: it has none such, or this one lacks what it needs. */
MUST int vapi_command_put(const struct command *c, struct buf *out, struct fault *f);

#endif
