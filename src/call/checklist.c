/* The project's fields while the call runs (A8): the engine of callmend/fields.h is shown turns,
 * tool calls and the report; what changes becomes a FACT. */
#include "call/parts.h"

/* A project's fields were checked where they were entered; a call that comes all the same with ones
 * that cannot be read goes without. */
void checklist_begin(struct session *s)
{
	struct checklist_state *l = &s->checklist;
	struct json fields = s->settings.fields;
	if (!json_has(fields))
		return;
	if (fields_new(&l->fields, fields, s->settings.language, NULL)) {
		session_flag(s, FLAG_SETTINGS);
		return;
	}
	if (fields_n(l->fields)) {
		l->captures = captures_new(l->fields);
		return;
	}
	fields_free(l->fields);
	l->fields = NULL;
}

static void put_known(const struct checklist_state *l, size_t i, struct json_out *o)
{
	struct field_view f = fields_at(l->fields, i);
	const struct captured *c = captures_at(l->captures, i);
	json_put_text(o, "field", f.name);
	json_put_text(o, "label", f.label);
	json_put_bool(o, "required", f.required);
	json_put_z(o, "state", field_state_name(c->state));
	pipeline_put_text(o, "value", c->value);
	json_put_i64(o, "confidence", c->confidence);
}

static void emit(struct session *s, size_t i)
{
	const struct captured *c = captures_at(s->checklist.captures, i);
	struct draft d;
	draft_begin(s, &d, EVENT_FACT, 0);
	put_known(&s->checklist, i, &d.o);
	json_put_z(&d.o, "how", field_how_name(c->how));
	pipeline_put_text(&d.o, "passage", c->passage);
	json_put_i64(&d.o, "passage_seq", (int64_t)c->seq);
	draft_emit(s, &d);
}

static void emit_changed(struct session *s, uint64_t changed)
{
	for (size_t i = 0; changed >> i; i++)
		if (changed >> i & 1)
			emit(s, i);
}

static uint64_t turn(struct session *s, const struct event *e)
{
	int64_t number = 0;
	if (!json_i64(json_get(json_of(e->data), "turn"), &number))
		return 0;
	return captures_turn(s->checklist.captures,
			     &(struct field_turn){ e->speaker, (uint32_t)number, e->text, e->seq,
						   e->offset_ms });
}

static uint64_t tool(struct session *s, const struct event *e)
{
	struct arena a = { 0 };
	struct json data = json_of(e->data);
	uint64_t changed =
		captures_tool(s->checklist.captures, json_text(json_get(data, "name"), &a),
			      json_get(data, "arguments"), e->seq, e->offset_ms);
	arena_fini(&a);
	return changed;
}

static uint64_t report(struct session *s, const struct event *e)
{
	return captures_report(s->checklist.captures, json_get(json_of(e->data), "structured_data"),
			       e->seq);
}

static const struct {
	enum event_type type;
	uint64_t (*show)(struct session *, const struct event *);
} shown[] = {
	{ EVENT_TURN, turn },
	{ EVENT_TOOL_REQUESTED, tool },
	{ EVENT_CALL_REPORT, report },
};

static void event(struct session *s, const struct event *e)
{
	for (size_t i = 0; s->checklist.captures && i < sizeof(shown) / sizeof(*shown); i++)
		if (shown[i].type == e->type)
			emit_changed(s, shown[i].show(s, e));
}

void checklist_put(const struct session *s, struct json_out *o)
{
	const struct checklist_state *l = &s->checklist;
	size_t n = l->fields ? fields_n(l->fields) : 0;
	json_begin_array(o, "facts");
	for (size_t i = 0; i < n; i++) {
		json_begin(o, NULL);
		put_known(l, i, o);
		json_end(o);
	}
	json_end_array(o);
}

void checklist_put_counts(const struct session *s, struct json_out *o)
{
	const struct checklist_state *l = &s->checklist;
	size_t n = l->fields ? fields_n(l->fields) : 0;
	int64_t captured = 0, required = 0;
	for (size_t i = 0; i < n; i++) {
		bool needed = fields_at(l->fields, i).required;
		required += needed;
		captured += needed && captures_at(l->captures, i)->state == FIELD_STATE_CAPTURED;
	}
	json_begin(o, "facts");
	json_put_i64(o, "captured", captured);
	json_put_i64(o, "required", required);
	json_end(o);
}

static size_t bytes(const struct session *s)
{
	return fields_bytes(s->checklist.fields) + captures_bytes(s->checklist.captures);
}

static void fini(struct session *s)
{
	captures_free(s->checklist.captures);
	fields_free(s->checklist.fields);
}

const struct stage checklist_stage = {
	.name = "checklist",
	.wants = STAGE_WANTS(TURN) | STAGE_WANTS(TOOL_REQUESTED) | STAGE_WANTS(CALL_REPORT),
	.event = event,
	.bytes = bytes,
	.fini = fini,
};
