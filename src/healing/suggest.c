/* Happy path: load the bundle, pick the issue, draft by templates, let the model propose when there
 * is one, check, store everything together with the end of the job.
 *
 * Failure modes
 *   the issue is not open any more, or has a pending suggestion   the job ends
 *   no model, or it fails, or its proposal breaks a rule          the draft is used; the reason is
 *                                                                 kept in model_usage.fallback
 *   every template was rejected, or is in force already           an activity says so
 *   PostgreSQL away, lease lost                                   nothing is stored */
#include "healing/suggest.h"

#include <math.h>
#include <stdio.h>

#include "callmend/fields.h"
#include "healing/gain.h"
#include "healing/model_suggest.h"
#include "healing/practices.h"
#include "healing/stored.h"
#include "healing/templates.h"

struct draft {
	const char *type;
	struct span title, section, current, suggested, reason;
	const char *priority;
	struct gain gain;
};

struct making {
	struct arena *arena;
	struct json bundle;
	struct window w;
	struct sections sections;
	bool spanish;
	struct seen_causes seen;
	struct json issue; /* what it answers; absent: none */
	bool drafted;
	struct draft draft;
	const char *why_not; /* there is no suggestion */

	/* the model's */
	struct buf changes, usage;
	struct fault model_fault;
	bool by_model;
};

/* --- what fits into the instructions --- */

static const char *in_language(const struct making *m, const char *en, const char *es)
{
	return m->spanish ? es : en;
}

/* Instructions that are one text without sections stay so. */
static const struct section *place_for(const struct making *m, struct span name,
				       const char *const *fitting)
{
	if (m->sections.n == 1 && !m->sections.of[0].name.n)
		return &m->sections.of[0];
	const struct section *same = sections_find(&m->sections, name);
	return same ? same : sections_fitting(&m->sections, fitting);
}

static bool is_said(const struct making *m, struct span line)
{
	for (size_t i = 0; i < m->sections.n; i++)
		if (memmem(m->sections.of[i].text.p, m->sections.of[i].text.n, line.p, line.n))
			return true;
	return false;
}

static bool was_rejected(const struct making *m, struct span line)
{
	struct json_iter it = json_iter(json_get(m->bundle, "rejected"));
	struct span key;
	struct json v;
	while (json_next(&it, &key, &v)) {
		struct span then = json_text(json_get(v, "suggested"), m->arena);
		struct span before = json_text(json_get(v, "current"), m->arena);
		if (memmem(then.p, then.n, line.p, line.n) &&
		    !memmem(before.p, before.n, line.p, line.n))
			return true;
	}
	return false;
}

static void put_into_place(struct making *m, struct draft *d, struct span line, struct span section,
			   const char *const *fitting)
{
	const struct section *place = place_for(m, section, fitting);
	d->section = place ? place->name : section;
	d->current = place ? place->text : SPAN("");
	d->suggested = place ? sections_append(place->text, line, m->arena) : line;
}

/* --- words for templates --- */

static struct span last_part(struct span key)
{
	const char *colon = key.n ? memchr(key.p, ':', key.n) : NULL;
	return colon ? span_from(key, (size_t)(colon - key.p) + 1) : key;
}

static struct span label_of(const struct making *m, struct span field)
{
	for (size_t i = 0; i < m->w.fields_n; i++)
		if (span_eq(m->w.fields[i].name, field))
			return m->w.fields[i].label;
	return field;
}

static struct span question_for(const struct making *m, struct span field)
{
	struct fields *fields = NULL;
	struct span ask = label_of(m, field);
	if (fields_new(&fields, json_path(m->w.doc, "project.fields"),
		       m->spanish ? SPAN("es") : SPAN("en"), NULL))
		return ask;
	for (size_t i = 0; i < fields_n(fields); i++)
		if (span_eq(fields_at(fields, i).name, field))
			ask = arena_copy(m->arena, fields_question(fields, i));
	fields_free(fields);
	return ask;
}

/* The content words that stand for a question, never the words of a caller in a row. */
static struct span topic_of(const struct making *m, struct span key)
{
	struct span topic = arena_copy(m->arena, key);
	struct buf out AUTO_BUF = { 0 };
	for (size_t i = 0; i < topic.n; i++) {
		if (topic.p[i] == ' ')
			buf_addz(&out, ", ");
		else
			buf_addc(&out, topic.p[i]);
	}
	return arena_copy(m->arena, buf_span(&out));
}

