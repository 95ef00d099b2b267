/* Every counter, gauge and histogram of the process, declared once in METRICS with its
 * documentation.
 *
 * Counting is a relaxed atomic add on a per-process array: any thread, no locks. Labels are small
 * closed sets
 * (`labels`, one name; values are given at the call as a static string; at most METRIC_LABEL_VALUES
 * distinct ones per metric, more are counted under "other"). metrics_write() gives the Prometheus
 * text format 0.0.4; docs/metrics.md is generated from this table and a test compares them. */
#ifndef CALLMEND_BASE_METRICS_H
#define CALLMEND_BASE_METRICS_H

#include <stdint.h>

#include "base/buf.h"

/* X(id, KIND, "name", "label or empty", "documentation") */
#define METRICS(X)                                                                                \
	X(WEBHOOKS, COUNTER, "callmend_webhooks_total", "result",                                 \
	  "Webhooks by result: accepted, duplicate, rejected, unauthorized, overloaded, "         \
	  "unknown_source; handshake: a provider wanted to see that it is us")                    \
	X(WEBHOOK_BYTES, COUNTER, "callmend_webhook_bytes_total", "",                             \
	  "Bytes of webhook bodies received")                                                     \
	X(WEBHOOK_SECONDS, HISTOGRAM, "callmend_webhook_answer_seconds", "",                      \
	  "From the last byte of a webhook to its answer")                                        \
	X(EVENTS, COUNTER, "callmend_events_total", "", "Events published by call sessions")      \
	X(EVENT_SECONDS, HISTOGRAM, "callmend_event_ingest_latency_seconds", "",                  \
	  "From the last byte of a webhook to its events handed to watchers")                     \
	X(CALLS_ACTIVE, GAUGE, "callmend_calls_active", "",                                       \
	  "Calls with a session in memory that have not ended")                                   \
	X(CALLS_ENDED, COUNTER, "callmend_calls_ended_total", "class",                            \
	  "Calls ended, by class of ended reason: customer, assistant, provider, telephony, "     \
	  "limit, other, lost")                                                                   \
	X(COMMANDS, COUNTER, "callmend_control_total", "result", "Commands by final state")       \
	X(COMMAND_SECONDS, HISTOGRAM, "callmend_control_latency_seconds", "",                     \
	  "From a command's arrival to the provider's answer")                                    \
	X(TOOL_CALLS, COUNTER, "callmend_tool_calls_total", "result",                             \
	  "Tool calls by result: success, failed, fallback, duplicate, unknown")                  \
	X(TOOL_SECONDS, HISTOGRAM, "callmend_tool_call_duration_seconds", "",                     \
	  "Duration of tool calls run by Callmend")                                               \
	X(UPSTREAM, COUNTER, "callmend_upstream_forwards_total", "result",                        \
	  "Webhooks forwarded upstream by result: delivered, failed, timed_out, dropped")         \
	X(JOURNAL_SYNC_SECONDS, HISTOGRAM, "callmend_journal_fsync_seconds", "",                  \
	  "Duration of fdatasync on the journal")                                                 \
	X(JOURNAL_RECORDS, COUNTER, "callmend_journal_records_total", "",                         \
	  "Records appended to the journal")                                                      \
	X(JOURNAL_BYTES, COUNTER, "callmend_journal_bytes_total", "",                             \
	  "Bytes appended to the journal")                                                        \
	X(JOURNAL_FULL, COUNTER, "callmend_journal_full_total", "",                               \
	  "Records refused because journal memory or disk cap was reached")                       \
	X(JOURNAL_DAMAGED, COUNTER, "callmend_journal_damaged_bytes_total", "",                   \
	  "Bytes of damaged journal data copied aside and skipped")                               \
	X(JOURNAL_DISK_BYTES, GAUGE, "callmend_journal_disk_bytes", "",                           \
	  "Bytes of all journal segments on disk")                                                \
	X(PROJECTOR_LAG, GAUGE, "callmend_projector_lag_records", "",                             \
	  "Journal records not yet in PostgreSQL")                                                \
	X(REAPPLIED, COUNTER, "callmend_reapplied_records_total", "by",                           \
	  "Journal records applied again after a start: by calls (all that are read), "           \
	  "by the projector (those stored already)")                                              \
	X(PROJECTOR_ROWS, COUNTER, "callmend_projector_rows_total", "",                           \
	  "Rows written to PostgreSQL by the projector")                                          \
	X(PROJECTOR_REFUSED, COUNTER, "callmend_projector_refused_rows_total", "",                \
	  "Rows PostgreSQL refused, kept in quarantine")                                          \
	X(QUARANTINED, COUNTER, "callmend_quarantined_inputs_total", "",                          \
	  "Inputs not applied because they stopped the core twice")                               \
	X(MAILBOX_FULL, COUNTER, "callmend_mailbox_full_total", "",                               \
	  "Messages between shards refused because a mailbox was full")                           \
	X(WATCHERS, GAUGE, "callmend_watchers", "", "Live WebSocket connections")                 \
	X(WATCHER_DROPS, COUNTER, "callmend_ws_slow_consumer_drops_total", "",                    \
	  "Times a slow watcher's queue was dropped for a fresh snapshot")                        \
	X(HTTP_REQUESTS, COUNTER, "callmend_http_requests_total", "code",                         \
	  "HTTP requests by status class: 1xx 2xx 3xx 4xx 5xx")                                   \
	X(CONNECTIONS, GAUGE, "callmend_connections", "", "Open server connections")              \
	X(GRPC_CONNECTIONS, GAUGE, "callmend_grpc_connections", "", "Open connections of gRPC")   \
	X(GRPC_STREAMS, COUNTER, "callmend_grpc_streams_total", "status",                         \
	  "Streams of gRPC that have ended, by status in lower case (ok, unauthenticated, "       \
	  "unimplemented ...); reset: without one, lost: with their connection")                  \
	X(GRPC_BYTES, COUNTER, "callmend_grpc_bytes_total", "",                                   \
	  "Bytes received on connections of gRPC, HTTP/2 frames included, TLS not")               \
	X(MEDIA_SOCKETS, GAUGE, "callmend_media_sockets", "",                                     \
	  "Sockets of live audio, accepted and dialled")                                          \
	X(MEDIA_MESSAGES, COUNTER, "callmend_media_messages_total", "kind",                       \
	  "Messages of live audio by kind: audio, other, unreadable; passed: over, nobody "       \
	  "has room, or it comes too early; unsent: of ours")                                     \
	X(MEDIA_BYTES, COUNTER, "callmend_media_bytes_total", "", "Bytes of these messages")      \
	X(MEDIA_REFUSED, COUNTER, "callmend_media_refused_total", "why",                          \
	  "Sockets of live audio refused or closed by us: unknown_source, unauthorized, "         \
	  "full, draining, wrong_kind, too_large, no_utf8, unreadable, codec, silent, "           \
	  "no_words, ...")                                                                        \
	X(MEDIA_BOUND, COUNTER, "callmend_media_bound_total", "by",                               \
	  "Live audio whose call was found, by token, call_id, telephony_id, only_call, "         \
	  "dialled, link; own: it got a call of its own")                                         \
	X(MEDIA_FACTS, COUNTER, "callmend_media_facts_total", "",                                 \
	  "Facts about live audio told to calls")                                                 \
	X(MEDIA_THINNED, COUNTER, "callmend_media_thinned_total", "",                             \
	  "Facts about live audio left out: the journal, or memory for them, was full")           \
	X(MEDIA_DIALS, COUNTER, "callmend_media_dials_total", "result",                           \
	  "Sockets of live audio dialled by Callmend: open, failed, lost, gave_up")               \
	X(MEDIA_LISTENERS, GAUGE, "callmend_media_listeners", "",                                 \
	  "Watchers that listen to live audio")                                                   \
	X(MEDIA_LISTEN_DROPS, COUNTER, "callmend_media_listen_drops_total", "",                   \
	  "Frames of live audio dropped for slow listeners")                                      \
	X(RECORDINGS_OPEN, GAUGE, "callmend_recording_open_files", "",                            \
	  "Files of recordings that are being written, one for each leg")                         \
	X(RECORDING_BYTES, COUNTER, "callmend_recording_bytes_total", "",                         \
	  "Bytes of sound written to recordings")                                                 \
	X(RECORDING_DROPPED, COUNTER, "callmend_recording_dropped_frames_total", "",              \
	  "Frames left out of recordings because recording.memory_bytes was used up")             \
	X(RECORDINGS_FAILED, COUNTER, "callmend_recording_failed_total", "why",                   \
	  "Recordings that ended before their leg: disk_full, low_space, too_large, io")          \
	X(STT_LEGS, GAUGE, "callmend_stt_legs", "", "Legs with a speech-to-text session")         \
	X(STT_STATES, COUNTER, "callmend_stt_states_total", "state",                              \
	  "Changes of such sessions: connected, lost, failed")                                    \
	X(STT_RESULTS, COUNTER, "callmend_stt_results_total", "kind",                             \
	  "Results of speech-to-text: final, partial; repeated: left out, they were told "        \
	  "before a reconnect; rubbish: not understood; given_up: utterances nobody took")        \
	X(STT_DROPPED_MS, COUNTER, "callmend_stt_dropped_ms_total", "",                           \
	  "Audio dropped because speech-to-text was away or too slow for longer than the "        \
	  "queue holds")                                                                          \
	X(CONNECT_SESSIONS, GAUGE, "callmend_connect_sessions", "state",                          \
	  "Sessions of sources with their platform by state: off, token, connecting, live, "      \
	  "waiting, denied")                                                                      \
	X(CONNECT_REQUESTS, COUNTER, "callmend_connect_requests_total", "result",                 \
	  "Requests to platforms by result: ok, refused, unauthorized, limited (429), "           \
	  "failed (5xx), no_answer; not_sent: no token, or its turn did not come in time")        \
	X(CONNECT_GATEWAYS, COUNTER, "callmend_connect_gateways_total", "result",                 \
	  "Connections to event gateways: new, recovered, failed, lost; overrun: recovered, but " \
	  "more may have been missed than the platform keeps")                                    \
	X(CONNECT_EVENTS, COUNTER, "callmend_connect_events_total", "result",                     \
	  "Messages of sessions to calls: told, repeated (they were here before), again "         \
	  "(the journal took nothing), unreadable, full (hung up until there is room), "          \
	  "stopped")                                                                              \
	X(CONNECT_RESYNCS, COUNTER, "callmend_connect_resyncs_total", "result",                   \
	  "Times live calls were asked for after a loss: begun, done, given_up")                  \
	X(LOOP_LAG_SECONDS, HISTOGRAM, "callmend_loop_lag_seconds", "",                           \
	  "How late a shard's 100 ms timer fires")                                                \
	X(STORE_QUERIES, COUNTER, "callmend_store_queries_total", "result",                       \
	  "API queries by result: ok, refused, unavailable, full")                                \
	X(JOBS_QUEUED, GAUGE, "callmend_jobs_queued", "",                                         \
	  "Jobs for analysts that wait, of the whole database; read every 5 s")                   \
	X(JOBS_RUNNING, GAUGE, "callmend_jobs_running", "", "Jobs that an analyst holds")         \
	X(JOBS_DEAD, GAUGE, "callmend_jobs_dead", "",                                             \
	  "Jobs that were given up and wait for a person")                                        \
	X(JOBS_OLDEST_DUE, GAUGE, "callmend_jobs_oldest_due_seconds", "",                         \
	  "How long the oldest job has been due without being taken")                             \
	X(DATABASE_ERRORS, COUNTER, "callmend_database_errors_total", "error",                    \
	  "Errors of PostgreSQL that are nobody's input, by name (docs/operations.md): "          \
	  "permission, schema, login, read-only ...")

enum metric {
#define X(id, kind, name, label, doc) METRIC_##id,
	METRICS(X)
#undef X
		METRIC_COUNT
};
enum { METRIC_LABEL_VALUES = 16 };

void metric_add(enum metric m, int64_t by);
void metric_add_label(enum metric m, const char *value, int64_t by);
void metric_set(enum metric m, int64_t v);
void metric_observe_us(enum metric m, int64_t us); /* histogram buckets 100 µs ... 30 s */
int64_t metric_value(enum metric m);		   /* sum over labels */
void metrics_write(struct buf *out);		   /* Prometheus text */
void metrics_write_docs(struct buf *out);	   /* docs/metrics.md */

#endif
