/* Layout, on 24 rows with an open transcript:
 *
 *	header                 calls, events, node, connection
 *	names of columns
 *	calls                  a third of what is left, at least 4
 *	title of transcript
 *	parties                who is in a call of several, those who are gone last
 *	checklist              what the project wants to know; what is known of the caller
 *	transcript
 *	footer                 keys, prompt or notice
 */
#include "node/watch_page.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "node/destination.h"
#include "node/text.h"

enum {
	TABLE_TOP = 2,
	TABLE_LEAST = 4,
	SCROLL_STEP = 8,
	PAGE_STEP = 10,
	NOTICE_US = 6000000,
	PULSE_US = 500000,
	COLUMNS_LEAST = 40,
	ROWS_LEAST = 8,
};

/* --- pieces --- */

void watch_page_fini(struct watch_page *p)
{
	arena_fini(&p->arena);
}

static void put(struct watch_page *p, int row, int column, enum watch_style style, const char *text)
{
	struct watch_piece *piece = arena_alloc(&p->arena, sizeof(*piece));

	*piece = (struct watch_piece){ .row = row, .column = column, .style = style };
	piece->text = arena_copy(&p->arena, (struct span){ text, strlen(text) + 1 }).p;
	*p->last = piece;
	p->last = &piece->next;
}

/* Clipped at, or filled up to, `width` columns. */
static void put_cell(struct watch_page *p, int row, int column, int width, enum watch_style style,
		     struct span text)
{
	struct buf b AUTO_BUF = { 0 };

	if (width <= 0)
		return;
	text_pad(&b, text, (size_t)width);
	put(p, row, column, style, buf_z(&b));
}

static void put_row(struct watch_page *p, int row, enum watch_style style, struct span text)
{
	put_cell(p, row, 0, p->columns, style, text);
}

/* The calls that are shown: rows `top` and on of a list of n. */
struct view {
	const struct watch_call **list;
	size_t n, rows, top, chosen;
};

/* --- header --- */

/* Without a connection the reason comes first: what is shown is what was last seen. */
static void build_header(struct watch_page *p, const struct watch_model *m,
			 const struct watch_ui *ui, const struct watch_state *s,
			 const struct view *v)
{
	struct buf left AUTO_BUF = { 0 }, right AUTO_BUF = { 0 };

	buf_printf(&left, " callmend  %u live", watch_model_live(m));
	if (v->n > v->rows)
		buf_printf(&left, " (%zu-%zu)", v->top + 1, v->top + v->rows);
	if (s->connected)
		buf_printf(&left, "  %u ev/s  by %s", s->events_per_s, watch_sort_name(ui->sort));
	if (ui->filter[0])
		buf_printf(&left, "  only “%s”", ui->filter);
	if (s->connected)
		buf_printf(&right, "%s  ", s->node);
	buf_addz(&right, s->connection);
	if (s->connected && s->lag_ms >= 0)
		buf_printf(&right, " %lld ms", (long long)s->lag_ms);
	buf_addc(&right, ' ');
	put_row(p, 0, WATCH_BAR, buf_span(&left));
	int width = (int)text_width(buf_span(&right)),
	    room = p->columns - (int)text_width(buf_span(&left)) - 2;
	int taken = width < room ? width : room;
	put_cell(p, 0, p->columns - taken, taken, s->connected ? WATCH_BAR : WATCH_BAD,
		 buf_span(&right));
}

/* --- table --- */

struct cell {
	struct buf text;
	enum watch_style style;
};

struct moment {
	int64_t now_us;
	int width; /* of the cell */
	bool pulse;
};

static void cell_id(struct cell *c, const struct watch_call *call, const struct moment *m)
{
	(void)m;
	buf_printf(&c->text, "%.8s", call->id);
}

static const struct {
	const char *dialect, *code;
} dialect_codes[] = { { "vapi", "VA" }, { "ringcentral", "RC" }, { "ringcx", "CX" } };

static void put_code(struct buf *b, const char *dialect)
{
	for (size_t i = 0; i < sizeof(dialect_codes) / sizeof(dialect_codes[0]); i++) {
		if (strcmp(dialect_codes[i].dialect, dialect) == 0) {
			buf_addz(b, dialect_codes[i].code);
			return;
		}
	}
	for (size_t i = 0; i < 2 && dialect[i]; i++)
		buf_addc(b, (char)toupper((unsigned char)dialect[i]));
}

/* Two letters for the platform; where there is room, the source's name. */
static void cell_source(struct cell *c, const struct watch_call *call, const struct moment *m)
{
	enum { ROOM_FOR_NAME = 8 };

	c->style = WATCH_NOTE;
	put_code(&c->text, call->dialect);
	if (m->width >= ROOM_FOR_NAME)
		buf_printf(&c->text, " %s", call->source);
}

static void cell_customer(struct cell *c, const struct watch_call *call, const struct moment *m)
{
	(void)m;
	buf_addz(&c->text, call->customer[0] ? call->customer : call->customer_name);
}

static void cell_assistant(struct cell *c, const struct watch_call *call, const struct moment *m)
{
	(void)m;
	buf_addz(&c->text, call->assistant);
}

