/* The calls' side of sessions with platforms (callmend/connect.h): what a session is told by its
 * platform goes the way of a webhook, which calls are live is asked lane by lane, and those that it
 * has missed are asked for in PostgreSQL, as an API request for a pull would be; there, too, is
 * what was told of a text whose conversation no lane remembers.
 *
 * Failure modes: the journal takes nothing, or the node is full - E_FULL, as a webhook would get
 * 503; it cannot be read - kept in quarantine, E_INVALID; the lane has stopped, or the source is
 * gone - E_CLOSED; PostgreSQL is away - missed calls cannot be asked for, E_UNAVAILABLE, and nobody
 * can say which texts are stored. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/container.h"
#include "callmend/store.h"
#include "ingest/lane.h"

enum { HTTP_OK = 200, HTTP_BAD = 400 };

/* --- a message --- */

static void run_done(struct mail *m, struct shard *here)
{
	struct connect_message *cm = CONTAINER_OF(m, struct connect_message, mail);

	(void)here;
	cm->done(cm);
}

/* Never from within: who asks may hold a list of many. */
static void settle(struct connect_message *m, int code)
{
	m->code = code;
	m->mail.run = run_done;
	shard_post_sure(m->home, &m->mail);
}

void told_answer(struct connect_message *m, int status)
{
	settle(m, status == HTTP_OK ? 0 : status == HTTP_BAD ? E_INVALID : E_FULL);
}

void told_take(struct ingest *in, struct shard *here, struct connect_message *m)
{
	struct lane *l = lane_of(in, here);
	const struct dir_source *s = l->dir ? directory_source_by_id(l->dir, &m->source) : NULL;

	m->home = here;
	if (s && !l->stopped && dialect_find(s->dialect))
		webhook_take(l, s, m->json, m);
	else
		settle(m, E_CLOSED);
}

static void take_message(void *user, struct shard *here, struct connect_message *m)
{
	told_take(user, here, m);
}

/* --- live calls --- */

struct asking {
	struct mail mail;
	struct ingest *in;
	struct connect_live *live;
};

static void run_asked(struct mail *m, struct shard *here)
{
	struct asking *k = CONTAINER_OF(m, struct asking, mail);

	(void)here;
	k->live->done(k->live);
	free(k);
}

static bool is_asked_for(const struct connect_live *live, const struct call_entry *e)
{
	const struct settings *s = e->session ? session_settings(e->session) : NULL;

	return s && uuid_eq(&s->source, &live->source) && !session_ended(e->session) &&
	       session_telephony_id(e->session).n > 0;
}

static void run_ask_lane(struct mail *m, struct shard *here)
{
	struct asking *k = CONTAINER_OF(m, struct asking, mail);
	struct connect_live *live = k->live;
	struct ingest *in = k->in;

	for (struct call_entry *e = lane_of(in, here)->calls; e; e = e->hh.next) {
		if (!is_asked_for(live, e))
			continue;
		buf_add(&live->ids, session_telephony_id(e->session));
		buf_addc(&live->ids, '\n');
	}
	bool last = ++live->lane == in->lanes_n;
	k->mail.run = last ? run_asked : run_ask_lane;
	shard_post_sure(last ? live->home : in->lanes[live->lane]->shard, &k->mail);
}

static void ask_live(void *user, struct shard *here, struct connect_live *live)
{
	struct asking *k = calloc(1, sizeof(*k));

	CHECK(k);
	k->in = user;
	k->live = live;
	live->home = here;
	live->lane = 0;
	k->mail.run = run_ask_lane;
	shard_post_sure(k->in->lanes[0]->shard, &k->mail);
}

/* --- calls that were missed --- */

static void on_missed(void *user, const struct store_answer *answer)
{
	struct connect_missed *m = user;

	m->code = answer->code;
	m->done(m);
}

static void run_not_asked(struct mail *mail, struct shard *here)
{
	struct connect_missed *m = CONTAINER_OF(mail, struct connect_missed, mail);

	(void)here;
	m->code = E_UNAVAILABLE;
	m->done(m);
}

/* A job, which an analyst does when the log has them. */
static void ask_missed(void *user, struct shard *here, struct connect_missed *m)
{
	struct store *store = ((struct ingest *)user)->store;
	char source[UUID_TEXT + 1], since[CLOCK_ISO + 1], until[CLOCK_ISO + 1];
	const char *params[] = { source, since, until, m->once ? "1" : "2" };

	uuid_format(&m->source, source);
	clock_format(m->since_us, since);
	clock_format(m->until_us, until);
	if (store && !store_query(store, here, "calls_missed", params, 4, on_missed, m))
		return;
	m->mail.run = run_not_asked;
	shard_post_sure(here, &m->mail);
}

/* --- texts that may have been told --- */

static void on_stored(void *user, const struct store_answer *answer)
{
	struct connect_texts *t = user;

	t->stored = answer->code ? (struct span){ 0 } : answer->json;
	t->done(t);
}

static void run_nobody_knows(struct mail *mail, struct shard *here)
{
	struct connect_texts *t = CONTAINER_OF(mail, struct connect_texts, mail);

	(void)here;
	t->stored = (struct span){ 0 };
	t->done(t);
}

static void put_text(struct json message, const struct dir_source *s, struct json_out *o)
{
	const struct dialect *dialect = dialect_find(s->dialect);
	struct json id = json_path(message, "body.id");
	struct arena a = { 0 };
	struct envelope e;
	struct fault f;

	if (dialect && dialect->classify(message.raw, &a, &e, &f) == 0 && e.call_id.n) {
		struct uuid call = uuid_v5(&s->id, e.call_id);
		char text[UUID_TEXT + 1];

		uuid_format(&call, text);
		json_begin(o, NULL);
		json_put_z(o, "call", text);
		json_put_text(o, "id", id.kind == JSON_NUMBER ? id.raw : json_text(id, &a));
		json_end(o);
	}
	arena_fini(&a);
}

static void put_texts(struct span messages, const struct dir_source *s, struct buf *out)
{
	struct json_iter it = json_iter(json_of(messages));
	struct json_out o = { .b = out };
	struct span key;
	struct json message;

	json_begin_array(&o, NULL);
	while (json_next(&it, &key, &message))
		put_text(message, s, &o);
	json_end_array(&o);
}

static void ask_texts(void *user, struct shard *here, struct connect_texts *t)
{
	struct ingest *in = user;
	struct lane *l = lane_of(in, here);
	const struct dir_source *s = l->dir ? directory_source_by_id(l->dir, &t->source) : NULL;
	struct buf texts AUTO_BUF = { 0 };
	char since[CLOCK_ISO + 1];

	clock_format(t->since_us, since);
	if (s)
		put_texts(t->messages, s, &texts);
	const char *params[] = { buf_z(&texts), since };
	if (s && in->store &&
	    !store_query(in->store, here, "texts_stored", params, 2, on_stored, t))
		return;
	t->mail.run = run_nobody_knows;
	shard_post_sure(here, &t->mail);
}

struct connect_calls ingest_connect_calls(struct ingest *in)
{
	return (struct connect_calls){ .message = take_message,
				       .live = ask_live,
				       .missed = ask_missed,
				       .texts = ask_texts,
				       .user = in };
}
