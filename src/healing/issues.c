/* Happy path: find what the calls show, judge every cause, open what is proven and was not yet,
 * renew what is open, close what a change has put right.
 *
 * Looks. Whoever looks often enough finds something by chance. Hence a check opens issues only at a
 * look: the first when there are min_calls, the next when calls (or known outcomes) have grown by a
 * quarter; each look may err with less than the one before (stats_sequential_alpha), and shares
 * that among the causes it judges. Checks in between renew figures and close.
 *
 * Failure modes: none of its own; what is not proven stays in detections with its distance. */
#include "healing/issues.h"

#include <math.h>
#include <stdio.h>

#include "healing/evidence.h"
#include "healing/practices.h"

enum { LOOK_GROWTH = 4, LOOK_LEAST = 8, LOOK_MOST = 250, EXPLAINED_PERCENT = 50 };

enum state {
#define X(id, name, doc) STATE_##id,
	ISSUE_STATES(X)
#undef X
};
static const char *const state_names[] = {
#define X(id, name, doc) [STATE_##id] = name,
	ISSUE_STATES(X)
#undef X
};

struct look {
	bool due;
	unsigned number;	 /* this one, or the last one */
	int64_t calls, outcomes; /* at the last one, this one included */
	struct span settings;
};

struct judged {
	struct seen_cause *cause;
	struct gate_figures figures;
	enum state state;
	struct json issue;   /* the open one */
	struct json decided; /* the last decision about it */
};

struct check {
	struct window *w;
	struct look look;
	struct seen_causes seen;
	struct judged *of; /* in the order of kinds */
	bool *covered;	   /* by call: shown to be bad by a proven, more telling cause */
	size_t open_n;	   /* issues that are or will be open */
};

static struct json issues_of(const struct check *c)
{
	return json_get(c->w->doc, "issues");
}

static struct span text_of(const struct check *c, struct json v, const char *name)
{
	return json_text(json_get(v, name), c->w->arena);
}

/* --- looks --- */

/* What the thresholds and the wanted fields are: after a change of them it is looked again. */
static struct span settings_of(const struct window *w)
{
	struct json thresholds = json_path(w->doc, "project.thresholds");
	char *out = arena_printf(w->arena, "%.*s",
				 SPAN_ARG(json_has(thresholds) ? thresholds.raw : SPAN("{}")));
	for (size_t i = 0; i < w->fields_n; i++)
		out = arena_printf(w->arena, "%s %.*s", out, SPAN_ARG(w->fields[i].name));
	return span_of(out);
}

static int64_t next_at(int64_t looked)
{
	int64_t more = looked / LOOK_GROWTH;
	more = more < LOOK_LEAST ? LOOK_LEAST : more > LOOK_MOST ? LOOK_MOST : more;
	return looked + more;
}

static void read_previous(struct check *c, struct look *l)
{
	struct json before = json_get(c->w->doc, "previous");
	int64_t number = 0;
	if (!span_eq(text_of(c, before, "version"), c->w->version))
		return;
	if (json_i64(json_get(before, "looks"), &number) && number > 0)
		l->number = (unsigned)number;
	if (!json_i64(json_get(before, "looked_calls"), &l->calls) ||
	    !json_i64(json_get(before, "looked_outcomes"), &l->outcomes))
		l->number = 0;
	l->settings = text_of(c, before, "settings");
}

static bool is_due(const struct window *w, const struct look *l, struct span settings)
{
	if ((double)w->seen < w->limits.min_calls)
		return false;
	return l->number == 0 || w->seen >= next_at(l->calls) ||
	       w->seen_outcomes >= next_at(l->outcomes) || !span_eq(l->settings, settings);
}

static void find_look(struct check *c)
{
	struct look l = { 0 };
	struct span settings = settings_of(c->w);
	read_previous(c, &l);
	l.due = is_due(c->w, &l, settings);
	if (l.due) {
		l.number++;
		l.calls = c->w->seen;
		l.outcomes = c->w->seen_outcomes;
		l.settings = settings;
	}
	c->look = l;
}

/* --- what is known of a cause from before --- */

static struct json of_cause(const struct check *c, struct json array, enum cause_kind kind,
			    struct span subject)
{
	struct json_iter it = json_iter(array);
	struct span key;
	struct json v;
	while (json_next(&it, &key, &v))
		if (json_is_text(json_get(v, "cause"), causes_name(kind)) &&
		    span_eq(text_of(c, v, "subject"), subject))
			return v;
	return (struct json){ 0 };
}

static bool is_resting(const struct check *c, struct json decided)
{
	double days = 0;
	if (!json_has(decided))
		return false;
	return json_is_text(json_get(decided, "status"), "pending") ||
	       (json_f64(json_get(decided, "days"), &days) && days < c->w->limits.cooldown_days);
}

