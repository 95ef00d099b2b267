#include "fake_hear.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crypto.h"
#include "media/internal.h"
#include "ringcx.pb-c.h"

/* --- the fake --- */

struct uuid fake_call(enum hear_way way)
{
	struct uuid space = { { 7 } };

	return uuid_v5(&space, span_of(hear_way_name(way)));
}

const char *hear_way_name(enum hear_way way)
{
	static const char *const names[] = {
#define X(name, text, doc) [HEAR_##name] = text,
		HEAR_WAYS(X)
#undef X
	};
	return names[way];
}

const struct directory *hear_directory(struct hear *h, struct shard *here)
{
	(void)here;
	return h->directory;
}

bool hear_draining(const struct hear *h)
{
	return atomic_load(&h->draining);
}

int hear_admit(const struct dir_source *s, const struct exchange *x, struct fault *f)
{
	struct span v;

	(void)s;
	return exchange_header(x, "x-vapi-secret", &v) && span_is(v, "wrong")
		       ? fault(f, E_DENIED, "the secret is wrong")
		       : 0;
}

static void run_answer(struct mail *m, struct shard *here)
{
	struct hear_claim *c = (struct hear_claim *)m;

	(void)here;
	c->answer(c);
}

void hear_bind(struct hear *h, struct shard *here, struct hear_claim *c)
{
	enum hear_way way = atomic_load(&h->way);

	pthread_mutex_lock(&h->lock);
	buf_printf(&h->asked, "%.*s|%.*s|%d\n", SPAN_ARG(c->token), SPAN_ARG(c->call_id), c->make);
	pthread_mutex_unlock(&h->lock);
	c->way = way == HEAR_OWN && !c->make   ? HEAR_NONE
		 : way == HEAR_NONE && c->make ? HEAR_OWN
					       : way;
	c->call = fake_call(atomic_load(&h->same) ? HEAR_OWN : c->way);
	if (c->way != HEAR_NONE && c->way != HEAR_REFUSED)
		atomic_fetch_add(&h->held, 1);
	c->mail.run = run_answer;
	if (atomic_load(&h->keep_claims))
		h->kept_claim = c;
	else
		shard_post_sure(here, &c->mail);
	atomic_fetch_add(&h->claims, 1);
}

void hear_hold(struct hear *h, const struct uuid *call)
{
	(void)call;
	atomic_fetch_add(&h->held, 1);
}

void hear_release(struct hear *h, const struct uuid *call)
{
	(void)call;
	atomic_fetch_sub(&h->held, 1);
}

bool hear_is_token(const struct hear *h, const struct uuid *org, struct span text)
{
	(void)h, (void)org;
	return span_is(text, "token");
}

static void keep(struct hear *h, const struct hear_post *p)
{
	char call[UUID_TEXT + 1];

	uuid_format(&p->call, call);
	pthread_mutex_lock(&h->lock);
	buf_printf(&h->told, "%s %.*s\n", call, SPAN_ARG(p->body));
	pthread_mutex_unlock(&h->lock);
	atomic_fetch_add(&h->bodies, 1);
}

void hear_tell(struct hear *h, struct shard *here, struct hear_post *p)
{
	(void)here;
	if (h->on_tell)
		h->on_tell();
	keep(h, p);
	if (h->after_tell)
		h->after_tell();
	p->code = 0;
	if (atomic_load(&h->keep_posts))
		h->kept = p;
	else
		p->told(p);
}

static void run_taken(struct mail *mail, struct shard *here)
{
	struct connect_message *m = (struct connect_message *)mail;

	(void)here;
	m->done(m);
}

void hear_message(struct hear *h, struct shard *here, struct connect_message *m)
{
	m->code = atomic_load(&h->full) ? E_FULL : 0;
	atomic_fetch_add(m->code ? &h->refused : &h->taken, 1);
	pthread_mutex_lock(&h->lock);
	if (!m->code)
		buf_printf(&h->told, "message %.*s\n", SPAN_ARG(m->json));
	pthread_mutex_unlock(&h->lock);
	m->mail.run = run_taken;
	shard_post_sure(here, &m->mail);
}

