/* Every Vapi message repeats prompt, tools and the whole conversation so far. What the call has
 * seen before is replaced here by
 *
 *	{"$seen":{"bytes":n,"xxh3":"16 hex digits"}}            an object or text
 *	{"$seen":{"count":k,"bytes":n,"xxh3":"..."}}            k elements of an array in a row
 *
 * so that a call of n turns costs the journal O(n) bytes, not O(n^2). A marker keeps `id` and
 * `name` where read() needs them.
 *
 * Reducing and remembering walk the same tables over the same bytes: reduce asks the seen set and
 * writes, remember adds to it. The call, whose insides are reduced too, is compared in its reduced
 * form, as that is all that remember gets to see. The artifact is never replaced as a whole: read()
 * must see whether it has messages.
 *
 * Array elements are known by their bytes if they carry a time, else by bytes and place: two "yes"
 * at different places of an OpenAI-formatted history are two entries. */
#include <inttypes.h>

#include "dialect/scan.h"
#include "dialect/vapi_parts.h"

enum { MARKER_MIN = 80 }; /* shorter parts stay: a marker would save nothing */

struct pass {
	const char *end;
	const char *copied;	  /* reduce: all before this is in out */
	struct buf *out;	  /* NULL: remember */
	const struct seen *known; /* reduce */
	struct seen *learn;	  /* remember */
};

struct rule {
	struct span name;
	/* Gives what is behind the value that begins at p. */
	const char *(*walk)(struct pass *, const struct rule *, const char *p);
	const struct rule *inner;
	size_t inner_n;
};

static const char *walk_object(struct pass *w, const char *p, const struct rule *rules, size_t n)
{
	struct scan s = scan_open(p, w->end);
	struct span name;
	while (scan_next(&s, &name)) {
		const struct rule *rule = NULL;
		for (size_t i = 0; i < n && !rule; i++)
			rule = span_eq(name, rules[i].name) ? &rules[i] : NULL;
		s.p = rule ? rule->walk(w, rule, s.p) : scan_value(s.p, w->end);
	}
	return s.p;
}

static struct span between(const char *p, const char *behind)
{
	return (struct span){ p, (size_t)(behind - p) };
}

static void copy_up_to(struct pass *w, const char *p)
{
	buf_add(w->out, between(w->copied, p));
	w->copied = p;
}

static void put_member(struct buf *out, const char *name, struct json value)
{
	if (json_has(value))
		buf_printf(out, ",\"%s\":%.*s", name, SPAN_ARG(value.raw));
}

/* `kept`: members of the part that its marker still shows. */
static void put_marker(struct pass *w, size_t count, struct span part, uint64_t hash,
		       struct json kept)
{
	buf_addz(w->out, "{\"$seen\":{");
	if (count)
		buf_printf(w->out, "\"count\":%zu,", count);
	buf_printf(w->out, "\"bytes\":%zu,\"xxh3\":\"%016" PRIx64 "\"}", part.n, hash);
	put_member(w->out, "id", json_get(kept, "id"));
	put_member(w->out, "name", json_get(kept, "name"));
	buf_addc(w->out, '}');
	w->copied = part.p + part.n;
}

/* Known before? Remembering only ever learns. */
static bool is_known(struct pass *w, uint64_t key)
{
	if (w->learn)
		(void)seen_add(w->learn, key);
	return !w->learn && seen_has(w->known, key);
}

/* A part that is replaced whole; `kept` as put_marker. */
static const char *pass_part(struct pass *w, struct json part, struct json kept)
{
	size_t count;
	const char *behind = part.raw.p + part.raw.n;
	if (part.raw.n < MARKER_MIN || vapi_is_marker(part, &count))
		return behind;
	uint64_t hash = hash64(part.raw);
	if (is_known(w, key_end(hash))) {
		copy_up_to(w, part.raw.p);
		put_marker(w, 0, part.raw, hash, kept);
	}
	return behind;
}

static const char *walk_part(struct pass *w, const struct rule *rule, const char *p)
{
	(void)rule;
	return pass_part(w, scan_at(p, w->end), (struct json){ 0 });
}

