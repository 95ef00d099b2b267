/* Happy path: read, compile the project's rules, walk the turns once, ask each question, write.
 *
 * Failure modes
 *   input of another form     E_INVALID, the fault names the member
 *   a rule that is none       E_INVALID likewise: the call fails until the project is put right
 *   too much of something     questions, tags and hits are bounded; the first ones stay */
#include "analysis/understand_parts.h"

/* Turns are placed by their first revision; the last one is the event that has these words. */
static int64_t seq_shown(const struct finished *c, int64_t seq)
{
	for (size_t i = 0; i < c->turns_n; i++)
		if (c->turns[i].seq == seq)
			return c->turns[i].last_seq;
	return seq;
}

static void put_place(const struct finished *c, struct json_out *o, const struct passage *p)
{
	if (p->has_seq)
		json_put_i64(o, "seq", seq_shown(c, p->seq));
	else
		json_put_null(o, "seq");
	if (p->known && p->offset_ms >= 0)
		json_put_i64(o, "offset_ms", p->offset_ms);
	else
		json_put_null(o, "offset_ms");
}

static void put_quote(const struct finished *c, struct json_out *o, const struct passage *p)
{
	put_place(c, o, p);
	json_put_z(o, "speaker", p->speaker == SPEAKER_NONE ? NULL : speaker_name(p->speaker));
	json_put_text(o, "text", p->text);
}

static void put_text_or_null(struct json_out *o, const char *key, struct span text)
{
	if (text.n)
		json_put_text(o, key, text);
	else
		json_put_null(o, key);
}

/* --- parts of the output, in its order --- */

static void put_call(const struct finished *c, struct json_out *o)
{
	struct buf rules AUTO_BUF = { 0 };
	understand_version_rules(c, &rules);
	json_put_text(o, "call_id", c->id);
	json_put_text(o, "org_id", c->org);
	json_put_text(o, "project_id", c->project);
	put_text_or_null(o, "instruction_version", c->ran_with);
	json_put_text(o, "rules_version", buf_span(&rules));
	json_put_i64(o, "last_seq", c->last_seq);
	json_put_text(o, "caller", c->number.n ? c->number : c->id);
	json_put_text(o, "started_at", c->started_at);
	if (c->duration_ms.kind == JSON_NUMBER)
		json_put_raw(o, "duration_ms", c->duration_ms.raw);
	else
		json_put_null(o, "duration_ms");
}

static void put_outcome(const struct finished *c, struct json_out *o)
{
	const struct found_outcome *found = &c->outcome;
	json_begin(o, "outcome");
	json_put_z(o, "outcome", understand_input_verdict_name(found->verdict));
	json_put_z(o, "by", found->by);
	put_text_or_null(o, "label", found->label);
	if (found->evidence.known) {
		json_begin(o, "evidence");
		put_quote(c, o, &found->evidence);
		json_end(o);
	} else {
		json_put_null(o, "evidence");
	}
	json_end(o);
}

static void put_cause(const struct finished *c, struct json_out *o)
{
	put_text_or_null(o, "ended_class", c->ended_class);
	json_put_z(o, "cause_class", understand_cause_name(c->cause));
	json_put_bool(o, "eligible", !c->ineligible_because);
	json_put_z(o, "ineligible_because", c->ineligible_because);
	if (!c->point.key) {
		json_put_null(o, "failure_point");
		return;
	}
	json_begin(o, "failure_point");
	json_put_z(o, "key", c->point.key);
	json_put_z(o, "title", c->point.title);
	put_quote(c, o, &c->point.passage);
	json_end(o);
}

static void put_field(const struct finished *c, size_t i, struct json_out *o)
{
	struct field_view field = fields_at(c->fields, i);
	const struct captured *v = captures_at(c->captures, i);
	struct passage p = understand_fields_passage(c, i);
	bool captured = v->state == FIELD_STATE_CAPTURED;
	json_begin(o, NULL);
	json_put_text(o, "field", field.name);
	json_put_text(o, "label", field.label);
	json_put_bool(o, "required", field.required);
	json_put_z(o, "state", field_state_name(v->state));
	if (captured) {
		json_put_text(o, "value", v->value);
		json_put_f64(o, "confidence", v->confidence / 100.0);
		json_put_z(o, "how", field_how_name(v->how));
	} else {
		json_put_null(o, "value");
		json_put_null(o, "confidence");
		json_put_null(o, "how");
	}
	put_place(c, o, &p);
	/* A captured value may come from elsewhere than what was said. */
	json_put_z(o, "speaker", captured || !p.known ? NULL : speaker_name(p.speaker));
	put_text_or_null(o, "passage", p.text);
	json_end(o);
}

static void put_fields(const struct finished *c, struct json_out *o)
{
	json_begin_array(o, "fields");
	for (size_t i = 0; c->fields && i < fields_n(c->fields); i++)
		put_field(c, i, o);
	json_end_array(o);
}

