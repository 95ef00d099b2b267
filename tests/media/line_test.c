/* Lines of src/media with a side of calls that obeys the test. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "fake_hear.h"

static void wait_value(const atomic_int *v, int value)
{
	for (int i = 0; atomic_load(v) != value; i++) {
		if (i > RIG_WAIT_MS)
			fail_msg("it is %d, not %d", atomic_load(v), value);
		usleep(1000);
	}
}

static const char *of(struct buf *b, enum hear_way way)
{
	struct uuid id = fake_call(way);
	char text[UUID_TEXT + 1];

	uuid_format(&id, text);
	buf_clear(b);
	buf_addz(b, text);
	return buf_z(b);
}

static void refusals_before_the_upgrade(void **state)
{
	(void)state;
	struct lines l = { .max_lines = 1 };
	int status, fd, other;

	lines_start(&l);
	fd = lines_open(&l, "/in/twilio/phone", &status);
	assert_int_equal(101, status);
	other = lines_open(&l, "/in/twilio/phone", &status); /* all lines are taken */
	assert_int_equal(503, status);
	close(other);
	close(fd);
	rig_wait_connections(&l.rig, 0);
	atomic_store(&l.hear.draining, true);
	close(lines_open(&l, "/in/twilio/phone", &status));
	assert_int_equal(503, status);
	atomic_store(&l.hear.draining, false);
	const struct directory *d = l.hear.directory;
	l.hear.directory = NULL;
	close(lines_open(&l, "/in/twilio/phone", &status));
	assert_int_equal(503, status);
	l.hear.directory = d;
	close(lines_open(&l, "/in/twilio/phone", &status)); /* and there is room again */
	assert_int_equal(101, status);
	lines_stop(&l);
}

static void a_socket_that_says_nothing_asks_for_no_call(void **state)
{
	(void)state;
	struct lines l = { .grace_ms = 1 };
	int status;

	lines_start(&l);
	for (int i = 0; i < 20; i++)
		close(lines_open(&l, "/in/twilio/phone", &status));
	rig_wait_connections(&l.rig, 0);
	int fd = lines_open(&l, "/in/twilio/phone", &status);
	lines_twilio_start(fd, "CA1"); /* its lines were given back: eight there are */
	assert_int_equal(101, status);
	fake_wait(&l.hear, "attached", 1);
	close(fd);
	fake_wait(&l.hear, "detached", 1);
	wait_value(&l.hear.held, 0);
	lines_stop(&l);
}

static void facts_wait_for_the_call(void **state)
{
	(void)state;
	struct lines l = { .grace_ms = 600000 };
	struct buf id AUTO_BUF = { 0 }, told AUTO_BUF = { 0 };
	int status;

	lines_start(&l);
	atomic_store(&l.hear.way, HEAR_OWN); /* none, until one is to be made */
	int fd = lines_open(&l, "/in/twilio/phone", &status);
	lines_twilio_start(fd, "CA1");
	lines_twilio_audio(fd, 0, 300);
	rig_wait(&l.hear.claims, 3);
	assert_int_equal(0, atomic_load(&l.hear.bodies));
	atomic_store(&l.hear.way, HEAR_TELEPHONY);
	fake_wait(&l.hear, "attached", 1);
	close(fd);
	fake_wait(&l.hear, "detached", 1);
	fake_told(&l.hear, &told);
	/* all of it in order, to this call alone */
	of(&id, HEAR_TELEPHONY);
	for (const char *line = buf_z(&told); *line; line = strchr(line, '\n') + 1)
		assert_memory_equal(id.p, line, id.n);
	assert_true(strstr(buf_z(&told), "attached") < strstr(buf_z(&told), "\"level\""));
	wait_value(&l.hear.held, 0);
	lines_stop(&l);
}

static void an_end_without_a_call_makes_one(void **state)
{
	(void)state;
	struct lines l = { .grace_ms = 600000 };
	struct buf id AUTO_BUF = { 0 };
	int status;

	lines_start(&l);
	int fd = lines_open(&l, "/in/twilio/phone", &status);
	lines_twilio_start(fd, "CA1");
	close(fd);
	fake_wait(&l.hear, "detached", 1);
	assert_true(fake_count(&l.hear, of(&id, HEAR_OWN)) > 0);
	assert_int_equal(1, fake_count(&l.hear, "\"unbound\""));
	wait_value(&l.hear.held, 0);
	lines_stop(&l);
}

