/* Happy path: the calls of a source that are due, some at a time. Records of the call log that lie
 * near each other come by one request; each call's recordings are fetched, encoded and stored one
 * by one; then its analysis is asked for, and all that is known is stored with how it goes on.
 *
 * Everything is put beside calls that are over, by statements that hold the job: a session would
 * have to be told everything anew. So nothing is there twice whoever is killed when.
 *
 * Failure modes
 *   the log is late               asked again after after_s, doubled up to an hour, for a day
 *   a recording that is not there, or not in the log though somebody in the call had one
 *                                 asked again three times
 *   one that stays away, is damaged or too large    a row that says so; not asked again
 *   credentials refused, the log forbidden    the job is dead at once; the next call that ends
 *                                 tries anew
 *   recordings or analysis forbidden    asked again like a late log, the reason stands with the
 *                                 call
 *   one request refused otherwise  (400) the calls it was for wait like for a late log, others
 *                                 go on
 *   5xx, silence or no JSON to one request    the same, but they are asked again sooner; three in a
 *                                 row are a platform that is away
 *   429, a platform or PostgreSQL that is away    the job is tried again by its rules
 *   somebody else asks this platform    looked at again after AGAIN_MS
 *   killed                        what is stored is not fetched again */
#include "node/followup.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "connect/oauth.h"
#include "connect/paging.h"
#include "dialect/ringcentral.h"
#include "dialect/ringcentral_log.h"
#include "node/followup_parts.h"

enum { AGAIN_MS = 5000, UNANSWERED_S = 30, PER_PAGE = 250, PAGES_MAX = 20 };
#define NEAR_US (INT64_C(1800) * SECOND_US)
#define SLACK_US (INT64_C(120) * SECOND_US)
#define API "/restapi/v1.0/account/~"

/* --- calls that are due --- */

static struct span text_z(struct followup *w, struct json of, const char *name)
{
	struct span text = json_text(json_get(of, name), &w->arena);
	return span_of(arena_printf(&w->arena, "%.*s", SPAN_ARG(text)));
}

static int64_t number_of(struct json of, const char *name)
{
	int64_t n = 0;
	return json_i64(json_get(of, name), &n) ? n : 0;
}

static int64_t time_of(struct followup *w, struct json of, const char *name)
{
	int64_t us = 0;
	return clock_parse(json_text(json_get(of, name), &w->arena), &us) ? us : 0;
}

static bool read_call(struct followup *w, struct json v, struct followed *c)
{
	*c = (struct followed){
		.call_id = text_z(w, v, "call_id"),
		.platform_call_id = text_z(w, v, "provider_call_id"),
		.started_us = time_of(w, v, "started_at"),
		.ended_us = time_of(w, v, "ended_at"),
		.tries = number_of(v, "tries"),
		.waited_s = number_of(v, "waited_s"),
		.insights = json_get(v, "insights"),
		.log = json_get(v, "log"),
		.known = json_get(v, "known"),
		.told = number_of(v, "told"),
		.heard = json_true(json_get(v, "heard")),
		.recorded = json_true(json_get(v, "recorded")),
		.spoken = json_true(json_get(v, "spoken")),
	};
	return uuid_parse(&c->id, c->call_id) == 0 && c->platform_call_id.n;
}

static int load(struct followup *w, struct fault *f)
{
	struct buf answer AUTO_BUF = { 0 };
	char most[16];
	const char *params[] = { w->job->key.p, most };
	struct span key;
	struct json v;

	arena_reset(&w->arena);
	w->calls_n = 0;
	snprintf(most, sizeof(most), "%d", FOLLOWUP_CALLS_MAX);
	TRY(store_link_query(w->ctx->db, "followup_load", params, 2, &answer, f));
	struct span kept = arena_copy(&w->arena, buf_span(&answer));
	struct json_iter it = json_iter(json_get(json_of(kept), "calls"));
	while (w->calls_n < FOLLOWUP_CALLS_MAX && json_next(&it, &key, &v))
		w->calls_n += read_call(w, v, &w->calls[w->calls_n]);
	return 0;
}

