#include "base/metrics.h"

#include <stdatomic.h>
#include <stddef.h>

enum kind { COUNTER, GAUGE, HISTOGRAM };

struct described {
	enum kind kind;
	const char *name, *label, *doc;
};

static const struct described table[] = {
#define X(id, kind, name, label, doc) [METRIC_##id] = { kind, name, label, doc },
	METRICS(X)
#undef X
};

static const char *const kind_names[] = {
	[COUNTER] = "counter",
	[GAUGE] = "gauge",
	[HISTOGRAM] = "histogram",
};

struct bucket {
	int64_t most_us;
	const char *le; /* the same in seconds, as Prometheus names it */
};

static const struct bucket buckets[] = {
	{ 100, "0.0001" },  { 250, "0.00025" }, { 500, "0.0005" },  { 1000, "0.001" },
	{ 2500, "0.0025" }, { 5000, "0.005" },	{ 10000, "0.01" },  { 25000, "0.025" },
	{ 50000, "0.05" },  { 100000, "0.1" },	{ 250000, "0.25" }, { 500000, "0.5" },
	{ 1000000, "1" },   { 2500000, "2.5" }, { 5000000, "5" },   { 10000000, "10" },
	{ 30000000, "30" },
};
enum { BUCKET_COUNT = sizeof(buckets) / sizeof(buckets[0]) };

struct labelled {
	_Atomic(const char *) value; /* set once, never taken back */
	_Atomic int64_t n;
};

/* Zeroed is a valid start. Aligned, so that counting one metric does not slow its neighbour's
 * cache line on another processor. */
struct slot {
	_Alignas(64) _Atomic int64_t n; /* histograms: observations above the last bucket */
	_Atomic int64_t other;
	_Atomic int64_t sum_us;
	_Atomic int64_t bucket[BUCKET_COUNT];
	struct labelled labels[METRIC_LABEL_VALUES];
};

static struct slot slots[METRIC_COUNT];

static void add(_Atomic int64_t *to, int64_t by)
{
	atomic_fetch_add_explicit(to, by, memory_order_relaxed);
}

static int64_t get(const _Atomic int64_t *from)
{
	return atomic_load_explicit(from, memory_order_relaxed);
}

void metric_add(enum metric m, int64_t by)
{
	add(&slots[m].n, by);
}

void metric_set(enum metric m, int64_t v)
{
	atomic_store_explicit(&slots[m].n, v, memory_order_relaxed);
}

/* Release and acquire: the pointer may come from a thread that just made the string visible. */
static bool claims(struct labelled *l, const char *value)
{
	const char *have = atomic_load_explicit(&l->value, memory_order_acquire);
	if (!have && atomic_compare_exchange_strong_explicit(
			     &l->value, &have, value, memory_order_acq_rel, memory_order_acquire))
		return true;
	return have == value || strcmp(have, value) == 0;
}

void metric_add_label(enum metric m, const char *value, int64_t by)
{
	struct slot *s = &slots[m];
	for (size_t i = 0; i < METRIC_LABEL_VALUES; i++) {
		if (claims(&s->labels[i], value)) {
			add(&s->labels[i].n, by);
			return;
		}
	}
	add(&s->other, by);
}

void metric_observe_us(enum metric m, int64_t us)
{
	struct slot *s = &slots[m];
	us = us < 0 ? 0 : us;
	add(&s->sum_us, us);
	for (size_t i = 0; i < BUCKET_COUNT; i++) {
		if (us <= buckets[i].most_us) {
			add(&s->bucket[i], 1);
			return;
		}
	}
	add(&s->n, 1);
}

int64_t metric_value(enum metric m)
{
	const struct slot *s = &slots[m];
	int64_t sum = get(&s->n) + get(&s->other);
	for (size_t i = 0; i < METRIC_LABEL_VALUES; i++)
		sum += get(&s->labels[i].n);
	for (size_t i = 0; i < BUCKET_COUNT; i++)
		sum += get(&s->bucket[i]);
	return sum;
}

static void write_sample(struct buf *out, const struct described *d, const char *value, int64_t n)
{
	buf_printf(out, "%s{%s=\"", d->name, d->label);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			buf_addc(out, '\\');
		buf_addc(out, *value);
	}
	buf_printf(out, "\"} %lld\n", (long long)n);
}

static void write_labelled(struct buf *out, const struct described *d, const struct slot *s)
{
	for (size_t i = 0; i < METRIC_LABEL_VALUES; i++) {
		const char *value = atomic_load_explicit(&s->labels[i].value, memory_order_acquire);
		if (value)
			write_sample(out, d, value, get(&s->labels[i].n));
	}
	if (get(&s->other))
		write_sample(out, d, "other", get(&s->other));
}

static void write_histogram(struct buf *out, const struct described *d, const struct slot *s)
{
	int64_t sum_us = get(&s->sum_us), below = 0;
	for (size_t i = 0; i < BUCKET_COUNT; i++) {
		below += get(&s->bucket[i]);
		buf_printf(out, "%s_bucket{le=\"%s\"} %lld\n", d->name, buckets[i].le,
			   (long long)below);
	}
	long long all = below + get(&s->n);
	buf_printf(out, "%s_bucket{le=\"+Inf\"} %lld\n", d->name, all);
	buf_printf(out, "%s_sum %lld.%06lld\n", d->name, (long long)(sum_us / 1000000),
		   (long long)(sum_us % 1000000));
	buf_printf(out, "%s_count %lld\n", d->name, all);
}

static void write_metric(struct buf *out, const struct described *d, const struct slot *s)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", d->name, d->doc, d->name,
		   kind_names[d->kind]);
	if (d->kind == HISTOGRAM) {
		write_histogram(out, d, s);
		return;
	}
	if (*d->label)
		write_labelled(out, d, s);
	/* Without a label value only where the metric has no label or somebody counted so. */
	if (!*d->label || get(&s->n))
		buf_printf(out, "%s %lld\n", d->name, (long long)get(&s->n));
}

void metrics_write(struct buf *out)
{
	for (size_t m = 0; m < METRIC_COUNT; m++)
		write_metric(out, &table[m], &slots[m]);
}

void metrics_write_docs(struct buf *out)
{
	buf_addz(out,
		 "# Metrics\n\n"
		 "Served in the Prometheus text format. Generated from `src/base/metrics.h` by "
		 "`callmend_docgen`; edit there.\n\n"
		 "| metric | kind | label | meaning |\n|---|---|---|---|\n");
	for (size_t m = 0; m < METRIC_COUNT; m++) {
		const struct described *d = &table[m];
		buf_printf(out, "| `%s` | %s | %s | %s |\n", d->name, kind_names[d->kind],
			   *d->label ? d->label : "-", d->doc);
	}
	buf_addz(out, "\nHistograms count seconds in buckets of at most");
	for (size_t i = 0; i < BUCKET_COUNT; i++)
		buf_printf(out, "%s %s", i ? "," : "", buckets[i].le);
	buf_addz(out,
		 ".\nA label has at most 16 values; further ones are counted under `other`.\n");
}
