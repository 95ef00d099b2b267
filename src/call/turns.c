/* Finals of one speaker, merged.
 *
 *   final ─► open turn of that speaker? ─► appended      other speaker, pause or end of call closes
 * it ─► TURN └─► older than what is open    ─► into the closed turn it belongs to ─► TURN, revision
 * n+1 history entry ─► live transcripts expected? waits HISTORY_PATIENCE for their words, else
 * fills the gap └─► none expected: it is the turn
 *
 * Bounds: TURNS_HOT whole turns, TURNS_COLD older ones as spans of time (so that a very late final
 * makes no new turn), then only the count. HISTORY_WAITING entries wait; one more sends the oldest
 * on at once. */
#include "call/parts.h"

#include <stdlib.h>

#define HISTORY_PATIENCE_US (INT64_C(20) * SECOND_US)
#define PAIR_SLACK_US (INT64_C(10) * SECOND_US)
#define OPEN_MAX_US (INT64_C(10) * SECOND_US)
enum { PAIRED_PERCENT = 50, ABSORBED_PERCENT = 80, TURNS_STEP = 16 };

static struct turn *find(struct turns_state *t, uint32_t number)
{
	if (t->hot_n == 0 || number < t->hot[0].number || number > t->hot[t->hot_n - 1].number)
		return NULL;
	return &t->hot[number - t->hot[0].number];
}

const struct turn *turns_find(const struct session *s, uint32_t number)
{
	struct turns_state t = s->turns;
	return find(&t, number);
}

static struct turn *open_turn(struct session *s)
{
	return s->turns.open ? find(&s->turns, s->turns.open - 1) : NULL;
}

/* --- memory --- */

static void turn_fini(struct turn *t)
{
	kept_free(&t->text);
	free(t->pieces);
}

static void keep_cold(struct session *s, const struct turn *t)
{
	struct turns_state *ts = &s->turns;
	if (ts->cold_n == TURNS_COLD) {
		memmove(ts->cold, ts->cold + 1, (TURNS_COLD - 1) * sizeof(*ts->cold));
		ts->cold_n--;
	}
	if (ts->cold_n == ts->cold_cap) {
		ts->cold_cap = ts->cold_cap ? ts->cold_cap * 2 : 64;
		ts->cold = realloc(ts->cold, ts->cold_cap * sizeof(*ts->cold));
		CHECK(ts->cold);
	}
	ts->cold[ts->cold_n++] =
		(struct cold_turn){ t->started_us, t->ended_us, t->number, t->speaker };
	session_flag(s, FLAG_TURNS_COLD);
}

static void make_room(struct session *s)
{
	struct turns_state *ts = &s->turns;
	if (ts->hot_n == TURNS_HOT) {
		keep_cold(s, &ts->hot[0]);
		turn_fini(&ts->hot[0]);
		memmove(ts->hot, ts->hot + 1, (TURNS_HOT - 1) * sizeof(*ts->hot));
		ts->hot_n--;
	}
	if (ts->hot_n == ts->hot_cap) {
		ts->hot_cap += TURNS_STEP;
		ts->hot = realloc(ts->hot, ts->hot_cap * sizeof(*ts->hot));
		CHECK(ts->hot);
	}
}

static struct turn *add_turn(struct session *s, enum speaker who, int64_t started_us,
			     bool own_clock)
{
	make_room(s);
	struct turn *t = &s->turns.hot[s->turns.hot_n++];
	*t = (struct turn){ .number = s->turns.next_number++,
			    .speaker = (uint8_t)who,
			    .own_clock = own_clock,
			    .started_us = started_us,
			    .ended_us = started_us };
	return t;
}

/* --- pieces --- */

static void join(struct buf *b, struct span piece)
{
	if (b->n)
		buf_addc(b, ' ');
	buf_add(b, piece);
}

/* The text with a new piece before piece i. */
static void insert_text(struct turn *t, unsigned i, struct span text)
{
	struct buf b AUTO_BUF = { 0 };
	size_t from = 0;
	for (unsigned k = 0; k <= t->pieces_n; k++) {
		if (k == i)
			join(&b, text);
		if (k == t->pieces_n)
			break;
		join(&b, (struct span){ t->text.p + from, t->pieces[k].bytes });
		from += t->pieces[k].bytes + 1;
	}
	kept_set(&t->text, buf_span(&b));
}

