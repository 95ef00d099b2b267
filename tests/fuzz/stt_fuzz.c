/* What speech-to-text providers answer. The first byte picks one; each line is a message of one
 * connection (or an answer to a request), a line that begins with '!' says that a new connection
 * was made. Refusing says why; results are bounded; what the call is told of them is UTF-8, bounded
 * and in the time of what was sent; of voices two have names, or none. */
#include <stdlib.h>

#include "stt/clock.h"
#include "stt/voices.h"
#include "stt/words.h"
#include "tests/fuzz/fuzz.h"

enum { RESULTS = 8, SENT_S = 3600, RATE = 8000 };
#define BEGUN_US INT64_C(1700000000000000)
#define ENDED_US (BEGUN_US + SENT_S * INT64_C(1000000))

static void must(bool ok)
{
	if (!ok)
		abort();
}

static bool is_utf8(struct span s)
{
	struct buf again AUTO_BUF = { 0 };
	buf_add_utf8(&again, s);
	return span_eq(buf_span(&again), s);
}

static void on_told(void *user, const struct heard *h)
{
	(void)user;
	must(h->kind == HEARD_TRANSCRIPT && h->text.n && h->text.n <= STT_TEXT_MAX);
	must(is_utf8(h->text));
	must(h->value >= -1 && h->value <= 1000 && h->ms >= 0 && h->ms <= SENT_S * 1000);
	must(h->at_us >= BEGUN_US && h->at_us <= ENDED_US);
}

struct leg {
	const struct stt_provider *p;
	void *state;
	struct stt_words words;
	struct stt_clock clock;
	int64_t now_us;
};

static void begin(struct leg *l)
{
	free(l->state);
	l->state = aligned_alloc(16, (l->p->state_bytes + 16) / 16 * 16);
	must(l->state);
	memset(l->state, 0, (l->p->state_bytes + 16) / 16 * 16);
	stt_clock_init(&l->clock, RATE);
	stt_clock_sent(&l->clock, (int64_t)SENT_S * RATE, BEGUN_US);
}

/* As stt.c does. */
static void take_words(struct leg *l, const struct stt_result *r)
{
	int64_t sent_us = stt_clock_sent_us(&l->clock);
	int64_t to_us = r->to_us >= 0 && r->to_us <= sent_us ? r->to_us : sent_us;
	int64_t from_us = r->from_us < 0 || r->from_us > to_us ? to_us : r->from_us;
	const struct stt_said said = { .text = r->text,
				       .final = r->final,
				       .ends = r->ends,
				       .confidence = r->confidence,
				       .from_us = stt_clock_at(&l->clock, from_us),
				       .to_us = stt_clock_end(&l->clock, to_us) };
	stt_words_hear(&l->words, &said, l->now_us);
}

static void take_result(struct leg *l, const struct stt_result *r)
{
	must(r->from_us >= -1 && r->to_us >= -1);
	must(r->confidence >= -1 && r->confidence <= 1000);
	must(r->voice >= -1 && r->voice < STT_VOICES_MAX);
	must(is_utf8(r->text) && is_utf8(r->complaint));
	must(!r->fatal || r->complaint.n);
	if (r->words)
		take_words(l, r);
}

static void name_voices(const struct stt_result *r, size_t n)
{
	enum speaker who[RESULTS];
	struct voices v = voices_name(r, n, SPEAKER_AI, who);
	unsigned named[] = { [SPEAKER_NONE] = 0, [SPEAKER_AI] = 0, [SPEAKER_USER] = 0 };
	for (size_t i = 0; i < n; i++)
		named[who[i]]++;
	must(v.n <= n);
	must(!v.unnamed == (named[SPEAKER_AI] && named[SPEAKER_USER]));
	must(v.unnamed == NULL || named[SPEAKER_NONE] == n);
}

/* In memory of its exact size, so that a read behind the end is noticed. */
static void hear(struct leg *l, struct span line)
{
	struct arena a = { 0 };
	struct stt_result results[RESULTS];
	struct fault f = { 0 };
	size_t n = 0;
	char *copy = malloc(line.n ? line.n : 1);
	memcpy(copy, line.n ? line.p : "", line.n);
	l->now_us += 100000;
	if (l->p->read(l->state, (struct span){ copy, line.n }, &a, results, RESULTS, &n, &f))
		must(f.text[0]);
	else
		must(n <= RESULTS);
	for (size_t i = 0; i < n && !f.text[0]; i++)
		take_result(l, &results[i]);
	if (!f.text[0])
		name_voices(results, n);
	stt_words_tick(&l->words, l->now_us);
	arena_fini(&a);
	free(copy);
}

static const struct stt_provider *provider_of(uint8_t which)
{
	size_t n = 0;
	while (stt_providers[n])
		n++;
	return stt_providers[which % n];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span rest = { (const char *)data + 1, n - 1 };
	if (!n)
		return 0;
	struct leg l = { .p = provider_of(data[0]) };
	stt_words_init(&l.words, on_told, NULL);
	begin(&l);
	while (rest.n) {
		struct span line = span_line(&rest);
		if (line.n && line.p[0] == '!') {
			begin(&l);
			stt_words_again(&l.words);
		} else {
			hear(&l, line);
		}
	}
	stt_words_end(&l.words);
	free(l.state);
	return 0;
}
