#include "healing/causes.h"

#include <stdlib.h>

#include "call/words.h"

enum {
	SUBJECTS_MAX = 120, /* distinct ones of a window; further ones are not looked at */
	/* A group of fewer calls cannot pass the gate at 30 calls and a limit of a percent or more:
	 * it takes no share of the error probability. */
	GROUP_LEAST = 3,
	SAME_PERCENT = 60, /* questions that share so many of their words are one */
};

static const char *const names[] = {
#define X(id, name, limit, doc) [CAUSE_##id##_KIND] = name,
	CAUSES(X)
#undef X
};

const char *causes_name(enum cause_kind kind)
{
	return names[kind];
}

bool causes_from(struct span name, enum cause_kind *out)
{
	for (size_t i = 0; i < CAUSE_KINDS; i++) {
		if (!span_is(name, names[i]))
			continue;
		*out = (enum cause_kind)i;
		return true;
	}
	return false;
}

/* --- the list --- */

static struct seen_cause *add(struct window *w, struct seen_causes *s, enum cause_kind kind,
			      struct span subject, struct span title)
{
	if (s->n == SUBJECTS_MAX)
		return NULL;
	struct seen_cause *c = &s->of[s->n++];
	*c = (struct seen_cause){ .kind = kind, .subject = subject, .title = title };
	c->hits = arena_alloc(w->arena, w->calls_n * sizeof(*c->hits) + 1);
	c->among = arena_alloc(w->arena, w->calls_n * sizeof(*c->among) + 1);
	return c;
}

static struct seen_cause *find(struct seen_causes *s, enum cause_kind kind, struct span subject)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->of[i].kind == kind && span_eq(s->of[i].subject, subject))
			return &s->of[i];
	return NULL;
}

static struct seen_cause *find_or_add(struct window *w, struct seen_causes *s, enum cause_kind kind,
				      struct span subject, struct span title)
{
	struct seen_cause *c = find(s, kind, subject);
	return c ? c : add(w, s, kind, subject, title);
}

static void hit(struct seen_cause *c, struct hit h)
{
	if (c && (c->hits_n == 0 || c->hits[c->hits_n - 1].call != h.call))
		c->hits[c->hits_n++] = h;
}

struct hit causes_hit(struct window *w, struct json v, size_t call)
{
	struct hit h = { .call = call, .offset_ms = -1 };
	struct json offset = json_get(v, "offset_ms");
	h.has_seq = json_i64(json_get(v, "seq"), &h.seq);
	if (!json_has(offset) || !json_i64(offset, &h.offset_ms))
		h.offset_ms = -1;
	h.speaker = json_text(json_get(v, "speaker"), w->arena);
	h.text = json_text(json_get(v, "text"), w->arena);
	return h;
}

/* --- kind by kind; each looks at all calls --- */

/* A point of failure at which no person spoke but a tool: its words are the error. */
static bool is_of_tool(struct span point)
{
	return span_starts(point, SPAN("tool:")) || span_starts(point, SPAN("search:"));
}

static struct hit point_of(struct window *w, size_t i)
{
	struct hit h = causes_hit(w, w->calls[i].point, i);
	h.reason = json_text(json_get(w->calls[i].point, "key"), w->arena);
	if (!h.speaker.n && is_of_tool(h.reason))
		h.speaker = SPAN("tool");
	return h;
}

static void find_success(struct window *w, struct seen_causes *s)
{
	struct seen_cause *c = add(w, s, CAUSE_SUCCESS_RATE_KIND, SPAN(""), SPAN("Success rate"));
	for (size_t i = 0; c && i < w->calls_n; i++) {
		const struct window_call *call = &w->calls[i];
		c->among[i] = call->eligible && (call->succeeded || call->failed);
		if (c->among[i] && call->failed)
			hit(c, point_of(w, i));
	}
}

/* Where a caller's own doing ended the call, or nothing can be told, there is no point to mend. */
static bool is_a_point(const struct window_call *call, struct span key)
{
	return call->eligible && call->failed && span_is(call->cause, "instructions") && key.n &&
	       !span_is(key, "end");
}

static void find_points(struct window *w, struct seen_causes *s)
{
	for (size_t i = 0; i < w->calls_n; i++) {
		struct hit h = point_of(w, i);
		struct span title = json_text(json_get(w->calls[i].point, "title"), w->arena);
		if (is_a_point(&w->calls[i], h.reason))
			hit(find_or_add(w, s, CAUSE_FAILURE_POINT_KIND, h.reason, title), h);
	}
}

/* The last signal of it; JSON_NONE when the call as a whole was judged so. */
static struct json last_frustration(const struct window_call *call)
{
	struct json_iter it = json_iter(call->signals);
	struct span key;
	struct json v, last = { 0 };
	while (json_next(&it, &key, &v))
		if (json_is_text(json_get(v, "signal"), "frustration"))
			last = v;
	return last;
}

