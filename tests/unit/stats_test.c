/* The mathematics of evidence: against worked figures, exact sums, and simulated coverage. */
#include "cmocka_all.h"

#include <math.h>
#include <stdbool.h>

#include "analysis/stats.h"
#include "tests/unit/random.h"

static void assert_near(double got, double wanted, double within)
{
	if (fabs(got - wanted) > within)
		fail_msg("%.6f is not %.6f", got, wanted);
}

static void assert_interval(struct interval got, double lower, double upper, double within)
{
	assert_near(got.lower, lower, within);
	assert_near(got.upper, upper, within);
}

/* --- worked figures --- */

static void wilson_as_worked(void **state)
{
	(void)state;
	assert_interval(stats_wilson(6, 10, 1.96), 0.31, 0.83, 0.005);
	assert_interval(stats_wilson(60, 100, 1.96), 0.50, 0.69, 0.005);
	assert_interval(stats_wilson(300, 500, 1.96), 0.56, 0.64, 0.005);
	assert_interval(stats_wilson(0, 30, 1.96), 0, 0.11, 0.005);
	assert_interval(stats_wilson(0, 0, 1.96), 0, 1, 0);
	assert_near(stats_wilson(30, 30, 1.96).upper, 1, 1e-12);
}

static void newcombe_as_worked(void **state)
{
	(void)state;
	assert_interval(stats_newcombe(60, 100, 70, 100, 1.96), -0.032, 0.227, 0.0006);
	assert_interval(stats_newcombe(120, 200, 140, 200, 1.96), 0.007, 0.191, 0.0006);
	assert_interval(stats_newcombe(300, 500, 350, 500, 1.96), 0.041, 0.158, 0.0006);
	assert_interval(stats_newcombe(0, 0, 5, 10, 1.96), -1, 1, 0);
}

/* Rounded z values give the table to within a call or two. */
static void sample_sizes_as_worked(void **state)
{
	(void)state;
	static const struct {
		double p, lift, n;
	} table[] = {
		{ .4, .02, 9493 }, { .4, .03, 4234 }, { .4, .05, 1534 }, { .4, .08, 604 },
		{ .4, .10, 388 },  { .4, .15, 173 },  { .6, .02, 9336 }, { .6, .03, 4129 },
		{ .6, .05, 1471 }, { .6, .08, 564 },  { .6, .10, 356 },	 { .6, .15, 152 },
		{ .8, .02, 6039 }, { .8, .03, 2629 }, { .8, .05, 906 },	 { .8, .08, 329 },
		{ .8, .10, 199 },  { .8, .15, 76 },   { .9, .02, 3213 }, { .9, .03, 1356 },
		{ .9, .05, 435 },  { .9, .08, 138 },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		double n = stats_sample_size(table[i].p, table[i].p + table[i].lift);
		assert_near(n, table[i].n, 1 + table[i].n * 0.002);
	}
	assert_true(isinf(stats_sample_size(0.5, 0.5)));
}

static void repeat_callers_need_more_calls(void **state)
{
	(void)state;
	/* 100 callers with 3 calls each, likeness 0.2: 1.4 times more calls. */
	assert_near(300 / stats_effective_n(300, 900, 0.2), 1.4, 1e-9);
	assert_near(stats_effective_n(50, 50, 0.2), 50, 1e-9);
	assert_near(stats_effective_n(40, 1600, 1), 1, 1e-9);
	assert_near(stats_effective_n(0, 0, 0.2), 0, 0);
}

static void quantiles_of_the_normal(void **state)
{
	(void)state;
	assert_near(stats_normal_quantile(0.975), 1.959963985, 1e-8);
	assert_near(stats_normal_quantile(0.8), 0.841621234, 1e-8);
	assert_near(stats_normal_quantile(0.5), 0, 1e-12);
	assert_near(stats_normal_quantile(1e-9), -5.997807015, 1e-7);
}

