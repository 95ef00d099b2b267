/* The live WebSocket (A4, A6, A7; docs/live.md) over real sockets: who gets in, snapshots and
 * order, resume, coalescing, slow watchers, commands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api_kit.h"

#include "api/watcher.h"
#include "base/metrics.h"

enum { FIN_TEXT = 0x81, FIN_CLOSE = 0x88 };

static int begin(void **state)
{
	struct kit *k = calloc(1, sizeof(*k));
	kit_start(k);
	*state = k;
	return 0;
}

static int end(void **state)
{
	kit_stop(*state);
	free(*state);
	return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

/* --- a watching client ----------------------------------------------------------- */

struct watch {
	int fd;
	struct reply state;
	struct buf text;
	struct json message; /* the last one read */
	int close_code;
};

static void watch_connect(struct kit *k, struct watch *w, const char *headers)
{
	*w = (struct watch){ .fd = client_connect(k->rig.port) };
	wsc_open(w->fd, "/api/v1/live", headers, &w->state);
}

static void watch_end(struct watch *w)
{
	close(w->fd);
	reply_free(&w->state);
	buf_free(&w->text);
}

/* False: the connection was closed; close_code says how. */
static bool watch_read(struct watch *w)
{
	int first;
	do {
		first = wsc_read(w->fd, &w->state, &w->text);
	} while (first == 0x89 || first == 0x8a);
	if (first != FIN_TEXT) {
		w->close_code =
			first == FIN_CLOSE && w->text.n >= 2
				? (unsigned char)w->text.p[0] << 8 | (unsigned char)w->text.p[1]
				: 1006;
		return false;
	}
	struct fault f = { 0 };
	if (json_check(buf_span(&w->text), &f))
		fail_msg("no JSON: %s", f.text);
	w->message = json_of(buf_span(&w->text));
	return true;
}

static void watch_next(struct watch *w)
{
	if (!watch_read(w))
		fail_msg("closed with %d instead of a message", w->close_code);
}

static bool is_type(const struct watch *w, const char *type)
{
	return json_is_text(json_get(w->message, "type"), type);
}

static void expect(struct watch *w, const char *type)
{
	watch_next(w);
	if (!is_type(w, type))
		fail_msg("expected %s, got %.*s", type,
			 (int)(w->message.raw.n < 300 ? w->message.raw.n : 300), w->message.raw.p);
}

static void expect_error(struct watch *w, const char *code, const char *id)
{
	expect(w, "error");
	if (!json_is_text(json_get(w->message, "code"), code))
		fail_msg("expected %s, got %.*s", code, SPAN_ARG(w->message.raw));
	if (id)
		assert_true(json_is_text(json_get(w->message, "id"), id));
	else
		assert_int_equal(JSON_NONE, json_get(w->message, "id").kind);
	assert_true(json_get(w->message, "detail").raw.n > 2);
}

static void watch_send(struct watch *w, const char *text)
{
	wsc_send(w->fd, FIN_TEXT, text, strlen(text));
}

static void watch_open(struct kit *k, struct watch *w, const char *token)
{
	char headers[128];
	snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\n", token);
	watch_connect(k, w, headers);
	assert_int_equal(101, w->state.status);
	expect(w, "hello");
}

static int64_t number(struct json v, const char *path)
{
	int64_t n = -1;
	if (!json_i64(json_path(v, path), &n))
		fail_msg("no number %s in %.*s", path, SPAN_ARG(v.raw));
	return n;
}

/* Reads until "ready"; counts the calls of the snapshots and notes the last seq of each owner. */
struct came {
	size_t calls, snapshots, resumed_events;
	int64_t last_seq[FAKE_OWNERS];
};

static void note_events(struct watch *w, struct came *s)
{
	struct json_iter it = json_iter(json_get(w->message, "events"));
	struct span key;
	struct json one;
	while (json_next(&it, &key, &one))
		s->resumed_events++;
}

static struct came until_ready(struct watch *w)
{
	struct came s = { 0 };
	for (;;) {
		watch_next(w);
		if (is_type(w, "ready"))
			return s;
		if (is_type(w, "snapshot")) {
			s.snapshots++;
			s.calls += json_count(json_get(w->message, "calls"));
			s.last_seq[number(w->message, "owner")] = number(w->message, "last_seq");
		} else if (is_type(w, "events")) {
			note_events(w, &s);
		} else if (is_type(w, "event")) {
			s.last_seq[number(w->message, "owner")] = number(w->message, "event.seq");
		} else if (!is_type(w, "subscribed")) {
			fail_msg("unexpected %.*s", SPAN_ARG(w->message.raw));
		}
	}
}

static struct came subscribe(struct watch *w, const char *text)
{
	watch_send(w, text);
	return until_ready(w);
}

static void expect_event(struct watch *w, const char *type, const char *text)
{
	expect(w, "event");
	if (!json_is_text(json_path(w->message, "event.type"), type) ||
	    !json_is_text(json_path(w->message, "event.text"), text))
		fail_msg("expected %s \"%s\", got %.*s", type, text, SPAN_ARG(w->message.raw));
}

/* Whatever was on its way has come when the pong is there. */
static void expect_nothing(struct watch *w)
{
	watch_send(w, "{\"type\":\"ping\"}");
	expect(w, "pong");
}

/* --- getting in ------------------------------------------------------------------ */