static void cell_status(struct cell *c, const struct watch_call *call, const struct moment *m)
{
	bool plain = strcmp(call->status, "in-progress") == 0,
	     hold = watch_parties_hold(&call->parties);

	(void)m;
	buf_addz(&c->text, call->ended		   ? "ended"
			   : call->assistant_muted ? "MUTED"
			   : hold		   ? "HOLD"
			   : plain		   ? (call->is_text ? "text" : "live")
						   : call->status);
	c->style = call->ended			   ? WATCH_DIM
		   : call->assistant_muted || hold ? WATCH_WARN
		   : plain			   ? WATCH_GOOD
						   : WATCH_PLAIN;
}

static void cell_time(struct cell *c, const struct watch_call *call, const struct moment *m)
{
	struct buf b AUTO_BUF = { 0 };

	text_duration(&b, watch_call_duration_ms(call, m->now_us));
	buf_printf(&c->text, "%5s", buf_z(&b));
}

/* -60 dBFS and below is an empty bar, -6 and above a full one. */
enum { BAR_LOW_DB = -60, BAR_HIGH_DB = -6 };

static int bar_of(const struct watch_level *l, int steps)
{
	double part = (l->level_db - BAR_LOW_DB) / (BAR_HIGH_DB - BAR_LOW_DB);

	part = part < 0 ? 0 : part > 1 ? 1 : part;
	return (int)(part * steps + 0.5);
}

/* One character a leg, caller before assistant; blank where there is no audio. */
static void put_small_bar(struct buf *b, const struct watch_level *l)
{
	static const char *const bars[] = { "·", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };

	buf_addz(b, l->known ? bars[bar_of(l, 8)] : "");
}

static void put_bar(struct buf *b, const char *name, const struct watch_level *l)
{
	enum { STEPS = 10 };
	int full = l->known ? bar_of(l, STEPS) : 0;

	if (!l->known)
		return;
	buf_printf(b, "  %s%s ", l->speaking ? "●" : "", name);
	for (int i = 0; i < STEPS; i++)
		buf_addz(b, i < full ? "▮" : "▯");
}

static void cell_speaking(struct cell *c, const struct watch_call *call, const struct moment *m)
{
	bool ai = call->speaking == SPEAKER_AI,
	     heard = call->levels[SPEAKER_USER].known || call->levels[SPEAKER_AI].known;
	put_small_bar(&c->text, &call->levels[SPEAKER_USER]);
	put_small_bar(&c->text, &call->levels[SPEAKER_AI]);
	if (call->speaking == SPEAKER_NONE)
		return;
	if (!heard)
		buf_printf(&c->text, "%s ", m->pulse ? "●" : "○");
	buf_addz(&c->text, ai ? watch_call_our_side(call) : "user");
	c->style = ai ? WATCH_AI : WATCH_USER;
}

/* Short enough for 80 columns; the full words stand in the transcript's title. */
static const struct {
	const char *mood, *shown;
	enum watch_style style;
} moods[] = {
	{ "positive", "good", WATCH_GOOD },
	{ "neutral", "ok", WATCH_PLAIN },
	{ "negative", "bad", WATCH_WARN },
	{ "frustrated", "FRUST", WATCH_BAD },
};

static void cell_mood(struct cell *c, const struct watch_call *call, const struct moment *m)
{
	(void)m;
	for (size_t i = 0; i < sizeof(moods) / sizeof(moods[0]); i++) {
		if (strcmp(moods[i].mood, call->mood) != 0)
			continue;
		buf_addz(&c->text, moods[i].shown);
		c->style = moods[i].style;
	}
}

static void cell_tools(struct cell *c, const struct watch_call *call, const struct moment *m)
{
	(void)m;
	if (call->tools)
		buf_printf(&c->text, "%lld", (long long)call->tools);
	if (call->tool_errors) {
		buf_printf(&c->text, "!%lld", (long long)call->tool_errors);
		c->style = WATCH_BAD;
	}
}

static void cell_interventions(struct cell *c, const struct watch_call *call,
			       const struct moment *m)
{
	(void)m;
	if (call->interventions)
		buf_printf(&c->text, "%lld", (long long)call->interventions);
}

static const struct {
	const char *signal, *shown;
} signal_words[] = {
	{ "frustration", "angry" },
	{ "confusion_user", "lost" },
	{ "confusion_assistant", "AI-lost" },
	{ "repetition", "loop" },
	{ "unanswered_question", "no-answer" },
	{ "claimed_done_tool_failed", "not-done" },
};

static const char *signal_word(const char *signal)
{
	for (size_t i = 0; i < sizeof(signal_words) / sizeof(signal_words[0]); i++) {
		if (strcmp(signal_words[i].signal, signal) == 0)
			return signal_words[i].shown;
	}
	return signal;
}

static void cell_signals(struct cell *c, const struct watch_call *call, const struct moment *m)
{
	(void)m;
	c->style = WATCH_BAD;
	for (unsigned i = 0; i < call->signals_n; i++)
		buf_printf(&c->text, "%s%s", i ? "," : "", signal_word(call->signals[i]));
}