static int64_t rejections(struct json decided)
{
	int64_t n = 0;
	return json_i64(json_get(decided, "rejections"), &n) ? n : 0;
}

/* --- judging --- */

static void judge(struct check *c, struct seen_cause *cause, struct judged *out)
{
	*out = (struct judged){ .cause = cause, .state = STATE_JUDGED };
	out->issue = of_cause(c, issues_of(c), cause->kind, cause->subject);
	out->decided = of_cause(c, json_get(c->w->doc, "decided"), cause->kind, cause->subject);
	struct gate_look look = {
		.number = c->look.number,
		.causes = c->seen.counted_n,
		.strictness = pow(0.1, (double)rejections(out->decided)),
	};
	gate_judge(c->w, cause, look, &out->figures);
}

static void judge_all(struct check *c)
{
	size_t n = 0;
	c->of = arena_alloc(c->w->arena, c->seen.n * sizeof(*c->of) + 1);
	for (int kind = 0; kind < CAUSE_KINDS; kind++)
		for (size_t i = 0; i < c->seen.n; i++)
			if ((int)c->seen.of[i].kind == kind)
				judge(c, &c->seen.of[i], &c->of[n++]);
}

static bool may_be_explained(enum cause_kind kind)
{
	return kind == CAUSE_FAILURE_POINT_KIND || kind == CAUSE_SUCCESS_RATE_KIND;
}

static bool is_explained(const struct check *c, const struct judged *j)
{
	size_t covered = 0;
	for (size_t i = 0; i < j->cause->hits_n; i++)
		covered += c->covered[j->cause->hits[i].call];
	return may_be_explained(j->cause->kind) && j->cause->hits_n &&
	       covered * 100 >= j->cause->hits_n * EXPLAINED_PERCENT;
}

static void cover(struct check *c, const struct judged *j)
{
	for (size_t i = 0; i < j->cause->hits_n; i++)
		c->covered[j->cause->hits[i].call] = true;
}

/* In the order of kinds: the more telling first. */
static enum state state_of(struct check *c, const struct judged *j)
{
	bool proven = j->figures.verdict == GATE_PROVEN;
	if (json_has(j->issue)) {
		if (j->figures.rate > j->figures.limit)
			cover(c, j);
		return STATE_OPEN;
	}
	if (!proven)
		return STATE_JUDGED;
	if (is_explained(c, j))
		return STATE_EXPLAINED;
	cover(c, j);
	if (is_resting(c, j->decided))
		return STATE_RESTING;
	return c->look.due ? STATE_OPENED : STATE_BETWEEN;
}

/* --- is it gone? --- */

static bool version_changed(const struct check *c, struct json issue)
{
	return !span_eq(text_of(c, issue, "instruction_version"), c->w->version);
}

/* Calls before the issue was opened say nothing about whether a repaired tool works now. */
static void only_after(const struct check *c, struct seen_cause *cause, struct span time)
{
	for (size_t i = 0; i < c->w->calls_n; i++) {
		struct span at = c->w->calls[i].at;
		size_t n = at.n < time.n ? at.n : time.n;
		if (memcmp(at.p, time.p, n) <= 0)
			cause->among[i] = false;
	}
}

static bool is_good_now(const struct check *c, const struct gate_figures *g)
{
	return g->calls >= c->w->limits.min_calls && g->callers >= c->w->limits.min_callers &&
	       g->shown.upper < g->limit;
}

static bool is_gone(struct check *c, struct judged *j, struct gate_figures *now)
{
	struct gate_look look = { c->look.number, c->seen.counted_n, 1 };
	*now = j->figures;
	if (version_changed(c, j->issue))
		return is_good_now(c, now);
	if (j->cause->kind != CAUSE_TOOL_FAILURE_KIND)
		return false;
	struct seen_cause later = *j->cause;
	later.among = arena_alloc(c->w->arena, c->w->calls_n * sizeof(*later.among) + 1);
	memcpy(later.among, j->cause->among, c->w->calls_n * sizeof(*later.among));
	only_after(c, &later, json_text(json_path(j->issue, "evidence.trigger.to"), c->w->arena));
	gate_judge(c->w, &later, look, now);
	return is_good_now(c, now);
}

/* --- writing --- */

static void put_span_or_null(struct json_out *o, const char *key, struct span text)
{
	if (text.n)
		json_put_text(o, key, text);
	else
		json_put_null(o, key);
}

static void put_cause(const struct judged *j, struct json_out *o)
{
	json_begin(o, NULL);
	json_put_z(o, "cause", causes_name(j->cause->kind));
	json_put_text(o, "subject", j->cause->subject);
	json_put_text(o, "title", j->cause->title);
	json_put_z(o, "verdict", gate_verdict_name(j->figures.verdict));
	json_put_z(o, "state", state_names[j->state]);
	evidence_put_figures(j->cause, &j->figures, o);
	json_put_raw(o, "issue", json_get(j->issue, "id").raw);
	json_put_raw(o, "decided", json_get(j->decided, "status").raw);
	json_put_i64(o, "rejections", rejections(j->decided));
	json_end(o);
}