/* --- storing --- */

void followup_wait(struct followed_doc *d, const char *why)
{
	d->waits = true;
	snprintf(d->why, sizeof(d->why), "%s", why);
}

static int64_t delay_ms(const struct followup *w, const struct followed *c)
{
	int64_t s = w->intake.source->connect.after_s;

	if (c->unanswered && s > UNANSWERED_S)
		s = UNANSWERED_S;
	for (int64_t i = 0; i < c->tries && s < FOLLOWUP_PAUSE_MAX_S; i++)
		s *= 2;
	return 1000 * (s < FOLLOWUP_PAUSE_MAX_S ? s : FOLLOWUP_PAUSE_MAX_S);
}

static int store(struct followup *w, const struct followed *c, struct followed_doc *d,
		 struct fault *f)
{
	struct buf out AUTO_BUF = { 0 };
	bool late = c->waited_s >= FOLLOWUP_PATIENCE_S;

	json_put_z(&d->out, "state", !d->waits ? "done" : late ? "given-up" : "waiting");
	json_put_i64(&d->out, "delay_ms", delay_ms(w, c));
	json_put_z(&d->out, "error", *d->why ? d->why : NULL);
	json_end(&d->out);
	const char *params[] = { w->job->key.p, w->ctx->owner, c->call_id.p, buf_z(&d->text) };
	if (d->waits && late)
		log_warn("followup", "call %s is given up: %s", c->call_id.p, d->why);
	return store_link_query(w->ctx->db, "followup_store", params, 4, &out, f);
}

/* --- recordings --- */

bool followup_knows(struct json list, struct span recording)
{
	struct json_iter it = json_iter(list);
	struct arena a = { 0 };
	bool known = false;
	struct span key;
	struct json v;

	while (list.kind == JSON_ARRAY && !known && json_next(&it, &key, &v))
		known = span_eq(json_text(v, &a), recording);
	arena_fini(&a);
	return known;
}

static bool is_stopping(void *user)
{
	const struct followup *w = user;

	return w->ctx->stopping && w->ctx->stopping(w->ctx->user);
}

static int alive(void *user, struct fault *f)
{
	struct followup *w = user;
	int64_t now_us = clock_monotonic_us();

	if (is_stopping(user))
		return fault(f, E_UNAVAILABLE, "stopping");
	if (now_us - w->prolonged_us < w->ctx->lease_ms * MS_US / 3)
		return 0;
	w->prolonged_us = now_us;
	return job_prolong(w->ctx, w->job, f);
}

/* --- what the platform fails at --- */

int followup_judge(struct followup *w, int rc, const struct platform_answer *a, struct fault *f)
{
	bool unanswered =
		rc == E_TIMEOUT || rc == E_CORRUPT || (rc == E_UNAVAILABLE && a->status >= 500);

	if (unanswered && is_stopping(w))
		return fault(f, E_UNAVAILABLE, "stopping");
	w->unanswered = unanswered ? w->unanswered + 1 : 0;
	if (unanswered)
		rc = f->code = E_TIMEOUT;
	return rc;
}

static bool is_away(const struct followup *w)
{
	return w->unanswered >= FOLLOWUP_UNANSWERED_MAX;
}

int followup_go_on(struct followup *w, struct followed *c, int rc, const struct fault *why)
{
	if (rc != E_TIMEOUT)
		return rc;
	c->unanswered = arena_printf(&w->arena, "%s", why->text);
	log_warn("followup", "call %s: %s", c->call_id.p, why->text);
	return is_away(w) ? rc : 0;
}

/* --- a recording --- */

