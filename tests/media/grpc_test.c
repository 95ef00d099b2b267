/* Lines over gRPC: RingCX's streams, with a side of calls that obeys the test. And RingCX's older
 * way in, where it differs from other sockets. */
#include <stdlib.h>
#include <unistd.h>

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

static int64_t passed_over(void)
{
	struct buf b AUTO_BUF = { 0 };

	metrics_write(&b);
	const char *at = strstr(buf_z(&b), "callmend_media_messages_total{kind=\"passed\"} ");
	return at ? strtoll(strchr(at, ' '), NULL, 10) : 0;
}

static void wait_passed_over(int64_t least)
{
	for (int i = 0; passed_over() < least; i++) {
		if (i > RIG_WAIT_MS)
			fail_msg("%lld were passed over", (long long)passed_over());
		usleep(1000);
	}
}

static struct grpc_client *connect_to(struct lines *l)
{
	struct grpc_client *c = grpc_client_new(l->rig.grpc_port, IN_CLEAR);

	client_wait_settings(c); /* the window is large from then on */
	return c;
}

static void end_with(struct grpc_client *c, struct call *k, int status)
{
	call_end(c, k);
	call_wait(c, k);
	assert_int_equal(200, k->http_status);
	assert_int_equal(status, k->status);
}

/* --- a dialog --- */

static void a_dialog_with_a_hold_and_a_transfer(void **state)
{
	(void)state;
	struct lines l = { .grace_ms = 600000 };
	struct buf told AUTO_BUF = { 0 };

	lines_start(&l);
	atomic_store(&l.hear.way, HEAR_OWN);
	struct grpc_client *c = connect_to(&l);
	struct call *k = lines_stream(c, LINES_KEY);
	lines_init(c, k, "s1", "d1", "crm=42");
	lines_join(c, k, "g1", 1, "+15550001", 3);
	lines_join(c, k, "g2", 2, "agent-1", 3);
	fake_wait(&l.hear, "attached", 2); /* at once, though nobody knows the call: it is one */
	lines_media(c, k, "g1", 0, 60);
	lines_media(c, k, "g2", 0, 60);
	lines_info(c, k, "g1", "Hold");
	fake_wait(&l.hear, "\"name\":\"held\"", 1);
	lines_info(c, k, "g1", "off_hold");
	lines_info(c, k, "g1", "something new");
	fake_wait(&l.hear, "\"name\":\"resumed\"", 1);
	lines_leave(c, k, "g2");
	lines_join(c, k, "g3", 2, "agent-2", 3);
	lines_media(c, k, "g3", 0, 10);
	lines_leave(c, k, "g1");
	lines_leave(c, k, "g3");
	end_with(c, k, GRPC_OK);
	fake_wait(&l.hear, "\"name\":\"closed\"", 1);
	assert_int_equal(3, fake_count(&l.hear, "\"attached\""));
	assert_int_equal(3, fake_count(&l.hear, "\"name\":\"left\""));
	assert_int_equal(1, fake_count(&l.hear, "\"party\":\"+15550001\""));
	assert_int_equal(1, fake_count(&l.hear, "\"party\":\"agent-2\""));
	static const char *const never[] = { "unbound", "\"silent\"", "\"quality\"", "linked" };
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		assert_int_equal(0, fake_count(&l.hear, never[i]));
	fake_told(&l.hear, &told);
	const char *message = strstr(buf_z(&told), "message {\"callmend\":\"dialog\"");
	assert_non_null(message);
	assert_true(message < strstr(buf_z(&told), "attached"));
	assert_non_null(strstr(message, "\"id\":\"d1\""));
	wait_value(&l.hear.held, 0);
	grpc_client_free(c);
	lines_stop(&l);
}