static void link_now(struct shard *s, void *arg)
{
	struct lines *l = arg;
	struct uuid from = fake_call(HEAR_OWN), to = fake_call(HEAR_TOKEN);

	assert_true(l->hear.calls.linked(l->hear.calls.user, s, &from, &to));
	/* Already on its way. */
	assert_false(l->hear.calls.linked(l->hear.calls.user, s, &from, &to));
}

static void link_own(struct shard *s, void *arg)
{
	struct lines *l = arg;
	struct uuid own = fake_call(HEAR_OWN);

	assert_false(l->hear.calls.linked(l->hear.calls.user, s, &own, &own));
}

static void answer_now(struct shard *s, void *arg)
{
	struct lines *l = arg;
	struct hear_claim *c = take(l->hear.kept_claim);

	(void)s;
	atomic_store(&l->hear.keep_claims, false);
	c->answer(c);
}

static void give_back(struct shard *s, void *arg)
{
	struct lines *l = arg;

	(void)s;
	atomic_store(&l->hear.keep_posts, false);
	if (l->hear.kept)
		l->hear.kept->told(take(l->hear.kept));
}

/* While a post is under way, too. */
static void a_link_tells_everything_again(void **state)
{
	(void)state;
	for (int busy = 0; busy < 2; busy++) {
		struct lines l = { .grace_ms = 1 };
		struct buf id AUTO_BUF = { 0 };
		int status;

		lines_start(&l);
		int fd = lines_open(&l, "/in/twilio/phone", &status);
		lines_twilio_start(fd, "");
		lines_twilio_audio(fd, 0, 300);
		fake_wait(&l.hear, "\"unbound\"", 1);
		fake_wait(&l.hear, "\"level\"", 1);
		if (busy) {
			int before = atomic_load(&l.hear.bodies);
			atomic_store(&l.hear.keep_posts, true);
			lines_twilio_audio(fd, 300, 300);
			rig_wait(&l.hear.bodies, before + 1);
		}
		rig_on_shard(&l.rig, 0, link_now, &l);
		rig_on_shard(&l.rig, 0, give_back, &l);
		fake_wait(&l.hear, of(&id, HEAR_TOKEN), 2);
		fake_wait(&l.hear, "\"linked\"", 1);
		close(fd);
		fake_wait(&l.hear, "detached", 1);
		assert_int_equal(2, fake_count(&l.hear, "attached"));
		assert_int_equal(1, fake_count(&l.hear, "\"unbound\""));
		wait_value(&l.hear.held, 0);
		lines_stop(&l);
	}
}

/* Its webhooks come after all: they are of the very call that was made for it. */
static void its_own_call_is_never_linked_to_itself(void **state)
{
	(void)state;
	struct lines l = { .grace_ms = 1 };
	int status;

	lines_start(&l);
	atomic_store(&l.hear.same, true);
	int fd = lines_open(&l, "/in/twilio/phone", &status);
	lines_twilio_start(fd, "CA1");
	lines_twilio_audio(fd, 0, 300);
	fake_wait(&l.hear, "\"unbound\"", 1);
	int claims = atomic_load(&l.hear.claims);
	atomic_store(&l.hear.way, HEAR_CALL_ID);
	rig_wait(&l.hear.claims, claims + 1);
	wait_value(&l.hear.held, 1);
	rig_on_shard(&l.rig, 0, link_own, &l);
	close(fd);
	fake_wait(&l.hear, "detached", 1);
	wait_value(&l.hear.held, 0);
	assert_int_equal(0, fake_count(&l.hear, "\"linked\""));
	assert_int_equal(1, fake_count(&l.hear, "attached"));
	lines_stop(&l);
}