static void test_who_gets_in(void **state)
{
	struct kit *k = *state;
	static const struct {
		const char *path, *headers;
		int status;
	} cases[] = {
		{ "/api/v1/live", "", 401 },
		{ "/api/v1/live", "Authorization: Bearer cm_unknown\r\n", 401 },
		{ "/api/v1/live", "Authorization: Bearer " KIT_EXPIRED "\r\n", 401 },
		{ "/api/v1/live", "Sec-WebSocket-Protocol: callmend\r\n", 401 },
		{ "/api/v1/live?token=" KIT_ADMIN, "", 400 },
		{ "/api/v1/live?token=" KIT_ADMIN, "Authorization: Bearer " KIT_ADMIN "\r\n", 400 },
		{ "/api/v1/live", "Authorization: Bearer " KIT_VIEWER "\r\n", 101 },
		{ "/api/v1/live", "Sec-WebSocket-Protocol: callmend, bearer." KIT_VIEWER "\r\n",
		  101 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct watch w = { .fd = client_connect(k->rig.port) };
		wsc_open(w.fd, cases[i].path, cases[i].headers, &w.state);
		if (w.state.status != cases[i].status)
			fail_msg("case %zu: %d", i, w.state.status);
		if (cases[i].status == 101)
			expect(&w, "hello");
		watch_end(&w);
	}
	atomic_store(&k->draining, true);
	struct watch w;
	watch_connect(k, &w, "Authorization: Bearer " KIT_VIEWER "\r\n");
	assert_int_equal(503, w.state.status);
	watch_end(&w);
}

/* A browser fails the connection when none of its subprotocols comes back, and the token is none of
 * our words. */
static void test_subprotocol_comes_back(void **state)
{
	struct kit *k = *state;
	struct watch w;
	watch_connect(k, &w, "Sec-WebSocket-Protocol: callmend, bearer." KIT_VIEWER "\r\n");
	assert_int_equal(101, w.state.status);
	assert_true(reply_has(&w.state, "sec-websocket-protocol: callmend\r\n"));
	assert_false(reply_has(&w.state, KIT_VIEWER));
	watch_end(&w);
}

static void test_hello_and_ping(void **state)
{
	struct kit *k = *state;
	struct watch w;
	watch_open(k, &w, KIT_SUPERVISOR);
	assert_true(json_is_text(json_get(w.message, "epoch"), live_epoch(&k->live)));
	assert_int_equal(1, number(w.message, "version"));
	assert_int_equal(2, number(w.message, "owners"));
	assert_true(json_is_text(json_get(w.message, "role"), "supervisor"));
	watch_send(&w, "{\"type\":\"ping\",\"id\":7}");
	expect(&w, "pong");
	assert_int_equal(7, number(w.message, "id"));
	watch_end(&w);
}

static void test_messages_refused(void **state)
{
	struct kit *k = *state;
	struct watch w;
	static const struct {
		const char *text, *code, *id;
	} cases[] = {
		{ "{", "bad-json", NULL },
		{ "[]", "invalid-body", NULL },
		{ "{\"type\":\"ping\",\"id\":{}}", "invalid-body", NULL },
		{ "{\"type\":\"ping\",\"id\":"
		  "\"01234567890123456789012345678901234567890123456789012345678901234\"}",
		  "invalid-body", NULL },
		{ "{\"type\":\"dance\",\"id\":\"a\"}", "invalid-body", "a" },
		{ "{\"type\":\"subscribe\",\"id\":\"b\"}", "invalid-body", "b" },
		{ "{\"type\":\"subscribe\",\"id\":\"c\",\"all\":false}", "invalid-body", "c" },
		{ "{\"type\":\"subscribe\",\"id\":\"d\",\"all\":true,\"calls\":[\"x\"]}",
		  "invalid-body", "d" },
		{ "{\"type\":\"subscribe\",\"id\":\"e\",\"all\":true,\"colour\":1}", "invalid-body",
		  "e" },
		{ "{\"type\":\"subscribe\",\"id\":\"f\",\"calls\":[\"a b\"]}", "invalid-body",
		  "f" },
		{ "{\"type\":\"subscribe\",\"id\":\"g\",\"calls\":[1]}", "invalid-body", "g" },
		{ "{\"type\":\"subscribe\",\"id\":\"h\",\"project\":\"x\"}", "invalid-body", "h" },
		{ "{\"type\":\"subscribe\",\"id\":\"i\",\"all\":true,\"coalesce_ms\":9000}",
		  "invalid-body", "i" },
		{ "{\"type\":\"subscribe\",\"id\":\"j\",\"all\":true,\"resume\":{}}",
		  "invalid-body", "j" },
		{ "{\"type\":\"subscribe\",\"id\":\"k\",\"all\":true,\"resume\":{\"epoch\":"
		  "\"0123456789abcdef\","
		  "\"after\":{\"0\":\"x\"}}}",
		  "invalid-body", "k" },
		{ "{\"type\":\"unsubscribe\",\"id\":\"l\"}", "invalid-body", "l" },
		{ "{\"type\":\"command\",\"id\":\"m\",\"verb\":\"end\"}", "invalid-body", "m" },
		{ "{\"type\":\"command\",\"id\":\"n\",\"call\":\"c1\",\"verb\":\"say\"}",
		  "invalid-body", "n" },
	};
	watch_open(k, &w, KIT_ADMIN);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		watch_send(&w, cases[i].text);
		expect_error(&w, cases[i].code, cases[i].id);
	}
	expect_nothing(&w); /* the connection has stayed */
	watch_end(&w);
}

static void test_message_too_large(void **state)
{
	struct kit *k = *state;
	struct watch w;
	size_t n = 70000;
	char *text = malloc(n);
	memset(text, ' ', n);
	watch_open(k, &w, KIT_VIEWER);
	wsc_send(w.fd, FIN_TEXT, text, n);
	assert_false(watch_read(&w));
	assert_int_equal(1009, w.close_code);
	free(text);
	watch_end(&w);
}

static void test_rate(void **state)
{
	struct kit *k = calloc(1, sizeof(*k));
	struct watch w;
	int pongs = 0;
	(void)state;
	k->rate_per_s = 1;
	k->rate_burst = 4; /* one of them for the upgrade */
	kit_start(k);
	watch_open(k, &w, KIT_VIEWER);
	for (int i = 0; i < 8; i++)
		watch_send(&w, "{\"type\":\"ping\",\"id\":\"p\"}");
	for (watch_next(&w); is_type(&w, "pong"); watch_next(&w))
		pongs++;
	assert_true(pongs >= 3 && pongs < 8);
	assert_true(json_is_text(json_get(w.message, "code"), "rate-limited"));
	assert_true(json_is_text(json_get(w.message, "id"), "p"));
	watch_end(&w);
	kit_stop(k);
	free(k);
}

