/* Commands of ours over the socket of a call's audio, where the protocol takes them (Vapi's
 * transport).
 *
 * Happy path: the command goes from shard to shard until one has an open line of the call that
 * takes commands; its dialect makes a message of it, behind the audio that waits; when that is
 * written, it is done. The other side answers nothing.
 *
 * Failure modes: no such line now, the protocol has no such command, the socket takes no more, or
 * it is lost before the message was written - not sent; lost in the middle of it - unknown. */
#include "base/container.h"
#include "media/internal.h"

static void run_done(struct mail *m, struct shard *here)
{
	struct errand *e = CONTAINER_OF(m, struct errand, mail);

	(void)here;
	e->done(e);
}

static void end(struct errand *e, enum outcome_end how)
{
	e->end = how;
	e->mail.run = run_done;
	shard_post_sure(e->home, &e->mail);
}

static void end_not_sent(struct errand *e, const char *why)
{
	fault(&e->why, E_CLOSED, "%s", why);
	end(e, OUTCOME_NOT_SENT);
}

/* Written when order_sent says so. */
static void send_order(struct media_line *l, struct errand *e)
{
	struct media_out out = { .b = &l->out };

	buf_clear(&l->out);
	if (l->dialect->put_command(l->dialect_state, e->command, &out, &e->why)) {
		end(e, OUTCOME_NOT_SENT);
		return;
	}
	if (line_send(l, &out)) {
		end_not_sent(e, "the call's socket takes no more");
		return;
	}
	e->number = ws_client_last(l->client);
	e->next = l->orders;
	l->orders = e;
}

static struct media_line *line_of(struct media_shard *s, const struct errand *e)
{
	for (struct media_line *l = s->lines; l; l = l->next) {
		bool takes = l->client && !l->closing && l->dialect->put_command;

		if (takes && l->has_call && uuid_eq(&l->call, &e->call) &&
		    uuid_eq(&l->source->org, &e->org))
			return l;
	}
	return NULL;
}

static void run_at_shard(struct mail *m, struct shard *here)
{
	struct errand *e = CONTAINER_OF(m, struct errand, mail);
	struct media *media = e->carrier;
	struct media_line *l = line_of(media_at(media, here), e);

	if (l)
		send_order(l, e);
	else if (++e->shard < media->config.shards)
		shard_post_sure(media->shards[e->shard]->shard, m);
	else
		end_not_sent(e, "the call's socket is not open here, and there is no control URL");
}

void media_command(void *user, struct errand *e)
{
	struct media *media = user;

	e->carrier = media;
	e->mail.run = run_at_shard;
	shard_post_sure(media->shards[0]->shard, &e->mail);
}

void order_sent(struct media_line *l, uint64_t number, bool whole)
{
	for (struct errand **p = &l->orders; *p; p = &(*p)->next) {
		struct errand *e = *p;

		if (e->number != number)
			continue;
		*p = e->next;
		if (!whole)
			fault(&e->why, E_CLOSED, "the call's socket was lost meanwhile");
		end(e, whole ? OUTCOME_DONE : OUTCOME_UNKNOWN);
		return;
	}
}

void orders_lost(struct media_line *l)
{
	while (l->orders) {
		struct errand *e = l->orders;

		l->orders = e->next;
		end_not_sent(e, "the call's socket was lost");
	}
}
