/* What a platform says in words over a socket that we dialled: in order, once, and also when the
 * node is full for a while; what is no message harms nobody. */
#include <stdlib.h>
#include <unistd.h>

#include "base/metrics.h"
#include "fake_hear.h"
#include "media/internal.h"

enum { SAID_BYTES = 200 * 1024, UNREADABLE_MAX = 100 };

static const struct uuid CALL = { { 1 } };
static struct lines lines;

/* --- the other side --- */

static struct ws *_Atomic peer;
static atomic_int closed;

static int on_accept(struct exchange *x, struct ws *ws)
{
	(void)x;
	atomic_store(&peer, ws);
	return 0;
}

static void on_any(struct ws *ws, struct span bytes)
{
	(void)ws, (void)bytes;
}

static void on_closed(struct ws *ws, int code)
{
	(void)ws, (void)code;
	atomic_store(&peer, NULL);
	atomic_fetch_add(&closed, 1);
}

static const struct ws_handlers handlers = {
	.accept = on_accept, .text = on_any, .binary = on_any, .closed = on_closed
};

static void send_text(struct shard *s, void *arg)
{
	struct message *m = message_new(buf_span(arg));

	(void)s;
	assert_int_equal(ws_send(atomic_load(&peer), m), 0);
	message_unref(m);
}

static void say(const char *text)
{
	struct buf b AUTO_BUF = { 0 };

	buf_addz(&b, text);
	for (size_t i = 0; i < b.n; i++)
		b.p[i] = b.p[i] == '\'' ? '"' : b.p[i];
	rig_on_shard(&lines.rig, 0, send_text, &b);
}

/* The n-th of many, `bytes` long. */
static void say_long(int n, size_t bytes)
{
	struct buf b AUTO_BUF = { 0 };

	buf_printf(&b, "{\"type\":\"voice-input\",\"input\":\"<%d> ", n);
	while (b.n < bytes)
		buf_addz(&b, "and so on ");
	buf_addz(&b, "\"}");
	int64_t before = metric_value(METRIC_MEDIA_MESSAGES);
	rig_on_shard(&lines.rig, 0, send_text, &b);
	for (int i = 0; i < RIG_WAIT_MS && metric_value(METRIC_MEDIA_MESSAGES) == before; i++)
		usleep(1000);
}

static void hang_up(struct shard *s, void *arg)
{
	(void)s, (void)arg;
	ws_close(atomic_load(&peer), 1000, "");
}

/* --- ours --- */

static void dial_peer(struct shard *s, void *arg)
{
	(void)arg;
	lines_place(&lines, s, &CALL, SPAN("mulaw"), 8000);
}

static void count_lines(struct shard *s, void *arg)
{
	*(unsigned *)arg = media_at(lines.media, s)->lines_n;
}

static void wait_lines(unsigned wanted)
{
	unsigned n = wanted + 1;

	for (int i = 0; i < RIG_WAIT_MS && n != wanted; i++) {
		rig_on_shard(&lines.rig, 0, count_lines, &n);
		usleep(1000);
	}
	assert_int_equal(n, wanted);
}

static int setup(void **state)
{
	(void)state;
	lines = (struct lines){ .more = { .method = HTTP_GET,
					  .pattern = "/transport",
					  .body_limit = 100000,
					  .ws = &handlers } };
	atomic_store(&closed, 0);
	lines_start(&lines);
	rig_on_shard(&lines.rig, 0, dial_peer, NULL);
	wait_lines(1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lines_stop(&lines);
	return 0;
}

/* ------------------------------------------------------------------------------------------ */

static void waits_for_a_full_node_in_order(void **state)
{
	struct buf told AUTO_BUF = { 0 };

	(void)state;
	atomic_store(&lines.hear.full, true);
	say("{'type':'transcript','role':'user','transcriptType':'final','transcript':'hello'}");
	rig_wait(&lines.hear.refused, 3);
	say("{'type':'call-ended','reason':'customer-ended-call'}");
	rig_on_shard(&lines.rig, 0, hang_up, NULL);
	rig_wait(&closed, 1);
	rig_wait(&lines.hear.refused, atomic_load(&lines.hear.refused) + 2); /* though it is over */
	assert_int_equal(atomic_load(&lines.hear.taken), 0);
	atomic_store(&lines.hear.full, false);
	fake_wait(&lines.hear, "call-ended", 1);
	assert_int_equal(fake_count(&lines.hear, "\"hello\""), 1);
	fake_told(&lines.hear, &told);
	assert_true(strstr(buf_z(&told), "hello") < strstr(buf_z(&told), "call-ended"));
	assert_int_equal(fake_count(&lines.hear, "\"untold\""), 0);
	wait_lines(0);
}

/* What there is no room for is said to the call, when there is room again. */
static void bounded(void **state)
{
	enum { MANY = 2 * LINE_SAID_BYTES / SAID_BYTES };
	char part[16];

	(void)state;
	atomic_store(&lines.hear.full, true);
	for (int i = 0; i < MANY; i++)
		say_long(i, SAID_BYTES);
	rig_wait(&lines.hear.refused, 3);
	atomic_store(&lines.hear.full, false);
	fake_wait(&lines.hear, "\"heard\":\"untold\"", 1);
	size_t taken = fake_count(&lines.hear, "message {");
	assert_in_range(taken, LINE_SAID_BYTES / SAID_BYTES - 1, LINE_SAID_BYTES / SAID_BYTES + 1);
	for (size_t i = 0; i < MANY; i++) {
		snprintf(part, sizeof(part), "<%zu>", i);
		assert_int_equal(fake_count(&lines.hear, part), i < taken);
	}
	snprintf(part, sizeof(part), "\"value\":%zu", MANY - taken);
	assert_int_equal(fake_count(&lines.hear, part), 1);
}

static void dial_again(struct shard *s, void *arg)
{
	(void)arg;
	dials_stop(media_at(lines.media, s));
	dial_peer(s, NULL);
	dial_say(media_at(lines.media, s), &CALL, SPAN("{\"first\":1}"));
}

/* What the answer to the placing said, which a full node has not taken. */
static void what_was_said_before_the_socket_was_open(void **state)
{
	struct buf told AUTO_BUF = { 0 };

	(void)state;
	rig_on_shard(&lines.rig, 0, dial_again, NULL);
	fake_wait(&lines.hear, "message {\"first\":1}", 1);
	say("{'type':'hang'}");
	fake_wait(&lines.hear, "hang", 1);
	fake_told(&lines.hear, &told);
	assert_true(strstr(buf_z(&told), "first") < strstr(buf_z(&told), "hang"));
}

/* It is we who have dialled: there is no stranger to be turned away. */
static void what_is_no_message_is_passed_over(void **state)
{
	static const char *const wrong[] = { "hello",		"[1]",
					     "{'type':",	"{'status':'in-progress'}",
					     "'status-update'", "null" };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		say(wrong[i]);
	say("{'toolCalls':[{'id':'a','name':'book'}]}");
	fake_wait(&lines.hear, "book", 1);
	for (int i = 0; i < UNREADABLE_MAX - 1; i++)
		say("hello");
	say("{'type':'hang'}");
	fake_wait(&lines.hear, "hang", 1);
	assert_int_equal(atomic_load(&closed), 0);
	for (int i = 0; i < UNREADABLE_MAX; i++)
		say("hello");
	rig_wait(&closed, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(waits_for_a_full_node_in_order), TEST(bounded),
					    TEST(what_was_said_before_the_socket_was_open),
					    TEST(what_is_no_message_is_passed_over) };
	return cmocka_run_group_tests_name("said", tests, NULL, NULL);
}
