/* Texts: messages of the message store. `subject` is the text, conversation.id the thread.
 *
 * Between one number of ours and one of theirs there is one conversation, whoever begins it: its
 * call is known by the two numbers, so that it has a name before the platform has given the thread
 * an id. Texts of more than two, or without numbers, are known by the thread. */
#include "dialect/ringcentral_parts.h"

struct span rc_conversation_id(const struct rc_view *v)
{
	struct span id = rc_text_at(v->body, "conversation.id", v->arena);
	return id.n ? id : rc_text_at(v->body, "conversationId", v->arena);
}

static bool is_outbound(struct json message, struct arena *a)
{
	return rc_same(rc_text_at(message, "direction", a), "Outbound");
}

/* Of several receivers the one whose message store this is. */
static struct json receiver(struct json message)
{
	struct json list = json_get(message, "to"), one, chosen = json_first(list);
	struct json_iter it = json_iter(list);
	struct span none;
	while (list.kind == JSON_ARRAY && json_next(&it, &none, &one))
		if (json_true(json_get(one, "target")))
			chosen = one;
	return chosen;
}

static struct span number_of(struct json who, struct arena *a)
{
	struct span number = rc_text_at(who, "phoneNumber", a);
	return number.n ? number : rc_text_at(who, "extensionNumber", a);
}

static struct span name_of_two(struct span ours, struct span theirs, struct arena *a)
{
	return span_of(arena_printf(a, "sms %.*s %.*s", SPAN_ARG(ours), SPAN_ARG(theirs)));
}

struct span rc_text_call(const struct rc_view *v)
{
	struct span from = rc_text_at(v->body, "from.phoneNumber", v->arena);
	struct json to = json_get(v->body, "to");
	struct span only = rc_text_at(json_first(to), "phoneNumber", v->arena);
	bool ours = is_outbound(v->body, v->arena);
	if (json_count(to) != 1 || !from.n || !only.n)
		return rc_conversation_id(v);
	return ours ? name_of_two(from, only, v->arena) : name_of_two(only, from, v->arena);
}

void rc_text_facts(const struct rc_view *v, struct call_facts *f)
{
	bool ours = is_outbound(v->body, v->arena);
	struct json from = json_get(v->body, "from"), to = receiver(v->body);
	struct json customer = ours ? to : from;
	f->kind = SPAN("sms");
	f->session_id = v->call_id;
	f->provider_call_id = rc_conversation_id(v);
	f->customer_number = number_of(customer, v->arena);
	f->customer_name = rc_text_at(customer, "name", v->arena);
	f->phone_number = number_of(ours ? from : to, v->arena);
}

/* The text itself is an attachment, too. */
static struct span text_of(struct json message, struct arena *a)
{
	struct span text = rc_text_at(message, "subject", a);
	struct json list = json_get(message, "attachments"), one;
	struct json_iter it = json_iter(list);
	struct span none;
	while (!text.n && list.kind == JSON_ARRAY && json_next(&it, &none, &one)) {
		struct span type = rc_text_at(one, "contentType", a);
		if (type.n && !rc_same(rc_text_at(one, "type", a), "Text"))
			text = span_of(arena_printf(a, "[%.*s]", SPAN_ARG(type)));
	}
	return text;
}

static void add_entry(struct json message, struct span id, int64_t at_us, struct arena *a,
		      struct inputs *out)
{
	bool ours = is_outbound(message, a);
	struct input *in = inputs_add(out, a, INPUT_HISTORY);
	in->name = ours ? SPAN("assistant") : SPAN("user");
	in->speaker = ours ? SPEAKER_AI : SPEAKER_USER;
	in->text = text_of(message, a);
	in->id = id;
	in->at_us = at_us;
	in->key = key_end(key_text(key_start("text"), id));
}

static struct span state_of(struct span status, struct arena *a)
{
	bool failed = rc_same(status, "DeliveryFailed") || rc_same(status, "SendingFailed");
	return failed ? SPAN("failed") : rc_lower(status, a);
}

static void add_delivery(struct json message, struct span id, int64_t at_us, struct arena *a,
			 struct inputs *out)
{
	int64_t changed_us = rc_time(json_get(message, "lastModifiedTime"), a);
	struct span state = state_of(rc_text_at(message, "messageStatus", a), a);
	if (!state.n)
		return;
	struct input *in = inputs_add(out, a, INPUT_DELIVERY);
	in->id = id;
	in->name = state;
	in->reason = rc_text_at(message, "deliveryErrorCode", a);
	in->at_us = changed_us ? changed_us : at_us;
	in->key = key_end(key_text(key_text(key_start("delivery"), id), state));
}

bool rc_read_message(struct json message, bool known, struct arena *a, struct inputs *out)
{
	struct span id = rc_text_at(message, "id", a);
	int64_t at_us = rc_time(json_get(message, "creationTime"), a);
	if (!id.n || !rc_text_at(message, "direction", a).n)
		return false;
	if (!known)
		add_entry(message, id, at_us, a, out);
	if (is_outbound(message, a))
		add_delivery(message, id, at_us, a, out);
	return true;
}

bool rc_read_text(const struct rc_view *v, struct inputs *out)
{
	return rc_read_message(v->body, v->known, v->arena, out);
}

/* --- the first one is ours --- */

void rc_begin_text(struct span ours, struct span theirs, struct arena *a, struct span *call_id,
		   struct buf *out)
{
	struct json_out o = { .b = out };
	*call_id = name_of_two(ours, theirs, a);
	json_begin(&o, NULL);
	json_put_z(&o, "callmend", "begin");
	json_put_z(&o, "source_event", "message-store/begin");
	json_begin(&o, "body");
	json_put_z(&o, "direction", "Outbound");
	json_begin(&o, "from");
	json_put_text(&o, "phoneNumber", ours);
	json_end(&o);
	json_begin_array(&o, "to");
	json_begin(&o, NULL);
	json_put_text(&o, "phoneNumber", theirs);
	json_end(&o);
	json_end_array(&o);
	json_end(&o);
	json_end(&o);
}

bool rc_read_begin(const struct rc_view *v, struct inputs *out)
{
	struct input *in = inputs_add(out, v->arena, INPUT_STATUS);
	in->name = SPAN("in-progress");
	in->at_us = v->at_us;
	return true;
}
