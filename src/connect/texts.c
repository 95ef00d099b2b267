/* Texts as the message store has them. Notifications of inbound texts are whole; of everything else
 * (a text of ours was sent, delivered, failed) they only count how many have changed. So the
 * changes are asked for: the texts of the last hour, each told once per state.
 *
 * Failure modes: no answer, 429, 5xx - again after a pause; not permitted - given up until the next
 * notification; the calls take nothing - again later, what was told is known. */
#include "base/log.h"
#include "connect/internal.h"

enum {
	PAUSE_MS = 2000,
	PAUSE_MAX_MS = 60000,
	SETTLE_MS = 500, /* several changes are asked for at once */
	BACK_S = 3600,
	PAGE_TEXTS = 100,
	PAGES_MAX = 20,
};

void texts_init(struct login *s)
{
	s->texts = (struct texts){ 0 };
	login_seed(&s->texts.pause, PAUSE_MS, PAUSE_MAX_MS);
}

static void due_in(struct login *s, int64_t ms)
{
	s->texts.due_us = login_now(s) + ms * MS_US;
	s->texts.page = 1;
}

void texts_lost(struct login *s)
{
	if (login_wants_texts(s))
		due_in(s, 0);
}

bool texts_counted(struct login *s, struct json notification)
{
	bool counts = json_path(notification, "body.changes").kind == JSON_ARRAY;

	if (counts && login_wants_texts(s))
		due_in(s, SETTLE_MS);
	return counts;
}

/* --- telling --- */

static int tell_text(struct login *s, struct json text, int64_t provider_us, struct arena *a)
{
	struct buf message AUTO_BUF = { 0 }, once AUTO_BUF = { 0 };
	const struct asked_answer asked = { ASKED_TEXT, .provider_us = provider_us, .body = text.raw };
	struct span thread = json_text(json_path(text, "conversation.id"), a);
	struct json id = json_get(text, "id"), state = json_get(text, "messageStatus");

	if (!thread.n)
		return 0;
	buf_printf(&once, "text %.*s %.*s", SPAN_ARG(id.raw), SPAN_ARG(state.raw));
	s->dialect->put_asked(&asked, &message);
	return tell_add(s, buf_span(&message), buf_span(&once), thread);
}

static bool tell_page(struct login *s, struct json page, int64_t provider_us)
{
	struct json_iter it = json_iter(json_get(page, "records"));
	struct arena a = { 0 };
	struct span key;
	struct json text;
	bool room = true;

	while (room && json_next(&it, &key, &text))
		room = tell_text(s, text, provider_us, &a) != E_FULL;
	arena_fini(&a);
	return room;
}

/* --- asking --- */

static void pause_it(struct login *s)
{
	s->texts.due_us = login_now(s) + backoff_next_ms(&s->texts.pause) * MS_US;
}

static void take_page(struct login *s, struct json page, int64_t provider_us)
{
	struct texts *t = &s->texts;

	backoff_reset(&t->pause);
	if (!tell_page(s, page, provider_us)) {
		pause_it(s);
		return;
	}
	if (!resync_has_next_page(page, t->page) || t->page == PAGES_MAX)
		return;
	t->page++;
	t->due_us = login_now(s);
}

static void on_page(struct ask *a, const struct client_response *r, int64_t provider_us)
{
	struct login *s = a->login;
	struct trouble why;

	s->texts.busy = false;
	if (response_good(r) && json_check(r->body, NULL) == 0) {
		take_page(s, json_of(r->body), provider_us);
		return;
	}
	trouble_of(r, "texts that have changed", &why);
	log_warn("connect", "source %s: %s", s->id_text, why.text);
	if (why.kind != TROUBLE_DENIED)
		pause_it(s);
}

void texts_step(struct login *s, int64_t now_us)
{
	struct texts *t = &s->texts;
	char since[CLOCK_ISO + 1];

	if (!t->due_us || now_us < t->due_us || t->busy || s->state != CONNECT_LIVE ||
	    !s->provider_us)
		return;
	/* By the platform's clock: ours may be another. */
	clock_format(s->provider_us + now_us - s->provider_at_us - BACK_S * SECOND_US, since);
	struct ask *a = ask_new(s, HTTP_GET,
				"/restapi/v1.0/account/~/extension/~/message-store?messageType=SMS",
				RATE_LIGHT, on_page);
	buf_printf(&a->url, "&dateFrom=%s&page=%u&perPage=%d", since, t->page, PAGE_TEXTS);
	t->busy = true;
	t->due_us = 0;
	ask_post(a);
}
