/* OpenAI's Realtime API as a transcription session (developers.openai.com/api/docs/guides/
 * realtime-transcription), GA: no OpenAI-Beta header. Servers that still give the events their beta
 * names (transcription_session.updated) are understood.
 *
 * Sent: session.update, then input_audio_buffer.append with base64, at the end
 * input_audio_buffer.commit. G.711 as it is; PCM has 24 kHz there.
 *
 * Read: session.updated (it listens), input_audio_buffer.speech_started/_stopped (where an item's
 * speech lies: audio_start_ms takes in the padding before it, audio_end_ms the silence that ended
 * it, so both are taken off again), .committed, conversation.item.input_audio_transcription.delta,
 * .completed, .failed, error. Items may be completed in another order than they were spoken. */
#include <math.h>

#include "base/crypto.h"
#include "stt/provider.h"

enum { PADDING_MS = 300, SILENCE_MS = 500, ITEMS = 4, ITEM_ID_MAX = 64 };

struct item {
	size_t id_n, text_n; /* id_n 0: free */
	int64_t from_us, to_us;
	uint64_t age;
	char id[ITEM_ID_MAX];
	char text[STT_TEXT_MAX];
};

struct realtime {
	struct item items[ITEMS];
	uint64_t items_seen;
	int64_t last_to_us;
	bool ready, finishing, answered;
};

static void path(const struct stt_setup *setup, struct stt_form form, struct buf *out)
{
	(void)setup, (void)form;
	buf_addz(out, "/realtime?intent=transcription");
}

/* --- what is sent --- */

static void put_format(struct json_out *o, struct stt_form form)
{
	static const char *const types[] = {
		[STT_ULAW] = "audio/pcmu",
		[STT_ALAW] = "audio/pcma",
		[STT_PCM] = "audio/pcm",
	};

	json_begin(o, "format");
	json_put_z(o, "type", types[form.coding]);
	if (form.coding == STT_PCM)
		json_put_i64(o, "rate", form.rate_hz);
	json_end(o);
}

static void put_turns(struct json_out *o)
{
	json_begin(o, "turn_detection");
	json_put_z(o, "type", "server_vad");
	json_put_f64(o, "threshold", 0.5);
	json_put_i64(o, "prefix_padding_ms", PADDING_MS);
	json_put_i64(o, "silence_duration_ms", SILENCE_MS);
	json_end(o);
}

static void put_input(struct json_out *o, const struct stt_setup *setup, struct stt_form form)
{
	json_begin(o, "audio");
	json_begin(o, "input");
	put_format(o, form);
	json_begin(o, "transcription");
	json_put_text(o, "model", stt_model(stt_provider_find(SPAN("openai-realtime")), setup));
	if (setup->language.n)
		json_put_text(o, "language", setup->language);
	json_end(o);
	put_turns(o);
	json_end(o);
	json_end(o);
}

static void open_session(void *state, const struct stt_setup *setup, struct stt_form form,
			 struct buf *out)
{
	struct json_out o = { .b = out };

	(void)state;
	json_begin(&o, NULL);
	json_put_z(&o, "type", "session.update");
	json_begin(&o, "session");
	json_put_z(&o, "type", "transcription");
	put_input(&o, setup, form);
	json_begin_array(&o, "include");
	json_put_z(&o, NULL, "item.input_audio_transcription.logprobs");
	json_end_array(&o);
	json_end(&o);
	json_end(&o);
}

static void audio(struct span bytes, struct buf *out)
{
	buf_addz(out, "{\"type\":\"input_audio_buffer.append\",\"audio\":\"");
	crypto_base64(bytes, out);
	buf_addz(out, "\"}");
}

static void finish(void *state, struct buf *out)
{
	((struct realtime *)state)->finishing = true;
	buf_addz(out, "{\"type\":\"input_audio_buffer.commit\"}");
}

/* --- items --- */

static struct item *find(struct realtime *s, struct span id)
{
	for (size_t i = 0; id.n && i < ITEMS; i++)
		if (s->items[i].id_n == id.n && memcmp(s->items[i].id, id.p, id.n) == 0)
			return &s->items[i];
	return NULL;
}

/* A free one, or that of the oldest, whose end never came. */
static struct item *place_for(struct realtime *s)
{
	struct item *oldest = &s->items[0];

	for (size_t i = 0; i < ITEMS; i++) {
		if (!s->items[i].id_n)
			return &s->items[i];
		if (s->items[i].age < oldest->age)
			oldest = &s->items[i];
	}
	return oldest;
}

/* One that nobody has announced begins where the last one ended. */
static struct item *item_of(struct realtime *s, struct json message, struct arena *a)
{
	struct span id = json_text(json_get(message, "item_id"), a);
	struct item *it = find(s, id);

	if (it || !id.n || id.n > ITEM_ID_MAX)
		return it;
	it = place_for(s);
	it->id_n = id.n;
	it->text_n = 0;
	it->from_us = s->last_to_us;
	it->to_us = -1;
	it->age = ++s->items_seen;
	memcpy(it->id, id.p, id.n);
	return it;
}

static bool is_idle(const struct realtime *s)
{
	for (size_t i = 0; i < ITEMS; i++)
		if (s->items[i].id_n)
			return false;
	return true;
}

static int64_t ms_as_us(struct json v)
{
	int64_t ms;

	return json_i64(v, &ms) && ms >= 0 && ms < INT64_C(1000000000) ? ms * 1000 : -1;
}

