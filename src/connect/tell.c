/* Messages on their way to the calls. Each stays until it is durable; those of one call go one
 * after the other, others side by side.
 *
 * Failure modes: the journal takes nothing - everything pauses and is told again, in its order; the
 * queue is full - E_FULL, and the gateway hangs up so that the platform keeps what follows; a
 * message that nobody can read - it is in quarantine, and counts as told; the node stops - what is
 * left is not durable, and the place kept for the next start lies before it. */
#include <stdlib.h>

#include "base/container.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/metrics.h"
#include "connect/internal.h"

enum { PAUSE_MS = 200, PAUSE_MAX_MS = 10000, LOOK_AHEAD = 2 * TELL_AHEAD };

void tell_init(struct login *s)
{
	login_seed(&s->tell.pause, PAUSE_MS, PAUSE_MAX_MS);
}

static void told_free(struct told *m)
{
	buf_free(&m->json);
	buf_free(&m->place.token);
	free(m);
}

static void leave(struct tell *t, struct told *m)
{
	DL_DELETE(t->queue, m);
	t->n--;
	t->bytes -= m->json.n;
}

void tell_free(struct tell *t)
{
	while (t->queue) {
		struct told *m = t->queue;

		leave(t, m);
		told_free(m);
	}
	buf_free(&t->safe.token);
}

bool tell_has_room(const struct tell *t)
{
	return t->n < TELL_MAX / 2 && t->bytes < TELL_BYTES_MAX / 2;
}

int64_t tell_durable_us(const struct tell *t, int64_t latest_us)
{
	return t->queue ? t->queue->came_us : latest_us;
}

bool tell_waits(const struct tell *t, int64_t us)
{
	return us && t->queue && t->queue->came_us <= us;
}

/* --- what was here before --- */

static bool was_seen(const struct tell *t, uint64_t hash)
{
	for (unsigned i = 0; i < SEEN_MAX; i++)
		if (t->seen[i] == hash)
			return true;
	return false;
}

static void see(struct tell *t, uint64_t hash)
{
	t->seen[t->seen_next] = hash;
	t->seen_next = (t->seen_next + 1) % SEEN_MAX;
}

int tell_add(struct login *s, struct span json, struct span uuid, struct span call)
{
	struct tell *t = &s->tell;
	uint64_t hash = uuid.n ? hash64(uuid) | 1 : 0; /* 0 is an empty place of the ring */

	if (hash && was_seen(t, hash)) {
		metric_add_label(METRIC_CONNECT_EVENTS, "repeated", 1);
		return E_CONFLICT;
	}
	if (t->n >= TELL_MAX || t->bytes + json.n > TELL_BYTES_MAX)
		return E_FULL;
	struct told *m = calloc(1, sizeof(*m));
	CHECK(m);
	m->login = s;
	m->call = hash64(call);
	m->came_us = login_now(s);
	buf_add(&m->json, json);
	DL_APPEND(t->queue, m);
	t->n++;
	t->bytes += json.n;
	if (hash)
		see(t, hash);
	return 0;
}

/* --- places --- */

static void set_place(struct place *p, struct span token, int64_t sequence)
{
	buf_clear(&p->token);
	buf_add(&p->token, token);
	p->sequence = sequence;
}

void tell_place(struct login *s, struct span token, int64_t sequence)
{
	struct tell *t = &s->tell;
	struct told *last = t->queue ? t->queue->prev : NULL;

	set_place(last ? &last->place : &t->safe, token, sequence);
	if (!last)
		s->keep.dirty = true;
}

void tell_forget_places(struct tell *t)
{
	struct told *m;

	DL_FOREACH(t->queue, m)
	buf_clear(&m->place.token);
	buf_clear(&t->safe.token);
}

/* --- the way to the calls --- */

static void drop_durable(struct login *s)
{
	struct tell *t = &s->tell;

	while (t->queue && t->queue->durable) {
		struct told *m = t->queue;

		if (m->place.token.n) {
			set_place(&t->safe, buf_span(&m->place.token), m->place.sequence);
			s->keep.dirty = true;
		}
		leave(t, m);
		told_free(m);
		s->keep.dirty |= !t->queue; /* nothing is owed for what waited */
	}
}

static void take_code(struct login *s, struct told *m, int code)
{
	struct tell *t = &s->tell;
	bool stops = code == E_CLOSED, kept = code == 0 || code == E_INVALID;

	if (kept) {
		m->durable = true;
		backoff_reset(&t->pause);
	} else if (!stops) {
		t->again_us = login_now(s) + backoff_next_ms(&t->pause) * MS_US;
	}
	t->halted |= stops;
	metric_add_label(METRIC_CONNECT_EVENTS,
			 code == 0 ? "told"
			 : kept	   ? "unreadable"
			 : stops   ? "stopped"
				   : "again",
			 1);
	if (code == E_INVALID)
		log_warn("connect", "source %s: a message cannot be read: it is in quarantine",
			 s->id_text);
}

static void on_done(struct connect_message *cm)
{
	struct told *m = CONTAINER_OF(cm, struct told, message);
	struct login *s = m->login;

	m->under_way = false;
	s->tell.under_way--;
	take_code(s, m, cm->code);
	s->tell.more = true;
	if (!s->ended)
		tell_pump(s, login_now(s));
	login_release(s);
}

static void send_one(struct login *s, struct told *m)
{
	const struct connect_calls *calls = &s->connect->config.calls;

	m->under_way = true;
	s->tell.under_way++;
	m->message = (struct connect_message){ .source = s->id,
					       .json = buf_span(&m->json),
					       .done = on_done };
	login_hold(s);
	calls->message(calls->user, s->part->shard, &m->message);
}

static bool is_in(const uint64_t *calls, unsigned n, uint64_t call)
{
	while (n && calls[n - 1] != call)
		n--;
	return n > 0;
}

static void send_what_may_go(struct login *s, int64_t now_us)
{
	struct tell *t = &s->tell;
	uint64_t before[LOOK_AHEAD]; /* calls of those that are not durable yet */
	unsigned n = 0;
	struct told *m;

	DL_FOREACH(t->queue, m)
	{
		if (t->halted || now_us < t->again_us || n == LOOK_AHEAD ||
		    t->under_way == TELL_AHEAD)
			break;
		if (m->durable)
			continue;
		if (!m->under_way && !is_in(before, n, m->call))
			send_one(s, m);
		before[n++] = m->call;
	}
}

void tell_pump(struct login *s, int64_t now_us)
{
	struct tell *t = &s->tell;

	if (t->pumping)
		return;
	t->pumping = true;
	do {
		t->more = false;
		send_what_may_go(s, now_us);
		drop_durable(s);
	} while (t->more);
	t->pumping = false;
}
