/* Facts about the call from whatever a message carries of it. A body that was reduced carries
 * fewer; the session keeps those of earlier messages. */
#include "dialect/vapi_parts.h"

/* "twilio pstn"; newer messages name the provider in `transport` only. */
static struct span transport_of(const struct vapi_view *v)
{
	struct span provider = VAPI_FIRST_TEXT(v->arena, v->call[C_phoneCallProvider],
					       json_get(v->call[C_transport], "provider"));
	struct span line = json_text(v->call[C_phoneCallTransport], v->arena);
	if (provider.n == 0 || line.n == 0)
		return provider.n ? provider : line;
	return span_of(arena_printf(v->arena, "%.*s %.*s", SPAN_ARG(provider), SPAN_ARG(line)));
}

static bool lists_transcript(struct json server_messages, struct arena *arena)
{
	struct json_iter it = json_iter(server_messages);
	struct span key;
	struct json item;
	while (json_next(&it, &key, &item))
		if (span_starts(json_text(item, arena), SPAN("transcript")))
			return true;
	return false;
}

/* A complete configuration has a model; only then does an absent member mean the default. */
static bool is_complete(struct json assistant)
{
	return json_has(json_get(assistant, "model"));
}

static void read_subscription(const struct vapi_view *v, struct json assistant,
			      struct call_facts *facts)
{
	struct json list = json_get(assistant, "serverMessages");
	bool proved = span_starts(v->type, SPAN("transcript"));
	facts->transcript_subscribed_known =
		proved || list.kind == JSON_ARRAY || is_complete(assistant);
	facts->transcript_subscribed = proved || lists_transcript(list, v->arena);
}

/* The server that gets this call's messages: the assistant's before the number's. One of the
 * organisation is not shown. */
static void read_retries(struct json assistant, struct json number, struct call_facts *facts)
{
	struct json server = vapi_either(json_get(assistant, "server"), json_get(number, "server"));
	int64_t retries = 0;
	facts->retries_known = server.kind == JSON_OBJECT;
	facts->retries_on =
		json_i64(json_path(server, "backoffPlan.maxRetries"), &retries) && retries > 0;
}

static void read_people(const struct vapi_view *v, struct call_facts *facts)
{
	struct json customer = v->m[M_customer], of_call = v->call[C_customer];
	struct json number = v->m[M_phoneNumber], of_call_number = v->call[C_phoneNumber];
	facts->customer_number =
		VAPI_FIRST_TEXT(v->arena, json_get(customer, "number"), json_get(of_call, "number"),
				json_get(customer, "sipUri"), json_get(of_call, "sipUri"));
	facts->customer_name =
		VAPI_FIRST_TEXT(v->arena, json_get(customer, "name"), json_get(of_call, "name"));
	facts->phone_number = VAPI_FIRST_TEXT(
		v->arena, json_get(number, "number"), json_get(of_call_number, "number"),
		json_get(of_call_number, "twilioPhoneNumber"), json_get(number, "sipUri"));
	facts->phone_number_id =
		VAPI_FIRST_TEXT(v->arena, v->call[C_phoneNumberId], json_get(number, "id"));
}

static void read_assistant(const struct vapi_view *v, struct call_facts *facts)
{
	struct json assistant = v->m[M_assistant], of_call = v->call[C_assistant];
	facts->assistant_id = VAPI_FIRST_TEXT(v->arena, json_get(assistant, "id"),
					      v->call[C_assistantId], json_get(of_call, "id"));
	facts->assistant_name =
		VAPI_FIRST_TEXT(v->arena, json_get(assistant, "name"), json_get(of_call, "name"));
	facts->assistant_version =
		VAPI_FIRST_TEXT(v->arena, v->m[M_assistantVersion], v->call[C_assistantVersion]);
	struct json config = vapi_either(assistant, of_call);
	read_subscription(v, config, facts);
	read_retries(config, vapi_either(v->m[M_phoneNumber], v->call[C_phoneNumber]), facts);
}

static void read_call(const struct vapi_view *v, struct call_facts *facts)
{
	struct arena *a = v->arena;
	facts->provider_call_id = VAPI_FIRST_TEXT(a, v->call[C_id], v->m[M_callId]);
	facts->provider_org_id = vapi_text(v->call[C_orgId], a);
	facts->kind = json_text(v->call[C_type], a);
	facts->squad_id = vapi_text(v->call[C_squadId], a);
	facts->session_id =
		VAPI_FIRST_TEXT(a, v->call[C_sessionId], json_get(v->m[M_session], "id"));
	facts->telephony_id = VAPI_FIRST_TEXT(a, v->call[C_phoneCallProviderId],
					      json_get(v->call[C_transport], "callSid"));
	facts->control_url = json_text(json_get(v->call[C_monitor], "controlUrl"), a);
	facts->listen_url = json_text(json_get(v->call[C_monitor], "listenUrl"), a);
	facts->created_us = vapi_time(v->call[C_createdAt], a);
	facts->started_us = vapi_time(v->call[C_startedAt], a);
	facts->transport = transport_of(v);
}

void vapi_facts(const struct vapi_view *v, struct inputs *out)
{
	struct call_facts *facts = arena_alloc(v->arena, sizeof(*facts));
	struct input *in = inputs_add(out, v->arena, INPUT_CALL);
	read_call(v, facts);
	read_people(v, facts);
	read_assistant(v, facts);
	in->facts = facts;
	in->at_us = v->at_us;
}