static int store_recording(struct followup *w, const struct followed *c, struct buf *doc,
			   struct buf *peaks, struct fault *f)
{
	struct buf out AUTO_BUF = { 0 };
	const char *params[] = { w->job->key.p, w->ctx->owner, c->call_id.p, buf_z(doc),
				 peaks->n ? buf_z(peaks) : NULL };

	return store_link_query(w->ctx->db, "followup_recording", params, 5, &out, f);
}

static int ask_content(struct followup *w, const struct followup_recording *r, const char *url,
		       struct platform_answer *a, struct fault *f)
{
	const struct platform_ask ask = { .url = url,
					  .group = r->group,
					  .accept = "audio/wav, audio/mpeg;q=0.5",
					  .timeout_ms = FOLLOWUP_SOUND_MS,
					  .limit = FOLLOWUP_SOUND_MAX };
	int rc = platform_ask(w->platform, &ask, a, f);

	return followup_judge(w, rc, a, f);
}

/* Content has a host of its own, which only the platform knows. Nothing: it does not say. */
static int locate(struct followup *w, const struct followup_recording *r, struct platform_answer *a,
		  const char **url, struct fault *f)
{
	const struct platform_ask ask = { .url = r->about, .group = RATE_LIGHT };

	*url = r->url ? r->url : "";
	if (**url)
		return 0;
	int rc = platform_ask(w->platform, &ask, a, f);
	rc = followup_judge(w, rc, a, f);
	if (!rc && a->status != 404)
		*url = text_z(w, json_of(buf_span(&a->body)), "contentUri").p;
	return rc;
}

/* 0 and `why` empty: it is there. `late`: it may come. */
static int fetch(struct followup *w, const struct followup_recording *r, struct platform_answer *a,
		 char why[256], bool *late, struct fault *f)
{
	struct fault refused = { 0 };
	const char *url = "";
	int rc = locate(w, r, a, &url, &refused);

	if (!rc && *url)
		rc = ask_content(w, r, url, a, &refused);
	if (rc == E_TOO_LARGE || rc == E_INVALID)
		snprintf(why, 256, "%.250s", refused.text);
	else if (rc)
		return fault(f, rc, "%s", refused.text);
	else if (a->status == 404)
		snprintf(why, 256,
			 "the platform has no such recording (404): it keeps none under 30 s, and "
			 "none that somebody has deleted");
	else if (!*url)
		snprintf(why, 256, "the platform does not say where it has it (contentUri)");
	*late = !rc && *why;
	return 0;
}

static int keep(struct followup *w, const struct followed *c, struct platform_sound *s,
		char why[256], struct buf *doc, struct buf *peaks, struct fault *f)
{
	struct fault unreadable = { 0 };
	int rc = 0;

	if (!*why)
		rc = platform_sound_keep(s, doc, peaks, &unreadable);
	if (rc == E_INVALID)
		snprintf(why, 256, "what the platform sent (%.*s) cannot be read: %.160s",
			 (int)(s->type.n > 60 ? 60 : s->type.n), s->type.p, unreadable.text);
	else if (rc)
		return fault(f, rc, "%s", unreadable.text);
	if (*why) {
		log_warn("followup", "call %s, recording %.*s: %s", c->call_id.p, SPAN_ARG(s->id),
			 why);
		buf_clear(doc);
		platform_sound_missing(s, why, doc);
	}
	return store_recording(w, c, doc, peaks, f);
}

int followup_recording(struct followup *w, struct followed *c, const struct followup_recording *r,
		       struct followed_doc *d, struct fault *f)
{
	struct platform_answer answer = { 0 };
	struct buf doc AUTO_BUF = { 0 }, peaks AUTO_BUF = { 0 };
	char why[256] = "";
	bool late = false;
	int rc = fetch(w, r, &answer, why, &late, f);
	struct platform_sound sound = { .folder = w->ctx->config->recording_folder,
					.call = c->id,
					.id = r->id,
					.started_us = r->started_us ? r->started_us : c->started_us,
					.bytes = buf_span(&answer.body),
					.type = buf_span(&answer.type),
					.channels = w->intake.source->connect.channels,
					.on_demand = r->on_demand,
					.measure = !c->heard,
					.alive = alive,
					.user = w };

