#include "callmend/input.h"

#include "callmend/fault.h"

const char *speaker_name(enum speaker speaker)
{
	static const char *const names[] = {
		[SPEAKER_NONE] = "", [SPEAKER_AI] = "ai", [SPEAKER_USER] = "user"
	};
	CHECK((size_t)speaker < sizeof(names) / sizeof(*names));
	return names[speaker];
}

const char *party_side_name(enum party_side side)
{
	static const char *const names[] = { [PARTY_OUTSIDE] = "outside",
					     [PARTY_INSIDE] = "inside",
					     [PARTY_SYSTEM] = "system",
					     [PARTY_SUPERVISOR] = "supervisor" };
	CHECK((size_t)side < sizeof(names) / sizeof(*names));
	return names[side];
}

const char *party_state_name(enum party_state state)
{
	static const char *const names[] = {
		[PARTY_RINGING] = "ringing", [PARTY_TALKING] = "talking", [PARTY_HELD] = "held",
		[PARTY_PARKED] = "parked",   [PARTY_MOVED] = "moved",	  [PARTY_LEFT] = "left"
	};
	CHECK((size_t)state < sizeof(names) / sizeof(*names));
	return names[state];
}

const char *input_name(enum input_type type)
{
	static const char *const names[] = {
#define X(name, text, doc) [INPUT_##name] = (text),
		INPUTS(X)
#undef X
	};
	CHECK((unsigned)type < INPUT_COUNT);
	return names[type];
}

struct input *inputs_add(struct inputs *list, struct arena *arena, enum input_type type)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 8;
		struct input *items = arena_alloc(arena, cap * sizeof(*items));
		if (list->n)
			memcpy(items, list->items, list->n * sizeof(*items));
		list->items = items;
		list->cap = cap;
	}
	struct input *in = &list->items[list->n++];
	*in = (struct input){ .type = type, .turn = -1 };
	return in;
}
