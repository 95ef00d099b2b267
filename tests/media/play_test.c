/* What goes out over a line: how much of it may wait, and what is said of how much was heard. */
#include <stdlib.h>
#include <unistd.h>

#include "base/crypto.h"
#include "fake_hear.h"
#include "media/internal.h"

static const struct uuid CALL = { { 1 } };
static struct lines lines;

/* --- what the tests do on the line's shard --- */

static char sound[2 * 1024 * 1024];

static struct media_line *line_of(struct shard *s)
{
	struct media_line *l = media_at(lines.media, s)->lines;

	assert_non_null(l);
	return l;
}

struct said {
	size_t n;
	const char *mark;
	int code;
	size_t queued_bytes; /* at the socket, afterwards */
};

static void play(struct shard *s, void *arg)
{
	struct said *p = arg;
	struct media_line *l = line_of(s);
	struct fault f = { 0 };

	p->code = line_play(l, (struct span){ sound, p->n }, span_of(p->mark ? p->mark : ""), &f);
	p->queued_bytes = l->ws ? ws_queued_bytes(l->ws) : 0;
}

/* The loop does not turn between the two: nothing has been written by then. */
static void play_twice(struct shard *s, void *arg)
{
	struct said *twice = arg;

	play(s, &twice[0]);
	play(s, &twice[1]);
}

static void clear(struct shard *s, void *arg)
{
	struct fault f = { 0 };

	*(int *)arg = line_clear(line_of(s), &f);
}

static int say(size_t n, const char *mark)
{
	struct said p = { .n = n, .mark = mark };

	rig_on_shard(&lines.rig, 0, play, &p);
	return p.code;
}

static void take_back(void)
{
	int code = -1;

	rig_on_shard(&lines.rig, 0, clear, &code);
	assert_int_equal(0, code);
}

static void expect_told(const char *part, size_t n)
{
	assert_int_equal(n, fake_count(&lines.hear, part));
}

static int open_stream(const char *path, const char *start)
{
	int status, fd = lines_open(&lines, path, &status);

	assert_int_equal(101, status);
	lines_text(fd, start);
	fake_wait(&lines.hear, "attached", 1);
	return fd;
}

static const char twilio[] =
	"{'event':'start','sequenceNumber':'1','start':{'accountSid':'AC1','streamSid':'MZ1',"
	"'callSid':'CA1','tracks':['inbound'],'mediaFormat':{'encoding':'audio/x-mulaw',"
	"'sampleRate':8000,'channels':1}},'streamSid':'MZ1'}";
static const char plivo[] =
	"{'sequenceNumber':0,'event':'start','start':{'callId':'c-1','streamId':'s-1','accountId':"
	"'A1','tracks':['inbound'],'mediaFormat':{'encoding':'audio/x-mulaw','sampleRate':8000}}}";
static const char exotel[] =
	"{'event':'start','sequence_number':'1','stream_sid':'MZe','start':{'stream_sid':'MZe',"
	"'call_sid':'CAe','account_sid':'ACe','from':'1','to':'2','media_format':{'encoding':"
	"'audio/x-raw','sample_rate':'8000','bit_rate':'16'}}}";

static const char telnyx[] =
	"{'event':'start','sequence_number':'1','stream_id':'MZ1','start':{'user_id':'u',"
	"'call_control_id':'v2:1','media_format':{'encoding':'G722','sample_rate':8000,"
	"'channels':1}}}";

static int setup(void **state)
{
	(void)state;
	lines = (struct lines){ 0 };
	atomic_store(&lines.hear.way, HEAR_CALL_ID);
	lines_start(&lines);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lines_stop(&lines);
	return 0;
}

/* --- what was heard --- */

static void what_was_taken_back_was_not_heard(void **state)
{
	(void)state;
	int fd = open_stream("/in/twilio/phone", twilio);

	assert_int_equal(0, say(200 * 8, "first"));
	lines_text(fd, "{'event':'mark','streamSid':'MZ1','mark':{'name':'first'}}");
	fake_wait(&lines.hear, "\"played\"", 2); /* kind and name */
	assert_int_equal(0, say(60000 * 8, ""));
	take_back();
	assert_int_equal(0, say(200 * 8, "after"));
	lines_text(fd, "{'event':'mark','streamSid':'MZ1','mark':{'name':'after'}}");
	fake_wait(&lines.hear, "\"text\":\"after\"", 1);
	expect_told("\"ms\":200", 1);
	expect_told("\"ms\":400", 1);
	close(fd);
}