/* --- watching -------------------------------------------------------------------- */

static void test_subscribe_all(void **state)
{
	struct kit *k = *state;
	struct uuid a, b, foreign;
	struct watch w;
	unsigned of_a = kit_add_call(k, KIT_ORG, KIT_PROJECT, "a", 0, &a);
	unsigned of_b = kit_add_call(k, KIT_ORG, KIT_PROJECT_2, "b", 0, &b);
	unsigned of_foreign = kit_add_call(k, KIT_ORG_2, KIT_PROJECT, "foreign", 0, &foreign);
	watch_open(k, &w, KIT_VIEWER);
	kit_publish(k, of_a, &a, EVENT_TRANSCRIPT_FINAL, SPEAKER_USER, "before");
	struct came s = subscribe(&w, "{\"type\":\"subscribe\",\"id\":\"s\",\"all\":true}");
	assert_int_equal(2, s.calls);
	assert_int_equal(2, s.snapshots); /* one per owner */
	assert_int_equal(1, s.last_seq[of_a]);
	assert_true(json_is_text(json_get(w.message, "id"), "s"));
	kit_publish(k, of_foreign, &foreign, EVENT_TRANSCRIPT_FINAL, SPEAKER_USER, "secret");
	kit_publish(k, of_a, &a, EVENT_TRANSCRIPT_FINAL, SPEAKER_USER, "hello");
	expect_event(&w, "transcript.final", "hello");
	kit_publish(k, of_b, &b, EVENT_TURN, SPEAKER_AI, "hi");
	expect_event(&w, "turn", "hi");
	watch_send(&w, "{\"type\":\"unsubscribe\",\"all\":true}");
	expect(&w, "unsubscribed");
	kit_publish(k, of_a, &a, EVENT_TRANSCRIPT_FINAL, SPEAKER_USER, "unseen");
	expect_nothing(&w);
	watch_end(&w);
}

static void test_subscribe_project_and_calls(void **state)
{
	struct kit *k = *state;
	struct uuid a, b, c, d;
	struct watch w;
	char text[256], id[UUID_TEXT + 1];
	unsigned of_a = kit_add_call(k, KIT_ORG, KIT_PROJECT, "a", 0, &a);
	unsigned of_b = kit_add_call(k, KIT_ORG, KIT_PROJECT_2, "b", 0, &b);
	unsigned of_c = kit_add_call(k, KIT_ORG, KIT_PROJECT, "c", 0, &c);
	unsigned of_d = kit_add_call(k, KIT_ORG, KIT_PROJECT, "d", 0, &d);
	watch_open(k, &w, KIT_VIEWER);
	struct came s = subscribe(&w, "{\"type\":\"subscribe\",\"project\":\"" KIT_PROJECT_2 "\"}");
	assert_int_equal(1, s.calls);
	/* our id and the provider's */
	uuid_format(&c, id);
	snprintf(text, sizeof(text), "{\"type\":\"subscribe\",\"calls\":[\"a\",\"%s\"]}", id);
	s = subscribe(&w, text);
	assert_int_equal(2, s.calls);
	kit_publish(k, of_a, &a, EVENT_TURN, SPEAKER_AI, "1");
	expect_event(&w, "turn", "1");
	kit_publish(k, of_d, &d, EVENT_TURN, SPEAKER_AI, "not subscribed");
	kit_publish(k, of_b, &b, EVENT_TURN, SPEAKER_AI, "2");
	expect_event(&w, "turn", "2");
	kit_publish(k, of_c, &c, EVENT_TURN, SPEAKER_AI, "3");
	expect_event(&w, "turn", "3");
	watch_send(&w, "{\"type\":\"unsubscribe\",\"calls\":[\"a\"]}");
	expect(&w, "unsubscribed");
	kit_publish(k, of_a, &a, EVENT_TURN, SPEAKER_AI, "gone");
	kit_publish(k, of_c, &c, EVENT_TURN, SPEAKER_AI, "4");
	expect_event(&w, "turn", "4");
	/* a call that both scopes name comes once */
	s = subscribe(&w, "{\"type\":\"subscribe\",\"all\":true}");
	assert_int_equal(4, s.calls);
	kit_publish(k, of_b, &b, EVENT_TURN, SPEAKER_AI, "once");
	expect_event(&w, "turn", "once");
	expect_nothing(&w);
	watch_end(&w);
}

/* A call may be subscribed before its first news. */
static void test_subscribe_ahead(void **state)
{
	struct kit *k = *state;
	struct uuid id;
	struct watch w;
	watch_open(k, &w, KIT_VIEWER);
	struct came s = subscribe(&w, "{\"type\":\"subscribe\",\"calls\":[\"tomorrow\"]}");
	assert_int_equal(0, s.calls);
	unsigned owner = kit_add_call(k, KIT_ORG, KIT_PROJECT, "tomorrow", 0, &id);
	kit_publish(k, owner, &id, EVENT_TURN, SPEAKER_AI, "first");
	expect_event(&w, "turn", "first");
	watch_end(&w);
}

