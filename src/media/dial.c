/* Sockets of live audio that we dial: where a Vapi call can be listened to, and the transport of
 * calls that are placed over WebSocket.
 *
 * Happy path: the call runs and has said where (or it was placed, and the answer says where); we
 * connect, a line carries the audio, the other side closes with 1000.
 *
 * Failure modes: nobody there, refused, no answer within CONNECT_MS, lost or silent in mid-call -
 * again after a pause that doubles, until TRIES_MAX have failed in a row, which the call is told;
 * one that is let in counts as failed until it has heard something for SETTLED_MS; all lines taken
 * - likewise; what it says cannot be understood - given up at once; the other side is overloaded or
 * starts again - not before RESTART_MS; the call has ended - no more. The URL is a capability and
 * is never logged. */
#include <stdlib.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/log.h"
#include "base/metrics.h"
#include "media/internal.h"

enum {
	CONNECT_MS = 6000,
	PAUSE_MS = 500,
	PAUSE_MAX_MS = 8000,
	RESTART_MS = 2000,
	SETTLED_MS = 3000,
	TRIES_MAX = 10,
	REASON_BYTES = 256,
	CLOSED_NORMALLY = 1000,
	CLOSED_POLICY = 1008,
};

struct dial {
	struct dial *prev, *next; /* of the shard */
	struct media_shard *home;
	const struct media_dialect *dialect;
	struct uuid call, source;
	struct buf url, key, call_id, encoding;
	struct buf message; /* for its line to say first */
	struct buf about;   /* for the log: protocol, source, call */
	uint32_t rate_hz;
	struct ws_client *ws;
	struct media_line *line; /* while it is open */
	uint64_t open_ms;	 /* since then, by the loop's clock */
	const char *refused;	 /* why we did not want the connection; NULL: we do */
	unsigned tries;		 /* that have failed in a row */
	int64_t again_us;	 /* monotonic; 0: connecting or open */
	bool over;
};

static void forget(struct dial *d)
{
	DL_DELETE(d->home->dials, d);
	ws_client_free(d->ws);
	buf_free(&d->url);
	buf_free(&d->key);
	buf_free(&d->call_id);
	buf_free(&d->encoding);
	buf_free(&d->message);
	buf_free(&d->about);
	free(d);
}

static void end_line(struct dial *d, const char *why)
{
	struct media_line *l = take(d->line);

	if (!l)
		return;
	l->client = NULL;
	orders_lost(l);
	line_end(l, why);
}

/* --- what the call is told --- */

/* Of a dial that may be gone before the call has been told. */
struct news {
	struct mail mail;
	struct hear *hear;
	struct hear_post post;
	struct buf body;
};

static void on_told(struct hear_post *p)
{
	struct news *n = CONTAINER_OF(p, struct news, post);

	buf_free(&n->body);
	free(n);
}

static void run_news(struct mail *m, struct shard *here)
{
	struct news *n = CONTAINER_OF(m, struct news, mail);

	hear_tell(n->hear, here, &n->post);
}

/* Not at once: it may be the call itself that is having us dial. */
static void tell_unreached(struct dial *d, const char *why)
{
	struct news *n = calloc(1, sizeof(*n));
	const struct heard h = { .kind = HEARD_UNREACHED,
				 .at_us = clock_now_us(),
				 .name = span_of(d->dialect->name),
				 .text = span_of(why) };

	CHECK(n);
	heard_write(buf_span(&d->call_id), &h, 1, &n->body);
	n->post = (struct hear_post){
		.call = d->call, .body = buf_span(&n->body), .sure = true, .told = on_told
	};
	n->hear = d->home->media->config.hear;
	n->mail.run = run_news;
	shard_post_sure(d->home->shard, &n->mail);
}

static void give_up(struct dial *d, const char *why)
{
	metric_add_label(METRIC_MEDIA_DIALS, "gave_up", 1);
	log_warn("media", "%s: given up: %s", buf_z(&d->about), why);
	tell_unreached(d, why);
	d->over = true;
}

/* --- the next try --- */

int64_t dial_pause_ms(unsigned failed, int close_code)
{
	int64_t ms = PAUSE_MS << (failed < 5 ? failed : 5);

	ms = ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS;
	return ws_client_is_busy(close_code) && ms < RESTART_MS ? RESTART_MS : ms;
}

