/* The direction is told as the agent sees it: inbound, ANI is the customer's number and DNIS ours;
 * outbound the other way round. Our own number, taken for the customer's, would make all calls
 * those of one contact: where nobody tells the direction there is no number. */
#include "dialect/ringcx_report.h"

#include "base/clock.h"
#include "dialect/ringcentral_parts.h"

enum { NAMES = 4 };
static const char DIALOG[] = "dialogId";

/* Of the first name that has something. */
static struct span text_of(struct json row, const char *const names[NAMES], struct arena *a)
{
	struct span text = { 0 };

	for (size_t i = 0; i < NAMES && names[i] && !text.n; i++)
		text = rc_text_at(row, names[i], a);
	return text;
}

static int64_t time_of(struct json row, const char *const names[NAMES], struct arena *a)
{
	int64_t us = 0;
	return clock_parse(text_of(row, names, a), &us) && us > 0 ? us : 0;
}

static struct span customer_of(struct json row, struct arena *a)
{
	static const char *const ani[NAMES] = { "channelEndpointAddress",
						"interactionCallingAddress", "ani" },
				 *const dnis[NAMES] = { "contactEndpointAddress",
							"interactionCalledAddress", "dnis" },
				 *const direction[NAMES] = { "dialogOrigination",
							     "interactionDirection",
							     "segmentDirection" };
	struct span told = text_of(row, direction, a);

	if (rc_same(told, "inbound"))
		return text_of(row, ani, a);
	return rc_same(told, "outbound") ? text_of(row, dnis, a) : (struct span){ 0 };
}

bool ringcx_segment_is_of(struct json row, struct span dialog, struct arena *a)
{
	return span_eq(rc_text_at(row, DIALOG, a), dialog);
}

bool ringcx_segment_read(struct json row, struct arena *a, struct ringcx_segment *out)
{
	static const char *const id[NAMES] = { "segmentId", "segmentID" },
				 *const name[NAMES] = { "segmentParticipantName" },
				 *const channel[NAMES] = { "channelClass" },
				 *const from[NAMES] = { "segmentStartTimeMs",
							"segmentContactStartTimeMs",
							"segmentContactStartTime" },
				 *const to[NAMES] = { "segmentEndTimeMs", "segmentContactEndTimeMs",
						      "segmentContactEndTime" },
				 *const began[NAMES] = { "dialogStartTimeMs",
							 "interactionStartTimeMs" };
	struct span class = text_of(row, channel, a);

	*out = (struct ringcx_segment){ .dialog = rc_text_at(row, DIALOG, a),
					.id = text_of(row, id, a),
					.name = text_of(row, name, a),
					.customer = customer_of(row, a),
					.started_us = time_of(row, from, a),
					.ended_us = time_of(row, to, a),
					.dialog_us = time_of(row, began, a),
					.unrecorded =
						json_get(row, "hasRecording").kind == JSON_FALSE };
	return out->dialog.n && out->id.n && (!class.n || rc_same(class, "voice"));
}

static bool seems_customer(struct span id, struct span name)
{
	return span_starts(id, SPAN("+")) || span_starts(id, SPAN("cust")) ||
	       span_is(name, "Customer") || span_is(name, "Contact");
}

bool ringcx_line_is_customer(struct json line, struct arena *a)
{
	struct span type = rc_text_at(line, "participantType", a);

	if (type.n)
		return rc_same(type, "contact") || rc_same(type, "customer");
	return seems_customer(rc_text_at(line, "participantId", a),
			      rc_text_at(line, "participantName", a));
}
