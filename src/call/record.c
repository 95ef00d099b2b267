#include "callmend/record.h"

static const struct {
	enum record_kind kind;
	const char *name;
} names[] = {
	{ RECORD_BIND, "bind" },       { RECORD_WEBHOOK, "webhook" }, { RECORD_COMMAND, "command" },
	{ RECORD_INTENT, "intent" },   { RECORD_OUTCOME, "outcome" }, { RECORD_TICK, "tick" },
	{ RECORD_REFUSED, "refused" }, { RECORD_SERVED, "served" },
};

const char *record_kind_name(enum record_kind kind)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].kind == kind)
			return names[i].name;
	return NULL;
}
