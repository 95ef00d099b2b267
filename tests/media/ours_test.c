/* What the other side plays of what we have sent: a leg, on the test's clock. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "fake_hear.h"
#include "media/internal.h"

enum { MS = 8, FRAME = PLAY_FRAME_MS * MS, HEARD_MAX = 200000 }; /* samples, of 8 kHz */
#define AHEAD_US (3600 * SECOND_US)

static struct lines lines;

/* --- what our leg hears --- */

static struct {
	int16_t samples[HEARD_MAX];
	size_t n;
	uint32_t rate_hz;
	int gaps;
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
	assert_int_equal(SPEAKER_AI, f->speaker);
	ours.rate_hz = f->rate_hz;
	ours.gaps += f->pcm.at != (int64_t)ours.n;
	assert_true(ours.n + f->pcm.n <= HEARD_MAX);
	memcpy(ours.samples + ours.n, f->pcm.samples, f->pcm.n * sizeof(int16_t));
	ours.n += f->pcm.n;
}

static void take_end(void *user, const char *why)
{
	(void)user, (void)why;
}

static const struct media_sink sink = { .begin = take_any, .frame = take_frame, .end = take_end };

static int setup(void **state)
{
	(void)state;
	memset(&ours, 0, sizeof(ours));
	lines = (struct lines){ .sink = &sink, .sink_owner = &ours };
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

static void look_whether_it_runs(struct shard *s, void *arg)
{
	const struct media_line *l = media_at(lines.media, s)->lines;

	*(bool *)arg = l && l->state == LINE_RUNNING;
}

static int open_stream(const char *path, const char *start)
{
	bool runs = false;
	int status, fd = lines_open(&lines, path, &status);

	assert_int_equal(101, status);
	lines_text(fd, start);
	for (int i = 0; !runs && i < RIG_WAIT_MS; i++, usleep(1000))
		rig_on_shard(&lines.rig, 0, look_whether_it_runs, &runs);
	assert_true(runs);
	return fd;
}

/* --- what the tests do on the line's shard, where no time passes but theirs --- */

struct step {
	enum { PLAY, PASS, MARKED, CLEAR } what;
	unsigned ms;	  /* of sound, or time; MARKED: none */
	const char *name; /* of the mark */
	int value;	  /* of every sample sent */
	int code;	  /* of PLAY */
};

static struct media_line *line_of(struct shard *s)
{
	struct media_line *l = media_at(lines.media, s)->lines;

	assert_non_null(l);
	return l;
}

static bool ticks(const struct media_line *l)
{
	return l->our_leg && l->legs[l->our_leg].ours;
}

/* Time is what the test says from now on: ours never comes so far. */
static void stop_clock(struct media_line *l)
{
	uv_timer_stop(&l->home->clock);
	l->clock_us += AHEAD_US;
}

static void step_play(struct media_line *l, struct step *p)
{
	size_t n = p->ms * MS;
	char *bytes = malloc(n);
	struct fault f = { 0 };
	bool ticked = ticks(l);

	memset(bytes, g711_ulaw_of((int16_t)p->value), n);
	p->code = line_play(l, (struct span){ bytes, n }, span_of(p->name ? p->name : ""), &f);
	free(bytes);
	if (!ticked && ticks(l))
		stop_clock(l);
}

static void step_pass(struct media_line *l, struct step *p)
{
	for (unsigned i = 0; ticks(l) && i < p->ms / PLAY_FRAME_MS; i++)
		line_clock(l, l->clock_us);
	inbox_hear(l->home);
}

static void step_marked(struct media_line *l, struct step *p)
{
	line_marked(l, span_of(p->name), 1);
}

static void step_clear(struct media_line *l, struct step *p)
{
	struct fault f = { 0 };

	(void)p;
	assert_int_equal(0, line_clear(l, &f));
}

static void take_step(struct shard *s, void *arg)
{
	static void (*const steps[])(struct media_line *, struct step *) = {
		[PLAY] = step_play, [PASS] = step_pass, [MARKED] = step_marked, [CLEAR] = step_clear
	};
	struct step *p = arg;

	steps[p->what](line_of(s), p);
}

static int step(struct step p)
{
	rig_on_shard(&lines.rig, 0, take_step, &p);
	return p.code;
}

static void play(unsigned ms, int value)
{
	assert_int_equal(0, step((struct step){ .what = PLAY, .ms = ms, .value = value }));
}

static void play_to(const char *mark, unsigned ms, int value)
{
	assert_int_equal(
		0, step((struct step){ .what = PLAY, .ms = ms, .name = mark, .value = value }));
}

static void pass(unsigned ms)
{
	step((struct step){ .what = PASS, .ms = ms });
}

static void comes_back(const char *mark)
{
	step((struct step){ .what = MARKED, .name = mark });
}

/* From there, so much of this value was heard, and no more. */
static unsigned heard(unsigned from_ms, unsigned ms, int value)
{
	int16_t exactly = g711_ulaw_table[g711_ulaw_of((int16_t)value)];

	for (size_t i = from_ms * MS; i < (from_ms + ms) * MS; i++)
		if (i >= ours.n || ours.samples[i] != exactly)
			fail_msg("at %zu of %zu: %d, not %d", i, ours.n,
				 i < ours.n ? ours.samples[i] : 0, exactly);
	return from_ms + ms;
}

static void heard_no_more(unsigned at_ms)
{
	heard(at_ms, (unsigned)(ours.n / MS) - at_ms, 0);
	assert_int_equal(0, ours.gaps);
}

/* --- streams --- */

static const char twilio[] =
	"{'event':'start','sequenceNumber':'1','start':{'accountSid':'AC1','streamSid':'MZ1',"
	"'callSid':'CA1','tracks':['inbound'],'mediaFormat':{'encoding':'audio/x-mulaw',"
	"'sampleRate':8000,'channels':1}},'streamSid':'MZ1'}";
static const char both_tracks[] =
	"{'event':'start','sequenceNumber':'1','start':{'accountSid':'AC1','streamSid':'MZ1',"
	"'callSid':'CA1','tracks':['inbound','outbound'],'mediaFormat':{'encoding':'audio/x-mulaw',"
	"'sampleRate':8000,'channels':1}},'streamSid':'MZ1'}";

static const char telnyx[] =
	"{'event':'start','sequence_number':'1','start':{'user_id':'u','call_control_id':'v2:1',"
	"'media_format':{'encoding':'PCMU','sample_rate':8000,'channels':1}},'stream_id':'MZ1'}";

static void open_twilio(int *fd)
{
	*fd = open_stream("/in/twilio/phone", twilio);
	fake_wait(&lines.hear, "attached", 1);
}

static void nobody_is_paced(struct shard *s, void *arg)
{
	(void)arg;
	assert_null(media_at(lines.media, s)->paced);
	assert_false(uv_is_active((uv_handle_t *)&media_at(lines.media, s)->clock));
}

static void is_idle(struct shard *s, void *arg)
{
	nobody_is_paced(s, arg);
	assert_null(line_of(s)->legs[1].leg);
}

static void is_paced(struct shard *s, void *arg)
{
	(void)arg;
	assert_ptr_equal(line_of(s), media_at(lines.media, s)->paced);
}

/* --- the model --- */

static void nothing_sent_is_no_leg_and_no_clock(void **state)
{
	(void)state;
	int fd;

	open_twilio(&fd);
	rig_on_shard(&lines.rig, 0, is_idle, NULL);
	step((struct step){ .what = CLEAR });
	rig_on_shard(&lines.rig, 0, is_idle, NULL);
	play(100, 3000);
	fake_wait(&lines.hear, "attached", 2);
	assert_int_equal(1, fake_count(&lines.hear, "\"speaker\":\"ai\""));
	rig_on_shard(&lines.rig, 0, is_paced, NULL);
	close(fd);
	fake_wait(&lines.hear, "detached", 2);
	rig_on_shard(&lines.rig, 0, nobody_is_paced, NULL);
}

static void what_is_sent_is_played_back_to_back(void **state)
{
	(void)state;
	int fd;

	open_twilio(&fd);
	play(105, 1000);
	play(50, 2000);
	pass(200);
	play(30, 3000);
	pass(100);
	unsigned at = heard(heard(0, 105, 1000), 50, 2000);
	at = heard(at, 45, 0);
	heard_no_more(heard(at, 30, 3000));
	assert_int_equal(300 * MS, ours.n);
	assert_int_equal(8000, ours.rate_hz);
	close(fd);
}

/* Half of a frame's time has passed; or more, where the machine is busy. */
static void play_within_a_frame(struct shard *s, void *arg)
{
	struct media_line *l = line_of(s);

	(void)arg;
	l->clock_us = clock_monotonic_us() + PLAY_FRAME_MS * MS_US / 2;
	step_play(l, &(struct step){ .ms = 100, .value = 2000 });
	stop_clock(l);
}

static void what_is_sent_begins_when_it_is_sent(void **state)
{
	(void)state;
	int fd;
	size_t quiet = 100 * MS;

	open_twilio(&fd);
	play(100, 1000);
	pass(100);
	rig_on_shard(&lines.rig, 0, play_within_a_frame, NULL);
	pass(200);
	while (quiet < ours.n && !ours.samples[quiet])
		quiet++;
	assert_true(quiet >= (100 + PLAY_FRAME_MS / 2 - 1) * MS);
	heard_no_more(heard((unsigned)quiet / MS, 100, 2000));
	close(fd);
}

static void a_clear_leaves_nothing(void **state)
{
	(void)state;
	int fd;

	open_twilio(&fd);
	play_to("m", 60000, 1000);
	pass(100);
	step((struct step){ .what = CLEAR });
	pass(100);
	play(100, 2000);
	comes_back("m"); /* because it was cleared: it says nothing of where the other side is */
	pass(200);
	unsigned at = heard(heard(0, 100, 1000), 100, 0);
	heard_no_more(heard(at, 100, 2000));
	close(fd);
}

static void a_mark_that_comes_early_passes_over_what_is_in_front_of_it(void **state)
{
	(void)state;
	int fd;

	open_twilio(&fd);
	play_to("a", 1000, 1000);
	play(200, 2000);
	pass(200);
	comes_back("a");
	pass(400);
	heard_no_more(heard(heard(0, 200, 1000), 200, 2000));
	close(fd);
}

static void a_mark_that_comes_late_has_what_is_behind_it_wait(void **state)
{
	(void)state;
	int fd;

	open_twilio(&fd);
	play_to("a", 200, 1000);
	play_to("b", 1000, 2000);
	pass(700); /* half a second of what has not been played yet */
	comes_back("a");
	play(100, 3000);
	pass(1100);
	comes_back("b"); /* in time */
	pass(200);
	unsigned at = heard(heard(heard(0, 200, 1000), 500, 2000), 500, 0);
	heard_no_more(heard(heard(at, 500, 2000), 100, 3000));
	close(fd);
}

/* Though nothing waits here any more. */
static void what_is_sent_behind_a_late_mark_waits_too(void **state)
{
	(void)state;
	int fd;

	open_twilio(&fd);
	play_to("a", 100, 1000);
	play(200, 2000);
	pass(1000);
	comes_back("a");
	pass(100);
	play(100, 3000);
	pass(300);
	unsigned at = heard(heard(heard(0, 100, 1000), 200, 2000), 900, 0);
	heard_no_more(heard(at, 100, 3000));
	close(fd);
}

static void two_marks_correct_as_the_last_says(void **state)
{
	(void)state;
	int fd;

	open_twilio(&fd);
	play_to("a", 100, 1000);
	play_to("b", 100, 2000);
	play(1000, 3000);
	pass(400);
	comes_back("a"); /* 300 ms ahead */
	pass(80);	 /* of them 220 are left */
	comes_back("b"); /* in time, nearly */
	comes_back("b"); /* nobody waits for it any more */
	pass(1200);
	unsigned at = heard(heard(heard(0, 100, 1000), 100, 2000), 200, 3000);
	heard_no_more(heard(heard(at, 300, 0), 800, 3000));
	close(fd);
}

static void what_is_sent_after_a_clear_waits_for_nothing(void **state)
{
	(void)state;
	int fd;

	open_twilio(&fd);
	play_to("a", 100, 1000);
	play(1000, 2000);
	pass(600);
	comes_back("a");
	step((struct step){ .what = CLEAR });
	play(100, 3000);
	pass(200);
	heard_no_more(heard(heard(heard(0, 100, 1000), 500, 2000), 100, 3000));
	close(fd);
}

static void a_mark_that_is_a_little_off_changes_nothing(void **state)
{
	(void)state;
	int fd;

	open_twilio(&fd);
	play_to("a", 200, 1000);
	play_to("b", 200, 2000);
	play(200, 3000);
	pass(240);
	comes_back("a");
	pass(120);
	comes_back("b");
	pass(300);
	heard_no_more(heard(heard(heard(0, 200, 1000), 200, 2000), 200, 3000));
	close(fd);
}

static void no_more_waits_than_on_the_transport(void **state)
{
	(void)state;
	enum { MOST_MS = PLAY_WAITS_BYTES / MS };
	int fd;

	open_twilio(&fd);
	play(MOST_MS - 100, 1000);
	struct step more = { .what = PLAY, .ms = 200, .value = 1000 };
	assert_int_equal(E_FULL, step(more));
	pass(100);
	assert_int_equal(0, step(more));
	close(fd);
}

/* --- who sends that side --- */

static void a_platform_that_announces_both_sides_is_heard_alone(void **state)
{
	(void)state;
	int fd = open_stream("/in/twilio/phone", both_tracks);

	fake_wait(&lines.hear, "attached", 2);
	play(200, 1000);
	pass(400);
	assert_int_equal(2, fake_count(&lines.hear, "attached"));
	assert_int_equal(0, ours.n);
	close(fd);
}

static void outbound(int fd, unsigned nth)
{
	struct buf b AUTO_BUF = { 0 };

	buf_printf(&b,
		   "{'event':'media','sequence_number':'%u','media':{'track':'outbound','chunk':"
		   "'%u','timestamp':'%u','payload':'",
		   nth + 1, nth, nth * 20 - 20);
	for (int i = 0; i < FRAME / 3; i++)
		buf_addz(&b, "Dw8P"); /* 0x0f: loud */
	buf_addz(&b, "Dw=='},'stream_id':'MZ1'}");
	lines_text(fd, buf_z(&b));
}

static void no_model(struct shard *s, void *arg)
{
	const struct media_line *l = line_of(s);

	(void)arg;
	assert_null(media_at(lines.media, s)->paced);
	assert_int_equal(0, l->our_leg);
	assert_int_equal(0, line_play_left(l));
	assert_non_null(l->legs[1].leg);
	assert_false(l->legs[1].ours);
}

static void look_how_much(struct shard *s, void *arg)
{
	inbox_hear(media_at(lines.media, s));
	*(size_t *)arg = ours.n;
}

static void wait_heard(size_t samples)
{
	size_t n = 0;

	for (int i = 0; n < samples && i < RIG_WAIT_MS; i++, usleep(1000))
		rig_on_shard(&lines.rig, 0, look_how_much, &n);
	assert_true(n >= samples);
}

/* Telnyx announces nothing: what it sends shows it. */
static void a_platform_that_sends_both_sides_is_heard_alone(void **state)
{
	(void)state;
	int fd = open_stream("/in/telnyx/overtaken", telnyx);

	outbound(fd, 1);
	fake_wait(&lines.hear, "attached", 1);
	play(200, 1000);
	rig_on_shard(&lines.rig, 0, no_model, NULL);
	wait_heard(FRAME);
	close(fd);
	fake_wait(&lines.hear, "detached", 1);
	assert_int_equal(FRAME, ours.n);
}

static void from_its_first_frame_on_the_platform_is_heard_alone(void **state)
{
	(void)state;
	int fd = open_stream("/in/telnyx/overtaken", telnyx);

	lines_telnyx_audio(fd, 1);
	fake_wait(&lines.hear, "attached", 1);
	play(200, 1000);
	pass(100);
	outbound(fd, 1);
	outbound(fd, 2);
	wait_heard(100 * MS + 2 * FRAME);
	rig_on_shard(&lines.rig, 0, no_model, NULL);
	close(fd); /* not before: what has not been read would be lost */
	fake_wait(&lines.hear, "detached", 2);
	assert_int_equal(2, fake_count(&lines.hear, "attached"));
	heard(0, 100, 1000);
	assert_int_equal(100 * MS + 2 * FRAME, ours.n);
	for (size_t i = 100 * MS; i < ours.n; i++)
		assert_int_equal(g711_ulaw_table[0x0f], ours.samples[i]);
}

static void look_for_low_water(struct shard *s, void *arg)
{
	enum { FDS = 256 };

	(void)s, (void)arg;
	for (int fd = 0; fd < FDS; fd++) {
		int bytes = 0;
		socklen_t n = sizeof(bytes);

		if (getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, &n) == 0)
			assert_int_equal(1, bytes);
	}
}

