/* What the core does by itself when a signal is raised, as far as the project's rules allow it (A9;
 * SETTINGS_RULES).
 *
 *	SIGNAL raised ─► the rule of that cause, enabled, not yet worked in this call
 *	                   └─► escalation.proposed, or a command: same intent, effect and
 *observation as a person's
 *
 * Failure modes
 *   raised again, told late   a rule works once in a call: the bit stays set
 *   replay                    the command's id is made of call and rule: the same one
 *   call over, or imported    nothing is done
 *   command rejected          shown as such; not tried again */
#include "call/parts.h"

enum { REASON_EVIDENCE_BYTES = 300 };

void intervene_command(struct session *s, struct command *c, const char *name, struct span actor)
{
	c->id = uuid_v5(&s->id, span_of(name));
	c->actor = actor;
	commands_request(s, c);
}

/* What is known of the signal that was raised. */
struct cause {
	struct json signal; /* data of the event */
	struct span actor, reason;
	const char *name; /* of the rule */
};

/* "frustration 75: this is the third time I call" */
static struct span reason_of(struct session *s, struct json signal)
{
	struct json_iter it = json_iter(json_get(signal, "evidence"));
	struct span key, said = { 0 };
	struct json passage;
	int64_t score = 0;
	while (json_next(&it, &key, &passage))
		said = json_text(json_get(passage, "text"), &s->scratch);
	if (!json_i64(json_get(signal, "score"), &score))
		score = 0;
	struct span name = json_text(json_get(signal, "signal"), &s->scratch);
	said = kept_clip(said, REASON_EVIDENCE_BYTES);
	return span_of(arena_printf(&s->scratch, "%.*s %lld%s%.*s", SPAN_ARG(name),
				    (long long)score, said.n ? ": " : "", SPAN_ARG(said)));
}

static void propose(struct session *s, const struct cause *cause, const char *action)
{
	struct draft d;
	draft_begin(s, &d, EVENT_ESCALATION, 0);
	json_put_z(&d.o, "rule", cause->name);
	json_put_z(&d.o, "action", action);
	static const char *const members[] = { "signal", "score", "evidence" };
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		pipeline_put_json(&d.o, members[i], json_get(cause->signal, members[i]));
	draft_emit(s, &d);
}

static void escalate(struct session *s, struct json rule, const struct cause *cause)
{
	bool transfer = json_is_text(json_get(rule, "action"), "transfer");
	propose(s, cause, transfer ? "transfer" : "propose");
	if (!transfer)
		return;
	struct command c = { .verb = COMMAND_TRANSFER,
			     .text = json_text(json_get(rule, "message"), &s->scratch),
			     .destination = json_get(rule, "destination"),
			     .reason = cause->reason };
	intervene_command(s, &c, cause->actor.p, cause->actor);
}

/* The model hears it at once and answers with it in mind. */
static void clarify(struct session *s, struct json rule, const struct cause *cause)
{
	struct command c = { .verb = COMMAND_ADD_MESSAGE,
			     .role = SPAN("system"),
			     .text = json_text(json_get(rule, "text"), &s->scratch),
			     .trigger_response = true,
			     .reason = cause->reason };
	intervene_command(s, &c, cause->actor.p, cause->actor);
}

static const char *const causes[SETTINGS_RULE_COUNT] = {
#define X(id, name, signal) [SETTINGS_RULE_##id] = signal,
	SETTINGS_RULES(X)
#undef X
};

static void (*const works[SETTINGS_RULE_COUNT])(struct session *, struct json,
						const struct cause *) = {
	[SETTINGS_RULE_ESCALATE_ON_FRUSTRATION] = escalate,
	[SETTINGS_RULE_CLARIFY_CALLER_CONFUSED] = clarify,
	[SETTINGS_RULE_CLARIFY_ASSISTANT_CONFUSED] = clarify,
};

static void work(struct session *s, unsigned i, struct json signal)
{
	const char *name = settings_rule_name((enum settings_rule)i);
	struct json rule = json_get(s->settings.rules, name);
	if ((s->rules_done >> i & 1) || json_get(rule, "enabled").kind != JSON_TRUE)
		return;
	s->rules_done |= UINT32_C(1) << i;
	struct cause cause = { .signal = signal,
			       .actor = span_of(arena_printf(&s->scratch, "rule:%s", name)),
			       .reason = reason_of(s, signal),
			       .name = name };
	works[i](s, rule, &cause);
}

static void event(struct session *s, const struct event *e)
{
	struct json signal = json_of(e->data);
	bool over = s->status.ended || s->settings.imported;
	if (over || !json_has(s->settings.rules) ||
	    !json_is_text(json_get(signal, "state"), "raised"))
		return;
	for (unsigned i = 0; i < SETTINGS_RULE_COUNT; i++)
		if (json_is_text(json_get(signal, "signal"), causes[i]))
			work(s, i, signal);
}

const struct stage intervene_stage = {
	.name = "intervene",
	.wants = STAGE_WANTS(SIGNAL),
	.event = event,
};
