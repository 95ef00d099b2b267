#include "healing/evidence.h"

#include <math.h>
#include <stdlib.h>

#include "call/kept.h"

enum { REASONS_SHOWN = 10, QUOTE_MAX = 400 };

static double percent(double share)
{
	return round(share * 1000) / 10;
}

/* Of the success rate people want to see the rate itself. */
static double shown(const struct seen_cause *c, double share)
{
	return percent(c->kind == CAUSE_SUCCESS_RATE_KIND ? 1 - share : share);
}

void evidence_put_figures(const struct seen_cause *c, const struct gate_figures *g,
			  struct json_out *o)
{
	bool turned = c->kind == CAUSE_SUCCESS_RATE_KIND;
	json_put_f64(o, "eligible", g->calls);
	json_put_i64(o, "callers", g->callers);
	json_put_f64(o, "events", g->events);
	json_put_i64(o, "event_callers", g->event_callers);
	json_put_f64(o, "rate", shown(c, g->rate));
	json_put_f64(o, "lower", shown(c, turned ? g->shown.upper : g->shown.lower));
	json_put_f64(o, "upper", shown(c, turned ? g->shown.lower : g->shown.upper));
	json_put_f64(o, "threshold", shown(c, g->limit));
	json_put_f64(o, "bound", shown(c, g->bound));
	/* Positive: so many percentage points are missing until it is proven. */
	json_put_f64(o, "distance", percent(g->limit - g->bound));
	json_put_f64(o, "effective_calls", round(g->effective_n * 10) / 10);
	json_put_f64(o, "caller_icc", round(g->icc * 100) / 100);
}

/* --- reasons --- */

struct reason {
	struct span name;
	int64_t calls;
};

static int by_calls(const void *a, const void *b)
{
	const struct reason *x = a, *y = b;
	return (y->calls > x->calls) - (y->calls < x->calls);
}

static size_t count_reasons(const struct seen_cause *c, struct reason *out)
{
	size_t n = 0;
	for (size_t i = 0; i < c->hits_n; i++) {
		size_t k = 0;
		while (k < n && !span_eq(out[k].name, c->hits[i].reason))
			k++;
		if (k == n)
			out[n++].name = c->hits[i].reason;
		out[k].calls++;
	}
	qsort(out, n, sizeof(*out), by_calls);
	return n;
}

static void put_reasons(const struct window *w, const struct seen_cause *c, struct json_out *o)
{
	struct reason *reasons = arena_alloc(w->arena, c->hits_n * sizeof(*reasons) + 1);
	size_t n = count_reasons(c, reasons);
	json_begin_array(o, "reasons");
	for (size_t i = 0; i < n && i < REASONS_SHOWN; i++) {
		json_begin(o, NULL);
		json_put_text(o, "reason", reasons[i].name);
		json_put_i64(o, "calls", reasons[i].calls);
		json_put_f64(o, "share", percent((double)reasons[i].calls / (double)c->hits_n));
		json_end(o);
	}
	json_end_array(o);
}

/* --- when in the call --- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double middle(double *of, size_t n)
{
	qsort(of, n, sizeof(*of), by_value);
	return of[n / 2];
}

static void put_timing(const struct window *w, const struct seen_cause *c, struct json_out *o)
{
	double *at = arena_alloc(w->arena, c->hits_n * sizeof(*at) + 1);
	double *share = arena_alloc(w->arena, c->hits_n * sizeof(*share) + 1);
	size_t n = 0, shares = 0;
	for (size_t i = 0; i < c->hits_n; i++) {
		const struct hit *h = &c->hits[i];
		int64_t ms = w->calls[h->call].ms;
		if (h->offset_ms < 0)
			continue;
		at[n++] = (double)h->offset_ms;
		if (ms > 0)
			share[shares++] = fmin(1, (double)h->offset_ms / (double)ms);
	}
	if (!n) {
		json_put_null(o, "timing");
		return;
	}
	json_begin(o, "timing");
	json_put_i64(o, "calls", (int64_t)n);
	json_put_i64(o, "median_ms", (int64_t)middle(at, n));
	if (shares) {
		double m = middle(share, shares);
		json_put_f64(o, "median_share_of_call", percent(m));
		json_put_z(o, "when", m < 1.0 / 3 ? "early" : m < 2.0 / 3 ? "middle" : "late");
	}
	json_end(o);
}

/* --- quotes --- */

/* Who said what, where and when: a quote that lacks one of them proves nothing. */
static bool is_quotable(const struct hit *h)
{
	return h->has_seq && h->offset_ms >= 0 && h->speaker.n && h->text.n;
}

static void put_quote(const struct window *w, const struct hit *h, struct json_out *o)
{
	json_begin(o, NULL);
	json_put_text(o, "call_id", w->calls[h->call].id);
	json_put_i64(o, "seq", h->seq);
	json_put_i64(o, "offset_ms", h->offset_ms);
	json_put_text(o, "speaker", h->speaker);
	json_put_text(o, "text", kept_clip(h->text, QUOTE_MAX));
	json_put_text(o, "reason", h->reason);
	json_end(o);
}

/* Its own words; or, of a call that shows it without words (a report says so, a tool gave no
 * error), the last ones of the caller. */
static struct hit words_of(struct window *w, const struct hit *h, bool own)
{
	if (own)
		return *h;
	struct hit last = causes_hit(w, w->calls[h->call].last, h->call);
	last.reason = h->reason;
	return last;
}

/* Of the newest calls, each of another caller; first those with words of their own. */
static void put_quotes(struct window *w, const struct seen_cause *c, struct json_out *o)
{
	bool *quoted = arena_alloc(w->arena, w->callers * sizeof(*quoted) + 1);
	size_t n = 0;
	json_begin_array(o, "quotes");
	for (int own = 1; own >= 0; own--)
		for (size_t i = 0; i < c->hits_n && n < EVIDENCE_QUOTES; i++) {
			struct hit h = words_of(w, &c->hits[i], own);
			unsigned caller = w->calls[h.call].caller;
			if (quoted[caller] || !is_quotable(&h))
				continue;
			quoted[caller] = true;
			put_quote(w, &h, o);
			n++;
		}
	json_end_array(o);
}

/* --- all --- */

static struct span oldest(const struct window *w)
{
	return w->calls_n ? w->calls[w->calls_n - 1].at : SPAN("");
}

static struct span newest(const struct window *w)
{
	return w->calls_n ? w->calls[0].at : SPAN("");
}

static void put_window(const struct window *w, const struct gate_figures *g, struct json_out *o)
{
	json_put_text(o, "from", oldest(w));
	json_put_text(o, "to", newest(w));
	json_put_f64(o, "calls", g->calls);
	if (w->version.n)
		json_put_text(o, "instruction_version", w->version);
	else
		json_put_null(o, "instruction_version");
}

void evidence_put(struct window *w, const struct seen_cause *c, const struct gate_figures *g,
		  struct json trigger, struct json_out *o, const char *key)
{
	json_begin(o, key);
	evidence_put_figures(c, g, o);
	json_put_text(o, "from", oldest(w));
	json_put_text(o, "to", newest(w));
	put_reasons(w, c, o);
	put_timing(w, c, o);
	put_quotes(w, c, o);
	if (json_has(trigger)) {
		json_put_raw(o, "trigger", trigger.raw);
	} else {
		json_begin(o, "trigger");
		put_window(w, g, o);
		json_put_f64(o, "alpha", g->alpha);
		json_end(o);
	}
	json_end(o);
}
