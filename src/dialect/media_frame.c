#include "dialect/media_frame.h"

#include "dialect/media_walk.h"

enum { EVENT, SEQUENCE, STREAM, OUTER };
enum { TRACK, CHUNK, TIMESTAMP, PAYLOAD, INNER };
static const struct span inner_names[INNER] = {
	[TRACK] = { "track", 5 },
	[CHUNK] = { "chunk", 5 },
	[TIMESTAMP] = { "timestamp", 9 },
	[PAYLOAD] = { "payload", 7 },
};

/* Behind the opening bracket, to behind the closing one. An empty object is not plain. */
static bool take_inner(struct walk *w, struct value *values)
{
	unsigned guess = 0;
	do {
		struct span name;
		if (!take_name(w, &name))
			return false;
		unsigned at = find_name(name, inner_names, INNER, guess);
		if (!take_member(w, at, INNER, values))
			return false;
		guess = at + 1 < INNER ? at + 1 : 0;
	} while (take_char(w, ','));
	return take_char(w, '}');
}

static bool take_outer(struct walk *w, const struct span *names, struct value *outer,
		       struct value *inner)
{
	unsigned guess = 0;
	bool media = false;
	do {
		struct span name;
		if (!take_name(w, &name))
			return false;
		unsigned at = find_name(name, names, OUTER, guess);
		if (at == OUTER && same_name(name, SPAN("media"))) {
			if (media || !take_char(w, '{') || !take_inner(w, inner))
				return false;
			media = true;
			continue;
		}
		if (!take_member(w, at, OUTER, outer))
			return false;
		guess = at + 1 < OUTER ? at + 1 : 0;
	} while (take_char(w, ','));
	return media && take_char(w, '}') && json_skip_space(w->p, w->end) == w->end;
}

bool media_frame_scan(const struct media_frame_names *names, struct span text,
		      struct media_frame *out)
{
	const struct span outer_names[OUTER] = {
		[EVENT] = { "event", 5 }, [SEQUENCE] = names->sequence, [STREAM] = names->stream_id
	};
	struct value outer[OUTER] = { 0 }, inner[INNER] = { 0 };
	struct walk w = { text.p, text.p + text.n };
	if (!take_char(&w, '{') || !take_outer(&w, outer_names, outer, inner))
		return false;
	out->payload = inner[PAYLOAD].text;
	return outer[EVENT].string && same_name(outer[EVENT].text, SPAN("media")) &&
	       inner[PAYLOAD].string && text_of(&outer[STREAM], &out->stream_id) &&
	       text_of(&inner[TRACK], &out->track) && count_of(&outer[SEQUENCE], &out->sequence) &&
	       count_of(&inner[CHUNK], &out->chunk) && count_of(&inner[TIMESTAMP], &out->timestamp);
}

int media_frame_read(const struct media_frame_names *names, struct json message, struct arena *a,
		     struct media_frame *out, struct fault *f)
{
	struct json media = json_get(message, "media"), payload = json_get(media, "payload");
	if (media.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "media: must be an object");
	if (payload.kind != JSON_STRING)
		return fault(f, E_INVALID, "media.payload: must be base64 text");
	out->payload = json_text(payload, a);
	const char *sequence = names->sequence.p, *stream_id = names->stream_id.p;
	TRY(walk_text(json_get(message, stream_id), stream_id, a, &out->stream_id, f));
	TRY(walk_text(json_get(media, "track"), "media.track", a, &out->track, f));
	TRY(walk_count(json_get(message, sequence), sequence, &out->sequence, f));
	TRY(walk_count(json_get(media, "chunk"), "media.chunk", &out->chunk, f));
	return walk_count(json_get(media, "timestamp"), "media.timestamp", &out->timestamp, f);
}
