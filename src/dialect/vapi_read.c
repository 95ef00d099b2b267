/* Happy path: reduced bytes -> CALL, then the conversation's new entries and the message's own
 * inputs. Failure: only bytes that classify would have refused. A known type in an unknown shape is
 * kept raw, as unknown types are. */
#include "dialect/scan.h"
#include "dialect/vapi_parts.h"

static struct input *add(const struct vapi_view *v, struct inputs *out, enum input_type type)
{
	struct input *in = inputs_add(out, v->arena, type);
	in->at_us = v->at_us;
	return in;
}

/* Without a time a repeated message cannot be told from a genuine repetition: then nothing is a
 * duplicate. */
static uint64_t timed(const struct vapi_view *v, uint64_t key)
{
	return v->at_us ? key_end(key_number(key, v->at_us)) : 0;
}

static struct span text_of(const struct vapi_view *v, int member)
{
	return vapi_text(v->m[member], v->arena);
}

static int turn_of(const struct vapi_view *v)
{
	int64_t turn;
	bool given = json_i64(v->m[M_turn], &turn) && turn >= 0 && turn <= INT32_MAX;
	return given ? (int)turn : -1;
}

static bool read_status(const struct vapi_view *v, struct inputs *out)
{
	struct span status = text_of(v, M_status);
	if (status.n == 0)
		return false;
	struct input *in = add(v, out, INPUT_STATUS);
	in->name = status;
	in->reason = text_of(v, M_endedReason);
	in->data = vapi_either(v->m[M_destination], (struct json){ 0 });
	in->key = timed(v, key_text(key_start("status"), status));
	return true;
}

/* Websocket form: {"type":"call-ended","reason":"..."}. */
static bool read_call_ended(const struct vapi_view *v, struct inputs *out)
{
	struct input *in = add(v, out, INPUT_STATUS);
	in->name = SPAN("ended");
	in->reason = VAPI_FIRST_TEXT(v->arena, v->m[M_reason], v->m[M_endedReason]);
	in->key = timed(v, key_text(key_start("status"), in->name));
	return true;
}

/* A subscriber to finals alone gets the type transcript[transcriptType="final"]. Unless it says
 * partial it is final: a partial would be replaced by the next one and lost. */
static bool is_final(const struct vapi_view *v)
{
	return !json_is_text(v->m[M_transcriptType], "partial");
}

static bool read_transcript(const struct vapi_view *v, struct inputs *out)
{
	if (v->m[M_transcript].kind != JSON_STRING)
		return false;
	struct input *in = add(v, out, INPUT_TRANSCRIPT);
	in->speaker = vapi_speaker(v->m[M_role]);
	in->final = is_final(v);
	in->text = text_of(v, M_transcript);
	uint64_t key = key_number(key_start("transcript"), in->speaker);
	in->key = timed(v, key_text(key_number(key, in->final), in->text));
	return true;
}

static bool read_speech(const struct vapi_view *v, struct inputs *out)
{
	struct span status = text_of(v, M_status);
	if (status.n == 0)
		return false;
	struct input *in = add(v, out, INPUT_SPEECH);
	in->speaker = vapi_speaker(v->m[M_role]);
	in->name = status;
	in->turn = turn_of(v);
	uint64_t key = key_number(key_text(key_start("speech"), status), in->speaker);
	in->key = timed(v, key_number(key, in->turn));
	return true;
}

static bool read_speaking(const struct vapi_view *v, struct inputs *out)
{
	if (v->m[M_text].kind != JSON_STRING)
		return false;
	struct input *in = add(v, out, INPUT_SPEAKING_TEXT);
	in->speaker = SPEAKER_AI;
	in->text = text_of(v, M_text);
	in->turn = turn_of(v);
	in->key = timed(v, key_number(key_text(key_start("speaking"), in->text), in->turn));
	return true;
}