/* It does not come over the socket: nobody gathers the frames of two legs there. */
static void what_we_send_is_not_waited_for(void **state)
{
	(void)state;
	int fd;

	open_twilio(&fd);
	play(100, 1000);
	int64_t before = metric_value(METRIC_MEDIA_MESSAGES);
	for (unsigned i = 0; i < 3; i++) {
		lines_twilio_audio(fd, i, 1);
		for (int k = 0; metric_value(METRIC_MEDIA_MESSAGES) <= before + i;
		     k++, usleep(1000))
			assert_true(k < RIG_WAIT_MS);
		rig_on_shard(&lines.rig, 0, look_for_low_water, NULL);
	}
	close(fd);
}

/* --- the relatives --- */

static const struct relative {
	const char *path, *start;
	uint32_t rate_hz;
	const char *bytes; /* of a sample, again and again */
	unsigned width;
	int16_t value;
	unsigned sent_ms, whole_ms; /* filled up where the protocol wants whole pieces */
} relatives[] = {
	{ "/in/telnyx/overtaken",
	  "{'event':'start','sequence_number':'1','start':{'user_id':'u','call_control_id':'v2:1',"
	  "'media_format':{'encoding':'L16','sample_rate':16000,'channels':1}},'stream_id':'MZ1'}",
	  16000, "\x10\x20", 2, 0x1020, 110, 110 },
	{ "/in/telnyx/overtaken", /* which names its rate by its codec */
	  "{'event':'start','sequence_number':'1','start':{'user_id':'u','call_control_id':'v2:1',"
	  "'media_format':{'encoding':'PCMU'}},'stream_id':'MZ1'}",
	  8000, "\x0f", 1, 0, 5, 20 },
	{ "/in/signalwire/wire",
	  "{'event':'start','sequenceNumber':'1','start':{'accountSid':'a','streamSid':'s',"
	  "'callSid':'c','tracks':['inbound'],'mediaFormat':{'encoding':'audio/x-L16',"
	  "'sampleRate':16000,'channels':1}}}",
	  16000, "\x10\x20", 2, 0x2010, 110, 110 },
	{ "/in/plivo/there",
	  "{'sequenceNumber':0,'event':'start','start':{'callId':'c-1','streamId':'s-1',"
	  "'accountId':'A1','tracks':['inbound'],'mediaFormat':{'encoding':'audio/x-l16',"
	  "'sampleRate':8000}}}",
	  8000, "\x10\x20", 2, 0x2010, 110, 110 },
	{ "/in/exotel/far",
	  "{'event':'start','sequence_number':'1','stream_sid':'MZe','start':{'stream_sid':'MZe',"
	  "'call_sid':'CAe','account_sid':'ACe','from':'1','to':'2','media_format':{'encoding':"
	  "'audio/x-raw','sample_rate':'8000','bit_rate':'16'}}}",
	  8000, "\x10\x20", 2, 0x2010, 10, 200 },
};

