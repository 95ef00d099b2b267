/* The way of a media frame - socket, JSON, base64 or protobuf, codec, leg with detector and ring,
 * facts, recording, what listeners get - allocates nothing once it has warmed up: whatever its
 * format, and when frames are lost. Counted is the shard of the line; a listener sits on the other
 * one, where each frame for his socket is a message of its own. */
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/metrics.h"
#include "callmend/codec.h"
#include "fake_hear.h"
#include "media/internal.h"
#include "node/record_sink.h"
#include "tests/net/allocations.h"

enum {
	WARM = 1500,
	FRAMES = 1500,
	GROUP = 20,
	SHARDS = 2
}; /* 30 s: every kind of fact, and the ring is full */

static struct lines lines;
static struct record_sink *recording;
static atomic_int begun, line_shard;

static void watch(struct shard *s, void *on)
{
	(void)s;
	allocations_watch(on != NULL);
}

static void count_from_now(void)
{
	rig_on_shard(&lines.rig, (unsigned)atomic_load(&line_shard), watch, &lines);
	allocations_seen();
}

static long counted(void)
{
	rig_on_shard(&lines.rig, (unsigned)atomic_load(&line_shard), watch, NULL);
	return allocations_seen();
}

/* Where is it? */
static void *look(void *owner, struct media_line *l)
{
	(void)owner;
	atomic_store(&line_shard, (int)shard_index(media_line_shard(l)));
	atomic_fetch_add(&begun, 1);
	return NULL;
}

static void wait_audio(int64_t least)
{
	for (int i = 0; metric_value(METRIC_MEDIA_MESSAGES) < least; i++) {
		if (i > 3 * RIG_WAIT_MS)
			fail_msg("the frames do not arrive");
		usleep(1000);
	}
}

/* --- listening --- */

static struct listener *listener;
static atomic_int listened;

static bool take_frame(void *user, struct message *m)
{
	(void)user, (void)m;
	atomic_fetch_add(&listened, 1);
	return true;
}

static void take_over(void *user, enum listen_end why)
{
	(void)user, (void)why;
}

static void start_listening(struct shard *s, void *arg)
{
	static const struct uuid org = { { 0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1 } };
	static const struct listen_handlers handlers = { take_frame, take_over, NULL };
	const struct uuid call = fake_call(HEAR_CALL_ID);

	(void)arg;
	listener =
		listen_start(media_listen(lines.media), s, &org, &call, LISTEN_MIX, 0, &handlers);
}

static void stop_listening(struct shard *s, void *arg)
{
	(void)s, (void)arg;
	listen_stop(take(listener));
}

static unsigned listener_shard(void)
{
	return 1 - (unsigned)atomic_load(&line_shard);
}

/* --- formats --- */

static const struct format {
	const char *name;
	const char *codec;
	uint32_t announced_hz, rate_hz; /* rate_hz: of what is encoded */
	unsigned channels;
	bool json; /* at Telnyx, where frames overtake each other and are lost; else as they are */
	bool cut;  /* somewhere, not between samples */
} formats[] = {
	{ "mu-law", "pcmu", 8000, 8000, 1, false, false },
	{ "mu-law, stereo", "pcmu", 8000, 8000, 2, false, true },
	{ "A-law", "pcma", 8000, 8000, 1, false, false },
	{ "G.722", "g722", 8000, 16000, 1, false, false },
	{ "L16", "l16", 16000, 16000, 1, false, true },
	{ "L16, stereo", "l16", 16000, 16000, 2, false, true },
	{ "L16 at 48 kHz", "l16", 48000, 48000, 2, false, true },
	{ "L16, big-endian", "l16be", 24000, 24000, 1, false, true },
	{ "Opus", "opus", 48000, 48000, 1, false, false },
	{ "A-law in JSON, with losses", "pcma", 8000, 8000, 1, true, false },
	{ "G.722 in JSON, with losses", "g722", 8000, 16000, 1, true, false },
	{ "L16 in JSON, with losses", "l16be", 16000, 16000, 1, true, false },
	{ "Opus in JSON, with losses", "opus", 48000, 48000, 1, true, false },
};

static struct sender {
	const struct format *format;
	const struct codec *codec;
	void *state;
	int fd;
	unsigned frames;
} sender;

