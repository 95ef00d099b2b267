#include "node/watch_plain.h"

#include <time.h>

#include "base/clock.h"
#include "callmend/event.h"
#include "node/text.h"

enum { ID_SHOWN = 8 };

static struct json of(struct json event, const char *path)
{
	return json_path(json_get(event, "data"), path);
}

static void put(struct buf *out, struct json v)
{
	struct arena a = { 0 };

	text_clean(out, v.kind == JSON_STRING ? json_text(v, &a) : v.raw);
	arena_fini(&a);
}

static void put_text(struct buf *out, struct json event, const char *who_else, const char *sign)
{
	struct json who = json_get(event, "speaker");

	if (json_has(who))
		put(out, who);
	else
		buf_addz(out, who_else);
	buf_addz(out, sign);
	put(out, json_get(event, "text"));
}

static void put_started(struct buf *out, struct json event)
{
	struct json assistant = of(event, json_has(of(event, "assistant.name")) ? "assistant.name"
										: "assistant.id");

	buf_addz(out,
		 json_is_text(of(event, "kind"), "sms") ? "texts started: " : "call started: ");
	put(out, of(event,
		    json_has(of(event, "customer.number")) ? "customer.number" : "customer.name"));
	if (json_has(assistant)) {
		buf_addz(out, " with ");
		put(out, assistant);
	}
	if (json_has(of(event, "source"))) {
		buf_addz(out, " by ");
		put(out, of(event, "source"));
	}
}

static void put_status(struct buf *out, struct json event)
{
	buf_addz(out, "status: ");
	put(out, of(event, "status"));
}

static void put_ended(struct buf *out, struct json event)
{
	int64_t ms;

	buf_addz(out, "call ended: ");
	put(out, of(event, "reason"));
	if (json_i64(of(event, "duration_ms"), &ms)) {
		buf_addz(out, " after ");
		text_duration(out, ms);
	}
}

static void put_final(struct buf *out, struct json event)
{
	put_text(out, event, "?", ": ");
}

static void put_partial(struct buf *out, struct json event)
{
	put_text(out, event, "ai", " … ");
}

static void put_turn(struct buf *out, struct json event)
{
	put_text(out, event, "?", " (turn): ");
}

static void put_tool_requested(struct buf *out, struct json event)
{
	buf_addz(out, "tool ");
	put(out, of(event, "name"));
	buf_addc(out, ' ');
	put(out, of(event, "arguments"));
}

static void put_tool_finished(struct buf *out, struct json event)
{
	bool ok = json_true(of(event, "success"));
	int64_t ms;

	buf_addz(out, "tool ");
	put(out, of(event, "name"));
	buf_addz(out, ok ? " succeeded" : " FAILED");
	if (json_i64(of(event, "duration_ms"), &ms)) {
		buf_addz(out, " after ");
		text_latency(out, ms);
	}
	buf_addz(out, ": ");
	put(out, of(event, ok || !json_has(of(event, "error")) ? "result" : "error"));
}

static void put_command(struct buf *out, struct json event)
{
	int64_t ms;
	bool late = json_i64(of(event, "effect_latency_ms"), &ms) ||
		    json_i64(of(event, "latency_ms"), &ms);

	buf_addz(out, "command ");
	put(out, of(event, "verb"));
	buf_addz(out, ": ");
	put(out, of(event, "state"));
	if (late) {
		buf_addz(out, " after ");
		text_latency(out, ms);
	}
	if (json_has(of(event, "text"))) {
		buf_addz(out, " “");
		put(out, of(event, "text"));
		buf_addz(out, "”");
	}
	if (json_has(of(event, "error"))) {
		buf_addz(out, " - ");
		put(out, of(event, "error"));
	}
	buf_addz(out, " by ");
	put(out, of(event, "actor"));
}

static void put_sentiment(struct buf *out, struct json event)
{
	put(out, json_get(event, "speaker"));
	buf_addz(out, " is ");
	put(out, of(event, "sentiment"));
}

static void put_signal(struct buf *out, struct json event)
{
	buf_addz(out, "signal ");
	put(out, of(event, "signal"));
	buf_addc(out, ' ');
	put(out, of(event, "state"));
	buf_addz(out, " (");
	put(out, of(event, "score"));
	buf_addc(out, ')');
}