static void test_bound_of_calls(void **state)
{
	struct kit *k = *state;
	struct watch w;
	struct buf b AUTO_BUF = { 0 };
	/* each counts once for each source it could have come from */
	enum { MOST = 1000 / KIT_SOURCES };
	buf_addz(&b, "{\"type\":\"subscribe\",\"id\":\"many\",\"calls\":[");
	for (int i = 0; i <= MOST; i++)
		buf_printf(&b, "%s\"n%d\"", i ? "," : "", i);
	buf_addz(&b, "]}");
	watch_open(k, &w, KIT_VIEWER);
	watch_send(&w, buf_z(&b));
	expect_error(&w, "conflict", "many");
	/* all or nothing: also when a later id is wrong */
	watch_send(&w, "{\"type\":\"subscribe\",\"calls\":[\"good\",\"not good\"]}");
	expect_error(&w, "invalid-body", NULL);
	watch_send(&w, "{\"type\":\"unsubscribe\",\"all\":true}");
	expect(&w, "unsubscribed");
	assert_int_equal(0, number(w.message, "calls"));
	/* what is there already does not count again */
	for (int round = 0; round < 2; round++) {
		b.n = 0;
		buf_addz(&b, "{\"type\":\"subscribe\",\"calls\":[");
		for (int i = 0; i < MOST; i++)
			buf_printf(&b, "%s\"n%d\"", i ? "," : "", i);
		buf_addz(&b, "]}");
		assert_int_equal(MOST * KIT_SOURCES, subscribe(&w, buf_z(&b)).snapshots);
	}
	watch_end(&w);
}

/* --- order: nothing lost, nothing twice ------------------------------------------ */

struct talker {
	struct kit *k;
	struct uuid calls[2]; /* one per owner */
	atomic_bool stop;
	unsigned pace_us;
};

static void talk(void *arg)
{
	struct talker *t = arg;
	for (int i = 0; i < FAKE_RING - 10 && !atomic_load(&t->stop); i++) {
		unsigned owner = (unsigned)i % 2;
		kit_publish(t->k, owner, &t->calls[owner], EVENT_TURN, SPEAKER_AI, "talk");
	}
}

/* Two calls, each owned by another shard. */
static void two_owners(struct kit *k, struct uuid calls[2])
{
	bool have[2] = { false, false };
	for (int i = 0; !have[0] || !have[1]; i++) {
		struct uuid id;
		char name[32];
		snprintf(name, sizeof(name), "t%d", i);
		unsigned owner = kit_add_call(k, KIT_ORG, KIT_PROJECT, name, 0, &id);
		if (!have[owner])
			calls[owner] = id;
		have[owner] = true;
	}
}

/* The fake's sequences have no gaps: after a snapshot with last_seq n the next event must be n + 1.
 */
static void follow(struct watch *w, int64_t next[2], int events)
{
	while (events > 0) {
		watch_next(w);
		if (is_type(w, "snapshot")) {
			int64_t owner = number(w->message, "owner");
			next[owner] = number(w->message, "last_seq") + 1;
		} else if (is_type(w, "event")) {
			int64_t owner = number(w->message, "owner");
			if (next[owner] == 0)
				fail_msg("an event of owner %d before its snapshot", (int)owner);
			assert_int_equal(next[owner], number(w->message, "event.seq"));
			next[owner]++;
			events--;
		}
	}
}

static void test_snapshot_then_every_event_once(void **state)
{
	struct kit *k = *state;
	struct talker t = { .k = k };
	uv_thread_t thread;
	two_owners(k, t.calls);
	assert_int_equal(0, uv_thread_create(&thread, talk, &t));
	for (int round = 0; round < 8; round++) {
		struct watch w;
		int64_t next[2] = { 0, 0 };
		watch_open(k, &w, KIT_VIEWER);
		watch_send(&w, "{\"type\":\"subscribe\",\"all\":true}");
		follow(&w, next, 60);
		watch_end(&w);
	}
	atomic_store(&t.stop, true);
	uv_thread_join(&thread);
}

/* --- resume ---------------------------------------------------------------------- */

static void test_resume(void **state)
{
	struct kit *k = *state;
	struct uuid calls[2];
	struct watch w;
	two_owners(k, calls);
	for (int i = 0; i < 10; i++)
		kit_publish(k, (unsigned)i % 2, &calls[i % 2], EVENT_TURN, SPEAKER_AI, "x");
	watch_open(k, &w, KIT_VIEWER);
	struct came s = subscribe(
		&w,
		"{\"type\":\"subscribe\",\"all\":true,\"resume\":{\"epoch\":\"0123456789abcdef\","
		"\"after\":{\"0\":2,\"1\":\"4\"}}}");
	assert_int_equal(0, s.snapshots);
	assert_int_equal(4, s.resumed_events); /* 3..5 of owner 0, 5 of owner 1 */
	kit_publish(k, 0, &calls[0], EVENT_TURN, SPEAKER_AI, "next");
	expect_event(&w, "turn", "next");
	assert_int_equal(6, number(w.message, "event.seq"));
	watch_end(&w);
	/* another epoch, or an owner that has forgotten: snapshots */
	watch_open(k, &w, KIT_VIEWER);
	s = subscribe(&w, "{\"type\":\"subscribe\",\"all\":true,\"resume\":{\"epoch\":"
			  "\"ffffffffffffffff\",\"after\":{\"0\":2,\"1\":4}}}");
	assert_int_equal(2, s.snapshots);
	assert_int_equal(0, s.resumed_events);
	atomic_store(&k->live.owners[0].ring_lost_seq, 3);
	s = subscribe(&w, "{\"type\":\"subscribe\",\"all\":true,\"resume\":{\"epoch\":"
			  "\"0123456789abcdef\",\"after\":{\"0\":2,\"1\":4}}}");
	assert_int_equal(1, s.snapshots);
	assert_int_equal(1, s.resumed_events);
	watch_end(&w);
}

/* --- coalescing (A4) ------------------------------------------------------------- */

