/* Sockets that src/media dials, against a server on the same shard that obeys the test. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "fake_hear.h"
#include "media/internal.h"

enum { HANDSHAKES_MAX = 40, FRAME_MS = 20, SETTLED_MS = 3000 };

/* --- the other side: lets in, greets, and closes --- */

static struct other {
	const char *greets; /* NULL: with a format that is known */
	int code;	    /* it closes with */
	size_t says;	    /* bytes of audio at once, before that */
	int settles_at; /* the handshake, from 1 on, after which it talks until we have settled */
	int64_t talk_until_us;
	atomic_int handshakes, settled;
	int64_t opened_us[HANDSHAKES_MAX], closed_us[HANDSHAKES_MAX]; /* by handshake */
	struct ws *ws;
} other;

static void close_now(struct ws *ws)
{
	other.closed_us[atomic_load(&other.handshakes)] = clock_monotonic_us();
	ws_close(ws, other.code, "NET-0001");
}

static void say_at_once(struct ws *ws, size_t n)
{
	struct buf bytes AUTO_BUF = { 0 };

	buf_reserve(&bytes, n);
	memset(bytes.p, 0, n);
	struct message *m = message_new_binary((struct span){ bytes.p, n });
	assert_int_equal(0, ws_send(ws, m));
	message_unref(m);
}

static const char greeting[] = "{\"type\":\"start\",\"encoding\":\"linear16\","
			       "\"container\":\"raw\",\"sampleRate\":16000,\"channels\":2}";

static void on_open(struct ws *ws)
{
	int nth = atomic_load(&other.handshakes);
	struct message *m = message_new(span_of(other.greets ? other.greets : greeting));

	assert_in_range(nth, 0, HANDSHAKES_MAX - 1);
	other.opened_us[nth] = clock_monotonic_us();
	assert_int_equal(0, ws_send(ws, m));
	message_unref(m);
	if (other.says)
		say_at_once(ws, other.says);
	other.ws = nth + 1 == other.settles_at ? ws : NULL;
	if (!other.ws)
		close_now(ws);
	atomic_fetch_add(&other.handshakes, 1);
}

static int on_accept(struct exchange *x, struct ws *ws)
{
	struct span v;

	(void)ws;
	return exchange_query(x, "status", &v) ? atoi(v.p) : 0;
}

static void on_closed(struct ws *ws, int code)
{
	(void)code;
	if (other.ws == ws)
		other.ws = NULL;
}

static const struct ws_handlers handlers = { .accept = on_accept,
					     .open = on_open,
					     .closed = on_closed };

/* --- a call --- */

static void start(struct lines *l, int code)
{
	other = (struct other){ .code = code };
	l->more = (struct http_route){
		.method = HTTP_GET, .pattern = "/listen", .body_limit = 1000, .ws = &handlers
	};
	lines_start(l);
}

struct asked {
	struct lines *l;
	struct buf url;
};

static void run(struct shard *s, void *arg)
{
	struct asked *a = arg;
	const struct directory *dir = a->l->hear.directory;
	struct uuid call = fake_call(HEAR_CALL_ID);
	const struct dir_source *source = directory_source(dir, SPAN("vapi"), SPAN("main"));

	assert_non_null(source);
	a->l->hear.calls.running(a->l->hear.calls.user, s, &call, &source->id, SPAN("theirs"),
				 buf_span(&a->url));
}

/* The call runs and can be listened to there. */
static void listen_to(struct lines *l, const char *url)
{
	struct asked a = { .l = l };

	buf_addz(&a.url, url);
	rig_on_shard(&l->rig, 0, run, &a);
	buf_free(&a.url);
}

static void listen_here(struct lines *l, const char *query)
{
	char url[80];

	snprintf(url, sizeof(url), "ws://127.0.0.1:%u/listen%s", l->rig.port, query);
	listen_to(l, url);
}

/* As if any pause were over. */
static void hurry(struct shard *s, void *arg)
{
	struct lines *l = arg;

	dials_tick(media_at(l->media, s), INT64_MAX);
}

static void wait_given_up(struct lines *l)
{
	for (int i = 0; !fake_count(&l->hear, "\"unreached\""); i++) {
		if (i > RIG_WAIT_MS)
			fail_msg("not given up after %d handshakes",
				 atomic_load(&other.handshakes));
		rig_on_shard(&l->rig, 0, hurry, l);
		usleep(1000);
	}
	for (int i = 0; i < 20; i++)
		rig_on_shard(&l->rig, 0, hurry, l);
	assert_int_equal(1, fake_count(&l->hear, "\"unreached\""));
}

/* ------------------------------------------------------------------------------------------ */

static void who_greets_and_closes_is_given_up(void **state)
{
	(void)state;
	struct lines l = { 0 };

	start(&l, 1011);
	listen_here(&l, "");
	wait_given_up(&l);
	assert_int_equal(10, atomic_load(&other.handshakes));
	assert_int_equal(1, fake_count(&l.hear, "\"name\":\"vapi-listen\",\"text\":\"10 tries in a "
						"row; the last: ended: closed by the other side "
						"(1011): NET-0001\""));
	lines_stop(&l);
}