static void the_error_is_shared_among_looks_and_causes(void **state)
{
	(void)state;
	double sum = 0;
	for (unsigned look = 1; look <= 100000; look++)
		sum += stats_sequential_alpha(0.05, look, 1);
	assert_near(sum, 0.05, 1e-6);
	assert_near(stats_sequential_alpha(0.05, 3, 10) * 10, stats_sequential_alpha(0.05, 3, 1),
		    1e-15);
	assert_true(stats_sequential_z(0.05, 2, 4) > stats_sequential_z(0.05, 1, 4));
	assert_near(0.5 * erfc(stats_sequential_z(0.05, 7, 5) / M_SQRT2),
		    stats_sequential_alpha(0.05, 7, 5), 1e-12);
}

static void shrinking_goes_from_belief_to_evidence(void **state)
{
	(void)state;
	assert_near(stats_shrink(0.5, 0.0625, 0, 0, 0.16), 0.5, 1e-12);
	assert_near(stats_shrink(0.5, 0.0625, 0.9, 1e9, 0.16), 0.9, 1e-6);
	double one = stats_shrink(0.5, 0.0625, 1, 1, 0.0625);
	assert_near(one, 0.75, 1e-12);
}

/* --- against plain sums --- */

static double choose_term(int n, int k, double p)
{
	double log_term = lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(p) +
			  (n - k) * log1p(-p);
	return exp(log_term);
}

static void the_binomial_tail_is_the_sum_of_its_terms(void **state)
{
	(void)state;
	static const int sizes[] = { 1, 5, 30, 100, 500 };
	static const double rates[] = { 0.01, 0.1, 0.3, 0.5, 0.9 };
	for (size_t s = 0; s < 5; s++)
		for (size_t r = 0; r < 5; r++)
			for (int k = 1; k <= sizes[s]; k += 1 + sizes[s] / 20) {
				double sum = 0;
				for (int i = sizes[s]; i >= k; i--)
					sum += choose_term(sizes[s], i, rates[r]);
				double got = stats_binomial_tail(k, sizes[s], rates[r]);
				assert_near(got, sum, 1e-10 + 1e-7 * sum);
			}
	assert_near(stats_binomial_tail(0, 10, 0.2), 1, 0);
	assert_near(stats_binomial_tail(11, 10, 0.2), 0, 0);
}

static void exact_bounds_are_where_the_tail_is_alpha(void **state)
{
	(void)state;
	double lower = stats_exact_lower(20, 40, 0.001);
	assert_near(stats_binomial_tail(20, 40, lower), 0.001, 1e-9);
	assert_near(stats_exact_lower(0, 40, 0.05), 0, 0);
	/* The rule of three: 1 - 0.05^(1/30). */
	assert_near(stats_exact_upper(0, 30, 0.05), 1 - pow(0.05, 1.0 / 30), 1e-9);
	assert_near(stats_exact_upper(7, 0, 0.05), 1, 0);
	assert_near(stats_exact_lower(30, 30, 0.05), pow(0.05, 1.0 / 30), 1e-9);
}

/* --- simulated --- */

static uint64_t random_state = 88172645463325252u;
static double uniform(void)
{
	return (double)(random_next(&random_state) >> 11) / 9007199254740992.0;
}

static int draw(int n, double p)
{
	int k = 0;
	for (int i = 0; i < n; i++)
		k += uniform() < p;
	return k;
}

/* Coverage swings with p; its mean over p is what a Wilson interval promises. */
static void wilson_covers_as_promised(void **state)
{
	(void)state;
	int inside = 0, all = 0;
	for (int i = 0; i < 20000; i++, all++) {
		double p = 0.05 + 0.9 * uniform();
		struct interval w = stats_wilson(draw(60, p), 60, 1.96);
		inside += w.lower <= p && p <= w.upper;
	}
	assert_near((double)inside / all, 0.95, 0.01);
}

static void newcombe_covers_as_promised(void **state)
{
	(void)state;
	int inside = 0, all = 0;
	for (int i = 0; i < 20000; i++, all++) {
		double p1 = 0.1 + 0.8 * uniform(), p2 = 0.1 + 0.8 * uniform();
		struct interval w = stats_newcombe(draw(80, p1), 80, draw(120, p2), 120, 1.96);
		inside += w.lower <= p2 - p1 && p2 - p1 <= w.upper;
	}
	assert_near((double)inside / all, 0.95, 0.01);
}

