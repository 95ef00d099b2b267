/* What the API asks to be played or taken back: which lines of the call are asked, and what none
 * may be sent. */
#include "fake_hear.h"
#include "media/internal.h"

#include <unistd.h>

static struct lines lines;

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

static int open_stream(const char *path, const char *start)
{
	int status, fd = lines_open(&lines, path, &status);

	assert_int_equal(101, status);
	lines_text(fd, start);
	return fd;
}

/* --- asking --- */

struct asked {
	size_t n; /* bytes; 0: take back what was not played */
	int code;
	char why[200];
	atomic_int done;
};

static void on_done(void *user, int code, struct span detail)
{
	struct asked *a = user;

	a->code = code;
	snprintf(a->why, sizeof(a->why), "%.*s", SPAN_ARG(detail));
	atomic_store(&a->done, 1);
}

static void ask_here(struct shard *s, void *arg)
{
	static const char sound[6400];
	static const struct uuid org = { { 0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1 } };
	struct asked *a = arg;
	struct uuid call = fake_call(HEAR_CALL_ID);
	struct media_line *l = media_at(lines.media, s)->lines;
	const struct uuid *whose = l ? &l->source->org : &org;

	if (a->n)
		listen_play(media_listen(lines.media), s, whose, &call,
			    (struct span){ sound, a->n }, (struct span){ 0 }, on_done, a);
	else
		listen_clear(media_listen(lines.media), s, whose, &call, on_done, a);
}

static int ask(size_t n, const char *why)
{
	struct asked a = { .n = n };

	rig_on_shard(&lines.rig, 0, ask_here, &a);
	rig_wait(&a.done, 1);
	assert_string_equal(why, a.why);
	return a.code;
}

#define START(streams, tracks)                                                                    \
	"{'event':'start','sequenceNumber':'1','start':{'accountSid':'AC1','streamSid':'" streams \
	"','callSid':'CA1','tracks':[" tracks                                                     \
	"],'mediaFormat':{'encoding':'audio/x-mulaw','sampleRate':8000,'channels':1}},"           \
	"'streamSid':'" streams "'}"

static const char copy_text[] =
	"this stream is a copy of the call: what is sent to it would end it";

/* Twilio would end it (31924), and nothing more be heard of the call. */
static void a_copy_of_a_call_is_sent_nothing(void **state)
{
	(void)state;
	int fd = open_stream("/in/twilio/phone", START("MZ1", "'inbound','outbound'"));

	fake_wait(&lines.hear, "attached", 2);
	assert_int_equal(E_INVALID, ask(160, copy_text));
	assert_int_equal(E_INVALID, ask(0, copy_text));
	close(fd);
}

static void beside_a_copy_the_stream_that_plays_is_found(void **state)
{
	(void)state;
	int plays = open_stream("/in/twilio/phone", START("MZ1", "'inbound'"));
	int copy = open_stream("/in/twilio/phone", START("MZ2", "'outbound'"));

	fake_wait(&lines.hear, "attached", 2);
	assert_int_equal(0, ask(160, ""));
	close(plays);
	close(copy);
}

/* Half a sample would shift all that waits behind it. */
static void a_payload_that_ends_within_a_sample_is_refused(void **state)
{
	(void)state;
	int fd = open_stream("/in/exotel/far",
			     "{'event':'start','sequence_number':'1','stream_sid':'MZe','start':{"
			     "'stream_sid':'MZe','call_sid':'CAe','account_sid':'ACe',"
			     "'media_format':{'encoding':'audio/x-raw','sample_rate':'8000'}}}");

	fake_wait(&lines.hear, "attached", 1);
	assert_int_equal(E_INVALID, ask(641, "payload: 641 bytes are no whole samples of l16"));
	assert_int_equal(0, ask(640, ""));
	close(fd);
}

static void on_placed(void *user, const struct listen_call *c)
{
	struct asked *a = user;

	a->code = c->code;
	snprintf(a->why, sizeof(a->why), "%.*s", SPAN_ARG(c->detail));
	atomic_store(&a->done, 1);
}

static void place_here(struct shard *s, void *arg)
{
	const struct directory *dir = lines.hear.directory;
	const struct dir_source *source = directory_source(dir, SPAN("vapi"), SPAN("main"));
	const struct listen_place what = { .source = source->id, .assistant_id = SPAN("ava") };

	listen_place(media_listen(lines.media), s, &what, on_placed, arg);
}

/* Its socket would be lost with the node. */
static void no_call_is_placed_while_the_node_drains(void **state)
{
	struct asked a = { 0 };

	(void)state;
	atomic_store(&lines.hear.draining, true);
	rig_on_shard(&lines.rig, 0, place_here, &a);
	rig_wait(&a.done, 1);
	assert_int_equal(E_UNAVAILABLE, a.code);
	assert_string_equal("the node stops, and nobody would dial the call again", a.why);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_copy_of_a_call_is_sent_nothing),
		CASE(beside_a_copy_the_stream_that_plays_is_found),
		CASE(a_payload_that_ends_within_a_sample_is_refused),
		CASE(no_call_is_placed_while_the_node_drains),
	};
	return cmocka_run_group_tests_name("say", tests, NULL, NULL);
}
