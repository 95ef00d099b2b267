#include "call/party.h"

#include <stddef.h>

#include "base/clock.h"

/* What an answer says may be older by so much than the time it carries, which has whole seconds. */
#define SNAPSHOT_BLUR_US SECOND_US

static void word_free(struct party_word *w)
{
	kept_free(&w->code);
	kept_free(&w->reason);
	kept_free(&w->moved_to);
}

void party_free(struct party *p)
{
	kept_free(&p->id);
	word_free(&p->event);
	word_free(&p->snapshot);
	for (unsigned i = 0; i < PARTY_TEXT_COUNT; i++) {
		kept_free(&p->texts[i][0].text);
		kept_free(&p->texts[i][1].text);
	}
}

struct span party_text(const struct party *p, enum party_text which)
{
	const struct party_said *e = &p->texts[which][0], *s = &p->texts[which][1];
	bool newer = s->text.n && (!e->text.n || s->at_us > e->at_us + SNAPSHOT_BLUR_US);
	return kept_span(newer ? &s->text : &e->text);
}

const struct party_word *party_standing(const struct party *p)
{
	const struct party_word *e = &p->event, *s = &p->snapshot;
	if (!e->known || !s->known)
		return e->known ? e : s;
	/* Also an answer that lags behind its own time must not bring back who is gone. */
	if (e->state == s->state || party_over(e->state) || e->at_us >= s->at_us + SNAPSHOT_BLUR_US)
		return e;
	bool same_moment = e->at_us >= s->at_us - SNAPSHOT_BLUR_US;
	return same_moment && !party_over(s->state) ? e : s;
}

bool party_is_gone(const struct party *p)
{
	return party_over(party_standing(p)->state);
}

const struct party_word *party_described(const struct party *p)
{
	const struct party_word *e = &p->event, *s = &p->snapshot, *w = party_standing(p);
	bool agreed = e->known && s->known && e->state == s->state && !party_over(w->state);
	return agreed && s->at_us > e->at_us + SNAPSHOT_BLUR_US ? s : w;
}

bool party_is_muted(const struct party *p)
{
	const struct party_word *w = party_described(p);
	const struct party_word *other = w == &p->event ? &p->snapshot : &p->event;
	return w->muted_known ? w->muted : other->muted_known && other->muted;
}

/* A snapshot may say so up to a second before it was so: an event within it knows better. */
int64_t party_talked_us(const struct party *p)
{
	int64_t event = p->talked_us[0], snapshot = p->talked_us[1];
	if (!event || !snapshot)
		return event ? event : snapshot;
	return event < snapshot + SNAPSHOT_BLUR_US ? event : snapshot;
}

/* Whom an answer had gone, and an event after it had not, was not gone by then. */
int64_t party_since(const struct party *p)
{
	const struct party_word *w = party_standing(p);
	bool first = !p->event.known || p->gone_us >= p->event.at_us - SNAPSHOT_BLUR_US;
	return w == &p->snapshot && party_over(w->state) && first ? p->gone_us : w->at_us;
}

static int text_order(struct span a, struct span b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;
	return c ? c : (a.n > b.n) - (a.n < b.n);
}

int party_id_order(const struct party *a, const struct party *b)
{
	return text_order(kept_span(&a->id), kept_span(&b->id));
}

bool party_gone_before(const struct party *a, const struct party *b)
{
	int64_t ta = party_since(a), tb = party_since(b);
	if (ta != tb)
		return ta < tb;
	int64_t sa = party_standing(a)->sequence, sb = party_standing(b)->sequence;
	return sa != sb ? sa < sb : party_id_order(a, b) < 0;
}

static bool later(const struct party_word *w, const struct call_party *p, int64_t at_us)
{
	if (!w->known)
		return true;
	if (p->sequence != w->sequence)
		return p->sequence > w->sequence;
	return at_us != w->at_us ? at_us > w->at_us : p->state > w->state;
}

static void word_set(struct party_word *w, const struct call_party *p, int64_t at_us)
{
	w->known = true;
	w->sequence = p->sequence;
	w->at_us = at_us;
	w->state = p->state;
	w->muted = p->muted;
	w->muted_known = p->muted_known;
	w->recording_on = p->recording_on;
	kept_set_clipped(&w->code, p->code, PARTY_BYTES);
	kept_set_clipped(&w->reason, p->reason, PARTY_BYTES);
	kept_set_clipped(&w->moved_to, p->moved_to, PARTY_BYTES);
}

static struct span given(const struct call_party *p, enum party_text which)
{
	static const size_t offsets[PARTY_TEXT_COUNT] = {
#define X(member) [PARTY_TEXT_##member] = offsetof(struct call_party, member),
		PARTY_TEXTS(X)
#undef X
	};
	return *(const struct span *)(const void *)((const char *)p + offsets[which]);
}

static bool says_better(const struct party_said *had, struct span text, int64_t sequence,
			int64_t at_us)
{
	if (!had->text.n || sequence != had->sequence)
		return !had->text.n || sequence > had->sequence;
	int order = text_order(text, kept_span(&had->text));
	return at_us != had->at_us ? at_us > had->at_us : order > 0;
}

static void learn_texts(struct party *mine, const struct call_party *p, int64_t at_us)
{
	for (unsigned i = 0; i < PARTY_TEXT_COUNT; i++) {
		struct span text = kept_clip(given(p, (enum party_text)i), PARTY_BYTES);
		struct party_said *had = &mine->texts[i][p->sequence < 0];
		if (!text.n || !says_better(had, text, p->sequence, at_us))
			continue;
		kept_set(&had->text, text);
		had->sequence = p->sequence;
		had->at_us = at_us;
	}
}

bool party_talks(enum party_state state)
{
	return state == PARTY_TALKING || state == PARTY_HELD || state == PARTY_PARKED;
}

bool party_merge(struct party *mine, const struct call_party *p, int64_t at_us)
{
	bool snapshot = p->sequence < 0;
	struct party_word *w = snapshot ? &mine->snapshot : &mine->event;
	bool news = later(w, p, at_us);
	if (news)
		word_set(w, p, at_us);
	learn_texts(mine, p, at_us);
	mine->side = p->side > mine->side ? p->side : mine->side;
	mine->was_inside |= p->side == PARTY_INSIDE;
	mine->outbound |= p->outbound;
	mine->peer_inside |= p->peer_inside;
	if (!snapshot && p->sequence < mine->first)
		mine->first = p->sequence;
	if (party_talks(p->state))
		party_least(&mine->talked_us[snapshot], at_us);
	if (snapshot && party_over(p->state))
		party_least(&mine->gone_us, at_us);
	return news;
}

static size_t word_bytes(const struct party_word *w)
{
	return w->code.n + w->reason.n + w->moved_to.n;
}

size_t party_bytes(const struct party *p)
{
	size_t n = p->id.n + word_bytes(&p->event) + word_bytes(&p->snapshot);
	for (unsigned i = 0; i < PARTY_TEXT_COUNT; i++)
		n += p->texts[i][0].text.n + p->texts[i][1].text.n;
	return n;
}