static void relative_plays(struct shard *s, void *arg)
{
	const struct relative *r = arg;
	struct media_line *l = line_of(s);
	size_t n = r->sent_ms * r->rate_hz / 1000 * r->width;
	char *bytes = malloc(n);
	struct fault f = { 0 };

	for (size_t i = 0; i < n; i++)
		bytes[i] = r->bytes[i % r->width];
	assert_int_equal(0, line_play(l, (struct span){ bytes, n }, SPAN("m"), &f));
	stop_clock(l);
	assert_int_equal(0, line_play(l, (struct span){ bytes, n }, SPAN("n"), &f));
	free(bytes);
	step_pass(l, &(struct step){ .ms = 400 });
}

/* Twice. */
static bool is_said(const struct relative *r, size_t sample)
{
	size_t ms = sample * 1000 / r->rate_hz;

	return ms < 2 * r->whole_ms && ms % r->whole_ms < r->sent_ms;
}

static void of_every_relative(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(relatives) / sizeof(relatives[0]); i++) {
		const struct relative *r = &relatives[i];
		int16_t value = r->width == 1 ? g711_ulaw_table[(uint8_t)*r->bytes] : r->value;

		setup(state);
		int fd = open_stream(r->path, r->start);
		rig_on_shard(&lines.rig, 0, relative_plays, (void *)r);
		assert_int_equal(r->rate_hz, ours.rate_hz);
		assert_int_equal(400 * r->rate_hz / 1000, ours.n);
		for (size_t k = 0; k < ours.n; k++)
			assert_int_equal(is_said(r, k) ? value : 0, ours.samples[k]);
		fake_wait(&lines.hear, "\"speaker\":\"ai\"", 1);
		close(fd);
		teardown(state);
	}
}

