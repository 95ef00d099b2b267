#include "dialect/media_frame.h"
#include "dialect/media_walk.h"
#include "dialect/ringcx_parts.h"

enum { EVENT, PERSPECTIVE, SEQUENCE, MEDIA, MEMBERS };
static const struct span names[MEMBERS] = {
	[EVENT] = { "event", 5 },
	[PERSPECTIVE] = { "perspective", 11 },
	[SEQUENCE] = { "sequenceId", 10 },
	[MEDIA] = { "media", 5 },
};

static bool take_members(struct walk *w, struct value *values)
{
	unsigned guess = 0;
	do {
		struct span name;
		if (!take_name(w, &name))
			return false;
		unsigned at = find_name(name, names, MEMBERS, guess);
		if (!take_member(w, at, MEMBERS, values))
			return false;
		guess = at + 1 < MEMBERS ? at + 1 : 0;
	} while (take_char(w, ','));
	return take_char(w, '}') && json_skip_space(w->p, w->end) == w->end;
}

bool ringcx_frame_scan(struct span text, struct media_frame *out)
{
	struct value values[MEMBERS] = { 0 };
	struct walk w = { text.p, text.p + text.n };
	if (!take_char(&w, '{') || !take_members(&w, values))
		return false;
	*out = (struct media_frame){ .payload = values[MEDIA].text, .chunk = -1, .timestamp = -1 };
	return values[EVENT].string && same_name(values[EVENT].text, SPAN("Media")) &&
	       values[MEDIA].string && text_of(&values[PERSPECTIVE], &out->track) &&
	       count_of(&values[SEQUENCE], &out->sequence);
}

int ringcx_frame_read(struct json message, struct arena *a, struct media_frame *out,
		      struct fault *f)
{
	struct json media = json_get(message, "media");
	if (media.kind != JSON_STRING)
		return fault(f, E_INVALID, "media: must be base64 text");
	*out = (struct media_frame){ .payload = json_text(media, a), .chunk = -1, .timestamp = -1 };
	TRY(walk_text(json_get(message, "perspective"), "perspective", a, &out->track, f));
	return walk_count(json_get(message, "sequenceId"), "sequenceId", &out->sequence, f);
}