static void put_fact(struct buf *out, struct json event)
{
	buf_addz(out, "fact ");
	put(out, of(event, "label"));
	buf_addz(out, ": ");
	if (json_has(of(event, "value"))) {
		put(out, of(event, "value"));
		buf_addz(out, " (");
		put(out, of(event, "how"));
		buf_addc(out, ')');
	} else {
		put(out, of(event, "state"));
	}
}

static void put_context(struct buf *out, struct json event)
{
	struct json_iter it = json_iter(of(event, "items"));
	struct span key;
	struct json item;
	bool any = false;

	buf_addz(out, "known of the caller: ");
	while (json_next(&it, &key, &item)) {
		buf_addz(out, any ? "; " : "");
		put(out, json_get(item, "title"));
		buf_addz(out, ": ");
		put(out, json_get(item, "text"));
		any = true;
	}
	if (json_has(of(event, "error"))) {
		buf_addz(out, any ? " - " : "");
		put(out, of(event, "error"));
	} else if (!any) {
		buf_addz(out, "nothing");
	}
}

static void put_escalation(struct buf *out, struct json event)
{
	bool transfer = json_is_text(of(event, "action"), "transfer");

	buf_addz(out, transfer ? "ESCALATION, transferred: " : "ESCALATION proposed: ");
	put(out, of(event, "signal"));
	buf_addz(out, " (");
	put(out, of(event, "score"));
	buf_addz(out, ") by rule ");
	put(out, of(event, "rule"));
}

static void put_warning(struct buf *out, struct json event)
{
	buf_addz(out, "warning: ");
	put(out, of(event, "warning"));
	buf_addz(out, " - ");
	put(out, of(event, "advice"));
}

static void put_speech(struct buf *out, struct json event)
{
	put(out, json_get(event, "speaker"));
	buf_addz(out,
		 json_is_text(json_get(event, "type"), "speech.started") ? " speaks" : " stops");
}

static void put_party(struct buf *out, struct json event)
{
	watch_party_news(json_get(event, "data"), out);
	if (json_true(of(event, "late")))
		buf_addz(out, " (late news)");
}

static void put_held(struct buf *out, struct json event)
{
	put(out, json_get(event, "speaker"));
	buf_addz(out, json_true(of(event, "held")) ? " is on hold" : " is off hold");
}

static void put_delivery(struct buf *out, struct json event)
{
	buf_addz(out, "text ");
	put(out, of(event, "message_id"));
	buf_addz(out, ": ");
	put(out, of(event, "state"));
	if (json_has(of(event, "error"))) {
		buf_addz(out, " - ");
		put(out, of(event, "error"));
	}
}

static void put_insight(struct buf *out, struct json event)
{
	struct json value = of(event, "insight.value");

	buf_addz(out, "insight ");
	put(out, of(event, "kind"));
	buf_addz(out, ": ");
	put(out, json_has(value) ? value : of(event, "insight"));
}

/* Of texts these are what is said; of voice calls the model's history. */
static bool is_a_text(struct json event)
{
	return json_has(of(event, "message_id"));
}

static void put_any(struct buf *, struct json event);

static void put_message(struct buf *out, struct json event)
{
	if (is_a_text(event))
		put_text(out, event, "?", ": ");
	else
		put_any(out, event);
}