/* One participant a stream, and the same dialog. */
static void two_streams_of_one_dialog(void **state)
{
	(void)state;
	struct lines l = { 0 };
	struct buf asked AUTO_BUF = { 0 };

	lines_start(&l);
	atomic_store(&l.hear.way, HEAR_CALL_ID); /* the first is known by its name, too */
	struct grpc_client *c = connect_to(&l);
	struct call *a = lines_stream(c, LINES_KEY), *b = lines_stream(c, LINES_KEY);
	lines_init(c, a, "s1", "d1", "");
	lines_init(c, b, "s2", "d1", "");
	lines_join(c, a, "g1", 1, "p1", 3);
	lines_join(c, b, "g2", 2, "p2", 3);
	lines_media(c, a, "g1", 0, 20);
	lines_media(c, b, "g2", 0, 20);
	fake_wait(&l.hear, "attached", 2);
	end_with(c, a, GRPC_OK);
	end_with(c, b, GRPC_OK);
	fake_wait(&l.hear, "detached", 2);
	assert_true(fake_count(&l.hear, "\"stream\":\"s1\"") > 0);
	assert_true(fake_count(&l.hear, "\"stream\":\"s2\"") > 0);
	assert_int_equal(0, fake_count(&l.hear, "unbound"));
	fake_asked(&l.hear, &asked);
	assert_string_equal("|d1|1\n|d1|1\n", buf_z(&asked));
	wait_value(&l.hear.held, 0);
	grpc_client_free(c);
	lines_stop(&l);
}

/* Looked for by the other platform's name; then a call of its own, by its own; then again. */
static void a_dialog_that_names_another_call(void **state)
{
	(void)state;
	struct lines l = { .grace_ms = 300 };
	struct buf asked AUTO_BUF = { 0 };

	lines_start(&l);
	atomic_store(&l.hear.way, HEAR_OWN);
	struct grpc_client *c = connect_to(&l);
	struct call *k = lines_stream(c, LINES_KEY);
	lines_init(c, k, "s1", "d1", "Telephony_Session-ID=s-7;CALLMEND_TOKEN=t");
	lines_join(c, k, "g1", 1, "p1", 3);
	fake_wait(&l.hear, "\"unbound\"", 1);
	fake_asked(&l.hear, &asked);
	assert_memory_equal("t|s-7|0\n", buf_z(&asked), 8);
	assert_non_null(strstr(buf_z(&asked), "t|d1|1\n"));
	int claims = atomic_load(&l.hear.claims);
	rig_wait(&l.hear.claims, claims + 1);
	atomic_store(&l.hear.way, HEAR_TELEPHONY);
	fake_wait(&l.hear, "\"linked\"", 1);
	end_with(c, k, GRPC_OK);
	fake_wait(&l.hear, "detached", 1);
	fake_asked(&l.hear, &asked);
	assert_int_equal(0, strcmp(strrchr(buf_z(&asked), 't'), "t|s-7|0\n"));
	wait_value(&l.hear.held, 0);
	grpc_client_free(c);
	lines_stop(&l);
}

/* Over before the first answer: the other name goes first all the same. */
static void a_short_dialog_that_names_another_call(void **state)
{
	(void)state;
	struct lines l = { .grace_ms = 600000 };
	struct buf asked AUTO_BUF = { 0 };

	lines_start(&l);
	atomic_store(&l.hear.way, HEAR_OWN);
	struct grpc_client *c = connect_to(&l);
	struct call *k = lines_stream(c, LINES_KEY);
	lines_init(c, k, "s1", "d1", "telephonySessionId=s-7");
	lines_join(c, k, "g1", 1, "p1", 3);
	end_with(c, k, GRPC_OK);
	fake_wait(&l.hear, "detached", 1);
	fake_asked(&l.hear, &asked);
	const char *own = strstr(buf_z(&asked), "|d1|1\n");
	assert_non_null(own);
	assert_true(strstr(buf_z(&asked), "|s-7|0\n") < own);
	grpc_client_free(c);
	lines_stop(&l);
}

static void whose_start_was_lost(void **state)
{
	(void)state;
	struct lines l = { 0 };
	struct buf told AUTO_BUF = { 0 };

	lines_start(&l);
	struct grpc_client *c = connect_to(&l);
	struct call *k = lines_stream(c, LINES_KEY);
	lines_init(c, k, "s1", "d1", "");
	lines_media(c, k, "g1", 0, 10);
	fake_wait(&l.hear, "attached", 1);
	lines_join(c, k, "g1", 1, "p1", 3);
	lines_media(c, k, "g1", 10, 10);
	end_with(c, k, GRPC_OK);
	fake_wait(&l.hear, "\"name\":\"closed\"", 1);
	assert_int_equal(2, fake_count(&l.hear, "attached"));
	assert_int_equal(1, fake_count(&l.hear, "\"name\":\"left\",\"id\"") +
				    fake_count(&l.hear, "\"name\":\"left\""));
	fake_told(&l.hear, &told);
	assert_non_null(strstr(buf_z(&told), "\"heard\":\"attached\",\"leg\":0,\"at_us\""));
	assert_non_null(
		strstr(buf_z(&told), "\"heard\":\"attached\",\"leg\":0,\"speaker\":\"user\""));
	grpc_client_free(c);
	lines_stop(&l);
}

