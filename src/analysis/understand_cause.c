/* To what a failure is put down, and whether the call says anything about the instructions. */
#include "analysis/understand_parts.h"

static const char *const names[] = {
	[CAUSE_NONE] = "none",		 [CAUSE_INSTRUCTIONS] = "instructions",
	[CAUSE_TOOL] = "tool",		 [CAUSE_PROVIDER] = "provider",
	[CAUSE_TELEPHONY] = "telephony", [CAUSE_CALLER] = "caller",
};

const char *understand_cause_name(enum cause cause)
{
	return names[cause];
}

/* Points of failure that are the caller's own doing. */
static const char *const callers[] = { "start", "wrong_number", "declined", "postponed", "price" };

static bool is_callers(const char *key)
{
	for (size_t i = 0; i < sizeof(callers) / sizeof(*callers); i++)
		if (strcmp(key, callers[i]) == 0)
			return true;
	return false;
}

static enum cause cause_of(const struct finished *c)
{
	if (c->outcome.verdict == VERDICT_SUCCESS)
		return CAUSE_NONE;
	if (span_is(c->ended_class, "telephony"))
		return CAUSE_TELEPHONY;
	if (span_is(c->ended_class, "provider") || span_is(c->ended_class, "lost"))
		return CAUSE_PROVIDER;
	if (c->outcome.verdict == VERDICT_UNKNOWN)
		return CAUSE_NONE;
	if (understand_tools_broken(c, INT64_MIN))
		return CAUSE_TOOL;
	return is_callers(c->point.key) ? CAUSE_CALLER : CAUSE_INSTRUCTIONS;
}

void understand_cause_find(struct finished *c)
{
	c->cause = cause_of(c);
	if (!c->conversation)
		c->ineligible_because = "no conversation";
	else if (c->cause == CAUSE_TELEPHONY || c->cause == CAUSE_PROVIDER ||
		 c->cause == CAUSE_TOOL)
		c->ineligible_because = names[c->cause];
}
