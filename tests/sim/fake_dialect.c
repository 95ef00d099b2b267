/* A provider that speaks inputs themselves as JSON (sim.h). It stands in for every other one:
 * dialects.c is not linked here. */
#include "base/clock.h"
#include "callmend/dialect.h"
#include "tests/sim/sim.h"

static int fake_classify(struct span body, struct arena *a, struct envelope *out, struct fault *f)
{
	TRY(json_check(body, f));
	*out = (struct envelope){ .type = json_text(json_get(json_of(body), "type"), a) };
	out->answer = out->type.n ? ANSWER_TOOLS : ANSWER_NONE;
	return 0;
}

static int64_t time_of(struct json v, const char *member)
{
	int64_t ms = 0;
	struct json t = json_get(v, member);
	return json_has(t) && json_i64(t, &ms) ? SIM_START_US + ms * MS_US : 0;
}

static enum speaker speaker_of(struct json v)
{
	if (json_is_text(v, "ai"))
		return SPEAKER_AI;
	return json_is_text(v, "user") ? SPEAKER_USER : SPEAKER_NONE;
}

static const struct call_facts *facts_of(struct json v, struct arena *a)
{
	struct call_facts *cf = arena_alloc(a, sizeof(*cf));
	cf->provider_call_id = json_text(json_get(v, "id"), a);
	cf->session_id = json_text(json_get(v, "session"), a);
	cf->kind = json_text(json_get(v, "kind"), a);
	cf->customer_number = json_text(json_get(v, "number"), a);
	cf->assistant_name = json_text(json_get(v, "assistant"), a);
	cf->control_url = json_text(json_get(v, "control"), a);
	cf->listen_url = json_text(json_get(v, "listen"), a);
	cf->started_us = time_of(v, "started");
	cf->transcript_subscribed_known = json_has(json_get(v, "transcript"));
	cf->transcript_subscribed = json_true(json_get(v, "transcript"));
	cf->retries_known = json_has(json_get(v, "retries"));
	cf->retries_on = json_true(json_get(v, "retries"));
	return cf;
}

static const struct call_report *report_of(struct json v, struct arena *a)
{
	struct call_report *r = arena_alloc(a, sizeof(*r));
	r->ended_reason = json_text(json_get(v, "reason"), a);
	r->started_us = time_of(v, "start");
	r->ended_us = time_of(v, "end");
	r->has_cost = json_f64(json_get(v, "cost"), &r->cost_usd);
	r->summary = json_text(json_get(v, "summary"), a);
	r->success_evaluation = json_text(json_get(v, "ok"), a);
	r->structured_data = json_get(v, "data");
	return r;
}

static unsigned index_of(struct json v, const char *const *names)
{
	unsigned i = 0;
	while (names[i] && !json_is_text(v, names[i]))
		i++;
	return names[i] ? i : 0;
}

static const struct call_party *party_of(struct json v, struct arena *a)
{
	static const char *const sides[] = { "outside", "inside", "system", "supervisor", NULL };
	static const char *const states[] = { "ringing", "talking", "held", "parked",
					      "moved",	 "left",    NULL };
	struct call_party *p = arena_alloc(a, sizeof(*p));
	p->id = json_text(json_get(v, "id"), a);
	json_i64(json_get(v, "seq"), &p->sequence);
	p->side = (enum party_side)index_of(json_get(v, "side"), sides);
	p->state = (enum party_state)index_of(json_get(v, "state"), states);
	p->reason = json_text(json_get(v, "reason"), a);
	p->number = json_text(json_get(v, "number"), a);
	p->ends_as = json_text(json_get(v, "ends"), a);
	p->moved_to = json_text(json_get(v, "to"), a);
	return p;
}

static bool type_of(struct span name, enum input_type *out)
{
	for (unsigned i = 0; i < INPUT_COUNT; i++) {
		if (!span_is(name, input_name((enum input_type)i)))
			continue;
		*out = (enum input_type)i;
		return true;
	}
	return false;
}

