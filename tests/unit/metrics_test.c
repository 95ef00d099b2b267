/* The counters belong to the process, so every test has metrics of its own. */
#include <pthread.h>
#include <stdio.h>

#include "base/file.h"
#include "base/metrics.h"
#include "tests/unit/cmocka_all.h"

static void assert_has(const char *line)
{
	struct buf b AUTO_BUF = { 0 };
	metrics_write(&b);
	if (!strstr(buf_z(&b), line))
		fail_msg("no \"%s\" in:\n%s", line, buf_z(&b));
}

static void counters_and_gauges(void **state)
{
	(void)state;
	assert_has("\ncallmend_events_total 0\n");
	metric_add(METRIC_EVENTS, 2);
	metric_add(METRIC_EVENTS, 3);
	metric_set(METRIC_WATCHERS, 9);
	metric_add(METRIC_WATCHERS, -2);
	assert_int_equal(metric_value(METRIC_EVENTS), 5);
	assert_has("# HELP callmend_events_total Events published by call sessions\n"
		   "# TYPE callmend_events_total counter\ncallmend_events_total 5\n");
	assert_has("# TYPE callmend_watchers gauge\ncallmend_watchers 7\n");
}

static void labels(void **state)
{
	(void)state;
	char same[] = "accepted";
	metric_add_label(METRIC_WEBHOOKS, "accepted", 1);
	metric_add_label(METRIC_WEBHOOKS, same, 2);
	metric_add_label(METRIC_WEBHOOKS, "q\"\\", 1);
	assert_has("callmend_webhooks_total{result=\"accepted\"} 3\n");
	assert_has("callmend_webhooks_total{result=\"q\\\"\\\\\"} 1\n");
	assert_int_equal(metric_value(METRIC_WEBHOOKS), 4);
}

static void too_many_label_values(void **state)
{
	(void)state;
	static char names[METRIC_LABEL_VALUES + 3][16];
	for (int i = 0; i < METRIC_LABEL_VALUES + 3; i++) {
		snprintf(names[i], sizeof(names[i]), "v%d", i);
		metric_add_label(METRIC_UPSTREAM, names[i], 1);
	}
	assert_has("callmend_upstream_forwards_total{result=\"v15\"} 1\n");
	assert_has("callmend_upstream_forwards_total{result=\"other\"} 3\n");
	assert_int_equal(metric_value(METRIC_UPSTREAM), METRIC_LABEL_VALUES + 3);
}

static void histograms(void **state)
{
	(void)state;
	static const int64_t observed[] = { -5, 100, 101, 2500, 29000000, 30000001 };
	for (size_t i = 0; i < sizeof(observed) / sizeof(observed[0]); i++)
		metric_observe_us(METRIC_TOOL_SECONDS, observed[i]);
#define NAME "callmend_tool_call_duration_seconds"
	assert_has(NAME "_bucket{le=\"0.0001\"} 2\n" NAME "_bucket{le=\"0.00025\"} 3\n");
	assert_has(NAME "_bucket{le=\"0.0025\"} 4\n");
	assert_has(NAME "_bucket{le=\"10\"} 4\n" NAME "_bucket{le=\"30\"} 5\n" NAME
			"_bucket{le=\"+Inf\"} 6\n" NAME "_sum 59.002702\n" NAME "_count 6\n");
	assert_int_equal(metric_value(METRIC_TOOL_SECONDS), 6);
}

enum { THREADS = 4, ROUNDS = 20000 };

static void *count(void *arg)
{
	static const char *const values[] = { "1xx", "2xx", "3xx", "4xx" };
	for (int i = 0; i < ROUNDS; i++) {
		metric_add_label(METRIC_HTTP_REQUESTS, values[i % 4], 1);
		metric_observe_us(METRIC_LOOP_LAG_SECONDS, i);
		metric_add(METRIC_JOURNAL_RECORDS, 1);
	}
	return arg;
}

static void many_threads(void **state)
{
	(void)state;
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
	struct buf b AUTO_BUF = { 0 };
	metrics_write(&b);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(metric_value(METRIC_HTTP_REQUESTS), THREADS * ROUNDS);
	assert_int_equal(metric_value(METRIC_LOOP_LAG_SECONDS), THREADS * ROUNDS);
	assert_int_equal(metric_value(METRIC_JOURNAL_RECORDS), THREADS * ROUNDS);
	assert_has("callmend_http_requests_total{code=\"4xx\"} 20000\n");
}

static void document_is_up_to_date(void **state)
{
	(void)state;
	struct buf want AUTO_BUF = { 0 }, have AUTO_BUF = { 0 };
	metrics_write_docs(&want);
	assert_int_equal(file_read(ROOT "/docs/metrics.md", 1 << 20, &have, NULL), 0);
	if (!span_eq(buf_span(&want), buf_span(&have)))
		fail_msg("docs/metrics.md is out of date: run callmend_docgen");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_and_gauges),	 cmocka_unit_test(labels),
		cmocka_unit_test(too_many_label_values), cmocka_unit_test(histograms),
		cmocka_unit_test(many_threads),		 cmocka_unit_test(document_is_up_to_date),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