static const struct column {
	const char *name;
	void (*fill)(struct cell *, const struct watch_call *, const struct moment *);
	int width, share; /* share: of the room above 80 columns, in tenths */
} table[] = {
	{ "CALL", cell_id, 8, 0 },
	{ "BY", cell_source, 2, 2 },
	{ "CUSTOMER", cell_customer, 12, 2 },
	{ "ASSIST", cell_assistant, 8, 4 },
	{ "STATUS", cell_status, 7, 0 },
	{ "TIME", cell_time, 5, 0 },
	{ "SPEAKS", cell_speaking, 6, 0 },
	{ "MOOD", cell_mood, 5, 0 },
	{ "TOOL", cell_tools, 4, 0 },
	{ "IV", cell_interventions, 2, 0 },
	{ "SIGNALS", cell_signals, 10, 2 },
};
enum { COLUMNS = sizeof(table) / sizeof(table[0]), TABLE_COLUMNS = 80 };

static int column_width(const struct watch_page *p, size_t i)
{
	int more = p->columns > TABLE_COLUMNS ? p->columns - TABLE_COLUMNS : 0;

	return table[i].width + (more < 100 ? more : 100) * table[i].share / 10;
}

static void build_names(struct watch_page *p)
{
	put_row(p, 1, WATCH_HEAD, SPAN(""));
	int at = 1;
	for (size_t i = 0; i < COLUMNS && at < p->columns; i++) {
		int width = column_width(p, i);
		put_cell(p, 1, at, width < p->columns - at ? width : p->columns - at, WATCH_HEAD,
			 span_of(table[i].name));
		at += width + 1;
	}
}

static void build_call(struct watch_page *p, int row, const struct watch_call *call, bool chosen,
		       struct moment *m)
{
	put_row(p, row, chosen ? WATCH_CHOSEN : WATCH_PLAIN, chosen ? SPAN("▸") : SPAN(""));
	int at = 1;
	for (size_t i = 0; i < COLUMNS && at < p->columns; i++) {
		struct cell cell = { .style = WATCH_PLAIN };
		int width = column_width(p, i);
		m->width = width;
		table[i].fill(&cell, call, m);
		enum watch_style style = chosen	       ? WATCH_CHOSEN
					 : call->ended ? WATCH_DIM
						       : cell.style;
		put_cell(p, row, at, width < p->columns - at ? width : p->columns - at, style,
			 buf_span(&cell.text));
		buf_free(&cell.text);
		at += width + 1;
	}
}

static size_t chosen_index(const struct watch_ui *ui, const struct watch_call **list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i]->id, ui->chosen) == 0)
			return i;
	}
	return n;
}

static void build_empty(struct watch_page *p, const struct watch_model *m,
			const struct watch_ui *ui)
{
	const char *text = ui->filter[0] ? "no call matches the filter; / changes it, Esc clears it"
			   : watch_model_complete(m)
				   ? "no live calls; they appear here as they start"
				   : "waiting for the node's calls ...";
	put_row(p, TABLE_TOP, WATCH_DIM, SPAN(""));
	put_cell(p, TABLE_TOP, 1, p->columns - 1, WATCH_DIM, span_of(text));
}

static void build_table(struct watch_page *p, const struct watch_model *m,
			const struct watch_ui *ui, const struct watch_state *s,
			const struct view *v)
{
	struct moment moment = { .now_us = s->now_us, .pulse = s->now_us / PULSE_US % 2 == 0 };

	for (size_t i = v->top; i < v->n && i < v->top + v->rows; i++)
		build_call(p, TABLE_TOP + (int)(i - v->top), v->list[i], i == v->chosen, &moment);
	if (!v->n)
		build_empty(p, m, ui);
}

/* --- transcript --- */

struct shown_line {
	enum watch_style style;
	const char *text;
};

struct shown {
	struct arena *arena;
	struct shown_line *items;
	size_t n, cap;
};

static const struct {
	const char *prefix;
	enum watch_style style[WATCH_LINE_BAD + 1];
} line_looks[] = {
	[WATCH_LINE_AI] = { "AI   ", { WATCH_AI, WATCH_AI, WATCH_AI } },
	[WATCH_LINE_USER] = { "user ", { WATCH_USER, WATCH_USER, WATCH_USER } },
	[WATCH_LINE_TOOL] = { "tool ", { WATCH_DIM, WATCH_GOOD, WATCH_BAD } },
	[WATCH_LINE_COMMAND] = { "you  ", { WATCH_WARN, WATCH_GOOD, WATCH_BAD } },
	[WATCH_LINE_RULE] = { "rule ", { WATCH_WARN, WATCH_GOOD, WATCH_BAD } },
	[WATCH_LINE_NOTE] = { "  ·  ", { WATCH_NOTE, WATCH_NOTE, WATCH_BAD } },
};

static void show(struct shown *s, enum watch_style style, const char *text)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 64;
		s->items = realloc(s->items, s->cap * sizeof(*s->items));
		CHECK(s->items);
	}
	s->items[s->n++] = (struct shown_line){
		style, arena_copy(s->arena, (struct span){ text, strlen(text) + 1 }).p
	};
}

/* " 1:07 AI   text ...", going on below the text. */
static void show_wrapped(struct shown *s, enum watch_style style, int64_t offset_ms,
			 const char *prefix, struct span text, int width)
{
	struct buf b AUTO_BUF = { 0 }, head AUTO_BUF = { 0 };
	struct span line;

	if (offset_ms >= 0)
		text_duration(&head, offset_ms);
	buf_printf(&b, "%7s %s", head.n ? buf_z(&head) : "", prefix);
	size_t indent = text_width(buf_span(&b)),
	       room = (size_t)width > indent + 10 ? (size_t)width - indent : 10;
	while (text_wrap(&text, room, &line)) {
		text_clip(&b, line, room);
		show(s, style, buf_z(&b));
		buf_clear(&b);
		buf_printf(&b, "%*s", (int)indent, "");
	}
}

