#include "callmend/event.h"

#include "base/clock.h"
#include "base/json.h"

static const struct {
	const char *name, *doc;
} events[EVENT_COUNT] = {
#define X(id, text, members) [EVENT_##id] = { text, members },
	EVENTS(X)
#undef X
};

const char *event_name(enum event_type type)
{
	return (unsigned)type < EVENT_COUNT ? events[type].name : NULL;
}

const char *event_doc(enum event_type type)
{
	return (unsigned)type < EVENT_COUNT ? events[type].doc : NULL;
}

bool event_from(struct span name, enum event_type *out)
{
	for (unsigned i = 0; i < EVENT_COUNT; i++) {
		if (!span_is(name, events[i].name))
			continue;
		*out = (enum event_type)i;
		return true;
	}
	return false;
}

void event_write(const struct event *e, struct buf *out)
{
	struct json_out o = { .b = out };
	char id[UUID_TEXT + 1], at[CLOCK_ISO + 1];
	uuid_format(&e->call, id);
	clock_format(e->at_us, at);
	json_begin(&o, NULL);
	json_put_i64(&o, "seq", (int64_t)e->seq);
	json_put_z(&o, "type", event_name(e->type));
	json_put_z(&o, "call_id", id);
	json_put_z(&o, "at", at);
	if (e->offset_ms < 0)
		json_put_null(&o, "offset_ms");
	else
		json_put_i64(&o, "offset_ms", e->offset_ms);
	json_put_z(&o, "speaker", e->speaker == SPEAKER_NONE ? NULL : speaker_name(e->speaker));
	if (e->text.n)
		json_put_text(&o, "text", e->text);
	else
		json_put_null(&o, "text");
	json_put_bool(&o, "is_final", e->is_final);
	json_put_raw(&o, "data", e->data.n ? e->data : SPAN("{}"));
	json_end(&o);
}