static bool read_interrupted(const struct vapi_view *v, struct inputs *out)
{
	struct input *in = add(v, out, INPUT_INTERRUPTED);
	in->speaker = SPEAKER_USER;
	in->id = text_of(v, M_turnId);
	in->key = timed(v, key_text(key_start("interrupted"), in->id));
	return true;
}

static bool read_hang(const struct vapi_view *v, struct inputs *out)
{
	struct input *in = add(v, out, INPUT_HANG);
	in->key = timed(v, key_start("hang"));
	return true;
}

static bool read_model_output(const struct vapi_view *v, struct inputs *out)
{
	struct json output = v->m[M_output];
	if (!json_has(output))
		return false;
	struct input *in = add(v, out, INPUT_MODEL_OUTPUT);
	in->speaker = SPEAKER_AI;
	in->id = text_of(v, M_turnId);
	if (output.kind == JSON_STRING)
		in->text = text_of(v, M_output);
	else
		in->data = output;
	in->key = timed(v, key_text(key_text(key_start("model-output"), in->id), output.raw));
	return true;
}

static bool read_voice_input(const struct vapi_view *v, struct inputs *out)
{
	if (v->m[M_input].kind != JSON_STRING)
		return false;
	struct input *in = add(v, out, INPUT_VOICE_INPUT);
	in->speaker = SPEAKER_AI;
	in->text = text_of(v, M_input);
	in->key = timed(v, key_text(key_start("voice-input"), in->text));
	return true;
}

static bool read_language(const struct vapi_view *v, struct inputs *out)
{
	struct span language = text_of(v, M_language);
	if (language.n == 0)
		return false;
	struct input *in = add(v, out, INPUT_LANGUAGE);
	in->name = language;
	in->key = timed(v, key_text(key_start("language"), language));
	return true;
}

/* Only of what the message says itself: `call` may have been left out as seen. */
static bool read_assistant(const struct vapi_view *v, struct inputs *out)
{
	struct json now = vapi_either(v->m[M_newAssistant], v->m[M_assistant]);
	struct input *in = add(v, out, INPUT_ASSISTANT);
	in->id = vapi_text(json_get(now, "id"), v->arena);
	in->name = vapi_text(json_get(now, "name"), v->arena);
	in->key = timed(v, key_text(key_text(key_start("assistant"), in->id), in->name));
	return true;
}

/* Whole assistants are prompts and tools; who they are is enough. */
static void put_assistant(struct json_out *o, const char *key, struct json who, struct arena *arena)
{
	struct span id = vapi_text(json_get(who, "id"), arena);
	struct span name = vapi_text(json_get(who, "name"), arena);
	if (!json_has(who))
		return;
	json_begin(o, key);
	if (id.n)
		json_put_text(o, "id", id);
	if (name.n)
		json_put_text(o, "name", name);
	json_end(o);
}

static bool read_transfer(const struct vapi_view *v, struct inputs *out)
{
	struct buf data AUTO_BUF = { 0 };
	struct json_out o = { .b = &data };
	json_begin(&o, NULL);
	if (json_has(v->m[M_destination]))
		json_put_raw(&o, "destination", v->m[M_destination].raw);
	put_assistant(&o, "from", vapi_either(v->m[M_fromAssistant], v->m[M_fromStepRecord]),
		      v->arena);
	put_assistant(&o, "to", vapi_either(v->m[M_toAssistant], v->m[M_toStepRecord]), v->arena);
	json_end(&o);
	struct input *in = add(v, out, INPUT_TRANSFER);
	in->data = (struct json){ JSON_OBJECT, arena_copy(v->arena, buf_span(&data)) };
	in->key = timed(v, key_text(key_start("transfer"), in->data.raw));
	return true;
}

static bool read_nothing(const struct vapi_view *v, struct inputs *out)
{
	(void)v;
	(void)out;
	return true;
}

static bool read_question(const struct vapi_view *v, struct inputs *out)
{
	struct input *in = add(v, out, INPUT_QUESTION);
	in->name = v->type;
	in->key = timed(v, key_text(key_start("question"), v->type));
	return true;
}

