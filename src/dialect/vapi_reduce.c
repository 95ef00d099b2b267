/* Every Vapi message repeats prompt, tools and the whole conversation so far. What the call has
 * sent before is replaced here by
 *
 *	{"$seen":{"bytes":n,"xxh3":"16 hex digits"}}    an object or text, by its seeded hash
 *	{"$seen":{"count":k,"bytes":n}}                 k elements of an array in a row
 *	{"$seen":{"bytes":n}}                           text that history tells piece by piece
 *
 * so that a call of n turns costs the journal O(n) bytes, not O(n^2). A marker keeps `id` and
 * `name` where read() needs them.
 *
 * Happy path: at nearly every place stands what stood there last. So its length is guessed from
 * last time, and if the hash of that many bytes is right the part is known and its end found, with
 * one look at each byte. Else its end is looked for, and its hash in the set.
 *
 * The bytes may be anything: they were not checked. Only whole parts are taken out, and between the
 * elements of a row only single commas, so that the reduced body is valid JSON exactly when the
 * whole one is: a marker cannot hide a mistake beside it, as it is itself refused wherever no value
 * may stand.
 *
 * The call, whose insides are reduced too, is compared in its reduced form. The artifact is never
 * replaced as a whole: read() must see whether it has messages.
 *
 * Array elements are known by their bytes if they carry a time, else by bytes and place: two "yes"
 * at different places of an OpenAI-formatted history are two entries. */
#include <inttypes.h>

#include "dialect/scan.h"
#include "dialect/vapi_parts.h"

enum {
	MARKER_MIN = 80,   /* shorter parts stay: a marker would save nothing */
	MARKER_BYTES = 96, /* without members that it keeps */
	NEWEST = 2,	   /* elements that may still change do not belong to a row learned whole */
	ROW_STEP = 8,	   /* a row is learned anew when it has grown by so many */
	IN_CALL = 32,	   /* places of the call's parts begin here */
};

struct pass {
	const char *end;
	const char *copied; /* all before this is in out */
	struct buf *out;
	const struct repeats *known;
	struct repeats_news *news;
	size_t places; /* of the object that is walked; added to the rules' */
};