static const char *prefix_of(const struct watch_call *c, enum watch_line_kind kind)
{
	bool people = kind == WATCH_LINE_AI && strcmp(watch_call_our_side(c), "AI") != 0;

	return people ? "us   " : line_looks[kind].prefix;
}

static void show_partial(struct shown *s, const struct watch_call *c, enum speaker who, int width)
{
	struct buf b AUTO_BUF = { 0 };

	if (!c->partial[who])
		return;
	buf_printf(&b, "%s …", c->partial[who]);
	show_wrapped(s, who == SPEAKER_AI ? WATCH_PARTIAL_AI : WATCH_PARTIAL_USER, -1,
		     prefix_of(c, who == SPEAKER_AI ? WATCH_LINE_AI : WATCH_LINE_USER),
		     buf_span(&b), width);
}

static void show_all(struct shown *s, const struct watch_call *c, int width)
{
	for (unsigned i = 0; i < c->lines_n; i++) {
		const struct watch_line *l = &c->lines[i];
		show_wrapped(s, line_looks[l->kind].style[l->state], l->offset_ms,
			     prefix_of(c, l->kind), span_of(l->text), width);
	}
	show_partial(s, c, SPEAKER_AI, width);
	show_partial(s, c, SPEAKER_USER, width);
}

static void build_title(struct watch_page *p, int row, const struct watch_call *c,
			const struct watch_ui *ui)
{
	struct buf b AUTO_BUF = { 0 };

	buf_printf(&b, "── %.8s%s%s%s  %s%s%s", c->id,
		   ui->scrolled ? "  (scrolled: End follows)" : "",
		   c->assistant_muted ? "  assistant muted" : "",
		   c->customer_muted ? "  customer muted" : "", c->customer,
		   c->customer[0] && c->customer_name[0] ? " " : "", c->customer_name);
	if (c->mood[0])
		buf_printf(&b, "  %s", c->mood);
	for (unsigned i = 0; i < c->signals_n; i++)
		buf_printf(&b, "  %s", c->signals[i]);
	if (c->escalated)
		buf_addz(&b, "  ESCALATED");
	if (c->recording_paused)
		buf_addz(&b, "  RECORDING PAUSED");
	put_bar(&b, "caller", &c->levels[SPEAKER_USER]);
	put_bar(&b, watch_call_our_side(c), &c->levels[SPEAKER_AI]);
	buf_printf(&b, "  %s%s%s", c->assistant, c->source[0] ? "  by " : "", c->source);
	put_row(p, row, WATCH_HEAD, buf_span(&b));
}

/* --- parties --- */

enum { FACT_INDENT = 1, FACT_GAP = 2, FACT_COLUMNS = 36, PARTY_ROWS = 3 };

static const enum watch_style stand_styles[] = {
	[WATCH_RINGING] = WATCH_NOTE, [WATCH_TALKING] = WATCH_GOOD, [WATCH_HELD] = WATCH_WARN,
	[WATCH_PARKED] = WATCH_WARN,  [WATCH_LEFT] = WATCH_DIM,	    [WATCH_MOVED] = WATCH_DIM,
};

/* Cells side by side, as many to a row as fit. */
struct flow {
	struct watch_page *page;
	int top, most; /* rows */
	int row, column;
	bool any;
};

/* False: there is no room. */
static bool flow_put(struct flow *f, enum watch_style style, struct span text, size_t columns)
{
	struct buf cell AUTO_BUF = { 0 };
	int width = (int)text_clip(&cell, text, columns);

	if (f->column > FACT_INDENT && f->column + width >= f->page->columns) {
		f->row++;
		f->column = FACT_INDENT;
	}
	if (f->row >= f->most)
		return false;
	if (f->column == FACT_INDENT)
		put_row(f->page, f->top + f->row, WATCH_PLAIN, SPAN(""));
	int room = f->page->columns - f->column;
	put_cell(f->page, f->top + f->row, f->column, width < room ? width : room, style,
		 buf_span(&cell));
	f->column += width + FACT_GAP;
	return f->any = true;
}

static int flow_rows(const struct flow *f)
{
	return !f->any ? 0 : f->row < f->most ? f->row + 1 : f->most;
}

static void flow_parties(struct flow *f, const struct watch_parties *parties, bool gone)
{
	enum { PARTY_COLUMNS = 48 };

	for (unsigned i = 0; i < parties->n; i++) {
		const struct watch_party *one = &parties->items[i];
		struct buf b AUTO_BUF = { 0 };
		if (watch_party_is_gone(one) != gone || !watch_party_counts(parties, one))
			continue;
		watch_party_text(one, &b);
		if (!flow_put(f, stand_styles[one->stand], buf_span(&b), PARTY_COLUMNS))
			return;
	}
}

/* Returns the rows taken. */
static int build_parties(struct watch_page *p, int top, int most,
			 const struct watch_parties *parties)
{
	struct flow f = { .page = p,
			  .top = top,
			  .most = most < PARTY_ROWS ? most : PARTY_ROWS,
			  .column = FACT_INDENT };

	flow_parties(&f, parties, false);
	flow_parties(&f, parties, true);
	return flow_rows(&f);
}