static void put_detection(const struct check *c, const struct practice *missing, struct json_out *o)
{
	const struct window *w = c->w;
	json_begin(o, "detection");
	json_put_text(o, "version", w->version);
	json_put_i64(o, "version_number", w->version_number);
	json_put_i64(o, "looks", c->look.number);
	json_put_i64(o, "looked_calls", c->look.calls);
	json_put_i64(o, "looked_outcomes", c->look.outcomes);
	json_put_i64(o, "next_look_at_calls",
		     c->look.number ? next_at(c->look.calls) : (int64_t)w->limits.min_calls);
	json_put_text(o, "settings", c->look.settings);
	json_put_i64(o, "calls_of_version", w->seen);
	json_put_i64(o, "calls", (int64_t)w->calls_n);
	json_put_i64(o, "eligible", (int64_t)w->eligible_n);
	json_put_i64(o, "callers", w->callers);
	json_put_z(o, "missing_practice", missing ? missing->key : NULL);
	thresholds_put(&w->limits, o, "thresholds");
	json_begin_array(o, "causes");
	for (size_t i = 0; i < c->seen.n; i++)
		put_cause(&c->of[i], o);
	json_end_array(o);
	json_end(o);
}

static struct span title_of(const struct check *c, const struct judged *j)
{
	const struct gate_figures *g = &j->figures;
	bool turned = j->cause->kind == CAUSE_SUCCESS_RATE_KIND;
	double rate = turned ? 1 - g->rate : g->rate;
	const char *how = turned ? "only" : "in";
	return span_of(arena_printf(c->w->arena, "%.*s: %s %.0f %% of %.0f calls",
				    SPAN_ARG(j->cause->title), how, rate * 100, g->calls));
}

static void put_opened(const struct check *c, const struct judged *j, struct json_out *o)
{
	json_begin(o, NULL);
	json_put_z(o, "cause", causes_name(j->cause->kind));
	json_put_text(o, "subject", j->cause->subject);
	put_span_or_null(o, "instruction_version", c->w->version);
	json_put_text(o, "title", title_of(c, j));
	evidence_put(c->w, j->cause, &j->figures, (struct json){ 0 }, o, "evidence");
	json_end(o);
}

/* The evidence as it was, and what the calls since the change show. */
static void put_since_change(const struct judged *j, struct json_out *o)
{
	struct json_iter it = json_iter(json_get(j->issue, "evidence"));
	struct span key;
	struct json v;
	json_begin(o, "evidence");
	while (json_next(&it, &key, &v)) {
		char name[80];
		int n = snprintf(name, sizeof(name), "%.*s", SPAN_ARG(key));
		if (n > 0 && n < (int)sizeof(name) && strcmp(name, "since_change") != 0)
			json_put_raw(o, name, v.raw);
	}
	json_begin(o, "since_change");
	evidence_put_figures(j->cause, &j->figures, o);
	json_end(o);
	json_end(o);
}

static void put_renewed(const struct check *c, const struct judged *j, struct json_out *o)
{
	if (j->figures.calls < 1)
		return;
	json_begin(o, NULL);
	json_put_raw(o, "id", json_get(j->issue, "id").raw);
	if (version_changed(c, j->issue)) {
		json_put_raw(o, "title", json_get(j->issue, "title").raw);
		put_since_change(j, o);
	} else {
		json_put_text(o, "title", title_of(c, j));
		evidence_put(c->w, j->cause, &j->figures, json_path(j->issue, "evidence.trigger"),
			     o, "evidence");
	}
	json_end(o);
}

static void put_closed(struct json issue, const char *because, struct json_out *o)
{
	json_begin(o, NULL);
	json_put_raw(o, "id", json_get(issue, "id").raw);
	json_put_z(o, "because", because);
	json_end(o);
}

/* --- best practices --- */

static bool no_practice_now(void *user, const struct practice *p)
{
	const struct check *c = user;
	struct json decided = of_cause(c, json_get(c->w->doc, "decided"), CAUSE_BEST_PRACTICE_KIND,
				       span_of(p->key));
	/* No call can show more of it: what was rejected stays so. */
	return is_resting(c, decided) || rejections(decided) > 0;
}

static const struct practice *missing_practice(struct check *c, const struct sections *s)
{
	bool has_tools = json_count(json_path(c->w->doc, "project.tools")) > 0;
	if (!s->n || c->w->limits.practices < 1)
		return NULL;
	return practices_missing(s, has_tools, no_practice_now, c);
}

