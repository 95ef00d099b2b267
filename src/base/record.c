#include "callmend/record.h"

static const struct {
	enum record_kind kind;
	const char *name;
} names[] = {
	{ RECORD_BIND, "bind" },
	{ RECORD_WEBHOOK, "webhook" },
	{ RECORD_COMMAND, "command" },
	{ RECORD_INTENT, "intent" },
	{ RECORD_OUTCOME, "outcome" },
	{ RECORD_TICK, "tick" },
	{ RECORD_REFUSED, "refused" },
	{ RECORD_SERVED, "served" },
	{ RECORD_QUARANTINED, "quarantined" },
	{ RECORD_CONTEXT, "context" },
	{ RECORD_HEARD, "heard" },
};

/* A kind added to RECORD_KINDS without its name does not compile. */
#define X(name, number, doc) +1
_Static_assert(sizeof(names) / sizeof(names[0]) == 0 RECORD_KINDS(X), "every kind has its name");
#undef X

const char *record_kind_name(enum record_kind kind)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].kind == kind)
			return names[i].name;
	}
	return NULL;
}