/* Somebody links it while a claim is under way that finds it to be itself. */
static void a_link_wins_over_a_claim(void **state)
{
	(void)state;
	struct lines l = { .grace_ms = 1 };
	struct buf id AUTO_BUF = { 0 };
	int status;

	lines_start(&l);
	atomic_store(&l.hear.same, true);
	int fd = lines_open(&l, "/in/twilio/phone", &status);
	lines_twilio_start(fd, "CA1");
	lines_twilio_audio(fd, 0, 100);
	fake_wait(&l.hear, "\"unbound\"", 1);
	atomic_store(&l.hear.way, HEAR_CALL_ID);
	atomic_store(&l.hear.keep_claims, true);
	int claims = atomic_load(&l.hear.claims);
	rig_wait(&l.hear.claims, claims + 1);
	atomic_store(&l.hear.keep_posts, true);
	int bodies = atomic_load(&l.hear.bodies);
	lines_twilio_audio(fd, 100, 300);
	rig_wait(&l.hear.bodies, bodies + 1);
	rig_on_shard(&l.rig, 0, link_now, &l);
	rig_on_shard(&l.rig, 0, answer_now, &l);
	rig_on_shard(&l.rig, 0, give_back, &l);
	fake_wait(&l.hear, "\"linked\"", 1);
	fake_wait(&l.hear, of(&id, HEAR_TOKEN), 2);
	close(fd);
	fake_wait(&l.hear, "detached", 1);
	wait_value(&l.hear.held, 0);
	lines_stop(&l);
}

/* All is told in that moment: the line goes, once. */
static void an_answer_after_the_end(void **state)
{
	(void)state;
	static const enum hear_way ways[] = { HEAR_CALL_ID, HEAR_TOKEN, HEAR_OWN };
	struct lines l = { .grace_ms = 1 };
	int status;

	lines_start(&l);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		int claims = atomic_load(&l.hear.claims);

		atomic_store(&l.hear.way, ways[i]);
		atomic_store(&l.hear.keep_claims, true);
		int fd = lines_open(&l, "/in/twilio/phone", &status);
		lines_twilio_start(fd, "CA1");
		rig_wait(&l.hear.claims, claims + 1);
		close(fd);
		rig_wait_connections(&l.rig, 0);
		rig_on_shard(&l.rig, 0, answer_now, &l);
		fake_wait(&l.hear, "detached", i + 1);
		wait_value(&l.hear.held, 0);
	}
	lines_stop(&l);
}

static void a_node_that_takes_no_calls(void **state)
{
	(void)state;
	struct lines l = { .grace_ms = 1, .max_lines = 1 };
	int status = 0;

	lines_start(&l);
	atomic_store(&l.hear.way, HEAR_REFUSED);
	int fd = lines_open(&l, "/in/twilio/phone", &status);
	lines_twilio_start(fd, "CA1");
	lines_twilio_audio(fd, 0, 100);
	rig_wait(&l.hear.claims, 3);
	close(fd);
	for (int i = 0; i < 200; i++) { /* in the end the line is free again */
		close(lines_open(&l, "/in/twilio/phone", &status));
		if (status == 101)
			break;
		usleep(100000);
	}
	assert_int_equal(101, status);
	assert_int_equal(0, atomic_load(&l.hear.bodies));
	lines_stop(&l);
}

/* --- sinks --- */

struct taker {
	atomic_int begun, bound, frames, samples, bytes, ended;
	int64_t start_us;
	bool wants;
};

static void *take_begin(void *owner, struct media_line *l)
{
	struct taker *t = owner;
	struct media_leg_about about;

	atomic_fetch_add(&t->begun, 1);
	assert_true(media_line_leg(l, 0, &about));
	assert_int_equal(8000, about.rate_hz);
	assert_string_equal("pcmu", about.codec->name);
	assert_non_null(media_line_project(l));
	return t->wants ? t : NULL;
}

static void take_bound(void *user, struct media_line *l)
{
	struct taker *t = user;
	struct uuid call, expected = fake_call(HEAR_CALL_ID);
	const struct heard h = { .kind = HEARD_RECORDING,
				 .name = SPAN("started"),
				 .id = SPAN("r1") };

	assert_true(media_line_call(l, &call));
	assert_true(uuid_eq(&call, &expected));
	media_line_tell(l, &h, 1);
	atomic_fetch_add(&t->bound, 1);
}

static void take_frame(void *user, const struct media_frame *f)
{
	struct taker *t = user;

	atomic_fetch_add(&t->frames, 1);
	atomic_fetch_add(&t->samples, (int)f->pcm.n);
	atomic_fetch_add(&t->bytes, (int)f->payload.n);
	assert_int_equal(8000, f->rate_hz);
}

static void take_end(void *user, const char *why)
{
	struct taker *t = user;

	assert_string_equal("stop", why);
	atomic_fetch_add(&t->ended, 1);
}

