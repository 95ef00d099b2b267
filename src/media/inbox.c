/* Audio that came in this turn of the shard's loop, heard when the turn ends.
 *
 * Between two messages the kernel, the event loop and libwebsockets have the processor's caches to
 * themselves. Heard one after the other, a turn's frames find the detector's weights and the code
 * of the legs there, and legs share what can be shared (struct leg_batch).
 *
 * Nobody can tell the difference: a line's audio is heard before anything else happens to it (its
 * other messages, ticks, its end, a link), and facts come in the order in which they would have
 * come. Full: what waits is heard, then this; a message that is larger than all there is is heard
 * from where it stands. */
#include "media/internal.h"

/* What the frames of these legs say about speech, in their order. */
static void settle(struct media_shard *s)
{
	struct heard facts[LEG_FACTS_MAX];

	for (unsigned i = 0; i < s->inbox.waiting_n; i++) {
		struct inbox_leg *w = &s->inbox.waiting[i];
		struct line_leg *g = &w->line->legs[w->leg];
		size_t n = leg_settle(g->leg, facts);

		g->waits = false;
		if (n && g->held)
			line_leg_speaks(w->line, w->leg, facts, n, w->line->heard_us);
		if (n)
			line_tell(w->line, facts, n);
	}
	s->inbox.waiting_n = 0;
}

void inbox_settle(struct media_shard *s)
{
	if (s->inbox.waiting_n)
		settle(s);
}

void inbox_wait(struct media_line *l, unsigned leg)
{
	struct inbox *b = &l->home->inbox;

	b->waiting[b->waiting_n++] = (struct inbox_leg){ l, leg };
	l->legs[leg].waits = true;
	if (b->waiting_n == LEG_BATCH)
		settle(l->home);
}

void inbox_hear(struct media_shard *s)
{
	struct inbox *b = &s->inbox;

	if (!b->n || b->hearing)
		return;
	b->hearing = true;
	for (unsigned i = 0; i < b->n; i++) {
		const struct inbox_audio *a = &b->audio[i];

		line_hear(a->line, &a->about, (struct span){ b->bytes + a->from, a->n });
	}
	inbox_settle(s);
	b->n = 0;
	b->bytes_n = 0;
	b->hearing = false;
}

void inbox_put(struct media_line *l, const struct line_audio *about, struct span bytes)
{
	struct media_shard *s = l->home;
	struct inbox *b = &s->inbox;

	if (b->n == INBOX_AUDIO || bytes.n > INBOX_BYTES - b->bytes_n)
		inbox_hear(s);
	if (bytes.n > INBOX_BYTES) {
		line_hear(l, about, bytes);
		inbox_settle(s);
		return;
	}
	b->audio[b->n++] =
		(struct inbox_audio){ l, *about, (uint32_t)b->bytes_n, (uint32_t)bytes.n };
	if (bytes.n)
		memcpy(b->bytes + b->bytes_n, bytes.p, bytes.n);
	b->bytes_n += bytes.n;
}