/* The first word about an inbound call, and perhaps the only one: it rings until it has its
 * assistant. Repetitions and status messages say it no second time (the key has no time). */
static bool read_assistant_request(const struct vapi_view *v, struct inputs *out)
{
	struct input *in = add(v, out, INPUT_STATUS);
	in->name = SPAN("ringing");
	in->key = key_text(key_start("status"), v->type);
	return read_question(v, out);
}

/* Of all that is the message's own. The parts that many messages carry are left out: they may be
 * reduced or not. */
static uint64_t raw_key(const struct vapi_view *v)
{
	static const char *const common[] = { "call",
					      "assistant",
					      "artifact",
					      "phoneNumber",
					      "customer",
					      "messages",
					      "messagesOpenAIFormatted",
					      "conversation" };
	uint64_t key = key_start("raw");
	struct json_iter it = json_iter(v->message);
	struct span name;
	struct json value;
	while (json_next(&it, &name, &value)) {
		bool own = true;
		for (size_t i = 0; i < sizeof(common) / sizeof(*common); i++)
			own &= !span_is(name, common[i]);
		if (own)
			key = key_text(key_text(key, name), value.raw);
	}
	return key;
}

static bool read_raw(const struct vapi_view *v, struct inputs *out)
{
	struct input *in = add(v, out, INPUT_RAW);
	in->name = v->type;
	in->data = (struct json){ JSON_OBJECT, vapi_mask_capabilities(v->message.raw, v->arena) };
	in->key = timed(v, raw_key(v));
	return true;
}

#define REDUCED false
#define WHOLE true
/* Every type of docs/vapi.md. Those that end in read_raw have no meaning for a call yet and are
 * kept as they are. */
static const struct vapi_type types[] = {
	{ "status-update", ANSWER_NONE, VAPI_HISTORY_BEFORE, REDUCED, read_status },
	{ "transcript", ANSWER_NONE, VAPI_HISTORY_BEFORE, REDUCED, read_transcript },
	{ "speech-update", ANSWER_NONE, VAPI_HISTORY_BEFORE, REDUCED, read_speech },
	{ "conversation-update", ANSWER_NONE, VAPI_HISTORY_BEFORE, REDUCED, read_nothing },
	{ "tool-calls", ANSWER_TOOLS, VAPI_HISTORY_AFTER, REDUCED, vapi_read_tool_calls },
	{ "function-call", ANSWER_TOOLS, VAPI_HISTORY_AFTER, REDUCED, vapi_read_function_call },
	{ "end-of-call-report", ANSWER_NONE, VAPI_HISTORY_BEFORE, WHOLE, vapi_report },
	{ "assistant.speechStarted", ANSWER_NONE, VAPI_HISTORY_BEFORE, REDUCED, read_speaking },
	{ "assistant.started", ANSWER_NONE, VAPI_HISTORY_BEFORE, REDUCED, read_assistant },
	{ "model-output", ANSWER_NONE, VAPI_HISTORY_BEFORE, REDUCED, read_model_output },
	{ "voice-input", ANSWER_NONE, VAPI_HISTORY_BEFORE, REDUCED, read_voice_input },
	{ "user-interrupted", ANSWER_NONE, VAPI_HISTORY_BEFORE, REDUCED, read_interrupted },
	{ "hang", ANSWER_NONE, VAPI_HISTORY_BEFORE, REDUCED, read_hang },
	{ "language-change-detected", ANSWER_NONE, VAPI_HISTORY_BEFORE, REDUCED, read_language },
	{ "language-changed", ANSWER_NONE, VAPI_HISTORY_BEFORE, REDUCED, read_language },
	{ "transfer-update", ANSWER_NONE, VAPI_HISTORY_BEFORE, REDUCED, read_transfer },
	{ "call-ended", ANSWER_NONE, VAPI_HISTORY_BEFORE, REDUCED, read_call_ended },
	{ "tool-calls-result", ANSWER_NONE, VAPI_HISTORY_AFTER, REDUCED, vapi_read_tool_result },
	{ "tool-call-result", ANSWER_NONE, VAPI_HISTORY_AFTER, REDUCED, vapi_read_tool_result },
	{ "assistant-request", ANSWER_ASSISTANT, VAPI_HISTORY_NONE, WHOLE, read_assistant_request },
	{ "transfer-destination-request", ANSWER_DEFAULT, VAPI_HISTORY_NONE, WHOLE, read_question },
	{ "handoff-destination-request", ANSWER_DEFAULT, VAPI_HISTORY_NONE, WHOLE, read_question },
	{ "knowledge-base-request", ANSWER_DEFAULT, VAPI_HISTORY_NONE, WHOLE, read_question },
	{ "voice-request", ANSWER_DEFAULT, VAPI_HISTORY_NONE, WHOLE, read_question },
	{ "call.endpointing.request", ANSWER_DEFAULT, VAPI_HISTORY_NONE, WHOLE, read_question },
	{ "campaign.predial", ANSWER_DEFAULT, VAPI_HISTORY_NONE, WHOLE, read_question },
	{ "phone-call-control", ANSWER_NONE, VAPI_HISTORY_NONE, WHOLE, read_raw },
	{ "call.artifact.upload", ANSWER_NONE, VAPI_HISTORY_NONE, WHOLE, read_raw },
	{ "call.deleted", ANSWER_NONE, VAPI_HISTORY_NONE, WHOLE, read_raw },
	{ "call.delete.failed", ANSWER_NONE, VAPI_HISTORY_NONE, WHOLE, read_raw },
	{ "chat.created", ANSWER_NONE, VAPI_HISTORY_NONE, WHOLE, read_raw },
	{ "chat.deleted", ANSWER_NONE, VAPI_HISTORY_NONE, WHOLE, read_raw },
	{ "session.created", ANSWER_NONE, VAPI_HISTORY_NONE, WHOLE, read_raw },
	{ "session.updated", ANSWER_NONE, VAPI_HISTORY_NONE, WHOLE, read_raw },
	{ "session.deleted", ANSWER_NONE, VAPI_HISTORY_NONE, WHOLE, read_raw },
};
static const struct vapi_type unknown = { "", ANSWER_NONE, VAPI_HISTORY_NONE, WHOLE, read_raw };

