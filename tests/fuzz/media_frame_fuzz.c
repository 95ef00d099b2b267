/* A frame of audio, read three times: by the scanner in place, by the careful reader, and by
 * jansson (tests/fuzz/jansson.h) with the rules of src/dialect/media_frame.h written down once
 * more. Accepted or refused alike, with the same members. Not compared: frames with a name twice in
 * an object (we take the first, jansson the last), which jansson is told to refuse; numbers beyond
 * what a double holds; texts with a zero byte, which jansson overlooks behind a number and we
 * always refuse. */
#include <math.h>
#include <stdlib.h>

#include "dialect/media_frame.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/jansson.h"

static const struct media_frame_names names[] = {
	{ { "sequenceNumber", 14 }, { "streamSid", 9 } },
	{ { "sequence_number", 15 }, { "stream_id", 9 } },
	{ { "sequence_number", 15 }, { "stream_sid", 10 } },
	{ { "sequenceNumber", 14 }, { "streamId", 8 } },
};

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* --- jansson's opinion --- */

enum verdict { TAKEN, REFUSED, NOT_COMPARED };

static bool is_null(const json_t *v)
{
	return !v || (int)json_typeof(v) == JANSSON_NULL;
}

static enum verdict same_text(const json_t *v, struct span ours, bool ours_taken)
{
	if (is_null(v))
		return ours_taken && ours.n ? REFUSED : TAKEN;
	if ((int)json_typeof(v) != JANSSON_STRING)
		return REFUSED;
	/* NUL is mended by ours. */
	if (memchr(json_string_value(v), 0, json_string_length(v)))
		return NOT_COMPARED;
	must(!ours_taken ||
	     span_eq(ours, (struct span){ json_string_value(v), json_string_length(v) }));
	return TAKEN;
}

/* A double loses fractions behind many nines, and what is next to nothing: what is a whole number
 * for jansson may be none for us. */
static bool fractions;

static bool has_fractions(struct span s)
{
	for (size_t i = 1; i < s.n; i++)
		if (s.p[i] == '.' ||
		    ((s.p[i] | 32) == 'e' && s.p[i - 1] >= '0' && s.p[i - 1] <= '9'))
			return true;
	return false;
}

static enum verdict same_real(double d, int64_t ours, bool ours_taken)
{
	if (fabs(d) >= 9007199254740992.0 || (fractions && !ours_taken))
		return NOT_COMPARED;
	if (d != floor(d) || d < 0)
		return REFUSED;
	must(!ours_taken || ours == (int64_t)d);
	return TAKEN;
}

static enum verdict same_count(const json_t *v, int64_t ours, bool ours_taken)
{
	if (is_null(v)) {
		must(!ours_taken || ours == -1);
		return TAKEN;
	}
	if ((int)json_typeof(v) == JANSSON_REAL)
		return same_real(json_real_value(v), ours, ours_taken);
	if ((int)json_typeof(v) != JANSSON_STRING)
		return REFUSED;
	/* A text is a number exactly when JSON would take its inside as one. */
	json_t *inner = json_loadb(json_string_value(v), json_string_length(v),
				   JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
	const char *s = json_string_value(v);
	bool plain = *s == '-' || (*s >= '0' && *s <= '9');
	bool blank = strpbrk(s, " \t\n\r") || memchr(s, 0, json_string_length(v));
	enum verdict verdict = REFUSED;
	if (blank)
		verdict = NOT_COMPARED;
	else if (plain && inner && (int)json_typeof(inner) == JANSSON_REAL)
		verdict = same_real(json_real_value(inner), ours, ours_taken);
	else if (plain && !inner)
		verdict = NOT_COMPARED; /* too large for jansson, or no number */
	json_decref(inner);
	return verdict;
}

static enum verdict judge(json_t *root, const struct media_frame_names *n,
			  const struct media_frame *ours, bool taken)
{
	const json_t *media = json_object_get(root, "media");
	const json_t *payload = json_object_get(media, "payload");
	if (!media || (int)json_typeof(media) != JANSSON_OBJECT || !payload ||
	    (int)json_typeof(payload) != JANSSON_STRING)
		return REFUSED;
	const enum verdict all[] = {
		same_text(payload, ours->payload, taken),
		same_text(json_object_get(root, n->stream_id.p), ours->stream_id, taken),
		same_text(json_object_get(media, "track"), ours->track, taken),
		same_count(json_object_get(root, n->sequence.p), ours->sequence, taken),
		same_count(json_object_get(media, "chunk"), ours->chunk, taken),
		same_count(json_object_get(media, "timestamp"), ours->timestamp, taken),
	};
	enum verdict verdict = TAKEN;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i] == NOT_COMPARED || (all[i] == REFUSED && verdict == TAKEN))
			verdict = all[i];
	return verdict;
}

/* --- ours --- */

static bool read_frame(const struct media_frame_names *n, struct span text, struct arena *a,
		       struct media_frame *out)
{
	struct fault f = { 0 };
	if (json_check(text, &f) != 0 || !json_is_text(json_get(json_of(text), "event"), "media"))
		return false;
	int rc = media_frame_read(n, json_of(text), a, out, &f);
	must(rc == 0 || (rc == E_INVALID && f.text[0]));
	return rc == 0;
}

static void same_frame(const struct media_frame *a, const struct media_frame *b)
{
	must(span_eq(a->payload, b->payload) && span_eq(a->stream_id, b->stream_id));
	must(span_eq(a->track, b->track) && a->sequence == b->sequence);
	must(a->chunk == b->chunk && a->timestamp == b->timestamp);
}

static void compare(const struct media_frame_names *n, struct span text)
{
	struct arena arena = { 0 };
	struct media_frame scanned = { 0 }, read = { 0 };
	bool plain = media_frame_scan(n, text, &scanned);
	bool taken = read_frame(n, text, &arena, &read);
	must(!plain || taken);
	if (plain)
		same_frame(&scanned, &read);
	bool zero = text.n && memchr(text.p, 0, text.n);
	must(!taken || !zero);
	json_t *root =
		json_loadb(text.p, zero ? 0 : text.n,
			   JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
	const json_t *event = json_object_get(root, "event");
	if (event && json_string_value(event) && strcmp(json_string_value(event), "media") == 0 &&
	    json_string_length(event) == 5) {
		enum verdict theirs = judge(root, n, &read, taken);
		must(theirs == NOT_COMPARED || taken == (theirs == TAKEN));
	}
	json_decref(root);
	arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	/* A copy of its exact size, so that a read behind the end is noticed. */
	char *copy = malloc(n ? n : 1);
	struct span text = { memcpy(copy, n ? (const void *)data : "", n), n };
	fractions = has_fractions(text);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		compare(&names[i], text);
	free(copy);
	return 0;
}