static void test_coalescing(void **state)
{
	struct kit *k = *state;
	struct uuid id;
	struct watch w, plain;
	char text[32];
	unsigned owner = kit_add_call(k, KIT_ORG, KIT_PROJECT, "c", 0, &id);
	watch_open(k, &w, KIT_VIEWER);
	watch_open(k, &plain, KIT_VIEWER);
	subscribe(&w, "{\"type\":\"subscribe\",\"all\":true,\"coalesce_ms\":5000}");
	subscribe(&plain, "{\"type\":\"subscribe\",\"all\":true}");
	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "word %d", i);
		kit_publish(k, owner, &id, EVENT_TRANSCRIPT_PARTIAL,
			    i % 2 ? SPEAKER_AI : SPEAKER_USER, text);
	}
	kit_publish(k, owner, &id, EVENT_TRANSCRIPT_FINAL, SPEAKER_USER, "done");
	/* only the last of each speaker, before the final */
	expect_event(&w, "transcript.partial", "word 18");
	expect_event(&w, "transcript.partial", "word 19");
	expect_event(&w, "transcript.final", "done");
	expect_nothing(&w);
	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "word %d", i);
		expect_event(&plain, "transcript.partial", text);
	}
	expect_event(&plain, "transcript.final", "done");
	/* and in a batch when the time is over */
	subscribe(&w, "{\"type\":\"subscribe\",\"all\":true,\"coalesce_ms\":50}");
	for (int i = 0; i < 10; i++)
		kit_publish(k, owner, &id, EVENT_TRANSCRIPT_PARTIAL, SPEAKER_USER, "last");
	struct span last = { 0 };
	while (!json_has(json_get(w.message, "events")) || !last.n) {
		expect(&w, "events");
		struct json_iter it = json_iter(json_get(w.message, "events"));
		struct span key;
		struct json one;
		assert_true(json_next(&it, &key, &one));
		assert_true(json_is_text(json_path(one, "event.text"), "last"));
		if (number(one, "event.seq") == 31)
			last = one.raw;
	}
	watch_end(&w);
	watch_end(&plain);
}

/* --- slow watchers --------------------------------------------------------------- */

/* Reads on after a resync: nothing but old events before it, then a snapshot, then everything from
 * there on. */
static void read_resync(struct watch *w, const char *reason)
{
	do {
		watch_next(w);
	} while (is_type(w, "event") || is_type(w, "snapshot") || is_type(w, "ready"));
	if (!is_type(w, "resync"))
		fail_msg("expected resync, got %.*s", 200, w->message.raw.p);
	assert_true(json_is_text(json_get(w->message, "reason"), reason));
}

static void test_slow_watcher(void **state)
{
	struct kit *k = calloc(1, sizeof(*k));
	struct uuid calls[2];
	struct watch slow, quick;
	(void)state;
	k->ws_queue_bytes = 64 * 1024;
	kit_start(k);
	two_owners(k, calls);
	char *text = malloc(16001);
	memset(text, 'x', 16000);
	text[16000] = '\0';
	watch_open(k, &slow, KIT_VIEWER);
	watch_open(k, &quick, KIT_VIEWER);
	subscribe(&slow, "{\"type\":\"subscribe\",\"all\":true}");
	struct came s = subscribe(&quick, "{\"type\":\"subscribe\",\"all\":true}");
	int64_t drops = metric_value(METRIC_WATCHER_DROPS),
		next[2] = { s.last_seq[0] + 1, s.last_seq[1] + 1 };
	int published = 0;
	/* the quick one keeps reading and misses nothing while the slow one reads not at all */
	while (metric_value(METRIC_WATCHER_DROPS) == drops) {
		kit_publish(k, 0, &calls[0], EVENT_TURN, SPEAKER_AI, text);
		follow(&quick, next, 1);
		assert_true(++published < FAKE_RING - 100);
	}
	kit_publish(k, 0, &calls[0], EVENT_TURN, SPEAKER_AI, "unseen by the slow one");
	follow(&quick, next, 1);
	assert_int_equal(drops + 1, metric_value(METRIC_WATCHER_DROPS));
	/* now it reads: what had left, the news, a fresh snapshot, and events without a hole */
	read_resync(&slow, "slow");
	s = until_ready(&slow);
	/* The snapshot is asked for when the queue has drained, which can be before we read here:
	 * what it does not have must follow as events. */
	assert_in_range(s.last_seq[0], 1, published + 1);
	int missed = published + 1 - (int)s.last_seq[0];
	assert_true(s.calls >= 2);
	int64_t slow_next[2] = { s.last_seq[0] + 1, s.last_seq[1] + 1 };
	kit_publish(k, 0, &calls[0], EVENT_TURN, SPEAKER_AI, "small");
	kit_publish(k, 1, &calls[1], EVENT_TURN, SPEAKER_AI, "small");
	follow(&slow, slow_next, missed + 2);
	follow(&quick, next, 2);
	free(text);
	watch_end(&slow);
	watch_end(&quick);
	kit_stop(k);
	free(k);
}

struct ticking {
	struct kit *k;
	unsigned ticks;
};

static void count_ticks(struct shard *s, void *arg)
{
	struct ticking *t = arg;
	t->ticks += t->k->apis[shard_index(s)]->watchers->ticks;
}

static unsigned ticks_now(struct kit *k)
{
	struct ticking t = { .k = k };
	for (unsigned i = 0; i < shards_count(k->rig.shards); i++)
		rig_on_shard(&k->rig, i, count_ticks, &t);
	return t.ticks;
}

static void wait_ticks(struct kit *k, unsigned n)
{
	unsigned from = ticks_now(k);
	while (ticks_now(k) - from < n)
		usleep(1000);
}

static void test_stuck_watcher_is_closed(void **state)
{
	struct kit *k = calloc(1, sizeof(*k));
	struct uuid calls[2];
	struct watch stuck;
	(void)state;
	k->ws_queue_bytes = 64 * 1024;
	k->slow_watcher_ms = 1;
	kit_start(k);
	two_owners(k, calls);
	char *text = malloc(16001);
	memset(text, 'x', 16000);
	text[16000] = '\0';
	watch_open(k, &stuck, KIT_VIEWER);
	subscribe(&stuck, "{\"type\":\"subscribe\",\"all\":true}");
	int64_t drops = metric_value(METRIC_WATCHER_DROPS);
	for (int i = 0; metric_value(METRIC_WATCHER_DROPS) == drops; i++) {
		kit_publish(k, 0, &calls[0], EVENT_TURN, SPEAKER_AI, text);
		assert_true(i < FAKE_RING - 100);
	}
	/* the timer has looked at every watcher: given up, as it sees when it reads at last */
	wait_ticks(k, 60);
	while (watch_read(&stuck))
		;
	/* its close frame may be lost with a socket that took nothing for so long */
	assert_true(stuck.close_code == 1008 || stuck.close_code == 1006);
	free(text);
	watch_end(&stuck);
	kit_stop(k);
	free(k);
}