static void half_a_sample(struct shard *s, void *arg)
{
	struct media_line *l = line_of(s);
	struct fault f = { 0 };

	(void)arg;
	assert_int_equal(0, line_play(l, SPAN("\x10"), SPAN(""), &f));
	stop_clock(l);
	assert_int_equal(0, line_play(l, SPAN("\x10\x20\x10\x20\x10"), SPAN(""), &f));
	assert_int_equal(0, line_play(l, SPAN("\x10\x20"), SPAN(""), &f));
	step_pass(l, &(struct step){ .ms = 40 });
}

static void half_a_sample_puts_nothing_out_of_step(void **state)
{
	(void)state;
	const struct relative *signalwire = &relatives[2];
	int fd = open_stream(signalwire->path, signalwire->start);

	rig_on_shard(&lines.rig, 0, half_a_sample, NULL);
	assert_int_equal(40 * 16, ours.n);
	for (size_t i = 0; i < ours.n; i++)
		assert_int_equal(i < 3 ? 0x2010 : 0, ours.samples[i]);
	close(fd);
}

static const char g722[] =
	"{'event':'start','sequence_number':'1','start':{'user_id':'u','call_control_id':'v2:1',"
	"'media_format':{'encoding':'G722','sample_rate':8000,'channels':1}},'stream_id':'MZ1'}";