static void put_tags(const struct finished *c, struct json_out *o)
{
	json_begin_array(o, "tags");
	for (size_t i = 0; i < c->tags_n; i++) {
		const struct found_tag *t = &c->tags[i];
		json_begin(o, NULL);
		json_put_text(o, "category", t->category);
		json_put_text(o, "tag", t->tag);
		json_put_f64(o, "confidence", t->confidence / 100.0);
		put_place(c, o, &t->passage);
		put_text_or_null(o, "passage", t->passage.text);
		json_end(o);
	}
	json_end_array(o);
}

enum { SIGNALS_SHOWN = 50 };

static void put_signals(const struct finished *c, struct json_out *o)
{
	json_begin_array(o, "signals");
	for (size_t i = 0; i < c->signals_n && i < SIGNALS_SHOWN; i++) {
		const struct raised_signal *s = &c->signals[i];
		struct passage p = { true, true, s->said_seq, s->offset_ms, SPEAKER_NONE, s->text };
		json_begin(o, NULL);
		json_put_text(o, "signal", s->name);
		json_put_i64(o, "score", s->score);
		put_place(c, o, &p);
		json_put_text(o, "text", s->text);
		json_end(o);
	}
	json_end_array(o);
}

static void put_questions(const struct finished *c, struct json_out *o)
{
	json_begin_array(o, "unanswered");
	for (size_t i = 0; i < c->questions_n; i++) {
		const struct question *q = &c->questions[i];
		struct passage p = { true, true, q->seq, q->offset_ms, SPEAKER_USER, q->text };
		json_begin(o, NULL);
		json_put_text(o, "question", q->text);
		json_put_text(o, "key", q->key);
		put_place(c, o, &p);
		json_end(o);
	}
	json_end_array(o);
}

/* What may be quoted of a call when a finding has no words of its own. */
static void put_last_words(const struct finished *c, struct json_out *o)
{
	struct passage p = understand_turns_last_words(c, SPEAKER_USER);
	if (!p.known) {
		json_put_null(o, "last_words");
		return;
	}
	json_begin(o, "last_words");
	put_quote(c, o, &p);
	json_end(o);
}

static void put_counts(const struct finished *c, struct json_out *o)
{
	json_begin(o, "counts");
	json_put_i64(o, "turns_user", c->turns_user);
	json_put_i64(o, "turns_ai", c->turns_ai);
	json_put_i64(o, "words_user", c->words_user);
	json_put_i64(o, "words_ai", c->words_ai);
	json_put_i64(o, "interruptions", c->interruptions);
	json_put_i64(o, "tool_calls", (int64_t)c->tools_n);
	json_put_i64(o, "tool_failures", c->tool_failures);
	json_put_i64(o, "fields_wanted", c->fields_wanted);
	json_put_i64(o, "fields_captured", c->fields_captured);
	json_put_i64(o, "unanswered", (int64_t)c->questions_n);
	json_put_bool(o, "frustrated", c->frustrated);
	json_end(o);
}

static void put_all(const struct finished *c, struct buf *out)
{
	struct json_out o = { .b = out };
	json_begin(&o, NULL);
	put_call(c, &o);
	put_outcome(c, &o);
	put_cause(c, &o);
	put_fields(c, &o);
	put_tags(c, &o);
	understand_tools_put(c, &o);
	put_signals(c, &o);
	put_questions(c, &o);
	put_last_words(c, &o);
	put_counts(c, &o);
	json_end(&o);
}

/* --- the steps --- */

static int compile(struct finished *c, struct fault *f)
{
	c->book = phrasebook_new(c->arena);
	if (understand_outcome_compile(c, f) || understand_tags_compile(c, f))
		return fault_wrap(f, "project");
	return 0;
}

static void ask(struct finished *c)
{
	for (size_t i = 0; i < c->tools_n; i++)
		c->tool_failures += c->tools[i].trouble != TOOL_TROUBLE_NONE;
	understand_outcome_decide(c);
	understand_questions_find(c);
	understand_point_find(c);
	understand_cause_find(c);
	understand_tags_find(c);
	understand_version_find(c);
}

static int run(struct json given, struct finished *c, struct buf *out, struct fault *f)
{
	TRY(understand_input_read(given, c, f));
	TRY(compile(c, f));
	understand_turns_read(c);
	TRY(understand_fields_find(c, f));
	ask(c);
	put_all(c, out);
	return 0;
}

int understand(struct json given, struct buf *out, struct fault *f)
{
	struct arena arena = { 0 };
	struct finished c = { .arena = &arena };
	int rc = run(given, &c, out, f);
	captures_free(c.captures);
	fields_free(c.fields);
	arena_fini(&arena);
	return rc;
}

int understand_check(struct json success_rule, struct json tags, struct fault *f)
{
	struct arena arena = { 0 };
	struct finished c = { .arena = &arena, .success_rule = success_rule, .own_tag_list = tags };
	c.book = phrasebook_new(&arena);
	int rc = understand_outcome_compile(&c, f);
	if (!rc)
		rc = understand_tags_compile(&c, f);
	arena_fini(&arena);
	return rc;
}
