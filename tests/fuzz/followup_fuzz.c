/* What the platforms answer when ended calls are followed up: pages of RingCentral's call log and
 * insights; RingCX's report of segments and transcripts. The code of the job as it is, with the
 * platform and PostgreSQL played here.
 *
 * The first byte: bit 0 RingCX, bit 1 recordings, bit 2 insights, bit 3 words are there already.
 * Each line is an answer, in the order they are asked for; "404" is that status; when there are no
 * more, the platform is away. Whatever comes, the job ends, and what it stores is JSON that
 * PostgreSQL takes. */
#include <stdlib.h>

#include "node/followup.h"
#include "node/followup_parts.h"
#include "tests/fuzz/fuzz.h"

enum { ASKED_MAX = 2000 };

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* --- the world --- */

static struct {
	struct span rest;
	uint8_t flags;
	bool loaded;
	unsigned asked;
	struct dir_source source;
} world;

/* jsonb takes no U+0000 and no half of a surrogate pair: mended again, it is the same. */
static void must_be_json(const char *text)
{
	struct span s = span_of(text);
	struct buf again AUTO_BUF = { 0 };
	struct json_out o = { .b = &again };
	must(json_check(s, NULL) == 0);
	json_put_clean(&o, NULL, s);
	must(span_eq(buf_span(&again), s));
}

#define CALL(n)                                                                                 \
	"{\"call_id\":\"01890000-0000-7000-8000-00000000000" n "\",\"provider_call_id\":\"s-" n \
	"\",\"started_at\":\"2026-11-20T10:0" n ":00Z\",\"ended_at\":\"2026-11-20T10:2" n       \
	":00Z\","                                                                               \
	"\"tries\":" n ",\"waited_s\":" n "0,\"insights\":[\"r-9\"],\"log\":null,"              \
	"\"known\":[\"r-8\"],\"heard\":false,\"recorded\":false,\"spoken\":%s}"

static void put_calls(struct buf *out)
{
	const char *spoken = world.flags & 8 ? "true" : "false";
	if (world.loaded) {
		buf_addz(out, "{\"calls\":[]}");
		return;
	}
	world.loaded = true;
	buf_printf(out, "{\"calls\":[" CALL("1") "," CALL("2") "," CALL("3") "]}", spoken, spoken,
		   spoken);
}

int store_link_query(struct store_link *link, const char *name, const char *const *params, size_t n,
		     struct buf *out, struct fault *f)
{
	(void)link, (void)f;
	buf_clear(out);
	if (strcmp(name, "followup_load") == 0) {
		put_calls(out);
		return 0;
	}
	if (strcmp(name, "followup_store") == 0 || strcmp(name, "followup_recording") == 0) {
		must(n >= 4);
		must_be_json(params[3]);
	}
	buf_addz(out, "true");
	return 0;
}

int job_prolong(struct job_context *ctx, const struct job *job, struct fault *f)
{
	(void)ctx, (void)job, (void)f;
	return 0;
}

int intake_open(struct intake *i, const struct config *config, const char *source, struct fault *f)
{
	(void)source, (void)f;
	i->config = config;
	i->source = &world.source;
	return 0;
}

void intake_fini(struct intake *i)
{
	(void)i;
}

/* --- the platform --- */

struct platform {
	int none;
};
static struct platform platform;

int platform_open(struct platform **out, const struct platform_config *config, struct fault *f)
{
	(void)config, (void)f;
	*out = &platform;
	return 0;
}

void platform_close(struct platform *p)
{
	(void)p;
}

int platform_account(struct platform *p, struct span *id, struct fault *f)
{
	(void)p, (void)f;
	*id = SPAN("4711");
	return 0;
}

/* Nothing but what may stand in a URL. */
static void must_be_url(const char *url)
{
	for (; *url; url++)
		must(*url > ' ' && *url <= '~' && *url != '"' && *url != '\\');
}

int platform_ask(struct platform *p, const struct platform_ask *ask, struct platform_answer *out,
		 struct fault *f)
{
	(void)p;
	must(++world.asked < ASKED_MAX);
	/* A URL in the platform's own words is looked at by the real one. */
	if (span_starts(span_of(ask->url), SPAN("/")) && !ask->accept)
		must_be_url(ask->url);
	if (!world.rest.n)
		return fault(f, E_UNAVAILABLE, "away");
	struct span line = span_line(&world.rest);
	out->status = span_is(line, "404") ? 404 : 200;
	buf_add(&out->body, line);
	buf_addz(&out->type, ask->accept ? "audio/wav" : "application/json");
	return 0;
}

void platform_answer_free(struct platform_answer *a)
{
	buf_free(&a->body);
	buf_free(&a->type);
}

int platform_sound_keep(const struct platform_sound *s, struct buf *doc, struct buf *peaks,
			struct fault *f)
{
	(void)peaks;
	if (s->bytes.n % 2)
		return fault(f, E_INVALID, "%.*s", SPAN_ARG(s->bytes));
	platform_sound_missing(s, "none", doc);
	return 0;
}

void platform_sound_missing(const struct platform_sound *s, const char *why, struct buf *doc)
{
	struct json_out o = { .b = doc };
	json_begin(&o, NULL);
	json_put_text(&o, "id", s->id);
	json_put_z(&o, "why", why);
	json_end(&o);
}

/* --- one run --- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct config config = { .recording_folder = "/nowhere" };
	struct job_context ctx = { .owner = "me", .config = &config, .lease_ms = 60000 };
	const struct job job = { .kind = SPAN("followup"), .key = SPAN("source") };
	struct fault f = { 0 };
	if (!n)
		return 0;
	char *copy = malloc(n);
	memcpy(copy, data, n);
	world.rest = (struct span){ copy + 1, n - 1 };
	world.flags = data[0];
	world.loaded = false;
	world.asked = 0;
	world.source = (struct dir_source){
		.dialect = data[0] & 1 ? SPAN("ringcx") : SPAN("ringcentral"),
		.connect = { .on = true,
			     .account = SPAN("15"),
			     .after_s = 120,
			     .recordings = data[0] & 2,
			     .insights = data[0] & 4 },
	};
	int rc = followup_job(&ctx, &job, &f);
	must(rc == 0 || f.text[0]);
	free(copy);
	return 0;
}
