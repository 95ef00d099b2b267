/* A protocol for the bench alone, linked in place of src/dialect/media_dialects.c: what a frame
 * costs when nothing is around it. /in/raw/{source}/{codec}; a binary message is one byte, the leg
 * (0 customer, 1 assistant), and one frame of 20 ms of that codec. No start message; the first
 * frame is the customer's. The close is the end. */
#include "dialect/media_dialects.h"

enum { ENCODING_MAX = 15 };

struct raw {
	bool started;
	uint8_t encoding_n;
	char encoding[ENCODING_MAX];
};
_Static_assert(sizeof(struct raw) <= MEDIA_STATE_BYTES, "fits the connection");

static void open_stream(void *state, const struct media_about *about)
{
	struct raw *s = state;
	struct span path = about->path;

	s->encoding_n = (uint8_t)(path.n < ENCODING_MAX ? path.n : ENCODING_MAX);
	if (s->encoding_n)
		memcpy(s->encoding, path.p, s->encoding_n);
}

static const struct media_start *start(const struct raw *s, struct arena *a)
{
	struct media_start *out = arena_alloc(a, sizeof(*out));

	*out = (struct media_start){
		.encoding = { s->encoding, s->encoding_n },
		.channels = 1,
		.channels_known = true,
		.legs = { { SPEAKER_USER, { "customer", 8 } }, { SPEAKER_AI, { "assistant", 9 } } },
		.legs_n = 2,
		.legs_known = true,
	};
	return out;
}

static int read_binary(void *state, struct span bytes, struct arena *a, struct media_event *out,
		       struct fault *f)
{
	struct raw *s = state;

	if (bytes.n < 2 || (unsigned char)bytes.p[0] > !!s->started)
		return fault(f, E_INVALID, "a frame begins with its leg, 0 or 1; the first is 0");
	*out = (struct media_event){ .kind = MEDIA_AUDIO,
				     .leg = (unsigned char)bytes.p[0],
				     .payload = span_from(bytes, 1),
				     .chunk = -1,
				     .sequence = -1,
				     .at_ms = -1 };
	if (s->started)
		return 0;
	out->kind = MEDIA_START;
	out->start = start(s, a);
	s->started = true;
	return 0;
}

static const struct media_dialect raw_media = {
	.name = "raw",
	.title = "Raw frames",
	.auth = MEDIA_AUTH_SOURCE,
	.message_max = 4096,
	.ends_by_close = true,
	.open = open_stream,
	.binary = read_binary,
};

const struct media_dialect *const media_dialects[] = {
	&raw_media,
	&ringcx_grpc_media,
	&twilio_media,
	&telnyx_media,
	&signalwire_media,
	&plivo_media,
	&exotel_media,
	&vapi_listen_media,
	&vapi_transcriber_media,
	&vapi_websocket_media,
	NULL,
};

const struct media_dialect *media_dialect_find(struct span name)
{
	for (const struct media_dialect *const *d = media_dialects; *d; d++)
		if (span_is(name, (*d)->name))
			return *d;
	return NULL;
}
