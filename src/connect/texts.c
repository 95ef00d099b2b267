/* Texts as the message store has them. Notifications of inbound texts are whole; of everything else
 * (a text of ours was sent, delivered, failed) they only count how many have changed. So the
 * changes are asked for: the texts of the last hour, after a loss of the whole time it has lasted
 * (gap.c) and of the hour before, since states of those may have changed in it; each told once per
 * state. Of each page it is asked first what is stored: a conversation that is over for long is
 * remembered nowhere else, and would have its texts twice. Where not even the counts come to us,
 * each text that we have sent is looked up until its state is final.
 *
 * Failure modes: no answer, 429, 5xx - the page again after a pause; a count or a loss while pages
 * are read - begun again at the end; not permitted - given up until the next notification, and the
 * text that was looked up for good; more than PAGES_MAX pages - the oldest are left, and logged; a
 * state that does not become final - given up after LOOKS_MAX; more texts than WATCHED_MAX - the
 * oldest is given up; the calls take nothing - again later, what was told is known; nobody can say
 * what is stored (PostgreSQL is away, or not there yet after a start) - after a loss the page is
 * asked for again, UNSAID_MAX times, then everything is told. */
#include <stdlib.h>
#include <strings.h>

#include "base/container.h"
#include "base/log.h"
#include "connect/internal.h"
#include "connect/paging.h"

enum {
	PAUSE_MS = 2000,
	PAUSE_MAX_MS = 60000,
	SETTLE_MS = 500, /* several changes are asked for at once */
	BACK_S = 3600,
	PAGE_TEXTS = 100,
	PAGES_MAX = 1000,
	WATCHED_MAX = 256,
	UNSAID_MAX = 6, /* with the pauses that is two minutes */
	LOOKS_MAX = 15,
	LOOK_MS = 4000, /* and doubling, up to */
	LOOK_MAX_MS = 300000,
	ID_MAX = 64,
};

#define MESSAGES "/restapi/v1.0/account/~/extension/~/message-store"

/* A text of ours whose state is not final. */
struct watched_text {
	struct watched_text *prev, *next; /* the oldest first */
	int64_t due_us;
	unsigned looks;
	struct backoff pause;
	char id[ID_MAX + 1];
};

/* Whom it watches it watches on, also with another configuration. */
void texts_init(struct login *s)
{
	s->texts = (struct texts){ .next.lost_us = GAP_NONE,
				   .walk.lost_us = GAP_NONE,
				   .round = s->texts.round + 1,
				   .watched = s->texts.watched,
				   .watched_n = s->texts.watched_n };
	login_seed(&s->texts.pause, PAUSE_MS, PAUSE_MAX_MS);
}

/* --- whose state is not final --- */

static void unwatch(struct texts *t, struct watched_text *w)
{
	CONTAINER_OF(t, struct login, texts)->keep.dirty = true;
	DL_DELETE(t->watched, w);
	t->watched_n--;
	free(w);
}

void texts_free(struct texts *t)
{
	while (t->watched)
		unwatch(t, t->watched);
}

static struct watched_text *find_watched(const struct texts *t, struct span id)
{
	struct watched_text *w;

	DL_FOREACH(t->watched, w)
	{
		if (span_is(id, w->id))
			return w;
	}
	return NULL;
}

static void look_later(struct login *s, struct watched_text *w)
{
	w->due_us = login_now(s) + backoff_next_ms(&w->pause) * MS_US;
}

static void watch(struct login *s, struct span id)
{
	struct texts *t = &s->texts;

	if (!id.n || id.n > ID_MAX || find_watched(t, id))
		return;
	if (t->watched_n == WATCHED_MAX)
		unwatch(t, t->watched);
	struct watched_text *w = calloc(1, sizeof(*w));
	CHECK(w);
	memcpy(w->id, id.p, id.n);
	login_seed(&w->pause, LOOK_MS, LOOK_MAX_MS);
	look_later(s, w);
	DL_APPEND(t->watched, w);
	t->watched_n++;
	s->keep.dirty = true;
}

void texts_put_watched(const struct login *s, struct json_out *o)
{
	const struct watched_text *w;

	json_begin_array(o, "watched");
	DL_FOREACH(s->texts.watched, w)
	{
		json_put_z(o, NULL, w->id);
	}
	json_end_array(o);
}

void texts_watch(struct login *s, struct json ids)
{
	struct json_iter it = json_iter(ids);
	struct arena a = { 0 };
	struct span key;
	struct json id;

	while (json_next(&it, &key, &id) && !login_hears_of_texts(s))
		watch(s, json_text(id, &a));
	arena_fini(&a);
}