	if (!rc && late && c->tries < FOLLOWUP_LOOKS)
		followup_wait(d, why);
	else if (!rc)
		rc = keep(w, c, &sound, why, &doc, &peaks, f);
	platform_answer_free(&answer);
	if (rc != E_DENIED)
		return followup_go_on(w, c, rc, f);
	followup_wait(d, f->text);
	return 0;
}

/* --- RingCentral: the call log --- */

static struct followed *call_of(struct followup *w, struct span id)
{
	for (size_t i = 0; i < w->calls_n; i++)
		if (span_eq(w->calls[i].platform_call_id, id))
			return &w->calls[i];
	return NULL;
}

/* Other calls' records are passed over: they are due at a time of their own. */
static void take_records(struct followup *w, struct json records)
{
	struct json_iter it = json_iter(records);
	struct span key;
	struct json record;
	struct rc_log log;

	while (records.kind == JSON_ARRAY && json_next(&it, &key, &record)) {
		if (rc_log_read(record, &w->arena, &log, NULL) || log.under_way)
			continue;
		struct followed *c = call_of(w, log.call_id);
		if (c)
			c->record = record;
	}
}

static int ask_log(struct followup *w, const char *url, unsigned number, bool *more,
		   struct fault *f)
{
	const struct platform_ask ask = { .url = url, .group = RATE_HEAVY };
	struct platform_answer answer = { 0 };
	int rc = platform_ask(w->platform, &ask, &answer, f);

	rc = followup_judge(w, rc, &answer, f);
	*more = false;
	if (!rc && answer.status != 404) {
		struct span kept = arena_copy(&w->arena, buf_span(&answer.body));
		rc = json_check(kept, f);
		if (rc)
			fault_wrap(f, "the platform's call log");
		else
			take_records(w, json_get(json_of(kept), "records"));
		*more = !rc && paging_has_next(json_of(kept), number);
	}
	platform_answer_free(&answer);
	return rc;
}

static int ask_one(struct followup *w, const struct followed *c, struct fault *f)
{
	struct buf url AUTO_BUF = { 0 };
	char from[CLOCK_ISO + 1];
	bool more;

	clock_format(c->started_us - NEAR_US, from);
	buf_addz(&url, API "/call-log?view=Detailed&telephonySessionId=");
	buf_add_percent(&url, c->platform_call_id, BUF_IN_VALUE);
	buf_printf(&url, "&dateFrom=%s", from);
	int rc = ask_log(w, buf_z(&url), 1, &more, f);
	if (rc == E_INVALID) /* an id that the platform does not take: others' do not wait for it */
		log_warn("followup", "call %s: %s", c->call_id.p, f->text);
	return rc == E_INVALID ? 0 : rc;
}

/* By number: nobody says that a recording is called the same in events and in the log. */
static bool lacks_recordings(const struct followup *w, const struct followed *c, struct json log)
{
	struct json recordings = json_get(log, "recordings");
	size_t n = recordings.kind == JSON_ARRAY ? json_count(recordings) : 0;

	return w->intake.source->connect.recordings && (int64_t)n < c->told;
}

static bool is_wanted(const struct followup *w, const struct followed *c)
{
	bool late = c->tries <= FOLLOWUP_LOOKS && lacks_recordings(w, c, c->log);

	return c->record.kind == JSON_NONE && (c->log.kind != JSON_OBJECT || late);
}

static bool is_near(const struct followed *a, const struct followed *b)
{
	int64_t apart = a->started_us - b->started_us;
	return apart < NEAR_US && apart > -NEAR_US;
}