/* --- what is read --- */

struct event {
	struct realtime *s;
	struct json m;
	struct arena *a;
	struct stt_result *r;
};

static void on_updated(struct event *e)
{
	e->r->ready = e->s->ready = true;
}

static void on_started(struct event *e)
{
	struct item *it = item_of(e->s, e->m, e->a);
	int64_t start_us = ms_as_us(json_get(e->m, "audio_start_ms"));

	if (it && start_us >= 0)
		it->from_us = start_us ? start_us + PADDING_MS * 1000 : 0;
}

static void on_stopped(struct event *e)
{
	struct item *it = item_of(e->s, e->m, e->a);
	int64_t end_us = ms_as_us(json_get(e->m, "audio_end_ms"));

	if (!it || end_us < 0)
		return;
	it->to_us = end_us - SILENCE_MS * 1000;
	if (it->to_us < it->from_us)
		it->to_us = it->from_us;
	e->s->last_to_us = it->to_us;
}

/* What the server ended by itself was said to be stopped before: that is no answer to our commit,
 * and what was spoken after it is still to come. */
static void on_committed(struct event *e)
{
	const struct item *it = item_of(e->s, e->m, e->a);
	bool ours = !it || it->to_us < 0;

	e->s->answered |= e->s->finishing && ours;
}

static void tell(struct event *e, const struct item *it, struct span text)
{
	e->r->words = true;
	e->r->from_us = it->from_us;
	e->r->to_us = it->to_us;
	e->r->text = text;
}

static void on_delta(struct event *e)
{
	struct item *it = item_of(e->s, e->m, e->a);
	struct span more = json_text(json_get(e->m, "delta"), e->a);

	if (!it || more.n > sizeof(it->text) - it->text_n)
		return;
	if (more.n)
		memcpy(it->text + it->text_n, more.p, more.n);
	it->text_n += more.n;
	tell(e, it, (struct span){ it->text, it->text_n });
}

/* The mean of the tokens' logarithms. */
static int confidence_of(struct json logprobs)
{
	struct json_iter it = json_iter(logprobs);
	struct span key;
	struct json v;
	double sum = 0, one;
	int n = 0;

	while (logprobs.kind == JSON_ARRAY && json_next(&it, &key, &v)) {
		if (!json_f64(json_get(v, "logprob"), &one) || one > 0)
			continue;
		sum += one;
		n++;
	}
	return n ? (int)lround(exp(sum / n) * 1000) : -1;
}

static void on_completed(struct event *e)
{
	struct item *it = item_of(e->s, e->m, e->a);

	if (!it)
		return;
	tell(e, it, json_text(json_get(e->m, "transcript"), e->a));
	e->r->confidence = confidence_of(json_get(e->m, "logprobs"));
	e->r->final = e->r->ends = true;
	it->id_n = 0;
}

static void complain(struct event *e)
{
	e->r->complaint = json_text(json_path(e->m, "error.message"), e->a);
	if (!e->r->complaint.n)
		e->r->complaint = SPAN("an error without a message");
}

static void on_failed(struct event *e)
{
	struct item *it = find(e->s, json_text(json_get(e->m, "item_id"), e->a));

	if (it)
		it->id_n = 0;
	complain(e);
}

/* Nothing to commit at the end is no mistake; a session that was never taken is one for good. */
static void on_error(struct event *e)
{
	if (e->s->finishing) {
		e->s->answered = true;
		return;
	}
	complain(e);
	e->r->fatal = !e->s->ready;
}

static const struct {
	const char *type;
	void (*on)(struct event *);
} events[] = {
	{ "conversation.item.input_audio_transcription.delta", on_delta },
	{ "conversation.item.input_audio_transcription.completed", on_completed },
	{ "conversation.item.input_audio_transcription.failed", on_failed },
	{ "input_audio_buffer.speech_started", on_started },
	{ "input_audio_buffer.speech_stopped", on_stopped },
	{ "input_audio_buffer.committed", on_committed },
	{ "session.updated", on_updated },
	{ "transcription_session.updated", on_updated },
	{ "error", on_error },
};

static int read_message(void *state, struct span message, struct arena *a, struct stt_result *out,
			size_t cap, size_t *n, struct fault *f)
{
	struct event e = { .s = state, .a = a, .r = out };

	*n = 0;
	if (json_check(message, f))
		return E_INVALID;
	e.m = json_of(message);
	struct json type = json_get(e.m, "type");
	if (type.kind != JSON_STRING)
		return fault(f, E_INVALID, "a message without a type");
	for (size_t i = 0; cap && i < sizeof(events) / sizeof(events[0]); i++) {
		if (!json_is_text(type, events[i].type))
			continue;
		*out = (struct stt_result){
			.from_us = -1, .to_us = -1, .confidence = -1, .voice = -1
		};
		events[i].on(&e);
		out->done = e.s->finishing && e.s->answered && is_idle(e.s);
		*n = 1;
	}
	return 0;
}

const struct stt_provider stt_openai_realtime = {
	.name = "openai-realtime",
	.title = "OpenAI Realtime",
	.url = "https://api.openai.com/v1",
	.model = "gpt-4o-transcribe",
	.key_as = "Bearer ",
	.pcm_hz = 24000,
	.path = path,
	.state_bytes = sizeof(struct realtime),
	.open = open_session,
	.audio = audio,
	.finish = finish,
	.read = read_message,
};