void hear_watch(struct hear *h, const struct hear_calls *calls)
{
	h->calls = *calls;
}

void fake_told(struct hear *h, struct buf *out)
{
	buf_clear(out);
	pthread_mutex_lock(&h->lock);
	buf_add(out, buf_span(&h->told));
	pthread_mutex_unlock(&h->lock);
}

void fake_asked(struct hear *h, struct buf *out)
{
	buf_clear(out);
	pthread_mutex_lock(&h->lock);
	buf_add(out, buf_span(&h->asked));
	pthread_mutex_unlock(&h->lock);
}

size_t fake_count(struct hear *h, const char *part)
{
	struct buf all AUTO_BUF = { 0 };
	size_t n = 0;

	fake_told(h, &all);
	for (const char *at = buf_z(&all); (at = strstr(at, part)); at++)
		n++;
	return n;
}

void fake_wait(struct hear *h, const char *part, size_t n)
{
	struct buf all AUTO_BUF = { 0 };

	for (int i = 0; fake_count(h, part) < n; i++) {
		if (i > RIG_WAIT_MS) {
			fake_told(h, &all);
			fail_msg("%s was told %zu times, not %zu:\n%s", part, fake_count(h, part),
				 n, buf_z(&all));
		}
		usleep(1000);
	}
}

/* --- lines --- */

#define SOURCE(id, dialect, name, auth)                                                         \
	",{\"id\":\"00000000-0000-7000-8000-0000000000" id "\",\"org_id\":"                     \
	"\"00000000-0000-7000-8000-000000000001\",\"project_id\":"                              \
	"\"00000000-0000-7000-8000-0000000000a1\",\"dialect\":\"" dialect "\",\"name\":\"" name \
	"\",\"auth\":[" auth "]}"
#define RINGCX(id, name, auth) SOURCE(id, "ringcx", name, auth)

static const char document[] =
	"{\"version\":1,\"tokens\":[],\"projects\":[{\"id\":\"00000000-0000-7000-8000-"
	"0000000000a1\","
	"\"org_id\":\"00000000-0000-7000-8000-000000000001\",\"name\":\"p\",\"audio\":{\"listen\":"
	"true,\"listen_socket\":true,\"recording\":{\"on\":true}}}],"
	"\"sources\":[{\"id\":\"00000000-0000-7000-8000-0000000000b1\",\"org_id\":"
	"\"00000000-0000-7000-8000-000000000001\",\"project_id\":\"00000000-0000-7000-8000-"
	"0000000000a1\","
	"\"dialect\":\"twilio\",\"name\":\"phone\",\"auth\":[]},{\"id\":"
	"\"00000000-0000-7000-8000-0000000000b2\",\"org_id\":\"00000000-0000-7000-8000-"
	"000000000001\","
	"\"project_id\":\"00000000-0000-7000-8000-0000000000a1\",\"dialect\":\"vapi\",\"name\":"
	"\"main\","
	"\"auth\":[]},{\"id\":\"00000000-0000-7000-8000-0000000000b3\",\"org_id\":"
	"\"00000000-0000-7000-8000-000000000001\",\"project_id\":\"00000000-0000-7000-8000-"
	"0000000000a1\",\"dialect\":\"telnyx\",\"name\":\"overtaken\",\"auth\":[]}" RINGCX(
		"b4", "centre",
		"{\"type\":\"basic\",\"user\":\"rc\",\"secret\":{\"env\":\"CALLMEND_SECRET_RC\"}}")
		RINGCX("b5", "second",
		       "{\"type\":\"open\"},{\"type\":\"secret\",\"secret\":{\"env\":"
		       "\"CALLMEND_SECRET_KEY\"}}")
			RINGCX("b6", "twin",
			       "{\"type\":\"bearer\",\"secret\":{\"env\":"
			       "\"CALLMEND_SECRET_TWIN\"}}")
				RINGCX("b7", "other twin",
				       "{\"type\":\"bearer\",\"secret\":{\"env\":"
				       "\"CALLMEND_SECRET_TWIN\"}}")
					SOURCE("b8", "plivo", "there", "")
						SOURCE("b9", "exotel", "far", "")
							SOURCE("ba", "signalwire", "wire", "") "]}";