static void find_frustration(struct window *w, struct seen_causes *s)
{
	struct seen_cause *c =
		add(w, s, CAUSE_FRUSTRATION_KIND, SPAN(""), SPAN("Callers get frustrated"));
	for (size_t i = 0; c && i < w->calls_n; i++) {
		struct json signal = last_frustration(&w->calls[i]);
		struct hit at_point = point_of(w, i);
		c->among[i] = w->calls[i].eligible;
		if (!w->calls[i].frustrated || !w->calls[i].eligible)
			continue;
		struct hit h = json_has(signal) ? causes_hit(w, signal, i) : at_point;
		if (json_has(signal))
			h.speaker = SPAN("user");
		h.reason = at_point.reason;
		if (!h.reason.n)
			h.reason = SPAN("succeeded");
		hit(c, h);
	}
}

/* One field of one call. */
static void look_at_field(struct window *w, struct seen_causes *s, size_t i, struct json v)
{
	struct span field = json_text(json_get(v, "field"), w->arena);
	struct seen_cause *c = find(s, CAUSE_MISSING_DATA_KIND, field);
	if (!c)
		return;
	c->among[i] = true;
	struct span state = json_text(json_get(v, "state"), w->arena);
	if (span_is(state, "captured"))
		return;
	struct hit h = causes_hit(w, v, i);
	h.text = json_text(json_get(v, "passage"), w->arena);
	h.reason = state;
	hit(c, h);
}

static void find_missing(struct window *w, struct seen_causes *s)
{
	for (size_t k = 0; k < w->fields_n; k++)
		(void)find_or_add(w, s, CAUSE_MISSING_DATA_KIND, w->fields[k].name,
				  span_of(arena_printf(w->arena, "%.*s is missing",
						       SPAN_ARG(w->fields[k].label))));
	for (size_t i = 0; i < w->calls_n; i++) {
		struct json_iter it = json_iter(w->calls[i].fields);
		struct span key;
		struct json v;
		while (w->calls[i].eligible && json_next(&it, &key, &v))
			look_at_field(w, s, i, v);
	}
}

static struct seen_cause *of_tool(struct window *w, struct seen_causes *s, struct span tool)
{
	return find_or_add(w, s, CAUSE_TOOL_FAILURE_KIND, tool,
			   span_of(arena_printf(w->arena, "Tool %.*s fails", SPAN_ARG(tool))));
}

/* A search that found nothing has not failed. */
static void look_at_failures(struct window *w, struct seen_causes *s, size_t i)
{
	struct json_iter it = json_iter(w->calls[i].tool_failures);
	struct span key;
	struct json v;
	while (json_next(&it, &key, &v)) {
		struct hit h = causes_hit(w, v, i);
		h.reason = json_text(json_get(v, "kind"), w->arena);
		h.text = json_text(json_get(v, "error"), w->arena);
		h.speaker = SPAN("tool");
		struct seen_cause *c = of_tool(w, s, json_text(json_get(v, "tool"), w->arena));
		if (!c || span_is(h.reason, "empty"))
			continue;
		c->among[i] = true;
		hit(c, h);
	}
}

/* `tools`: names of those the call used. */
static void find_tools(struct window *w, struct seen_causes *s)
{
	for (size_t i = 0; i < w->calls_n; i++) {
		struct json_iter it = json_iter(w->calls[i].tools);
		struct span key;
		struct json v;
		while (json_next(&it, &key, &v)) {
			struct seen_cause *c = of_tool(w, s, json_text(v, w->arena));
			if (c)
				c->among[i] = true;
		}
		look_at_failures(w, s, i);
	}
}

/* --- questions, grouped --- */

struct asked {
	struct span key, text;
	struct word_list *words; /* of the key */
	struct hit hit;
	size_t calls; /* how many ask in these very words */
	bool grouped;
};

static size_t collect_questions(struct window *w, struct asked *out, size_t most)
{
	size_t n = 0;
	for (size_t i = 0; i < w->calls_n; i++) {
		struct json_iter it = json_iter(w->calls[i].unanswered);
		struct span key;
		struct json v;
		while (w->calls[i].eligible && n < most && json_next(&it, &key, &v)) {
			struct asked a = { .hit = causes_hit(w, v, i) };
			a.key = json_text(json_get(v, "key"), w->arena);
			a.text = json_text(json_get(v, "question"), w->arena);
			a.hit.text = a.text;
			a.hit.speaker = SPAN("user");
			if (!a.key.n)
				continue;
			a.words = arena_alloc(w->arena, sizeof(*a.words));
			words_read(a.key, a.words);
			out[n++] = a;
		}
	}
	return n;
}

