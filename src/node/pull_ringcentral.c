/* Happy path. RingCentral: pages of the call log, a day at a time; each record is a call of the
 * batch, and is kept with the call whoever brought it. RingCX: reports of the segments that ended
 * within each hour; the segments of a dialog are a call. What comes with it - recordings, words,
 * analysis - is fetched afterwards by the job `followup` (node/followup.h), which finds the record
 * there.
 *
 * Failure modes
 *   the budget of requests     waited for; never more is asked (node/platform.h)
 *   somebody else asks this platform    E_CONFLICT; a job is looked at again later
 *   killed                     calls that are there are duplicates */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "connect/paging.h"
#include "dialect/ringcentral_log.h"
#include "dialect/ringcx_report.h"
#include "node/followup_cx.h"
#include "node/pull_parts.h"

enum { PER_PAGE = 250, PAGES_MAX = 1000 };
#define HOUR_US (INT64_C(3600) * SECOND_US)
#define CX_SETTLED_US (INT64_C(900) * SECOND_US)

static int check(const struct pull *p, struct fault *f)
{
	return p->intake.source->connect.on
		       ? 0
		       : fault(f, E_INVALID,
			       "the source has no session with its platform (connect)");
}

static int open_platform(struct pull *p, const char *owner, struct fault *f)
{
	const struct platform_config pc = { .source = p->intake.source,
					    .db = p->db,
					    .owner = owner,
					    .lease_ms = p->lease_ms,
					    .stopping = p->stopping,
					    .alive = p->alive,
					    .user = p->user };
	int rc = platform_open(&p->platform, &pc, f);

	p->busy = rc == E_CONFLICT;
	return rc;
}

static int with_platform(struct pull *p, int (*walk)(struct pull *, struct fault *),
			 struct fault *f)
{
	struct uuid me = uuid_v7();
	char owner[UUID_TEXT + 1];

	uuid_format(&me, owner);
	TRY(store_link_new(&p->db, buf_z(&p->intake.url), f));
	int rc = open_platform(p, owner, f);
	if (!rc)
		rc = walk(p, f);
	platform_close(p->platform);
	p->platform = NULL;
	store_link_free(p->db);
	p->db = NULL;
	return rc;
}

/* Not faster than it was wanted; the platform's budgets come on top. */
static int pace(struct pull *p, struct fault *f)
{
	int64_t rest_us = p->asked_us + p->pace_us - clock_monotonic_us();

	if (p->requests++ && rest_us > 0)
		TRY(platform_wait(p->platform, rest_us / MS_US, f));
	p->asked_us = clock_monotonic_us();
	return 0;
}

static int keep_log(struct pull *p, struct span call, const char *doc, struct fault *f)
{
	struct buf out AUTO_BUF = { 0 }, id AUTO_BUF = { 0 };
	char source[UUID_TEXT + 1];
	const char *params[] = { source, NULL, doc };

	uuid_format(&p->intake.source->id, source);
	buf_add(&id, call);
	params[1] = buf_z(&id);
	return store_link_query(p->db, "followup_log", params, 3, &out, f);
}

/* --- RingCentral --- */

static int keep_record(struct pull *p, struct json record, struct fault *f)
{
	struct buf text AUTO_BUF = { 0 };
	struct json_out o = { .b = &text };
	struct arena a = { 0 };
	struct rc_log log;
	int rc = 0;

	if (!rc_log_read(record, &a, &log, NULL) && log.voice && !log.under_way) {
		rc_log_write(record, &log, &a, &o, NULL);
		rc = keep_log(p, log.call_id, buf_z(&text), f);
	}
	arena_fini(&a);
	return rc;
}

static int take_records(struct pull *p, struct json records, struct fault *f)
{
	struct json_iter it = json_iter(records), again = it;
	struct span key;
	struct json record;

	while (json_next(&it, &key, &record))
		TRY(batch_add(
			p->batch,
			&(struct batch_record){ .text = record.raw, .fallback_us = p->until_us },
			f));
	TRY(batch_flush(p->batch, f));
	while (json_next(&again, &key, &record))
		TRY(keep_record(p, record, f));
	return 0;
}

static int take_page(struct pull *p, const char *url, unsigned number, bool *more, struct fault *f)
{
	const struct platform_ask ask = { .url = url, .group = RATE_HEAVY };
	struct platform_answer answer = { 0 };

	TRY(pace(p, f));
	int rc = platform_ask(p->platform, &ask, &answer, f);
	if (!rc && json_check(buf_span(&answer.body), f))
		rc = (fault_wrap(f, "the platform's call log"), E_CORRUPT);
	struct json page = rc ? (struct json){ 0 } : json_of(buf_span(&answer.body));
	struct json records = json_get(page, "records");
	if (!rc && records.kind != JSON_ARRAY)
		rc = fault(f, E_CORRUPT, "the platform's call log has no array `records`");
	if (!rc)
		rc = take_records(p, records, f);
	*more = !rc && paging_has_next(page, number);
	platform_answer_free(&answer);
	return rc;
}

static int walk_day(struct pull *p, int64_t from_us, int64_t to_us, struct fault *f)
{
	char from[CLOCK_ISO + 1], to[CLOCK_ISO + 1], url[256];
	bool more = true;

	clock_format(from_us, from);
	clock_format(to_us, to);
	for (unsigned page = 1; more && page <= PAGES_MAX; page++) {
		snprintf(url, sizeof(url),
			 "/restapi/v1.0/account/~/call-log?view=Detailed&type=Voice&dateFrom=%s"
			 "&dateTo=%s&perPage=%d&page=%u",
			 from, to, PER_PAGE, page);
		TRY(take_page(p, url, page, &more, f));
	}
	if (more)
		log_warn("pull", "more than %d calls in a day: some are missing",
			 PER_PAGE * PAGES_MAX);
	return 0;
}