static void set_secrets(void)
{
	setenv("CALLMEND_SECRET_RC", "s3cret", 1);
	setenv("CALLMEND_SECRET_KEY", "key-2", 1);
	setenv("CALLMEND_SECRET_TWIN", "same", 1);
}

static void start_part(struct rig *r, struct shard *s)
{
	struct lines *l = r->user;
	struct fault f;

	assert_int_equal(0, media_shard_start(l->media, s, &f));
}

static void stop_part(struct rig *r, struct shard *s)
{
	struct lines *l = r->user;

	media_shard_stop(l->media, s);
}

void lines_start(struct lines *l)
{
	struct directory *d;
	struct fault f = { 0 };
	unsigned shards = l->shards ? l->shards : 1;
	struct media_config c = { .shards = shards,
				  .max_lines = l->max_lines ? l->max_lines : 8,
				  .hear = &l->hear,
				  .bind_grace_ms = l->grace_ms,
				  .silence_ms = l->silence_ms };

	pthread_mutex_init(&l->hear.lock, NULL);
	set_secrets();
	if (directory_new(&d, SPAN(document), "", &f))
		fail_msg("%s", f.text);
	l->hear.directory = d;
	assert_int_equal(0, media_new(&l->media, &c, &f));
	if (l->sink)
		media_add_sink(l->media, l->sink, l->sink_owner);
	if (l->attach)
		l->attach(l->media);
	size_t n = media_routes(l->media, l->routes, 4);
	if (l->more.pattern)
		l->routes[n++] = l->more;
	l->rig.user = l;
	assert_int_equal(1, media_methods(l->media, l->methods, 2));
	l->rig.grpc = (struct grpc_config){ .methods = l->methods,
					    .methods_n = 1,
					    .user = l->media,
					    .max_connections = 64,
					    .max_streams = 64,
					    .window_bytes = 4 << 20,
					    .idle_ms = 60000 };
	l->rig.config.ws_queue_bytes = 1 << 20;
	l->rig.on_start = start_part;
	l->rig.on_stop = stop_part;
	rig_start(&l->rig, shards, l->routes, n);
}

void lines_stop(struct lines *l)
{
	rig_stop(&l->rig);
	media_free(l->media);
	directory_unref(l->hear.directory);
	buf_free(&l->hear.told);
	buf_free(&l->hear.asked);
	pthread_mutex_destroy(&l->hear.lock);
}

void lines_place(struct lines *l, struct shard *here, const struct uuid *call, struct span encoding,
		 uint32_t rate_hz)
{
	const struct uuid *source = &l->hear.directory->sources[1].id;
	char url[80];
	struct media_placed at = { .call_id = SPAN("c1") };

	snprintf(url, sizeof(url), "ws://127.0.0.1:%u/transport", l->rig.port);
	at.url = span_of(url);
	dial_placed(media_at(l->media, here), media_dialect_find(SPAN("vapi-websocket")), call,
		    source, &at, encoding, rate_hz);
}

int lines_open(struct lines *l, const char *path, int *status)
{
	struct reply r = { 0 };
	int fd = client_connect(l->rig.port);

	wsc_open(fd, path, "", &r);
	*status = r.status;
	reply_free(&r);
	return fd;
}

void lines_text(int fd, const char *text)
{
	char *copy = strdup(text);

	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	wsc_send(fd, 0x81, copy, strlen(copy));
	free(copy);
}

void lines_twilio_start(int fd, const char *call)
{
	char text[600];

	lines_text(fd, "{'event':'connected','protocol':'Call','version':'1.0.0'}");
	snprintf(text, sizeof(text),
		 "{'event':'start','sequenceNumber':'1','start':{'accountSid':'AC1','streamSid':'"
		 "MZ1',"
		 "'callSid':'%s','tracks':['inbound'],'mediaFormat':{'encoding':'audio/x-mulaw',"
		 "'sampleRate':8000,'channels':1},'customParameters':{}},'streamSid':'MZ1'}",
		 call);
	lines_text(fd, text);
}

