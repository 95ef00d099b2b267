#include "call/parts.h"

#include <stdio.h>
#include <stdlib.h>

/* The id depends on the record and on how many effects it asked for before: the same at every
 * replay. */
static struct uuid next_id(struct session *s)
{
	char name[64];
	int n = snprintf(name, sizeof(name), "effect:%llu:%u", (unsigned long long)s->now.record,
			 s->effects.of_record++);
	return uuid_v5(&s->id, (struct span){ name, (size_t)n });
}

static struct open_effect *add(struct effects_state *e)
{
	if (e->n == e->cap) {
		e->cap = e->cap ? e->cap * 2 : 4;
		e->items = realloc(e->items, e->cap * sizeof(*e->items));
		CHECK(e->items);
	}
	return &e->items[e->n++];
}

struct uuid effects_ask(struct session *s, struct effect *effect, const struct uuid *of)
{
	effect->id = next_id(s);
	*add(&s->effects) = (struct open_effect){ .id = effect->id,
						  .of = of ? *of : (struct uuid){ { 0 } },
						  .kind = effect->kind,
						  .record = s->now.record,
						  .asked_us = s->now.at_us };
	s->host->effect(s->host->self, effect);
	return effect->id;
}

static struct open_effect *find(struct session *s, const struct uuid *id)
{
	for (uint32_t i = 0; i < s->effects.n; i++)
		if (uuid_eq(&s->effects.items[i].id, id))
			return &s->effects.items[i];
	return NULL;
}

void effects_intent(struct session *s, const struct uuid *id)
{
	struct open_effect *e = find(s, id);
	if (e)
		e->intent = true;
}

bool effects_take(struct session *s, const struct uuid *id, struct open_effect *out)
{
	struct open_effect *e = find(s, id);
	if (!e)
		return false;
	*out = *e;
	size_t after = s->effects.n - (size_t)(e - s->effects.items) - 1;
	memmove(e, e + 1, after * sizeof(*e));
	s->effects.n--;
	return true;
}