static void g722_plays(struct shard *s, void *arg)
{
	enum { SECOND = 16000 };
	const struct codec *codec = codec_find(SPAN("g722"));
	const struct codec_params p = { .rate_hz = 8000, .way = CODEC_ENCODE };
	_Alignas(CODEC_STATE_ALIGN) static char state[8192];
	static int16_t tone[SECOND];
	static uint8_t bytes[SECOND / 2];
	struct media_line *l = line_of(s);
	struct fault f = { 0 };
	size_t n;

	(void)arg;
	assert_true(codec->state_size(&p) <= sizeof(state));
	assert_int_equal(0, codec->init(state, &p, &f));
	for (size_t i = 0; i < SECOND; i++)
		tone[i] = (int16_t)(12000 * sin((double)i / SECOND * 6.2832 * 440));
	assert_int_equal(0, codec->encode(state, tone, SECOND, bytes, sizeof(bytes), &n, &f));
	assert_int_equal(0, line_play(l, (struct span){ (char *)bytes, n }, SPAN(""), &f));
	stop_clock(l);
	step_pass(l, &(struct step){ .ms = 2000 });
}

/* Its bytes are no samples: what was sent is followed by what is next to nothing. */
static void of_g722(void **state)
{
	(void)state;
	enum { KHZ = 16 };
	int fd = open_stream("/in/telnyx/overtaken", g722), loud = 0;

	rig_on_shard(&lines.rig, 0, g722_plays, NULL);
	assert_int_equal(2000 * KHZ, ours.n);
	for (size_t i = 0; i < ours.n; i++)
		loud += ours.samples[i] > 8000;
	assert_in_range(loud, 200 * KHZ, 400 * KHZ); /* of 1000 ms, a quarter */
	for (size_t i = 1040 * KHZ; i < ours.n; i++)
		assert_in_range(ours.samples[i] + 100, 0, 200);
	close(fd);
}

