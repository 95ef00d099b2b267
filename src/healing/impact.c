#include "healing/impact.h"

#include <math.h>

#include "analysis/stats.h"
#include "healing/gain.h"

#define Z_95_PERCENT 1.959964
#define ENOUGH 0.8 /* of the prediction */
enum { CALLS_LEAST = 10, LIFT_LEAST_POINTS = 2 };

enum impact_state {
#define X(id, name, doc) IMPACT_##id,
	IMPACT_STATES(X)
#undef X
};
static const char *const state_names[] = {
#define X(id, name, doc) [IMPACT_##id] = name,
	IMPACT_STATES(X)
#undef X
};

#define PERIOD(F, T)                                    \
	F(T, F64, calls, "calls", REQUIRED)             \
	F(T, F64, callers, "callers", REQUIRED)         \
	F(T, F64, squares, "squares", REQUIRED)         \
	F(T, F64, outcomes, "outcomes", REQUIRED)       \
	F(T, F64, successes, "successes", REQUIRED)     \
	F(T, F64, with_fields, "with_fields", REQUIRED) \
	F(T, F64, missing, "missing", REQUIRED)
JSON_STRUCT(period, PERIOD)
JSON_FIELDS(period, PERIOD)

/* A rate before and after; `better`: +1 more is better, -1 less is. */
struct change {
	double n1, k1, n2, k2, better;
	double points; /* percentage points, positive: better */
	struct interval within;
	double predicted;
};

struct measured {
	struct json doc;
	struct period before, after;
	struct change success, missing;
	const struct change *main; /* what it was meant to change */
	enum impact_state state;
	double needs; /* more calls; 0: not known */
};

static double effective(const struct window *w, const struct period *p)
{
	if (p->calls <= 0)
		return 1;
	return stats_effective_n(p->calls, p->squares, w->limits.caller_icc) / p->calls;
}

static void compare(struct change *c)
{
	struct interval d = stats_newcombe(c->k1, c->n1, c->k2, c->n2, Z_95_PERCENT);
	bool known = c->n1 > 0 && c->n2 > 0;
	c->points = known ? c->better * 100 * (c->k2 / c->n2 - c->k1 / c->n1) : 0;
	c->within = c->better > 0 ? (struct interval){ 100 * d.lower, 100 * d.upper }
				  : (struct interval){ -100 * d.upper, -100 * d.lower };
}

static double predicted(struct json doc, const char *name)
{
	double points = 0;
	return json_f64(json_path(doc, name), &points) ? points : 0;
}

static void compare_both(const struct window *w, struct measured *m)
{
	const struct period *b = &m->before, *a = &m->after;
	double eb = effective(w, b), ea = effective(w, a);
	m->success = (struct change){ .n1 = b->outcomes * eb,
				      .k1 = b->successes * eb,
				      .n2 = a->outcomes * ea,
				      .k2 = a->successes * ea,
				      .better = 1 };
	m->missing = (struct change){ .n1 = b->with_fields * eb,
				      .k1 = b->missing * eb,
				      .n2 = a->with_fields * ea,
				      .k2 = a->missing * ea,
				      .better = -1 };
	m->success.predicted = predicted(m->doc, "expected.successRateImprovement");
	m->missing.predicted = predicted(m->doc, "expected.missingDataReduction");
	compare(&m->success);
	compare(&m->missing);
	m->main =
		json_is_text(json_get(m->doc, "type"), "missing_data") ? &m->missing : &m->success;
}

/* More calls after the change, so that the predicted gain would show. */
static double calls_needed(const struct change *c, double per_call)
{
	double lift = fmax(c->predicted, LIFT_LEAST_POINTS) / 100 * c->better;
	double p1 = c->n1 > 0 ? c->k1 / c->n1 : 0.5;
	double p2 = fmin(fmax(p1 + lift, 0), 1);
	double n = stats_sample_size(p1, p2);
	double more = (n - c->n2) / per_call;
	return isfinite(more) && more > 1 ? ceil(more) : 1;
}

static void decide(const struct window *w, struct measured *m)
{
	const struct change *c = m->main;
	m->state = IMPACT_INCONCLUSIVE;
	if (c->n1 >= CALLS_LEAST && c->n2 >= CALLS_LEAST && c->predicted > 0) {
		if (c->within.lower > 0 && c->points >= ENOUGH * c->predicted)
			m->state = IMPACT_WORKED;
		else if (c->within.upper < ENOUGH * c->predicted)
			m->state = IMPACT_DID_NOT_WORK;
	}
	if (m->state == IMPACT_INCONCLUSIVE)
		m->needs = calls_needed(c, effective(w, &m->after));
}

/* --- writing --- */

