/* The mathematics of evidence (docs/evidence.md; formulas and sources there). Pure. */
#ifndef CALLMEND_ANALYSIS_STATS_H
#define CALLMEND_ANALYSIS_STATS_H

#include <stddef.h>

struct interval {
	double lower, upper;
};
/* Wilson score interval of k of n at z (1.96: 95 %); n = 0: [0, 1]. */
struct interval stats_wilson(double k, double n, double z);
/* Newcombe's hybrid interval of the difference p2 - p1 (method 10). */
struct interval stats_newcombe(double k1, double n1, double k2, double n2, double z);
/* Effective number of calls when callers repeat: n / (1 + (m - 1) * icc), m = calls per caller
 * weighted by size (the sum of their squares over n). */
double stats_effective_n(double n, double sum_squares_per_caller, double icc);
double stats_normal_quantile(double p);
/* z for look `k` (1, 2, ...) of a sequence of looks at one cause such that all looks together err
 * with at most alpha (alpha-spending 6/(pi^2 k^2)), Bonferroni over `causes`. */
double stats_sequential_z(double alpha, unsigned look, unsigned causes);
/* The same as a probability: what look `k` at one of `causes` may err with. */
double stats_sequential_alpha(double alpha, unsigned look, unsigned causes);

/* P(X >= k) of a binomial; k and n need not be whole (effective counts). k <= 0: 1. */
double stats_binomial_tail(double k, double n, double p);
/* Exact (Clopper-Pearson) bounds, each erring with at most alpha on its side. */
double stats_exact_lower(double k, double n, double alpha);
double stats_exact_upper(double k, double n, double alpha);

/* How alike the calls of one caller are (ANOVA estimator for 0/1 data), in [0, 1]; -1: cannot be
 * told (fewer than two callers, nobody called twice, or all calls are alike). */
struct caller_count {
	double calls, events;
};
double stats_icc(const struct caller_count *, size_t callers);

/* Calls per side to find the difference between p1 and p2 with 95 % two-sided and 80 % power. */
double stats_sample_size(double p1, double p2);
/* A mean of n observations of variance `spread2` each, drawn towards mu0 (variance t2). */
double stats_shrink(double mu0, double t2, double mean, double n, double spread2);

#endif
