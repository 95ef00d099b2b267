/* Tags with confidence (D2): the standard ones by their phrases and by what is known of the call,
 * and the project's own by theirs. */
#include "analysis/understand_parts.h"

#include <stdlib.h>

#include "callmend/understanding.h"

enum {
	TAGS_MAX = 200,
	OWN_CONFIDENCE = 80,
	FURTHER_TURN = 5, /* each further turn that says so makes it surer by so much */
	SUREST = 95,
};

static const struct {
	const char *category, *tag;
	enum speaker speaker;
} standard[SIGN_COUNT] = {
#define X(id, category, tag, speaker, doc) [SIGN_##id] = { category, tag, SPEAKER_##speaker },
	SIGNS(X)
#undef X
};

struct own_tag {
	struct span category, tag;
	enum speaker speaker; /* NONE: whoever says it */
};

/* --- the project's own --- */

/* Behind the conditions of the success rule, which are compiled before. */
static uint16_t own_sign(const struct finished *c, size_t i)
{
	return (uint16_t)(SIGN_COUNT + c->conditions_n + i);
}

#define OWN(F, T)                                  \
	F(T, TEXT, tag, "tag", REQUIRED)           \
	F(T, TEXT, category, "category", OPTIONAL) \
	F(T, TEXT, speaker, "speaker", OPTIONAL)   \
	F(T, RAW, phrases, "phrases", REQUIRED)
JSON_STRUCT(own_json, OWN)
JSON_FIELDS(own_json, OWN)

static int add_phrases(struct finished *c, struct json phrases, uint16_t sign, struct fault *f)
{
	struct json_iter it = json_iter(phrases);
	struct span key;
	struct json v;
	if (phrases.kind != JSON_ARRAY || !json_count(phrases) ||
	    json_count(phrases) > UNDERSTANDING_PHRASES_MAX)
		return fault(f, E_INVALID, "phrases: expected 1 to %d", UNDERSTANDING_PHRASES_MAX);
	for (size_t i = 0; json_next(&it, &key, &v); i++)
		if (v.kind != JSON_STRING ||
		    !phrasebook_add_text(c->book, json_text(v, c->arena), sign, OWN_CONFIDENCE))
			return fault(f, E_INVALID, "phrases[%zu]: expected words", i);
	return 0;
}

static int speaker_from(struct span name, enum speaker *out, struct fault *f)
{
	*out = span_is(name, "user") ? SPEAKER_USER
	       : span_is(name, "ai") ? SPEAKER_AI
				     : SPEAKER_NONE;
	if (name.n && *out == SPEAKER_NONE)
		return fault(f, E_INVALID, "speaker: expected ai or user");
	return 0;
}

static int compile_one(struct finished *c, struct json v, struct fault *f)
{
	struct own_tag *t = &c->own_tags[c->own_tags_n];
	struct own_json j = { 0 };
	if (v.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "expected object");
	TRY(JSON_READ(own_json, v, c->arena, &j, f));
	if (!j.tag.n || j.tag.n > UNDERSTANDING_TAG_BYTES_MAX ||
	    j.category.n > UNDERSTANDING_TAG_BYTES_MAX)
		return fault(f, E_INVALID, "tag and category: expected 1 to %d bytes",
			     UNDERSTANDING_TAG_BYTES_MAX);
	t->tag = j.tag;
	t->category = j.category.n ? j.category : SPAN("own");
	TRY(speaker_from(j.speaker, &t->speaker, f));
	TRY(add_phrases(c, j.phrases, own_sign(c, c->own_tags_n), f));
	c->own_tags_n++;
	return 0;
}

int understand_tags_compile(struct finished *c, struct fault *f)
{
	struct json_iter it = json_iter(c->own_tag_list);
	struct span key;
	struct json v;
	if (!json_has(c->own_tag_list))
		return 0;
	if (c->own_tag_list.kind != JSON_ARRAY ||
	    json_count(c->own_tag_list) > UNDERSTANDING_TAGS_MAX)
		return fault(f, E_INVALID, "tags: expected array of at most %d",
			     UNDERSTANDING_TAGS_MAX);
	c->own_tags = arena_alloc(c->arena, json_count(c->own_tag_list) * sizeof(*c->own_tags) + 1);
	for (size_t i = 0; json_next(&it, &key, &v); i++)
		if (compile_one(c, v, f))
			return fault_wrap(f, "tags[%zu]", i);
	return 0;
}

/* --- finding --- */

/* The surer one of equal tags stays. */
static void add(struct finished *c, const struct found_tag *t)
{
	for (size_t i = 0; i < c->tags_n; i++) {
		struct found_tag *known = &c->tags[i];
		if (!span_eq(known->category, t->category) || !span_eq(known->tag, t->tag))
			continue;
		if (t->confidence > known->confidence)
			*known = *t;
		return;
	}
	if (c->tags_n < TAGS_MAX)
		c->tags[c->tags_n++] = *t;
}

static int weight_in(const struct turn *t, uint16_t sign)
{
	int most = 0;
	for (size_t i = 0; i < t->hits_n; i++)
		if (t->hits[i].what == sign && !t->hits[i].negated && t->hits[i].weight > most)
			most = t->hits[i].weight;
	return most;
}