/* A second of a tone, a second of nothing: there is always something to tell of. */
static void fill(unsigned frame, char bytes[160])
{
	for (unsigned i = 0; i < 160; i++) {
		double t = (double)(frame * 160 + i) / 8000;
		double v = frame / 50 % 2 ? 0 : 9000 * sin(t * 6.2832 * 300) * (1 + sin(t * 25));

		bytes[i] = (char)g711_ulaw_of((int16_t)v);
	}
}

void lines_telnyx_start(int fd)
{
	lines_text(fd, "{'event':'connected','version':'1.0.0'}");
	lines_text(
		fd,
		"{'event':'start','sequence_number':'1','start':{'user_id':'u','call_control_id':"
		"'v2:1','media_format':{'encoding':'PCMU','sample_rate':8000,'channels':1}},"
		"'stream_id':'MZ1'}");
}

void lines_telnyx_audio(int fd, unsigned nth)
{
	struct buf b AUTO_BUF = { 0 };
	char bytes[160];

	fill(nth, bytes);
	buf_printf(
		&b,
		"{\"event\":\"media\",\"sequence_number\":\"%u\",\"media\":{\"track\":\"inbound\","
		"\"chunk\":\"%u\",\"timestamp\":\"%u\",\"payload\":\"",
		nth + 1, nth, nth * 20 - 20);
	crypto_base64((struct span){ bytes, sizeof(bytes) }, &b);
	buf_addz(&b, "\"},\"stream_id\":\"MZ1\"}");
	wsc_send(fd, 0x81, b.p, b.n);
}

void lines_twilio_audio(int fd, unsigned first, unsigned n)
{
	for (unsigned i = first; i < first + n; i++) {
		struct buf b AUTO_BUF = { 0 };
		char bytes[160];

		fill(i, bytes);
		buf_printf(&b,
			   "{\"event\":\"media\",\"sequenceNumber\":\"%u\",\"media\":{\"track\":"
			   "\"inbound\","
			   "\"chunk\":\"%u\",\"timestamp\":\"%u\",\"payload\":\"",
			   i + 2, i + 1, i * 20);
		crypto_base64((struct span){ bytes, sizeof(bytes) }, &b);
		buf_addz(&b, "\"},\"streamSid\":\"MZ1\"}");
		wsc_send(fd, 0x81, b.p, b.n);
	}
}

/* --- RingCX over gRPC --- */

struct call *lines_stream(struct grpc_client *c, const char *authorization)
{
	const char *path = "/ringcentral.ringcx.streaming.v1beta2.Streaming/Stream";

	return authorization ? call_new(c, path, "authorization", authorization, NULL)
			     : call_new(c, path, NULL);
}

static void add(struct buf *b, Ringcx__StreamEvent *e)
{
	size_t n = ringcx__stream_event__get_packed_size(e);
	uint8_t bytes[8192];

	assert_true(n <= sizeof(bytes));
	ringcx__stream_event__pack(e, bytes);
	put_grpc_message(b, 0, bytes, n);
}

static void send_event(struct grpc_client *c, struct call *k, Ringcx__StreamEvent *e)
{
	struct buf b AUTO_BUF = { 0 };

	add(&b, e);
	call_piece(c, k, b.p, b.n);
}