/* --- checklist --- */

static const enum watch_style mark_styles[] = {
	[CHECKLIST_MISSING] = WATCH_DIM,
	[CHECKLIST_ASKED] = WATCH_WARN,
	[CHECKLIST_REFUSED] = WATCH_BAD,
	[CHECKLIST_CAPTURED] = WATCH_GOOD,
};

/* Returns the rows taken. */
static int build_fields(struct watch_page *p, int top, int most, const struct watch_checklist *l)
{
	struct flow f = { .page = p, .top = top, .most = most, .column = FACT_INDENT };

	for (unsigned i = 0; i < l->fields_n; i++) {
		struct buf b AUTO_BUF = { 0 };
		watch_checklist_text(&l->fields[i], &b);
		if (!flow_put(&f, mark_styles[l->fields[i].mark], buf_span(&b), FACT_COLUMNS))
			break;
	}
	return flow_rows(&f);
}

static int build_context(struct watch_page *p, int top, int most, const struct watch_checklist *l)
{
	int n = (int)l->context_n, rows = n < most ? n : most;

	for (int i = 0; i < rows; i++) {
		struct buf b AUTO_BUF = { 0 };
		buf_printf(&b, " known: %s", l->context[n - rows + i].text);
		put_row(p, top + i, WATCH_NOTE, buf_span(&b));
	}
	return rows;
}

/* At most half of what there is for the call, a row stays for the transcript. */
static int build_checklist(struct watch_page *p, int top, int height,
			   const struct watch_checklist *l)
{
	int most = height / 2;
	int known = build_context(p, top, most < 3 ? most : 3, l);

	return known + build_fields(p, top + known, most - known, l);
}

static void build_transcript(struct watch_page *p, const struct watch_model *m, struct watch_ui *ui,
			     int top, int height)
{
	const struct watch_call *c = watch_model_find(m, ui->chosen);
	struct shown s = { .arena = &p->arena };

	if (!c || height < 2)
		return;
	build_title(p, top, c, ui);
	int list = build_parties(p, top + 1, height / 4, &c->parties);
	list += build_checklist(p, top + 1 + list, height - 1 - list, &c->checklist);
	top += list;
	height -= list;
	show_all(&s, c, p->columns - 1);
	size_t rows = (size_t)height - 1, most = s.n > rows ? s.n - rows : 0;
	if (ui->scrolled > most)
		ui->scrolled = (unsigned)most;
	size_t from = most - ui->scrolled;
	for (size_t i = 0; i < rows && from + i < s.n; i++)
		put_row(p, top + 1 + (int)i, s.items[from + i].style,
			span_of(s.items[from + i].text));
	if (!s.n)
		put_cell(p, top + 1, 1, p->columns - 1, WATCH_DIM, SPAN("nothing said yet"));
	free(s.items);
}

/* --- footer and help --- */

static const char *const prompts[] = {
	[WATCH_SAY] = "say: ",	     [WATCH_TEXT] = "text: ",  [WATCH_TRANSFER] = "transfer to ",
	[WATCH_FILTER] = "filter: ", [WATCH_END] = "end call",
};

static enum command_verb verb_of(enum watch_prompt prompt)
{
	static const enum command_verb verbs[] = { [WATCH_SAY] = COMMAND_SAY,
						   [WATCH_TEXT] = COMMAND_SEND_TEXT,
						   [WATCH_TRANSFER] = COMMAND_TRANSFER,
						   [WATCH_END] = COMMAND_END };

	return verbs[prompt];
}

/* Why it would be of no use, before anything is typed. */
static void build_hint(struct watch_page *p, const struct watch_model *m, const struct watch_ui *ui,
		       int row, int column)
{
	const struct watch_call *c = watch_model_find(m, ui->prompt_call);
	const char *why = c && ui->prompt != WATCH_FILTER ? c->cannot[verb_of(ui->prompt)] : NULL;

	if (ui->refused)
		why = "not such a destination";
	if (why && (!ui->input[0] || ui->refused))
		put_cell(p, row, column, p->columns - column, WATCH_BAD, span_of(why));
}

static const char *dialect_of(const struct watch_model *m, const struct watch_ui *ui)
{
	const struct watch_call *c = watch_model_find(m, ui->prompt_call);

	return c ? c->dialect : "";
}

static void put_prompt(struct buf *b, const struct watch_model *m, const struct watch_ui *ui)
{
	if (ui->prompt != WATCH_FILTER)
		buf_printf(b, " %.8s", ui->prompt_call);
	buf_printf(b, " %s", prompts[ui->prompt]);
	if (ui->prompt != WATCH_TRANSFER)
		return;
	destination_forms(dialect_of(m, ui), b);
	buf_addz(b, ": ");
}

static void build_prompt(struct watch_page *p, const struct watch_model *m,
			 const struct watch_ui *ui, int row)
{
	struct buf b AUTO_BUF = { 0 };

	if (ui->prompt == WATCH_END) {
		buf_printf(&b, " end call %.8s? y/n", ui->prompt_call);
		put_row(p, row, WATCH_WARN, buf_span(&b));
		build_hint(p, m, ui, row, (int)b.n + 2);
		return;
	}
	put_prompt(&b, m, ui);
	size_t head = text_width(buf_span(&b)),
	       room = (size_t)p->columns > head + 2 ? (size_t)p->columns - head - 2 : 1;
	struct span input = span_of(ui->input), line;
	while (text_width(input) > room && text_wrap(&input, 1, &line))
		continue;
	buf_add(&b, input);
	put_row(p, row, WATCH_PLAIN, buf_span(&b));
	p->cursor_row = row;
	p->cursor_column = (int)text_width(buf_span(&b));
	build_hint(p, m, ui, row, p->cursor_column + 2);
}

