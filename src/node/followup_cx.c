/* RingCX: the segments of a dialog by reports of those that ended within an hour, then the
 * recording and the transcript of each segment. Who leaves a dialog early - it was transferred -
 * ended then, so reports are walked from the dialog's beginning to its end.
 *
 * Source: RingCentral's engage-voice-api-docs, docs/workforce/call-recording,
 * docs/analytics/reports (call-transcripts), specs (interaction-metadata). Its time is the
 * beginning of an interval in all current documents, an end in an earlier one: whatever it is, a
 * dialog whose last segment is missing is asked for an hour later, too.
 *
 * Failure modes: no segment yet, not the last one, no transcript yet, or a refused one - asked
 * again; a report that is refused (of a time too long ago, say) - as if it were empty, others' do
 * not wait for it; one that is not answered - the dialogs it was asked for wait; a segment without
 * a recording - a row that says so, unless the report has said it: then none is asked for. Which
 * channel of a recording is whose is not documented, so nobody is named. */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "connect/oauth.h"
#include "dialect/ringcx_report.h"
#include "node/followup_cx.h"
#include "node/followup_parts.h"

enum {
	HOURS_MAX = 12, /* of one dialog */
	REPORTS_MAX = FOLLOWUP_CALLS_MAX * (HOURS_MAX + 2),
};
#define REPORT_US (FOLLOWUP_CX_REPORT_S * SECOND_US)
#define SLACK_US (INT64_C(300) * SECOND_US)

/* --- the report of segments --- */

static void put_path(struct span rc_account, const struct dir_source *s, struct buf *url)
{
	buf_addz(url, "/voice/api/cx/integration/v1/accounts/");
	buf_add_percent(url, rc_account, BUF_IN_PATH);
	buf_addz(url, "/sub-accounts/");
	buf_add_percent(url, s->connect.account, BUF_IN_PATH);
}

static void put_segment_path(struct span rc_account, const struct dir_source *s, const char *what,
			     struct span dialog, struct span segment, struct buf *url)
{
	put_path(rc_account, s, url);
	buf_printf(url, "/%s/dialogs/", what);
	buf_add_percent(url, dialog, BUF_IN_PATH);
	buf_addz(url, "/segments/");
	buf_add_percent(url, segment, BUF_IN_PATH);
}

int followup_cx_segments(struct platform *p, const struct dir_source *s, int64_t from_us,
			 struct platform_answer *answer, struct fault *f)
{
	struct buf url AUTO_BUF = { 0 }, body AUTO_BUF = { 0 }, time AUTO_BUF = { 0 };
	struct json_out o = { .b = &body };
	char from[CLOCK_ISO + 1];
	struct span account;

	if (!s->connect.account.n)
		return fault(f, E_INVALID, "connect.account: the RingCX sub-account is not given");
	TRY(platform_account(p, &account, f));
	put_path(account, s, &url);
	buf_addz(&url, "/interaction-metadata");
	clock_format(from_us, from);
	buf_printf(&time, "%.10s %.8s", from, from + 11); /* as it is documented: no zone in it */
	json_begin(&o, NULL);
	json_put_z(&o, "segmentEndTime", buf_z(&time));
	json_put_i64(&o, "timeInterval", FOLLOWUP_CX_REPORT_S);
	json_put_z(&o, "timeZone", "UTC");
	json_end(&o);
	const struct platform_ask ask = { .method = HTTP_POST,
					  .url = buf_z(&url),
					  .group = RATE_HEAVY,
					  .body = buf_span(&body) };
	TRY(platform_ask(p, &ask, answer, f));
	if (answer->status == 404)
		buf_clear(&answer->body);
	return answer->body.n ? json_check(buf_span(&answer->body), f) : 0;
}

/* --- of calls that are due --- */

static void put_time(struct json_out *o, const char *name, int64_t us)
{
	char iso[CLOCK_ISO + 1];

	if (!us)
		return;
	clock_format(us, iso);
	json_put_z(o, name, iso);
}

static void put_segment(struct json_out *o, const struct ringcx_segment *s)
{
	json_begin(o, NULL);
	json_put_text(o, "id", s->id);
	if (s->name.n)
		json_put_text(o, "name", s->name);
	put_time(o, "started_at", s->started_us);
	put_time(o, "ended_at", s->ended_us);
	if (s->unrecorded)
		json_put_bool(o, "recorded", false);
	json_end(o);
}

static bool is_kept(struct json kept, struct span id, struct arena *a)
{
	struct json_iter it = json_iter(kept);
	struct span key;
	struct json v;

	while (kept.kind == JSON_ARRAY && json_next(&it, &key, &v))
		if (span_eq(json_text(json_get(v, "id"), a), id))
			return true;
	return false;
}

static void put_kept(struct json kept, struct json_out *o)
{
	struct json_iter it = json_iter(kept);
	struct span key;
	struct json v;

	while (kept.kind == JSON_ARRAY && json_next(&it, &key, &v))
		json_put_raw(o, NULL, v.raw);
}

