/* The flat frame of RingCX's WebSocket, read three times: by the scanner in place, by the careful
 * reader, and by jansson. Accepted or refused alike, with the same members. Not compared: what
 * tests/fuzz/media_frame_fuzz.c does not compare either. */
#include <math.h>
#include <stdlib.h>

#include "dialect/media_frame.h"
#include "dialect/ringcx_parts.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/jansson.h"

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* --- jansson's opinion --- */

enum verdict { TAKEN, REFUSED, NOT_COMPARED };

static enum verdict same_text(const json_t *v, struct span ours, bool taken)
{
	if (!v || (int)json_typeof(v) == JANSSON_NULL)
		return taken && ours.n ? REFUSED : TAKEN;
	if ((int)json_typeof(v) != JANSSON_STRING)
		return REFUSED;
	struct span theirs = { json_string_value(v), json_string_length(v) };
	if (theirs.n && memchr(theirs.p, 0, theirs.n))
		return NOT_COMPARED; /* mended by ours */
	must(!taken || span_eq(ours, theirs));
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

/* As a number; texts are not compared. */
static enum verdict same_count(const json_t *v, int64_t ours, bool taken)
{
	if (!v || (int)json_typeof(v) == JANSSON_NULL) {
		must(!taken || ours == -1);
		return TAKEN;
	}
	if ((int)json_typeof(v) == JANSSON_STRING)
		return NOT_COMPARED;
	if ((int)json_typeof(v) != JANSSON_REAL)
		return REFUSED;
	double d = json_real_value(v);
	if (fabs(d) >= 9007199254740992.0 || (fractions && !taken))
		return NOT_COMPARED;
	if (d != floor(d) || d < 0)
		return REFUSED;
	must(!taken || ours == (int64_t)d);
	return TAKEN;
}

static enum verdict judge(const json_t *root, const struct media_frame *ours, bool taken)
{
	const json_t *media = json_object_get(root, "media");
	if (!media || (int)json_typeof(media) != JANSSON_STRING)
		return REFUSED;
	const enum verdict all[] = {
		same_text(media, ours->payload, taken),
		same_text(json_object_get(root, "perspective"), ours->track, taken),
		same_count(json_object_get(root, "sequenceId"), ours->sequence, taken),
	};
	enum verdict verdict = TAKEN;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i] == NOT_COMPARED || (all[i] == REFUSED && verdict == TAKEN))
			verdict = all[i];
	return verdict;
}

/* --- ours --- */

static bool read_frame(struct span text, struct arena *a, struct media_frame *out)
{
	struct fault f = { 0 };
	if (json_check(text, &f) != 0 || !json_is_text(json_get(json_of(text), "event"), "Media"))
		return false;
	int rc = ringcx_frame_read(json_of(text), a, out, &f);
	must(rc == 0 || (rc == E_INVALID && f.text[0]));
	return rc == 0;
}

static void same_frame(const struct media_frame *a, const struct media_frame *b)
{
	must(span_eq(a->payload, b->payload) && span_eq(a->track, b->track));
	must(a->sequence == b->sequence && a->chunk == -1 && b->chunk == -1);
	must(a->stream_id.n == 0 && b->stream_id.n == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	/* A copy of its exact size, so that a read behind the end is noticed. */
	char *copy = malloc(n ? n : 1);
	struct span text = { memcpy(copy, n ? (const void *)data : "", n), n };
	struct arena arena = { 0 };
	struct media_frame scanned = { 0 }, read = { 0 };
	bool plain = ringcx_frame_scan(text, &scanned);
	bool taken = read_frame(text, &arena, &read);
	must(!plain || taken);
	if (plain)
		same_frame(&scanned, &read);
	bool zero = text.n && memchr(text.p, 0, text.n);
	fractions = has_fractions(text);
	must(!taken || !zero);
	json_t *root =
		json_loadb(text.p, zero ? 0 : text.n,
			   JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
	const json_t *event = json_object_get(root, "event");
	if (event && json_string_value(event) && strcmp(json_string_value(event), "Media") == 0 &&
	    json_string_length(event) == 5) {
		enum verdict theirs = judge(root, &read, taken);
		must(theirs == NOT_COMPARED || taken == (theirs == TAKEN));
	}
	json_decref(root);
	arena_fini(&arena);
	free(copy);
	return 0;
}
