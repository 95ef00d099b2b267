/* Files of message lists: a record is an object with "messages" (or "traj"), or a bare list. It
 * becomes a body of the dialect by what it lacks: an id made of its content, and a time. */
#include "base/clock.h"
#include "dialect/formats.h"
#include "dialect/openai.h"
#include "dialect/vapi_parts.h"

/* Members of a record that say nothing about the call and may be large. */
static const char *const left_out[] = { "tools", "functions", "info", "started_at", NULL };

static bool claims(struct json record)
{
	return openai_messages(record).kind != JSON_NONE;
}

static struct span id_of(struct span text, struct json record, struct arena *arena)
{
	static const char *const names[] = { "id", "call_id", "conversation_id" };
	struct buf hex AUTO_BUF = { 0 };
	uint8_t digest[32];
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct span id = vapi_text(json_get(record, names[i]), arena);
		if (id.n)
			return id;
	}
	crypto_sha256(text, digest);
	crypto_hex((struct span){ (const char *)digest, 12 }, &hex);
	return span_of(arena_printf(arena, "content-%.*s", (int)hex.n, hex.p));
}

static void put_record(struct buf *out, struct json record)
{
	struct json_iter it = json_iter(record);
	struct span key;
	struct json value;
	while (record.kind == JSON_OBJECT && json_next(&it, &key, &value)) {
		if (span_in(key, left_out))
			continue;
		buf_addz(out, ",\"");
		buf_add(out, key);
		buf_addz(out, "\":");
		buf_add(out, value.raw);
	}
	if (record.kind == JSON_ARRAY) {
		buf_addz(out, ",\"messages\":");
		buf_add(out, record.raw);
	}
	buf_addc(out, '}');
}

static struct span body_of(struct json record, const struct format_call *call, struct arena *arena)
{
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	char iso[CLOCK_ISO + 1];
	clock_format(call->started_us, iso);
	json_begin(&o, NULL);
	json_put_text(&o, "id", call->id);
	json_put_z(&o, "started_at", iso);
	put_record(&b, record);
	return arena_copy(arena, buf_span(&b));
}

static int read_record(const struct format_record *r, struct arena *arena, struct format_call *out,
		       struct fault *f)
{
	struct json record = json_of(r->text);
	int64_t ended_us;
	*out = (struct format_call){ .whole = true };
	if (!claims(record))
		return fault(f, E_INVALID, "no list of messages with roles");
	openai_times(record, arena, &out->started_us, &ended_us);
	if (!out->started_us)
		out->started_us = r->fallback_us;
	out->id = id_of(r->text, record, arena);
	out->body = body_of(record, out, arena);
	out->at_us =
		ended_us > out->started_us ? ended_us : openai_end(record, out->started_us, arena);
	return 0;
}

const struct format openai_format = {
	.name = "openai",
	.title = "message lists with tool calls: {\"messages\": [..]} or {\"traj\": [..]}",
	.dialect = "openai",
	.kind = FORMAT_JSON,
	.claims = claims,
	.read = read_record,
};