void followup_cx_put(struct json rows, struct span dialog, struct json kept, struct json_out *o,
		     size_t *n)
{
	struct json_iter it = json_iter(rows);
	struct ringcx_segment s;
	struct arena a = { 0 };
	struct span key;
	struct json row;

	json_begin_array(o, "segments");
	put_kept(kept, o);
	while (rows.kind == JSON_ARRAY && json_next(&it, &key, &row)) {
		if (!ringcx_segment_is_of(row, dialog, &a) || !ringcx_segment_read(row, &a, &s) ||
		    is_kept(kept, s.id, &a))
			continue;
		put_segment(o, &s);
		++*n;
	}
	json_end_array(o);
	arena_fini(&a);
}

/* As it was found just now, else as it is stored. */
static struct json segments_of(const struct followed *c)
{
	return json_get(c->record.kind == JSON_OBJECT ? c->record : c->log, "segments");
}

static void take_segments(struct followup *w, struct json rows)
{
	for (size_t i = 0; i < w->calls_n; i++) {
		struct followed *c = &w->calls[i];
		struct buf text AUTO_BUF = { 0 };
		struct json_out o = { .b = &text };
		size_t n = 0;

		json_begin(&o, NULL);
		followup_cx_put(rows, c->platform_call_id, segments_of(c), &o, &n);
		json_end(&o);
		if (n)
			c->record = json_of(arena_copy(&w->arena, buf_span(&text)));
	}
}

/* Is somebody there who stayed until the end? */
static bool is_whole(struct followup *w, const struct followed *c)
{
	struct json segments = segments_of(c), v;
	struct json_iter it = json_iter(segments);
	struct span key;
	int64_t us;

	while (segments.kind == JSON_ARRAY && json_next(&it, &key, &v))
		if (clock_parse(json_text(json_get(v, "ended_at"), &w->arena), &us) &&
		    us > c->ended_us - SLACK_US)
			return true;
	return false;
}

static bool is_wanted(struct followup *w, const struct followed *c)
{
	bool none = segments_of(c).kind != JSON_ARRAY;

	return none || (!is_whole(w, c) && c->tries <= FOLLOWUP_LOOKS);
}

/* Reports of this run: each is for all calls that lie within it. */
struct reports {
	int64_t from_us[REPORTS_MAX];
	size_t n;
};

static int ask_report(struct followup *w, struct reports *r, int64_t from_us, struct fault *f)
{
	struct platform_answer answer = { 0 };

	CHECK(r->n < REPORTS_MAX);
	r->from_us[r->n++] = from_us;
	int rc = followup_cx_segments(w->platform, w->intake.source, from_us, &answer, f);
	rc = followup_judge(w, rc, &answer, f);
	if (!rc)
		take_segments(w, json_of(buf_span(&answer.body)));
	if (rc == E_INVALID && answer.status) {
		log_warn("followup", "source %s: %s", w->job->key.p, f->text);
		rc = 0;
	}
	platform_answer_free(&answer);
	return rc;
}

/* Of those that begin after `after_us` and not after `until_us`, one; 0: there is none. */
static int64_t report_between(const struct reports *r, int64_t after_us, int64_t until_us)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->from_us[i] > after_us && r->from_us[i] <= until_us)
			return r->from_us[i];
	return 0;
}

static int walk_call(struct followup *w, struct reports *r, int64_t *at_us, int64_t until_us,
		     struct fault *f)
{
	while (*at_us < until_us) {
		int64_t from_us = report_between(r, *at_us - REPORT_US, *at_us);

		if (!from_us) {
			from_us = *at_us;
			TRY(ask_report(w, r, from_us, f));
		}
		*at_us = from_us + REPORT_US;
	}
	return 0;
}

static int find_call(struct followup *w, struct reports *r, const struct followed *c,
		     struct fault *f)
{
	int64_t began_us = c->started_us > 0 ? c->started_us : c->ended_us;
	int64_t until_us = c->ended_us + SLACK_US, at_us = began_us - SLACK_US;

	if (at_us < until_us - HOURS_MAX * REPORT_US)
		at_us = until_us - HOURS_MAX * REPORT_US;
	TRY(walk_call(w, r, &at_us, until_us, f));
	if (is_whole(w, c) || report_between(r, until_us - 1, at_us))
		return 0;
	return ask_report(w, r, at_us, f);
}

/* The earliest first: what is asked for it is of those that began a little later, too. */
static struct followed *earliest(struct followup *w, const bool wanted[])
{
	struct followed *found = NULL;

	for (size_t i = 0; i < w->calls_n; i++)
		if (wanted[i] && (!found || w->calls[i].started_us < found->started_us))
			found = &w->calls[i];
	return found;
}

static int find_segments(struct followup *w, struct fault *f)
{
	bool wanted[FOLLOWUP_CALLS_MAX] = { false };
	struct reports r = { .n = 0 };
	struct followed *c;

	for (size_t i = 0; i < w->calls_n; i++)
		wanted[i] = is_wanted(w, &w->calls[i]);
	while ((c = earliest(w, wanted))) {
		int rc = find_call(w, &r, c, f);
		TRY(followup_go_on(w, c, rc, f));
		wanted[c - w->calls] = false;
	}
	return 0;
}