/* In order of event time. A turn of more than TURN_PIECES pieces grows at its end only. */
static void insert_piece(struct turn *t, int64_t at_us, struct span text)
{
	unsigned i = t->pieces_n;
	if (t->pieces_n == TURN_PIECES) {
		kept_join(&t->text, text);
		t->pieces[TURN_PIECES - 1].bytes += (uint32_t)text.n + 1;
		return;
	}
	while (i > 0 && t->pieces[i - 1].at_us > at_us)
		i--;
	insert_text(t, i, text);
	t->pieces = realloc(t->pieces, (t->pieces_n + 1u) * sizeof(*t->pieces));
	CHECK(t->pieces);
	memmove(t->pieces + i + 1, t->pieces + i, (t->pieces_n - i) * sizeof(*t->pieces));
	t->pieces[i] = (struct piece){ at_us, (uint32_t)text.n };
	t->pieces_n++;
}

static void extend(struct turn *t, int64_t started_us, int64_t ended_us, struct span text)
{
	insert_piece(t, started_us, text);
	t->started_us = started_us < t->started_us ? started_us : t->started_us;
	t->ended_us = ended_us > t->ended_us ? ended_us : t->ended_us;
}

/* --- closing and revising --- */

static void emit_turn(struct session *s, struct turn *t)
{
	struct word_list words;
	struct draft d;
	words_read(kept_span(&t->text), &words);
	s->counts.turns += t->seq == 0;
	draft_begin(s, &d, EVENT_TURN, t->ended_us);
	d.e.own_clock = t->own_clock;
	d.e.speaker = (enum speaker)t->speaker;
	d.e.is_final = true;
	d.e.text = kept_span(&t->text);
	json_put_i64(&d.o, "turn", t->number);
	json_put_i64(&d.o, "revision", t->revision);
	pipeline_put_time(&d.o, "started_at", t->started_us);
	pipeline_put_time(&d.o, "ended_at", t->ended_us);
	json_put_i64(&d.o, "words", words.n);
	if (t->from_history)
		json_put_z(&d.o, "source", "history");
	t->seq = seq_of(s->now.record, s->now.index);
	draft_emit(s, &d);
}

static void close_open(struct session *s)
{
	struct turn *t = open_turn(s);
	s->turns.open = 0;
	if (t && t->seq == 0)
		emit_turn(s, t);
}

static void revise(struct session *s, struct turn *t)
{
	if (t->seq == 0)
		return; /* still open: its one event comes when it closes */
	if (t->revision < UINT16_MAX)
		t->revision++;
	emit_turn(s, t);
}

/* --- where words belong --- */

struct words_at {
	enum speaker who;
	int64_t started_us, ended_us;
	struct span text;
	bool history, own_clock;
};

static bool near(const struct session *s, const struct turn *t, const struct words_at *w)
{
	int64_t gap = s->settings.turn_gap_ms * MS_US;
	return t->speaker == w->who && w->started_us <= t->ended_us + gap &&
	       w->ended_us >= t->started_us - gap;
}

/* Did the other speaker begin after t, and before these words? Then they are no part of t. */
static bool other_between(const struct session *s, const struct turn *t, const struct words_at *w)
{
	for (uint32_t i = 0; i < s->turns.hot_n; i++) {
		const struct turn *o = &s->turns.hot[i];
		if (o->speaker != t->speaker && o->started_us >= t->ended_us &&
		    o->started_us <= w->started_us)
			return true;
	}
	return false;
}

/* The newest closed turn that these words belong to. */
static struct turn *closed_for(struct session *s, const struct words_at *w)
{
	for (uint32_t i = s->turns.hot_n; i > 0; i--) {
		struct turn *t = &s->turns.hot[i - 1];
		if (t->seq && near(s, t, w) && !other_between(s, t, w))
			return t;
	}
	return NULL;
}

static bool cold_for(const struct session *s, const struct words_at *w)
{
	int64_t gap = s->settings.turn_gap_ms * MS_US;
	for (uint32_t i = 0; i < s->turns.cold_n; i++) {
		const struct cold_turn *c = &s->turns.cold[i];
		if (c->speaker == w->who && w->started_us <= c->ended_us + gap &&
		    w->ended_us >= c->started_us - gap)
			return true;
	}
	return false;
}

