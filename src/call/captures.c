/* What is known in one call. The last REVISABLE turns are kept as what was found in them; what is
 * older is folded into `base`. What is known is base, then those turns, then tools and report:
 *
 *	turn ─► words ─► findings ─┐                    ┌─ tool: unless the caller answered later
 *	        (with the context  ├─► base + findings ─┤
 *	         before the turn)  │                    └─ report: over all
 *	older turns ── folded ─────┘
 *
 * A turn shown again is read again, and so are the turns after it, whose context it is: therefore a
 * turn shown in revisions gives the same as one shown once. A turn of a number that was passed over
 * takes its place; one older than what is kept is ignored. */
#include <stdlib.h>

#include "base/crypto.h"
#include "call/captures.h"

enum { TOOL = 90, REPORT = 95 };

struct captures *captures_new(const struct fields *fields)
{
	struct captures *c = calloc(1, sizeof(*c));
	size_t n = fields->n ? fields->n : 1;
	CHECK(c);
	c->fields = fields;
	c->base = calloc(n, sizeof(*c->base));
	c->now = calloc(n, sizeof(*c->now));
	c->digest = calloc(n, sizeof(*c->digest));
	CHECK(c->base && c->now && c->digest);
	c->context.language = (uint8_t)fields->languages;
	return c;
}

static void shown_fini(struct shown *t)
{
	captures_read_free(t);
	kept_free(&t->text);
}

static void held_free(struct held *list, size_t n)
{
	for (size_t i = 0; list && i < n; i++) {
		kept_free(&list[i].value);
		kept_free(&list[i].passage);
	}
	free(list);
}

void captures_free(struct captures *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < c->shown_n; i++)
		shown_fini(&c->shown[i]);
	held_free(c->base, c->fields->n);
	held_free(c->tools, c->fields->n);
	held_free(c->report, c->fields->n);
	free(c->now);
	free(c->digest);
	free(c);
}

/* --- from findings to what is known --- */

/* Does a value just found take the place of what is known? A mention does not overrule an answer.
 */
static bool displaces(const struct captured *known, const struct finding *f)
{
	if (known->state != FIELD_STATE_CAPTURED)
		return true;
	if (span_eq(known->value, kept_span(&f->value)))
		return f->replaces && known->how == FIELD_BY_MENTION;
	return f->replaces || known->how == FIELD_BY_MENTION;
}

static void see(struct captured *known, const struct shown *t, const struct finding *f)
{
	static const enum field_state states[] = { [FOUND_ASKED] = FIELD_STATE_ASKED,
						   [FOUND_REFUSED] = FIELD_STATE_REFUSED,
						   [FOUND_VALUE] = FIELD_STATE_CAPTURED };
	bool value = f->kind == FOUND_VALUE;
	bool settled = known->state == FIELD_STATE_CAPTURED ||
		       (known->state == FIELD_STATE_REFUSED && f->kind == FOUND_ASKED);
	if (value ? !displaces(known, f) : settled)
		return;
	*known = (struct captured){
		.state = states[f->kind],
		.how = (enum field_how)f->how,
		.confidence = f->confidence,
		.seq = t->seq,
		.offset_ms = t->offset_ms,
		.value = kept_span(&f->value),
		.passage = { t->text.p + f->from, f->length },
	};
}

static bool later(const struct captured *a, const struct captured *b)
{
	if (a->offset_ms >= 0 && b->offset_ms >= 0 && a->offset_ms != b->offset_ms)
		return a->offset_ms > b->offset_ms;
	return a->seq > b->seq;
}

static struct captured merge(const struct captures *c, size_t i)
{
	struct captured known = c->base[i].c;
	for (unsigned t = 0; t < c->shown_n; t++)
		for (unsigned k = 0; k < c->shown[t].found_n; k++)
			if (c->shown[t].found[k].field == i)
				see(&known, &c->shown[t], &c->shown[t].found[k]);
	const struct captured *tool = c->tools ? &c->tools[i].c : NULL;
	const struct captured *report = c->report ? &c->report[i].c : NULL;
	bool told_later = known.state == FIELD_STATE_CAPTURED && known.how == FIELD_BY_ANSWER &&
			  tool && later(&known, tool) && !span_eq(known.value, tool->value);
	if (tool && tool->state == FIELD_STATE_CAPTURED && !told_later)
		known = *tool;
	if (report && report->state == FIELD_STATE_CAPTURED)
		known = *report;
	return known;
}

static uint64_t settle(struct captures *c)
{
	uint64_t changed = 0;
	for (size_t i = 0; i < c->fields->n; i++) {
		struct captured known = merge(c, i);
		bool value = known.state == FIELD_STATE_CAPTURED;
		uint64_t digest = (value ? hash64(known.value) : 0) * 4 + known.state;
		if (digest != c->digest[i])
			changed |= UINT64_C(1) << i;
		c->digest[i] = digest;
		c->now[i] = known;
	}
	return changed;
}

static void hold(struct held *h, const struct captured *c)
{
	struct kept value = { 0 }, passage = { 0 };
	kept_set(&value, c->value);
	kept_set_clipped(&passage, c->passage, FIELD_PASSAGE_MAX);
	kept_free(&h->value);
	kept_free(&h->passage);
	*h = (struct held){ *c, value, passage };
	h->c.value = kept_span(&h->value);
	h->c.passage = kept_span(&h->passage);
}