/* A shard's mailbox was full: its watchers are told, and start afresh. */
static void gap_here(struct shard *s, void *live)
{
	fake_live_gap(live, s);
}

static void test_lost_on_the_way(void **state)
{
	struct kit *k = *state;
	struct uuid calls[2];
	struct watch w;
	two_owners(k, calls);
	watch_open(k, &w, KIT_VIEWER);
	subscribe(&w, "{\"type\":\"subscribe\",\"all\":true}");
	rig_on_shard(&k->rig, 0, gap_here, &k->live);
	rig_on_shard(&k->rig, 1, gap_here, &k->live);
	read_resync(&w, "overload");
	assert_int_equal(2, until_ready(&w).snapshots);
	watch_end(&w);
}

/* A snapshot far larger than the send queue arrives whole, in pieces, and events behind it in
 * order. */
static void test_large_snapshot(void **state)
{
	struct kit *k = calloc(1, sizeof(*k));
	struct uuid id;
	struct watch w;
	unsigned owner = 0;
	char name[32];
	(void)state;
	k->ws_queue_bytes = 128 * 1024;
	kit_start(k);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "big%d", i);
		owner = kit_add_call(k, KIT_ORG, KIT_PROJECT, name, 5000, &id);
	}
	watch_open(k, &w, KIT_VIEWER);
	atomic_store(&k->live.snapshots, 0);
	watch_send(&w, "{\"type\":\"subscribe\",\"all\":true}");
	rig_wait(&k->live.snapshots, 1);
	kit_publish(k, owner, &id, EVENT_TURN, SPEAKER_AI, "behind");
	size_t calls = 0, pieces = 0;
	bool event = false, ready = false;
	while (!event || !ready) {
		watch_next(&w);
		if (is_type(&w, "snapshot")) {
			calls += json_count(json_get(w.message, "calls"));
			pieces++;
			assert_false(event && (unsigned)number(w.message, "owner") == owner);
			assert_true(w.message.raw.n < 80000);
			/* a snapshot that already has the event */
			event = event || ((unsigned)number(w.message, "owner") == owner &&
					  number(w.message, "last_seq") == 1);
		}
		event = event || is_type(&w, "event");
		ready = ready || is_type(&w, "ready");
	}
	while (calls < 300) {
		expect(&w, "snapshot");
		calls += json_count(json_get(w.message, "calls"));
	}
	assert_int_equal(300, calls);
	assert_true(pieces > 10);
	watch_end(&w);
	kit_stop(k);
	free(k);
}

/* A single call that is larger than the send queue comes trimmed, and does not stop what follows.
 */
static void test_huge_call(void **state)
{
	struct kit *k = calloc(1, sizeof(*k));
	struct uuid huge, small;
	struct watch w;
	(void)state;
	k->ws_queue_bytes = 64 * 1024;
	kit_start(k);
	unsigned owner = kit_add_call(k, KIT_ORG, KIT_PROJECT, "huge", 300000, &huge);
	kit_add_call(k, KIT_ORG, KIT_PROJECT, "small", 0, &small);
	watch_open(k, &w, KIT_VIEWER);
	assert_int_equal(2, subscribe(&w, "{\"type\":\"subscribe\",\"all\":true}").calls);
	kit_publish(k, owner, &huge, EVENT_TURN, SPEAKER_AI, "on");
	expect_event(&w, "turn", "on");
	watch_end(&w);
	kit_stop(k);
	free(k);
}

/* Mailboxes full: the subscription waits and is served when there is room. */
static void test_snapshot_waits_for_room(void **state)
{
	struct kit *k = *state;
	struct uuid id;
	struct watch w;
	kit_add_call(k, KIT_ORG, KIT_PROJECT, "c", 0, &id);
	atomic_store(&k->live.snapshot_code, E_FULL);
	watch_open(k, &w, KIT_VIEWER);
	watch_send(&w, "{\"type\":\"subscribe\",\"all\":true}");
	rig_wait(&k->live.snapshots, 3);
	atomic_store(&k->live.snapshot_code, 0);
	assert_int_equal(1, until_ready(&w).calls);
	watch_end(&w);
}

/* --- commands -------------------------------------------------------------------- */

static void test_commands(void **state)
{
	struct kit *k = *state;
	struct uuid id;
	struct watch w, viewer;
	kit_add_call(k, KIT_ORG, KIT_PROJECT, "c1", 0, &id);
	watch_open(k, &w, KIT_SUPERVISOR);
	watch_send(&w, "{\"type\":\"command\",\"id\":\"1\",\"call\":\"c1\",\"verb\":\"say\","
		       "\"text\":\"hello\",\"key\":\"k1\"}");
	expect(&w, "command");
	assert_true(json_is_text(json_get(w.message, "id"), "1"));
	assert_int_equal(200, number(w.message, "status"));
	assert_true(json_is_text(json_path(w.message, "command.state"), "accepted"));
	kit_expect_command(k, "\"key\":\"k1\"");
	kit_expect_command(k, "\"actor\":\"token:supervisor\"");
	watch_send(&w, "{\"type\":\"command\",\"id\":\"2\",\"call\":\"c1\",\"verb\":\"say\","
		       "\"text\":\"wait\"}");
	expect(&w, "command");
	assert_int_equal(202, number(w.message, "status"));
	watch_send(&w, "{\"type\":\"command\",\"id\":\"3\",\"call\":\"c1\",\"verb\":\"say\","
		       "\"text\":\"reject\"}");
	expect_error(&w, "command-rejected", "3");
	assert_int_equal(409, number(w.message, "status"));
	assert_true(json_is_text(json_path(w.message, "command.state"), "rejected"));
	watch_send(&w, "{\"type\":\"command\",\"id\":\"4\",\"call\":\"nobody\",\"verb\":\"end\"}");
	expect_error(&w, "not-found", "4");
	atomic_store(&k->live.command_code, E_FULL);
	watch_send(&w, "{\"type\":\"command\",\"id\":\"5\",\"call\":\"c1\",\"verb\":\"end\"}");
	expect_error(&w, "unavailable", "5");
	watch_end(&w);
	watch_open(k, &viewer, KIT_VIEWER);
	watch_send(&viewer, "{\"type\":\"command\",\"id\":\"6\",\"call\":\"c1\",\"verb\":\"end\"}");
	expect_error(&viewer, "forbidden", "6");
	watch_end(&viewer);
}