/* Plivo says that it has cleared, and nothing of the marks that went with it. */
static void what_was_said_after_a_clear_is_not_cleared(void **state)
{
	(void)state;
	int fd = open_stream("/in/plivo/there", plivo);

	assert_int_equal(0, say(300 * 8, "before"));
	take_back();
	assert_int_equal(0, say(200 * 8, "after"));
	lines_text(fd, "{'sequenceNumber':5,'event':'clearedAudio','streamId':'s-1'}");
	fake_wait(&lines.hear, "\"text\":\"before\"", 1);
	expect_told("\"cleared\"", 1);
	lines_text(fd, "{'event':'playedStream','streamId':'s-1','name':'after'}");
	fake_wait(&lines.hear, "\"text\":\"after\"", 1);
	expect_told("\"cleared\"", 1);
	expect_told("\"ms\":200", 1);
	close(fd);
}

static void clear_unheard(struct shard *s, void *arg)
{
	struct media_line *l = line_of(s);
	struct fault f = { 0 };

	(void)arg;
	ws_close(l->ws, 1000, "over"); /* sends nothing any more */
	assert_int_equal(E_CLOSED, line_clear(l, &f));
	assert_string_equal("the socket takes no more", f.text);
	assert_int_equal(1, l->marks_n);
	assert_false(l->marks[0].cleared);
	assert_int_equal(300, l->sent_ms);
}

static void a_clear_that_was_not_sent_takes_nothing_back(void **state)
{
	(void)state;
	int fd = open_stream("/in/twilio/phone", twilio);

	assert_int_equal(0, say(300 * 8, "m"));
	rig_on_shard(&lines.rig, 0, clear_unheard, NULL);
	close(fd);
}

static void say_unheard(struct shard *s, void *arg)
{
	struct said p = { .n = 800, .mark = "m" };

	(void)arg;
	ws_close(line_of(s)->ws, 1000, "over");
	play(s, &p);
	assert_int_equal(E_CLOSED, p.code);
	assert_int_equal(0, line_of(s)->marks_n);
	assert_int_equal(0, line_of(s)->sent_ms);
}

static void nobody_waits_for_a_mark_that_was_not_sent(void **state)
{
	(void)state;
	int fd = open_stream("/in/twilio/phone", twilio);

	rig_on_shard(&lines.rig, 0, say_unheard, NULL);
	close(fd);
}

/* --- how much may wait --- */

/* More than a watcher's queue, as base64, takes. */
static void two_minutes_and_a_half_at_once(void **state)
{
	(void)state;
	struct said twice[2] = { { .n = 1200 * 1024 }, { .n = 1200 * 1024, .mark = "m" } };
	int fd = open_stream("/in/twilio/phone", twilio);

	assert_true(lines.rig.config.ws_queue_bytes < twice[0].n * 4 / 3);
	rig_on_shard(&lines.rig, 0, play_twice, twice);
	assert_int_equal(0, twice[0].code);
	assert_int_equal(E_FULL, twice[1].code);
	assert_int_equal(twice[0].queued_bytes, twice[1].queued_bytes);
	close(fd);
}

static void look_at_what_was_sent(struct shard *s, void *arg)
{
	*(struct media_line *)arg = *line_of(s);
}

/* Cut into pieces; half a sentence would be said again when it is tried again. */
static void all_pieces_or_none(void **state)
{
	(void)state;
	static struct media_line l;
	struct said twice[2] = { { .n = 1200 * 1024 }, { .n = 1200 * 1024, .mark = "m" } };
	int fd = open_stream("/in/exotel/far", exotel);

	rig_on_shard(&lines.rig, 0, play_twice, twice);
	assert_int_equal(0, twice[0].code);
	assert_int_equal(E_FULL, twice[1].code);
	assert_true(twice[0].queued_bytes > twice[0].n * 4 / 3);
	assert_int_equal(twice[0].queued_bytes, twice[1].queued_bytes);
	rig_on_shard(&lines.rig, 0, look_at_what_was_sent, &l);
	assert_int_equal(1200 * 1024 / 16, l.sent_ms);
	assert_int_equal(0, l.marks_n);
	close(fd);
}

