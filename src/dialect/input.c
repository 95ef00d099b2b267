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
