/* The way in: /in/{dialect}/{source} and what may follow.
 *
 * Happy path: dialect and source are known, the sender proves itself, there is room: 101, and a
 * line. Refused before the upgrade, with a status: 404 (dialect, source or path unknown), 401, 503
 * (no configuration yet, draining, all lines taken). */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "media/internal.h"

enum { MESSAGE_MAX = 1024 * 1024 }; /* of any protocol; each has a bound of its own */

static const struct {
	const char *why;
	int status;
} refusals[] = { { "unknown_source", 404 },
		 { "unauthorized", 401 },
		 { "full", 503 },
		 { "draining", 503 },
		 { "not_ready", 503 } };

static int refuse(const char *why)
{
	metric_add_label(METRIC_MEDIA_REFUSED, why, 1);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (strcmp(refusals[i].why, why) == 0)
			return refusals[i].status;
	return 500;
}

static struct span first_part(struct span path)
{
	const char *slash = path.n ? memchr(path.p, '/', path.n) : NULL;

	return slash ? (struct span){ path.p, (size_t)(slash - path.p) } : path;
}

/* Of Vapi's sockets only the transcriber's is opened by Vapi. */
static const struct media_dialect *dialect_of(struct span name, struct span rest)
{
	const struct media_dialect *d = media_dialect_find(name);

	if (!d && span_is(name, "vapi") && span_is(first_part(rest), "transcriber"))
		d = media_dialect_find(SPAN("vapi-transcriber"));
	return d && !d->we_dial && !d->grpc_path && !span_is(name, "vapi-transcriber") ? d : NULL;
}

/* The part of the path that is a token of this organisation's; a secret may stand there, too. */
static struct span token_in(const struct media_shard *s, const struct dir_source *source,
			    struct span path)
{
	while (path.n) {
		struct span part = first_part(path);

		if (hear_is_token(s->media->config.hear, &source->org, part))
			return part;
		path = span_from(path, part.n + 1);
	}
	return (struct span){ 0 };
}

static void keep_names(struct media_line *l, const struct exchange *x, struct span rest)
{
	struct span token = token_in(l->home, l->source, rest), call = { 0 };
	bool is_transcriber = strcmp(l->dialect->name, "vapi-transcriber") == 0;

	if (is_transcriber)
		(void)exchange_header(x, "x-call-id", &call);
	buf_add(&l->claim_text, token);
	buf_add(&l->claim_text, call);
	l->token = (struct span){ l->claim_text.p, token.n };
	l->call_id = (struct span){ l->claim_text.p ? l->claim_text.p + token.n : NULL, call.n };
	l->only_one = is_transcriber;
}

/* --- a secret in the query --- */

/* Once for a source: which names its platform uses is documented nowhere. Never what they say. */
static void tell_names(struct media_shard *s, const struct dir_source *source,
		       const struct exchange *x)
{
	struct buf names AUTO_BUF = { 0 };
	struct span name, value;

	for (unsigned i = 0; i < s->queries_told && i < QUERIES_TOLD; i++)
		if (uuid_eq(&s->query_told[i], &source->id))
			return;
	for (size_t at = 0; exchange_query_next(x, &at, &name, &value);)
		buf_printf(&names, " %.*s", SPAN_ARG(name));
	if (!names.n)
		return;
	s->query_told[s->queries_told++ % QUERIES_TOLD] = source->id;
	log_info("media", "source %.*s: its URL has the parameters%.*s", SPAN_ARG(source->name),
		 SPAN_ARG(buf_span(&names)));
}

/* Of RingCX, which keeps it to itself how its "secret" comes. */
static bool query_knows(const struct dir_source *source, const struct exchange *x)
{
	struct span name, value;
	bool good = false;

	if (!span_is(source->dialect, "ringcx"))
		return false;
	for (size_t at = 0; exchange_query_next(x, &at, &name, &value);)
		good |= door_knows(source, value);
	return good;
}

