#include "stt/words.h"

#include <ctype.h>

enum { OVERLAP_WORDS = 24, US_PER_MS = 1000 };

void stt_words_init(struct stt_words *w, void (*tell)(void *user, const struct heard *), void *user)
{
	*w = (struct stt_words){ .tell = tell, .user = user, .confidence = -1 };
}

/* --- telling --- */

static void tell(struct stt_words *w, struct span text, bool final, int64_t from_us, int64_t to_us,
		 int confidence)
{
	struct heard h = {
		.kind = HEARD_TRANSCRIPT,
		.final = final,
		.at_us = from_us,
		.ms = to_us > from_us ? (to_us - from_us) / US_PER_MS : 0,
		.value = confidence,
		.text = text,
	};

	w->tell(w->user, &h);
}

static void end_utterance(struct stt_words *w)
{
	w->waits = false;
	w->told.n = 0;
	if (!w->text.n)
		return;
	tell(w, (struct span){ w->text.p, w->text.n }, true, w->from_us, w->to_us, w->confidence);
	w->finals++;
	w->text.n = 0;
	w->confidence = -1;
}

static void tell_partial(struct stt_words *w, int64_t now_us)
{
	w->waits = false;
	w->told = w->waiting;
	w->told_at_us = now_us;
	w->partials++;
	tell(w, (struct span){ w->told.p, w->told.n }, false, w->waiting_from_us, w->waiting_to_us,
	     -1);
}

void stt_words_tick(struct stt_words *w, int64_t now_us)
{
	if (w->waits && now_us - w->told_at_us >= STT_PARTIAL_MS * US_PER_MS)
		tell_partial(w, now_us);
}

/* --- texts --- */

/* So much of it as fits and does not end within a character, nor, where that can be, in a word. */
static size_t fitting(struct span s, size_t room)
{
	size_t n = s.n < room ? s.n : room;

	if (n == s.n)
		return n;
	while (n && ((unsigned char)s.p[n] & 0xC0) == 0x80)
		n--;
	for (size_t i = n; i > n / 2; i--)
		if (s.p[i] == ' ')
			return i;
	return n;
}

static void add_text(struct stt_text *t, struct span s)
{
	memcpy(t->p + t->n, s.p, s.n);
	t->n += s.n;
}

static void keep_tail(struct stt_words *w, struct span text)
{
	size_t n = text.n < STT_TAIL_MAX ? text.n : STT_TAIL_MAX;

	memcpy(w->tail, text.p + text.n - n, n);
	w->tail_n = n;
}

/* A part that is final joins the others; an utterance that grows too long is told in several. */
static void add_part(struct stt_words *w, struct span text, const struct stt_said *said)
{
	while (text.n) {
		size_t space = w->text.n > 0;

		if (w->text.n + space >= STT_TEXT_MAX / 2 &&
		    w->text.n + space + text.n > STT_TEXT_MAX) {
			end_utterance(w);
			continue;
		}
		size_t n = fitting(text, STT_TEXT_MAX - w->text.n - space);
		if (!w->text.n)
			w->from_us = said->from_us;
		if (space)
			add_text(&w->text, SPAN(" "));
		add_text(&w->text, (struct span){ text.p, n });
		w->to_us = said->to_us;
		text = span_from(text, n + (n < text.n && text.p[n] == ' '));
	}
	bool lower =
		said->confidence >= 0 && (w->confidence < 0 || said->confidence < w->confidence);
	if (lower)
		w->confidence = said->confidence;
}

/* --- what was told over another connection --- */

static struct span next_word(struct span *text)
{
	while (text->n && isspace((unsigned char)text->p[0]))
		*text = span_from(*text, 1);
	struct span word = *text;
	while (text->n && !isspace((unsigned char)text->p[0]))
		*text = span_from(*text, 1);
	word.n -= text->n;
	return word;
}

/* Letters and digits, whatever their case; anything beyond ASCII as it is. */
static bool counts(char c)
{
	return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

static bool same_word(struct span a, struct span b)
{
	size_t i = 0, j = 0;

	for (;; i++, j++) {
		while (i < a.n && !counts(a.p[i]))
			i++;
		while (j < b.n && !counts(b.p[j]))
			j++;
		if (i == a.n || j == b.n)
			return i == a.n && j == b.n;
		if (tolower((unsigned char)a.p[i]) != tolower((unsigned char)b.p[j]))
			return false;
	}
}

static size_t words_of(struct span text, struct span *out, size_t cap)
{
	size_t n = 0;

	for (struct span word; n < cap && (word = next_word(&text)).n;)
		out[n++] = word;
	return n;
}

/* Without the words at its beginning with which the last text ended. */
static struct span without_overlap(const struct stt_words *w, struct span text)
{
	struct span all[STT_TAIL_MAX / 2], first[OVERLAP_WORDS];
	size_t all_n = words_of((struct span){ w->tail, w->tail_n }, all, STT_TAIL_MAX / 2);
	size_t n = words_of(text, first, OVERLAP_WORDS);

	for (size_t k = n < all_n ? n : all_n; k; k--) {
		size_t same = 0;

		while (same < k && same_word(all[all_n - k + same], first[same]))
			same++;
		if (same < k)
			continue;
		const char *end = first[k - 1].p + first[k - 1].n;
		struct span rest = { end, (size_t)(text.p + text.n - end) };
		while (rest.n && isspace((unsigned char)rest.p[0]))
			rest = span_from(rest, 1);
		return rest;
	}
	return text;
}

static struct span news_of(struct stt_words *w, const struct stt_said *said)
{
	int64_t slack_us = STT_REPEAT_SLACK_MS * US_PER_MS;
	struct span text = said->text;

	if (!w->repeat_us || !text.n || said->from_us >= w->repeat_us + slack_us)
		return text;
	text = said->to_us <= w->repeat_us + slack_us / 2 ? (struct span){ 0 }
							  : without_overlap(w, text);
	w->repeats += text.n < said->text.n;
	return text;
}

/* --- hearing --- */

static void hear_final(struct stt_words *w, const struct stt_said *said, struct span text)
{
	if (said->to_us > w->settled_us)
		w->settled_us = said->to_us;
	w->waits = false;
	if (!text.n)
		return;
	add_part(w, text, said);
	keep_tail(w, said->text);
}

static void hear_partial(struct stt_words *w, const struct stt_said *said, struct span text,
			 int64_t now_us)
{
	struct stt_text *t = &w->waiting;

	if (!text.n)
		return;
	*t = w->text;
	if (t->n && t->n < STT_TEXT_MAX)
		add_text(t, SPAN(" "));
	text.n = fitting(text, STT_TEXT_MAX - t->n);
	add_text(t, text);
	if (t->n == w->told.n && memcmp(t->p, w->told.p, t->n) == 0)
		return;
	w->waiting_from_us = w->text.n ? w->from_us : said->from_us;
	w->waiting_to_us = said->to_us;
	w->waits = true;
	stt_words_tick(w, now_us);
}

void stt_words_hear(struct stt_words *w, const struct stt_said *said, int64_t now_us)
{
	struct span text = news_of(w, said);

	if (said->final)
		hear_final(w, said, text);
	else
		hear_partial(w, said, text, now_us);
	if (said->ends)
		end_utterance(w);
}

void stt_words_again(struct stt_words *w)
{
	w->repeat_us = w->settled_us;
	w->waits = false;
}

void stt_words_end(struct stt_words *w)
{
	end_utterance(w);
}
