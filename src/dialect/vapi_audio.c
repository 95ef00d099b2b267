#include "dialect/vapi_audio.h"

#include "dialect/media_json.h"

static const struct media_leg customer = { SPEAKER_USER, { "customer", 8 } };
static const struct media_leg assistant = { SPEAKER_AI, { "assistant", 9 } };
static const struct media_leg everybody = { SPEAKER_NONE, { "mixed", 5 } };

void vapi_audio_legs(struct media_start *start, unsigned channels)
{
	start->channels = channels ? channels : 2;
	start->channels_known = channels > 0;
	start->legs_known = true;
	start->legs_n = start->channels;
	start->legs[0] = channels == 1 ? everybody : customer;
	start->legs[1] = assistant;
}

#define START(F, T)                                  \
	F(T, TEXT, encoding, "encoding", OPTIONAL)   \
	F(T, TEXT, container, "container", OPTIONAL) \
	F(T, I64, rate, "sampleRate", OPTIONAL)      \
	F(T, I64, channels, "channels", OPTIONAL)
JSON_STRUCT(vapi_start, START)
JSON_FIELDS(vapi_start, START)

int vapi_audio_start(struct json message, struct arena *a, struct media_start *start,
		     struct fault *f)
{
	struct vapi_start m = { 0 };
	TRY(JSON_READ(vapi_start, message, a, &m, f));
	if (m.container.n && !span_is(m.container, "raw"))
		return fault(f, E_INVALID, "container: only \"raw\" can be heard");
	if (m.rate < 0 || m.rate > 192000)
		return fault(f, E_INVALID, "sampleRate: %lld Hz", (long long)m.rate);
	if (m.channels < 0 || m.channels > 2)
		return fault(f, E_INVALID, "channels: %lld; customer and assistant are two",
			     (long long)m.channels);
	TRY(media_json_bounded(m.encoding, "encoding", f));
	start->encoding = m.encoding.n ? m.encoding : SPAN("linear16");
	start->rate_hz = (uint32_t)m.rate;
	vapi_audio_legs(start, (unsigned)m.channels);
	return 0;
}

struct media_event vapi_audio_nothing(void)
{
	return (struct media_event){ .chunk = -1, .sequence = -1, .at_ms = -1 };
}
