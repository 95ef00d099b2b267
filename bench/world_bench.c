/* Worlds of calls, to see what detection makes of them: nothing wrong, rates just on the good side
 * of their limits, and one planted cause in each project. Every call is turns, tool calls and
 * signals that understand() reads, stored by the analyst's own statement; every few calls the
 * project's check runs as it would live.
 *
 * world_bench WORLD SEED PROJECTS CALLS...     prints one JSON line for each project and world
 * (several WORLD SEED PROJECTS CALLS share one PostgreSQL) */
#include <libpq-fe.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "analysis/understand.h"
#include "base/clock.h"
#include "base/log.h"
#include "healing/detect.h"

#define ORG "00000000-0000-7000-8000-000000000001"
enum { BATCH = 10, CALLERS_OF = 3, TOPICS = 8, POINTS = 4 };

static void need(int rc, const struct fault *f)
{
	if (rc == 0)
		return;
	fprintf(stderr, "%s\n", f->text);
	exit(1);
}

/* --- chance --- */

static uint64_t chance_state;

static uint64_t next(void)
{
	uint64_t z = (chance_state += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static double uniform(void)
{
	return (double)(next() >> 11) / 9007199254740992.0;
}

static unsigned below(unsigned n)
{
	return (unsigned)(next() % n);
}

/* --- what the world is like --- */

/* X(id, what happens in a call) */
#define TRAITS(X)                                                         \
	X(NOT_ASKED, "the assistant does not ask for the e-mail address") \
	X(NAMELESS, "the caller does not tell the name")                  \
	X(BROKEN, "the booking tool fails")                               \
	X(CROSS, "the caller gets frustrated")                            \
	X(SILENT, "the caller falls silent for good")                     \
	X(LOST, "the call fails in one of many ways")                     \
	X(CURIOUS, "the caller asks the first question, in vain")
enum trait {
#define X(id, doc) TRAIT_##id,
	TRAITS(X)
#undef X
		TRAITS_N
};

struct planted {
	const char *cause, *subject;
	enum trait trait;
	double rate; /* of the trait; other causes may come before it in a call */
};
static const struct planted plants[] = {
	{ "missing_data", "email", TRAIT_NOT_ASKED, 0.60 },
	{ "tool_failure", "book", TRAIT_BROKEN, 0.45 },
	{ "failure_point", "silence", TRAIT_SILENT, 0.55 },
	{ "frustration", "", TRAIT_CROSS, 0.45 },
	{ "unanswered_question", "car park", TRAIT_CURIOUS, 0.30 },
	{ "success_rate", "", TRAIT_LOST, 0.70 },
	{ "best_practice", "confirm_details", TRAITS_N, 0 },
};
enum { PLANTS = sizeof(plants) / sizeof(plants[0]) };

struct world {
	const char *name;
	double rates[TRAITS_N];
	double likeness; /* of the calls of one caller */
	bool planted;
};
#define FINE                                             \
	{                                                \
		0.10, 0.05, 0.05, 0.06, 0.03, 0.12, 0.02 \
	}
static const struct world worlds[] = {
	{ "fine", FINE, 0.2, false },
	/* Just on the good side of every limit: missing 30, tool 20, frustration 20, point 20,
	 * question 10, success 50. */
	{ "borderline", { 0.28, 0.27, 0.18, 0.18, 0.18, 0.34, 0.09 }, 0.2, false },
	{ "planted", FINE, 0.2, true },
};

static const struct world *find_world(const char *name)
{
	for (size_t i = 0; i < sizeof(worlds) / sizeof(worlds[0]); i++)
		if (strcmp(worlds[i].name, name) == 0)
			return &worlds[i];
	fprintf(stderr, "%s: no such world\n", name);
	exit(2);
}

/* --- one project --- */

struct caller {
	bool type[TRAITS_N];
};

struct project {
	char id[40];
	const struct planted *planted; /* NULL: none */
	double rates[TRAITS_N], likeness;
	struct caller *callers;
	unsigned callers_n, calls;
};

static PGconn *conn;

/* `out`: the first value, when wanted. */
static void sql(const char *text, const char *const *params, int n, char *out, size_t size)
{
	PGresult *r = PQexecParams(conn, text, n, NULL, params, NULL, NULL, 0);
	ExecStatusType status = PQresultStatus(r);
	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
		fprintf(stderr, "%s: %s", text, PQerrorMessage(conn));
		exit(1);
	}
	if (out)
		snprintf(out, size, "%s", PQntuples(r) ? PQgetvalue(r, 0, 0) : "");
	PQclear(r);
}

static const char text_without[] =
	"You take bookings for a restaurant. Keep answers short and ask one question at a time. "
	"If the booking fails, try again once. If you do not know an answer, say so. Transfer "
	"upset "
	"callers to a colleague. At the end ask whether there is anything else and say goodbye.";

static void make_project(struct project *p)
{
	bool bare = p->planted && p->planted->trait == TRAITS_N;
	char text[600];
	snprintf(text, sizeof(text), "%s%s", text_without,
		 bare ? "" : " Confirm the details before you book.");
	const char *params[] = { text };
	sql("with p as (insert into projects (org_id, name, fields, success_rule) values "
	    "('" ORG "', 'world ' || gen_random_uuid(), "
	    "'[{\"name\": \"email\", \"label\": \"email address\", \"type\": \"email\"}, "
	    "{\"name\": \"name\", \"label\": \"name\", \"type\": \"name\"}]', "
	    "'{\"success\": [{\"tool\": \"book\", \"success\": true}]}') returning id) "
	    "select id || '' from p where $1 <> ''",
	    params, 1, p->id, sizeof(p->id));
	const char *second[] = { p->id, text };
	sql("select callmend_instruction_create('" ORG "', 'bench', $1::uuid, "
	    "jsonb_build_object('text', $2::text), null)",
	    second, 2, NULL, 0);
}

static void project_begin(struct project *p, const struct world *w, const struct planted *planted,
			  unsigned calls)
{
	*p = (struct project){ .planted = planted, .likeness = w->likeness };
	memcpy(p->rates, w->rates, sizeof(p->rates));
	if (planted && planted->trait < TRAITS_N)
		p->rates[planted->trait] = planted->rate;
	p->callers_n = calls / CALLERS_OF + 1;
	p->callers = calloc(p->callers_n, sizeof(*p->callers));
	CHECK(p->callers);
	for (unsigned i = 0; i < p->callers_n; i++)
		for (int t = 0; t < TRAITS_N; t++)
			p->callers[i].type[t] = uniform() < p->rates[t];
	make_project(p);
}

/* With the root of the likeness a call is as its caller is: two calls of one are alike by it. */
static bool happens(const struct project *p, const struct caller *c, enum trait t)
{
	return uniform() < sqrt(p->likeness) ? c->type[t] : uniform() < p->rates[t];
}

/* --- one call, as understand() takes it --- */

struct telling {
	struct json_out *o;
	int64_t seq;
};

static void say(struct telling *t, const char *speaker, const char *text)
{
	json_begin(t->o, NULL);
	json_put_i64(t->o, "seq", ++t->seq);
	json_put_i64(t->o, "turn", t->seq);
	json_put_z(t->o, "speaker", speaker);
	json_put_z(t->o, "text", text);
	json_put_i64(t->o, "offset_ms", t->seq * 4000);
	json_end(t->o);
}

static void talk(struct telling *t, const char *ai, const char *user)
{
	say(t, "ai", ai);
	say(t, "user", user);
}

static const char *const topics[TOPICS] = {
	"Do you have a car park?",	"Is there live music on Friday?",
	"Are dogs allowed inside?",	"Do you sell gift vouchers?",
	"Do you have high chairs?",	"Is the terrace heated?",
	"Can you make vegan desserts?", "Do you take large groups at noon?",
};

struct plot {
	bool happened[TRAITS_N];
	bool no_answer; /* nobody was reached */
	unsigned topic; /* TOPICS: none */
	unsigned point; /* how a lost one fails */
	const char *reason, *class;
	bool booked, tried;
	int64_t tool_seq, cross_seq;
};

/* The ways to fail: hung up on, thought about, cut off at the limit, ended for no known reason. */
static void lose(struct telling *t, struct plot *p)
{
	static const char *const last[POINTS][2] = {
		{ "So what I would need from you now is a number of things.", NULL },
		{ "Shall I book it?", "I want to think about it first." },
		{ "Shall I book it?", "Well, let me see." },
		{ "Shall I book it?", "Hm, so it is." },
	};
	say(t, "ai", last[p->point][0]);
	if (last[p->point][1])
		say(t, "user", last[p->point][1]);
	if (p->point == 2) {
		p->reason = "exceeded-max-duration";
		p->class = "limit";
	} else if (p->point == 3) {
		p->reason = "assistant-ended-call";
		p->class = "assistant";
	}
}

static void book(struct telling *t, struct plot *p)
{
	p->tried = true;
	p->tool_seq = ++t->seq;
	p->booked = !p->happened[TRAIT_BROKEN];
	if (p->booked)
		talk(t, "You are booked. Is there anything else?", "No thank you, goodbye.");
	else
		talk(t, "I am sorry, there is a technical problem.", "Okay then, goodbye.");
}

static void tell(struct telling *t, struct plot *p)
{
	talk(t, "Hello, this is the Lakeside, how can I help you?",
	     "I would like to book a table for four.");
	talk(t, "What is your name, please?",
	     p->happened[TRAIT_NAMELESS] ? "I do not want to tell you." : "My name is Anna Berg.");
	if (p->topic < TOPICS)
		talk(t, "Thank you.", topics[p->topic]);
	if (p->topic < TOPICS)
		talk(t, "I am sorry, I do not know that.", "All right.");
	if (!p->happened[TRAIT_NOT_ASKED])
		talk(t, "What is your email address?", "It is anna.berg@mail.example");
	if (p->happened[TRAIT_CROSS]) {
		talk(t, "One moment.", "This is taking far too long.");
		p->cross_seq = t->seq;
		talk(t, "I am sorry about that.", "Go on then.");
	}
	if (p->happened[TRAIT_SILENT]) {
		say(t, "ai", "Shall I book it?");
		p->reason = "silence-timed-out";
		p->class = "other";
	} else if (p->happened[TRAIT_LOST]) {
		lose(t, p);
	} else {
		book(t, p);
	}
}

static void put_tools(const struct plot *p, const char *call, struct json_out *o)
{
	json_begin_array(o, "tools");
	if (p->tried) {
		json_begin(o, NULL);
		json_put_z(o, "id", call);
		json_put_z(o, "tool", "book");
		json_put_bool(o, "success", p->booked);
		json_put_z(o, "error", p->booked ? NULL : "HTTP 500");
		json_put_bool(o, "unknown", false);
		json_put_z(o, "requested_at", "2026-01-01T00:00:00.000000Z");
		json_put_i64(o, "requested_seq", p->tool_seq);
		json_put_i64(o, "offset_ms", p->tool_seq * 4000);
		json_end(o);
	}
	json_end_array(o);
}

static void put_signals(const struct plot *p, struct json_out *o)
{
	json_begin_array(o, "signals");
	if (p->cross_seq) {
		json_begin(o, NULL);
		json_put_i64(o, "seq", p->cross_seq);
		json_put_z(o, "signal", "frustration");
		json_put_i64(o, "score", 80);
		json_put_i64(o, "offset_ms", p->cross_seq * 4000);
		json_begin_array(o, "evidence");
		json_begin(o, NULL);
		json_put_z(o, "text", "This is taking far too long.");
		json_end(o);
		json_end_array(o);
		json_end(o);
	}
	json_end_array(o);
}

static void put_call(const struct plot *p, const struct telling *t, const char *id, const char *at,
		     unsigned caller, struct json_out *o)
{
	char number[24];
	snprintf(number, sizeof(number), "+1555%07u", caller);
	json_begin(o, "call");
	json_put_z(o, "id", id);
	json_put_z(o, "started_at", at);
	json_put_i64(o, "duration_ms", (t->seq + 1) * 4000);
	json_put_i64(o, "last_seq", t->seq + 1);
	json_put_z(o, "ended_reason", p->reason);
	json_put_z(o, "ended_class", p->class);
	json_begin(o, "customer");
	json_put_z(o, "number", number);
	json_end(o);
	json_end(o);
}

static void write_call(struct project *p, const char *id, const char *at, struct span rules,
		       struct span version, struct buf *out)
{
	struct json_out o = { .b = out };
	unsigned who = below(p->callers_n);
	struct plot plot = { .no_answer = uniform() < 0.05,
			     .topic = TOPICS,
			     .point = below(POINTS),
			     .reason = "customer-ended-call",
			     .class = "customer" };
	struct telling t = { .o = &o };
	for (int i = 0; i < TRAITS_N; i++)
		plot.happened[i] = happens(p, &p->callers[who], (enum trait)i);
	if (plot.happened[TRAIT_CURIOUS])
		plot.topic = 0;
	else if (uniform() < 0.10)
		plot.topic = 1 + below(TOPICS - 1);
	json_begin(&o, NULL);
	json_begin_array(&o, "turns");
	if (plot.no_answer) {
		plot.reason = "customer-did-not-answer";
		plot.class = "telephony";
	} else {
		tell(&t, &plot);
	}
	json_end_array(&o);
	put_tools(&plot, id, &o);
	put_signals(&plot, &o);
	put_call(&plot, &t, id, at, who, &o);
	json_put_raw(&o, "project", rules);
	json_put_text(&o, "instruction_version", version);
	json_end(&o);
}

/* --- through the chain --- */

static struct store_link *link_;

static void store_batch(const char *results)
{
	struct buf out AUTO_BUF = { 0 };
	struct fault f = { 0 };
	const char *params[] = { results };
	sql("insert into jobs (kind, key, org_id, state, owner, lease_until) select 'analyse', "
	    "r->>'key', '" ORG "', 'running', 'world', now() + interval '1 hour' from "
	    "jsonb_array_elements($1::jsonb) r",
	    params, 1, NULL, 0);
	/* What the tool calls were; the projector would have stored them. */
	sql("insert into tool_calls (id, org_id, call_id, tool, requested_at, requested_seq) "
	    "select "
	    "(r->>'key')::uuid, '" ORG "', (r->>'key')::uuid, 'book', now(), 1 from "
	    "jsonb_array_elements($1::jsonb) r where (r->'doc'->'counts'->>'tool_calls')::int > 0",
	    params, 1, NULL, 0);
	const char *stored[] = { "world", results };
	need(store_link_query(link_, "analyst_store", stored, 2, &out, &f), &f);
}

static void check(const struct project *p)
{
	struct buf jobs AUTO_BUF = { 0 };
	struct arena a = { 0 };
	struct fault f = { 0 };
	struct job job;
	struct span key;
	struct json v;
	const char *due[] = { p->id };
	const char *claim[] = { "{detect}", "world", "1", "600000" };
	struct job_context ctx = { .db = link_, .owner = "world", .lease_ms = 600000 };
	sql("update jobs set run_at = now() where kind = 'detect' and key = $1", due, 1, NULL, 0);
	need(store_link_query(link_, "job_claim", claim, 4, &jobs, &f), &f);
	struct json_iter it = json_iter(json_of(buf_span(&jobs)));
	CHECK(json_next(&it, &key, &v));
	need(job_read(v, &a, &job, &f), &f);
	need(detect_job(&ctx, &job, &f), &f);
	arena_fini(&a);
}

struct rules {
	char project[2000], version[40];
};

static void read_rules(const struct project *p, struct rules *r)
{
	const char *params[] = { p->id };
	sql("select callmend_rules_project(p)->'project' from projects p where id = $1::uuid",
	    params, 1, r->project, sizeof(r->project));
	sql("select current_version from instructions where project_id = $1::uuid", params, 1,
	    r->version, sizeof(r->version));
}

static void next_id(char out[40])
{
	uint64_t a = next(), b = next();
	snprintf(out, 40, "%08x-%04x-7%03x-8%03x-%012llx", (unsigned)(a >> 32),
		 (unsigned)(a >> 16) & 0xffff, (unsigned)a & 0xfff, (unsigned)(b >> 52) & 0xfff,
		 (unsigned long long)b & 0xffffffffffff);
}

/* A call every 20 minutes, the last ones today. */
static void time_of(unsigned call, unsigned calls, char out[CLOCK_ISO + 1])
{
	clock_format(clock_now_us() - (int64_t)(calls - call) * 1200 * SECOND_US, out);
}

static void run_batch(struct project *p, const struct rules *r, unsigned n, unsigned calls)
{
	struct buf results AUTO_BUF = { 0 };
	struct json_out o = { .b = &results };
	json_begin_array(&o, NULL);
	for (unsigned i = 0; i < n; i++) {
		struct buf input AUTO_BUF = { 0 }, doc AUTO_BUF = { 0 };
		struct fault f = { 0 };
		char id[40], at[CLOCK_ISO + 1];
		next_id(id);
		time_of(p->calls++, calls, at);
		write_call(p, id, at, span_of(r->project), span_of(r->version), &input);
		need(understand(json_of(buf_span(&input)), &doc, &f), &f);
		json_begin(&o, NULL);
		json_put_z(&o, "key", id);
		json_put_i64(&o, "wanted", 1);
		json_put_raw(&o, "doc", buf_span(&doc));
		json_end(&o);
	}
	json_end_array(&o);
	store_batch(buf_z(&results));
	check(p);
}

/* --- what came of it --- */

static void report(const struct world *w, const char *seed, const struct project *p, unsigned calls)
{
	char issues[4000];
	const char *params[] = { p->id };
	struct buf out AUTO_BUF = { 0 };
	struct json_out o = { .b = &out };
	sql("select coalesce(jsonb_agg(jsonb_build_object('cause', i.cause, 'subject', i.subject, "
	    "'calls', i.evidence->'trigger'->'calls') order by i.opened_at), '[]') from issues i "
	    "where i.project_id = $1::uuid",
	    params, 1, issues, sizeof(issues));
	json_begin(&o, NULL);
	json_put_z(&o, "world", w->name);
	json_put_z(&o, "seed", seed);
	json_put_i64(&o, "calls", calls);
	json_put_z(&o, "cause", p->planted ? p->planted->cause : NULL);
	json_put_z(&o, "subject", p->planted ? p->planted->subject : NULL);
	if (p->planted && p->planted->trait < TRAITS_N)
		json_put_f64(&o, "rate", p->planted->rate);
	json_put_raw(&o, "issues", span_of(issues));
	json_end(&o);
	puts(buf_z(&out));
	fflush(stdout);
}

static void run_world(const struct world *w, const char *seed, unsigned projects, unsigned calls)
{
	chance_state = strtoull(seed, NULL, 10) * 1000003 + (uint64_t)(w - worlds);
	for (unsigned i = 0; i < projects; i++) {
		struct project p;
		struct rules r;
		project_begin(&p, w, w->planted ? &plants[i % PLANTS] : NULL, calls);
		read_rules(&p, &r);
		while (p.calls < calls)
			run_batch(&p, &r, calls - p.calls < BATCH ? calls - p.calls : BATCH, calls);
		report(w, seed, &p, calls);
		free(p.callers);
	}
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/callmend-world-XXXXXX", command[64];
	struct cluster *cluster;
	struct fault f = { 0 };
	log_init(LOG_WARN, LOG_TEXT);
	if (argc < 5 || (argc - 1) % 4 || !mkdtemp(dir)) {
		fprintf(stderr, "usage: world_bench WORLD SEED PROJECTS CALLS...\n");
		return 2;
	}
	need(cluster_start(&cluster, dir, &f), &f);
	need(store_migrate(cluster_url(cluster), NULL, &f), &f);
	conn = PQconnectdb(cluster_url(cluster));
	sql("alter system set synchronous_commit = off", NULL, 0, NULL, 0);
	sql("select pg_reload_conf()", NULL, 0, NULL, 0);
	need(store_link_new(&link_, cluster_url(cluster), &f), &f);
	for (int i = 1; i + 3 < argc; i += 4)
		run_world(find_world(argv[i]), argv[i + 1], (unsigned)atoi(argv[i + 2]),
			  (unsigned)atoi(argv[i + 3]));
	store_link_free(link_);
	PQfinish(conn);
	cluster_stop(cluster);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}
