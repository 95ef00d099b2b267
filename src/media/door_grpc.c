/* The way in of gRPC: one stream, one line.
 *
 * Happy path: the value of `authorization` is one source's credential, there is room: the stream's
 * messages are the line's. The client ends, we answer OK.
 *
 * Refused, with a status: UNAUTHENTICATED (no credential, a wrong one, or one that two sources
 * have: nothing tells which), UNAVAILABLE (no configuration yet, draining), RESOURCE_EXHAUSTED (all
 * lines taken). What a line is refused for later: `statuses`. */
#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/metrics.h"
#include "media/internal.h"

static const struct {
	int close_code;
	enum grpc_status status;
} statuses[] = {
	{ 1000, GRPC_OK },
	{ 1003, GRPC_INVALID_ARGUMENT },
	{ 1008, GRPC_INVALID_ARGUMENT },
	{ 1009, GRPC_RESOURCE_EXHAUSTED },
	{ 1012, GRPC_UNAVAILABLE },
	{ 4408, GRPC_UNAVAILABLE }, /* silent */
	{ 4415, GRPC_INVALID_ARGUMENT },
};

void door_finish(struct media_line *l, int close_code, const char *reason)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		if (statuses[i].close_code == close_code) {
			grpc_stream_finish(l->grpc, statuses[i].status, reason);
			return;
		}
	}
	grpc_stream_finish(l->grpc, GRPC_INTERNAL, reason);
}

/* --- whose credential --- */

static struct span behind_scheme(struct span given, const char *scheme)
{
	size_t n = strlen(scheme);
	bool has = given.n > n && strncasecmp(given.p, scheme, n) == 0 && given.p[n] == ' ';

	return has ? span_from(given, n + 1) : (struct span){ 0 };
}

/* As it was typed, with or without the word in front. */
static bool knows_word(const struct dir_auth *a, struct span given)
{
	bool whole = crypto_equal(given, a->secret.value);
	bool bearer = crypto_equal(behind_scheme(given, "Bearer"), a->secret.value);

	return whole | bearer;
}

static bool knows_pair(const struct dir_auth *a, struct span given)
{
	struct buf pair AUTO_BUF = { 0 }, expected AUTO_BUF = { 0 };

	buf_add(&pair, a->user);
	buf_addc(&pair, ':');
	buf_add(&pair, a->secret.value);
	crypto_base64(buf_span(&pair), &expected);
	return crypto_equal(behind_scheme(given, "Basic"), buf_span(&expected));
}

static bool (*const knows[])(const struct dir_auth *, struct span) = {
	[AUTH_SECRET] = knows_word,
	[AUTH_BEARER] = knows_word,
	[AUTH_PATH] = knows_word,
	[AUTH_BASIC] = knows_pair,
};

bool door_knows(const struct dir_source *source, struct span given)
{
	bool good = false;

	for (size_t i = 0; i < source->auth_n; i++) {
		const struct dir_auth *a = &source->auth[i];
		bool usable = a->mode < sizeof(knows) / sizeof(knows[0]) && knows[a->mode] &&
			      a->secret.value.n;

		if (usable)
			good |= knows[a->mode](a, given);
	}
	return good;
}

/* All are tried, so that the time it takes tells nothing. */
static const struct dir_source *find_source(const struct directory *dir, const char *dialect,
					    struct span given)
{
	const struct dir_source *found = NULL;
	unsigned n = 0;

	for (size_t i = 0; i < dir->sources_n; i++) {
		const struct dir_source *s = &dir->sources[i];

		if (!span_is(s->dialect, dialect) || !door_knows(s, given))
			continue;
		found = s;
		n++;
	}
	if (n > 1)
		log_often(LOG_WARN, "media", span_of(dialect),
			  "%u sources of %s have the same credential: nobody can tell which", n,
			  dialect);
	return n == 1 ? found : NULL;
}

/* --- streams --- */

static const struct media_dialect *dialect_of(struct span path)
{
	for (const struct media_dialect *const *d = media_dialects; *d; d++)
		if ((*d)->grpc_path && span_is(path, (*d)->grpc_path))
			return *d;
	return NULL;
}

static enum grpc_status refuse(enum grpc_status status, const char *label, const char *text,
			       const char **why)
{
	metric_add_label(METRIC_MEDIA_REFUSED, label, 1);
	*why = text;
	return status;
}

static void begin(struct media_line *l, struct grpc_stream *stream, const struct directory *dir,
		  const struct dir_source *source)
{
	const struct media_about about = { 0 };

	l->grpc = stream;
	l->dialect = dialect_of(grpc_stream_path(stream));
	l->dir = directory_ref(dir);
	l->source = source;
	l->project = directory_project(dir, &source->project);
	grpc_stream_set_user(stream, l);
	line_open(l, &about);
}

static enum grpc_status on_open(struct grpc_stream *stream, const char **why)
{
	struct media *m = grpc_server_user(grpc_stream_server(stream));
	struct media_shard *s = media_at(m, grpc_stream_shard(stream));
	const struct media_dialect *d = dialect_of(grpc_stream_path(stream));
	const struct directory *dir = hear_directory(m->config.hear, s->shard);
	const struct dir_source *source = NULL;
	struct span given = { 0 };

	if (!dir)
		return refuse(GRPC_UNAVAILABLE, "not_ready", "not ready yet", why);
	if (grpc_stream_header(stream, "authorization", &given))
		source = find_source(dir, d->sources, span_trim(given));
	if (!source) {
		log_often(LOG_WARN, "media", span_of(d->title),
			  "%s from %.*s: the credential is %s", d->title,
			  SPAN_ARG(grpc_stream_peer(stream)), given.n ? "nobody's" : "missing");
		return refuse(GRPC_UNAUTHENTICATED, "unauthorized", "the credential is refused",
			      why);
	}
	if (hear_draining(m->config.hear) || s->stopped)
		return refuse(GRPC_UNAVAILABLE, "draining", "the node stops", why);
	struct media_line *l = line_new(s);
	if (!l)
		return refuse(GRPC_RESOURCE_EXHAUSTED, "full", "all lines are taken", why);
	begin(l, stream, dir, source);
	return GRPC_OK;
}

static void on_message(struct grpc_stream *stream, struct span message)
{
	line_message(grpc_stream_user(stream), message, true);
}

static void on_end(struct grpc_stream *stream)
{
	struct media_line *l = grpc_stream_user(stream);

	l->ended = true;
	grpc_stream_finish(stream, GRPC_OK, NULL);
}

static void on_closed(struct grpc_stream *stream, const char *why)
{
	struct media_line *l = grpc_stream_user(stream);

	if (!l->ended && !l->closing)
		log_info("media", "%s of source %.*s: %s", l->dialect->title,
			 SPAN_ARG(l->source->name), why);
	l->grpc = NULL;
	line_end(l, l->ended || l->closing ? "closed" : "lost");
}

static const struct grpc_handlers handlers = { on_open, on_message, on_end, on_closed };

size_t media_methods(struct media *m, struct grpc_method *out, size_t cap)
{
	size_t n = 0;

	(void)m;
	for (const struct media_dialect *const *d = media_dialects; *d; d++) {
		if (!(*d)->grpc_path)
			continue;
		if (n < cap)
			out[n] = (struct grpc_method){ (*d)->grpc_path, (*d)->message_max,
						       &handlers };
		n++;
	}
	return n;
}
