#include "dialect/media_frame.h"

#include "base/json_scan.h"

/* A member's value as it stands: the inside of a string, or the digits of a number. */
struct value {
	struct span text;
	bool found, string;
};

enum { EVENT, SEQUENCE, STREAM, OUTER };
enum { TRACK, CHUNK, TIMESTAMP, PAYLOAD, INNER };
static const struct span inner_names[INNER] = {
	[TRACK] = { "track", 5 },
	[CHUNK] = { "chunk", 5 },
	[TIMESTAMP] = { "timestamp", 9 },
	[PAYLOAD] = { "payload", 7 },
};

struct walk {
	const char *p, *end;
};

static inline bool take_char(struct walk *w, char c)
{
	w->p = json_skip_space(w->p, w->end);
	if (w->p == w->end || *w->p != c)
		return false;
	w->p++;
	return true;
}

/* Behind the opening quote. */
static inline bool take_plain(struct walk *w, struct span *out)
{
	const char *stop = json_scan_plain(w->p, w->end);
	if (stop == w->end || *stop != '"')
		return false;
	*out = (struct span){ w->p, (size_t)(stop - w->p) };
	w->p = stop + 1;
	return true;
}

static inline bool take_name(struct walk *w, struct span *out)
{
	return take_char(w, '"') && take_plain(w, out) && take_char(w, ':');
}

/* Names are short: most differ in length, the rest in a few bytes. */
static inline bool same_name(struct span a, struct span b)
{
	return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

/* A sender keeps its order: the name behind the last one is looked at first. */
static inline unsigned find_name(struct span name, const struct span *names, unsigned n,
				 unsigned guess)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned at = guess + i < n ? guess + i : guess + i - n;
		if (same_name(name, names[at]))
			return at;
	}
	return n;
}

/* Digits as JSON writes a whole number that is not negative. */
static inline bool take_number(struct walk *w, struct span *out)
{
	const char *from = w->p;
	while (w->p < w->end && json_is_digit(*w->p))
		w->p++;
	*out = (struct span){ from, (size_t)(w->p - from) };
	return out->n == 1 || (out->n > 1 && *from != '0');
}

static inline bool take_value(struct walk *w, struct value *out)
{
	w->p = json_skip_space(w->p, w->end);
	if (w->p == w->end)
		return false;
	out->found = true;
	out->string = *w->p == '"';
	if (!out->string)
		return take_number(w, &out->text);
	w->p++;
	return take_plain(w, &out->text);
}

/* One member whose name was read; a name that was there already is none of the plain form. */
static inline bool take_member(struct walk *w, unsigned at, unsigned n, struct value *values)
{
	struct value unknown;
	if (at == n)
		return take_value(w, &unknown);
	return !values[at].found && take_value(w, &values[at]);
}

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

/* At most 18 digits: more are left to the careful reader. */
static inline bool count_of(const struct value *v, int64_t *out)
{
	int64_t n = 0;
	if (v->found && (v->text.n == 0 || v->text.n > 18 || (v->text.n > 1 && *v->text.p == '0')))
		return false;
	for (size_t i = 0; i < v->text.n; i++) {
		if (!json_is_digit(v->text.p[i]))
			return false;
		n = n * 10 + (v->text.p[i] - '0');
	}
	*out = v->found ? n : -1;
	return true;
}

static inline bool text_of(const struct value *v, struct span *out)
{
	*out = v->text;
	return v->string || !v->found;
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

/* Null is as absent. */
static int read_text(struct json v, const char *where, struct arena *a, struct span *out,
		     struct fault *f)
{
	if (json_has(v) && v.kind != JSON_STRING)
		return fault(f, E_INVALID, "%s: must be a text", where);
	*out = json_text(v, a);
	return 0;
}

static int read_count(struct json v, const char *where, int64_t *out, struct fault *f)
{
	*out = -1;
	if (json_has(v) && (!json_i64(v, out) || *out < 0))
		return fault(f, E_INVALID, "%s: must be a whole number from 0 on", where);
	return 0;
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
	TRY(read_text(json_get(message, stream_id), stream_id, a, &out->stream_id, f));
	TRY(read_text(json_get(media, "track"), "media.track", a, &out->track, f));
	TRY(read_count(json_get(message, sequence), sequence, &out->sequence, f));
	TRY(read_count(json_get(media, "chunk"), "media.chunk", &out->chunk, f));
	return read_count(json_get(media, "timestamp"), "media.timestamp", &out->timestamp, f);
}
