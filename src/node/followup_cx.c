/* RingCX: the segments of a dialog by a report of those that ended within an hour, then the
 * recording and the transcript of each segment.
 *
 * Source: RingCentral's engage-voice-api-docs, docs/workforce/call-recording,
 * docs/analytics/reports (call-transcripts).
 *
 * Failure modes: no segment yet, no transcript yet - asked again; a segment without a recording - a
 * row that says so. Which channel of a recording is whose is not documented, so nobody is named. */
#include <stdio.h>

#include "base/clock.h"
#include "connect/oauth.h"
#include "node/followup_cx.h"
#include "node/followup_parts.h"

enum { REPORT_S = 3600 };
#define BEFORE_US (INT64_C(300) * SECOND_US)

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
	struct buf url AUTO_BUF = { 0 }, body AUTO_BUF = { 0 };
	struct json_out o = { .b = &body };
	char from[CLOCK_ISO + 1];
	struct span account;

	if (!s->connect.account.n)
		return fault(f, E_INVALID, "connect.account: the RingCX sub-account is not given");
	TRY(platform_account(p, &account, f));
	put_path(account, s, &url);
	buf_addz(&url, "/interaction-metadata");
	clock_format(from_us, from);
	json_begin(&o, NULL);
	json_put_z(&o, "segmentEndTime", from);
	json_put_i64(&o, "timeInterval", REPORT_S);
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

static void put_segment(struct json_out *o, struct json row)
{
	static const char *const members[][2] = { { "id", "segmentId" },
						  { "name", "segmentParticipantName" },
						  { "started_at", "segmentContactStartTime" },
						  { "ended_at", "segmentContactEndTime" } };

	json_begin(o, NULL);
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		struct json v = json_get(row, members[i][1]);

		if (json_has(v))
			json_put_clean(o, members[i][0], v.raw);
	}
	json_end(o);
}

void followup_cx_put(struct json rows, struct span dialog, struct json_out *o, size_t *n)
{
	struct json_iter it = json_iter(rows);
	struct arena a = { 0 };
	struct span key;
	struct json row;

	json_begin_array(o, "segments");
	while (rows.kind == JSON_ARRAY && json_next(&it, &key, &row)) {
		if (!span_eq(json_text(json_get(row, "dialogId"), &a), dialog))
			continue;
		put_segment(o, row);
		++*n;
	}
	json_end_array(o);
	arena_fini(&a);
}

static void take_segments(struct followup *w, struct json rows)
{
	for (size_t i = 0; i < w->calls_n; i++) {
		struct followed *c = &w->calls[i];
		struct buf text AUTO_BUF = { 0 };
		struct json_out o = { .b = &text };
		size_t n = 0;

		if (c->log.kind == JSON_OBJECT || c->record.kind == JSON_OBJECT)
			continue;
		json_begin(&o, NULL);
		followup_cx_put(rows, c->platform_call_id, &o, &n);
		json_end(&o);
		if (n)
			c->record = json_of(arena_copy(&w->arena, buf_span(&text)));
	}
}

/* One report for all that ended within its hour. */
static int find_segments(struct followup *w, struct fault *f)
{
	int64_t asked_us = 0;

	for (size_t i = 0; i < w->calls_n; i++) {
		struct platform_answer answer = { 0 };
		int64_t ended_us = w->calls[i].ended_us;
		bool within = asked_us && ended_us >= asked_us &&
			      ended_us < asked_us + REPORT_S * SECOND_US;

		if (w->calls[i].log.kind == JSON_OBJECT || within)
			continue;
		asked_us = ended_us - BEFORE_US;
		int rc = followup_cx_segments(w->platform, w->intake.source, asked_us, &answer, f);
		if (!rc)
			take_segments(w, json_of(buf_span(&answer.body)));
		platform_answer_free(&answer);
		TRY(rc);
	}
	return 0;
}

/* --- words --- */

/* Participants are told by id and name only: a customer's is their number, or says so. */
static bool is_customer(struct span id, struct span name)
{
	return span_starts(id, SPAN("+")) || span_starts(id, SPAN("cust")) ||
	       span_is(name, "Customer") || span_is(name, "Contact");
}

static void put_line(struct json_out *o, struct json line, struct arena *a)
{
	struct span text = json_text(json_get(line, "message"), a),
		    at = json_text(json_get(line, "timestamp"), a);
	bool theirs = is_customer(json_text(json_get(line, "participantId"), a),
				  json_text(json_get(line, "participantName"), a));
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
static int put_transcript(struct platform *p, const struct dir_source *s, struct span dialog,
			  struct span segment, struct json_out *o, bool *found, struct fault *f)
{
	struct buf url AUTO_BUF = { 0 };
	struct platform_answer answer = { 0 };
	struct arena a = { 0 };
	struct span account, key;
	struct json line;

	TRY(platform_account(p, &account, f));
	put_segment_path(account, s, "transcripts", dialog, segment, &url);
	const struct platform_ask ask = { .url = buf_z(&url), .group = RATE_LIGHT };
	int rc = platform_ask(p, &ask, &answer, f);
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
	bool found = true;
	struct span key;
	struct json v;
	int rc = 0;

	json_begin_array(&d->out, "words");
	while (!rc && json_next(&it, &key, &v)) {
		bool here = false;

		rc = put_transcript(w->platform, w->intake.source, c->platform_call_id,
				    json_text(json_get(v, "id"), &w->arena), &d->out, &here, f);
		found &= here;
	}
	json_end_array(&d->out);
	/* They are there within minutes, or never, where the queue has no AI summaries. */
	if (!found && c->tries < 3)
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

		(void)clock_parse(json_text(json_get(v, "started_at"), &w->arena), &r.started_us);
		put_segment_path(account, w->intake.source, "recordings", c->platform_call_id, r.id,
				 &url);
		r.url = buf_z(&url);
		if (!followup_knows(c->known, r.id))
			TRY(followup_recording(w, c, &r, d, f));
	}
	return 0;
}

static int follow(struct followup *w, struct followed *c, struct followed_doc *d, struct fault *f)
{
	struct json log = c->log.kind == JSON_OBJECT ? c->log : c->record;
	struct json segments = json_get(log, "segments");

	if (segments.kind != JSON_ARRAY) {
		followup_wait(d, "the platform's report has no segment of this dialog yet");
		return 0;
	}
	if (c->record.kind == JSON_OBJECT)
		json_put_raw(&d->out, "log", c->record.raw);
	if (w->intake.source->connect.recordings && !c->recorded)
		TRY(fetch_recordings(w, c, segments, d, f));
	return c->spoken ? 0 : put_words(w, c, segments, d, f);
}

const struct followup_way followup_cx = { "ringcx", find_segments, follow };