/* 20 ms of a tone for a second, of nothing for another. */
static size_t encoded(uint8_t out[8192])
{
	const struct format *f = sender.format;
	uint8_t one[4096];
	int16_t pcm[960];
	size_t n = f->rate_hz / 50, bytes, width = sender.codec->bits_per_sample / 8;
	struct fault fault;

	for (size_t i = 0; i < n; i++) {
		double t = (double)(sender.frames * n + i) / f->rate_hz;
		pcm[i] = (int16_t)(sender.frames / 50 % 2
					   ? 0
					   : 9000 * sin(t * 6.2832 * 300) * (1 + sin(t * 25)) / 2);
	}
	assert_int_equal(
		sender.codec->encode(sender.state, pcm, n, one, sizeof(one), &bytes, &fault), 0);
	for (size_t i = 0; f->channels == 2 && i < bytes * 2; i++)
		out[i] = one[i / width / 2 * width + i % width];
	if (f->channels == 1)
		memcpy(out, one, bytes);
	return bytes * f->channels;
}

/* The frame's number begins at 1. One in 17 is lost, one in 11 comes after the next. */
/* Once it counts, some come in two pieces, which before all came in one. */
static void send_message(uint8_t kind, const void *bytes, size_t n)
{
	size_t half = sender.frames > WARM && sender.frames % 50 == 0 ? n / 2 : 0;

	if (half)
		wsc_send(sender.fd, kind, bytes, half);
	wsc_send(sender.fd, (uint8_t)(0x80 | (half ? 0 : kind)), (const uint8_t *)bytes + half,
		 n - half);
}

static void send_numbered(const uint8_t *bytes, size_t n)
{
	struct buf b AUTO_BUF = { 0 };
	unsigned nth = sender.frames + 1;
	unsigned place = nth % 11 == 0 ? nth + 1 : nth % 11 == 1 && nth > 11 ? nth - 1 : nth;

	if (nth % 17 == 5)
		return;
	buf_printf(
		&b,
		"{\"event\":\"media\",\"sequence_number\":\"%u\",\"media\":{\"track\":\"inbound\","
		"\"chunk\":\"%u\",\"timestamp\":\"%u\",\"payload\":\"",
		nth + 1, place, place * 20 - 20);
	crypto_base64((struct span){ (const char *)bytes, n }, &b);
	buf_addz(&b, "\"},\"stream_id\":\"MZ1\"}");
	send_message(1, b.p, b.n);
}

/* Returns how many messages that were. */
static int64_t send_frames(unsigned n)
{
	static uint8_t bytes[8192];
	static size_t from;
	int64_t sent = 0;

	for (unsigned i = 0; i < n; i++, sender.frames++) {
		size_t all = encoded(bytes);

		if (sender.format->json) {
			sent += (sender.frames + 1) % 17 != 5;
			send_numbered(bytes, all);
			continue;
		}
		/* A byte of each pair of messages goes with the second. */
		size_t to = sender.format->cut ? all - (sender.frames % 2 ? 0 : 1) : all;
		if (sender.format->cut && sender.frames % 2) {
			memmove(bytes + 1, bytes, all);
			bytes[0] = (uint8_t)from;
			to++;
		}
		from = bytes[all - 1];
		send_message(2, bytes, to);
		sent++;
	}
	return sent;
}

static void start_stream(const struct format *f)
{
	const struct codec_params p = { .rate_hz = f->announced_hz,
					.out_rate_hz = f->rate_hz,
					.way = CODEC_ENCODE };
	const char *codec = f->json && strcmp(f->codec, "l16be") == 0 ? "L16" : f->codec;
	char text[400];
	int status;
	struct fault fault;

	sender = (struct sender){ .format = f, .codec = codec_find(span_of(f->codec)) };
	assert_non_null(sender.codec);
	size_t bytes = sender.codec->state_size(&p);
	sender.state = aligned_alloc(CODEC_STATE_ALIGN, (bytes + 63) / 16 * 16);
	assert_int_equal(sender.codec->init(sender.state, &p, &fault), 0);
	sender.fd = lines_open(
		&lines, f->json ? "/in/telnyx/overtaken" : "/in/vapi/main/transcriber", &status);
	assert_int_equal(101, status);
	snprintf(text, sizeof(text),
		 f->json ? "{'event':'start','sequence_number':'1','start':{'user_id':'u',"
			   "'call_control_id':'v2:1','media_format':{'encoding':'%s','sample_rate':"
			   "%u,"
			   "'channels':%u}},'stream_id':'MZ1'}"
			 : "{'type':'start','encoding':'%s','container':'raw','sampleRate':%u,"
			   "'channels':%u}",
		 codec, f->announced_hz, f->channels);
	int before = atomic_load(&begun);
	lines_text(sender.fd, text);
	rig_wait(&begun, before + 1);
}