struct rule {
	struct span name;
	/* Gives what is behind the value that begins at p, of which there is at least a byte. */
	const char *(*walk)(struct pass *, const struct rule *, const char *p);
	size_t place;
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

static void put_member(struct buf *out, const char *name, struct span value)
{
	if (value.n)
		buf_printf(out, ",\"%s\":%.*s", name, SPAN_ARG(value));
}

static const struct repeat *last_at(const struct pass *w, const struct rule *rule)
{
	static const struct repeat nothing;

	return w->known->last ? &w->known->last[w->places + rule->place] : &nothing;
}

/* May the part of last time stand here, too? */
static bool may_be(const struct pass *w, const struct repeat *last, const char *p)
{
	if (last->bytes == 0 || last->bytes >= (size_t)(w->end - p))
		return false;
	char behind = p[last->bytes];
	return behind == ',' || behind == '}' || behind == ']' || (behind > 0 && behind <= ' ');
}

static bool is_last(const struct pass *w, const struct repeat *last, const char *p)
{
	return may_be(w, last, p) &&
	       hash64_seeded((struct span){ p, last->bytes }, w->known->seed) == last->hash;
}

static uint64_t hash_of(const struct pass *w, struct span part)
{
	return hash64_seeded(part, w->known->seed);
}

static void note(struct pass *w, uint64_t key, size_t place, struct repeat part)
{
	repeats_note(w->news, &(struct repeat_note){ key, place, part });
}

/* --- parts that are replaced whole --- */

static struct span member_of(const char *part, struct repeat_member m)
{
	return (struct span){ part + m.at, m.n };
}

static void put_marker(struct pass *w, const char *p, const struct repeat *part)
{
	copy_up_to(w, p);
	buf_printf(w->out, "{\"$seen\":{\"bytes\":%" PRIu32 ",\"xxh3\":\"%016" PRIx64 "\"}",
		   part->bytes, part->hash);
	put_member(w->out, "id", member_of(p, part->id));
	put_member(w->out, "name", member_of(p, part->name));
	buf_addc(w->out, '}');
	w->copied = p + part->bytes;
}

static struct repeat_member find_member(struct json part, const char *name)
{
	struct json v = json_get(part, name);
	if (!json_has(v))
		return (struct repeat_member){ 0 };
	return (struct repeat_member){ (uint32_t)(v.raw.p - part.raw.p), (uint32_t)v.raw.n };
}

/* Only what ends by itself can be known by its first bytes, and long numbers are no parts. */
static bool is_worth_it(struct json part)
{
	size_t count;
	return part.kind >= JSON_STRING && part.raw.n >= MARKER_MIN && part.raw.n < UINT32_MAX &&
	       !vapi_is_marker(part, &count);
}

enum named { NAMELESS, NAMED };

static const char *pass_part(struct pass *w, const struct rule *rule, const char *p,
			     enum named named)
{
	const struct repeat *last = last_at(w, rule);
	if (is_last(w, last, p)) {
		put_marker(w, p, last);
		return p + last->bytes;
	}
	struct json part = scan_at(p, w->end);
	const char *behind = part.raw.p + part.raw.n;
	if (!is_worth_it(part))
		return behind;
	struct repeat r = { .hash = hash_of(w, part.raw), .bytes = (uint32_t)part.raw.n };
	if (named == NAMED) {
		r.id = find_member(part, "id");
		r.name = find_member(part, "name");
	}
	if (seen_has(&w->known->keys, key_end(r.hash)))
		put_marker(w, part.raw.p, &r);
	note(w, key_end(r.hash), w->places + rule->place, r);
	return behind;
}

static const char *walk_part(struct pass *w, const struct rule *rule, const char *p)
{
	return pass_part(w, rule, p, NAMELESS);
}

/* An assistant: who it is stays readable. */
static const char *walk_named(struct pass *w, const struct rule *rule, const char *p)
{
	return pass_part(w, rule, p, NAMED);
}

/* Goes into an object that is never replaced itself. */
static const char *walk_inside(struct pass *w, const struct rule *rule, const char *p)
{
	return *p == '{' ? walk_object(w, p, rule->inner, rule->inner_n) : scan_value(p, w->end);
}

/* The reduced form at `start` of out gives way to a marker for the `bytes` that it was made of. */
static void replace_form(struct pass *w, size_t start, struct json form, size_t bytes,
			 uint64_t hash)
{
	struct buf *out = w->out;
	size_t form_n = form.raw.n;
	buf_reserve(out, form_n + MARKER_BYTES);
	form.raw.p = out->p + start;
	struct json id = json_get(form, "id"), name = json_get(form, "name");
	buf_printf(out, "{\"$seen\":{\"bytes\":%zu,\"xxh3\":\"%016" PRIx64 "\"}", bytes, hash);
	put_member(out, "id", json_has(id) ? id.raw : (struct span){ 0 });
	put_member(out, "name", json_has(name) ? name.raw : (struct span){ 0 });
	buf_addc(out, '}');
	memmove(out->p + start, out->p + start + form_n, out->n - start - form_n);
	out->n -= form_n;
}

/* An object with parts of its own that also repeats as a whole: its reduced form is what is known
 * or not. */
static const char *walk_whole(struct pass *w, const struct rule *rule, const char *p)
{
	if (*p != '{')
		return scan_value(p, w->end);
	copy_up_to(w, p);
	size_t start = w->out->n;
	w->places = IN_CALL;
	const char *behind = walk_object(w, p, rule->inner, rule->inner_n);
	w->places = 0;
	copy_up_to(w, behind);
	struct json form = { JSON_OBJECT, { w->out->p + start, w->out->n - start } };
	if (!is_worth_it(form))
		return behind;
	uint64_t hash = hash_of(w, form.raw);
	if (seen_has(&w->known->keys, key_end(hash)))
		replace_form(w, start, form, (size_t)(behind - p), hash);
	else
		note(w, key_end(hash), REPEAT_PLACES, (struct repeat){ 0 });
	return behind;
}

/* Text that only grows, and that history tells piece by piece: left out, which is why it is checked
 * here. */
static const char *walk_growing(struct pass *w, const struct rule *rule, const char *p)
{
	struct json text = scan_at(p, w->end);
	(void)rule;
	if (text.kind == JSON_STRING && text.raw.n >= MARKER_MIN &&
	    json_check(text.raw, NULL) == 0) {
		copy_up_to(w, text.raw.p);
		buf_printf(w->out, "{\"$seen\":{\"bytes\":%zu}}", text.raw.n);
		w->copied = text.raw.p + text.raw.n;
	}
	return text.raw.p + text.raw.n;
}

/* --- elements --- */

/* An array that is walked: known elements in a row, and the first elements, to be known at once the
 * next time. */
struct row {
	const char *from, *to; /* known in a row, with single commas between */
	size_t count;
	const char *first;		/* element */
	const char *behind[NEWEST + 1]; /* the last elements, newest first */
	bool clean;			/* only elements and single commas so far */
	size_t elements, learned;
};

static void end_run(struct pass *w, struct row *row)
{
	size_t bytes = row->count ? (size_t)(row->to - row->from) : 0;
	if (bytes >= MARKER_MIN) {
		copy_up_to(w, row->from);
		buf_printf(w->out, "{\"$seen\":{\"count\":%zu,\"bytes\":%zu}}", row->count, bytes);
		w->copied = row->to;
	}
	row->count = 0;
}

static bool element_is_known(struct pass *w, struct json element, size_t index)
{
	uint64_t by_bytes = key_end(key_number(hash_of(w, element.raw), -1));
	uint64_t by_place = key_end(key_number(by_bytes, (int64_t)index));
	if (seen_has(&w->known->keys, by_bytes) || seen_has(&w->known->keys, by_place))
		return true;
	note(w, json_has(json_get(element, "time")) ? by_bytes : by_place, REPEAT_PLACES,
	     (struct repeat){ 0 });
	return false;
}

/* Is there nothing but one comma and white space? */
static bool is_comma(const char *p, const char *to)
{
	size_t commas = 0;
	for (; p < to; p++) {
		if (*p != ',' && *p != ' ' && *p != '\n' && *p != '\t' && *p != '\r')
			return false;
		commas += *p == ',';
	}
	return commas == 1;
}

static void begin_row(struct pass *w, const struct rule *rule, struct scan *s, struct row *row)
{
	const struct repeat *last = last_at(w, rule);
	const char *p = s->p;
	while (p < w->end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	*row = (struct row){ .first = p, .clean = true };
	if (!is_last(w, last, p))
		return;
	row->from = p;
	row->to = row->behind[0] = s->p = p + last->bytes;
	row->count = row->elements = row->learned = last->count;
}

static void add_element(struct pass *w, struct row *row, struct json element, bool known)
{
	const char *p = element.raw.p;
	bool joined = row->elements ? is_comma(row->behind[0], p) : p == row->first;
	row->clean &= joined;
	if (!known || !joined)
		end_run(w, row);
	memmove(row->behind + 1, row->behind, NEWEST * sizeof(*row->behind));
	row->behind[0] = p + element.raw.n;
	row->elements++;
	if (!known)
		return;
	row->from = row->count++ ? row->from : p;
	row->to = row->behind[0];
}

/* The newest elements may still change and stay out. */
static void learn_row(struct pass *w, const struct rule *rule, const struct row *row)
{
	if (!row->clean || row->elements < row->learned + NEWEST + ROW_STEP)
		return;
	struct span part = between(row->first, row->behind[NEWEST]);
	if (part.n >= MARKER_MIN && part.n < UINT32_MAX)
		note(w, 0, w->places + rule->place,
		     (struct repeat){ .hash = hash_of(w, part),
				      .bytes = (uint32_t)part.n,
				      .count = (uint32_t)(row->elements - NEWEST) });
}

static const char *walk_elements(struct pass *w, const struct rule *rule, const char *p)
{
	if (*p != '[')
		return scan_value(p, w->end);
	struct scan s = scan_open(p, w->end);
	struct span none;
	struct row row;
	begin_row(w, rule, &s, &row);
	size_t index = row.elements, count;
	while (scan_next(&s, &none)) {
		struct json element = scan_at(s.p, w->end);
		s.p = element.raw.p + element.raw.n;
		if (element.kind == JSON_NONE)
			break;
		bool marker = vapi_is_marker(element, &count);
		row.clean &= !marker;
		add_element(w, &row, element, !marker && element_is_known(w, element, index));
		index += count;
	}
	end_run(w, &row);
	learn_row(w, rule, &row);
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

/* --- what is repeated where (docs/vapi.md) ---
 *
 * The numbers are places (struct repeats): below IN_CALL, and different wherever one body can have
 * two parts. */
#define COUNT(table) (sizeof(table) / sizeof(*(table)))
#define INNER(table) (table), COUNT(table)

static const struct rule performance_rules[] = {
	{ SPAN("turnLatencies"), walk_elements, 25, NULL, 0 },
};
static const struct rule artifact_rules[] = {
	{ SPAN("messages"), walk_elements, 15, NULL, 0 },
	{ SPAN("messagesOpenAIFormatted"), walk_elements, 16, NULL, 0 },
	{ SPAN("transcript"), walk_growing, 17, NULL, 0 },
	{ SPAN("variableValues"), walk_part, 18, NULL, 0 },
	{ SPAN("variables"), walk_part, 19, NULL, 0 },
	{ SPAN("recording"), walk_part, 20, NULL, 0 },
	{ SPAN("performanceMetrics"), walk_inside, 21, INNER(performance_rules) },
	{ SPAN("transfers"), walk_elements, 22, NULL, 0 },
	{ SPAN("nodes"), walk_elements, 23, NULL, 0 },
	{ SPAN("assistantActivations"), walk_elements, 24, NULL, 0 },
};
static const struct rule call_rules[] = {
	{ SPAN("assistant"), walk_named, 0, NULL, 0 },
	{ SPAN("assistantOverrides"), walk_part, 1, NULL, 0 },
	{ SPAN("squad"), walk_part, 2, NULL, 0 },
	{ SPAN("squadOverrides"), walk_part, 3, NULL, 0 },
	{ SPAN("workflow"), walk_part, 4, NULL, 0 },
	{ SPAN("workflowOverrides"), walk_part, 5, NULL, 0 },
	{ SPAN("phoneNumber"), walk_part, 6, NULL, 0 },
	{ SPAN("customer"), walk_part, 7, NULL, 0 },
	{ SPAN("messages"), walk_elements, 8, NULL, 0 },
	{ SPAN("artifact"), walk_inside, 9, INNER(artifact_rules) },
};
static const struct rule tool_rules[] = {
	{ SPAN("function"), walk_part, 26, NULL, 0 },
	{ SPAN("server"), walk_part, 27, NULL, 0 },
	{ SPAN("messages"), walk_part, 28, NULL, 0 },
};
static const struct rule message_rules[] = {
	{ SPAN("call"), walk_whole, 0, INNER(call_rules) },
	{ SPAN("assistant"), walk_named, 1, NULL, 0 },
	{ SPAN("newAssistant"), walk_named, 2, NULL, 0 },
	{ SPAN("toAssistant"), walk_named, 3, NULL, 0 },
	{ SPAN("fromAssistant"), walk_named, 4, NULL, 0 },
	{ SPAN("toStepRecord"), walk_named, 5, NULL, 0 },
	{ SPAN("fromStepRecord"), walk_named, 6, NULL, 0 },
	{ SPAN("squad"), walk_part, 7, NULL, 0 },
	{ SPAN("phoneNumber"), walk_part, 8, NULL, 0 },
	{ SPAN("customer"), walk_part, 9, NULL, 0 },
	{ SPAN("artifact"), walk_inside, 10, INNER(artifact_rules) },
	{ SPAN("messages"), walk_elements, 11, NULL, 0 },
	{ SPAN("messagesOpenAIFormatted"), walk_elements, 12, NULL, 0 },
	{ SPAN("conversation"), walk_elements, 13, NULL, 0 },
	{ SPAN("toolWithToolCallList"), walk_each, 14, INNER(tool_rules) },
};
_Static_assert(IN_CALL * 2 <= REPEAT_PLACES, "each place once for the message, once for its call");

void vapi_reduce(struct span body, const struct envelope *e, const struct repeats *known,
		 struct buf *out, struct repeats_news *news)
{
	struct pass w = {
		.end = body.p + body.n, .copied = body.p, .out = out, .known = known, .news = news
	};
	const char *message = e->keep_whole ? NULL : vapi_find_message(body);
	if (message)
		(void)walk_object(&w, message, INNER(message_rules));
	copy_up_to(&w, w.end);
}