static int read_input(struct json v, struct arena *a, struct inputs *out, struct fault *f)
{
	enum input_type type;
	int64_t turn = -1, key = 0;
	if (!type_of(json_text(json_get(v, "t"), a), &type))
		return fault(f, E_INVALID, "unknown input");
	struct input *in = inputs_add(out, a, type);
	json_i64(json_get(v, "turn"), &turn);
	json_i64(json_get(v, "key"), &key);
	in->speaker = speaker_of(json_get(v, "s"));
	in->final = json_true(json_get(v, "final"));
	in->answer_here = json_true(json_get(v, "here"));
	in->beside = json_true(json_get(v, "beside"));
	in->from_report = json_true(json_get(v, "report"));
	in->turn = (int)turn;
	in->key = (uint64_t)key;
	in->at_us = time_of(v, "at");
	in->end_us = time_of(v, "end");
	in->name = json_text(json_get(v, "name"), a);
	in->text = json_text(json_get(v, "text"), a);
	in->id = json_text(json_get(v, "id"), a);
	in->reason = json_text(json_get(v, "reason"), a);
	in->data = json_get(v, "data");
	in->facts = facts_of(json_get(v, "facts"), a);
	in->report = report_of(json_get(v, "result"), a);
	in->party = party_of(json_get(v, "party"), a);
	return 0;
}

static int fake_read(struct span body, struct arena *a, struct inputs *out, struct fault *f)
{
	TRY(json_check(body, f));
	struct json list = json_get(json_of(body), "inputs"), v;
	if (list.kind != JSON_ARRAY)
		return fault(f, E_INVALID, "inputs: must be an array");
	struct json_iter it = json_iter(list);
	struct span key;
	while (json_next(&it, &key, &v))
		TRY(read_input(v, a, out, f));
	return 0;
}

static void fake_tool_answer(struct span type, const struct tool_answer *all, size_t n,
			     struct buf *out)
{
	struct json_out o = { .b = out };
	(void)type;
	json_begin(&o, NULL);
	json_begin_array(&o, "results");
	for (size_t i = 0; i < n; i++) {
		json_begin(&o, NULL);
		json_put_text(&o, "id", all[i].id);
		json_put_text(&o, all[i].failed ? "error" : "result", all[i].result);
		json_end(&o);
	}
	json_end_array(&o);
	json_end(&o);
}

static bool fake_read_tool_answer(struct span body, struct arena *a, struct tool_answer **out,
				  size_t *n)
{
	if (json_check(body, NULL))
		return false;
	struct json list = json_get(json_of(body), "results"), v;
	if (list.kind != JSON_ARRAY)
		return false;
	*out = arena_alloc(a, (json_count(list) + 1) * sizeof(**out));
	*n = 0;
	struct json_iter it = json_iter(list);
	struct span key;
	while (json_next(&it, &key, &v)) {
		bool failed = json_has(json_get(v, "error"));
		(*out)[(*n)++] = (struct tool_answer){
			.id = json_text(json_get(v, "id"), a),
			.result = json_text(json_get(v, failed ? "error" : "result"), a),
			.failed = failed
		};
	}
	return true;
}

static int fake_reconcile(struct span base, struct span call, struct arena *a,
			  struct provider_request *out)
{
	(void)a;
	*out = (struct provider_request){ .method = SPAN("GET"), .url = base, .body = call };
	return 0;
}

static const char *fake_cannot(enum command_verb verb, const struct command_where *where)
{
	(void)verb;
	bool socket = where && span_is(where->kind, "socket");
	return where && !where->control_url.n && !socket ? "the provider gave no control URL"
							 : NULL;
}

static const struct dialect fake = {
	.name = "sim",
	.title = "Simulation",
	.cannot = fake_cannot,
	.socket_kind = "socket",
	.classify = fake_classify,
	.read = fake_read,
	.tool_answer = fake_tool_answer,
	.read_tool_answer = fake_read_tool_answer,
	.reconcile = fake_reconcile,
	.read_call = fake_read,
};

/* Whose calls last as long as their audio. */
static const struct dialect fake_heard = {
	.name = "sim-heard",
	.title = "Simulation, by audio",
	.lasts_by_audio = true,
	.cannot = fake_cannot,
	.classify = fake_classify,
	.read = fake_read,
};

const struct dialect *const dialects[] = { &fake, &fake_heard, NULL };

const struct dialect *dialect_find(struct span name)
{
	for (const struct dialect *const *d = dialects; *d; d++)
		if (span_is(name, (*d)->name))
			return *d;
	return NULL;
}
