#include "healing/gain.h"

#include <math.h>

/* How many of the calls that show a cause a good change puts right: what is believed before
 * anything was measured. Halved at first by the realisation factor, and corrected by history. */
static const struct {
	enum cause_kind kind;
	const char *reason; /* NULL: any other */
	struct range fix;
} priors[] = {
	{ CAUSE_MISSING_DATA_KIND, "never_asked", { 0.70, 0.90, 0.98 } },
	{ CAUSE_MISSING_DATA_KIND, "refused", { 0.05, 0.20, 0.40 } },
	{ CAUSE_MISSING_DATA_KIND, NULL, { 0.25, 0.50, 0.75 } },
	{ CAUSE_TOOL_FAILURE_KIND, NULL, { 0.10, 0.30, 0.50 } },
	{ CAUSE_UNANSWERED_KIND, NULL, { 0.40, 0.70, 0.90 } },
	{ CAUSE_FRUSTRATION_KIND, NULL, { 0.10, 0.30, 0.50 } },
	{ CAUSE_FAILURE_POINT_KIND, NULL, { 0.15, 0.40, 0.65 } },
	{ CAUSE_SUCCESS_RATE_KIND, NULL, { 0.10, 0.30, 0.50 } },
	{ CAUSE_BEST_PRACTICE_KIND, NULL, { 0.00, 0.05, 0.15 } },
};

static struct range fix_of(enum cause_kind kind, struct span reason)
{
	size_t i = 0;
	while (priors[i].kind != kind || (priors[i].reason && !span_is(reason, priors[i].reason)))
		i++;
	return priors[i].fix;
}

/* --- what became true of earlier predictions --- */

#define REALISED_AT_FIRST 0.5
#define REALISED_VARIANCE (0.25 * 0.25) /* how sure of that */
#define REALISED_SPREAD2 (0.4 * 0.4)	/* of single changes */
#define Z_80_PERCENT 1.2816

static struct range realised(enum cause_kind kind, struct json patterns)
{
	struct json_iter it = json_iter(patterns);
	struct span key;
	struct json v;
	double n = 0, sum = 0, effect;
	while (json_next(&it, &key, &v)) {
		if (!json_is_text(json_get(v, "cause"), causes_name(kind)) ||
		    !json_f64(json_get(v, "effectiveness"), &effect))
			continue;
		n++;
		sum += fmin(fmax(effect, -0.5), 1.5);
	}
	double middle = stats_shrink(REALISED_AT_FIRST, REALISED_VARIANCE, n > 0 ? sum / n : 0, n,
				     REALISED_SPREAD2);
	double sd = sqrt(1 / (1 / REALISED_VARIANCE + n / REALISED_SPREAD2));
	middle = fmin(fmax(middle, 0), 1);
	return (struct range){ fmax(middle - Z_80_PERCENT * sd, 0), middle,
			       fmin(middle + Z_80_PERCENT * sd, 1) };
}

/* --- how the calls do --- */

/* Required fields and the missing ones of a call; those of former days are in it too. */
static void count_fields(struct json fields, double *wanted, double *missing)
{
	struct json_iter it = json_iter(fields);
	struct span key;
	struct json v;
	*wanted = *missing = 0;
	while (json_next(&it, &key, &v)) {
		if (!json_true(json_get(v, "required")))
			continue;
		++*wanted;
		*missing += !json_is_text(json_get(v, "state"), "captured");
	}
}

static double effective_share(const struct window *w)
{
	double *by = arena_alloc(w->arena, w->callers * sizeof(*by) + 1);
	double n = 0, squares = 0;
	for (size_t i = 0; i < w->calls_n; i++)
		by[w->calls[i].caller] += w->calls[i].eligible;
	for (size_t i = 0; i < w->callers; i++) {
		n += by[i];
		squares += by[i] * by[i];
	}
	return n > 0 ? stats_effective_n(n, squares, w->limits.caller_icc) / n : 1;
}

struct gain_metrics gain_measure(const struct window *w)
{
	struct gain_metrics m = { .callers = w->callers, .effective = effective_share(w) };
	for (size_t i = 0; i < w->calls_n; i++) {
		const struct window_call *call = &w->calls[i];
		double wanted, missing;
		if (!call->eligible)
			continue;
		m.calls++;
		m.outcomes += call->succeeded || call->failed;
		m.successes += call->succeeded;
		count_fields(call->fields, &wanted, &missing);
		m.with_fields += wanted > 0;
		m.missing += wanted > 0 ? missing / wanted : 0;
	}
	return m;
}

/* --- expectations --- */

static struct range share_of(double k, double n, double effective)
{
	struct interval i = stats_wilson(k * effective, n * effective, Z_80_PERCENT);
	return (struct range){ i.lower, n > 0 ? k / n : 0, i.upper };
}

static struct range product(struct range a, struct range b, struct range c, double factor)
{
	return (struct range){ a.lower * b.lower * c.lower * factor,
			       a.middle * b.middle * c.middle * factor,
			       a.upper * b.upper * c.upper * factor };
}

static double failed_among(const struct window *w, const struct seen_cause *c)
{
	double n = 0;
	for (size_t i = 0; i < c->hits_n; i++)
		n += w->calls[c->hits[i].call].failed;
	return n;
}

static double calls_among(const struct window *w, const struct seen_cause *c)
{
	double n = 0;
	for (size_t i = 0; i < w->calls_n; i++)
		n += c->among[i];
	return n;
}