static struct template_words words_for(const struct making *m, const struct seen_cause *c)
{
	struct span field = last_part(c->subject);
	return (struct template_words){
		.label = label_of(m, field),
		.ask = c->kind == CAUSE_MISSING_DATA_KIND ? question_for(m, field) : SPAN(""),
		.tool = last_part(c->subject),
		.topic = topic_of(m, c->subject),
		.point = c->title,
	};
}

/* --- drafts --- */

static struct span frequent_reason(const struct making *m)
{
	struct json_iter it = json_iter(json_path(m->issue, "evidence.reasons"));
	struct span key;
	struct json first;
	if (!json_next(&it, &key, &first))
		return SPAN("");
	return json_text(json_get(first, "reason"), m->arena);
}

static double figure(const struct making *m, const char *name)
{
	double v = 0;
	return json_f64(json_get(json_get(m->issue, "evidence"), name), &v) ? v : 0;
}

/* "The e-mail is ... (36 of 40 calls; 90 %, 95 % interval 75 to 97 %)" */
static struct span reason_with_figures(const struct making *m, struct span why)
{
	double n = figure(m, "eligible"), k = figure(m, "events");
	double lower = figure(m, "lower"), upper = figure(m, "upper");
	double rate = figure(m, "rate");
	char text[200];
	snprintf(text, sizeof(text),
		 m->spanish ? " (%.0f de %.0f llamadas; %.0f %%, intervalo del "
			      "95 %%: %.0f a %.0f %%)."
			    : " (%.0f of %.0f calls; %.0f %%, 95 %% interval "
			      "%.0f to %.0f %%).",
		 k, n, rate, lower, upper);
	return span_of(arena_printf(m->arena, "%.*s%s", SPAN_ARG(why), text));
}

static const char *priority_of(const struct gain *g)
{
	double bad = fmax(g->success.middle, g->missing.middle);
	if (bad >= 10 || g->share.lower >= 0.5)
		return "high";
	return bad >= 3 || g->share.lower >= 0.2 ? "medium" : "low";
}

static const struct seen_cause *cause_of_issue(struct making *m, enum cause_kind *kind)
{
	struct span subject = json_text(json_get(m->issue, "subject"), m->arena);
	if (!causes_from(json_text(json_get(m->issue, "cause"), m->arena), kind))
		return NULL;
	for (size_t i = 0; i < m->seen.n; i++)
		if (m->seen.of[i].kind == *kind && span_eq(m->seen.of[i].subject, subject))
			return &m->seen.of[i];
	return NULL;
}

/* What templates are chosen by: for missing data why it is missing, for a point which one. */
static struct span template_reason(const struct making *m, const struct seen_cause *c)
{
	return c->kind == CAUSE_FAILURE_POINT_KIND ? c->subject : frequent_reason(m);
}

static void draft_by_template(struct making *m, const struct seen_cause *c)
{
	struct template_words words = words_for(m, c);
	struct span reason = template_reason(m, c);
	const struct template *t;
	for (size_t i = 0; (t = templates_at(c->kind, reason, i)); i++) {
		struct span line =
			templates_fill(in_language(m, t->text_en, t->text_es), &words, m->arena);
		if (is_said(m, line) || was_rejected(m, line))
			continue;
		struct draft *d = &m->draft;
		d->type = t->type;
		d->title =
			templates_fill(in_language(m, t->title_en, t->title_es), &words, m->arena);
		d->reason = reason_with_figures(
			m, templates_fill(in_language(m, t->why_en, t->why_es), &words, m->arena));
		put_into_place(m, d, line, span_of(in_language(m, t->section_en, t->section_es)),
			       t->fitting);
		d->gain = gain_expect(&m->w, c, reason, json_get(m->bundle, "patterns"));
		d->priority = priority_of(&d->gain);
		m->drafted = true;
		return;
	}
	m->why_not = "Nothing to suggest: every change known for this cause was rejected or is in "
		     "force already";
}

static void draft_practice(struct making *m, const struct practice *p)
{
	struct span line = span_of(in_language(m, p->text_en, p->text_es));
	struct draft *d = &m->draft;
	if (was_rejected(m, line)) {
		m->why_not = "Nothing to suggest: this was rejected before";
		return;
	}
	*d = (struct draft){ .type = "best_practice", .priority = "low" };
	d->title = span_of(p->title);
	d->reason = span_of(in_language(m, p->reason_en, p->reason_es));
	put_into_place(m, d, line, span_of(in_language(m, p->section_en, p->section_es)),
		       p->fitting);
	d->gain = gain_expect_practice(&m->w, json_get(m->bundle, "patterns"));
	m->drafted = true;
}