/* --- words --- */

static void put_line(struct json_out *o, struct json line, struct arena *a)
{
	struct span text = json_text(json_get(line, "message"), a),
		    at = json_text(json_get(line, "timestamp"), a);
	bool theirs = ringcx_line_is_customer(line, a);
	char iso[CLOCK_ISO + 1];
	int64_t ms = 0;

	if (!at.n)
		at = json_get(line, "timestamp").raw;
	if (!json_i64(json_of(at), &ms) || ms <= 0 || ms > INT64_MAX / MS_US || !text.n)
		return;
	clock_format(ms * MS_US, iso);
	json_begin(o, NULL);
	json_put_z(o, "role", theirs ? "user" : "assistant");
	json_put_z(o, "speaker", theirs ? "user" : "ai");
	json_put_text(o, "text", text);
	json_put_z(o, "at", iso);
	json_end(o);
}

/* Elements of an array that is open in `o`. */
static int put_transcript(struct followup *w, struct span dialog, struct span segment,
			  struct json_out *o, bool *found, struct fault *f)
{
	struct buf url AUTO_BUF = { 0 };
	struct platform_answer answer = { 0 };
	struct arena a = { 0 };
	struct span account, key;
	struct json line;

	TRY(platform_account(w->platform, &account, f));
	put_segment_path(account, w->intake.source, "transcripts", dialog, segment, &url);
	const struct platform_ask ask = { .url = buf_z(&url), .group = RATE_LIGHT };
	int rc = platform_ask(w->platform, &ask, &answer, f);
	rc = followup_judge(w, rc, &answer, f);
	*found = !rc && answer.status != 404;
	if (*found)
		rc = json_check(buf_span(&answer.body), f);
	struct json lines = *found && !rc ? json_get(json_of(buf_span(&answer.body)), "transcript")
					  : (struct json){ 0 };
	struct json_iter it = json_iter(lines);
	while (lines.kind == JSON_ARRAY && json_next(&it, &key, &line))
		put_line(o, line, &a);
	platform_answer_free(&answer);
	arena_fini(&a);
	return rc;
}

static int put_words(struct followup *w, struct followed *c, struct json segments,
		     struct followed_doc *d, struct fault *f)
{
	struct json_iter it = json_iter(segments);
	bool found = true, refused = false;
	struct span key;
	struct json v;
	int rc = 0;

	json_begin_array(&d->out, "words");
	while (!rc && !refused && json_next(&it, &key, &v)) {
		bool here = false;

		rc = put_transcript(w, c->platform_call_id, json_text(json_get(v, "id"), &w->arena),
				    &d->out, &here, f);
		rc = followup_go_on(w, c, rc, f);
		refused = rc == E_DENIED || rc == E_INVALID;
		rc = refused ? 0 : rc;
		found &= here;
	}
	json_end_array(&d->out);
	/* They are there within minutes, or never, where the queue has no AI summaries. */
	if (refused)
		followup_wait(d, f->text);
	else if (!found && c->tries < FOLLOWUP_LOOKS)
		followup_wait(d, "the platform has no transcript of a segment yet");
	return rc;
}

/* --- recordings --- */

static int fetch_recordings(struct followup *w, struct followed *c, struct json segments,
			    struct followed_doc *d, struct fault *f)
{
	struct json_iter it = json_iter(segments);
	struct span key, account;
	struct json v;

	TRY(platform_account(w->platform, &account, f));
	while (json_next(&it, &key, &v)) {
		struct buf url AUTO_BUF = { 0 };
		struct followup_recording r = { .id = json_text(json_get(v, "id"), &w->arena),
						.group = RATE_LIGHT };
		bool none = json_get(v, "recorded").kind == JSON_FALSE;

		(void)clock_parse(json_text(json_get(v, "started_at"), &w->arena), &r.started_us);
		put_segment_path(account, w->intake.source, "recordings", c->platform_call_id, r.id,
				 &url);
		r.url = buf_z(&url);
		if (!none && !followup_knows(c->known, r.id))
			TRY(followup_recording(w, c, &r, d, f));
	}
	return 0;
}

static int follow(struct followup *w, struct followed *c, struct followed_doc *d, struct fault *f)
{
	struct json segments = segments_of(c);

	if (segments.kind != JSON_ARRAY) {
		followup_wait(d, "the platform's report has no segment of this dialog yet");
		return 0;
	}
	if (c->record.kind == JSON_OBJECT)
		json_put_raw(&d->out, "log", c->record.raw);
	if (!is_whole(w, c) && c->tries < FOLLOWUP_LOOKS)
		followup_wait(d, "the platform's report lacks the last segment of this dialog");
	if (w->intake.source->connect.recordings && !c->recorded)
		TRY(fetch_recordings(w, c, segments, d, f));
	return c->spoken ? 0 : put_words(w, c, segments, d, f);
}

const struct followup_way followup_cx = { "ringcx", find_segments, follow };
