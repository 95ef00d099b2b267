/* Commands over the socket of a call's audio: a transport that we dial, and its other side. */
#include <stdlib.h>
#include <unistd.h>

#include "base/container.h"
#include "fake_hear.h"
#include "media/internal.h"

static const struct uuid CALL = { { 1 } }, OTHER = { { 2 } };
static struct lines lines;

/* --- the other side --- */

static struct {
	pthread_mutex_t lock;
	struct buf texts; /* a line each */
	atomic_int open, n;
	struct ws *ws;
} peer = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int on_accept(struct exchange *x, struct ws *ws)
{
	(void)x;
	peer.ws = ws;
	atomic_fetch_add(&peer.open, 1);
	return 0;
}

static void on_text(struct ws *ws, struct span text)
{
	(void)ws;
	pthread_mutex_lock(&peer.lock);
	buf_add(&peer.texts, text);
	buf_addc(&peer.texts, '\n');
	pthread_mutex_unlock(&peer.lock);
	atomic_fetch_add(&peer.n, 1);
}

static void on_binary(struct ws *ws, struct span bytes)
{
	(void)ws;
	(void)bytes;
}

static void on_closed(struct ws *ws, int code)
{
	(void)ws;
	(void)code;
	atomic_fetch_sub(&peer.open, 1);
}

static const struct ws_handlers handlers = {
	.accept = on_accept, .text = on_text, .binary = on_binary, .closed = on_closed
};

/* --- ours --- */

static void dial_peer(struct shard *s, void *arg)
{
	(void)arg;
	lines_place(&lines, s, &CALL, SPAN("mulaw"), 8000);
}

static void look_for_line(struct shard *s, void *arg)
{
	*(bool *)arg = media_at(lines.media, s)->lines != NULL;
}

static void wait_line(bool there)
{
	bool is = !there;

	for (int i = 0; i < RIG_WAIT_MS && is != there; i++) {
		rig_on_shard(&lines.rig, 0, look_for_line, &is);
		usleep(1000);
	}
	assert_int_equal(is, there);
}

static int setup(void **state)
{
	(void)state;
	lines = (struct lines){ .more = { .method = HTTP_GET,
					  .pattern = "/transport",
					  .body_limit = 100000,
					  .ws = &handlers } };
	buf_clear(&peer.texts);
	atomic_store(&peer.n, 0);
	lines_start(&lines);
	rig_on_shard(&lines.rig, 0, dial_peer, NULL);
	wait_line(true);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lines_stop(&lines);
	buf_free(&peer.texts);
	return 0;
}

struct asked {
	struct errand errand;
	struct command command;
	struct uuid call, org;
	atomic_int done;
};

static void on_done(struct errand *e)
{
	atomic_store(&CONTAINER_OF(e, struct asked, errand)->done, 1);
}

static void ask(struct shard *s, void *arg)
{
	struct asked *a = arg;

	a->errand = (struct errand){
		.home = s, .org = a->org, .call = a->call, .command = &a->command, .done = on_done
	};
	media_command(lines.media, &a->errand);
}

static struct asked asked_of(enum command_verb verb)
{
	return (struct asked){ .command = { .verb = verb, .text = SPAN("Good evening.") },
			       .call = CALL,
			       .org = lines.hear.directory->sources[1].org };
}

static void expect(struct asked *a, enum outcome_end end, const char *why)
{
	rig_on_shard(&lines.rig, 0, ask, a);
	rig_wait(&a->done, 1);
	assert_int_equal(end, a->errand.end);
	if (end != OUTCOME_DONE)
		assert_string_equal(why, a->errand.why.text);
}

/* ------------------------------------------------------------------------------------------ */

