/* Every conversation over a media socket becomes exactly the events and messages beside it.
 *
 * media_test
 *	compares GOLDEN_DIR/media/{dialect}/NAME.talk with NAME.events
 * media_test --update
 *	writes NAME.events anew; then read the difference
 *
 * A .talk has a line per message: "< text" and "<b hex" come in, "> audio hex", "> mark name",
 * "> clear", "> silence ms", "> transcript LEG final|partial text" and "> command json" go out;
 * "open CALL ENCODING RATE" (first line) is what we dialled with; "#" is a remark. The .events have
 *a line per line: the event as JSON, "refused: why", or what is sent.
 *
 * Beside that every line shows that a refused message changes nothing, and that audio in the plain
 * form allocates nothing. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/crypto.h"
#include "base/file.h"
#include "callmend/media.h"

enum { TALK_LIMIT = 1024 * 1024 };

struct talk {
	const struct media_dialect *d;
	_Alignas(16) char state[MEDIA_STATE_BYTES];
	struct buf out; /* what becomes of it */
};

static _Noreturn void broken(const char *what, struct span line)
{
	fprintf(stderr, "%s: %.*s\n", what, SPAN_ARG(line));
	exit(2);
}

/* --- events as JSON --- */

static void put_text(struct json_out *o, const char *key, struct span text)
{
	if (text.n)
		json_put_text(o, key, text);
}

static void put_number(struct json_out *o, const char *key, int64_t n, int64_t none)
{
	if (n != none)
		json_put_i64(o, key, n);
}

static void put_legs(struct json_out *o, const struct media_start *s)
{
	json_begin_array(o, s->legs_known ? "legs" : "legs_possible");
	for (unsigned i = 0; i < s->legs_n; i++) {
		struct buf b AUTO_BUF = { 0 };
		buf_printf(&b, "%s: %.*s%s", speaker_name(s->legs[i].speaker),
			   SPAN_ARG(s->legs[i].label), i && i == s->our_leg ? ", ours" : "");
		json_put_text(o, NULL, buf_span(&b));
	}
	json_end_array(o);
}

static void put_start(struct json_out *o, const struct media_start *s)
{
	json_begin(o, "start");
	put_text(o, "stream", s->stream_id);
	put_text(o, "call", s->call_id);
	put_text(o, "own", s->own_id);
	put_text(o, "account", s->account_id);
	put_text(o, "from", s->from);
	put_text(o, "to", s->to);
	put_text(o, "token", s->token);
	put_text(o, "encoding", s->encoding);
	put_number(o, "rate", s->rate_hz, 0);
	json_put_i64(o, s->channels_known ? "channels" : "channels_possible", s->channels);
	put_legs(o, s);
	if (s->one_way)
		json_put_bool(o, "one_way", true);
	if (s->custom.kind != JSON_NONE)
		json_put_raw(o, "custom", s->custom.raw);
	if (s->message.n)
		json_put_raw(o, "message", s->message);
	json_end(o);
}

static void put_joined(struct json_out *o, const struct media_joined *j)
{
	json_begin(o, "joined");
	put_text(o, "speaker", span_of(speaker_name(j->leg.speaker)));
	put_text(o, "label", j->leg.label);
	put_text(o, "who", j->who);
	put_text(o, "encoding", j->encoding);
	put_number(o, "rate", j->rate_hz, 0);
	json_end(o);
}

static void put_payload(struct json_out *o, const struct media_event *e)
{
	uint8_t bytes[4096];
	size_t n = e->payload.n;
	bool fits = base64_room(e->payload) <= sizeof(bytes);
	if (e->base64)
		json_put_text(o, "base64", e->payload);
	if (e->base64 && fits && base64_decode(e->payload, bytes, &n) != 0)
		json_put_z(o, "damaged", "no base64");
	else
		json_put_i64(o, "bytes", (int64_t)n);
}

static void put_event(struct buf *out, const struct media_event *e)
{
	static const char *const names[] = {
		[MEDIA_NOTHING] = "nothing",   [MEDIA_START] = "start",
		[MEDIA_AUDIO] = "audio",       [MEDIA_DTMF] = "dtmf",
		[MEDIA_MARK] = "mark",	       [MEDIA_CLEARED] = "cleared",
		[MEDIA_MESSAGE] = "message",   [MEDIA_ERROR] = "error",
		[MEDIA_STOP] = "stop",	       [MEDIA_LEG_START] = "leg_start",
		[MEDIA_LEG_HELD] = "leg_held", [MEDIA_LEG_STOP] = "leg_stop",
		[MEDIA_PASSED] = "passed",
	};
	struct json_out o = { .b = out };
	json_begin(&o, NULL);
	json_put_z(&o, "event", names[e->kind]);
	put_number(&o, "leg", e->leg, 0);
	put_number(&o, "sequence", e->sequence, -1);
	put_number(&o, "chunk", e->chunk, -1);
	put_number(&o, "at_ms", e->at_ms, -1);
	put_number(&o, "duration_ms", e->duration_ms, 0);
	put_text(&o, "text", e->text);
	if (e->kind == MEDIA_LEG_HELD)
		json_put_bool(&o, "on", e->on);
	if (e->joined)
		put_joined(&o, e->joined);
	if (e->start)
		put_start(&o, e->start);
	if (e->kind == MEDIA_MESSAGE)
		json_put_raw(&o, "message", e->payload);
	else if (e->kind == MEDIA_AUDIO || e->payload.n)
		put_payload(&o, e);
	json_end(&o);
}