/* An assistant: who it is stays readable. */
static const char *walk_named(struct pass *w, const struct rule *rule, const char *p)
{
	struct json part = scan_at(p, w->end);
	(void)rule;
	return pass_part(w, part, part);
}

/* Goes into an object that is never replaced itself. */
static const char *walk_inside(struct pass *w, const struct rule *rule, const char *p)
{
	return *p == '{' ? walk_object(w, p, rule->inner, rule->inner_n) : scan_value(p, w->end);
}

/* An object with parts of its own that also repeats as a whole: its reduced form is what is known
 * or not. */
static const char *walk_whole(struct pass *w, const struct rule *rule, const char *p)
{
	if (*p != '{')
		return scan_value(p, w->end);
	if (w->learn) {
		const char *behind = walk_object(w, p, rule->inner, rule->inner_n);
		return pass_part(w, (struct json){ JSON_OBJECT, between(p, behind) },
				 (struct json){ 0 });
	}
	copy_up_to(w, p);
	size_t start = w->out->n;
	const char *behind = walk_object(w, p, rule->inner, rule->inner_n);
	copy_up_to(w, behind);
	struct json reduced = { JSON_OBJECT, { w->out->p + start, w->out->n - start } };
	size_t count;
	uint64_t hash = hash64(reduced.raw);
	if (reduced.raw.n < MARKER_MIN || vapi_is_marker(reduced, &count) ||
	    !seen_has(w->known, key_end(hash)))
		return behind;
	w->out->n = start;
	put_marker(w, 0, between(p, behind), hash,
		   (struct json){ JSON_OBJECT, between(p, behind) });
	return behind;
}

/* Text that only grows, and that history tells piece by piece: left out. */
static const char *walk_growing(struct pass *w, const struct rule *rule, const char *p)
{
	struct json text = scan_at(p, w->end);
	(void)rule;
	if (w->out && text.kind == JSON_STRING && text.raw.n >= MARKER_MIN) {
		copy_up_to(w, p);
		put_marker(w, 0, text.raw, hash64(text.raw), (struct json){ 0 });
	}
	return text.raw.p + text.raw.n;
}

/* Elements in a row that are known. */
struct run {
	const char *from, *to;
	size_t count;
};

static void end_run(struct pass *w, struct run *run)
{
	struct span part = between(run->from, run->to);
	if (run->count && part.n >= MARKER_MIN) {
		copy_up_to(w, part.p);
		put_marker(w, run->count, part, hash64(part), (struct json){ 0 });
	}
	run->count = 0;
}

static bool element_is_known(struct pass *w, struct json element, size_t index)
{
	uint64_t by_bytes = key_end(key_number(hash64(element.raw), -1));
	uint64_t by_place = key_end(key_number(by_bytes, (int64_t)index));
	if (w->learn)
		return is_known(w, json_has(json_get(element, "time")) ? by_bytes : by_place);
	return seen_has(w->known, by_bytes) || seen_has(w->known, by_place);
}

static const char *walk_elements(struct pass *w, const struct rule *rule, const char *p)
{
	if (*p != '[')
		return scan_value(p, w->end);
	struct scan s = scan_open(p, w->end);
	struct span none;
	struct run run = { 0 };
	size_t index = 0, count;
	(void)rule;
	while (scan_next(&s, &none)) {
		struct json element = scan_at(s.p, w->end);
		bool marker = vapi_is_marker(element, &count);
		if (marker || !element_is_known(w, element, index)) {
			end_run(w, &run);
		} else {
			run.from = run.count++ ? run.from : s.p;
			run.to = element.raw.p + element.raw.n;
		}
		index += count;
		s.p = element.raw.p + element.raw.n;
	}
	end_run(w, &run);
	return s.p;
}

/* An array of objects with parts of their own. */
static const char *walk_each(struct pass *w, const struct rule *rule, const char *p)
{
	if (*p != '[')
		return scan_value(p, w->end);
	struct scan s = scan_open(p, w->end);
	struct span none;
	while (scan_next(&s, &none))
		s.p = walk_inside(w, rule, s.p);
	return s.p;
}

/* --- what is repeated where (docs/vapi.md) --- */
#define COUNT(table) (sizeof(table) / sizeof(*(table)))
#define INNER(table) (table), COUNT(table)