static void draft_for_issue(struct making *m)
{
	enum cause_kind kind = CAUSE_KINDS;
	const struct seen_cause *c = cause_of_issue(m, &kind);
	const struct practice *p =
		practices_find(json_text(json_get(m->issue, "subject"), m->arena));
	if (kind == CAUSE_BEST_PRACTICE_KIND && p)
		draft_practice(m, p);
	else if (c)
		draft_by_template(m, c);
	else
		m->why_not = "Nothing to suggest: what the issue is about is gone";
}

/* --- on demand --- */

static bool practice_rejected(void *user, const struct practice *p)
{
	struct making *m = user;
	return was_rejected(m, span_of(in_language(m, p->text_en, p->text_es)));
}

static void draft_for_missing_practice(struct making *m)
{
	bool has_tools = json_count(json_path(m->w.doc, "project.tools")) > 0;
	const struct practice *p = practices_missing(&m->sections, has_tools, practice_rejected, m);
	if (p)
		draft_practice(m, p);
	else
		m->why_not = "Nothing to suggest: no issue is open, and the instructions follow "
			     "every best practice known here";
}

static void draft_on_demand(struct making *m)
{
	struct json_iter it = json_iter(json_get(m->w.doc, "issues"));
	struct span key;
	struct json issue;
	bool pending = false;
	while (!m->drafted && json_next(&it, &key, &issue)) {
		bool has = json_true(json_get(issue, "pending"));
		pending |= has;
		m->issue = has ? (struct json){ 0 } : issue;
		if (!has)
			draft_for_issue(m);
	}
	if (m->drafted)
		return;
	m->issue = (struct json){ 0 };
	if (pending)
		m->why_not = "Nothing new to suggest: a suggestion for what is known to go wrong "
			     "is waiting for a decision";
	else if (!m->sections.n)
		m->why_not = "Nothing to suggest: the project has no instructions";
	else
		draft_for_missing_practice(m);
}

/* --- the model --- */

static void put_change(const struct draft *d, struct json_out *o)
{
	json_begin(o, NULL);
	json_put_text(o, "section", d->section);
	json_put_text(o, "current", d->current);
	json_put_text(o, "suggested", d->suggested);
	json_put_text(o, "reason", d->reason);
	json_end(o);
}

static void put_draft(const struct making *m, struct json_out *o, const char *key)
{
	json_begin_array(o, key);
	if (m->drafted)
		put_change(&m->draft, o);
	json_end_array(o);
}

static void put_bundle(const struct making *m, struct buf *out)
{
	struct json_out o = { .b = out };
	json_begin(&o, NULL);
	json_put_raw(&o, "window", m->w.doc.raw);
	json_put_raw(&o, "issue", m->issue.raw);
	json_put_raw(&o, "rejected", json_get(m->bundle, "rejected").raw);
	json_put_raw(&o, "patterns", json_get(m->bundle, "patterns").raw);
	put_draft(m, &o, "draft");
	json_end(&o);
}

/* Only where rules have found something to put right: a model does not look for work. */
static void ask_model(struct making *m, struct job_context *ctx)
{
	struct buf text AUTO_BUF = { 0 };
	if (!m->drafted)
		return;
	put_bundle(m, &text);
	struct json bundle = json_of(buf_span(&text));
	int rc = model_suggest(ctx, bundle, &m->changes, &m->usage, &m->model_fault);
	if (!rc)
		rc = json_check(buf_span(&m->changes), &m->model_fault);
	if (!rc)
		rc = suggest_check(json_of(buf_span(&m->changes)), bundle, &m->model_fault);
	m->by_model = rc == 0;
	if (rc == E_NOT_FOUND)
		m->model_fault = (struct fault){ 0 };
}

/* --- storing --- */

static void put_usage(const struct making *m, struct json_out *o)
{
	struct json usage = json_of(buf_span(&m->usage));
	struct json_iter it = json_iter(usage);
	struct span key;
	struct json v;
	if (!json_has(usage) && !m->model_fault.code) {
		json_put_null(o, "model_usage");
		return;
	}
	json_begin(o, "model_usage");
	while (json_next(&it, &key, &v))
		json_put_raw(o, arena_printf(m->arena, "%.*s", SPAN_ARG(key)), v.raw);
	if (!m->by_model)
		json_put_z(o, "fallback", m->model_fault.text);
	json_end(o);
}