static void fold_oldest(struct captures *c)
{
	struct shown *t = &c->shown[0];
	for (unsigned k = 0; k < t->found_n; k++) {
		struct held *h = &c->base[t->found[k].field];
		struct captured before = h->c;
		see(&h->c, t, &t->found[k]);
		struct captured after = h->c;
		if (after.value.p != before.value.p || after.passage.p != before.passage.p ||
		    after.seq != before.seq)
			hold(h, &after);
	}
	c->newest_folded = t->number + 1;
	shown_fini(t);
	c->shown_n--;
	memmove(c->shown, c->shown + 1, c->shown_n * sizeof(*t));
}

/* --- showing --- */

/* An assistant's question stands at the end of what it says. */
static struct span clipped(const struct field_turn *turn)
{
	struct span text = turn->text;
	if (turn->speaker == SPEAKER_USER || text.n <= UTTERANCE_BYTES)
		return kept_clip(text, UTTERANCE_BYTES);
	size_t from = text.n - UTTERANCE_BYTES;
	while (from < text.n && ((unsigned char)text.p[from] & 0xC0) == 0x80)
		from++;
	return span_from(text, from);
}

/* The place of the turn; NULL: it is older than what can be revised. */
static struct shown *place(struct captures *c, uint32_t number)
{
	unsigned i = c->shown_n;
	while (i > 0 && c->shown[i - 1].number > number)
		i--;
	if (i > 0 && c->shown[i - 1].number == number)
		return &c->shown[i - 1];
	if (number < c->newest_folded || (i == 0 && c->shown_n == REVISABLE))
		return NULL;
	if (c->shown_n == REVISABLE) {
		fold_oldest(c);
		i--;
	}
	memmove(c->shown + i + 1, c->shown + i, (c->shown_n - i) * sizeof(*c->shown));
	c->shown_n++;
	struct context before = i + 1 < c->shown_n ? c->shown[i + 1].before : c->context;
	c->shown[i] = (struct shown){ .number = number, .before = before };
	return &c->shown[i];
}

uint64_t captures_turn(struct captures *c, const struct field_turn *turn)
{
	struct shown *t = c->fields->n ? place(c, turn->number) : NULL;
	if (!t)
		return 0;
	t->speaker = turn->speaker;
	t->seq = turn->seq;
	t->offset_ms = turn->offset_ms;
	kept_set(&t->text, clipped(turn));
	struct context context = t->before;
	for (struct shown *end = c->shown + c->shown_n; t < end; t++)
		captures_read(c, t, &context);
	c->context = context;
	return settle(c);
}

static bool keep(const struct captures *c, struct held **list, size_t i,
		 const struct field_found *v, const struct captured *how)
{
	if (!*list) {
		*list = calloc(c->fields->n, sizeof(**list));
		CHECK(*list);
	}
	struct held *h = &(*list)[i];
	struct captured known = *how;
	known.state = FIELD_STATE_CAPTURED;
	known.value = (struct span){ v->value, v->n };
	if (h->c.state == FIELD_STATE_CAPTURED && span_eq(h->c.value, known.value))
		return false;
	hold(h, &known);
	return true;
}

uint64_t captures_tool(struct captures *c, struct span name, struct json arguments, uint64_t seq,
		       int64_t offset_ms)
{
	struct field_found v;
	bool any = false;
	for (size_t i = 0; i < c->fields->n; i++) {
		const struct field *f = &c->fields->items[i];
		if (!f->tool.n || !span_eq(f->tool, name))
			continue;
		struct json at = json_path(arguments, f->path.p);
		struct captured how = { .how = FIELD_BY_TOOL,
					.confidence = TOOL,
					.seq = seq,
					.offset_ms = offset_ms,
					.passage = at.raw };
		if (field_value_json(f, c->fields->languages, at, &v))
			any |= keep(c, &c->tools, i, &v, &how);
	}
	return any ? settle(c) : 0;
}

uint64_t captures_report(struct captures *c, struct json structured_data, uint64_t seq)
{
	struct field_found v;
	bool any = false;
	for (size_t i = 0; i < c->fields->n; i++) {
		const struct field *f = &c->fields->items[i];
		struct json at = json_path(structured_data, f->report.n ? f->report.p : f->name.p);
		struct captured how = { .how = FIELD_BY_REPORT,
					.confidence = REPORT,
					.seq = seq,
					.offset_ms = -1,
					.passage = at.raw };
		if (field_value_json(f, c->fields->languages, at, &v))
			any |= keep(c, &c->report, i, &v, &how);
	}
	return any ? settle(c) : 0;
}

const struct captured *captures_at(const struct captures *c, size_t i)
{
	return &c->now[i];
}

size_t captures_bytes(const struct captures *c)
{
	if (!c)
		return 0;
	size_t fields = c->fields->n;
	size_t n = sizeof(*c) + fields * (sizeof(*c->base) + sizeof(*c->now) + sizeof(*c->digest));
	size_t lists_n = (size_t)(c->tools != NULL) + (c->report != NULL);
	n += lists_n * fields * sizeof(*c->base);
	for (unsigned t = 0; t < c->shown_n; t++) {
		n += c->shown[t].text.n + c->shown[t].found_n * sizeof(struct finding);
		for (unsigned k = 0; k < c->shown[t].found_n; k++)
			n += c->shown[t].found[k].value.n;
	}
	struct held *const lists[] = { c->base, c->tools, c->report };
	for (size_t l = 0; l < sizeof(lists) / sizeof(*lists); l++)
		for (size_t i = 0; lists[l] && i < fields; i++)
			n += lists[l][i].value.n + lists[l][i].passage.n;
	return n;
}
