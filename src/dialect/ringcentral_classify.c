/* Happy path: {"uuid", "event": "/restapi/v1.0/account/1/telephony/sessions", "timestamp", "body"}.
 * The event says which party changed, not which filter it came by: only the end of its path counts,
 * and where that is unknown the body's own members do.
 *
 * Bodies are small and repeat nothing: they are checked here and kept whole. */
#include "dialect/ringcentral_parts.h"

static bool read_nothing(const struct rc_view *v, struct inputs *out)
{
	(void)v, (void)out;
	return false;
}

static struct span no_call(const struct rc_view *v)
{
	(void)v;
	return (struct span){ 0 };
}

static void no_facts(const struct rc_view *v, struct call_facts *out)
{
	(void)v, (void)out;
}

/* The first whose name stands in the path: longer ones first. */
static const struct rc_type types[] = {
	{ "telephony/sessions", rc_session_id, rc_read_session, rc_session_facts },
	{ "message-store/begin", rc_text_call, rc_read_begin, rc_text_facts },
	{ "message-store/instant", rc_text_call, rc_read_text, rc_text_facts },
	{ "message-store", rc_text_call, rc_read_text, rc_text_facts },
	{ "presence", rc_presence_call, rc_read_presence, rc_presence_facts },
	{ "insights", rc_insights_call, rc_read_insights, rc_insights_facts },
	{ "call-log", rc_log_call, rc_log_inputs, rc_log_facts },
	{ "voicemail", no_call, read_nothing, no_facts },
	{ "subscription", no_call, read_nothing, no_facts },
};
static const struct rc_type unknown = { "", no_call, read_nothing, no_facts };

const struct rc_type *rc_type_at(size_t i)
{
	return i < sizeof(types) / sizeof(*types) ? &types[i] : NULL;
}

static bool names(struct span path, const char *type)
{
	size_t n = strlen(type);
	const char *at = path.n ? memmem(path.p, path.n, type, n) : NULL;
	const char *end = at ? at + n : NULL;
	return at && (at == path.p || at[-1] == '/') && (end == path.p + path.n || *end == '/');
}

static const struct rc_type *type_of(const struct rc_view *v)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (names(v->event, types[i].name))
			return &types[i];
	bool session = json_has(json_get(v->body, "telephonySessionId")) &&
		       json_get(v->body, "parties").kind == JSON_ARRAY;
	return session ? &types[0] : &unknown;
}

static struct span without_query(struct span path)
{
	const char *query = path.n ? memchr(path.p, '?', path.n) : NULL;
	return query ? (struct span){ path.p, (size_t)(query - path.p) } : path;
}

/* "/restapi/v1.0/account/10/extension/20/..." -> "10" */
static struct span account_of(struct span path)
{
	static const char before[] = "/account/";
	const char *at = path.n ? memmem(path.p, path.n, before, sizeof(before) - 1) : NULL;
	struct span rest = at ? span_from(path, (size_t)(at - path.p) + sizeof(before) - 1)
			      : (struct span){ 0 };
	const char *slash = rest.n ? memchr(rest.p, '/', rest.n) : NULL;
	rest.n = slash ? (size_t)(slash - rest.p) : rest.n;
	return span_is(rest, "~") ? (struct span){ 0 } : rest;
}

static void view_asked(struct rc_view *v)
{
	struct json found = json_get(v->top, "found");
	v->asked = true;
	v->found = !json_has(found) || json_true(found);
	v->known = json_true(json_get(v->top, "known"));
	v->event = rc_text_at(v->top, "source_event", v->arena);
	v->at_us = rc_time(json_get(v->top, "date"), v->arena);
	v->type = type_of(v);
	v->call_id = rc_text_at(v->top, "id", v->arena);
}

bool rc_view(struct span body, struct arena *a, struct rc_view *v)
{
	struct json top = json_of(body);
	*v = (struct rc_view){ .top = top, .body = json_get(top, "body"), .arena = a };
	struct span ours = json_text(json_get(top, "callmend"), a);
	v->event = without_query(rc_text_at(top, "event", a));
	v->uuid = rc_text_at(top, "uuid", a);
	v->at_us = rc_time(json_get(top, "timestamp"), a);
	v->account = account_of(v->event);
	if (span_is(ours, "resync") || span_is(ours, "begin"))
		view_asked(v);
	else
		v->type = type_of(v);
	if (!v->call_id.n)
		v->call_id = v->type->call_id(v);
	return v->event.n || v->type != &unknown;
}

int rc_classify(struct span body, struct arena *a, struct envelope *out, struct fault *f)
{
	struct rc_view v;
	*out = (struct envelope){ 0 };
	TRY(json_check(body, f));
	if (json_of(body).kind != JSON_OBJECT)
		return fault(f, E_INVALID, "a RingCentral notification is a JSON object");
	if (!rc_view(body, a, &v))
		return fault(f, E_INVALID, "found neither an \"event\" nor a telephony session");
	*out = (struct envelope){ .call_id = v.call_id,
				  .type = v.type == &unknown ? v.event : span_of(v.type->name),
				  .keep_whole = true,
				  .at_us = v.at_us };
	return 0;
}

/* --- secrets --- */

/* Whoever knows one of these can join, answer or pose. docs/ringcentral.md lists them. */
static const char *const secrets[] = { "verificationToken", "validationToken", "voiceCallToken",
				       "access_token",	    "accessToken",     "refresh_token",
				       "ws_access_token",   "token",	       "password",
				       "authorization",	    "sipData",	       "sipInfo" };

const char *rc_mask_name(size_t i)
{
	return i < sizeof(secrets) / sizeof(*secrets) ? secrets[i] : NULL;
}

static bool is_secret(struct span name)
{
	for (size_t i = 0; i < sizeof(secrets) / sizeof(*secrets); i++)
		if (rc_same(name, secrets[i]))
			return true;
	return false;
}

/* Copies what stands before a secret text, and stars in its place. */
struct masking {
	const char *copied;
	struct buf *out;
};

static void mask_value(struct masking *m, struct json v, bool secret)
{
	struct json_iter it = json_iter(v);
	struct span name;
	struct json member;
	if (v.kind == JSON_STRING && secret) {
		buf_add(m->out, (struct span){ m->copied, (size_t)(v.raw.p - m->copied) });
		buf_addz(m->out, "\"***\"");
		m->copied = v.raw.p + v.raw.n;
	}
	if (v.kind != JSON_OBJECT && v.kind != JSON_ARRAY)
		return;
	while (json_next(&it, &name, &member))
		mask_value(m, member, secret || is_secret(name));
}

void rc_mask(struct span body, const struct envelope *e, struct buf *out)
{
	struct masking m = { body.p, out };
	(void)e;
	mask_value(&m, json_of(body), false);
	buf_add(out, (struct span){ m.copied, (size_t)(body.p + body.n - m.copied) });
}

void rc_reduce(struct span body, const struct envelope *e, const struct repeats *known,
	       struct buf *out, struct repeats_news *news)
{
	(void)e, (void)known, (void)news;
	buf_add(out, body);
}
