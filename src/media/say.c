/* Audio of ours for a call: the question goes from shard to shard until one has a line of the call
 * that plays. */
#include <stdlib.h>

#include "media/internal.h"

struct saying {
	struct mail mail;
	struct media *media;
	struct shard *home;
	struct uuid org, call;
	struct buf payload, mark;
	bool clear;
	unsigned shard;
	bool found; /* a line, though it plays nothing */
	struct fault fault;
	int code;
	listen_played_fn *done;
	void *user;
};

static void run_done(struct mail *m, struct shard *here)
{
	struct saying *s = (struct saying *)m;

	(void)here;
	s->done(s->user, s->code, span_of(s->fault.text));
	buf_free(&s->payload);
	buf_free(&s->mark);
	free(s);
}

static void end(struct saying *s, int code)
{
	s->code = code;
	s->mail.run = run_done;
	shard_post_sure(s->home, &s->mail);
}

static bool is_of_call(const struct media_line *l, const struct saying *s)
{
	return l->state == LINE_RUNNING && l->has_call && uuid_eq(&l->call, &s->call) &&
	       uuid_eq(&l->source->org, &s->org);
}

/* A sample that is cut in two would make noise of all that follows. */
static bool is_cut(const struct media_line *l, struct span payload)
{
	const struct codec *codec = l->legs[0].codec;
	unsigned width = codec ? codec->bits_per_sample / 8 : 0;

	return width && payload.n % width;
}

static int say(struct media_line *l, struct saying *s)
{
	struct span payload = buf_span(&s->payload);

	if (l->one_way)
		return fault(&s->fault, E_INVALID,
			     "this stream is a copy of the call: what is sent to it would end it");
	if (s->clear)
		return line_clear(l, &s->fault);
	if (is_cut(l, payload))
		return fault(&s->fault, E_INVALID, "payload: %zu bytes are no whole samples of %s",
			     payload.n, l->legs[0].codec->name);
	return line_play(l, payload, buf_span(&s->mark), &s->fault);
}

static void run_at_shard(struct mail *mail, struct shard *here)
{
	struct saying *s = (struct saying *)mail;
	struct media *m = s->media;

	for (struct media_line *l = media_at(m, here)->lines; l; l = l->next) {
		if (!is_of_call(l, s))
			continue;
		s->found = true;
		int rc = say(l, s);
		if (rc != E_INVALID) {
			end(s, rc);
			return;
		}
	}
	if (++s->shard < m->config.shards)
		shard_post_sure(m->shards[s->shard]->shard, &s->mail);
	else
		end(s, s->found ? E_INVALID : E_NOT_FOUND);
}

static struct saying *saying_new(struct listen *listen, struct shard *here, const struct uuid *org,
				 const struct uuid *call, listen_played_fn *done, void *user)
{
	struct saying *s = calloc(1, sizeof(*s));

	CHECK(s);
	s->media = listen->media;
	s->home = here;
	s->org = *org;
	s->call = *call;
	s->done = done;
	s->user = user;
	s->mail.run = run_at_shard;
	return s;
}

void listen_play(struct listen *listen, struct shard *here, const struct uuid *org,
		 const struct uuid *call, struct span payload, struct span mark,
		 listen_played_fn *done, void *user)
{
	struct saying *s = saying_new(listen, here, org, call, done, user);

	buf_add(&s->payload, payload);
	buf_add(&s->mark, mark);
	shard_post_sure(listen->media->shards[0]->shard, &s->mail);
}

void listen_clear(struct listen *listen, struct shard *here, const struct uuid *org,
		  const struct uuid *call, listen_played_fn *done, void *user)
{
	struct saying *s = saying_new(listen, here, org, call, done, user);

	s->clear = true;
	shard_post_sure(listen->media->shards[0]->shard, &s->mail);
}