static int ask_around(struct followup *w, const struct followed *c, struct fault *f)
{
	char from[CLOCK_ISO + 1], to[CLOCK_ISO + 1], url[256];
	bool more = true;

	clock_format(c->started_us - NEAR_US - SLACK_US, from);
	clock_format(c->started_us + NEAR_US + SLACK_US, to);
	for (unsigned page = 1; more && page <= PAGES_MAX; page++) {
		snprintf(url, sizeof(url),
			 API "/call-log?view=Detailed&type=Voice&dateFrom=%s&dateTo=%s&perPage=%d"
			     "&page=%u",
			 from, to, PER_PAGE, page);
		int rc = ask_log(w, url, page, &more, f);

		if (rc == E_INVALID) {
			log_warn("followup", "source %s: %s", w->job->key.p, f->text);
			return 0;
		}
		TRY(rc);
	}
	return 0;
}

/* Those that were asked for together wait together. */
static int go_on(struct followup *w, size_t first, size_t others, int asked,
		 const struct fault *why)
{
	int rc = followup_go_on(w, &w->calls[first], asked, why);

	for (size_t k = first + 1; k < w->calls_n && others; k++)
		if (is_wanted(w, &w->calls[k]) && is_near(&w->calls[first], &w->calls[k]))
			rc = followup_go_on(w, &w->calls[k], asked, why);
	return rc;
}

/* One request for several calls, where they lie near each other. Nobody is asked for twice. */
static int find_records(struct followup *w, struct fault *f)
{
	bool asked[FOLLOWUP_CALLS_MAX] = { 0 };

	for (size_t i = 0; i < w->calls_n; i++) {
		size_t others = 0;

		for (size_t k = i + 1; k < w->calls_n; k++)
			others += is_wanted(w, &w->calls[k]) && is_near(&w->calls[i], &w->calls[k]);
		if (asked[i] || !is_wanted(w, &w->calls[i]))
			continue;
		int rc = others ? ask_around(w, &w->calls[i], f) : ask_one(w, &w->calls[i], f);
		TRY(go_on(w, i, others, rc, f));
		for (size_t k = i; k < w->calls_n && others; k++)
			asked[k] |= is_near(&w->calls[i], &w->calls[k]);
	}
	return 0;
}

/* --- RingCentral: recordings --- */

static int fetch_recordings(struct followup *w, struct followed *c, struct json recordings,
			    struct followed_doc *d, struct fault *f)
{
	struct json_iter it = json_iter(recordings);
	struct span key;
	struct json v;

	while (recordings.kind == JSON_ARRAY && json_next(&it, &key, &v)) {
		struct followup_recording r = { .id = json_text(json_get(v, "id"), &w->arena),
						.url = text_z(w, v, "url").p,
						.group = RATE_HEAVY,
						.started_us = time_of(w, v, "started_at"),
						.on_demand = json_true(json_get(v, "on_demand")) };
		struct buf about AUTO_BUF = { 0 };

		buf_addz(&about, API "/recording/");
		buf_add_percent(&about, r.id, BUF_IN_PATH);
		r.about = buf_z(&about);
		if (r.id.n && !followup_knows(c->known, r.id))
			TRY(followup_recording(w, c, &r, d, f));
	}
	return 0;
}

/* --- RingCentral: its own analysis --- */

static void put_insight(const struct input *in, struct json_out *o)
{
	char at[CLOCK_ISO + 1];

	clock_format(in->at_us ? in->at_us : clock_now_us(), at);
	json_begin(o, NULL);
	json_put_text(o, "kind", in->name);
	json_put_clean(o, "data", in->data.raw);
	json_put_z(o, "at", at);
	json_end(o);
}

/* Read as the notification would be; elements of an array that is open in `o`. */
static int read_insights(struct followup *w, struct span answer, struct json_out *o,
			 struct fault *f)
{
	struct buf text AUTO_BUF = { 0 };
	struct json_out n = { .b = &text };
	struct inputs inputs = { 0 };

