/* A call: a pure function of the records it was given.
 *
 * No clock, no file, no socket, no thread, no randomness: the same records give the same events,
 * byte for byte, live, at replay and in batch. Time comes with the record: before a record of time
 * t is applied, timers due at or before t fire at their own deadlines (their events carry the
 * deadline as time and the record's number as sequence). A live host appends a TICK record when
 * session_deadline() has passed and nothing else came.
 *
 * Memory: <= 64 KiB hot per call; older turns, tool calls and messages spill into a bounded cold
 * part and then only counts remain. Every list is bounded and says so. */
#ifndef CALLMEND_CALL_SESSION_H
#define CALLMEND_CALL_SESSION_H

#include "callmend/call_host.h"
#include "callmend/record.h"

struct session;

struct session *session_new(const struct uuid *call);
void session_free(struct session *);

/* Applies one record. The first must be BIND. E_INVALID (fault says what): the record cannot be
 * read; the session is unchanged and stays usable. Never fails for any other reason. */
MUST int session_apply(struct session *, const struct record *, const struct call_host *,
		       struct fault *f);

/* When the next timer is due; INT64_MAX: none. Expired sessions (session_expired at now) are freed
 * by the host, at live and at replay by the same rule: before a record of time t is applied to a
 * call whose session has expired at t, the session is replaced by a new one (which needs a BIND
 * first). */
int64_t session_deadline(const struct session *);
/* From now on it has none: one of its timers stops the process. It expires when nothing comes. */
void session_stop_timers(struct session *);
bool session_expired(const struct session *, int64_t now_us);

/* Views, valid until the next apply. */
const struct settings *session_settings(const struct session *); /* NULL before BIND */
bool session_ended(const struct session *);
uint64_t
session_first_record(const struct session *); /* journal may not drop records from here on */
uint64_t session_last_seq(const struct session *);
struct span session_provider_call_id(const struct session *);
struct span session_telephony_id(const struct session *); /* the carrier's; may be empty */
struct span session_listen_url(const struct session *);	  /* a capability: never published */
bool session_in_progress(const struct session *);	  /* by the provider's word */
struct uuid
session_conversation(const struct session *); /* v5 of source and session id or call id */
size_t session_bytes(const struct session *); /* memory held */
uint32_t
session_repeated_tools(const struct session *); /* tool calls that had been here before, so far */
/* A command of this session by idempotency key or id: its JSON as in the COMMAND event; false when
 * unknown. */
bool session_command(const struct session *, const struct uuid *id, struct span key,
		     struct buf *out);

/* Of what is known about the caller, the parts that were asked for and answered, or given up:
 * records say so. */
void session_context_asked(const struct session *, bool *items, bool *lookup);

/* Effects that were asked for and have no OUTCOME: after replay the host appends OUTCOME records
 * for them (unknown where an INTENT is there, not_sent where none is). Calls `each` per effect. */
void session_open_effects(const struct session *,
			  void (*each)(void *user, const struct uuid *effect, enum effect_kind,
				       bool intent_seen),
			  void *user);

/* The recordings of this call that there are, and any that begin, are to leave out what comes: as
 * the last such command says that was not rejected. Not once the call has ended. */
bool session_recording_paused(const struct session *);
/* Since when: that was asked for. */
int64_t session_recording_paused_us(const struct session *);

/* Legs of its audio that are attached: after replay the host tells DETACHED of them
 * (callmend/heard.h), since their sockets went with the process. Calls `each` per leg; `stream` is
 * the session's. */
void session_attached_legs(const struct session *,
			   void (*each)(void *user, struct span stream, unsigned leg,
					enum speaker speaker, int64_t attached_us),
			   void *user);

/* Its recording was told to run and not to have ended: after replay the host tells that too. *ms:
 * so long it was by then. */
bool session_records(const struct session *, int64_t *ms);

/* The call as JSON object, the same at every replay: what a watcher's snapshot, GET /calls/{id} and
 * the calls row are made of: {id, provider_call_id, conversation_id, source_id, project_id, org_id,
 * kind, status, live, started_at, ended_at, duration_ms, ended_reason, ended_class, customer
 * {number, name}, assistant {id, name, version}, phone_number, transcript_live (has live
 *  transcripts), speaking: ai user or null, sentiment {ai, user, call}, counts {events, turns,
 * messages, tool_calls, tool_errors, interruptions, hangs, interventions, duplicates}, outcome,
 * cost, summary, instruction_version, audio (null without; docs/sound.md, "In the snapshot"), flags
 * [..], facts {captured, required} (of the fields that are required), commands: [those not final],
 * last_seq, first_at: the earliest time that the platform has told of it, else of its first
 * arrival: where a call stands in time that nobody has answered, so that it has no started_at} */
void session_summary(const struct session *, struct buf *out);
/* The same plus {turns: [last 50: {speaker, text, at, offset_ms, turn, revision}], partial: {ai,
 * user}, tools: [last 20], signals: [raised], commands: [last 20], can: {verb: true or why not, as
 * the call stands}, context: [last 16 items],
 * escalated (by a rule, A9), and facts: [{field, label, required, state, value, confidence}]
 * instead of their number}. */
void session_snapshot(const struct session *, struct buf *out);

#endif