static struct span generated_by(const struct making *m)
{
	struct span model = json_text(json_get(json_of(buf_span(&m->usage)), "model"), m->arena);
	return !m->by_model ? SPAN("rules") : model.n ? model : SPAN("model");
}

static void put_message(const struct making *m, struct json_out *o)
{
	const struct draft *d = &m->draft;
	struct buf text AUTO_BUF = { 0 };
	buf_add(&text, d->reason);
	buf_printf(&text, " Expected: %+.1f percentage points success",
		   round(d->gain.success.middle * 10) / 10);
	if (d->gain.missing.middle > 0)
		buf_printf(&text, ", %.1f less missing data",
			   round(d->gain.missing.middle * 10) / 10);
	buf_addz(&text, ". ");
	gain_roi(d->gain.success.middle, gain_minutes_per_success(m->w.doc), &text);
	buf_addz(&text, ".");
	json_put_text(o, "message", buf_span(&text));
}

static void put_raw_or(struct json_out *o, const char *key, struct json v, const char *otherwise)
{
	json_put_raw(o, key, json_has(v) ? v.raw : span_of(otherwise));
}

static void put_suggestion(const struct making *m, struct json_out *o)
{
	const struct draft *d = &m->draft;
	struct gain_metrics metrics = gain_measure(&m->w);
	json_begin(o, "suggestion");
	put_raw_or(o, "issue", json_get(m->issue, "id"), "null");
	json_put_z(o, "type", d->type);
	json_put_z(o, "priority", d->priority);
	json_put_text(o, "title", d->title);
	put_raw_or(o, "base_version", json_path(m->w.doc, "version.id"), "null");
	put_raw_or(o, "current_instruction", json_path(m->w.doc, "version.text"), "\"\"");
	gain_put_metrics(&m->w, &metrics, o, "current_metrics");
	gain_put(&d->gain, gain_minutes_per_success(m->w.doc), o, "expected_impact");
	put_raw_or(o, "quotes", json_path(m->issue, "evidence.quotes"), "[]");
	json_put_text(o, "generated_by", generated_by(m));
	put_usage(m, o);
	put_message(m, o);
	if (m->by_model)
		json_put_raw(o, "changes", buf_span(&m->changes));
	else
		put_draft(m, o, "changes");
	json_end(o);
}

static int store(struct making *m, struct job_context *ctx, const struct job *job, struct fault *f)
{
	struct buf result AUTO_BUF = { 0 };
	struct json_out o = { .b = &result };
	json_begin(&o, NULL);
	json_put_text(&o, "org", m->w.org);
	json_put_text(&o, "project", m->w.project);
	if (m->drafted)
		put_suggestion(m, &o);
	else
		json_put_null(&o, "suggestion");
	json_put_z(&o, "why", m->why_not);
	json_end(&o);
	return stored_put(ctx, job, "heal_suggest_store", &result, f);
}

/* --- the job --- */

static int make(struct making *m, struct job_context *ctx, const struct job *job, struct fault *f)
{
	TRY(window_read(json_get(m->bundle, "window"), m->arena, &m->w, f));
	m->sections = sections_read(m->w.sections, m->arena);
	m->spanish = sections_spanish(&m->sections, m->w.language);
	m->issue = json_get(m->bundle, "issue");
	causes_find(&m->w, json_get(m->w.doc, "issues"), &m->seen);
	if (json_true(json_get(m->issue, "pending")))
		return job_done(ctx, job, f);
	if (json_has(m->issue))
		draft_for_issue(m);
	else
		draft_on_demand(m);
	ask_model(m, ctx);
	return store(m, ctx, job, f);
}

int suggest_job(struct job_context *ctx, const struct job *job, struct fault *f)
{
	struct buf loaded AUTO_BUF = { 0 };
	struct arena a = { 0 };
	int rc = stored_load(ctx, job, "heal_suggest_load", &loaded, f);
	if (rc == E_NOT_FOUND)
		return job_done(ctx, job, f);
	TRY(rc);
	struct making m = { .arena = &a, .bundle = json_of(buf_span(&loaded)) };
	rc = make(&m, ctx, job, f);
	buf_free(&m.changes);
	buf_free(&m.usage);
	arena_fini(&a);
	return rc;
}