static void commands_arrive_in_order(void **state)
{
	static const enum command_verb verbs[] = { COMMAND_SAY, COMMAND_MUTE, COMMAND_UNMUTE,
						   COMMAND_END };

	(void)state;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		struct asked a = asked_of(verbs[i]);

		expect(&a, OUTCOME_DONE, NULL);
	}
	rig_wait(&peer.n, 4);
	assert_string_equal("{\"type\":\"say\",\"content\":\"Good evening.\","
			    "\"interruptAssistantEnabled\":false,\"endCallAfterSpoken\":false}\n"
			    "{\"type\":\"control\",\"control\":\"mute-assistant\"}\n"
			    "{\"type\":\"control\",\"control\":\"unmute-assistant\"}\n"
			    "{\"type\":\"end-call\"}\n",
			    buf_z(&peer.texts));
}

static void refused_before_anything_is_sent(void **state)
{
	static const char none[] =
		"the call's socket is not open here, and there is no control URL";
	struct asked impossible = asked_of(COMMAND_RECORD_PAUSE), stranger = asked_of(COMMAND_END),
		     elsewhere = asked_of(COMMAND_END);

	(void)state;
	expect(&impossible, OUTCOME_NOT_SENT, "Vapi has no such command");
	stranger.org = OTHER;
	expect(&stranger, OUTCOME_NOT_SENT, none);
	elsewhere.call = OTHER;
	expect(&elsewhere, OUTCOME_NOT_SENT, none);
	assert_int_equal(0, atomic_load(&peer.n));
}

static void close_peer(struct shard *s, void *arg)
{
	(void)s;
	(void)arg;
	ws_close(peer.ws, 1000, "over");
}

static void after_the_end_there_is_no_socket(void **state)
{
	struct asked a = asked_of(COMMAND_SAY);

	(void)state;
	rig_on_shard(&lines.rig, 0, close_peer, NULL);
	wait_line(false);
	expect(&a, OUTCOME_NOT_SENT,
	       "the call's socket is not open here, and there is no control URL");
}

/* By mail, so that it runs behind the command and before the loop turns to sockets. */
struct mishap {
	struct mail mail;
	struct asked *asked;
};

static void run_lost(struct mail *m, struct shard *here)
{
	struct media_line *l = media_at(lines.media, here)->lines;

	(void)m;
	assert_non_null(l->orders);
	ws_client_disconnect(l->client);
}

static void run_cut(struct mail *m, struct shard *here)
{
	struct asked *a = ((struct mishap *)m)->asked;
	struct media_line *l = media_at(lines.media, here)->lines;

	assert_ptr_equal(&a->errand, l->orders);
	order_sent(l, a->errand.number + 1, true); /* another's */
	assert_ptr_equal(&a->errand, l->orders);
	order_sent(l, a->errand.number, false);
	assert_null(l->orders);
}

static void ask_with_mishap(struct shard *s, void *arg)
{
	struct mishap *m = arg;

	ask(s, m->asked);
	shard_post_sure(s, &m->mail);
}

static void lost_before_it_was_written(void **state)
{
	struct asked a = asked_of(COMMAND_SAY);
	struct mishap m = { .mail.run = run_lost, .asked = &a };

	(void)state;
	rig_on_shard(&lines.rig, 0, ask_with_mishap, &m);
	rig_wait(&a.done, 1);
	assert_int_equal(OUTCOME_NOT_SENT, a.errand.end);
	assert_string_equal("the call's socket was lost", a.errand.why.text);
	assert_int_equal(0, atomic_load(&peer.n));
}

static void cut_in_the_middle_of_it(void **state)
{
	struct asked a = asked_of(COMMAND_SAY);
	struct mishap m = { .mail.run = run_cut, .asked = &a };

	(void)state;
	rig_on_shard(&lines.rig, 0, ask_with_mishap, &m);
	rig_wait(&a.done, 1);
	assert_int_equal(OUTCOME_UNKNOWN, a.errand.end);
	assert_string_equal("the call's socket was lost meanwhile", a.errand.why.text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(commands_arrive_in_order),		TEST(refused_before_anything_is_sent),
		TEST(after_the_end_there_is_no_socket), TEST(lost_before_it_was_written),
		TEST(cut_in_the_middle_of_it),
	};
	return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
