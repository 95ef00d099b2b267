#include "connect/wsg.h"

#include <stdio.h>
#include <string.h>

static const char *const type_names[] = {
#define X(name, text) [WSG_##name] = text,
	WSG_TYPES(X)
#undef X
};

static enum wsg_type type_of(struct json meta)
{
	for (size_t i = 1; i < sizeof(type_names) / sizeof(type_names[0]); i++)
		if (json_is_text(json_get(meta, "type"), type_names[i]))
			return (enum wsg_type)i;
	return WSG_OTHER;
}

static int64_t number(struct json object, const char *path, int64_t dflt)
{
	int64_t n;

	return json_i64(json_path(object, path), &n) ? n : dflt;
}

static void read_meta(struct json meta, struct arena *a, struct wsg_frame *out)
{
	out->type = type_of(meta);
	out->id = json_text(json_get(meta, "messageId"), a);
	out->status = number(meta, "status", 0);
	out->wsc = json_text(json_path(meta, "wsc.token"), a);
	out->sequence = number(meta, "wsc.sequence", 0);
	out->headers = json_get(meta, "headers");
}

/* [<meta>,--Boundary...]: JSON up to there. */
static int read_parts(struct span text, struct arena *a, struct wsg_frame *out, struct fault *f)
{
	const char *mark = text.n ? memmem(text.p, text.n, ",--", 3) : NULL;

	if (!mark || text.p[0] != '[')
		return json_check(text, f);
	struct span meta = { text.p + 1, (size_t)(mark - text.p) - 1 };
	TRY(json_check(meta, f));
	read_meta(json_of(meta), a, out);
	out->parts = span_from(text, (size_t)(mark - text.p) + 1);
	return 0;
}

int wsg_read(struct span text, struct arena *a, struct wsg_frame *out, struct fault *f)
{
	struct json_iter it;
	struct json meta = { 0 };
	struct span key;

	memset(out, 0, sizeof(*out));
	text = span_trim(text);
	out->raw = text;
	if (json_check(text, NULL))
		return read_parts(text, a, out, f);
	if (json_of(text).kind != JSON_ARRAY)
		return fault(f, E_INVALID, "a frame of the gateway must be an array");
	it = json_iter(json_of(text));
	if (!json_next(&it, &key, &meta) || meta.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "a frame of the gateway must begin with an object");
	read_meta(meta, a, out);
	if (!json_next(&it, &key, &out->body))
		out->body = (struct json){ 0 };
	return 0;
}

/* --- for the log --- */

static bool is_secret(struct span name)
{
	static const char *const words[] = { "token", "tag", "secret", "password",
					     "authorization" };
	char z[64];

	snprintf(z, sizeof(z), "%.*s", SPAN_ARG(name));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasestr(z, words[i]))
			return true;
	return false;
}

/* Of a text, with its quotes; one that is cut ends with all. */
static size_t text_bytes(struct span s)
{
	size_t n = 1;

	while (n < s.n && s.p[n] != '"')
		n += s.p[n] == '\\' ? 2 : 1;
	return n < s.n ? n + 1 : s.n;
}

/* Read byte by byte, since it may be no JSON, and is cut in any case. */
void wsg_show(struct span text, struct buf *out)
{
	struct span rest = { text.p, text.n < WSG_SHOWN_BYTES ? text.n : WSG_SHOWN_BYTES };
	struct buf shown AUTO_BUF = { 0 };
	bool secret = false;

	while (rest.n) {
		bool is_text = *rest.p == '"';
		struct span part = { rest.p, is_text ? text_bytes(rest) : 1 };

		rest = span_from(rest, part.n);
		if (is_text && span_starts(span_trim(rest), SPAN(":")))
			secret = is_secret(part);
		else if (is_text && secret)
			part = SPAN("\"***\"");
		buf_add(&shown, part);
	}
	buf_add_utf8(out, buf_span(&shown));
}

/* --- bodies --- */

static int64_t positive(struct json body, const char *name, int64_t dflt)
{
	int64_t n = number(body, name, dflt);

	return n > 0 && n <= WSG_SECONDS_MAX ? n : dflt;
}

void wsg_details_read(struct json body, struct wsg_details *out)
{
	struct json state = json_get(body, "recoveryState");

	*out = (struct wsg_details){
		.recovery = json_is_text(state, "Successful") ? WSG_RECOVERED
			    : json_has(state)		      ? WSG_NOT_RECOVERED
							      : WSG_FRESH,
		.recovery_s = positive(body, "recoveryTimeout", WSG_RECOVERY_S),
		.idle_s = positive(body, "idleTimeout", WSG_IDLE_S),
		.absolute_s = positive(body, "absoluteTimeout", WSG_ABSOLUTE_S),
		.max_requests = positive(body, "maxActiveRequests", WSG_REQUESTS),
		.kept = positive(body, "recoveryBufferSize", WSG_KEPT),
	};
}

static void put_meta(struct json_out *o, const char *type, struct span id)
{
	json_begin(o, NULL);
	json_put_z(o, "type", type);
	json_put_text(o, "messageId", id);
}

void wsg_put_request(struct buf *out, struct span id, const char *method, const char *path,
		     struct span body)
{
	struct json_out o = { .b = out };

	json_begin_array(&o, NULL);
	put_meta(&o, type_names[WSG_REPLY], id);
	json_put_z(&o, "method", method);
	json_put_z(&o, "path", path);
	json_end(&o);
	if (body.n)
		json_put_raw(&o, NULL, body);
	json_end_array(&o);
}

void wsg_put_heartbeat(struct buf *out, struct span id)
{
	struct json_out o = { .b = out };

	json_begin_array(&o, NULL);
	put_meta(&o, type_names[WSG_HEARTBEAT], id);
	json_end(&o);
	json_end_array(&o);
}
