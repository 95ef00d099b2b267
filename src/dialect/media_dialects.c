/* The protocols of live audio this build speaks. One line each; see docs/adding-a-provider.md. */
#include "dialect/media_dialects.h"

const struct media_dialect *const media_dialects[] = {
	&twilio_media,
	&telnyx_media,
	&signalwire_media,
	&plivo_media,
	&exotel_media,
	&vapi_transcriber_media,
	&vapi_listen_media,
	&vapi_websocket_media,
	&ringcx_grpc_media,
	&ringcx_media,
	NULL,
};

const struct media_dialect *media_dialect_find(struct span name)
{
	for (const struct media_dialect *const *d = media_dialects; *d; d++)
		if (span_is(name, (*d)->name))
			return *d;
	return NULL;
}