/* Sure as the surest turn, and a little more for every other. */
static void add_by_phrases(struct finished *c, const struct own_tag *tag, uint16_t sign)
{
	struct found_tag found = { .category = tag->category, .tag = tag->tag };
	int best = 0, turns = 0;
	for (size_t i = 0; i < c->turns_n; i++) {
		const struct turn *t = &c->turns[i];
		int weight = tag->speaker == SPEAKER_NONE || tag->speaker == t->speaker
				     ? weight_in(t, sign)
				     : 0;
		turns += weight > 0;
		if (weight <= best)
			continue;
		best = weight;
		found.passage = understand_turns_passage(t);
	}
	if (!best)
		return;
	int surer = best + (turns - 1) * FURTHER_TURN;
	found.confidence = surer < SUREST ? surer : best > SUREST ? best : SUREST;
	add(c, &found);
}

/* Which signs are in the call at all: most are not, and need no walk. */
static void mark_signs(const struct finished *c, bool *there, size_t n)
{
	for (size_t i = 0; i < c->turns_n; i++)
		for (size_t k = 0; k < c->turns[i].hits_n; k++)
			if (c->turns[i].hits[k].what < n)
				there[c->turns[i].hits[k].what] = true;
}

static void add_standard(struct finished *c, const bool *there)
{
	for (unsigned s = 0; s < SIGN_COUNT; s++) {
		struct own_tag tag = { span_of(standard[s].category), span_of(standard[s].tag),
				       standard[s].speaker };
		/* What the words say of the outcome is weighed below. */
		if (there[s] && tag.category.n && !span_is(tag.category, "outcome"))
			add_by_phrases(c, &tag, (uint16_t)s);
	}
}

/* --- outcome: what came of it, in the words of the business --- */

static const char *const outcomes[] = { "booked", "lost", "pending", "escalated" };

/* Tools whose success is a booking, by a part of their name. */
static const char *const booking_tools[] = { "book", "reserv", "schedule", "order", "appointment" };

static const struct used_tool *booking_tool(const struct finished *c)
{
	for (size_t i = 0; i < c->tools_n; i++)
		for (size_t k = 0; k < sizeof(booking_tools) / sizeof(*booking_tools); k++)
			if (c->tools[i].succeeded &&
			    understand_contains(c->tools[i].name, booking_tools[k]))
				return &c->tools[i];
	return NULL;
}

static void add_outcome(struct finished *c, const char *tag, int confidence, struct passage passage)
{
	add(c, &(struct found_tag){ SPAN("outcome"), span_of(tag), confidence, passage });
}

static bool by_label(struct finished *c)
{
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(*outcomes); i++) {
		if (!span_is(c->outcome.label, outcomes[i]))
			continue;
		add_outcome(c, outcomes[i], 99, c->outcome.evidence);
		return true;
	}
	return false;
}

static bool was_transferred(const struct finished *c)
{
	for (size_t i = 0; i < c->commands_n; i++)
		if (span_is(c->commands[i].verb, "transfer") &&
		    (span_is(c->commands[i].state, "accepted") ||
		     span_is(c->commands[i].state, "effect_seen")))
			return true;
	return span_is(c->ended_reason, "assistant-forwarded-call");
}

static bool by_transfer(struct finished *c)
{
	const struct turn *t = understand_turns_last(c, 0, SPEAKER_AI, SIGN_ESCALATED);
	bool moved = was_transferred(c);
	if (!t && !moved)
		return false;
	add_outcome(c, "escalated", moved ? 95 : 75,
		    t ? understand_turns_passage(t) : (struct passage){ 0 });
	return true;
}

static bool by_booking(struct finished *c)
{
	const struct turn *t = understand_turns_last(c, 0, SPEAKER_AI, SIGN_BOOKED);
	const struct used_tool *tool = booking_tool(c);
	bool failed = c->outcome.verdict == VERDICT_FAILURE;
	if ((!t && !tool) || failed)
		return false;
	int confidence = tool ? 90 : c->outcome.verdict == VERDICT_SUCCESS ? 80 : 60;
	add_outcome(c, "booked", confidence,
		    t ? understand_turns_passage(t) : (struct passage){ 0 });
	return true;
}

static bool by_refusal(struct finished *c)
{
	const struct turn *t = understand_turns_last(c, 0, SPEAKER_USER, SIGN_REFUSED);
	if (!t || c->outcome.verdict == VERDICT_SUCCESS)
		return false;
	add_outcome(c, "lost", 85, understand_turns_passage(t));
	return true;
}

static bool by_postponing(struct finished *c)
{
	const struct turn *t = understand_turns_last(c, 0, SPEAKER_USER, SIGN_PENDING);
	if (!t || c->outcome.verdict == VERDICT_SUCCESS)
		return false;
	add_outcome(c, "pending", 70, understand_turns_passage(t));
	return true;
}

static bool by_failure(struct finished *c)
{
	if (c->outcome.verdict == VERDICT_FAILURE && c->conversation)
		add_outcome(c, "lost", 60, c->point.passage);
	return true;
}

void understand_tags_find(struct finished *c)
{
	static bool (*const order[])(struct finished *) = { by_label,	by_transfer,   by_booking,
							    by_refusal, by_postponing, by_failure };
	size_t signs = SIGN_COUNT + c->conditions_n + c->own_tags_n;
	bool *there = arena_alloc(c->arena, signs);
	c->tags = arena_alloc(c->arena, TAGS_MAX * sizeof(*c->tags));
	mark_signs(c, there, signs);
	add_standard(c, there);
	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++)
		if (order[i](c))
			break;
	for (size_t i = 0; i < c->own_tags_n; i++)
		if (there[own_sign(c, i)])
			add_by_phrases(c, &c->own_tags[i], own_sign(c, i));
}
