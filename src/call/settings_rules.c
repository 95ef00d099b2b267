/* What a project lets the call core do by itself: checked where it is entered (API, directory) and
 * once more when a call begins. */
#include "callmend/command.h"
#include "callmend/settings.h"

enum { TEXT_LIMIT = 1000 };

static const char *const names[SETTINGS_RULE_COUNT] = {
#define X(id, name, cause) [SETTINGS_RULE_##id] = name,
	SETTINGS_RULES(X)
#undef X
};

const char *settings_rule_name(enum settings_rule rule)
{
	return names[rule];
}

static int check_text(struct json rule, const char *member, bool needed, struct fault *f)
{
	struct json v = json_get(rule, member);
	if (!json_has(v) && !needed)
		return 0;
	if (v.kind != JSON_STRING || v.raw.n <= 2 || v.raw.n > TEXT_LIMIT + 2)
		return fault(f, E_INVALID, "%s: must be a text of 1 to %d bytes", member,
			     TEXT_LIMIT);
	return 0;
}

/* The same that a command needs. */
static int check_destination(struct json rule, struct fault *f)
{
	struct arena a = { 0 };
	struct buf b AUTO_BUF = { 0 };
	struct command c;
	struct json_out o = { .b = &b };
	struct json d = json_get(rule, "destination");
	json_begin(&o, NULL);
	json_put_z(&o, "id", "00000000-0000-4000-8000-000000000000");
	json_put_z(&o, "verb", "transfer");
	if (json_has(d))
		json_put_raw(&o, "destination", d.raw);
	json_end(&o);
	int rc = command_read(json_of(buf_span(&b)), &a, &c, f);
	arena_fini(&a);
	return rc;
}

static int check_escalation(struct json rule, bool enabled, struct fault *f)
{
	struct json action = json_get(rule, "action");
	bool transfer = json_is_text(action, "transfer");
	if (json_has(action) && !transfer && !json_is_text(action, "propose"))
		return fault(f, E_INVALID, "action: must be \"propose\" or \"transfer\"");
	if ((transfer && enabled) || json_has(json_get(rule, "destination")))
		TRY(check_destination(rule, f));
	return check_text(rule, "message", false, f);
}

static int check_clarification(struct json rule, bool enabled, struct fault *f)
{
	return check_text(rule, "text", enabled, f);
}

static const struct {
	int (*check)(struct json rule, bool enabled, struct fault *f);
	const char *members[5]; /* besides these none; NULL ends */
} rules[SETTINGS_RULE_COUNT] = {
	[SETTINGS_RULE_ESCALATE_ON_FRUSTRATION] = { check_escalation,
						    { "enabled", "action", "destination",
						      "message" } },
	[SETTINGS_RULE_CLARIFY_CALLER_CONFUSED] = { check_clarification, { "enabled", "text" } },
	[SETTINGS_RULE_CLARIFY_ASSISTANT_CONFUSED] = { check_clarification, { "enabled", "text" } },
};

static int check_members(struct json rule, const char *const *known, struct fault *f)
{
	struct json_iter it = json_iter(rule);
	struct span key;
	struct json v;
	while (json_next(&it, &key, &v)) {
		unsigned i = 0;
		while (known[i] && !span_is(key, known[i]))
			i++;
		if (!known[i])
			return fault(f, E_INVALID, "%.*s: no such member", SPAN_ARG(key));
	}
	return 0;
}

static int check_rule(struct json rule, unsigned i, struct fault *f)
{
	struct json on = json_get(rule, "enabled");
	if (rule.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "must be an object");
	TRY(check_members(rule, rules[i].members, f));
	if (json_has(on) && on.kind != JSON_TRUE && on.kind != JSON_FALSE)
		return fault(f, E_INVALID, "enabled: must be true or false");
	return rules[i].check(rule, on.kind == JSON_TRUE, f);
}

static int check_named(struct span name, struct json rule, struct fault *f)
{
	unsigned i = 0;
	while (i < SETTINGS_RULE_COUNT && !span_is(name, names[i]))
		i++;
	if (i == SETTINGS_RULE_COUNT)
		return fault(f, E_INVALID, "rules.%.*s: no such rule", SPAN_ARG(name));
	return check_rule(rule, i, f) ? fault_wrap(f, "rules.%s", names[i]) : 0;
}

int settings_rules_check(struct json object, struct fault *f)
{
	struct json_iter it = json_iter(object);
	struct span key;
	struct json v;
	if (object.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "rules: must be an object");
	if (object.raw.n > SETTINGS_RULES_JSON_MAX)
		return fault(f, E_INVALID, "rules: at most %d bytes", SETTINGS_RULES_JSON_MAX);
	while (json_next(&it, &key, &v))
		TRY(check_named(key, v, f));
	return 0;
}
