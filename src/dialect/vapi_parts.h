/* What the vapi_*.c files share. Shapes and their evidence: docs/vapi.md. */
#ifndef CALLMEND_DIALECT_VAPI_PARTS_H
#define CALLMEND_DIALECT_VAPI_PARTS_H

#include "callmend/dialect.h"
#include "dialect/key.h"

/* Members that are read; a view finds them all in one pass per object. `M` of the message (and of a
 * Call object, which uses the same names), `C` of its call, `A` of its artifact. */
/* clang-format off */
#define VAPI_MESSAGE_MEMBERS(X) \
	X(type) X(timestamp) X(call) X(callId) X(assistant) X(assistantVersion) X(phoneNumber) \
	X(customer) X(artifact) X(status) X(endedReason) X(destination) X(role) \
	X(transcriptType) X(transcript) X(turn) X(text) X(output) X(turnId) X(input) X(language) \
	X(newAssistant) X(toAssistant) X(fromAssistant) X(toStepRecord) X(fromStepRecord) \
	X(messages) X(messagesOpenAIFormatted) X(conversation) X(toolCallList) X(toolCalls) \
	X(toolWithToolCallList) X(functionCall) X(toolCallResult) X(reason) X(startedAt) \
	X(endedAt) X(updatedAt) X(durationMs) X(durationSeconds) X(durationMinutes) X(cost) \
	X(costBreakdown) X(summary) X(analysis) X(recordingUrl) X(stereoRecordingUrl) X(session)
#define VAPI_CALL_MEMBERS(X) \
	X(id) X(orgId) X(type) X(createdAt) X(startedAt) X(endedAt) X(assistantId) X(assistant) \
	X(assistantVersion) X(squadId) X(sessionId) X(phoneNumberId) X(phoneNumber) X(customer) \
	X(phoneCallProvider) X(phoneCallTransport) X(phoneCallProviderId) X(transport) \
	X(monitor) X(cost) X(costBreakdown) X(analysis) X(endedReason)
#define VAPI_ARTIFACT_MEMBERS(X) \
	X(messages) X(messagesOpenAIFormatted) X(transcript) X(recording) X(recordingUrl) \
	X(stereoRecordingUrl) X(structuredOutputs) X(performanceMetrics)
/* clang-format on */

#define X(name) M_##name,
enum { VAPI_MESSAGE_MEMBERS(X) M_COUNT };
#undef X
#define X(name) C_##name,
enum { VAPI_CALL_MEMBERS(X) C_COUNT };
#undef X
#define X(name) A_##name,
enum { VAPI_ARTIFACT_MEMBERS(X) A_COUNT };
#undef X

struct vapi_view {
	struct json message; /* the object that has `type` */
	struct json m[M_COUNT], call[C_COUNT], artifact[A_COUNT];
	struct span type;
	int64_t at_us;
	struct arena *arena;
};

/* --- vapi_view.c: finding and lenient reading --- */
/* Where the message begins: the object under `message`, or the body itself when it is flat
 * (websocket form). NULL: neither. */
const char *vapi_find_message(struct span body);
/* The same as a value; JSON_NONE when there is none. */
struct json vapi_message(struct span body);
/* What the transport's socket has told begins with this when it is handed on (vapi_websocket.c). It
 * stays in the journal: replay tells the two ways apart by it. */
#define VAPI_BESIDE "{\"$over\":\"socket\","
bool vapi_is_beside(struct span body);
/* `type`, or what is deduced in its place. */
struct span vapi_message_type(struct span body, struct arena *arena);
/* `message` must be an object. A missing type is deduced. */
void vapi_view_message(struct vapi_view *v, struct json message, struct arena *arena);
/* Of a Call object as GET /call/{id} gives it: it is both message and call. */
void vapi_view_call(struct vapi_view *v, struct json call, struct arena *arena);
/* The type to assume of a message without one, by its members; empty: none. */
struct span vapi_deduce_type(struct json message);
/* Text of a string, digits of a number; empty for the rest. */
struct span vapi_text(struct json v, struct arena *arena);
/* The first of n values that has a text. */
struct span vapi_first_text(const struct json *values, size_t n, struct arena *arena);
#define VAPI_FIRST_TEXT(arena, ...)                           \
	vapi_first_text((const struct json[]){ __VA_ARGS__ }, \
			sizeof((const struct json[]){ __VA_ARGS__ }) / sizeof(struct json), arena)
