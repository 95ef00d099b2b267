/* What the project wants to know, shown to the engine that also watches live calls (callmend/
 * fields.h): turns and tool calls in the order they came in, then the report. */
#include "analysis/understand_parts.h"

static void show_turn(struct finished *c, const struct turn *t)
{
	(void)captures_turn(c->captures, &(struct field_turn){ .speaker = t->speaker,
							       .number = t->number,
							       .text = t->text,
							       .seq = (uint64_t)t->seq,
							       .offset_ms = t->offset_ms });
}

static void show_tool(struct finished *c, const struct used_tool *t)
{
	(void)captures_tool(c->captures, t->name, t->arguments, (uint64_t)t->seq, t->offset_ms);
}

static void show_all(struct finished *c)
{
	size_t turn = 0, tool = 0;
	while (turn < c->turns_n || tool < c->tools_n) {
		bool turn_next = tool == c->tools_n ||
				 (turn < c->turns_n && c->turns[turn].seq <= c->tools[tool].seq);
		if (turn_next)
			show_turn(c, &c->turns[turn++]);
		else
			show_tool(c, &c->tools[tool++]);
	}
	if (c->structured_data.kind == JSON_OBJECT)
		(void)captures_report(c->captures, c->structured_data, (uint64_t)c->last_seq);
}

int understand_fields_find(struct finished *c, struct fault *f)
{
	if (!json_has(c->field_list))
		return 0;
	if (c->field_list.kind != JSON_ARRAY)
		return fault(f, E_INVALID, "project: fields: expected array");
	if (fields_new(&c->fields, c->field_list, span_of(c->lexicon->language), f))
		return fault_wrap(f, "project");
	c->captures = captures_new(c->fields);
	show_all(c);
	for (size_t i = 0; i < fields_n(c->fields); i++) {
		bool wanted = fields_at(c->fields, i).required;
		c->fields_wanted += wanted;
		c->fields_captured +=
			wanted && captures_at(c->captures, i)->state == FIELD_STATE_CAPTURED;
	}
	return 0;
}

/* What was never asked for has no words; the ones after which it was too late for it stand. */
static struct passage where_it_ended(const struct finished *c)
{
	struct passage p = understand_turns_last_words(c, SPEAKER_AI);
	return p.known ? p : understand_turns_last_words(c, SPEAKER_NONE);
}

struct passage understand_fields_passage(const struct finished *c, size_t i)
{
	const struct captured *v = captures_at(c->captures, i);
	if (v->state == FIELD_STATE_NEVER_ASKED)
		return where_it_ended(c);
	if (!v->passage.n)
		return (struct passage){ 0 };
	return (struct passage){
		.known = true,
		.has_seq = true,
		.seq = (int64_t)v->seq,
		.offset_ms = v->offset_ms,
		.speaker = v->state == FIELD_STATE_ASKED ? SPEAKER_AI : SPEAKER_USER,
		.text = v->passage,
	};
}