static void expect_piece(int fd, struct reply *r, struct span bytes)
{
	struct buf message AUTO_BUF = { 0 }, base64 AUTO_BUF = { 0 };
	struct arena a = { 0 };

	assert_int_equal(0x81, wsc_read(fd, r, &message));
	struct json payload = json_path(json_of(buf_span(&message)), "media.payload");
	crypto_base64(bytes, &base64);
	assert_true(span_eq(json_text(payload, &a), buf_span(&base64)));
	arena_fini(&a);
}

/* 8 bytes a millisecond, though it is no codec of so many bits a sample. */
static void pieces_of_g722(void **state)
{
	(void)state;
	enum { MS = 8, LEAST = 20 * MS, MOST = 30000 * MS };
	char padded[LEAST] = { 0 };
	struct reply r = { 0 };
	int status, fd = lines_open(&lines, "/in/telnyx/overtaken", &status);

	assert_int_equal(101, status);
	lines_text(fd, telnyx);
	lines_telnyx_audio(fd, 1); /* a leg is there with its first frame */
	fake_wait(&lines.hear, "attached", 1);
	assert_int_equal(0, say(MOST + 1000 * MS, ""));
	expect_piece(fd, &r, (struct span){ sound, MOST });
	expect_piece(fd, &r, (struct span){ sound, 1000 * MS });
	assert_int_equal(0, say(5 * MS, ""));
	memset(padded + 5 * MS, codec_find(SPAN("g722"))->silence, 15 * MS);
	expect_piece(fd, &r, (struct span){ padded, LEAST });
	reply_free(&r);
	close(fd);
}

/* --- the transport, on the test's clock --- */

static void on_open(struct ws *ws)
{
	static const char silence[640];
	struct message *m = message_new_binary((struct span){ silence, sizeof(silence) });

	assert_int_equal(0, ws_send(ws, m));
	message_unref(m);
}

static void on_binary(struct ws *ws, struct span bytes)
{
	(void)ws, (void)bytes;
}

static const struct ws_handlers handlers = { .open = on_open, .binary = on_binary };

static void dial_peer(struct shard *s, void *arg)
{
	(void)arg;
	lines_place(&lines, s, &CALL, SPAN("pcm_s16le"), 16000);
}

static void stop_clock(struct shard *s, void *arg)
{
	(void)arg;
	uv_timer_stop(&media_at(lines.media, s)->clock);
	line_of(s)->clock_us = 0;
}

/* What sinks get of what we say: recorders, and whoever else. */
static struct {
	atomic_int samples, loud, gaps;
	int64_t next;
} ours;

static void *take_any(void *owner, struct media_line *l)
{
	(void)l;
	return owner;
}

static void take_frame(void *user, const struct media_frame *f)
{
	(void)user;
	if (f->leg != 1)
		return;
	assert_int_equal(SPEAKER_USER, f->speaker);
	assert_int_equal(16000, f->rate_hz);
	atomic_fetch_add(&ours.gaps, ours.next != f->pcm.at);
	ours.next = f->pcm.at + (int64_t)f->pcm.n;
	for (size_t i = 0; i < f->pcm.n; i++)
		atomic_fetch_add(&ours.loud, f->pcm.samples[i] != 0);
	atomic_fetch_add(&ours.samples, (int)f->pcm.n);
}

static void take_end(void *user, const char *why)
{
	(void)user, (void)why;
}

static const struct media_sink sink = { .begin = take_any, .frame = take_frame, .end = take_end };

static void forget_ours(struct shard *s, void *arg)
{
	(void)arg;
	inbox_hear(media_at(lines.media, s));
	atomic_store(&ours.samples, 0);
	atomic_store(&ours.loud, 0);
	atomic_store(&ours.gaps, 0);
}

static int setup_transport(void **state)
{
	(void)state;
	lines = (struct lines){ .more = { .method = HTTP_GET,
					  .pattern = "/transport",
					  .body_limit = 100000,
					  .ws = &handlers },
				.sink = &sink,
				.sink_owner = &ours };
	ours.next = 0;
	lines_start(&lines);
	rig_on_shard(&lines.rig, 0, dial_peer, NULL);
	fake_wait(&lines.hear, "attached", 2);
	rig_on_shard(&lines.rig, 0, stop_clock, NULL);
	rig_on_shard(&lines.rig, 0, forget_ours, NULL);
	return 0;
}

