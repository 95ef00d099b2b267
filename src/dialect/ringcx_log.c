/* RingCX: a call of which its reports tell no more than when it was and with whom. Pulls write such
 * records themselves (src/node/pull_ringcentral.c): {"callmend": "ringcx", "id", "kind":
 * "recording", "number", "started_at", "ended_at"}. They are read as other calls without words are.
 */
#include "base/clock.h"
#include "dialect/formats.h"

static bool claims(struct json record)
{
	return json_is_text(json_get(record, "callmend"), "ringcx");
}

static int read_record(const struct format_record *r, struct arena *a, struct format_call *out,
		       struct fault *f)
{
	struct json record = json_of(r->text);
	*out = (struct format_call){ .id = json_text(json_get(record, "id"), a),
				     .body = r->text,
				     .whole = true };
	if (!out->id.n ||
	    !clock_parse(json_text(json_get(record, "started_at"), a), &out->started_us) ||
	    !clock_parse(json_text(json_get(record, "ended_at"), a), &out->at_us))
		return fault(f, E_INVALID, "no call of RingCX: it has no id or no times");
	return 0;
}

const struct format ringcx_log_format = {
	.name = "ringcx",
	.title = "calls of RingCX, as pulls write them",
	.dialect = "openai",
	.kind = FORMAT_JSON,
	.claims = claims,
	.read = read_record,
};