static void more_than_there_are_places(void **state)
{
	(void)state;
	struct lines l = { 0 };
	char name[8];

	lines_start(&l);
	int64_t passed = passed_over();
	struct grpc_client *c = connect_to(&l);
	struct call *k = lines_stream(c, LINES_KEY);
	lines_init(c, k, "s1", "d1", "");
	for (unsigned i = 0; i < 9; i++) {
		snprintf(name, sizeof(name), "g%u", i);
		lines_join(c, k, name, 1, name, 3);
	}
	lines_media(c, k, "g8", 0, 3);
	wait_passed_over(passed + 4);
	fake_wait(&l.hear, "attached", 8);
	assert_int_equal(8, fake_count(&l.hear, "attached"));
	for (unsigned i = 0; i < 12; i++) { /* over time there may be any number */
		snprintf(name, sizeof(name), "g%u", i);
		lines_leave(c, k, name);
		snprintf(name, sizeof(name), "g%u", i + 9);
		lines_join(c, k, name, 2, name, 3);
		lines_media(c, k, name, 0, 3);
	}
	end_with(c, k, GRPC_OK);
	fake_wait(&l.hear, "\"name\":\"closed\"", 8);
	assert_int_equal(fake_count(&l.hear, "\"attached\""), fake_count(&l.hear, "\"detached\""));
	wait_value(&l.hear.held, 0);
	grpc_client_free(c);
	lines_stop(&l);
}

/* Nothing was ever said: no call is made of it. */
static void a_dialog_of_nobody(void **state)
{
	(void)state;
	struct lines l = { .grace_ms = 1, .max_lines = 1 };

	lines_start(&l);
	struct grpc_client *c = connect_to(&l);
	for (int i = 0; i < 3; i++) { /* its line is given back */
		struct call *k = lines_stream(c, LINES_KEY);

		lines_init(c, k, "s1", "d1", "");
		end_with(c, k, GRPC_OK);
	}
	assert_int_equal(0, atomic_load(&l.hear.claims));
	assert_int_equal(0, atomic_load(&l.hear.bodies));
	grpc_client_free(c);
	lines_stop(&l);
}

/* --- who may --- */

static void refused(struct grpc_client *c, const char *authorization, int status, char message[64])
{
	struct call *k = lines_stream(c, authorization);

	call_wait(c, k);
	assert_int_equal(status, k->status);
	snprintf(message, 64, "%.60s", k->message);
}

static void wrong_credentials(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		NULL,	"",	  "Basic",	 "Basic cmM6czNjcmV1", "s3cret", "Bearer s3cret",
		"key-", "key-22", "Bearer same", /* of two sources */
		"same",
	};
	struct lines l = { 0 };
	char first[64], message[64];

	lines_start(&l);
	struct grpc_client *c = connect_to(&l);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		refused(c, wrong[i], GRPC_UNAUTHENTICATED, i ? message : first);
		if (i) /* nothing tells which */
			assert_string_equal(first, message);
	}
	grpc_client_free(c);
	lines_stop(&l);
}

static void credentials_in_every_form(void **state)
{
	(void)state;
	static const char *const right[] = { LINES_KEY, "basic cmM6czNjcmV0", "key-2",
					     "Bearer key-2", "bearer key-2" };
	struct lines l = { 0 };

	lines_start(&l);
	struct grpc_client *c = connect_to(&l);
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		struct call *k = lines_stream(c, right[i]);

		lines_init(c, k, "s1", "d1", "");
		end_with(c, k, GRPC_OK);
	}
	grpc_client_free(c);
	lines_stop(&l);
}

