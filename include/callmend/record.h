/* What the journal holds: everything a call session was ever told, in the order it was told.
 *
 * Replaying the records of a call through call/session.h gives the same events, byte for byte.
 * Contract between journal (stores them), ingest (writes and applies them), projector and replay
 * (read them). */
#ifndef CALLMEND_RECORD_H
#define CALLMEND_RECORD_H

#include <stdint.h>

#include "callmend/span.h"
#include "callmend/uuid.h"

/* X(name, number on disk, documentation of the body) */
#define RECORD_KINDS(X)                                                                           \
	X(BIND, 1, "settings.h as JSON: fixes what applies to a call, before its first input")    \
	X(WEBHOOK, 2, "a provider's message, secrets masked, repetitions reduced (dialect.h)")    \
	X(COMMAND, 3, "command.h as JSON: somebody asked for it")                                 \
	X(INTENT, 4, "effect id (16 bytes): the effect may start once this is durable")           \
	X(OUTCOME, 5, "outcome.h as JSON: what came of an effect")                                \
	X(TICK, 6, "empty: time has passed, timers due by then fire")                             \
	X(REFUSED, 7, "input that could not be read, whole, with the reason; goes to quarantine") \
	X(SERVED, 8, "JSON: what assistant-request was answered with (instruction version)")      \
	X(CONTEXT, 10,                                                                            \
	  "JSON, data of event CONTEXT: what is known about the caller, looked up or posted; "    \
	  "and items_asked: true when the database was asked")                                    \
	X(HEARD, 11, "what was heard in its audio (heard.h)")                                     \
	X(QUARANTINED, 9,                                                                         \
	  "never on disk: stands in for a record that is skipped; body: why. The "                \
	  "session answers with CALL_FLAGGED and nothing else")

enum record_kind {
#define X(name, number, doc) RECORD_##name = (number),
	RECORD_KINDS(X)
#undef X
};
const char *record_kind_name(enum record_kind kind); /* "webhook"; NULL for unknown numbers */

struct record {
	uint64_t number; /* 1, 2, 3 ... over the whole life of a journal; given by journal_append */
	int64_t at_us;	 /* arrival, stamped by the owning shard; never decreasing within a call */
	struct uuid call; /* nil for records that belong to no call (REFUSED) */
	enum record_kind kind;
	struct span body;
};

/* An event's sequence: (record number, index under that record) as one growing number. Stays below
 * 2^53 for the first 137 thousand million records, so JSON numbers hold it. */
enum { SEQ_INDEX_BITS = 16 };
static inline uint64_t seq_of(uint64_t record_number, unsigned index)
{
	return record_number << SEQ_INDEX_BITS | index;
}

#endif