/* --- endings --------------------------------------------------------------------- */

struct telling {
	struct kit *kit;
	unsigned shard;
	struct uuid org;
	struct message *message;
};

/* --- live audio --- */

struct frames {
	struct listener *listener;
	unsigned sent, taken;
	size_t bytes;
};

static void send_frames(struct shard *s, void *arg)
{
	struct frames *f = arg;
	char *bytes = calloc(1, f->bytes);
	struct message *m = message_new_binary((struct span){ bytes, f->bytes });
	(void)s;
	f->taken = 0;
	for (unsigned i = 0; i < f->sent; i++)
		f->taken += f->listener->handlers.frame(f->listener->handlers.user, m);
	message_unref(m);
	free(bytes);
}

static void end_audio(struct shard *s, void *arg)
{
	struct listener *r = arg;
	(void)s;
	r->handlers.over(r->handlers.user, LISTEN_OVER);
}

static struct listener *listen_now(struct kit *k, struct watch *w, const char *text)
{
	watch_send(w, text);
	expect(w, "listening");
	for (int i = 0; atomic_load(&k->listen.listening) == 0; i++) {
		assert_true(i < 5000);
		usleep(1000);
	}
	return atomic_load(&k->listen.last);
}

static void send_to(struct kit *k, struct frames *f)
{
	rig_on_shard(&k->rig, shard_index(f->listener->here), send_frames, f);
}

#define LISTEN_ID "00000000-0000-5000-8000-0000000000c1"

static void test_listening(void **state)
{
	struct kit *k = *state;
	struct watch w = { 0 };
	watch_open(k, &w, KIT_SUPERVISOR);
	struct frames f = {
		.listener = listen_now(k, &w,
				       "{\"type\":\"listen\",\"id\":\"a\",\"call\":\"" LISTEN_ID
				       "\",\"leg\":\"assistant\",\"from_ms\":-5000}"),
		.sent = 1,
		.bytes = 656,
	};
	struct uuid call = kit_uuid(LISTEN_ID);
	assert_true(uuid_eq(&call, &f.listener->call));
	assert_int_equal(LISTEN_ASSISTANT, f.listener->leg);
	assert_int_equal(-5000, f.listener->from_ms);
	send_to(k, &f);
	assert_int_equal(1, f.taken);
	assert_int_equal(0x82, wsc_read(w.fd, &w.state, &w.text));
	assert_int_equal(656, w.text.n);
	rig_on_shard(&k->rig, shard_index(f.listener->here), end_audio, f.listener);
	expect(&w, "listen-end");
	assert_true(json_is_text(json_get(w.message, "reason"), "over"));
	assert_true(json_is_text(json_get(w.message, "id"), "a"));
	assert_int_equal(0, atomic_load(&k->listen.listening));
	watch_end(&w);
}

/* Frames are left out before events would be, and the listener is told. */
static void test_slow_listener(void **state)
{
	struct kit *k = *state;
	struct watch w = { 0 };
	watch_open(k, &w, KIT_SUPERVISOR);
	struct frames f = { .listener = listen_now(
				    k, &w, "{\"type\":\"listen\",\"call\":\"" LISTEN_ID "\"}"),
			    .sent = 400,
			    .bytes = 60000 };
	assert_int_equal(LISTEN_MIX, f.listener->leg);
	send_to(k, &f);
	assert_true(f.taken > 0 && f.taken < f.sent);
	unsigned dropped = f.sent - f.taken, read = 0;
	watch_send(&w, "{\"type\":\"ping\"}"); /* there is room for this */
	for (; read < f.taken; read++)
		assert_int_equal(0x82, wsc_read(w.fd, &w.state, &w.text));
	expect(&w, "pong");
	f.sent = 1;
	send_to(k, &f);
	expect(&w, "listen-dropped");
	assert_int_equal(dropped, number(w.message, "frames"));
	assert_int_equal(0x82, wsc_read(w.fd, &w.state, &w.text));
	watch_end(&w); /* who goes, stops */
	for (int i = 0; atomic_load(&k->listen.listening); i++) {
		assert_true(i < 5000);
		usleep(1000);
	}
}

static void test_who_may_listen(void **state)
{
	struct kit *k = *state;
	struct watch w = { 0 };
	watch_open(k, &w, KIT_VIEWER);
	watch_send(&w, "{\"type\":\"listen\",\"call\":\"" LISTEN_ID "\"}");
	expect_error(&w, "forbidden", NULL);
	watch_end(&w);
	watch_open(k, &w, KIT_SUPERVISOR);
	watch_send(&w, "{\"type\":\"listen\",\"call\":\"the provider's\"}");
	expect_error(&w, "invalid-body", NULL);
	watch_send(&w, "{\"type\":\"unlisten\",\"id\":1}");
	expect(&w, "unlistened");
	assert_int_equal(0, atomic_load(&k->listen.listening));
	watch_end(&w);
}

static void tell_levels(struct shard *s, void *arg)
{
	struct kit *k = arg;
	struct uuid orgs[] = { kit_uuid(KIT_ORG_2), kit_uuid(KIT_ORG) };
	struct uuid project = kit_uuid(KIT_PROJECT), call = kit_uuid(LISTEN_ID);
	(void)s;
	for (int i = 0; i < 2; i++) {
		char text[64];
		snprintf(text, sizeof(text), "{\"type\":\"levels\",\"org\":%d}", i);
		struct message *m = message_new(span_of(text));
		k->listen.levels_fn(k->listen.levels_user, &orgs[i], &project, &call, m);
		message_unref(m);
	}
}