static void no_room(void **state)
{
	(void)state;
	struct lines l = { .max_lines = 1 };
	char message[64];

	lines_start(&l);
	struct grpc_client *c = connect_to(&l);
	struct call *k = lines_stream(c, LINES_KEY);
	lines_init(c, k, "s1", "d1", "");
	refused(c, LINES_KEY, GRPC_RESOURCE_EXHAUSTED, message);
	end_with(c, k, GRPC_OK);
	atomic_store(&l.hear.draining, true);
	refused(c, LINES_KEY, GRPC_UNAVAILABLE, message);
	refused(c, "wrong", GRPC_UNAUTHENTICATED, message); /* and learns nothing of that */
	atomic_store(&l.hear.draining, false);
	const struct directory *d = l.hear.directory;
	l.hear.directory = NULL;
	refused(c, LINES_KEY, GRPC_UNAVAILABLE, message);
	l.hear.directory = d;
	k = lines_stream(c, LINES_KEY); /* and there is room again */
	lines_init(c, k, "s1", "d1", "");
	end_with(c, k, GRPC_OK);
	grpc_client_free(c);
	lines_stop(&l);
}

/* --- how it ends --- */

static void what_cannot_be_heard(void **state)
{
	(void)state;
	struct lines l = { 0 };

	lines_start(&l);
	struct grpc_client *c = connect_to(&l);
	struct call *k = lines_stream(c, LINES_KEY);
	lines_join(c, k, "g1", 1, "p1", 3); /* before its dialog */
	call_wait(c, k);
	assert_int_equal(GRPC_INVALID_ARGUMENT, k->status);
	assert_non_null(strstr(k->message, "dialog_init"));
	k = lines_stream(c, LINES_KEY);
	call_message(c, k, "nonsense");
	call_wait(c, k);
	assert_int_equal(GRPC_INVALID_ARGUMENT, k->status);
	k = lines_stream(c, LINES_KEY);
	lines_init(c, k, "s1", "d1", "");
	lines_join(c, k, "g1", 1, "p1", 5); /* FLAC */
	call_wait(c, k);
	assert_int_equal(GRPC_INVALID_ARGUMENT, k->status);
	assert_non_null(strstr(k->message, "flac"));
	grpc_client_free(c);
	lines_stop(&l);
}

static void a_stream_that_is_cut(void **state)
{
	(void)state;
	for (int reset = 0; reset < 2; reset++) {
		struct lines l = { 0 };

		lines_start(&l);
		struct grpc_client *c = connect_to(&l);
		struct call *k = lines_stream(c, LINES_KEY);
		lines_init(c, k, "s1", "d1", "");
		lines_join(c, k, "g1", 1, "p1", 3);
		lines_media(c, k, "g1", 0, 10);
		fake_wait(&l.hear, "attached", 1);
		if (reset)
			call_reset(c, k, NGHTTP2_CANCEL);
		else
			grpc_client_free(c);
		fake_wait(&l.hear, "\"name\":\"lost\"", 1);
		if (reset)
			grpc_client_free(c);
		wait_value(&l.hear.held, 0);
		lines_stop(&l);
	}
}

static void the_node_stops(void **state)
{
	(void)state;
	struct lines l = { 0 };

	lines_start(&l);
	struct grpc_client *c = connect_to(&l);
	struct call *k = lines_stream(c, LINES_KEY);
	lines_init(c, k, "s1", "d1", "");
	lines_join(c, k, "g1", 1, "p1", 3);
	fake_wait(&l.hear, "attached", 1);
	rig_stop(&l.rig);
	assert_int_equal(1, fake_count(&l.hear, "node stops"));
	client_wait_end(c);
	assert_int_equal(GRPC_UNAVAILABLE, k->status);
	grpc_client_free(c);
	media_free(l.media);
	directory_unref(l.hear.directory);
	buf_free(&l.hear.told);
	buf_free(&l.hear.asked);
}

/* --- sinks, and who listens --- */

struct taker {
	atomic_int frames, samples, bytes, over, ended;
	int64_t at[8]; /* end of the last frame of each leg */
	atomic_bool hole;
};

static void *take_begin(void *owner, struct media_line *l)
{
	struct media_leg_about about;

	assert_false(media_line_leg(l, 0, &about)); /* they come later */
	return owner;
}

