/* Rows of RingCX's report of segments (POST .../interaction-metadata). Its OpenAPI names members in
 * one way (WEMDialogSegmentMetaData), earlier documents in two others; all are read. Pure.
 *
 * Source: RingCentral's engage-voice-api-docs (August 2026), specs/engage-voice_openapi3.json and
 * docs/integration/reports.md. */
#ifndef CALLMEND_DIALECT_RINGCX_REPORT_H
#define CALLMEND_DIALECT_RINGCX_REPORT_H

#include "base/json.h"

struct ringcx_segment {
	struct span dialog, id;
	struct span name;	      /* of who took part; mostly not told */
	struct span customer;	      /* their number; empty where the direction is not told */
	int64_t started_us, ended_us; /* 0: not told */
	int64_t dialog_us;	      /* when its dialog began; 0: not told */
	bool unrecorded;	      /* the platform says that it has no recording of it */
};
/* Of this dialog? Reads no more than that: a report of a busy hour has thousands of rows. */
bool ringcx_segment_is_of(struct json row, struct span dialog, struct arena *);
/* false: no segment of a call (of a chat, or without ids). Spans live in the row and the arena. */
bool ringcx_segment_read(struct json row, struct arena *, struct ringcx_segment *out);

/* Is who says this line of a transcript the customer? By participantType ("agent", "contact"), and
 * where that is not told by id and name: a customer's id is their number, or one of both says so.
 */
bool ringcx_line_is_customer(struct json line, struct arena *);

#endif