static enum command_verb hold_verb(const struct watch_call *c)
{
	return watch_parties_our_hold(&c->parties) ? COMMAND_UNHOLD : COMMAND_HOLD;
}

/* What cannot be done in this call stands in parentheses. */
static void build_call_keys(struct watch_page *p, const struct watch_call *c, int row)
{
	struct buf b AUTO_BUF = { 0 };
	const struct {
		const char *text;
		enum command_verb verb;
	} shown[] = {
		{ c->is_text ? "i text" : "i say", c->is_text ? COMMAND_SEND_TEXT : COMMAND_SAY },
		{ "m mute", c->assistant_muted ? COMMAND_UNMUTE : COMMAND_MUTE },
		{ "o hold", hold_verb(c) },
		{ "e end", COMMAND_END },
		{ "t transfer", COMMAND_TRANSFER },
		{ "r record", c->recording_paused ? COMMAND_RECORD_RESUME : COMMAND_RECORD_PAUSE },
	};

	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		bool cannot = c->cannot[shown[i].verb];
		buf_printf(&b, "%s%s%s%s", i ? " " : "", cannot ? "(" : " ", shown[i].text,
			   cannot ? ")" : "");
	}
	buf_addz(&b, "  ? help  q quit");
	put_row(p, row, WATCH_BAR, buf_span(&b));
}

static void build_footer(struct watch_page *p, const struct watch_model *m,
			 const struct watch_ui *ui, const struct watch_state *s)
{
	int row = p->rows - 1;
	const struct watch_call *chosen = watch_model_find(m, ui->chosen);

	if (ui->prompt != WATCH_NO_PROMPT && ui->prompt != WATCH_HELP)
		build_prompt(p, m, ui, row);
	else if (ui->notice_until_us > s->now_us)
		put_row(p, row, ui->notice_style, span_of(ui->notice));
	else if (ui->transcript_open && chosen)
		build_call_keys(p, chosen, row);
	else
		put_row(p, row, WATCH_BAR,
			SPAN(" ↑↓ choose  Enter open  i say  m mute  e end  s sort  / filter  ? "
			     "help  q quit"));
}

/* No more than 24 rows can show. */
static const char *const help_lines[] = {
	"↑ ↓ j k     choose a call; Enter or Space: open or close its transcript",
	"PgUp PgDn   scroll the transcript (or the table); End follows again",
	"i           say: the assistant speaks your text to the caller; or send a text",
	"m           mute the assistant, or unmute it",
	"o           put our side on hold, or take it back",
	"e           end the call (asks)",
	"t           transfer the call: the prompt says to what its platform can",
	"r           leave out of the recording what comes; again: record on",
	"s           sort by attention, longest, newest, customer",
	"/           show only calls with this text (number, name, mood, signal ...)",
	"q           quit                                          any key closes this",
	"live 3 ms   the connection, and how long to the node and back",
	"BY     VA Vapi   RC RingCentral   CX RingCX    ( ) the provider cannot do it",
	"STATUS HOLD: one of its parties is on hold, or parked    MUTED: the assistant",
	"SPEAKS ·▅us: how loud caller and our side are, then who speaks (AI, us, user)",
	"MOOD   the caller's: good, ok, bad, FRUST (frustrated)",
	"TOOL   tool calls, and after ! those that failed    IV  interventions",
	"✓ captured  ✗ refused  ? asked  · not asked: what the project wants to know",
	"SIGNALS  angry: frustration   lost: the caller is confused   AI-lost: the",
	"  assistant is   loop: it repeats itself   no-answer: a question of the",
	"  caller is open   not-done: it said done, but the tool failed",
};

static void build_help(struct watch_page *p)
{
	for (int i = 0;
	     i < (int)(sizeof(help_lines) / sizeof(help_lines[0])) && TABLE_TOP + i < p->rows - 1;
	     i++)
		put_cell(p, TABLE_TOP + i, 2, p->columns - 2, WATCH_PLAIN, span_of(help_lines[i]));
}

/* --- the page --- */

static struct view view_of(const struct watch_page *p, const struct watch_model *m,
			   struct watch_ui *ui)
{
	struct view v = { .rows = (size_t)(p->rows - TABLE_TOP - 1) };

	v.list = watch_model_list(m, ui->sort, ui->filter, &v.n);
	if (ui->transcript_open) {
		v.rows = v.rows / 3 > TABLE_LEAST ? v.rows / 3 : TABLE_LEAST;
		v.rows = v.n < v.rows ? (v.n ? v.n : 1) : v.rows;
	}
	v.chosen = chosen_index(ui, v.list, v.n);
	if (v.chosen == v.n && v.n) {
		v.chosen = 0;
		snprintf(ui->chosen, sizeof(ui->chosen), "%s", v.list[0]->id);
	}
	v.top = v.chosen >= v.rows ? v.chosen - v.rows + 1 : 0;
	return v;
}

