/* How events are made and how they pass the stages (callmend/stage.h). */
#ifndef CALLMEND_CALL_PIPELINE_H
#define CALLMEND_CALL_PIPELINE_H

#include "base/json.h"
#include "callmend/event.h"

struct session;

/* An event in the making: begin, set members of e, put members of data with o, emit. */
struct draft {
	struct event e;
	struct buf data;
	struct json_out o;
};
/* at_us: when it happened; 0: now. Whose clock that is follows from what is being applied; who
 * tells of a time kept from before sets e.own_clock. The draft must not be moved until it is
 * emitted. */
void draft_begin(struct session *, struct draft *, enum event_type, int64_t at_us);
/* Publishes it and gives it to the stages; frees the draft. Returns its sequence. */
uint64_t draft_emit(struct session *, struct draft *);

/* The provider's time when it can be believed, else the time of the record. Notes the difference,
 * unless the time is of our own clock. */
int64_t pipeline_time(struct session *, int64_t provider_us);
/* Within a day of the present record? Else the clock that gave it is not to be believed. */
bool pipeline_believable(const struct session *, int64_t provider_us);
/* Is this time of what is being applied, or of now, of our own clock? Times kept for later
 * remember it themselves. */
bool pipeline_own_clock(const struct session *, int64_t at_us);
/* A time on our clock: the provider's is moved by the least difference seen so far. */
int64_t pipeline_local(const struct session *, int64_t at_us, bool own_clock);
/* ms from the call's start; -1: unknown. */
int64_t pipeline_offset_ms(const struct session *, int64_t at_us, bool own_clock);
/* Writes a member with a time as ISO 8601; null when 0. */
void pipeline_put_time(struct json_out *, const char *key, int64_t us);
void pipeline_put_uuid(struct json_out *, const char *key, const struct uuid *); /* nil: null */
/* JSON of others: on one line, mended as json_put_clean does; null when absent. */
void pipeline_put_json(struct json_out *, const char *key, struct json);
/* Text, or null when empty. */
void pipeline_put_text(struct json_out *, const char *key, struct span text);

#endif
