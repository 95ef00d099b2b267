#include "callmend/call_host.h"

static void no_effect(void *self, const struct effect *e)
{
	(void)self;
	(void)e;
}

static void no_answer(void *self, uint64_t number, struct span body)
{
	(void)self;
	(void)number;
	(void)body;
}

static void no_command(void *self, const struct uuid *id, enum command_state state,
		       struct span json)
{
	(void)self;
	(void)id;
	(void)state;
	(void)json;
}

struct call_host host_for_events(void *self, void (*publish)(void *, const struct event *))
{
	return (struct call_host){ self, publish, no_effect, no_answer, no_command };
}