/* How many percent of these words the turns of that speaker around that time have. */
static unsigned percent_known(const struct session *s, const struct words_at *w, bool history_only)
{
	struct word_list wanted, heard;
	struct buf text AUTO_BUF = { 0 };
	for (uint32_t i = 0; i < s->turns.hot_n; i++) {
		const struct turn *t = &s->turns.hot[i];
		bool around = t->started_us <= w->ended_us + PAIR_SLACK_US &&
			      t->ended_us >= w->started_us - PAIR_SLACK_US;
		if (around && t->speaker == w->who && (t->from_history || !history_only))
			join(&text, kept_span(&t->text));
	}
	words_read(w->text, &wanted);
	words_read(buf_span(&text), &heard);
	if (wanted.n == 0)
		return 100;
	return 100 * words_in_order(wanted.hash, wanted.n, heard.hash, heard.n) / wanted.n;
}

/* A turn of its own, closed at once: words that came late or from the history. */
static void add_closed(struct session *s, const struct words_at *w)
{
	struct turn *t = add_turn(s, w->who, w->started_us, w->own_clock);
	t->from_history = w->history;
	extend(t, w->started_us, w->ended_us, w->text);
	emit_turn(s, t);
}

static void place_behind(struct session *s, const struct words_at *w)
{
	struct turn *t = closed_for(s, w);
	if (t) {
		extend(t, w->started_us, w->ended_us, w->text);
		revise(s, t);
	} else if (!cold_for(s, w)) {
		add_closed(s, w);
	}
}

/* A turn begins with the voice, not with the first final. */
static int64_t voice_start(const struct session *s, const struct words_at *w)
{
	int64_t ahead_us = pipeline_local(s, w->started_us, w->own_clock) - w->started_us;
	int64_t since = s->speech.of[w->who].since_us;
	since = since ? pipeline_local(s, since, s->speech.of[w->who].since_own_clock) - ahead_us
		      : 0; /* on the clock of the words */
	const struct turn *last = s->turns.hot_n ? &s->turns.hot[s->turns.hot_n - 1] : NULL;
	bool fits = since && since <= w->started_us && since > w->started_us - 6 * OPEN_MAX_US;
	if (!fits || (last && last->speaker == w->who && since < last->ended_us))
		return w->started_us;
	return since;
}

static void place_live(struct session *s, const struct words_at *w)
{
	struct turn *open = open_turn(s);
	struct turn *behind = open ? NULL : closed_for(s, w);
	if (open && open->speaker == w->who) {
		extend(open, w->started_us, w->ended_us, w->text);
	} else if (open && w->started_us < open->started_us) {
		place_behind(s, w);
		return;
	} else if (behind) {
		extend(behind, w->started_us, w->ended_us, w->text);
		revise(s, behind);
		return;
	} else if (!open && cold_for(s, w)) {
		return;
	} else {
		close_open(s);
		struct turn *t = add_turn(s, w->who, voice_start(s, w), w->own_clock);
		extend(t, w->started_us, w->ended_us, w->text);
		s->turns.open = t->number + 1;
	}
	s->turns.open_us = s->now.at_us;
}

/* --- history --- */

static void drop_waiting(struct turns_state *t)
{
	kept_free(&t->waiting[0].text);
	memmove(t->waiting, t->waiting + 1, (t->waiting_n - 1) * sizeof(*t->waiting));
	if (--t->waiting_n == 0) {
		free(t->waiting);
		t->waiting = NULL;
	}
}

static void settle_oldest(struct session *s)
{
	struct waiting_entry e = s->turns.waiting[0];
	struct words_at w = { (enum speaker)e.speaker, e.at_us, e.end_us,
			      kept_span(&e.text),      true,	e.own_clock };
	if (percent_known(s, &w, false) < PAIRED_PERCENT)
		place_behind(s, &w);
	drop_waiting(&s->turns);
}

static void settle_all(struct session *s)
{
	while (s->turns.waiting_n)
		settle_oldest(s);
}

