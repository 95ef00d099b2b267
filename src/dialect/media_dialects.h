/* Media dialects by name: src/dialect/media_dialects.c lists them. */
#ifndef CALLMEND_DIALECT_MEDIA_DIALECTS_H
#define CALLMEND_DIALECT_MEDIA_DIALECTS_H

#include "callmend/media.h"

extern const struct media_dialect twilio_media, telnyx_media, signalwire_media, plivo_media,
	exotel_media, vapi_transcriber_media, vapi_listen_media, vapi_websocket_media,
	ringcx_grpc_media, ringcx_media;

#endif