static const char opus[] =
	"{'event':'start','sequence_number':'1','start':{'user_id':'u','call_control_id':'v2:1',"
	"'media_format':{'encoding':'OPUS','sample_rate':16000,'channels':1}},'stream_id':'MZ1'}";

/* A packet does not say how it may be cut. */
static void of_packets_there_is_none(void **state)
{
	(void)state;
	int fd = open_stream("/in/telnyx/overtaken", opus);

	play(20, 1000);
	rig_on_shard(&lines.rig, 0, is_idle, NULL);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_sent_is_no_leg_and_no_clock),
		TEST(what_is_sent_is_played_back_to_back),
		TEST(what_is_sent_begins_when_it_is_sent),
		TEST(a_clear_leaves_nothing),
		TEST(a_mark_that_comes_early_passes_over_what_is_in_front_of_it),
		TEST(a_mark_that_comes_late_has_what_is_behind_it_wait),
		TEST(what_is_sent_behind_a_late_mark_waits_too),
		TEST(two_marks_correct_as_the_last_says),
		TEST(what_is_sent_after_a_clear_waits_for_nothing),
		TEST(a_mark_that_is_a_little_off_changes_nothing),
		TEST(no_more_waits_than_on_the_transport),
		TEST(a_platform_that_announces_both_sides_is_heard_alone),
		TEST(a_platform_that_sends_both_sides_is_heard_alone),
		TEST(from_its_first_frame_on_the_platform_is_heard_alone),
		TEST(what_we_send_is_not_waited_for),
		cmocka_unit_test(of_every_relative),
		TEST(half_a_sample_puts_nothing_out_of_step),
		TEST(of_g722),
		TEST(of_packets_there_is_none),
	};
	return cmocka_run_group_tests_name("ours", tests, NULL, NULL);
}