static void put_practice(const struct check *c, const struct practice *p, struct json_out *o)
{
	json_begin(o, NULL);
	json_put_z(o, "cause", causes_name(CAUSE_BEST_PRACTICE_KIND));
	json_put_z(o, "subject", p->key);
	put_span_or_null(o, "instruction_version", c->w->version);
	json_put_z(o, "title", p->title);
	json_begin(o, "evidence");
	json_put_i64(o, "eligible", (int64_t)c->w->eligible_n);
	json_put_z(o, "practice", p->key);
	json_put_z(o, "reason", p->reason_en);
	json_begin_array(o, "quotes");
	json_end_array(o);
	json_end(o);
	json_end(o);
}

/* --- open issues that no cause stands for any more --- */

static bool is_judged(const struct check *c, struct json issue)
{
	for (size_t i = 0; i < c->seen.n; i++)
		if (json_has(c->of[i].issue) && c->of[i].issue.raw.p == issue.raw.p)
			return true;
	return false;
}

static const char *why_not_any_more(const struct check *c, const struct sections *s,
				    struct json issue)
{
	enum cause_kind kind;
	if (!causes_from(text_of(c, issue, "cause"), &kind))
		return NULL;
	if (kind == CAUSE_MISSING_DATA_KIND)
		return "the field is not required any more";
	if (kind != CAUSE_BEST_PRACTICE_KIND)
		return NULL;
	const struct practice *p = practices_find(text_of(c, issue, "subject"));
	return !p || practices_present(p, s) ? "the instructions in force say it" : NULL;
}

/* --- the lists --- */

static void put_open(struct check *c, const struct practice *missing, struct json_out *o)
{
	json_begin_array(o, "open");
	for (size_t i = 0; i < c->seen.n; i++)
		if (c->of[i].state == STATE_OPENED)
			put_opened(c, &c->of[i], o);
	/* First what the calls show. */
	if (missing && c->open_n == 0)
		put_practice(c, missing, o);
	json_end_array(o);
}

static void put_renew(const struct check *c, struct json_out *o)
{
	json_begin_array(o, "renew");
	for (size_t i = 0; i < c->seen.n; i++)
		if (c->of[i].state == STATE_OPEN)
			put_renewed(c, &c->of[i], o);
	json_end_array(o);
}

static void put_gone(struct check *c, struct judged *j, struct json_out *o)
{
	struct gate_figures now;
	if (j->state != STATE_OPEN || !is_gone(c, j, &now))
		return;
	j->state = STATE_CLOSED;
	c->open_n--;
	put_closed(j->issue,
		   arena_printf(c->w->arena,
				"%.0f of %.0f calls since (%.1f %%, at most %.1f %% with 95 %% "
				"confidence; the limit is %.0f %%)",
				now.events, now.calls, now.rate * 100, now.shown.upper * 100,
				now.limit * 100),
		   o);
}

static void put_close(struct check *c, const struct sections *s, struct json_out *o)
{
	struct json_iter it = json_iter(issues_of(c));
	struct span key;
	struct json issue;
	json_begin_array(o, "close");
	for (size_t i = 0; i < c->seen.n; i++)
		put_gone(c, &c->of[i], o);
	while (json_next(&it, &key, &issue)) {
		const char *why = is_judged(c, issue) ? NULL : why_not_any_more(c, s, issue);
		if (!why)
			continue;
		c->open_n--;
		put_closed(issue, why, o);
	}
	json_end_array(o);
}

/* An open issue without a suggestion, when it does not rest: the first was rejected long ago, or
 * could not be made. */
static void put_suggest(const struct check *c, struct json_out *o)
{
	json_begin_array(o, "suggest");
	for (size_t i = 0; i < c->seen.n; i++) {
		const struct judged *j = &c->of[i];
		if (j->state == STATE_OPEN && c->look.due && j->figures.verdict == GATE_PROVEN &&
		    !json_true(json_get(j->issue, "pending")) && !is_resting(c, j->decided))
			json_put_raw(o, NULL, json_get(j->issue, "id").raw);
	}
	json_end_array(o);
}

void issues_decide(struct window *w, struct json_out *o)
{
	struct check c = { .w = w };
	struct sections s = sections_read(w->sections, w->arena);
	causes_find(w, issues_of(&c), &c.seen);
	find_look(&c);
	c.covered = arena_alloc(w->arena, w->calls_n * sizeof(*c.covered) + 1);
	c.open_n = json_count(issues_of(&c));
	judge_all(&c);
	for (size_t i = 0; i < c.seen.n; i++) {
		c.of[i].state = state_of(&c, &c.of[i]);
		c.open_n += c.of[i].state == STATE_OPENED;
	}
	put_close(&c, &s, o);
	const struct practice *missing = missing_practice(&c, &s);
	put_open(&c, missing, o);
	put_renew(&c, o);
	put_suggest(&c, o);
	put_detection(&c, missing, o);
}