static void end_stream(void)
{
	free(sender.state);
	close(sender.fd);
	rig_wait_connections(&lines.rig, 0);
}

static void every_format_allocates_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		int64_t before = metric_value(METRIC_MEDIA_MESSAGES);

		start_stream(&formats[i]);
		before += send_frames(WARM);
		wait_audio(before);
		count_from_now();
		int bodies = atomic_load(&lines.hear.bodies);
		before += send_frames(FRAMES);
		wait_audio(before);
		long n = counted();
		if (n)
			fail_msg("%s: %ld allocations", formats[i].name, n);
		assert_true(atomic_load(&lines.hear.bodies) > bodies + 4); /* facts were told */
		end_stream();
	}
}

static void nothing(struct shard *s, void *arg)
{
	(void)s, (void)arg;
}

/* At the pace of a call, or the leg's clock would stand still. Gives what was allocated while the
 * listener kept up: when the machine holds the test up, the next round has all the frames of that
 * time, more than spare ones are kept (SPARE_MAX in media/listen.c), and is not counted. */
static long listen_to(int frames)
{
	enum { AT_ONCE = 4 };
	long seen = 0;

	for (int i = 0; frames > 0; i++) {
		int64_t before = metric_value(METRIC_MEDIA_MESSAGES);
		int first = atomic_load(&listened);

		if (i > RIG_WAIT_MS / 20)
			fail_msg("%d frames are missing", frames);
		wait_audio(before + send_frames(1));
		rig_on_shard(&lines.rig, listener_shard(), nothing, NULL);
		int came = atomic_load(&listened) - first;
		long n = allocations_seen();
		if (came <= AT_ONCE) {
			seen += n;
			frames -= came;
		}
		usleep(20000);
	}
	return seen;
}

static void listening_allocates_nothing(void **state)
{
	enum { FEW = 50 };

	(void)state;
	start_stream(&formats[0]);
	send_frames(GROUP);
	rig_on_shard(&lines.rig, listener_shard(), start_listening, NULL);
	listen_to(FEW);
	count_from_now();
	long n = listen_to(FEW);
	counted();
	rig_on_shard(&lines.rig, listener_shard(), stop_listening, NULL);
	end_stream();
	assert_int_equal(n, 0);
}

static void json_frames_allocate_nothing(void **state)
{
	int status, fd = lines_open(&lines, "/in/twilio/phone", &status);
	int64_t before = metric_value(METRIC_MEDIA_MESSAGES);
	int lines_before = atomic_load(&begun);

	(void)state;
	assert_int_equal(101, status);
	lines_twilio_start(fd, "CA1");
	rig_wait(&begun, lines_before + 1);
	lines_twilio_audio(fd, 0, WARM);
	wait_audio(before + WARM);
	count_from_now();
	lines_twilio_audio(fd, WARM, FRAMES);
	wait_audio(before + WARM + FRAMES);
	assert_int_equal(0, counted());
	close(fd);
	rig_wait_connections(&lines.rig, 0);
}