	TRY(json_check(answer, f));
	json_begin(&n, NULL);
	json_put_z(&n, "event", "/ai/ringsense/v1/public/accounts/~/domains/pbx/insights");
	struct json told = json_get(json_of(answer), "creationTime");
	if (json_has(told))
		json_put_raw(&n, "timestamp", told.raw);
	json_put_raw(&n, "body", answer);
	json_end(&n);
	struct span kept = arena_copy(&w->arena, buf_span(&text));
	TRY(ringcentral_dialect.read(kept, &w->arena, &inputs, f));
	for (size_t i = 0; i < inputs.n; i++)
		if (inputs.items[i].type == INPUT_INSIGHT)
			put_insight(&inputs.items[i], o);
	return 0;
}

static int ask_insights(struct followup *w, struct followed *c, struct span recording,
			struct followed_doc *d, struct fault *f)
{
	struct platform_answer answer = { 0 };
	struct buf url AUTO_BUF = { 0 };

	buf_addz(&url, "/ai/ringsense/v1/public/accounts/~/domains/pbx/records/");
	buf_add_percent(&url, recording, BUF_IN_PATH);
	buf_addz(&url, "/insights");
	const struct platform_ask ask = { .url = buf_z(&url), .group = RATE_LIGHT };
	int rc = platform_ask(w->platform, &ask, &answer, f);
	rc = followup_judge(w, rc, &answer, f);
	if (!rc && answer.status == 404)
		followup_wait(d, "the platform has no insights into a recording of this call yet");
	else if (!rc)
		rc = read_insights(w, buf_span(&answer.body), &d->out, f);
	platform_answer_free(&answer);
	if (rc != E_DENIED && rc != E_INVALID)
		return followup_go_on(w, c, rc, f);
	followup_wait(d, f->text);
	return 0;
}

/* There are some of recorded calls only; what has come by itself is not asked for. */
static int find_insights(struct followup *w, struct followed *c, struct json recordings,
			 struct followed_doc *d, struct fault *f)
{
	struct json_iter it = json_iter(recordings);
	struct span key;
	struct json v;
	int rc = 0;

	json_begin_array(&d->out, "insights");
	while (!rc && recordings.kind == JSON_ARRAY && json_next(&it, &key, &v)) {
		struct span id = json_text(json_get(v, "id"), &w->arena);

		if (!followup_knows(c->insights, id))
			rc = ask_insights(w, c, id, d, f);
	}
	json_end_array(&d->out);
	return rc;
}

/* --- RingCentral: a call --- */

static struct json put_log(struct followup *w, struct followed *c, struct followed_doc *d)
{
	struct buf text AUTO_BUF = { 0 };
	struct json_out o = { .b = &text };
	struct rc_log log;

	if (c->record.kind == JSON_NONE || rc_log_read(c->record, &w->arena, &log, NULL))
		return c->log;
	rc_log_write(c->record, &log, &w->arena, &o, NULL);
	struct json kept = json_of(arena_copy(&w->arena, buf_span(&text)));
	json_put_raw(&d->out, "log", kept.raw);
	return kept;
}

static int follow(struct followup *w, struct followed *c, struct followed_doc *d, struct fault *f)
{
	const struct dir_connect *wanted = &w->intake.source->connect;
	struct json log = put_log(w, c, d);

	if (log.kind != JSON_OBJECT) {
		followup_wait(d, "the platform's call log does not have this call yet");
		return 0;
	}
	struct json recordings = json_get(log, "recordings");
	if (c->tries < FOLLOWUP_LOOKS && lacks_recordings(w, c, log))
		followup_wait(d, "the platform's call log lacks a recording of this call yet");
	if (wanted->recordings)
		TRY(fetch_recordings(w, c, recordings, d, f));
	return wanted->insights ? find_insights(w, c, recordings, d, f) : 0;
}

/* --- the job --- */

static const struct followup_way ringcentral = { "ringcentral", find_records, follow };
static const struct followup_way *const ways[] = { &ringcentral, &followup_cx };

