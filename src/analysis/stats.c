#include "analysis/stats.h"

#include <math.h>

static double within(double x, double least, double most)
{
	return x < least ? least : x > most ? most : x;
}

struct interval stats_wilson(double k, double n, double z)
{
	if (n <= 0)
		return (struct interval){ 0, 1 };
	double p = k / n, z2 = z * z;
	double centre = (p + z2 / (2 * n)) / (1 + z2 / n);
	double half = z * sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n);
	return (struct interval){ within(centre - half, 0, 1), within(centre + half, 0, 1) };
}

struct interval stats_newcombe(double k1, double n1, double k2, double n2, double z)
{
	if (n1 <= 0 || n2 <= 0)
		return (struct interval){ -1, 1 };
	double p1 = k1 / n1, p2 = k2 / n2, d = p2 - p1;
	struct interval a = stats_wilson(k1, n1, z), b = stats_wilson(k2, n2, z);
	return (struct interval){ d - hypot(p2 - b.lower, a.upper - p1),
				  d + hypot(b.upper - p2, p1 - a.lower) };
}

double stats_effective_n(double n, double sum_squares_per_caller, double icc)
{
	if (n <= 0)
		return 0;
	double m = sum_squares_per_caller / n;
	return n / (1 + (m > 1 ? m - 1 : 0) * icc);
}

/* --- the normal distribution --- */

/* Bisection over the one monotone function that libm has exactly: slow and beyond doubt. */
double stats_normal_quantile(double p)
{
	double low = -40, high = 40;
	for (int i = 0; i < 200; i++) {
		double middle = (low + high) / 2;
		if (0.5 * erfc(-middle / M_SQRT2) < p)
			low = middle;
		else
			high = middle;
	}
	return (low + high) / 2;
}

double stats_sequential_alpha(double alpha, unsigned look, unsigned causes)
{
	double k = look ? look : 1;
	return alpha * 6 / (M_PI * M_PI * k * k) / (causes ? causes : 1);
}

/* From the upper tail: 1 - alpha would lose the small ones. */
double stats_sequential_z(double alpha, unsigned look, unsigned causes)
{
	return -stats_normal_quantile(stats_sequential_alpha(alpha, look, causes));
}

/* --- the binomial distribution, by the regularised incomplete beta function --- */

enum { FRACTION_TERMS = 400 };

/* Never zero, so that it can be divided by. */
static double not_zero(double x)
{
	return fabs(x) < 1e-300 ? 1e-300 : x;
}

/* Lentz's evaluation of the continued fraction of I_x(a, b). */
static double beta_fraction(double a, double b, double x)
{
	double c = 1, d = 1 / not_zero(1 - (a + b) * x / (a + 1)), h = d;
	for (int m = 1; m <= FRACTION_TERMS; m++) {
		double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
		double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
		d = 1 / not_zero(1 + even * d);
		c = not_zero(1 + even / c);
		h *= d * c;
		d = 1 / not_zero(1 + odd * d);
		c = not_zero(1 + odd / c);
		h *= d * c;
		if (fabs(d * c - 1) < 1e-14)
			break;
	}
	return h;
}

static double beta_regularised(double a, double b, double x)
{
	int sign;
	if (x <= 0)
		return 0;
	if (x >= 1)
		return 1;
	double front = exp(lgamma_r(a + b, &sign) - lgamma_r(a, &sign) - lgamma_r(b, &sign) +
			   a * log(x) + b * log1p(-x));
	if (x < (a + 1) / (a + b + 2))
		return front * beta_fraction(a, b, x) / a;
	return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double stats_binomial_tail(double k, double n, double p)
{
	if (k <= 0)
		return 1;
	if (k > n)
		return 0;
	return beta_regularised(k, n - k + 1, p);
}

double stats_exact_lower(double k, double n, double alpha)
{
	double low = 0, high = 1;
	if (k <= 0 || n <= 0)
		return 0;
	for (int i = 0; i < 50; i++) { /* to the last digit of a double, nearly */
		double middle = (low + high) / 2;
		if (stats_binomial_tail(k, n, middle) < alpha)
			low = middle;
		else
			high = middle;
	}
	return low;
}

double stats_exact_upper(double k, double n, double alpha)
{
	return n <= 0 ? 1 : 1 - stats_exact_lower(n - k, n, alpha);
}

/* --- calls of the same caller --- */

double stats_icc(const struct caller_count *c, size_t callers)
{
	double n = 0, events = 0, squares = 0, within_ss = 0, between = 0;
	for (size_t i = 0; i < callers; i++) {
		n += c[i].calls;
		events += c[i].events;
		squares += c[i].calls * c[i].calls;
	}
	double groups = (double)callers;
	if (callers < 2 || n <= groups || events <= 0 || events >= n)
		return -1;
	for (size_t i = 0; i < callers; i++) {
		double p = c[i].events / c[i].calls, off = p - events / n;
		within_ss += c[i].calls * p * (1 - p);
		between += c[i].calls * off * off;
	}
	double msb = between / (groups - 1), msw = within_ss / (n - groups);
	double size = (n - squares / n) / (groups - 1);
	return within((msb - msw) / (msb + (size - 1) * msw), 0, 1);
}

/* --- before and after --- */

double stats_sample_size(double p1, double p2)
{
	const double z_a = 1.959964, z_b = 0.841621;
	double pb = (p1 + p2) / 2, d = p1 - p2;
	double root = z_a * sqrt(2 * pb * (1 - pb)) + z_b * sqrt(p1 * (1 - p1) + p2 * (1 - p2));
	return fabs(d) < 1e-9 ? INFINITY : ceil(root * root / (d * d));
}

double stats_shrink(double mu0, double t2, double mean, double n, double spread2)
{
	return (mu0 / t2 + mean * n / spread2) / (1 / t2 + n / spread2);
}