struct gain gain_expect(const struct window *w, const struct seen_cause *c, struct span reason,
			struct json patterns)
{
	struct gain_metrics m = gain_measure(w);
	double n = calls_among(w, c);
	struct gain g = {
		.share = share_of((double)c->hits_n, n, m.effective),
		.fix = fix_of(c->kind, reason),
		.realised = realised(c->kind, patterns),
	};
	struct range failed = share_of(failed_among(w, c), n, m.effective);
	g.success = product(failed, g.fix, g.realised, 100);
	if (c->kind == CAUSE_MISSING_DATA_KIND && w->fields_n)
		g.missing = product(g.share, g.fix, g.realised, 100 / (double)w->fields_n);
	return g;
}

struct gain gain_expect_practice(const struct window *w, struct json patterns)
{
	struct gain_metrics m = gain_measure(w);
	struct gain g = {
		.share = share_of(m.outcomes - m.successes, m.outcomes, m.effective),
		.fix = fix_of(CAUSE_BEST_PRACTICE_KIND, SPAN("")),
		.realised = realised(CAUSE_BEST_PRACTICE_KIND, patterns),
	};
	if (m.outcomes > 0)
		g.success = product(g.share, g.fix, g.realised, 100);
	return g;
}

/* --- in words and JSON --- */

void gain_roi(double improvement_points, double minutes_per_success, struct buf *out)
{
	double minutes = improvement_points * minutes_per_success;
	buf_printf(out, "Save %.0f minutes per 100 calls", minutes > 0 ? minutes : 0.0);
}

double gain_minutes_per_success(struct json loaded)
{
	double minutes;
	return json_f64(json_path(loaded, "project.minutes_per_success"), &minutes) ? minutes : 3;
}

static double tenth(double x)
{
	return round(x * 10) / 10;
}

static void put_range(const struct range *r, double scale, struct json_out *o, const char *key)
{
	json_begin(o, key);
	json_put_f64(o, "lower", tenth(r->lower * scale));
	json_put_f64(o, "upper", tenth(r->upper * scale));
	json_end(o);
}

void gain_put(const struct gain *g, double minutes_per_success, struct json_out *o, const char *key)
{
	struct buf roi AUTO_BUF = { 0 };
	gain_roi(tenth(g->success.middle), minutes_per_success, &roi);
	json_begin(o, key);
	json_put_f64(o, "successRateImprovement", tenth(g->success.middle));
	json_put_f64(o, "missingDataReduction", tenth(g->missing.middle));
	json_put_text(o, "estimatedROI", buf_span(&roi));
	json_begin(o, "interval");
	json_put_f64(o, "confidence", 80);
	put_range(&g->success, 1, o, "successRateImprovement");
	put_range(&g->missing, 1, o, "missingDataReduction");
	json_end(o);
	json_begin(o, "basis");
	json_put_f64(o, "shareOfCalls", tenth(g->share.middle * 100));
	json_put_f64(o, "fixRate", tenth(g->fix.middle * 100));
	json_put_f64(o, "realisation", tenth(g->realised.middle * 100));
	json_put_f64(o, "minutesPerSuccess", minutes_per_success);
	json_end(o);
	json_end(o);
}

/* --- metrics --- */

static void put_rate(double k, double n, const char *name, struct json_out *o)
{
	if (n > 0)
		json_put_f64(o, name, tenth(100 * k / n));
	else
		json_put_null(o, name);
}

static void put_interval(double k, double n, double effective, const char *name, struct json_out *o)
{
	struct interval i = stats_wilson(k * effective, n * effective, 1.959964);
	struct range r = { i.lower, 0, i.upper };
	if (n > 0)
		put_range(&r, 100, o, name);
	else
		json_put_null(o, name);
}

struct point {
	struct span key, title;
	int64_t calls;
};
enum { POINTS = 40, POINTS_SHOWN = 8 };

static size_t count_points(const struct window *w, struct point *of)
{
	size_t n = 0;
	for (size_t i = 0; i < w->calls_n; i++) {
		struct span key = json_text(json_get(w->calls[i].point, "key"), w->arena);
		size_t k = 0;
		if (!w->calls[i].eligible || !w->calls[i].failed || !key.n)
			continue;
		while (k < n && !span_eq(of[k].key, key))
			k++;
		if (k == POINTS)
			continue;
		if (k == n)
			of[n++] = (struct point){
				key, json_text(json_get(w->calls[i].point, "title"), w->arena), 0
			};
		of[k].calls++;
	}
	return n;
}

/* The most frequent first. */
static void put_reasons(const struct window *w, struct json_out *o)
{
	struct point points[POINTS] = { 0 };
	size_t n = count_points(w, points);
	json_begin_array(o, "failureReasons");
	for (size_t shown = 0; shown < n && shown < POINTS_SHOWN; shown++) {
		size_t best = 0;
		for (size_t i = 1; i < n; i++)
			if (points[i].calls > points[best].calls)
				best = i;
		json_put_z(o, NULL,
			   arena_printf(w->arena, "%.*s (%lld calls)", SPAN_ARG(points[best].title),
					(long long)points[best].calls));
		points[best].calls = -1;
	}
	json_end_array(o);
}

void gain_put_metrics(const struct window *w, const struct gain_metrics *m, struct json_out *o,
		      const char *key)
{
	json_begin(o, key);
	put_rate(m->successes, m->outcomes, "successRate", o);
	put_rate(m->missing, m->with_fields, "missingDataRate", o);
	put_reasons(w, o);
	json_put_f64(o, "calls", m->calls);
	json_put_f64(o, "callers", m->callers);
	json_begin(o, "interval");
	json_put_f64(o, "confidence", 95);
	put_interval(m->successes, m->outcomes, m->effective, "successRate", o);
	put_interval(m->missing, m->with_fields, m->effective, "missingDataRate", o);
	json_end(o);
	json_end(o);
}