static void sinks_get_what_is_heard(void **state)
{
	(void)state;
	static const struct media_sink sink = { take_begin, take_bound, take_frame,
						take_end,   NULL,	false };
	struct taker t = { .wants = true };
	struct lines l = { .sink = &sink, .sink_owner = &t };
	int status;

	lines_start(&l);
	atomic_store(&l.hear.way, HEAR_CALL_ID);
	int fd = lines_open(&l, "/in/twilio/phone", &status);
	lines_twilio_start(fd, "CA1");
	rig_wait(&t.bound, 1);
	lines_twilio_audio(fd, 0, 100);
	rig_wait(&t.frames, 100);
	lines_text(fd,
		   "{'event':'stop','sequenceNumber':'9','streamSid':'MZ1','stop':{'accountSid':"
		   "'AC1','callSid':'CA1'}}");
	rig_wait(&t.ended, 1);
	assert_int_equal(16000, atomic_load(&t.samples));
	assert_int_equal(16000, atomic_load(&t.bytes));
	fake_wait(&l.hear, "\"recording\"", 1);
	close(fd);
	lines_stop(&l);
}

static void *take_any(void *owner, struct media_line *l)
{
	(void)l;
	return owner;
}

enum { FRAME_CLOSE = 0x88 };
/* So many frames and then a text, a close frame ("") or the end of the connection (NULL) reach the
 * shard together. */
static void send_at_once(int fd, unsigned frames, const char *text)
{
	setsockopt(fd, IPPROTO_TCP, TCP_CORK, &(int){ 1 }, sizeof(int));
	lines_twilio_audio(fd, 0, frames);
	if (!text)
		shutdown(fd, SHUT_WR);
	else if (*text)
		lines_text(fd, text);
	else
		wsc_send(fd, FRAME_CLOSE, "\x03\xe8", 2);
	setsockopt(fd, IPPROTO_TCP, TCP_CORK, &(int){ 0 }, sizeof(int));
}

static void take_all_before_the_end(void *user, const char *why)
{
	struct taker *t = user;

	(void)why;
	assert_int_equal(300, atomic_load(&t->frames));
	atomic_fetch_add(&t->ended, 1);
}

/* More than the inbox holds, and the end of it in the same turn: a stop, a close frame, or nothing
 * more. */
static void audio_is_heard_before_the_end(void **state)
{
	(void)state;
	static const struct media_sink sink = { take_any, NULL, take_frame, take_all_before_the_end,
						NULL,	  false };
	static const char *const ends[] = {
		"{'event':'stop','sequenceNumber':'9','streamSid':'MZ1','stop':{'accountSid':"
		"'AC1','callSid':'CA1'}}",
		"",
		NULL,
	};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct taker t = { 0 };
		struct lines l = { .sink = &sink, .sink_owner = &t };
		int status;

		lines_start(&l);
		atomic_store(&l.hear.way, HEAR_CALL_ID);
		int fd = lines_open(&l, "/in/twilio/phone", &status);
		lines_twilio_start(fd, "CA1");
		send_at_once(fd, 300, ends[i]);
		rig_wait(&t.ended, 1);
		fake_wait(&l.hear, "\"ms\":6000", 1); /* of the detached leg */
		close(fd);
		lines_stop(&l);
	}
}

/* What follows audio in the same turn is told after what the audio told: the level of its 5 s. */
static void facts_come_in_the_order_of_messages(void **state)
{
	(void)state;
	struct lines l = { 0 };
	struct buf told AUTO_BUF = { 0 };
	int status;

	lines_start(&l);
	atomic_store(&l.hear.way, HEAR_CALL_ID);
	int fd = lines_open(&l, "/in/twilio/phone", &status);
	lines_twilio_start(fd, "CA1");
	fake_wait(&l.hear, "attached", 1);
	send_at_once(fd, 250,
		     "{'event':'dtmf','sequenceNumber':'9','streamSid':'MZ1','dtmf':{'track':"
		     "'inbound_track','digit':'7'}}");
	fake_wait(&l.hear, "\"dtmf\"", 1);
	fake_told(&l.hear, &told);
	const char *level = strstr(buf_z(&told), "\"level\"");
	assert_non_null(level);
	assert_true(level < strstr(buf_z(&told), "\"dtmf\""));
	close(fd);
	lines_stop(&l);
}