static const char *admit(struct media_shard *s, const struct exchange *x,
			 const struct media_dialect **dialect, const struct directory **dir,
			 const struct dir_source **source)
{
	struct span name = exchange_param(x, "dialect");
	struct hear *hear = s->media->config.hear;
	struct fault f = { 0 };

	*dialect = dialect_of(name, exchange_param(x, "rest"));
	*dir = hear_directory(hear, s->shard);
	if (!*dialect)
		return "unknown_source";
	if (!*dir)
		return "not_ready";
	*source = directory_source(*dir, name, exchange_param(x, "source"));
	if (!*source)
		return "unknown_source";
	if (hear_admit(*source, x, &f) && !query_knows(*source, x)) {
		log_often(LOG_WARN, "media", (*source)->name, "source %.*s: %s",
			  SPAN_ARG((*source)->name), f.text);
		return "unauthorized";
	}
	return hear_draining(hear) || s->stopped ? "draining" : NULL;
}

static int on_accept(struct exchange *x, struct ws *ws)
{
	struct media *m = (struct media *)(uintptr_t)exchange_route(x)->info;
	struct media_shard *s = media_at(m, exchange_shard(x));
	const struct media_dialect *dialect;
	const struct dir_source *source;
	const struct directory *dir;
	const char *why = admit(s, x, &dialect, &dir, &source);
	struct media_line *l = why ? NULL : line_new(s);
	struct span rest = exchange_param(x, "rest");

	if (!l)
		return refuse(why ? why : "full");
	ws_limit(ws, dialect->message_max);
	l->ws = ws;
	l->dialect = dialect;
	l->dir = directory_ref(dir);
	l->source = source;
	l->project = directory_project(dir, &source->project);
	keep_names(l, x, rest);
	if (span_is(source->dialect, "ringcx"))
		tell_names(s, source, x);
	ws_set_user(ws, l);
	const struct media_about about = { .path = rest };
	line_open(l, &about);
	return 0;
}

static void on_text(struct ws *ws, struct span message)
{
	line_message(ws_user(ws), message, false);
}

static void on_binary(struct ws *ws, struct span message)
{
	line_message(ws_user(ws), message, true);
}

/* What no message became of. */
static const struct {
	int code;
	const char *why, *reason;
} failures[] = {
	{ 1007, "no_utf8", "text is not UTF-8" },
	{ 1009, "too_large", "a message is too large for its protocol" },
};

static void on_closed(struct ws *ws, int code)
{
	struct media_line *l = ws_user(ws);

	l->ws = NULL;
	for (size_t i = 0; ws_failed(ws) && i < sizeof(failures) / sizeof(failures[0]); i++)
		if (failures[i].code == code)
			line_refuse(l, code, failures[i].why, failures[i].reason);
	line_end(l, code == 1006 ? "lost" : "closed");
}

/* 20 ms of nearly everything, in base64, too. Untouched until a message comes in pieces. */
enum { LINE_PIECES_BYTES = 4096 };

static const struct ws_handlers handlers = {
	.accept = on_accept,
	.text = on_text,
	.binary = on_binary,
	.closed = on_closed,
	.user_front = LINE_FRONT,
	.queue_bytes = LINE_QUEUE_BYTES,
	.pieces_bytes = LINE_PIECES_BYTES,
};

size_t media_routes(struct media *m, struct http_route *out, size_t cap)
{
	static const char *const patterns[] = { "/in/{dialect}/{source}",
						"/in/{dialect}/{source}/{rest*}" };
	size_t n = sizeof(patterns) / sizeof(patterns[0]);

	for (size_t i = 0; i < n && i < cap; i++)
		out[i] = (struct http_route){
			.method = HTTP_GET,
			.pattern = patterns[i],
			.body_limit = MESSAGE_MAX,
			.ws = &handlers,
			.info = m,
		};
	return n;
}