static void try_again(struct dial *d, int close_code, const char *last)
{
	char why[REASON_BYTES + 64];
	int64_t pause_ms = dial_pause_ms(d->tries, close_code);

	if (++d->tries < TRIES_MAX) {
		d->again_us = clock_monotonic_us() + pause_ms * MS_US;
		return;
	}
	snprintf(why, sizeof(why), "%d tries in a row; the last: %s", TRIES_MAX, last);
	give_up(d, why);
}

/* --- the connection --- */

static struct media_line *line_of(struct dial *d)
{
	const struct directory *dir = hear_directory(d->home->media->config.hear, d->home->shard);
	const struct dir_source *source = dir ? directory_source_by_id(dir, &d->source) : NULL;
	struct media_line *l = source ? line_new(d->home) : NULL;

	if (!l)
		return NULL;
	l->client = d->ws;
	l->dialect = d->dialect;
	l->dir = directory_ref(dir);
	l->source = source;
	l->project = directory_project(dir, &source->project);
	return l;
}

static void on_open(void *user)
{
	struct dial *d = user;
	struct media_line *l = d->over ? NULL : line_of(d);
	const struct media_about about = { .call_id = buf_span(&d->call_id),
					   .encoding = buf_span(&d->encoding),
					   .rate_hz = d->rate_hz };

	metric_add_label(METRIC_MEDIA_DIALS, "open", 1);
	if (!l) {
		metric_add_label(METRIC_MEDIA_REFUSED, "full", 1);
		if (!d->over)
			d->refused = "no line is free here, or the source is gone";
		ws_client_disconnect(d->ws);
		return;
	}
	d->line = l;
	line_dialled(l, &d->call);
	line_open(l, &about);
	if (d->message.n)
		line_say_on(l, buf_span(&d->message));
	buf_free(&d->message);
	d->open_ms = l->heard_ms;
	if (d->dialect->put_silence)
		line_pace(l);
}

static void on_message(struct dial *d, struct span message, bool binary)
{
	if (d->line)
		line_message(d->line, message, binary);
}

static void on_text(void *user, struct span text)
{
	on_message(user, text, false);
}

static void on_binary(void *user, struct span bytes)
{
	on_message(user, bytes, true);
}

static void on_sent(void *user, uint64_t number, bool whole)
{
	struct dial *d = user;

	if (d->line)
		order_sent(d->line, number, whole);
}

/* It has heard something for a while: one that greets and closes, over and over, has not. */
static bool is_settled(const struct dial *d)
{
	return d->line && d->line->heard_ms - d->open_ms >= SETTLED_MS;
}

static void describe(struct dial *d, int status, const char *why, char text[REASON_BYTES])
{
	const char *what = d->line ? "ended" : "cannot connect";
	const char *refused = take(d->refused);

	if (status)
		snprintf(text, REASON_BYTES, "%s: %s (status %d)", what, why, status);
	else
		snprintf(text, REASON_BYTES, "%s: %s", what, refused ? refused : why);
	log_info("media", "%s: %s", buf_z(&d->about), text);
}

static void on_closed(void *user, int status, const char *why)
{
	struct dial *d = user;
	int code = ws_client_close_code(d->ws);
	bool was_open = d->line != NULL;
	/* Where we hung up because nothing came, it may be there again. */
	bool closing = was_open && d->line->closing && !line_is_silent(d->line);
	char text[REASON_BYTES], refused[REASON_BYTES] = "";

	if (was_open)
		snprintf(refused, sizeof(refused), "refused here: %s", d->line->refused);
	metric_add_label(METRIC_MEDIA_DIALS, was_open ? "lost" : "failed", 1);
	describe(d, status, why, text);
	if (is_settled(d))
		d->tries = 0;
	end_line(d, code ? "closed" : "lost");
	/* Of a transport the other side's close is the end of the call. */
	if (d->dialect->put_silence && (code == CLOSED_NORMALLY || code == CLOSED_POLICY))
		d->over = true;
	if (closing && !d->over)
		give_up(d, refused); /* it would say the same again */
	if (!d->over)
		try_again(d, code, text);
	if (d->over)
		d->again_us = 1; /* dials_tick forgets it: not from its own callback */
}