static void take_measured(void *user, const struct media_frame *f)
{
	struct taker *t = user;

	t->start_us = f->start_us;
	atomic_fetch_add(&t->frames, 1);
	atomic_fetch_add(&t->samples, (int)f->pcm.n);
}

static void take_no_end(void *user, const char *why)
{
	(void)user, (void)why;
}

static void what_was_held_back_reaches_sinks_too(void **state)
{
	(void)state;
	static const struct media_sink sink = { take_any, NULL, take_frame, take_end, NULL, false };
	struct taker t = { 0 };
	struct lines l = { .sink = &sink, .sink_owner = &t };
	int status;

	lines_start(&l);
	atomic_store(&l.hear.way, HEAR_CALL_ID);
	int fd = lines_open(&l, "/in/telnyx/overtaken", &status);
	lines_telnyx_start(fd);
	lines_telnyx_audio(fd, 1);
	lines_telnyx_audio(fd, 3);
	lines_telnyx_audio(fd, 2);
	rig_wait(&t.samples, 480);
	lines_telnyx_audio(fd, 5); /* the fourth never comes: the tick gives up on it ... */
	rig_wait(&t.samples, 800);
	lines_telnyx_audio(fd, 7); /* ... and on the sixth the end does */
	lines_text(fd,
		   "{'event':'stop','sequence_number':'9','stream_id':'MZ1','stop':{'user_id':'u',"
		   "'call_control_id':'v2:1'}}");
	rig_wait(&t.ended, 1);
	assert_int_equal(7 * 160, atomic_load(&t.samples));
	close(fd);
	lines_stop(&l);
}

/* More than a leg holds at a time, at once: what was measured to find the format out. */
static void what_was_measured_reaches_sinks_too(void **state)
{
	(void)state;
	static const struct media_sink sink = { take_any,    NULL, take_measured,
						take_no_end, NULL, false };
	static char bytes[3200];
	struct taker t = { 0 };
	struct lines l = { .sink = &sink, .sink_owner = &t };
	int64_t from_us = clock_now_us();
	int status, sent = 0;

	lines_start(&l);
	atomic_store(&l.hear.way, HEAR_CALL_ID);
	int fd = lines_open(&l, "/in/vapi/main/transcriber", &status);
	lines_text(fd, "{'type':'start','encoding':'linear16','container':'raw','channels':2}");
	for (; !atomic_load(&t.frames) && sent < 2000; sent++) {
		wsc_send(fd, 0x82, bytes, sizeof(bytes)); /* 16 kHz: 50 ms */
		usleep(50000);
	}
	rig_wait(&t.samples, sent * 800 * 2);
	close(fd);
	lines_stop(&l);
	assert_true(t.start_us > from_us - 700 * MS_US); /* it was heard before it was known */
}

static void a_stop_ends_what_runs(void **state)
{
	(void)state;
	struct lines l = { 0 };
	int status;

	lines_start(&l);
	atomic_store(&l.hear.way, HEAR_CALL_ID);
	int fd = lines_open(&l, "/in/twilio/phone", &status);
	lines_twilio_start(fd, "CA1");
	fake_wait(&l.hear, "attached", 1);
	rig_stop(&l.rig);
	assert_int_equal(1, fake_count(&l.hear, "node stops"));
	media_free(l.media);
	directory_unref(l.hear.directory);
	buf_free(&l.hear.told);
	buf_free(&l.hear.asked);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals_before_the_upgrade),
		cmocka_unit_test(a_socket_that_says_nothing_asks_for_no_call),
		cmocka_unit_test(facts_wait_for_the_call),
		cmocka_unit_test(an_end_without_a_call_makes_one),
		cmocka_unit_test(a_link_tells_everything_again),
		cmocka_unit_test(its_own_call_is_never_linked_to_itself),
		cmocka_unit_test(a_link_wins_over_a_claim),
		cmocka_unit_test(an_answer_after_the_end),
		cmocka_unit_test(a_node_that_takes_no_calls),
		cmocka_unit_test(sinks_get_what_is_heard),
		cmocka_unit_test(audio_is_heard_before_the_end),
		cmocka_unit_test(facts_come_in_the_order_of_messages),
		cmocka_unit_test(what_was_held_back_reaches_sinks_too),
		cmocka_unit_test(what_was_measured_reaches_sinks_too),
		cmocka_unit_test(a_stop_ends_what_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