static bool is_final(struct json text)
{
	static const char *const states[] = { "Delivered", "DeliveryFailed", "SendingFailed" };
	struct json state = json_get(text, "messageStatus");

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (json_is_text(state, states[i]))
			return true;
	return false;
}

/* Ids come as texts or numbers. */
static struct span id_at(struct json text, const char *path, struct arena *a)
{
	struct json id = json_path(text, path);

	return id.kind == JSON_NUMBER ? id.raw : json_text(id, a);
}

/* This is how it stands. */
static void note_state(struct login *s, struct json text, struct arena *a)
{
	bool ours = json_is_text(json_get(text, "direction"), "Outbound");
	struct span id = id_at(text, "id", a);
	struct watched_text *w = find_watched(&s->texts, id);

	if (w && is_final(text))
		unwatch(&s->texts, w);
	else if (ours && !is_final(text) && !login_hears_of_texts(s))
		watch(s, id);
}

void texts_sent(struct login *s, struct span message)
{
	struct arena a = { 0 };

	if (json_check(message, NULL) == 0)
		note_state(s, json_of(message), &a);
	arena_fini(&a);
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* What is wanted already is not put off. */
static void want(struct login *s, int64_t since_us, int64_t delay_ms)
{
	struct texts *t = &s->texts;
	int64_t due_us = login_now(s) + delay_ms * MS_US;

	since_us -= BACK_S * SECOND_US;
	t->next.since_us = t->next.due_us ? least(t->next.since_us, since_us) : since_us;
	t->next.due_us = t->next.due_us ? least(t->next.due_us, due_us) : due_us;
}

void texts_lost(struct login *s, int64_t since_us)
{
	struct texts *t = &s->texts;

	if (!login_wants_texts(s))
		return;
	t->next.lost_us = least(t->next.lost_us, since_us);
	want(s, since_us, 0);
}

int64_t texts_owed_us(const struct login *s)
{
	return least(s->texts.next.lost_us, s->texts.walk.lost_us);
}

int64_t texts_wanted_us(const struct login *s)
{
	const struct texts *t = &s->texts;

	int64_t next_us = t->next.due_us ? t->next.since_us : GAP_NONE;
	int64_t walk_us = t->walk.page ? t->walk.since_us : GAP_NONE;
	int64_t read_us = tell_waits(&s->tell, t->read.at_us) ? t->read.since_us : GAP_NONE;

	return least(next_us, least(walk_us, read_us));
}

void texts_want(struct login *s, int64_t since_us)
{
	if (login_wants_texts(s))
		want(s, since_us + BACK_S * SECOND_US, 0);
}

bool texts_counted(struct login *s, struct json notification)
{
	bool counts = json_path(notification, "body.changes").kind == JSON_ARRAY;

	if (counts && login_wants_texts(s))
		want(s, login_now(s), SETTLE_MS);
	return counts;
}

/* --- telling --- */

/* States of one text keep their order, and texts of one conversation, where it is named; which call
 * it belongs to, and whether to any, is the dialect's. */
static struct span order_of(struct json text, struct arena *a)
{
	static const char *const paths[] = { "conversation.id", "conversationId", "id" };
	struct span id = { 0 };

	for (size_t i = 0; !id.n && i < sizeof(paths) / sizeof(paths[0]); i++)
		id = id_at(text, paths[i], a);
	return id;
}

/* `known`: it was told before, maybe in a conversation that is forgotten by now. */
static int tell_text(struct login *s, struct json text, int64_t provider_us, bool known,
		     struct arena *a)
{
	struct buf message AUTO_BUF = { 0 }, once AUTO_BUF = { 0 };
	const struct asked_answer asked = { .what = known ? ASKED_KNOWN_TEXT : ASKED_TEXT,
					    .provider_us = provider_us,
					    .body = text.raw };
	struct json id = json_get(text, "id"), state = json_get(text, "messageStatus");

	buf_printf(&once, "text %.*s %.*s", SPAN_ARG(id.raw), SPAN_ARG(state.raw));
	s->dialect->put_asked(&asked, &message);
	int rc = tell_add(s, buf_span(&message), buf_span(&once), order_of(text, a));
	if (rc != E_FULL)
		note_state(s, text, a);
	return rc;
}

/* As it is stored, in the words of text.delivery. */
static bool is_state(struct span stored, struct span state)
{
	static const char failed[] = "Failed";
	bool same = stored.n == state.n && strncasecmp(stored.p, state.p, state.n) == 0;

	return same || (span_is(stored, "failed") && state.n >= sizeof(failed) - 1 &&
			span_is(span_from(state, state.n - (sizeof(failed) - 1)), failed));
}

/* All that this page says of the text? Of theirs there is nothing but the text. */
static bool is_stored(struct json text, struct json states, struct arena *a)
{
	struct span state = json_text(json_get(text, "messageStatus"), a), key;
	bool ours = json_is_text(json_get(text, "direction"), "Outbound");
	bool stored = !ours || !state.n;
	struct json_iter it = json_iter(states);
	struct json one;

	while (!stored && json_next(&it, &key, &one))
		stored = is_state(json_text(one, a), state);
	return stored;
}

/* `stored`: what is known of this page's texts (connect_texts). */
static int tell_listed(struct login *s, struct json text, int64_t provider_us, struct json stored,
		       struct arena *a)
{
	struct span id = id_at(text, "id", a);
	struct json states = json_get(stored, arena_printf(a, "%.*s", SPAN_ARG(id)));
	bool known = states.kind == JSON_ARRAY;

	if (!known || !is_stored(text, states, a))
		return tell_text(s, text, provider_us, known, a);
	note_state(s, text, a);
	return E_CONFLICT;
}

static bool tell_page(struct login *s, struct json page, int64_t provider_us, struct json stored)
{
	struct json_iter it = json_iter(json_get(page, "records"));
	struct arena a = { 0 };
	struct span key;
	struct json text;
	bool room = true;

	while (room && json_next(&it, &key, &text))
		room = tell_listed(s, text, provider_us, stored, &a) != E_FULL;
	arena_fini(&a);
	return room;
}

/* --- asking --- */

/* By the platform's clock: ours may be another. */
static int64_t since_us(const struct login *s)
{
	return s->texts.walk.since_us + s->provider_us - s->provider_at_us;
}

static void pause_it(struct login *s)
{
	s->texts.walk.again_us = login_now(s) + backoff_next_ms(&s->texts.pause) * MS_US;
}

static void end_walk(struct login *s)
{
	struct texts *t = &s->texts;

	s->keep.dirty = true;
	t->read.since_us = tell_waits(&s->tell, t->read.at_us)
				   ? least(t->read.since_us, t->walk.since_us)
				   : t->walk.since_us;
	t->read.at_us = login_now(s);
	t->walk.page = 0;
	t->walk.lost_us = GAP_NONE;
}

static void take_page(struct login *s, struct json page, int64_t provider_us, struct json stored)
{
	struct texts *t = &s->texts;
	bool more = paging_has_next(page, t->walk.page);

	backoff_reset(&t->pause);
	if (!tell_page(s, page, provider_us, stored)) {
		pause_it(s);
	} else if (more && t->walk.page < PAGES_MAX) {
		t->walk.page++;
	} else {
		if (more)
			log_warn("connect", "source %s: more than %d texts: the rest is left",
				 s->id_text, PAGES_MAX * PAGE_TEXTS);
		end_walk(s);
	}
}

/* A page, while it is asked what is stored of it. */
struct text_page {
	struct connect_texts asked;
	struct login *login;
	unsigned round;
	int64_t provider_us;
	struct buf body, messages;
};

/* What is lost is late already, what is counted is not: somebody may be waiting for its state. */
static void take_stored(struct login *s, const struct text_page *p, struct span stored)
{
	struct texts *t = &s->texts;
	bool waits = !stored.n && t->walk.lost_us != GAP_NONE && t->walk.unsaid < UNSAID_MAX;

	t->walk.busy = false;
	if (waits) {
		t->walk.unsaid++;
		pause_it(s);
	} else {
		take_page(s, json_of(buf_span(&p->body)), p->provider_us, json_of(stored));
	}
}

static void on_stored(struct connect_texts *c)
{
	struct text_page *p = CONTAINER_OF(c, struct text_page, asked);
	struct login *s = p->login;

	if (!s->ended && p->round == s->texts.round)
		take_stored(s, p, c->stored);
	buf_free(&p->body);
	buf_free(&p->messages);
	free(p);
	login_release(s);
}

static void put_messages(struct login *s, struct json page, int64_t provider_us, struct buf *out)
{
	struct json_iter it = json_iter(json_get(page, "records"));
	struct span key;
	struct json text;

	buf_addc(out, '[');
	while (json_next(&it, &key, &text)) {
		const struct asked_answer asked = { ASKED_TEXT, .provider_us = provider_us,
						    .body = text.raw };

		if (out->n > 1)
			buf_addc(out, ',');
		s->dialect->put_asked(&asked, out);
	}
	buf_addc(out, ']');
}

static void ask_stored(struct login *s, struct span body, int64_t provider_us)
{
	const struct connect_calls *calls = &s->connect->config.calls;
	struct text_page *p = calloc(1, sizeof(*p));

	CHECK(p);
	p->login = s;
	p->round = s->texts.round;
	p->provider_us = provider_us;
	buf_add(&p->body, body);
	put_messages(s, json_of(buf_span(&p->body)), provider_us, &p->messages);
	p->asked = (struct connect_texts){ .source = s->id,
					   .messages = buf_span(&p->messages),
					   .since_us = since_us(s),
					   .done = on_stored };
	login_hold(s);
	calls->texts(calls->user, s->part->shard, &p->asked);
}

static void on_page(struct ask *a, const struct client_response *r, int64_t provider_us)
{
	struct login *s = a->login;
	struct trouble why;

	if (response_good(r) && json_check(r->body, NULL) == 0) {
		ask_stored(s, r->body, provider_us);
		return;
	}
	s->texts.walk.busy = false;
	trouble_of(r, "texts that have changed", &why);
	log_warn("connect", "source %s: %s", s->id_text, why.text);
	if (why.kind == TROUBLE_DENIED)
		end_walk(s);
	else
		pause_it(s);
}

static void list(struct login *s)
{
	struct texts *t = &s->texts;
	char since[CLOCK_ISO + 1];

	clock_format(since_us(s), since);
	struct ask *a = ask_new(s, HTTP_GET, MESSAGES, RATE_LIGHT, on_page);
	buf_printf(&a->url, "?messageType=SMS&dateFrom=%s&page=%u&perPage=%d", since, t->walk.page,
		   PAGE_TEXTS);
	t->walk.busy = true;
	ask_post(a);
}

static void begin_walk(struct texts *t)
{
	t->walk.page = 1;
	t->walk.unsaid = 0;
	t->walk.since_us = t->next.since_us;
	t->walk.lost_us = t->next.lost_us;
	t->next.due_us = 0;
	t->next.lost_us = GAP_NONE;
}

static void step_walk(struct login *s, int64_t now_us)
{
	struct texts *t = &s->texts;

	if (t->walk.busy || now_us < t->walk.again_us)
		return;
	if (!t->walk.page && t->next.due_us && now_us >= t->next.due_us)
		begin_walk(t);
	if (t->walk.page)
		list(s);
}

/* --- one by one --- */

/* Told, or in vain? A state that changes nothing is known, and only the next look is waited for. */
static void take_text(struct login *s, struct watched_text *w, const struct client_response *r,
		      int64_t provider_us)
{
	bool good = response_good(r) && json_check(r->body, NULL) == 0;
	struct arena a = { 0 };
	struct trouble why;

	look_later(s, w);
	if (good) { /* after which w may be gone */
		tell_text(s, json_of(r->body), provider_us, true, &a);
	} else {
		trouble_of(r, "a text that was sent", &why);
		log_info("connect", "source %s: %s", s->id_text, why.text);
		if (why.kind == TROUBLE_DENIED)
			unwatch(&s->texts, w);
	}
	arena_fini(&a);
}

static void on_text(struct ask *a, const struct client_response *r, int64_t provider_us)
{
	struct login *s = a->login;
	struct watched_text *w = find_watched(&s->texts, buf_span(&a->about));

	s->texts.looking = false;
	if (w)
		take_text(s, w, r, provider_us);
}

static void look(struct login *s, struct watched_text *w)
{
	struct ask *a = ask_new(s, HTTP_GET, MESSAGES "/", RATE_LIGHT, on_text);

	buf_add_percent(&a->url, span_of(w->id), BUF_IN_PATH);
	buf_addz(&a->about, w->id);
	w->looks++;
	s->texts.looking = true;
	ask_post(a);
}

static struct watched_text *most_due(const struct texts *t)
{
	struct watched_text *w, *most = t->watched;

	DL_FOREACH(t->watched, w)
	{
		if (w->due_us < most->due_us)
			most = w;
	}
	return most;
}

static void look_at_one(struct login *s, int64_t now_us)
{
	struct texts *t = &s->texts;
	struct watched_text *w = most_due(t);

	if (!w || now_us < w->due_us || !tell_has_room(&s->tell))
		return;
	if (w->looks == LOOKS_MAX)
		unwatch(t, w);
	else
		look(s, w);
}

void texts_step(struct login *s, int64_t now_us)
{
	struct texts *t = &s->texts;

	if (s->standing.state != CONNECT_LIVE || !s->provider_us)
		return;
	step_walk(s, now_us);
	if (!t->looking)
		look_at_one(s, now_us);
}
