/* A call placed over Vapi's WebSocket transport: POST /call with transport vapi.websocket, whose
 * answer names the call and where to connect.
 *
 * Source: docs.vapi.ai/calls/websocket-transport; VapiWebsocketTransport and AudioFormat of Vapi's
 * OpenAPI. */
#include "dialect/vapi_audio.h"

static void put_format(const struct media_place *p, struct json_out *o)
{
	json_begin(o, "audioFormat");
	json_put_text(o, "format", p->encoding.n ? p->encoding : SPAN("pcm_s16le"));
	json_put_z(o, "container", "raw");
	json_put_i64(o, "sampleRate",
		     p->rate_hz			     ? p->rate_hz
		     : span_is(p->encoding, "mulaw") ? 8000
						     : 16000);
	json_end(o);
}

void vapi_place(const struct media_place *p, struct arena *a, struct span *url, struct span *body)
{
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };

	json_begin(&o, NULL);
	if (p->assistant_id.n)
		json_put_text(&o, "assistantId", p->assistant_id);
	if (json_has(p->assistant))
		json_put_raw(&o, "assistant", p->assistant.raw);
	if (json_has(p->overrides))
		json_put_raw(&o, "assistantOverrides", p->overrides.raw);
	if (p->name.n)
		json_put_text(&o, "name", p->name);
	json_begin(&o, "transport");
	json_put_z(&o, "provider", "vapi.websocket");
	put_format(p, &o);
	json_end(&o);
	json_end(&o);
	*body = arena_copy(a, buf_span(&b));
	*url = span_of(arena_printf(a, "%.*s/call", SPAN_ARG(p->api_base)));
}

/* As the first status-update would be, which may come by webhook, too; the transport's URL is
 * nobody else's to know. */
static struct span first_message(struct json answer, struct arena *a)
{
	static const char *const kept[] = { "id",	 "orgId",
					    "type",	 "status",
					    "createdAt", "assistantId",
					    "assistant", "assistantOverrides",
					    "monitor",	 "name" };
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	struct json status = json_get(answer, "status");

	json_begin(&o, NULL);
	json_put_z(&o, "$over", "socket"); /* VAPI_BESIDE */
	json_begin(&o, "message");
	json_put_z(&o, "type", "status-update");
	json_put_raw(&o, "status", json_has(status) ? status.raw : SPAN("\"queued\""));
	json_begin(&o, "call");
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (json_has(json_get(answer, kept[i])))
			json_put_raw(&o, kept[i], json_get(answer, kept[i]).raw);
	json_end(&o);
	json_end(&o);
	json_end(&o);
	return arena_copy(a, buf_span(&b));
}

int vapi_placed(struct json answer, struct arena *a, struct media_placed *out, struct fault *f)
{
	out->call_id = json_text(json_get(answer, "id"), a);
	out->url = json_text(json_path(answer, "transport.websocketCallUrl"), a);
	if (!out->call_id.n || !out->url.n)
		return fault(f, E_INVALID, "the answer has no id or no transport.websocketCallUrl");
	out->message = first_message(answer, a);
	return 0;
}