static void exact_bounds_never_err_more_than_promised(void **state)
{
	(void)state;
	for (double p = 0.1; p < 0.95; p += 0.2) {
		int wrong = 0;
		for (int i = 0; i < 20000; i++)
			wrong += stats_exact_lower(draw(40, p), 40, 0.02) > p;
		/* 0.02 and three of its standard errors. */
		assert_true(wrong / 20000.0 < 0.023);
	}
}

/* Growing data looked at again and again, at the worst case: the rate is the limit. */
static void many_looks_err_no_more_than_one(void **state)
{
	(void)state;
	int naive = 0, guarded = 0, worlds = 3000;
	for (int world = 0; world < worlds; world++) {
		bool fixed = false, ours = false;
		double k = 0, n = 0, next = 30;
		for (unsigned look = 1; n < 500; look++, next *= 1.25) {
			for (; n < next; n++)
				k += uniform() < 0.3;
			fixed |= stats_exact_lower(k, n, 0.05) > 0.3;
			ours |= stats_exact_lower(k, n, stats_sequential_alpha(0.05, look, 1)) >
				0.3;
		}
		naive += fixed;
		guarded += ours;
	}
	assert_true(naive > 0.08 * worlds); /* this is what is guarded against */
	assert_true(guarded < 0.05 * worlds);
}

static void likeness_of_callers_is_found(void **state)
{
	(void)state;
	enum { CALLERS = 2000, EACH = 4 };
	static struct caller_count none[CALLERS], some[CALLERS], full[CALLERS];
	for (size_t i = 0; i < CALLERS; i++) {
		/* Beta(2, 2) callers: likeness 1 / (2 + 2 + 1). */
		double a = uniform(), b = uniform(), c = uniform();
		double middle = fmax(fmin(a, b), fmin(fmax(a, b), c));
		none[i] = (struct caller_count){ EACH, draw(EACH, 0.5) };
		some[i] = (struct caller_count){ EACH, draw(EACH, middle) };
		full[i] = (struct caller_count){ EACH, uniform() < 0.5 ? EACH : 0 };
	}
	assert_near(stats_icc(none, CALLERS), 0, 0.03);
	assert_near(stats_icc(some, CALLERS), 0.2, 0.04);
	assert_near(stats_icc(full, CALLERS), 1, 1e-9);
}

static void likeness_that_cannot_be_told(void **state)
{
	(void)state;
	struct caller_count alike[] = { { 3, 3 }, { 2, 2 } }, single[] = { { 1, 1 }, { 1, 0 } };
	assert_near(stats_icc(alike, 2), -1, 0);
	assert_near(stats_icc(single, 2), -1, 0);
	assert_near(stats_icc(alike, 1), -1, 0);
	assert_near(stats_icc(NULL, 0), -1, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wilson_as_worked),
		cmocka_unit_test(newcombe_as_worked),
		cmocka_unit_test(sample_sizes_as_worked),
		cmocka_unit_test(repeat_callers_need_more_calls),
		cmocka_unit_test(quantiles_of_the_normal),
		cmocka_unit_test(the_error_is_shared_among_looks_and_causes),
		cmocka_unit_test(shrinking_goes_from_belief_to_evidence),
		cmocka_unit_test(the_binomial_tail_is_the_sum_of_its_terms),
		cmocka_unit_test(exact_bounds_are_where_the_tail_is_alpha),
		cmocka_unit_test(wilson_covers_as_promised),
		cmocka_unit_test(newcombe_covers_as_promised),
		cmocka_unit_test(exact_bounds_never_err_more_than_promised),
		cmocka_unit_test(many_looks_err_no_more_than_one),
		cmocka_unit_test(likeness_of_callers_is_found),
		cmocka_unit_test(likeness_that_cannot_be_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
