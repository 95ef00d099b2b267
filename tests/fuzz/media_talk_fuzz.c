/* A conversation over a media socket, in the form of tests/golden/media: lines "< text" and "<b
 * bytes" (here the bytes themselves, or hex when they are that). Every dialect hears all of it. A
 * message is taken or refused with a reason, refusing changes nothing, what is handed out lies in
 * the message or the arena (each message is a block of its own: ASan), and whatever can be sent
 * stays well formed. */
#include <ctype.h>
#include <stdlib.h>

#include "callmend/media.h"
#include "tests/fuzz/fuzz.h"

static void must(bool ok)
{
	if (!ok)
		abort();
}

static volatile unsigned char sink;

static void touch(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		sink ^= (unsigned char)s.p[i];
}

static void touch_start(const struct media_start *s)
{
	must(s->legs_n <= MEDIA_LEGS_MAX && s->channels > 0);
	must(s->own_id.n <= MEDIA_ID_MAX && (!s->message.n || !json_check(s->message, NULL)));
	must(s->stream_id.n <= MEDIA_ID_MAX && s->call_id.n <= MEDIA_ID_MAX);
	must(s->token.n <= MEDIA_ID_MAX && s->encoding.n <= MEDIA_ID_MAX);
	must(s->custom.kind == JSON_NONE || json_check(s->custom.raw, NULL) == 0);
	touch(s->account_id);
	touch(s->from);
	touch(s->to);
	touch(s->token);
}

static void check_event(const struct media_event *e, unsigned legs)
{
	must((unsigned)e->kind <= MEDIA_STOP && (e->kind == MEDIA_START) == (e->start != NULL));
	must(e->leg < MEDIA_LEGS_MAX && (e->kind != MEDIA_AUDIO || e->leg < legs));
	must(e->joined || e->kind != MEDIA_LEG_START);
	must(e->chunk >= -1 && e->at_ms >= -1);
	must(e->kind != MEDIA_DTMF || e->text.n == 1);
	must(e->kind != MEDIA_MARK || (e->text.n > 0 && e->text.n <= MEDIA_ID_MAX));
	must(e->kind != MEDIA_MESSAGE || json_check(e->payload, NULL) == 0);
	touch(e->payload);
	touch(e->text);
}

typedef int reader(void *state, struct span message, struct arena *a, struct media_event *out,
		   struct fault *f);

/* Legs that start announced, from now on. */
static unsigned hear(reader *read, char *state, struct span message, unsigned legs)
{
	char before[MEDIA_STATE_BYTES];
	struct arena arena = { 0 };
	struct media_event e;
	struct fault f = { 0 };
	memcpy(before, state, sizeof(before));
	int rc = read(state, message, &arena, &e, &f);
	must(rc == 0 || (rc == E_INVALID && f.text[0]));
	must(rc == 0 || memcmp(before, state, sizeof(before)) == 0);
	if (rc == 0 && e.start) {
		touch_start(e.start);
		legs = e.start->legs_n;
	}
	if (rc == 0 && e.joined && e.leg >= legs)
		legs = e.leg + 1;
	if (rc == 0)
		check_event(&e, legs);
	arena_fini(&arena);
	return legs;
}

static void check_out(struct media_out *out)
{
	must(out->binary || json_check(buf_span(out->b), NULL) == 0);
	buf_clear(out->b);
}

static void speak(const struct media_dialect *d, char *state, struct span words)
{
	struct buf b AUTO_BUF = { 0 };
	struct media_out out = { .b = &b };
	if (d->put_audio) {
		d->put_audio(state, words, &out);
		check_out(&out);
	}
	if (d->put_mark) {
		d->put_mark(state, words, &out);
		check_out(&out);
	}
	if (d->put_clear) {
		d->put_clear(state, &out);
		check_out(&out);
	}
	if (d->put_silence) {
		d->put_silence(state, 20, &out);
		check_out(&out);
	}
	if (d->put_transcript) {
		d->put_transcript(state, 1, words, true, &out);
		check_out(&out);
	}
}

/* Of a "<b" line: hex becomes bytes in place, anything else stays. */
static struct span bytes_of(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (n % 2 || !isxdigit((unsigned char)p[i]))
			return (struct span){ p, n };
	for (size_t i = 0; i < n; i += 2) {
		char z[3] = { p[i], p[i + 1], 0 };
		p[i / 2] = (char)strtoul(z, NULL, 16);
	}
	return (struct span){ p, n / 2 };
}

static unsigned hear_line(const struct media_dialect *d, char *state, struct span line,
			  unsigned legs)
{
	bool binary = span_starts(line, SPAN("<b "));
	if (!binary && !span_starts(line, SPAN("< ")))
		return legs;
	line = span_from(line, binary ? 3 : 2);
	char *copy = malloc(line.n ? line.n : 1);
	if (line.n)
		memcpy(copy, line.p, line.n);
	struct span message = binary ? bytes_of(copy, line.n) : (struct span){ copy, line.n };
	reader *read = binary ? d->binary : d->text;
	if (read)
		legs = hear(read, state, message, legs);
	speak(d, state, message);
	free(copy);
	return legs;
}

static void talk(const struct media_dialect *d, struct span text)
{
	_Alignas(16) char state[MEDIA_STATE_BYTES] = { 0 };
	struct media_about about = { .call_id = SPAN("call-1"), .rate_hz = 8000 };
	unsigned legs = 0;
	if (d->open)
		d->open(state, &about);
	while (text.n) {
		const char *end = memchr(text.p, '\n', text.n);
		size_t n = end ? (size_t)(end - text.p) : text.n;
		legs = hear_line(d, state, (struct span){ text.p, n }, legs);
		text = span_from(text, n + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	for (const struct media_dialect *const *d = media_dialects; *d; d++)
		talk(*d, (struct span){ (const char *)data, n });
	return 0;
}