static double tenth(double x)
{
	return round(x * 10) / 10;
}

/* `sign`: the missing-data change is told as it is: less is negative. */
static void put_change(const struct change *c, double sign, const char *name, struct json_out *o)
{
	if (c->n1 > 0 && c->n2 > 0)
		json_put_f64(o, name, tenth(sign * c->points));
	else
		json_put_null(o, name);
}

static void put_within(const struct change *c, double sign, const char *name, struct json_out *o)
{
	if (c->n1 <= 0 || c->n2 <= 0) {
		json_put_null(o, name);
		return;
	}
	json_begin(o, name);
	json_put_f64(o, "lower", tenth(sign > 0 ? c->within.lower : -c->within.upper));
	json_put_f64(o, "upper", tenth(sign > 0 ? c->within.upper : -c->within.lower));
	json_end(o);
}

static void put_period(const struct period *p, struct json_out *o, const char *key)
{
	json_begin(o, key);
	json_put_f64(o, "calls", p->calls);
	json_put_f64(o, "callers", p->callers);
	if (p->outcomes > 0)
		json_put_f64(o, "successRate", tenth(100 * p->successes / p->outcomes));
	else
		json_put_null(o, "successRate");
	if (p->with_fields > 0)
		json_put_f64(o, "missingDataRate", tenth(100 * p->missing / p->with_fields));
	else
		json_put_null(o, "missingDataRate");
	json_end(o);
}

static void put_verdict(const struct measured *m, struct json_out *o)
{
	json_put_z(o, "method", "observational");
	json_put_z(o, "state", state_names[m->state]);
	if (m->state != IMPACT_INCONCLUSIVE) {
		json_put_null(o, "needsCalls");
		return;
	}
	json_put_f64(o, "needsCalls", m->needs);
	struct buf note AUTO_BUF = { 0 };
	if (m->before.calls < CALLS_LEAST)
		buf_addz(&note, "inconclusive: there are too few calls before the change beside "
				"those that triggered the suggestion");
	else
		buf_printf(&note, "inconclusive: needs %.0f more calls", m->needs);
	json_put_text(o, "note", buf_span(&note));
}

static void put_impact(const struct window *w, const struct measured *m, struct json_out *o)
{
	struct buf roi AUTO_BUF = { 0 };
	gain_roi(tenth(m->success.points), gain_minutes_per_success(w->doc), &roi);
	json_begin(o, "impact");
	put_change(&m->success, 1, "successRateChange", o);
	put_change(&m->missing, -1, "missingDataChange", o);
	json_put_text(o, "actualROI", buf_span(&roi));
	json_begin(o, "interval");
	json_put_f64(o, "confidence", 95);
	put_within(&m->success, 1, "successRateChange", o);
	put_within(&m->missing, -1, "missingDataChange", o);
	json_end(o);
	put_period(&m->before, o, "before");
	put_period(&m->after, o, "after");
	put_verdict(m, o);
	json_end(o);
}

static void put_pattern(const struct measured *m, struct json_out *o)
{
	struct json cause = json_get(m->doc, "cause"), subject = json_get(m->doc, "subject");
	struct json pattern = json_get(m->doc, "pattern");
	if (m->state == IMPACT_INCONCLUSIVE || !json_has(cause) || !json_has(pattern)) {
		json_put_null(o, "pattern");
		return;
	}
	json_begin(o, "pattern");
	json_put_z(o, "type", state_names[m->state]);
	json_put_raw(o, "cause", cause.raw);
	json_put_raw(o, "subject", subject.raw);
	json_put_raw(o, "pattern", pattern.raw);
	json_put_f64(o, "effectiveness", m->main->points / m->main->predicted);
	json_end(o);
}

static bool measure(const struct window *w, struct json doc, struct measured *m)
{
	struct fault f = { 0 };
	*m = (struct measured){ .doc = doc };
	if (JSON_READ(period, json_get(doc, "before"), w->arena, &m->before, &f) ||
	    JSON_READ(period, json_get(doc, "after"), w->arena, &m->after, &f))
		return false;
	compare_both(w, m);
	decide(w, m);
	return m->after.calls > 0;
}

void impact_put_all(const struct window *w, struct json_out *o, const char *key)
{
	struct json_iter it = json_iter(json_get(w->doc, "impacts"));
	struct span name;
	struct json doc;
	json_begin_array(o, key);
	while (json_next(&it, &name, &doc)) {
		struct measured m;
		if (!measure(w, doc, &m))
			continue;
		json_begin(o, NULL);
		json_put_raw(o, "suggestion", json_get(doc, "suggestion").raw);
		put_impact(w, &m, o);
		put_pattern(&m, o);
		json_end(o);
	}
	json_end_array(o);
}