/* "transcript[transcriptType=\"final\"]" is a transcript. */
const struct vapi_type *vapi_type_of(struct span name)
{
	const char *filter = name.n ? memchr(name.p, '[', name.n) : NULL;
	if (filter)
		name.n = (size_t)(filter - name.p);
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (span_is(name, types[i].name))
			return &types[i];
	return &unknown;
}

const struct vapi_type *vapi_type_at(size_t i)
{
	return i < sizeof(types) / sizeof(*types) ? &types[i] : NULL;
}

static enum vapi_source source_of(const struct vapi_type *type)
{
	return type->read == vapi_report ? VAPI_FROM_REPORT : VAPI_FROM_MESSAGE;
}

/* The history has keys of its own, however it comes. */
static void told_beside(struct inputs *out, size_t from)
{
	for (size_t i = from; i < out->n; i++) {
		out->items[i].beside = true;
		out->items[i].answer_here = false;
	}
}

int vapi_read(struct span reduced, struct arena *arena, struct inputs *out, struct fault *f)
{
	struct json message = vapi_message(reduced);
	if (message.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "no Vapi message");
	struct vapi_view v;
	vapi_view_message(&v, message, arena);
	const struct vapi_type *type = vapi_type_of(v.type);
	vapi_facts(&v, out);
	if (type->history == VAPI_HISTORY_BEFORE)
		vapi_history(&v, source_of(type), out);
	size_t own = out->n;
	if (!type->read(&v, out))
		(void)read_raw(&v, out);
	if (vapi_is_beside(reduced))
		told_beside(out, own);
	if (type->history == VAPI_HISTORY_AFTER)
		vapi_history(&v, source_of(type), out);
	return 0;
}