static int walk_log(struct pull *p, struct fault *f)
{
	for (int64_t from = p->since_us; from < p->until_us; from += PULL_DAY_US) {
		int64_t to = from + PULL_DAY_US < p->until_us ? from + PULL_DAY_US : p->until_us;

		TRY(walk_day(p, from, to, f));
	}
	return 0;
}

static int walk_ringcentral(struct pull *p, struct fault *f)
{
	return with_platform(p, walk_log, f);
}

/* --- RingCX --- */

struct dialog {
	struct span id, customer;
	int64_t started_us, ended_us;
};

static void widen(struct dialog *d, const struct ringcx_segment *s)
{
	int64_t from_us = s->dialog_us ? s->dialog_us : s->started_us;

	if (from_us && (!d->started_us || from_us < d->started_us))
		d->started_us = from_us;
	if (s->ended_us > d->ended_us)
		d->ended_us = s->ended_us;
	if (!d->customer.n)
		d->customer = s->customer;
}

/* Of all rows of this dialog, which the row at `first` is the first of. */
static bool read_dialog(struct json rows, struct json first, struct arena *a, struct dialog *d)
{
	struct json_iter it = json_iter(rows);
	struct ringcx_segment s;
	struct span key;
	struct json row;
	bool before = true;

	*d = (struct dialog){ 0 };
	if (!ringcx_segment_read(first, a, &s))
		return false;
	d->id = s.dialog;
	while (json_next(&it, &key, &row)) {
		if (!ringcx_segment_is_of(row, d->id, a) || !ringcx_segment_read(row, a, &s))
			continue;
		if (before && row.raw.p != first.raw.p)
			return false;
		before = false;
		widen(d, &s);
	}
	return d->started_us > 0;
}

static void put_time(struct json_out *o, const char *name, int64_t us)
{
	char iso[CLOCK_ISO + 1];

	clock_format(us, iso);
	json_put_z(o, name, iso);
}

/* A call of which nothing is told but when it was, and with whom. */
static int add_dialog(struct pull *p, const struct dialog *d, struct fault *f)
{
	struct buf text AUTO_BUF = { 0 };
	struct json_out o = { .b = &text };

	json_begin(&o, NULL);
	json_put_z(&o, "callmend", "ringcx");
	json_put_text(&o, "id", d->id);
	json_put_z(&o, "kind", "recording");
	json_put_text(&o, "number", d->customer);
	put_time(&o, "started_at", d->started_us);
	put_time(&o, "ended_at", d->ended_us > d->started_us ? d->ended_us : d->started_us);
	json_end(&o);
	return batch_add(
		p->batch,
		&(struct batch_record){ .text = buf_span(&text), .fallback_us = d->started_us }, f);
}

static int keep_segments(struct pull *p, struct json rows, const struct dialog *d, struct fault *f)
{
	struct buf text AUTO_BUF = { 0 };
	struct json_out o = { .b = &text };
	size_t n = 0;

	json_begin(&o, NULL);
	followup_cx_put(rows, d->id, (struct json){ 0 }, &o, &n);
	json_end(&o);
	return keep_log(p, d->id, buf_z(&text), f);
}

static int each_dialog(struct pull *p, struct json rows, bool keep, struct fault *f)
{
	struct json_iter it = json_iter(rows);
	struct arena a = { 0 };
	struct dialog d;
	struct span key;
	struct json row;
	int rc = 0;

	while (!rc && json_next(&it, &key, &row)) {
		if (!read_dialog(rows, row, &a, &d) || d.started_us < p->since_us)
			continue;
		rc = keep ? keep_segments(p, rows, &d, f) : add_dialog(p, &d, f);
	}
	arena_fini(&a);
	return rc;
}

static int walk_hour(struct pull *p, int64_t from_us, struct fault *f)
{
	struct platform_answer answer = { 0 };

	TRY(pace(p, f));
	int rc = followup_cx_segments(p->platform, p->intake.source, from_us, &answer, f);
	struct json rows = rc ? (struct json){ 0 } : json_of(buf_span(&answer.body));
	if (!rc && rows.kind == JSON_ARRAY)
		rc = each_dialog(p, rows, false, f);
	if (!rc)
		rc = batch_flush(p->batch, f);
	if (!rc && rows.kind == JSON_ARRAY)
		rc = each_dialog(p, rows, true, f);
	platform_answer_free(&answer);
	return rc;
}

/* What has just ended comes with the next pull: it is not all there. */
static int walk_reports(struct pull *p, struct fault *f)
{
	int64_t settled_us = clock_now_us() - CX_SETTLED_US;
	int64_t until_us = p->until_us < settled_us ? p->until_us : settled_us;

	for (int64_t from = p->since_us; from < until_us; from += HOUR_US)
		TRY(walk_hour(p, from, f));
	return 0;
}

static int walk_ringcx(struct pull *p, struct fault *f)
{
	return with_platform(p, walk_reports, f);
}

const struct pull_way pull_ringcentral = { "ringcentral", "ringcentral", check, walk_ringcentral };
const struct pull_way pull_ringcx = { "ringcx", "ringcx", check, walk_ringcx };