static void take_frame(void *user, const struct media_frame *f)
{
	struct taker *t = user;

	if (f->pcm.at != t->at[f->leg])
		atomic_store(&t->hole, true);
	t->at[f->leg] = f->pcm.at + (int64_t)f->pcm.n;
	atomic_fetch_add(&t->frames, 1);
	atomic_fetch_add(&t->samples, (int)f->pcm.n);
	atomic_fetch_add(&t->bytes, (int)f->payload.n);
}

static void take_leg_over(void *user, unsigned leg)
{
	struct taker *t = user;

	t->at[leg] = 0; /* who comes next begins anew */
	atomic_fetch_add(&t->over, 1);
}

static void take_end(void *user, const char *why)
{
	struct taker *t = user;

	assert_string_equal("closed", why);
	atomic_fetch_add(&t->ended, 1);
}

static void sinks_get_legs_that_come_and_go(void **state)
{
	(void)state;
	static const struct media_sink sink = { take_begin, NULL,	   take_frame,
						take_end,   take_leg_over, false };
	struct taker t = { 0 };
	struct lines l = { .sink = &sink, .sink_owner = &t };
	char name[8];

	lines_start(&l);
	struct grpc_client *c = connect_to(&l);
	struct call *k = lines_stream(c, LINES_KEY);
	lines_init(c, k, "s1", "d1", "");
	for (unsigned i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "g%u", i);
		lines_join(c, k, name, 1, name, i % 2 ? 2 : 3); /* µ-law, A-law */
		lines_media(c, k, name, 0, 5);
		lines_leave(c, k, name);
	}
	end_with(c, k, GRPC_OK);
	rig_wait(&t.ended, 1);
	assert_int_equal(20, atomic_load(&t.over));
	assert_int_equal(20 * 5, atomic_load(&t.frames));
	assert_int_equal(20 * 5 * 800, atomic_load(&t.samples));
	assert_int_equal(20 * 5 * 800, atomic_load(&t.bytes));
	assert_false(atomic_load(&t.hole));
	grpc_client_free(c);
	lines_stop(&l);
}

struct ear {
	struct lines *lines;
	struct listener *listener;
	atomic_int frames, over;
};

static bool hear_frame(void *user, struct message *m)
{
	struct ear *e = user;

	(void)m;
	atomic_fetch_add(&e->frames, 1);
	return true;
}

static void hear_over(void *user, enum listen_end why)
{
	struct ear *e = user;

	(void)why;
	atomic_fetch_add(&e->over, 1);
}

static void start_listening(struct shard *s, void *arg)
{
	struct ear *e = arg;
	const struct listen_handlers handlers = { .frame = hear_frame,
						  .over = hear_over,
						  .user = e };
	const struct dir_source *source = &e->lines->hear.directory->sources[0];
	struct uuid call = fake_call(HEAR_CALL_ID);

	e->listener = listen_start(media_listen(e->lines->media), s, &source->org, &call,
				   LISTEN_MIX, 0, &handlers);
}

static void stop_listening(struct shard *s, void *arg)
{
	struct ear *e = arg;

	(void)s;
	listen_stop(e->listener);
}

/* On hold, and while one has left and the next has not come. */
static void who_listens_hears_the_pauses(void **state)
{
	(void)state;
	struct lines l = { 0 };
	struct ear ear = { .lines = &l };

	lines_start(&l);
	atomic_store(&l.hear.way, HEAR_CALL_ID);
	struct grpc_client *c = connect_to(&l);
	struct call *k = lines_stream(c, LINES_KEY);
	lines_init(c, k, "s1", "d1", "");
	lines_join(c, k, "g1", 1, "p1", 3);
	lines_media(c, k, "g1", 0, 10);
	fake_wait(&l.hear, "attached", 1);
	rig_on_shard(&l.rig, 0, start_listening, &ear);
	rig_wait(&ear.frames, 20); /* nothing is sent: time passes all the same */
	lines_info(c, k, "g1", "hold");
	rig_wait(&ear.frames, atomic_load(&ear.frames) + 10);
	lines_leave(c, k, "g1");
	fake_wait(&l.hear, "detached", 1);
	rig_wait(&ear.frames, atomic_load(&ear.frames) + 10);
	lines_join(c, k, "g2", 1, "p1", 3);
	lines_media(c, k, "g2", 0, 10);
	rig_wait(&ear.frames, atomic_load(&ear.frames) + 10);
	assert_int_equal(0, atomic_load(&ear.over));
	end_with(c, k, GRPC_OK);
	rig_wait(&ear.over, 1);
	rig_on_shard(&l.rig, 0, stop_listening, &ear);
	grpc_client_free(c);
	lines_stop(&l);
}