static const struct rule performance_rules[] = {
	{ SPAN("turnLatencies"), walk_elements, NULL, 0 },
};
static const struct rule artifact_rules[] = {
	{ SPAN("messages"), walk_elements, NULL, 0 },
	{ SPAN("messagesOpenAIFormatted"), walk_elements, NULL, 0 },
	{ SPAN("transcript"), walk_growing, NULL, 0 },
	{ SPAN("variableValues"), walk_part, NULL, 0 },
	{ SPAN("variables"), walk_part, NULL, 0 },
	{ SPAN("recording"), walk_part, NULL, 0 },
	{ SPAN("performanceMetrics"), walk_inside, INNER(performance_rules) },
	{ SPAN("transfers"), walk_elements, NULL, 0 },
	{ SPAN("nodes"), walk_elements, NULL, 0 },
	{ SPAN("assistantActivations"), walk_elements, NULL, 0 },
};
static const struct rule call_rules[] = {
	{ SPAN("assistant"), walk_named, NULL, 0 },
	{ SPAN("assistantOverrides"), walk_part, NULL, 0 },
	{ SPAN("squad"), walk_part, NULL, 0 },
	{ SPAN("squadOverrides"), walk_part, NULL, 0 },
	{ SPAN("workflow"), walk_part, NULL, 0 },
	{ SPAN("workflowOverrides"), walk_part, NULL, 0 },
	{ SPAN("phoneNumber"), walk_part, NULL, 0 },
	{ SPAN("customer"), walk_part, NULL, 0 },
	{ SPAN("messages"), walk_elements, NULL, 0 },
	{ SPAN("artifact"), walk_inside, INNER(artifact_rules) },
};
static const struct rule tool_rules[] = {
	{ SPAN("function"), walk_part, NULL, 0 },
	{ SPAN("server"), walk_part, NULL, 0 },
	{ SPAN("messages"), walk_part, NULL, 0 },
};
static const struct rule message_rules[] = {
	{ SPAN("call"), walk_whole, INNER(call_rules) },
	{ SPAN("assistant"), walk_named, NULL, 0 },
	{ SPAN("newAssistant"), walk_named, NULL, 0 },
	{ SPAN("toAssistant"), walk_named, NULL, 0 },
	{ SPAN("fromAssistant"), walk_named, NULL, 0 },
	{ SPAN("toStepRecord"), walk_named, NULL, 0 },
	{ SPAN("fromStepRecord"), walk_named, NULL, 0 },
	{ SPAN("squad"), walk_part, NULL, 0 },
	{ SPAN("phoneNumber"), walk_part, NULL, 0 },
	{ SPAN("customer"), walk_part, NULL, 0 },
	{ SPAN("artifact"), walk_inside, INNER(artifact_rules) },
	{ SPAN("messages"), walk_elements, NULL, 0 },
	{ SPAN("messagesOpenAIFormatted"), walk_elements, NULL, 0 },
	{ SPAN("conversation"), walk_elements, NULL, 0 },
	{ SPAN("toolWithToolCallList"), walk_each, INNER(tool_rules) },
};
static void walk_top(struct pass *w, struct span body)
{
	const char *message = vapi_find_message(body);
	if (message)
		(void)walk_object(w, message, INNER(message_rules));
}

void vapi_reduce(struct span masked, const struct envelope *e, const struct seen *seen,
		 struct buf *out)
{
	struct pass w = {
		.end = masked.p + masked.n, .copied = masked.p, .out = out, .known = seen
	};
	buf_reserve(out, masked.n);
	if (!e->keep_whole)
		walk_top(&w, masked);
	copy_up_to(&w, w.end);
}

/* Of messages that are kept whole nothing is remembered: their history was not read, so what they
 * brought is not known yet. */
void vapi_remember(struct span reduced, struct seen *seen)
{
	struct pass w = { .end = reduced.p + reduced.n, .learn = seen };
	struct arena arena = { 0 };
	if (!vapi_type_of(vapi_message_type(reduced, &arena))->whole)
		walk_top(&w, reduced);
	arena_fini(&arena);
}