static void count_same(struct asked *a, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n; k++)
			a[i].calls += span_eq(a[i].key, a[k].key);
}

static int by_call(const void *a, const void *b)
{
	size_t x = ((const struct hit *)a)->call, y = ((const struct hit *)b)->call;
	return (x > y) - (x < y);
}

/* All that ask the same as `subject` and are in no group yet. */
static void group(struct window *w, struct seen_causes *s, struct span subject, struct span title,
		  struct asked *a, size_t n)
{
	struct seen_cause *c = add(w, s, CAUSE_UNANSWERED_KIND, subject, title);
	bool *shown = arena_alloc(w->arena, w->calls_n * sizeof(*shown) + 1);
	struct word_list words;
	words_read(subject, &words);
	for (size_t i = 0; c && i < n; i++) {
		if (a[i].grouped || words_similarity(a[i].words, &words) < SAME_PERCENT)
			continue;
		a[i].grouped = true;
		a[i].hit.reason = a[i].key;
		if (!c->title.n)
			c->title = a[i].text;
		if (!shown[a[i].hit.call])
			c->hits[c->hits_n++] = a[i].hit;
		shown[a[i].hit.call] = true;
	}
	if (c)
		qsort(c->hits, c->hits_n, sizeof(*c->hits), by_call);
}

/* The most frequent question that is in no group; of equals the first in the alphabet. */
static struct asked *next_question(struct asked *a, size_t n)
{
	struct asked *best = NULL;
	for (size_t i = 0; i < n; i++) {
		if (a[i].grouped)
			continue;
		if (!best || a[i].calls > best->calls ||
		    (a[i].calls == best->calls && a[i].key.n == best->key.n &&
		     memcmp(a[i].key.p, best->key.p, best->key.n) < 0))
			best = &a[i];
	}
	return best;
}

enum { QUESTIONS_MAX = 1000 };

static void find_questions(struct window *w, struct json open_issues, struct seen_causes *s)
{
	struct asked *a = arena_alloc(w->arena, QUESTIONS_MAX * sizeof(*a));
	size_t n = collect_questions(w, a, QUESTIONS_MAX), from = s->n;
	struct json_iter it = json_iter(open_issues);
	struct span key;
	struct json v;
	count_same(a, n);
	while (json_next(&it, &key, &v))
		if (json_is_text(json_get(v, "cause"), names[CAUSE_UNANSWERED_KIND]))
			group(w, s, json_text(json_get(v, "subject"), w->arena), SPAN(""), a, n);
	for (struct asked *next; s->n < SUBJECTS_MAX && (next = next_question(a, n));)
		group(w, s, next->key, next->text, a, n);
	for (; from < s->n; from++)
		for (size_t i = 0; i < w->calls_n; i++)
			s->of[from].among[i] = w->calls[i].eligible;
}

/* --- all --- */

/* What an issue is open about is looked at also when no call shows it any more. */
static void keep_open_ones(struct window *w, struct json open_issues, struct seen_causes *s)
{
	struct json_iter it = json_iter(open_issues);
	struct span key;
	struct json v;
	while (json_next(&it, &key, &v)) {
		enum cause_kind kind;
		if (causes_from(json_text(json_get(v, "cause"), w->arena), &kind) &&
		    (kind == CAUSE_FAILURE_POINT_KIND || kind == CAUSE_TOOL_FAILURE_KIND))
			(void)find_or_add(w, s, kind, json_text(json_get(v, "subject"), w->arena),
					  json_text(json_get(v, "title"), w->arena));
	}
}

static void count_those_that_matter(struct seen_causes *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct seen_cause *c = &s->of[i];
		bool grouped =
			c->kind == CAUSE_UNANSWERED_KIND || c->kind == CAUSE_FAILURE_POINT_KIND;
		c->counted = !grouped || c->hits_n >= GROUP_LEAST;
		s->counted_n += c->counted;
	}
}

static void points_are_of_all(struct window *w, struct seen_causes *s)
{
	for (size_t k = 0; k < s->n; k++)
		for (size_t i = 0; s->of[k].kind == CAUSE_FAILURE_POINT_KIND && i < w->calls_n; i++)
			s->of[k].among[i] = w->calls[i].eligible;
}

void causes_find(struct window *w, struct json open_issues, struct seen_causes *out)
{
	*out = (struct seen_causes){ 0 };
	out->of = arena_alloc(w->arena, SUBJECTS_MAX * sizeof(*out->of));
	find_success(w, out);
	find_frustration(w, out);
	find_missing(w, out);
	find_tools(w, out);
	find_points(w, out);
	keep_open_ones(w, open_issues, out);
	find_questions(w, open_issues, out);
	points_are_of_all(w, out);
	count_those_that_matter(out);
}