/* 100 ms of two participants a time. */
static void grpc_frames_allocate_nothing(void **state)
{
	(void)state;
	enum { LONG = 300 };
	struct grpc_client *c = grpc_client_new(lines.rig.grpc_port, IN_CLEAR);
	struct call *k = lines_stream(c, LINES_KEY);
	int64_t before = metric_value(METRIC_MEDIA_MESSAGES);

	client_wait_settings(c);
	lines_init(c, k, "s1", "d1", "");
	lines_join(c, k, "g1", 1, "p1", 3);
	lines_join(c, k, "g2", 2, "p2", 3);
	for (unsigned part = 0; part < 2; part++) {
		if (part)
			count_from_now();
		for (unsigned i = part * LONG; i < (part + 1) * LONG; i++) {
			lines_media(c, k, "g1", i, 1);
			lines_media(c, k, "g2", i, 1);
			if (i % 30 == 29) /* windows are opened again */
				wait_audio(before + 2 + 2 * (int64_t)(i + 1));
		}
		wait_audio(before + 2 + (part + 1) * 2 * LONG);
	}
	assert_int_equal(0, counted());
	call_end(c, k);
	call_wait(c, k);
	grpc_client_free(c);
}

/* --- the transport: what we say is heard, too --- */

static atomic_int told_peer;
static atomic_uint dialling; /* the shard */

static void peer_speaks(struct ws *ws)
{
	static const char silence[640];
	assert_ptr_equal(lines.rig.servers[1 - dialling], ws_server(ws));
	struct message *m = message_new_binary((struct span){ silence, sizeof(silence) });

	assert_int_equal(0, ws_send(ws, m));
	message_unref(m);
}

static void peer_hears(struct ws *ws, struct span bytes)
{
	(void)ws, (void)bytes;
	atomic_fetch_add(&told_peer, 1);
}

static const struct ws_handlers peer = { .open = peer_speaks, .binary = peer_hears };

static void dial_peer(struct shard *s, void *arg)
{
	const struct uuid call = fake_call(HEAR_CALL_ID);

	(void)arg;
	lines_place(&lines, s, &call, SPAN("pcm_s16le"), 16000);
}

static struct media_line *dialled(struct shard *s)
{
	struct media_line *l = media_at(lines.media, s)->lines;

	while (l && !l->client)
		l = l->next;
	assert_non_null(l);
	return l;
}

static void stop_clock(struct shard *s, void *arg)
{
	(void)arg;
	uv_timer_stop(&media_at(lines.media, s)->clock);
	dialled(s)->clock_us = 0;
}

/* A word that ends within a frame, and silence. So few frames at a time as a socket that keeps up
 * has: it keeps the memory of some. */
enum { BEAT = 5 };

static void speak(struct shard *s, void *arg)
{
	static int16_t word[75 * 16];
	struct span bytes = { (const char *)word, sizeof(word) };
	int64_t *now_us = arg;
	struct fault f;

	for (size_t i = 0; i < sizeof(word) / sizeof(word[0]); i++)
		word[i] = (int16_t)(9000 * sin((double)i / 16000 * 6.2832 * 300));
	assert_int_equal(0, line_play(dialled(s), bytes, (struct span){ 0 }, &f));
	for (unsigned i = 0; i < BEAT; i++, *now_us += PLAY_FRAME_MS * 1000)
		line_clock(dialled(s), *now_us);
}

static void speak_for(unsigned frames, int64_t *now_us)
{
	for (unsigned i = 0; i < frames; i += BEAT) {
		int before = atomic_load(&told_peer);

		rig_on_shard(&lines.rig, dialling, speak, now_us);
		rig_wait(&told_peer, before + BEAT);
	}
}

/* Where somebody's line is already, the other side of the next will not be: what that needs to
 * receive is not counted. */
static void dial_here(struct shard *s, void *arg)
{
	const struct media_line *l = media_at(lines.media, s)->lines;

	if (!l || !l->ws)
		return;
	dialling = shard_index(s);
	dial_peer(s, arg);
}

static void hang_up(struct shard *s, void *arg)
{
	(void)arg;
	ws_client_disconnect(dialled(s)->client);
	dial_ended(lines.media, s, &dialled(s)->call);
}

static void what_we_say_allocates_nothing(void **state)
{
	(void)state;
	int64_t now_us = 1000000;
	int before = atomic_load(&begun), status;
	int fd = lines_open(&lines, "/in/twilio/phone", &status);

	for (unsigned i = 0; i < SHARDS; i++)
		rig_on_shard(&lines.rig, i, dial_here, NULL);
	rig_wait(&begun, before + 1);
	rig_on_shard(&lines.rig, dialling, stop_clock, NULL);
	speak_for(WARM, &now_us);
	count_from_now();
	speak_for(FRAMES, &now_us);
	assert_int_equal(0, counted());
	rig_on_shard(&lines.rig, dialling, hang_up, NULL);
	close(fd);
	rig_wait_connections(&lines.rig, 0);
}