/* Events without a row are shown as they are: type, text, data. */
static const struct {
	void (*put)(struct buf *, struct json event);
	enum watch_detail detail;
} rows[EVENT_COUNT] = {
	[EVENT_CALL_STARTED] = { put_started, WATCH_SETTLED },
	[EVENT_CALL_STATUS] = { put_status, WATCH_SETTLED },
	[EVENT_CALL_ENDED] = { put_ended, WATCH_SETTLED },
	[EVENT_TRANSCRIPT_FINAL] = { put_final, WATCH_SETTLED },
	[EVENT_TRANSCRIPT_PARTIAL] = { put_partial, WATCH_ALL },
	[EVENT_SPEAKING_TEXT] = { put_partial, WATCH_ALL },
	[EVENT_TURN] = { put_turn, WATCH_ALL },
	[EVENT_SPEECH_STARTED] = { put_speech, WATCH_ALL },
	[EVENT_SPEECH_STOPPED] = { put_speech, WATCH_ALL },
	[EVENT_MESSAGE] = { put_message, WATCH_ALL },
	[EVENT_MODEL_OUTPUT] = { NULL, WATCH_ALL },
	[EVENT_VOICE_INPUT] = { NULL, WATCH_ALL },
	[EVENT_QUESTION] = { NULL, WATCH_ALL },
	[EVENT_TOOL_REQUESTED] = { put_tool_requested, WATCH_SETTLED },
	[EVENT_TOOL_FINISHED] = { put_tool_finished, WATCH_SETTLED },
	[EVENT_COMMAND] = { put_command, WATCH_SETTLED },
	[EVENT_SENTIMENT] = { put_sentiment, WATCH_SETTLED },
	[EVENT_SIGNAL] = { put_signal, WATCH_SETTLED },
	[EVENT_FACT] = { put_fact, WATCH_SETTLED },
	[EVENT_CONTEXT] = { put_context, WATCH_SETTLED },
	[EVENT_ESCALATION] = { put_escalation, WATCH_SETTLED },
	[EVENT_AUDIO_LEVEL] = { NULL, WATCH_ALL },
	[EVENT_AUDIO_QUALITY] = { NULL, WATCH_ALL },
	[EVENT_AUDIO_PLAYED] = { NULL, WATCH_ALL },
	[EVENT_RESPONSE] = { NULL, WATCH_ALL },
	[EVENT_PARTY] = { put_party, WATCH_SETTLED },
	[EVENT_AUDIO_HELD] = { put_held, WATCH_SETTLED },
	[EVENT_DELIVERY] = { put_delivery, WATCH_SETTLED },
	[EVENT_INSIGHT] = { put_insight, WATCH_SETTLED },
	[EVENT_PROVIDER_WARNING] = { put_warning, WATCH_SETTLED },
};

static void put_any(struct buf *out, struct json event)
{
	put(out, json_get(event, "type"));
	if (json_has(json_get(event, "text"))) {
		buf_addc(out, ' ');
		put(out, json_get(event, "text"));
	}
	if (json_count(json_get(event, "data"))) {
		buf_addc(out, ' ');
		put(out, json_get(event, "data"));
	}
}

static void put_time(struct buf *out, int64_t us)
{
	time_t s = (time_t)(us / SECOND_US);
	struct tm tm;

	localtime_r(&s, &tm);
	buf_printf(out, "%02d:%02d:%02d.%03d ", tm.tm_hour, tm.tm_min, tm.tm_sec,
		   (int)(us / MS_US % 1000));
}

bool watch_plain_event(struct buf *out, struct json event, enum watch_detail detail)
{
	struct arena a = { 0 };
	struct span id = json_text(json_get(event, "call_id"), &a);
	enum event_type type;
	int64_t at_us = 0;
	bool known = event_from(json_text(json_get(event, "type"), &a), &type);

	bool shown = !known || rows[type].detail <= detail ||
		     (type == EVENT_MESSAGE && is_a_text(event));
	if (shown) {
		if (clock_parse(json_text(json_get(event, "at"), &a), &at_us))
			put_time(out, at_us);
		text_clip(out, (struct span){ id.p, id.n < ID_SHOWN ? id.n : ID_SHOWN }, ID_SHOWN);
		buf_addc(out, ' ');
		(known && rows[type].put ? rows[type].put : put_any)(out, event);
	}
	arena_fini(&a);
	return shown;
}

static void put_present(struct buf *out, const struct watch_parties *parties)
{
	for (unsigned i = 0; i < parties->n; i++) {
		const struct watch_party *one = &parties->items[i];
		if (watch_party_is_gone(one) || !watch_party_counts(parties, one))
			continue;
		buf_addz(out, "; ");
		watch_party_text(one, out);
	}
}

void watch_plain_call(struct buf *out, const struct watch_call *c, int64_t now_us)
{
	put_time(out, now_us);
	buf_printf(out, "%.*s is live: %s", ID_SHOWN, c->id,
		   c->customer[0] ? c->customer : c->customer_name);
	if (c->assistant[0])
		buf_printf(out, " with %s", c->assistant);
	if (c->source[0])
		buf_printf(out, " by %s (%s)", c->source, c->dialect);
	buf_addz(out, ", ");
	text_duration(out, watch_call_duration_ms(c, now_us));
	put_present(out, &c->parties);
}