static const struct followup_way *way_of(struct span dialect)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		if (span_is(dialect, ways[i]->dialect))
			return ways[i];
	return NULL;
}

static int follow_call(struct followup *w, const struct followup_way *way, struct followed *c,
		       struct fault *f)
{
	struct followed_doc d = { 0 };

	d.out.b = &d.text;
	json_begin(&d.out, NULL);
	int rc = alive(w, f);
	if (!rc && !is_away(w))
		rc = way->follow(w, c, &d, f);
	if (c->unanswered)
		followup_wait(&d, c->unanswered);
	if (!rc || (rc == E_TIMEOUT && c->unanswered))
		rc = store(w, c, &d, f);
	buf_free(&d.text);
	return rc;
}

/* Each that was asked for in vain is put back by itself, so that the next run begins with others.
 */
static int follow_calls(struct followup *w, const struct followup_way *way, struct fault *f)
{
	const char *why = "";

	for (size_t i = 0; i < w->calls_n; i++) {
		struct followed *c = &w->calls[i];

		if (!is_away(w) || c->unanswered)
			TRY(follow_call(w, way, c, f));
		why = c->unanswered ? c->unanswered : why;
	}
	return is_away(w)
		       ? fault(f, E_UNAVAILABLE, "the platform fails again and again: %.200s", why)
		       : 0;
}

static int follow_all(struct followup *w, const struct followup_way *way, struct fault *f)
{
	for (;;) {
		TRY(load(w, f));
		if (!w->calls_n)
			return 0;
		int rc = way->prepare ? way->prepare(w, f) : 0;
		if (rc && !is_away(w))
			return rc;
		TRY(follow_calls(w, way, f));
	}
}

static int end_job(struct followup *w, struct fault *f)
{
	struct buf out AUTO_BUF = { 0 };
	char wanted[24];
	const char *params[] = { w->job->key.p, w->ctx->owner, wanted };

	snprintf(wanted, sizeof(wanted), "%lld", (long long)w->job->wanted);
	return store_link_query(w->ctx->db, "followup_done", params, 3, &out, f);
}

static int later(struct followup *w, struct fault *f)
{
	struct buf out AUTO_BUF = { 0 };
	char delay[24];
	const char *params[] = { w->job->kind.p, w->job->key.p, w->ctx->owner, delay };

	snprintf(delay, sizeof(delay), "%d", AGAIN_MS);
	return store_link_query(w->ctx->db, "job_later", params, 4, &out, f);
}

static int run(struct followup *w, struct fault *f)
{
	const struct followup_way *way = way_of(w->intake.source->dialect);
	const struct platform_config pc = { .source = w->intake.source,
					    .db = w->ctx->db,
					    .owner = w->ctx->owner,
					    .lease_ms = w->ctx->lease_ms,
					    .stopping = is_stopping,
					    .alive = alive,
					    .user = w };

	if (!way || !w->intake.source->connect.on) /* changed meanwhile */
		return 0;
	TRY(platform_open(&w->platform, &pc, f));
	int rc = follow_all(w, way, f);
	platform_close(w->platform);
	return rc;
}

int followup_job(struct job_context *ctx, const struct job *job, struct fault *f)
{
	struct followup *w = calloc(1, sizeof(*w));

	CHECK(w);
	w->ctx = ctx;
	w->job = job;
	int rc = intake_open(&w->intake, ctx->config, job->key.p, f);
	if (!rc)
		rc = run(w, f);
	if (rc == E_CONFLICT)
		rc = later(w, f);
	else if (!rc || rc == E_NOT_FOUND) /* the source is gone */
		rc = end_job(w, f);
	else if (rc == E_DENIED || rc == E_CLOSED) /* again would be the same */
		rc = f->code = E_INVALID;
	intake_fini(&w->intake);
	arena_fini(&w->arena);
	free(w);
	return rc;
}