static void wait_for_words(struct session *s, const struct input *in)
{
	struct turns_state *t = &s->turns;
	if (t->waiting_n == HISTORY_WAITING) {
		session_flag(s, FLAG_HISTORY_FULL);
		settle_oldest(s);
	}
	t->waiting = realloc(t->waiting, (t->waiting_n + 1) * sizeof(*t->waiting));
	CHECK(t->waiting);
	struct waiting_entry *e = &t->waiting[t->waiting_n++];
	*e = (struct waiting_entry){ .speaker = (uint8_t)in->speaker,
				     .at_us = in->at_us,
				     .end_us = in->end_us,
				     .own_clock = pipeline_own_clock(s, in->at_us),
				     .arrived_us = s->now.at_us };
	kept_set(&e->text, in->text);
}

void turns_history(struct session *s, const struct input *in)
{
	struct words_at w = { in->speaker, in->at_us, in->end_us,
			      in->text,	   true,      pipeline_own_clock(s, in->at_us) };
	if (transcript_expected(s) && !s->status.ended)
		wait_for_words(s, in);
	else if (percent_known(s, &w, false) < PAIRED_PERCENT)
		place_behind(s, &w);
}

/* --- the stage --- */

static void final_event(struct session *s, const struct event *e)
{
	struct words_at w = { e->speaker, e->at_us, e->at_us, e->text, false, e->own_clock };
	struct word_list words;
	words_read(e->text, &words);
	if (words.n == 0 || percent_known(s, &w, true) >= ABSORBED_PERCENT)
		return; /* nothing was said, or the history has told it before */
	if (s->status.ended && e->at_us <= s->status.ended_us)
		session_flag(s, FLAG_LATE);
	place_live(s, &w);
	if (s->status.ended)
		close_open(s);
}

static void event(struct session *s, const struct event *e)
{
	const struct turn *open = open_turn(s);
	if (e->type == EVENT_TRANSCRIPT_FINAL) {
		final_event(s, e);
	} else if (e->type == EVENT_CALL_ENDED) {
		close_open(s);
		settle_all(s);
	} else if (open && open->speaker == e->speaker) {
		s->turns.open_us = s->now.at_us; /* a partial or speech event: the turn goes on */
	}
}

static int64_t turn_deadline(const struct session *s)
{
	const struct turn *t = s->turns.open ? turns_find(s, s->turns.open - 1) : NULL;
	if (!t)
		return INT64_MAX;
	if (s->speech.of[t->speaker].on)
		return s->turns.open_us + OPEN_MAX_US;
	return s->turns.open_us + s->settings.turn_gap_ms * MS_US;
}

static int64_t deadline(const struct session *s)
{
	int64_t turn = turn_deadline(s), waiting = INT64_MAX;
	if (s->turns.waiting_n)
		waiting = s->turns.waiting[0].arrived_us + HISTORY_PATIENCE_US;
	return turn < waiting ? turn : waiting;
}

static void timer(struct session *s)
{
	if (turn_deadline(s) <= s->now.at_us)
		close_open(s);
	else
		settle_oldest(s);
}

static size_t bytes(const struct session *s)
{
	const struct turns_state *t = &s->turns;
	size_t n = t->hot_cap * sizeof(*t->hot) + t->cold_cap * sizeof(*t->cold) +
		   t->waiting_n * sizeof(*t->waiting);
	for (uint32_t i = 0; i < t->hot_n; i++)
		n += t->hot[i].text.n + t->hot[i].pieces_n * sizeof(*t->hot[i].pieces);
	for (uint32_t i = 0; i < t->waiting_n; i++)
		n += t->waiting[i].text.n;
	return n;
}

static void fini(struct session *s)
{
	struct turns_state *t = &s->turns;
	for (uint32_t i = 0; i < t->hot_n; i++)
		turn_fini(&t->hot[i]);
	while (t->waiting_n)
		drop_waiting(t);
	free(t->hot);
	free(t->cold);
}

const struct stage turns_stage = {
	.name = "turns",
	.wants = STAGE_WANTS(TRANSCRIPT_PARTIAL) | STAGE_WANTS(TRANSCRIPT_FINAL) |
		 STAGE_WANTS(SPEECH_STARTED) | STAGE_WANTS(SPEECH_STOPPED) |
		 STAGE_WANTS(CALL_ENDED),
	.event = event,
	.deadline = deadline,
	.timer = timer,
	.bytes = bytes,
	.fini = fini,
};