void lines_init(struct grpc_client *c, struct call *k, const char *session, const char *dialog,
		const char *attributes)
{
	Ringcx__StreamEvent e = RINGCX__STREAM_EVENT__INIT;
	Ringcx__DialogInit init = RINGCX__DIALOG_INIT__INIT;
	Ringcx__Dialog d = RINGCX__DIALOG__INIT;
	Ringcx__Account a = RINGCX__ACCOUNT__INIT;
	Ringcx__Dialog__AttributesEntry entries[8], *list[8];
	char *copy = strdup(attributes), *rest = copy, *pair;

	while ((pair = strsep(&rest, ";")) && *pair) {
		Ringcx__Dialog__AttributesEntry *x = &entries[d.n_attributes];

		ringcx__dialog__attributes_entry__init(x);
		x->key = strsep(&pair, "=");
		x->value = pair;
		list[d.n_attributes++] = x;
	}
	d.attributes = list;
	d.id = (char *)(uintptr_t)dialog;
	d.ani = (char *)(uintptr_t) "+1555";
	d.type = 1;
	a.sub_account_id = (char *)(uintptr_t) "2";
	init.dialog = &d;
	init.account = &a;
	e.session_id = (char *)(uintptr_t)session;
	e.event_case = RINGCX__STREAM_EVENT__EVENT_DIALOG_INIT;
	e.dialog_init = &init;
	send_event(c, k, &e);
	free(copy);
}

void lines_join(struct grpc_client *c, struct call *k, const char *segment, int type,
		const char *participant, int codec)
{
	Ringcx__StreamEvent e = RINGCX__STREAM_EVENT__INIT;
	Ringcx__SegmentStart start = RINGCX__SEGMENT_START__INIT;
	Ringcx__Participant p = RINGCX__PARTICIPANT__INIT;
	Ringcx__AudioFormat f = RINGCX__AUDIO_FORMAT__INIT;

	p.id = (char *)(uintptr_t)participant;
	p.type = type;
	f.codec = codec;
	f.rate = 8000;
	start.segment_id = (char *)(uintptr_t)segment;
	start.participant = &p;
	start.audio_format = &f;
	e.event_case = RINGCX__STREAM_EVENT__EVENT_SEGMENT_START;
	e.segment_start = &start;
	send_event(c, k, &e);
}

void lines_media(struct grpc_client *c, struct call *k, const char *segment, unsigned first,
		 unsigned n)
{
	struct buf b AUTO_BUF = { 0 };

	for (unsigned i = first; i < first + n; i++) {
		Ringcx__StreamEvent e = RINGCX__STREAM_EVENT__INIT;
		Ringcx__SegmentMedia media = RINGCX__SEGMENT_MEDIA__INIT;
		Ringcx__AudioContent content = RINGCX__AUDIO_CONTENT__INIT;
		char bytes[800];

		for (unsigned m = 0; m < 5; m++)
			fill(i * 5 + m, bytes + m * 160);
		content.payload = (ProtobufCBinaryData){ sizeof(bytes), (uint8_t *)bytes };
		content.seq = i;
		content.duration = 100;
		media.segment_id = (char *)(uintptr_t)segment;
		media.audio_content = &content;
		e.event_case = RINGCX__STREAM_EVENT__EVENT_SEGMENT_MEDIA;
		e.segment_media = &media;
		add(&b, &e);
	}
	call_piece(c, k, b.p, b.n);
}

void lines_info(struct grpc_client *c, struct call *k, const char *segment, const char *event)
{
	Ringcx__StreamEvent e = RINGCX__STREAM_EVENT__INIT;
	Ringcx__SegmentInfo info = RINGCX__SEGMENT_INFO__INIT;

	info.segment_id = (char *)(uintptr_t)segment;
	info.event = (char *)(uintptr_t)event;
	e.event_case = RINGCX__STREAM_EVENT__EVENT_SEGMENT_INFO;
	e.segment_info = &info;
	send_event(c, k, &e);
}

void lines_leave(struct grpc_client *c, struct call *k, const char *segment)
{
	Ringcx__StreamEvent e = RINGCX__STREAM_EVENT__INIT;
	Ringcx__SegmentStop stop = RINGCX__SEGMENT_STOP__INIT;

	stop.segment_id = (char *)(uintptr_t)segment;
	e.event_case = RINGCX__STREAM_EVENT__EVENT_SEGMENT_STOP;
	e.segment_stop = &stop;
	send_event(c, k, &e);
}
