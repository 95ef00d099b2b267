/* What happened in a call: what watchers see, what is stored (A2). Emitted by call sessions only.
 */
#ifndef CALLMEND_EVENT_H
#define CALLMEND_EVENT_H

#include <stdint.h>

#include "base/buf.h"
#include "callmend/input.h"
#include "callmend/uuid.h"

/* X(name, "name", "members of data: meaning"). docs/events.md is generated from this table. */
#define EVENTS(X)                                                                                  \
	X(CALL_STARTED, "call.started",                                                            \
	  "first news of a call: {source, dialect, project, kind, customer, assistant}")           \
	X(CALL_UPDATED, "call.updated", "facts learned later, only the new ones, same members")    \
	X(CALL_STATUS, "call.status", "{status, previous}")                                        \
	X(CALL_ENDED, "call.ended",                                                                \
	  "{reason, class: customer assistant provider telephony limit other lost, "               \
	  "duration_ms, moved_to?: the call in which it lives on}; again with revision: true "     \
	  "when a later message knows better")                                                     \
	X(CALL_REPORT, "call.report",                                                              \
	  "the provider's final report: {reason, started_at, ended_at, cost, summary, "            \
	  "success_evaluation, structured_data, ...}")                                             \
	X(CALL_LOST, "call.lost", "no news for idle_close_ms: {idle_ms, reconciled}")              \
	X(CALL_FLAGGED, "call.flagged", "an input of this call is in quarantine: {record, why}")   \
	X(TRANSCRIPT_PARTIAL, "transcript.partial",                                                \
	  "speaker, text: replaces the speaker's partial before it")                               \
	X(TRANSCRIPT_FINAL, "transcript.final", "speaker, text")                                   \
	X(TURN, "turn",                                                                            \
	  "a turn closed or was revised: {turn, revision, started_at, ended_at, words}; speaker, " \
	  "text: the whole turn")                                                                  \
	X(SPEECH_STARTED, "speech.started",                                                        \
	  "speaker began to speak: {turn, by: audio when heard in the call's own sound}")          \
	X(SPEECH_STOPPED, "speech.stopped", "speaker stopped: {turn, speech_ms, by}")              \
	X(SPEAKING_TEXT, "speech.text", "text: the assistant's turn so far, as it is spoken")      \
	X(INTERRUPTION, "interruption", "the caller interrupted the assistant: {count}")           \
	X(HANG, "hang", "the provider reports a delayed assistant")                                \
	X(SILENCE, "silence", "nobody has spoken for {silence_ms}")                                \
	X(MESSAGE, "message",                                                                      \
	  "a committed entry of the conversation: {role, index, tool_calls?, tool_call_id?, "      \
	  "message_id?: of a text}; "                                                              \
	  "text, speaker")                                                                         \
	X(MODEL_OUTPUT, "model.output", "text: piece of the model's answer; or {output}")          \
	X(VOICE_INPUT, "voice.input", "text")                                                      \
	X(ASSISTANT_STARTED, "assistant.started", "{id, name}")                                    \
	X(LANGUAGE, "language.changed", "{language}")                                              \
	X(TRANSFER, "transfer", "{destination, from, to}")                                         \
	X(QUESTION, "question", "the provider asked and was answered: {type}")                     \
	X(SERVED, "instructions.served",                                                           \
	  "assistant-request was answered: {instruction_version, variable_version, how}")          \
	X(TOOL_REQUESTED, "tool.requested",                                                        \
	  "{tool_id, tool_call_id, name, arguments, by: callmend upstream "                        \
	  "elsewhere}; tool_id is ours, stable. Again only for a further attempt, or when ours "   \
	  "runs because the upstream was not reached; who ran it says tool.finished (by)")         \
	X(TOOL_FINISHED, "tool.finished",                                                          \
	  "{tool_id, tool_call_id, name, success, result, error, started_at, "                     \
	  "duration_ms, fallback, unknown, rewritten?: {mapping_id, argument, from, to}}")         \
	X(COMMAND, "command",                                                                      \
	  "every change of a command: {command_id, verb, target, state, text, actor, reason, "     \
	  "requested_at, accepted_at, effect_at, latency_ms, error, evidence}")                    \
	X(SENTIMENT, "sentiment",                                                                  \
	  "running sentiment of speaker changed: {sentiment, score, previous}")                    \
	X(SIGNAL, "signal",                                                                        \
	  "{signal, score, state: raised cleared, evidence: [{seq, at_ms, text}], formula}")       \
	X(FACT, "fact",                                                                            \
	  "what is known of one of the project's fields changed: {field, label, required, state: " \
	  "never_asked asked_not_captured refused captured, value, confidence (percent), how: "    \
	  "report tool answer mention, passage, passage_seq}")                                     \
	X(CONTEXT, "context",                                                                      \
	  "what is known about the caller: {how: assistant-request running, items: [{id, kind, "   \
	  "title, text}], lookup, error}")                                                         \
	X(ESCALATION, "escalation.proposed",                                                       \
	  "somebody should look after this call: {rule, action: propose transfer, signal, score, " \
	  "evidence}")                                                                             \
	X(AUDIO_ATTACHED, "audio.attached",                                                        \
	  "live audio of speaker begins: {stream, leg, dialect, codec, rate_hz, party, who}")      \
	X(AUDIO_DETACHED, "audio.detached", "and is over: {stream, leg, why, heard_ms}")           \
	X(AUDIO_LEVEL, "audio.level",                                                              \
	  "of the last ms: {stream, leg, level_db (of speech), peak_db, noise_db, ms, speech_ms, " \
	  "clipped}")                                                                              \
	X(AUDIO_QUALITY, "audio.quality",                                                          \
	  "what came of the frames so far, when it changed: {stream, leg, gaps, gap_ms, late, "    \
	  "duplicates, reordered, damaged}")                                                       \
	X(AUDIO_STATE, "audio.state", "{state: none single two_way one_way silent, previous}")     \
	X(AUDIO_PLAYED, "audio.played",                                                            \
	  "audio that we sent was heard: {stream, leg, mark, how: played cleared, ms}")            \
	X(AUDIO_UNBOUND, "audio.unbound",                                                          \
	  "no call was found for this audio, it is one of its own: {stream, leg}")                 \
	X(AUDIO_LINKED, "audio.linked", "its call was found: {stream, leg, to}")                   \
	X(AUDIO_UNREACHED, "audio.unreached",                                                      \
	  "a socket of this call's audio that Callmend dials was given up: {dialect, why}")        \
	X(BARGE_IN, "barge_in",                                                                    \
	  "the caller spoke over the assistant: {yielded, yield_ms until the assistant stopped, "  \
	  "or tried_ms}")                                                                          \
	X(RESPONSE, "response",                                                                    \
	  "the assistant began to answer: {latency_ms since the caller stopped}")                  \
	X(DEAD_AIR, "dead_air",                                                                    \
	  "nobody had spoken, told when it is over: {ms, after, before: speaker or null}")         \
	X(DTMF, "dtmf", "a digit, as text: {stream, leg, digit, how: inband signalled, ms}")       \
	X(RECORDING, "recording",                                                                  \
	  "{stream, leg, state: started paused resumed stopped failed, why, id, ms}")              \
	X(TRANSCRIBER, "transcriber",                                                              \
	  "speech-to-text of the audio: {stream, leg, state: connected lost failed, why}")         \
	X(PARTY, "party",                                                                          \
	  "how a party of the call stands: {party_id, side: outside inside system supervisor, "    \
	  "state: ringing talking held parked moved left, code, reason, number, name, extension, " \
	  "muted, recording, moved_to, late: true when a newer state is known already, snapshot: " \
	  "true when asking has told it}")                                                         \
	X(AUDIO_HELD, "audio.held",                                                                \
	  "a participant was put on hold, or taken back: {stream, leg, held}")                     \
	X(DELIVERY, "text.delivery", "what became of a text we sent: {message_id, state, error}")  \
	X(INSIGHT, "insight", "the platform's own analysis of the call: {kind, insight}")          \
	X(PROVIDER_MESSAGE, "provider.message",                                                    \
	  "a message of an unknown type, whole: {type, message}")                                  \
	X(PROVIDER_WARNING, "provider.warning",                                                    \
	  "the provider's configuration hides something: {warning, advice}")

enum event_type {
#define X(name, text, doc) EVENT_##name,
	EVENTS(X)
#undef X
		EVENT_COUNT
};
const char *event_name(enum event_type);
bool event_from(struct span name, enum event_type *out);
const char *event_doc(enum event_type);

struct event {
	enum event_type type;
	enum speaker speaker;
	bool is_final;
	uint64_t seq; /* record.h */
	struct uuid call;
	int64_t at_us;	/* when it happened (the provider's time when it gave one, else arrival) */
	bool own_clock; /* at_us is of our clock, not the provider's; not written */
	int64_t arrived_us; /* the record's */
	int64_t offset_ms;  /* from the call's start, on the same clock; -1: unknown */
	struct span text;   /* UTF-8 */
	struct span data;   /* JSON object, the same bytes at every replay; "{}" at least */
};

/* {"seq","type","call_id","at","offset_ms","speaker","text","is_final","data"}: what watchers get
 * and what replay compares. */
void event_write(const struct event *, struct buf *out);

#endif