/* --- the older way in --- */

static void agent_frames(int fd, const char *perspective, unsigned n)
{
	struct buf b AUTO_BUF = { 0 };

	for (unsigned i = 0; i < n; i++) {
		buf_clear(&b);
		buf_printf(&b,
			   "{\"event\":\"Media\",\"perspective\":\"%s\",\"sequenceId\":\"%u\","
			   "\"media\":\"/////////////////////w==\"}",
			   perspective, i);
		wsc_send(fd, 0x81, b.p, b.n);
	}
}

static void a_session_of_an_agent(void **state)
{
	(void)state;
	struct lines l = { .grace_ms = 600000 };
	int status;

	lines_start(&l);
	atomic_store(&l.hear.way, HEAR_OWN);
	int fd = lines_open(&l, "/in/ringcx/centre?callId=123&secret=whatever", &status);
	assert_int_equal(101, status);
	lines_text(
		fd,
		"{'event':'Start','metadata':{'callId':'123','sessionId':2,'ani':'1','contentType':"
		"'audio/x-mulaw','sampleRateHertz':8000}}");
	agent_frames(fd, "Participant", 50);
	agent_frames(fd, "Conference", 50);
	fake_wait(&l.hear, "attached", 2);
	lines_text(fd, "{'event':'Stop','metadata':{'duration':1}}");
	lines_text(fd, "{'event':'Stop','metadata':{'duration':1}}");
	fake_wait(&l.hear, "\"name\":\"stop\"", 2);
	assert_int_equal(0, fake_count(&l.hear, "unbound"));
	assert_int_equal(1, fake_count(&l.hear, "message {\"callmend\":\"dialog\""));
	close(fd);
	wait_value(&l.hear.held, 0);
	lines_stop(&l);
}

static void a_secret_may_stand_in_the_query(void **state)
{
	(void)state;
	static const struct {
		const char *path;
		int status;
	} tries[] = {
		{ "/in/ringcx/second", 401 },
		{ "/in/ringcx/second?callId=1&x=key-3", 401 },
		{ "/in/ringcx/second?callId=1&x=key-2", 101 },
		{ "/in/ringcx/second?callId=1&auth=Bearer%20key-2", 101 },
		{ "/in/ringcx/centre?x=key-2", 401 }, /* another's */
		{ "/in/twilio/phone?x=key-2", 401 },
		{ "/in/ringcx-grpc/second?x=key-2", 404 },
	};
	struct lines l = { 0 };

	lines_start(&l);
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		struct reply r = { 0 };
		int fd = client_connect(l.rig.port);

		wsc_open(fd, tries[i].path, "X-Vapi-Secret: wrong\r\n", &r);
		assert_int_equal(tries[i].status, r.status);
		reply_free(&r);
		close(fd);
	}
	lines_stop(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dialog_with_a_hold_and_a_transfer),
		cmocka_unit_test(two_streams_of_one_dialog),
		cmocka_unit_test(a_dialog_that_names_another_call),
		cmocka_unit_test(a_short_dialog_that_names_another_call),
		cmocka_unit_test(whose_start_was_lost),
		cmocka_unit_test(more_than_there_are_places),
		cmocka_unit_test(a_dialog_of_nobody),
		cmocka_unit_test(wrong_credentials),
		cmocka_unit_test(credentials_in_every_form),
		cmocka_unit_test(no_room),
		cmocka_unit_test(what_cannot_be_heard),
		cmocka_unit_test(a_stream_that_is_cut),
		cmocka_unit_test(the_node_stops),
		cmocka_unit_test(sinks_get_legs_that_come_and_go),
		cmocka_unit_test(who_listens_hears_the_pauses),
		cmocka_unit_test(a_session_of_an_agent),
		cmocka_unit_test(a_secret_may_stand_in_the_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