static void connect_now(struct dial *d)
{
	static const struct ws_client_handlers handlers = { on_open, on_text, on_binary, on_closed,
							    on_sent };
	const struct ws_connect k = { .url = buf_z(&d->url),
				      .token = buf_z(&d->key),
				      .timeout_ms = CONNECT_MS };
	struct fault f = { 0 };

	d->again_us = 0;
	if (!d->ws)
		ws_client_of(&d->ws, d->home->dialer, d->dialect->message_max, &handlers, d);
	if (ws_client_dial(d->ws, &k, &f) == 0)
		return;
	give_up(d, "its URL, or the key for it, cannot be used");
	d->again_us = 1;
}

static struct dial *dial_new(struct media_shard *s, const struct media_dialect *dialect,
			     const struct uuid *call, const struct uuid *source_id,
			     const struct dir_source *source)
{
	struct dial *d = calloc(1, sizeof(*d));
	char id[UUID_TEXT + 1];

	CHECK(d);
	d->home = s;
	d->dialect = dialect;
	d->call = *call;
	d->source = *source_id;
	uuid_format(call, id);
	buf_printf(&d->about, "%s of source %.*s, call %s", dialect->title,
		   SPAN_ARG(source ? source->name : SPAN("(gone)")), id);
	DL_APPEND(s->dials, d);
	return d;
}

static struct dial *dial_of(struct media_shard *s, const struct uuid *call)
{
	struct dial *d;

	DL_FOREACH(s->dials, d)
	{
		if (uuid_eq(&d->call, call) && !d->over)
			return d;
	}
	return NULL;
}

/* --- a call that runs --- */

void dial_running(void *media, struct shard *here, const struct uuid *call,
		  const struct uuid *source_id, struct span provider_call_id,
		  struct span listen_url)
{
	struct media *m = media;
	struct media_shard *s = media_at(m, here);
	const struct directory *dir = s ? hear_directory(m->config.hear, here) : NULL;
	const struct dir_source *source = dir ? directory_source_by_id(dir, source_id) : NULL;
	const struct dir_project *project =
		source ? directory_project(dir, &source->project) : NULL;

	if (!project || !project->audio.listen_socket || s->stopped || dial_of(s, call))
		return;
	struct dial *d =
		dial_new(s, media_dialect_find(SPAN("vapi-listen")), call, source_id, source);
	buf_add(&d->url, listen_url);
	buf_add(&d->key, source->control_key.value);
	buf_add(&d->call_id, provider_call_id);
	connect_now(d);
}

/* --- a call that was placed --- */

void dial_placed(struct media_shard *s, const struct media_dialect *dialect,
		 const struct uuid *call, const struct uuid *source_id,
		 const struct media_placed *at, struct span encoding, uint32_t rate_hz)
{
	const struct directory *dir = hear_directory(s->media->config.hear, s->shard);
	const struct dir_source *source = dir ? directory_source_by_id(dir, source_id) : NULL;
	struct dial *d = dial_new(s, dialect, call, source_id, source);

	buf_add(&d->url, at->url);
	buf_add(&d->call_id, at->call_id);
	buf_add(&d->encoding, encoding);
	if (source)
		buf_add(&d->key, source->private_key.value);
	d->rate_hz = rate_hz;
	connect_now(d);
}

void dial_say(struct media_shard *s, const struct uuid *call, struct span json)
{
	struct dial *d = dial_of(s, call);

	if (d && !d->line)
		buf_add(&d->message, json);
}

static void finish(struct dial *d)
{
	d->over = true;
	if (d->line) {
		line_finish(d->line, clock_now_us(), "call ended");
		d->line->closing = true;
	}
	if (d->again_us)
		d->again_us = 1;
	else
		ws_client_disconnect(d->ws);
}

void dial_ended(void *media, struct shard *here, const struct uuid *call)
{
	struct media_shard *s = media_at(media, here);
	struct dial *d = s ? dial_of(s, call) : NULL;

	if (d)
		finish(d);
}

void dials_tick(struct media_shard *s, int64_t now_us)
{
	struct dial *d, *next;

	DL_FOREACH_SAFE(s->dials, d, next)
	{
		if (!d->again_us || d->again_us > now_us)
			continue;
		if (d->over)
			forget(d);
		else
			connect_now(d);
	}
}

void dials_stop(struct media_shard *s)
{
	struct dial *d, *next;

	DL_FOREACH_SAFE(s->dials, d, next)
	{
		end_line(d, "node stops");
		forget(d);
	}
}