struct ticks {
	int64_t now_us;
	unsigned n;
};

static void pass(struct shard *s, void *arg)
{
	struct ticks *t = arg;

	for (unsigned i = 0; i < t->n; i++, t->now_us += PLAY_FRAME_MS * 1000)
		line_clock(line_of(s), t->now_us);
}

/* What has been played does not wait. */
static void slightly_more_than_time_passes_for_a_minute_and_more(void **state)
{
	(void)state;
	enum { SECOND = 32000, TIMES = 84 };
	struct ticks t = { .now_us = 1000000, .n = 45 };
	struct media_line *l = calloc(1, sizeof(*l));

	for (int i = 0; i < TIMES; i++) {
		assert_int_equal(0, say(SECOND, ""));
		rig_on_shard(&lines.rig, 0, pass, &t);
	}
	assert_true(TIMES * SECOND > 2 * 1024 * 1024);
	rig_on_shard(&lines.rig, 0, look_at_what_was_sent, l);
	assert_true(l->play.n < SECOND * TIMES / 4);
	assert_int_equal(TIMES * SECOND / 10, l->play.n - l->play_at);
	free(l);
}

/* Also while most of it is still to come. */
static void what_was_sent_makes_room(void **state)
{
	(void)state;
	enum { FRAME = 640, MANY = 1200 };
	struct ticks t = { .now_us = 1000000, .n = MANY };

	assert_int_equal(0, say(sizeof(sound) - FRAME, ""));
	assert_int_equal(E_FULL, say(MANY * FRAME, ""));
	rig_on_shard(&lines.rig, 0, pass, &t);
	assert_int_equal(0, say(MANY * FRAME, ""));
	assert_int_equal(E_FULL, say(2 * FRAME, ""));
}

/* Frame by frame, with the silence between them, and padded where a word ends within one. */
static void what_we_say_is_a_leg_like_what_comes_in(void **state)
{
	(void)state;
	enum { MS = 2 * 16 };
	struct ticks t = { .now_us = 1000000, .n = 10 };

	memset(sound, 1, 105 * MS);
	rig_on_shard(&lines.rig, 0, pass, &t); /* nothing yet */
	assert_int_equal(0, say(105 * MS, ""));
	rig_on_shard(&lines.rig, 0, pass, &t);
	rig_on_shard(&lines.rig, 0, pass, &t);
	rig_wait(&ours.samples, 600 * 16);
	assert_int_equal(600 * 16, atomic_load(&ours.samples));
	assert_int_equal(105 * 16, atomic_load(&ours.loud));
	assert_int_equal(0, atomic_load(&ours.gaps));
	expect_told("\"speaker\":\"user\"", 1);
	memset(sound, 0, 105 * MS);
}

/* More than the socket takes before the loop turns. */
static void pass_too_much(struct shard *s, void *arg)
{
	struct ticks t = { .now_us = 1000000, .n = 200 };
	const struct media_line *l = line_of(s);
	size_t before = ws_client_queued_bytes(l->client);

	(void)arg;
	atomic_store(&ours.samples, 0);
	pass(s, &t);
	inbox_hear(media_at(lines.media, s));
	size_t taken = ws_client_queued_bytes(l->client) - before;
	assert_true(taken > 0 && taken < t.n * 640);
	assert_int_equal(taken, 2 * atomic_load(&ours.samples));
}

static void what_was_not_sent_was_not_said(void **state)
{
	(void)state;
	rig_on_shard(&lines.rig, 0, pass_too_much, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TRANSPORT(name) cmocka_unit_test_setup_teardown(name, setup_transport, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_taken_back_was_not_heard),
		TEST(what_was_said_after_a_clear_is_not_cleared),
		TEST(a_clear_that_was_not_sent_takes_nothing_back),
		TEST(nobody_waits_for_a_mark_that_was_not_sent),
		TEST(two_minutes_and_a_half_at_once),
		TEST(all_pieces_or_none),
		TEST(pieces_of_g722),
		TRANSPORT(slightly_more_than_time_passes_for_a_minute_and_more),
		TRANSPORT(what_was_sent_makes_room),
		TRANSPORT(what_we_say_is_a_leg_like_what_comes_in),
		TRANSPORT(what_was_not_sent_was_not_said),
	};
	return cmocka_run_group_tests_name("play", tests, NULL, NULL);
}