/* --- lines --- */

static struct span word(struct span *line)
{
	size_t n = 0;
	while (n < line->n && line->p[n] != ' ')
		n++;
	struct span w = { line->p, n };
	*line = span_from(*line, n + 1);
	return w;
}

static unsigned number(struct span s)
{
	char z[16] = { 0 };
	memcpy(z, s.p, s.n < sizeof(z) ? s.n : sizeof(z) - 1);
	return (unsigned)strtoul(z, NULL, 10);
}

static void unhex(struct span hex, struct buf *out)
{
	for (size_t i = 0; i + 1 < hex.n; i += 2) {
		char z[3] = { hex.p[i], hex.p[i + 1], 0 };
		buf_addc(out, (char)strtoul(z, NULL, 16));
	}
}

typedef int reader(void *state, struct span message, struct arena *a, struct media_event *out,
		   struct fault *f);

/* A copy of its exact size, so that a read behind the end is noticed. */
static void come_in(struct talk *t, reader *read, struct span message)
{
	char before[MEDIA_STATE_BYTES];
	struct arena arena = { 0 };
	struct fault f = { 0 };
	struct media_event e = { 0 };
	char *exact = malloc(message.n ? message.n : 1);
	memcpy(before, t->state, sizeof(before));
	if (message.n)
		memcpy(exact, message.p, message.n);
	if (!read) {
		buf_addz(&t->out, "refused: this protocol has no such messages\n");
	} else if (read(t->state, (struct span){ exact, message.n }, &arena, &e, &f) == 0) {
		put_event(&t->out, &e);
		buf_addc(&t->out, '\n');
		CHECK(e.kind != MEDIA_AUDIO || arena.total == 0 ||
		      memchr(message.p, '\\', message.n) || t->d->grpc_path);
	} else {
		buf_printf(&t->out, "refused: %s\n", f.text);
		CHECK(f.code == E_INVALID && f.text[0]);
		CHECK(memcmp(before, t->state, sizeof(before)) == 0);
	}
	arena_fini(&arena);
	free(exact);
}

static void open_talk(struct talk *t, struct span args)
{
	struct media_about about = { .call_id = word(&args) };
	about.encoding = word(&args);
	about.rate_hz = number(args);
	if (t->d->open)
		t->d->open(t->state, &about);
}

static void out_audio(struct talk *t, struct span hex, struct media_out *out)
{
	struct buf bytes AUTO_BUF = { 0 };
	unhex(hex, &bytes);
	t->d->put_audio(t->state, buf_span(&bytes), out);
}

static void out_mark(struct talk *t, struct span name, struct media_out *out)
{
	t->d->put_mark(t->state, name, out);
}

static void out_clear(struct talk *t, struct span none, struct media_out *out)
{
	(void)none;
	t->d->put_clear(t->state, out);
}

static void out_silence(struct talk *t, struct span ms, struct media_out *out)
{
	t->d->put_silence(t->state, number(ms), out);
}

static void out_transcript(struct talk *t, struct span args, struct media_out *out)
{
	unsigned leg = number(word(&args));
	bool final = span_is(word(&args), "final");
	t->d->put_transcript(t->state, leg, args, final, out);
}

static void out_command(struct talk *t, struct span body, struct media_out *out)
{
	struct command c;
	struct fault f = { 0 };
	struct arena a = { 0 };
	if (command_read(json_of(body), &a, &c, &f) || t->d->put_command(t->state, &c, out, &f))
		buf_printf(out->b, "{\"refused\":\"%s\"}", f.text);
	arena_fini(&a);
}

#define CAN(name) offsetof(struct media_dialect, put_##name)
static const struct {
	const char *name;
	size_t can;
	void (*put)(struct talk *, struct span args, struct media_out *);
} outs[] = {
	{ "audio", CAN(audio), out_audio },
	{ "mark", CAN(mark), out_mark },
	{ "clear", CAN(clear), out_clear },
	{ "silence", CAN(silence), out_silence },
	{ "transcript", CAN(transcript), out_transcript },
	{ "command", CAN(command), out_command },
};