static void build_body(struct watch_page *p, const struct watch_model *m, struct watch_ui *ui,
		       const struct watch_state *s, const struct view *v)
{
	int rows = (int)v->rows;

	build_names(p);
	build_table(p, m, ui, s, v);
	if (ui->transcript_open)
		build_transcript(p, m, ui, TABLE_TOP + rows, p->rows - TABLE_TOP - 1 - rows);
}

void watch_page_build(struct watch_page *p, const struct watch_model *m, struct watch_ui *ui,
		      const struct watch_state *s, int rows, int columns)
{
	arena_reset(&p->arena);
	p->first = NULL;
	p->last = &p->first;
	p->rows = rows;
	p->columns = columns;
	p->cursor_row = p->cursor_column = -1;
	if (rows < ROWS_LEAST || columns < COLUMNS_LEAST) {
		put_row(p, 0, WATCH_WARN, SPAN("the window is too small"));
		return;
	}
	struct view v = view_of(p, m, ui);
	build_header(p, m, ui, s, &v);
	if (ui->prompt == WATCH_HELP)
		build_help(p);
	else
		build_body(p, m, ui, s, &v);
	build_footer(p, m, ui, s);
	free(v.list);
}

void watch_page_notice(struct watch_ui *ui, enum watch_style style, int64_t now_us, const char *fmt,
		       ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(ui->notice, sizeof(ui->notice), fmt, args);
	va_end(args);
	ui->notice_style = style;
	ui->notice_until_us = now_us + NOTICE_US;
}

/* --- keys --- */

static void choose(struct watch_ui *ui, const struct watch_model *m, int step)
{
	size_t n;
	const struct watch_call **list = watch_model_list(m, ui->sort, ui->filter, &n);
	int64_t at = (int64_t)chosen_index(ui, list, n) + step;

	if (n) {
		at = at < 0 ? 0 : at >= (int64_t)n ? (int64_t)n - 1 : at;
		if (strcmp(ui->chosen, list[at]->id) != 0)
			ui->scrolled = 0;
		snprintf(ui->chosen, sizeof(ui->chosen), "%s", list[at]->id);
	}
	free(list);
}

static void page_up(struct watch_ui *ui, const struct watch_model *m, struct watch_wish *w)
{
	(void)w;
	if (ui->transcript_open)
		ui->scrolled += SCROLL_STEP;
	else
		choose(ui, m, -PAGE_STEP);
}

static void page_down(struct watch_ui *ui, const struct watch_model *m, struct watch_wish *w)
{
	(void)w;
	if (ui->transcript_open)
		ui->scrolled = ui->scrolled > SCROLL_STEP ? ui->scrolled - SCROLL_STEP : 0;
	else
		choose(ui, m, PAGE_STEP);
}

static void go_up(struct watch_ui *ui, const struct watch_model *m, struct watch_wish *w)
{
	(void)w;
	choose(ui, m, -1);
}

static void go_down(struct watch_ui *ui, const struct watch_model *m, struct watch_wish *w)
{
	(void)w;
	choose(ui, m, 1);
}

static void go_first(struct watch_ui *ui, const struct watch_model *m, struct watch_wish *w)
{
	(void)w;
	choose(ui, m, -(1 << 24));
}

static void go_end(struct watch_ui *ui, const struct watch_model *m, struct watch_wish *w)
{
	(void)w;
	if (ui->transcript_open)
		ui->scrolled = 0;
	else
		choose(ui, m, 1 << 24);
}

static void toggle_transcript(struct watch_ui *ui, const struct watch_model *m,
			      struct watch_wish *w)
{
	(void)m;
	(void)w;
	ui->transcript_open = !ui->transcript_open;
	ui->scrolled = 0;
}

static void escape(struct watch_ui *ui, const struct watch_model *m, struct watch_wish *w)
{
	(void)m;
	(void)w;
	if (ui->transcript_open)
		ui->transcript_open = false;
	else
		ui->filter[0] = '\0';
}

static void next_sort(struct watch_ui *ui, const struct watch_model *m, struct watch_wish *w)
{
	(void)m;
	(void)w;
	ui->sort = (ui->sort + 1) % WATCH_SORTS;
}

static void quit(struct watch_ui *ui, const struct watch_model *m, struct watch_wish *w)
{
	(void)m;
	(void)w;
	ui->quit = true;
}

static const struct watch_call *running(const struct watch_ui *ui, const struct watch_model *m)
{
	const struct watch_call *c = watch_model_find(m, ui->chosen);

	return c && !c->ended ? c : NULL;
}

static void ask(struct watch_ui *ui, enum watch_prompt prompt)
{
	ui->prompt = prompt;
	memcpy(ui->prompt_call, ui->chosen, sizeof(ui->chosen));
	ui->input[0] = '\0';
}

static void ask_say(struct watch_ui *ui, const struct watch_model *m, struct watch_wish *w)
{
	const struct watch_call *c = running(ui, m);

	(void)w;
	if (c)
		ask(ui, c->is_text ? WATCH_TEXT : WATCH_SAY);
}

static void ask_transfer(struct watch_ui *ui, const struct watch_model *m, struct watch_wish *w)
{
	(void)w;
	if (running(ui, m))
		ask(ui, WATCH_TRANSFER);
}

static void ask_end(struct watch_ui *ui, const struct watch_model *m, struct watch_wish *w)
{
	(void)w;
	if (running(ui, m))
		ask(ui, WATCH_END);
}