/* --- what we have sent, as the other side plays it --- */

static struct media_line *accepted(struct shard *s)
{
	struct media_line *l = media_at(lines.media, s)->lines;

	while (l && !l->ws)
		l = l->next;
	assert_non_null(l);
	return l;
}

/* A minute, a tone and nothing in turn. */
static void send_much(struct shard *s, void *arg)
{
	static uint8_t bytes[60 * 8000];
	struct media_line *l = accepted(s);
	struct fault f;

	(void)arg;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = g711_ulaw_of((int16_t)(i / 4000 % 2 ? 0 : 9000 * sin((double)i / 4)));
	assert_int_equal(
		0, line_play(l, (struct span){ (char *)bytes, sizeof(bytes) }, SPAN("m"), &f));
	uv_timer_stop(&l->home->clock);
}

static void let_play(struct shard *s, void *arg)
{
	struct media_line *l = accepted(s);

	(void)arg;
	for (unsigned i = 0; i < BEAT; i++)
		line_clock(l, l->clock_us);
}

static void let_play_for(unsigned frames)
{
	for (unsigned i = 0; i < frames; i += BEAT)
		rig_on_shard(&lines.rig, (unsigned)atomic_load(&line_shard), let_play, NULL);
}

/* All that was sent, up to the mark behind it. */
static void take_all(int fd)
{
	static const char mark[] = "\"event\":\"mark\"";
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	struct buf all AUTO_BUF = { 0 };
	char bytes[8192];

	do {
		assert_int_equal(1, poll(&ready, 1, RIG_WAIT_MS));
		ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
		assert_true(n > 0);
		buf_add(&all, (struct span){ bytes, (size_t)n });
	} while (!memmem(all.p, all.n, mark, sizeof(mark) - 1));
}

static void what_the_other_side_plays_allocates_nothing(void **state)
{
	(void)state;
	int before = atomic_load(&begun), status;
	int fd = lines_open(&lines, "/in/twilio/phone", &status);

	lines_twilio_start(fd, "CA1");
	rig_wait(&begun, before + 1);
	rig_on_shard(&lines.rig, (unsigned)atomic_load(&line_shard), send_much, NULL);
	take_all(fd);
	let_play_for(WARM);
	count_from_now();
	let_play_for(FRAMES);
	assert_int_equal(0, counted());
	close(fd);
	rig_wait_connections(&lines.rig, 0);
}

static char folder[] = "/tmp/callmend-alloc-XXXXXX";

static void attach(struct media *media)
{
	record_sink_attach(recording, media);
}

static int setup(void **state)
{
	static const struct media_sink looker = { look, NULL, NULL, NULL, NULL, false };
	const struct recorder_config config = { .folder = mkdtemp(folder),
						.memory_bytes = 8 << 20,
						.file_bytes_max = 64 << 20 };
	struct fault f;

	(void)state;
	atomic_store(&lines.hear.way, HEAR_CALL_ID);
	lines.hear.on_tell = allocations_pause;
	lines.hear.after_tell = allocations_go_on;
	lines.shards = SHARDS;
	lines.sink = &looker;
	lines.attach = attach;
	lines.more = (struct http_route){
		.method = HTTP_GET, .pattern = "/transport", .body_limit = 100000, .ws = &peer
	};
	if (record_sink_new(&recording, &config, SHARDS, &f))
		return -1;
	lines_start(&lines);
	return 0;
}

static int teardown(void **state)
{
	struct buf out AUTO_BUF = { 0 };

	(void)state;
	lines_stop(&lines);
	record_sink_free(recording);
	return shell(&out, "rm -rf %s", folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_frames_allocate_nothing),
		cmocka_unit_test(every_format_allocates_nothing),
		cmocka_unit_test(listening_allocates_nothing),
		cmocka_unit_test(grpc_frames_allocate_nothing),
		cmocka_unit_test(what_we_say_allocates_nothing),
		cmocka_unit_test(what_the_other_side_plays_allocates_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