/* The first of two values that is there and not null. */
struct json vapi_either(struct json a, struct json b);
/* ISO 8601 or a number (or its text) of seconds, milliseconds, microseconds; 0 when it is none. */
int64_t vapi_time(struct json v, struct arena *arena);
enum speaker vapi_speaker(struct json role);
/* True for what reduce left in place of something seen; *count: array elements it stands for. */
bool vapi_is_marker(struct json v, size_t *count);
/* Whether one begins at p. */
bool vapi_is_marker_at(const char *p, const char *end);
/* An array with at least one element (a marker counts). */
bool vapi_has_elements(struct json v);

/* --- vapi_read.c: one line per message type --- */
enum vapi_history {
	VAPI_HISTORY_NONE, /* questions and unknown types: kept whole, their history is not read */
	VAPI_HISTORY_BEFORE, /* entries first: they are older than the message */
	VAPI_HISTORY_AFTER,  /* tool calls: ours first, so that the session knows them when it meets
				them in the history */
};

struct vapi_type {
	const char *name;
	enum answer_kind answer;
	enum vapi_history history;
	bool whole; /* never reduced */
	/* Adds the inputs of the message itself; false: not in a shape we know, keep it raw. */
	bool (*read)(const struct vapi_view *v, struct inputs *out);
};
/* Never NULL: unknown types have a line of their own. */
const struct vapi_type *vapi_type_of(struct span name);
/* The i-th known type, NULL behind the last; docs/vapi.md is tested against it. */
const struct vapi_type *vapi_type_at(size_t i);
MUST int vapi_read(struct span reduced, struct arena *arena, struct inputs *out, struct fault *f);

/* --- the others --- */
MUST int vapi_classify(struct span body, struct arena *arena, struct envelope *out,
		       struct fault *f);
void vapi_mask(struct span body, const struct envelope *e, struct buf *out);
/* The i-th member name that is masked (secret or capability), empty behind the last; docs/vapi.md
 * is tested against it. */
struct span vapi_mask_name(size_t i);
/* Replaces what must not be published (monitor and presigned URLs). */
struct span vapi_mask_capabilities(struct span json, struct arena *arena);
void vapi_reduce(struct span body, const struct envelope *e, const struct repeats *known,
		 struct buf *out, struct repeats_news *news);
void vapi_facts(const struct vapi_view *v, struct inputs *out);
enum vapi_source { VAPI_FROM_MESSAGE, VAPI_FROM_REPORT };
void vapi_history(const struct vapi_view *v, enum vapi_source source, struct inputs *out);
bool vapi_report(const struct vapi_view *v, struct inputs *out);
bool vapi_read_tool_calls(const struct vapi_view *v, struct inputs *out);
bool vapi_read_function_call(const struct vapi_view *v, struct inputs *out);
bool vapi_read_tool_result(const struct vapi_view *v, struct inputs *out);

/* One tool call in any of its shapes. */
struct vapi_tool_call {
	struct span id, name;
	struct json arguments; /* an object */
	uint64_t key;	       /* of id, name and arguments, whatever their spelling */
};
void vapi_tool_call(struct json item, struct arena *arena, struct vapi_tool_call *out);
/* {"a":1,"b":"x"} and { "b": "x", "a": 1 } get the same key. */
uint64_t vapi_value_key(struct json v, struct arena *arena);
/* The array of a tool-calls message to go by. */
struct json vapi_tool_calls(const struct vapi_view *v);

/* Calls of this kind take commands over the socket of their audio. */
#define VAPI_SOCKET_KIND "vapi.websocketCall"

const char *vapi_cannot(enum command_verb verb, const struct command_where *where);
MUST int vapi_command(const struct command *c, const struct command_where *where,
		      struct arena *arena, struct provider_request *out, struct fault *f);
void vapi_tool_answer(struct span type, const struct tool_answer *answers, size_t n,
		      struct buf *out);
bool vapi_read_tool_answer(struct span body, struct arena *arena, struct tool_answer **out,
			   size_t *n);
void vapi_default_answer(struct span type, struct span body, struct buf *out,
			 const char **content_type);
MUST int vapi_reconcile(struct span api_base, struct span call_id, struct arena *arena,
			struct provider_request *out);
MUST int vapi_read_call(struct span body, struct arena *arena, struct inputs *out, struct fault *f);
MUST int vapi_fetch_assistant(struct span api_base, struct span id, struct arena *arena,
			      struct provider_request *out);
MUST int vapi_answer_assistant(const struct assistant_choice *c, struct buf *out, struct fault *f);

#endif