static void ask_filter(struct watch_ui *ui, const struct watch_model *m, struct watch_wish *w)
{
	(void)m;
	(void)w;
	ask(ui, WATCH_FILTER);
	snprintf(ui->input, sizeof(ui->input), "%s", ui->filter);
}

static void show_help(struct watch_ui *ui, const struct watch_model *m, struct watch_wish *w)
{
	(void)m;
	(void)w;
	ask(ui, WATCH_HELP);
}

static void wish(struct watch_wish *w, enum command_verb verb, const char *call, const char *text)
{
	w->wished = true;
	w->verb = verb;
	snprintf(w->call, sizeof(w->call), "%s", call);
	snprintf(w->text, sizeof(w->text), "%s", text);
}

static void toggle_mute(struct watch_ui *ui, const struct watch_model *m, struct watch_wish *w)
{
	const struct watch_call *c = running(ui, m);

	if (c)
		wish(w, c->assistant_muted ? COMMAND_UNMUTE : COMMAND_MUTE, c->id, "");
}

static void toggle_hold(struct watch_ui *ui, const struct watch_model *m, struct watch_wish *w)
{
	const struct watch_call *c = running(ui, m);

	if (c)
		wish(w, hold_verb(c), c->id, "");
}

static void toggle_recording(struct watch_ui *ui, const struct watch_model *m, struct watch_wish *w)
{
	const struct watch_call *c = running(ui, m);

	if (c)
		wish(w, c->recording_paused ? COMMAND_RECORD_RESUME : COMMAND_RECORD_PAUSE, c->id,
		     "");
}

static const struct {
	uint32_t key;
	void (*run)(struct watch_ui *, const struct watch_model *, struct watch_wish *);
} keys[] = {
	{ 'q', quit },
	{ WATCH_KEY_UP, go_up },
	{ 'k', go_up },
	{ WATCH_KEY_DOWN, go_down },
	{ 'j', go_down },
	{ WATCH_KEY_PAGE_UP, page_up },
	{ WATCH_KEY_PAGE_DOWN, page_down },
	{ WATCH_KEY_HOME, go_first },
	{ 'g', go_first },
	{ WATCH_KEY_END, go_end },
	{ 'G', go_end },
	{ WATCH_KEY_ENTER, toggle_transcript },
	{ ' ', toggle_transcript },
	{ WATCH_KEY_ESCAPE, escape },
	{ 's', next_sort },
	{ 'i', ask_say },
	{ 't', ask_transfer },
	{ 'e', ask_end },
	{ 'm', toggle_mute },
	{ 'o', toggle_hold },
	{ 'r', toggle_recording },
	{ '/', ask_filter },
	{ '?', show_help },
	{ 'h', show_help },
};

static void erase_last(char *input)
{
	size_t n = strlen(input);

	while (n && ((unsigned char)input[--n] & 0xc0) == 0x80)
		continue;
	input[n] = '\0';
}

static void type_in(struct watch_ui *ui, uint32_t key)
{
	size_t n = strlen(ui->input),
	       most = ui->prompt == WATCH_FILTER ? WATCH_FILTER_MAX : WATCH_INPUT_MAX;

	if (key < ' ' || key == 0x7f || key > 0x10ffff || (key >= 0xd800 && key < 0xe000) ||
	    n + 4 > most)
		return;
	ui->input[n + utf8_put(ui->input + n, key)] = '\0';
}

/* What is no destination stays as it was typed. */
static void answer_prompt(struct watch_ui *ui, const struct watch_model *m, struct watch_wish *w)
{
	ui->refused = ui->prompt == WATCH_TRANSFER && ui->input[0] &&
		      !destination_fits(dialect_of(m, ui), ui->input);
	if (ui->refused)
		return;
	if (ui->prompt == WATCH_FILTER)
		snprintf(ui->filter, sizeof(ui->filter), "%.*s", WATCH_FILTER_MAX, ui->input);
	else if (ui->input[0])
		wish(w, verb_of(ui->prompt), ui->prompt_call, ui->input);
	ui->prompt = WATCH_NO_PROMPT;
}

static void prompt_key(struct watch_ui *ui, const struct watch_model *m, uint32_t key,
		       struct watch_wish *w)
{
	ui->refused = false;
	if (ui->prompt == WATCH_END || ui->prompt == WATCH_HELP) {
		if (ui->prompt == WATCH_END && (key == 'y' || key == 'Y'))
			wish(w, COMMAND_END, ui->prompt_call, "");
		ui->prompt = WATCH_NO_PROMPT;
	} else if (key == WATCH_KEY_ENTER) {
		answer_prompt(ui, m, w);
	} else if (key == WATCH_KEY_ESCAPE) {
		ui->prompt = WATCH_NO_PROMPT;
	} else if (key == WATCH_KEY_BACKSPACE) {
		erase_last(ui->input);
	} else {
		type_in(ui, key);
	}
}

void watch_page_key(struct watch_ui *ui, const struct watch_model *m, uint32_t key,
		    struct watch_wish *w)
{
	w->wished = false;
	if (ui->prompt != WATCH_NO_PROMPT) {
		prompt_key(ui, m, key, w);
		return;
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (keys[i].key == key) {
			keys[i].run(ui, m, w);
			return;
		}
	}
}