static void put_sent(struct talk *t, const struct media_out *out)
{
	buf_addz(&t->out, out->binary ? "sent binary: " : "sent: ");
	if (out->binary)
		crypto_hex(buf_span(out->b), &t->out);
	else
		buf_add(&t->out, buf_span(out->b));
	buf_addc(&t->out, '\n');
	CHECK(out->binary || json_check(buf_span(out->b), NULL) == 0);
}

static void go_out(struct talk *t, struct span line)
{
	struct buf b AUTO_BUF = { 0 };
	struct media_out out = { .b = &b };
	struct span name = word(&line);
	size_t i = 0, n = sizeof(outs) / sizeof(outs[0]);
	while (i < n && !span_is(name, outs[i].name))
		i++;
	if (i == n)
		broken("no such thing to send", name);
	void *const *can = (void *const *)(const void *)((const char *)t->d + outs[i].can);
	if (!*can) {
		buf_addz(&t->out, "cannot be sent\n");
		return;
	}
	outs[i].put(t, line, &out);
	put_sent(t, &out);
}

static void take_line(struct talk *t, struct span line)
{
	struct buf bytes AUTO_BUF = { 0 };
	if (line.n == 0 || *line.p == '#')
		return;
	struct span what = word(&line);
	if (span_is(what, "<")) {
		come_in(t, t->d->text, line);
	} else if (span_is(what, "<b")) {
		unhex(line, &bytes);
		come_in(t, t->d->binary, buf_span(&bytes));
	} else if (span_is(what, ">")) {
		go_out(t, line);
	} else if (span_is(what, "open")) {
		open_talk(t, line);
	} else {
		broken("no such line", what);
	}
}

static void play(struct talk *t, struct span text)
{
	if (!span_starts(text, SPAN("open ")))
		open_talk(t, (struct span){ "", 0 });
	while (text.n) {
		const char *end = memchr(text.p, '\n', text.n);
		size_t n = end ? (size_t)(end - text.p) : text.n;
		take_line(t, (struct span){ text.p, n });
		text = span_from(text, n + 1);
	}
}

/* --- files --- */

struct run {
	bool update;
	int checked, failed;
};

static void load(const char *path, struct buf *out)
{
	struct fault f = { 0 };
	if (file_read(path, TALK_LIMIT, out, &f) != 0)
		broken("cannot read", span_of(f.text));
}

static void compare(struct run *run, const char *path, struct span got)
{
	struct buf want AUTO_BUF = { 0 };
	struct fault f = { 0 };
	run->checked++;
	if (file_read(path, TALK_LIMIT, &want, &f) == 0 && span_eq(buf_span(&want), got))
		return;
	run->failed++;
	printf("FAILED %s\n--- want\n%.*s--- got\n%.*s", path, (int)want.n, want.p, (int)got.n,
	       got.p);
}

static void check_talk(struct run *run, const struct media_dialect *d, const char *base)
{
	struct talk *t = calloc(1, sizeof(*t));
	struct buf path AUTO_BUF = { 0 }, text AUTO_BUF = { 0 };
	struct fault f = { 0 };
	t->d = d;
	buf_printf(&path, "%s.talk", base);
	load(buf_z(&path), &text);
	play(t, buf_span(&text));
	buf_clear(&path);
	buf_printf(&path, "%s.events", base);
	if (run->update && file_replace(buf_z(&path), 0644, buf_span(&t->out), &f) != 0)
		broken("cannot write", span_of(f.text));
	compare(run, buf_z(&path), buf_span(&t->out));
	buf_free(&t->out);
	free(t);
}

static int is_talk(const struct dirent *e)
{
	size_t n = strlen(e->d_name);
	return n > 5 && strcmp(e->d_name + n - 5, ".talk") == 0;
}

static int check_dialect(bool update, const struct media_dialect *d)
{
	struct run run = { .update = update };
	struct dirent **names;
	char folder[512];
	snprintf(folder, sizeof(folder), "%s/media/%s", GOLDEN_DIR, d->name);
	int n = scandir(folder, &names, is_talk, alphasort);
	for (int i = 0; i < n; i++) {
		char base[1024];
		snprintf(base, sizeof(base), "%s/%.*s", folder, (int)strlen(names[i]->d_name) - 5,
			 names[i]->d_name);
		check_talk(&run, d, base);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	printf("%s: %d talks, %d failed\n", d->name, run.checked, run.failed);
	return run.failed + (run.checked == 0) + (media_dialect_find(span_of(d->name)) != d);
}

int main(int argc, char **argv)
{
	bool update = argc == 2 && strcmp(argv[1], "--update") == 0;
	int failed = 0;
	if (argc > 1 && !update) {
		fprintf(stderr, "usage: %s [--update]\n", argv[0]);
		return 2;
	}
	for (const struct media_dialect *const *d = media_dialects; *d; d++)
		failed += check_dialect(update, *d);
	return failed != 0;
}