static void test_levels(void **state)
{
	struct kit *k = *state;
	struct watch w = { 0 };
	watch_open(k, &w, KIT_VIEWER);
	subscribe(&w, "{\"type\":\"subscribe\",\"project\":\"" KIT_PROJECT "\",\"levels\":true}");
	assert_int_equal(1, atomic_load(&k->listen.levels));
	rig_on_shard(&k->rig, shard_index(k->listen.shard), tell_levels, k);
	expect(&w, "levels"); /* of its own organisation alone */
	assert_int_equal(1, number(w.message, "org"));
	subscribe(&w, "{\"type\":\"subscribe\",\"all\":true,\"levels\":false}");
	assert_int_equal(0, atomic_load(&k->listen.levels));
	watch_end(&w);
}

static void tell_here(struct shard *s, void *arg)
{
	struct telling *t = arg;
	(void)s;
	api_tell(t->kit->apis[t->shard], &t->org, t->message);
}

static void tell_everywhere(struct kit *k, const char *org, const char *text)
{
	for (unsigned i = 0; i < shards_count(k->rig.shards); i++) {
		struct telling t = { k, i, kit_uuid(org), message_new(span_of(text)) };
		rig_on_shard(&k->rig, i, tell_here, &t);
		message_unref(t.message);
	}
}

/* Notifications (C5): every role of the organisation, whatever it watches; nobody else. */
static void test_told_are_all_of_the_organisation(void **state)
{
	struct kit *k = *state;
	struct watch viewer, subscriber, other;
	watch_open(k, &viewer, KIT_VIEWER);
	watch_open(k, &subscriber, KIT_ADMIN);
	watch_open(k, &other, KIT_OTHER_ORG);
	(void)subscribe(&subscriber, "{\"type\":\"subscribe\",\"all\":true}");
	tell_everywhere(k, KIT_ORG, "{\"type\":\"notification\",\"n\":1}");
	tell_everywhere(k, KIT_ORG_2, "{\"type\":\"notification\",\"n\":2}");
	struct watch *all[] = { &viewer, &subscriber, &other };
	for (size_t i = 0; i < 3; i++) {
		expect(all[i], "notification");
		assert_true(json_get(all[i]->message, "n").raw.p[0] == (i == 2 ? '2' : '1'));
		expect_nothing(all[i]);
		watch_end(all[i]);
	}
}

static void test_revoked_while_watching(void **state)
{
	struct kit *k = *state;
	struct watch w, other;
	watch_open(k, &w, KIT_VIEWER);
	watch_open(k, &other, KIT_SUPERVISOR);
	atomic_store(&k->live.next_directory, kit_directory(KIT_VIEWER));
	assert_false(watch_read(&w));
	assert_int_equal(4401, w.close_code);
	expect_nothing(&other);
	watch_end(&w);
	watch_end(&other);
}

/* Clients that vanish with snapshots and commands on their way leave nothing behind (the sanitizers
 * watch). */
static void test_vanishing(void **state)
{
	struct kit *k = *state;
	struct uuid calls[2];
	int64_t before = metric_value(METRIC_WATCHERS);
	two_owners(k, calls);
	for (int i = 0; i < 30; i++) {
		struct watch w;
		watch_open(k, &w, KIT_SUPERVISOR);
		watch_send(&w, "{\"type\":\"subscribe\",\"all\":true,\"coalesce_ms\":1000}");
		watch_send(
			&w,
			"{\"type\":\"subscribe\",\"calls\":[\"t0\",\"t1\",\"t2\",\"t3\",\"t4\"]}");
		watch_send(&w, "{\"type\":\"command\",\"call\":\"t0\",\"verb\":\"mute\"}");
		kit_publish(k, 0, &calls[0], EVENT_TRANSCRIPT_PARTIAL, SPEAKER_USER, "x");
		watch_end(&w);
	}
	rig_wait_connections(&k->rig, 0);
	assert_int_equal(before, metric_value(METRIC_WATCHERS));
	/* nobody watches: events are no longer mailed here */
	for (unsigned i = 0; i < 2; i++)
		assert_null(atomic_load(&k->live.listeners[i].on_event));
}

static void test_stop_with_watchers(void **state)
{
	struct kit *k = calloc(1, sizeof(*k));
	struct watch w;
	(void)state;
	kit_start(k);
	watch_open(k, &w, KIT_VIEWER);
	watch_send(&w, "{\"type\":\"subscribe\",\"all\":true}");
	kit_stop(k);
	free(k);
	while (watch_read(&w))
		;
	watch_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_who_gets_in),
		TEST(test_subprotocol_comes_back),
		TEST(test_hello_and_ping),
		TEST(test_messages_refused),
		TEST(test_message_too_large),
		cmocka_unit_test(test_rate),
		TEST(test_subscribe_all),
		TEST(test_subscribe_project_and_calls),
		TEST(test_subscribe_ahead),
		TEST(test_bound_of_calls),
		TEST(test_snapshot_then_every_event_once),
		TEST(test_resume),
		TEST(test_coalescing),
		cmocka_unit_test(test_slow_watcher),
		cmocka_unit_test(test_stuck_watcher_is_closed),
		TEST(test_lost_on_the_way),
		cmocka_unit_test(test_large_snapshot),
		cmocka_unit_test(test_huge_call),
		TEST(test_snapshot_waits_for_room),
		TEST(test_commands),
		TEST(test_listening),
		TEST(test_slow_listener),
		TEST(test_who_may_listen),
		TEST(test_levels),
		TEST(test_told_are_all_of_the_organisation),
		TEST(test_revoked_while_watching),
		TEST(test_vanishing),
		cmocka_unit_test(test_stop_with_watchers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