/* More than a message of its protocol may have. */
static void who_says_too_much_at_once_is_hung_up_on(void **state)
{
	(void)state;
	struct lines l = { 0 };

	start(&l, 1011);
	other.says = 256 * 1024 + 1;
	listen_here(&l, "");
	wait_given_up(&l);
	assert_int_equal(
		1, fake_count(&l.hear, "the last: ended: a message from the server is too large"));
	lines_stop(&l);
}

/* Nor would it another time. */
static void what_cannot_be_heard_is_told_and_not_dialled_again(void **state)
{
	(void)state;
	struct lines l = { 0 };

	start(&l, 1011);
	other.settles_at = 1;
	other.greets =
		"{\"type\":\"start\",\"encoding\":\"amr\",\"sampleRate\":8000,\"channels\":1}";
	listen_here(&l, "");
	wait_given_up(&l);
	assert_int_equal(1, atomic_load(&other.handshakes));
	assert_int_equal(1,
			 fake_count(&l.hear, "refused here: codec \\\"amr\\\" is not known here"));
	lines_stop(&l);
}

static void nobody_there_is_told(void **state)
{
	(void)state;
	struct lines l = { 0 };

	start(&l, 1000);
	listen_to(&l, "ws://127.0.0.1:1/");
	wait_given_up(&l);
	assert_int_equal(1, fake_count(&l.hear, "10 tries in a row; the last: cannot connect: "));
	lines_stop(&l);
}

static void a_refusal_is_told_with_its_status(void **state)
{
	(void)state;
	struct lines l = { 0 };

	start(&l, 1000);
	listen_here(&l, "?status=403");
	wait_given_up(&l);
	assert_int_equal(1, fake_count(&l.hear, "(status 403)"));
	lines_stop(&l);
}

static void what_cannot_be_dialled_is_told_at_once(void **state)
{
	(void)state;
	struct lines l = { 0 };

	start(&l, 1000);
	listen_to(&l, "ftp://127.0.0.1/s3cret");
	wait_given_up(&l);
	assert_int_equal(1, fake_count(&l.hear, "its URL, or the key for it, cannot be used"));
	assert_int_equal(0, fake_count(&l.hear, "s3cret"));
	lines_stop(&l);
}

static void pauses(void **state)
{
	static const struct {
		unsigned failed;
		int code;
		int64_t ms;
	} cases[] = {
		{ 0, 0, 500 },	   { 0, 1011, 500 },  { 1, 1006, 1000 }, { 4, 0, 8000 },
		{ 9, 1011, 8000 }, { 0, 1012, 2000 }, { 1, 1013, 2000 }, { 0, 1015, 2000 },
		{ 0, 1016, 500 },  { 0, 1002, 2000 }, { 3, 1002, 4000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(cases[i].ms, dial_pause_ms(cases[i].failed, cases[i].code));
}

/* However slow we are: not earlier. */
static void who_starts_again_is_left_alone_for_a_while(void **state)
{
	(void)state;
	struct lines l = { 0 };

	start(&l, 1012);
	listen_here(&l, "");
	rig_wait(&other.handshakes, 2);
	assert_true(other.opened_us[1] - other.closed_us[0] >= 2000 * MS_US);
	lines_stop(&l);
}

/* Two channels of silence, as long as it takes. */
static void talk(struct shard *s, void *arg)
{
	static char bytes[FRAME_MS * 64];
	int64_t since_us = other.opened_us[other.settles_at - 1];

	(void)s, (void)arg;
	if (!other.ws)
		return;
	struct message *m = message_new_binary((struct span){ bytes, sizeof(bytes) });
	assert_int_equal(0, ws_send(other.ws, m));
	message_unref(m);
	if (clock_monotonic_us() - since_us < (SETTLED_MS + 200) * MS_US)
		return;
	close_now(take(other.ws));
	atomic_store(&other.settled, 1);
}

static void who_is_heard_for_a_while_has_its_tries_again(void **state)
{
	(void)state;
	struct lines l = { 0 };

	start(&l, 1011);
	other.settles_at = 9;
	listen_here(&l, "");
	for (int i = 0; atomic_load(&other.handshakes) < 9 && i < RIG_WAIT_MS; i++) {
		rig_on_shard(&l.rig, 0, hurry, &l);
		usleep(1000);
	}
	for (int i = 0; !atomic_load(&other.settled) && i < RIG_WAIT_MS; i++) {
		rig_on_shard(&l.rig, 0, talk, &l);
		usleep(1000);
	}
	wait_given_up(&l);
	assert_int_equal(8 + 10, atomic_load(&other.handshakes));
	lines_stop(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pauses),
		cmocka_unit_test(who_greets_and_closes_is_given_up),
		cmocka_unit_test(who_says_too_much_at_once_is_hung_up_on),
		cmocka_unit_test(what_cannot_be_heard_is_told_and_not_dialled_again),
		cmocka_unit_test(nobody_there_is_told),
		cmocka_unit_test(a_refusal_is_told_with_its_status),
		cmocka_unit_test(what_cannot_be_dialled_is_told_at_once),
		cmocka_unit_test(who_starts_again_is_left_alone_for_a_while),
		cmocka_unit_test(who_is_heard_for_a_while_has_its_tries_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
