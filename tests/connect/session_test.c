/* Sessions against a small platform: what goes wrong there, and that no event is lost which it
 * still offers. The sessions' clock is the test's: it passes when the test says so. */
#include "tests/connect/platform.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "connect/connect.h"

#define SOURCE "33333333-3333-7333-8333-000000000001"
#define OTHER_SOURCE "33333333-3333-7333-8333-000000000004" /* on another shard */
enum { SHARDS = 2, TOLD_MAX = 4000, FAST = 10, LATE_MS = 10 };

struct node {
	struct connect *connect;
	struct shards *shards;
	const struct directory *dir;
	char folder[64];
	/* the calls' side */
	pthread_mutex_t lock;
	char *told[TOLD_MAX];
	atomic_int told_n;
	atomic_int full; /* so many messages find the journal full; negative: all */
	atomic_int refused;
	atomic_bool keep; /* the next message is never durable */
	struct connect_message *kept;
	const char *live;   /* ids, each with \n */
	const char *stored; /* of texts, with ' for ", NULL: nothing */
	atomic_int unsaid;  /* so often nobody can say */
	atomic_int asked_live;
	atomic_int missed_n, missed_code; /* calls of a loss asked for; how that ends */
	atomic_bool missed_once;
	_Atomic int64_t missed_since_us, missed_until_us;
	long answered_before;
	atomic_int ended; /* shards */
};

static struct platform p;
static struct node n;
static _Atomic int64_t skipped_us;

static int64_t now(void)
{
	return clock_monotonic_us() + atomic_load(&skipped_us);
}

static void skip_ms(int64_t ms)
{
	atomic_fetch_add(&skipped_us, ms * MS_US);
}

static void nap(void)
{
	usleep(1000);
}

/* A nap in which the sessions' clock runs `speed` times as fast. However late we wake, it does not
 * jump: the shards must have had their turns, too. */
static void nap_at(int speed)
{
	int64_t before_us = clock_monotonic_us();

	nap();
	int64_t slept_us = clock_monotonic_us() - before_us;
	slept_us = slept_us < LATE_MS * MS_US ? slept_us : LATE_MS * MS_US;
	atomic_fetch_add(&skipped_us, (speed - 1) * slept_us);
}

/* Waits for a condition; `fast`: the sessions' clock runs FAST times as fast meanwhile. */
#define AWAIT_AT(speed, condition)                                             \
	do {                                                                   \
		int64_t until_us_ = clock_monotonic_us() + 30 * SECOND_US;     \
		while (!(condition)) {                                         \
			if (clock_monotonic_us() > until_us_)                  \
				fail_msg("waited in van for: %s", #condition); \
			nap_at(speed);                                         \
		}                                                              \
	} while (0)
#define AWAIT(condition) AWAIT_AT(1, condition)
#define AWAIT_FAST(condition) AWAIT_AT(FAST, condition)

/* The platform's members belong to its shard, too. */
#define READ(expression)                       \
	({                                     \
		pthread_mutex_lock(&p.lock);   \
		__auto_type v_ = (expression); \
		pthread_mutex_unlock(&p.lock); \
		v_;                            \
	})
#define SET(member, value)                     \
	do {                                   \
		pthread_mutex_lock(&p.lock);   \
		p.member = (value);            \
		pthread_mutex_unlock(&p.lock); \
	} while (0)

/* --- the calls' side --- */

static int code_of(void)
{
	int full = atomic_load(&n.full);

	if (full == 0)
		return 0;
	if (full > 0)
		atomic_fetch_sub(&n.full, 1);
	atomic_fetch_add(&n.refused, 1);
	return E_FULL;
}

static void take_message(void *user, struct shard *here, struct connect_message *m)
{
	(void)user, (void)here;
	if (atomic_exchange(&n.keep, false)) {
		n.kept = m;
		return;
	}
	m->code = code_of();
	if (m->code == 0) {
		pthread_mutex_lock(&n.lock);
		assert_true(n.told_n < TOLD_MAX);
		n.told[n.told_n] = strndup(m->json.p, m->json.n);
		atomic_fetch_add(&n.told_n, 1);
		pthread_mutex_unlock(&n.lock);
	}
	m->done(m);
}

static void take_live(void *user, struct shard *here, struct connect_live *l)
{
	(void)user, (void)here;
	buf_addz(&l->ids, n.live);
	atomic_fetch_add(&n.asked_live, 1);
	l->done(l);
}

static void take_missed(void *user, struct shard *here, struct connect_missed *m)
{
	(void)user, (void)here;
	atomic_store(&n.missed_since_us, m->since_us);
	atomic_store(&n.missed_until_us, m->until_us);
	atomic_store(&n.missed_once, m->once);
	m->code = atomic_load(&n.missed_code);
	atomic_fetch_add(&n.missed_n, 1);
	m->done(m);
}

static void take_texts(void *user, struct shard *here, struct connect_texts *t)
{
	struct buf stored AUTO_BUF = { 0 };

	(void)user, (void)here;
	for (const char *c = n.stored ? n.stored : "{}"; *c; c++)
		buf_addc(&stored, *c == '\'' ? '"' : *c);
	if (atomic_fetch_sub(&n.unsaid, 1) > 0)
		buf_clear(&stored);
	t->stored = buf_span(&stored);
	t->done(t);
}

/* How many of the told hold this text. */
static int told(const char *text)
{
	int count = 0;

	pthread_mutex_lock(&n.lock);
	for (int i = 0; i < n.told_n; i++)
		count += strstr(n.told[i], text) != NULL;
	pthread_mutex_unlock(&n.lock);
	return count;
}

static int place_of(const char *text)
{
	int at = -1;

	pthread_mutex_lock(&n.lock);
	for (int i = 0; i < n.told_n && at < 0; i++)
		at = strstr(n.told[i], text) ? i : -1;
	pthread_mutex_unlock(&n.lock);
	return at;
}

/* --- the node --- */

static int begin_shard(struct shard *s, void *user, struct fault *f)
{
	(void)user;
	return connect_shard_start(n.connect, s, f);
}

static void end_shard(struct shard *s, void *user)
{
	(void)user;
	connect_shard_stop(n.connect, s);
	atomic_fetch_add(&n.ended, 1);
}

static void start_node(void)
{
	struct connect_config cc = {
		.shards = SHARDS,
		.state_dir = n.folder,
		.ca_file = "",
		.public_url = "https://node.example.com/",
		.look_ms = 300000,
		.calls = { take_message, take_live, take_missed, take_texts, NULL },
		.now_us = now,
		.tick_ms = 2, /* steps follow each other at the sessions' pace */
	};
	struct shard_hooks hooks = { begin_shard, end_shard, NULL };
	struct fault f = { 0 };

	if (connect_new(&n.connect, &cc, &f) || shards_start(&n.shards, SHARDS, 1000, &hooks, &f))
		fail_msg("%s", f.text);
}

static void stop_node(void)
{
	if (!n.shards)
		return;
	shards_stop(n.shards);
	connect_free(n.connect);
	n.shards = NULL;
	n.connect = NULL;
}

static struct span with_quotes(struct buf *b)
{
	for (size_t i = 0; i < b->n; i++)
		b->p[i] = b->p[i] == '\'' ? '"' : b->p[i];
	return buf_span(b);
}

static void run_directory(struct shard *here, void *arg)
{
	(void)arg;
	connect_directory(n.connect, here, n.dir);
}

struct visit {
	struct mail mail;
	atomic_int done;
};

static void on_visit(struct mail *m, struct shard *here)
{
	struct visit *v = (struct visit *)m;

	run_directory(here, NULL);
	atomic_store(&v->done, 1);
}

static void put_directory(void)
{
	for (unsigned i = 0; i < SHARDS; i++) {
		struct visit v = { .mail.run = on_visit };

		shard_post_sure(shards_at(n.shards, i), &v.mail);
		rig_wait(&v.done, 1);
	}
}

static void put_source(struct buf *b, const char *id, const char *name, const char *dialect,
		       const char *connect)
{
	char url[64];

	platform_url(&p, url);
	buf_printf(b,
		   "{'id':'%s','org_id':'" SOURCE "','project_id':'" SOURCE
		   "','dialect':'%s','name':'%s','auth':[],'api_base':'%s'%s%s}",
		   id, dialect, name, url, *connect ? ",'connect':" : "", connect);
}

static void configure_with(const struct buf *sources)
{
	struct buf b AUTO_BUF = { 0 };
	struct directory *d = NULL;
	struct fault f = { 0 };

	buf_printf(&b, "{'version':1,'tokens':[],'projects':[],'sources':[%.*s]}",
		   SPAN_ARG(buf_span(sources)));
	if (directory_new(&d, with_quotes(&b), n.folder, &f))
		fail_msg("%s", f.text);
	directory_unref(n.dir);
	n.dir = d;
	put_directory();
}

/* `connect`: the member of the source, "" for none. */
static void configure(const char *dialect, const char *connect)
{
	struct buf sources AUTO_BUF = { 0 };

	put_source(&sources, SOURCE, "main", dialect, connect);
	configure_with(&sources);
}

static void configure_two(const char *dialect, const char *connect)
{
	struct buf sources AUTO_BUF = { 0 };

	put_source(&sources, SOURCE, "main", dialect, connect);
	buf_addc(&sources, ',');
	put_source(&sources, OTHER_SOURCE, "other", dialect, connect);
	configure_with(&sources);
}

#define WITH(more) "{'client_id':'c','client_secret':{'file':'s'},'jwt':{'file':'j'}" more "}"
#define GATEWAY WITH(",'events':'websocket'")
#define HOOK_WITH(more) WITH(",'events':'webhook','verification':{'file':'v'}" more)
#define HOOK HOOK_WITH("")
#define NO_EVENTS WITH(",'events':'none'")

static void put_secret(const char *name, const char *value)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/%s", n.folder, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(value, file);
	fclose(file);
}

static long answered(void);

static enum log_level least_level(void)
{
	return getenv("VERBOSE") ? LOG_DEBUG : LOG_ERROR;
}

/* --- the log, into a file until the test's end --- */

static int real_stderr = -1;

static void catch_log(void)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/log", n.folder);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	assert_true(fd >= 0);
	real_stderr = dup(STDERR_FILENO);
	dup2(fd, STDERR_FILENO);
	close(fd);
	log_init(LOG_WARN, LOG_TEXT);
}

static void release_log(void)
{
	if (real_stderr < 0)
		return;
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	real_stderr = -1;
	log_init(least_level(), LOG_TEXT);
}

static bool logged(const char *text)
{
	struct buf log AUTO_BUF = { 0 };
	char path[100];

	snprintf(path, sizeof(path), "%s/log", n.folder);
	assert_int_equal(file_read(path, 1 << 20, &log, NULL), 0);
	return strstr(buf_z(&log), text) != NULL;
}

static int setup(void **state)
{
	(void)state;
	memset(&p, 0, sizeof(p));
	memset(&n, 0, sizeof(n));
	p.now_us = now;
	n.live = "";
	n.answered_before = answered();
	pthread_mutex_init(&n.lock, NULL);
	snprintf(n.folder, sizeof(n.folder), "/tmp/connect-test-XXXXXX");
	assert_non_null(mkdtemp(n.folder));
	put_secret("s", "secret");
	put_secret("j", "jwt");
	put_secret("v", "verify");
	platform_start(&p);
	start_node();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	release_log();
	stop_node();
	platform_stop(&p);
	for (int i = 0; i < n.told_n; i++)
		free(n.told[i]);
	directory_unref(n.dir);
	pthread_mutex_destroy(&n.lock);
	assert_int_equal(shell(&(struct buf){ 0 }, "rm -rf %s", n.folder), 0);
	return 0;
}

static bool is_at(const char *source, enum connect_state state, char *why)
{
	struct uuid id;
	enum connect_state now_is;
	int64_t since_us;
	char text[CONNECT_WHY_MAX];

	assert_int_equal(uuid_parse(&id, span_of(source)), 0);
	bool known = connect_look(n.connect, &id, &now_is, &since_us, text);
	if (known && why)
		memcpy(why, text, sizeof(text));
	return known && now_is == state;
}

static bool is(enum connect_state state, char *why)
{
	return is_at(SOURCE, state, why);
}

static int64_t since_us(void)
{
	struct uuid id;
	enum connect_state state;
	int64_t us = 0;
	char why[CONNECT_WHY_MAX];

	assert_int_equal(uuid_parse(&id, span_of(SOURCE)), 0);
	assert_true(connect_look(n.connect, &id, &state, &us, why));
	return us;
}

static void go_live(void)
{
	configure("ringcentral", GATEWAY);
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
}

/* Requests that have had their answer, or were given up after they had been sent. */
static long answered(void)
{
	static const char name[] = "callmend_connect_requests_total{result=\"";
	struct buf text AUTO_BUF = { 0 };
	long sum = 0;

	metrics_write(&text);
	for (const char *at = buf_z(&text); (at = strstr(at, name)); at++) {
		const char *label = at + sizeof(name) - 1;
		sum += strncmp(label, "not_sent", 8) ? strtol(strchr(label, ' '), NULL, 10) : 0;
	}
	return sum;
}

/* Waits until every answer of the platform has been read. */
static void settle(void)
{
	AWAIT(READ(p.seen_n) - platform_count(&p, "GET /ws", 0) == answered() - n.answered_before);
}

static bool resynced(unsigned times)
{
	return platform_count(&p, "GET /restapi/v1.0/account/~/presence", 0) >= times &&
	       atomic_load(&n.asked_live) >= (int)times;
}

/* Half a minute of the sessions' clock, in which everything that is due happens. */
static void let_pass(int64_t ms)
{
	int64_t until_us = now() + ms * MS_US;

	AWAIT_FAST(now() > until_us);
}

/* --- requests of others --- */

struct asked {
	struct connect_request r;
	struct shard *here;
	atomic_int done;
	int status;
	enum client_end end;
	char error[200];
	int64_t provider_us;
};

static void on_answer(struct connect_request *r)
{
	struct asked *a = (struct asked *)((char *)r - offsetof(struct asked, r));

	a->status = r->response.status;
	a->end = r->response.end;
	a->provider_us = r->provider_us;
	snprintf(a->error, sizeof(a->error), "%s", r->response.error ? r->response.error : "");
	if (!shard_here(a->here))
		snprintf(a->error, sizeof(a->error), "answered on another shard");
	atomic_store(&a->done, 1);
}

struct ask_mail {
	struct mail mail;
	struct asked *a;
	atomic_int done;
};

static void run_ask(struct mail *m, struct shard *here)
{
	struct ask_mail *am = (struct ask_mail *)m;

	am->a->here = here;
	connect_send(n.connect, here, &am->a->r);
	atomic_store(&am->done, 1);
}

static void post_ask_as(struct asked *a, const char *source, enum http_method method,
			const char *url, enum api_group group, int64_t timeout_ms)
{
	struct ask_mail m = { .mail.run = run_ask, .a = a };

	memset(a, 0, sizeof(*a));
	assert_int_equal(uuid_parse(&a->r.source, span_of(source)), 0);
	a->r.method = method;
	a->r.url = span_of(url);
	a->r.group = group;
	a->r.urgent = true;
	a->r.timeout_ms = timeout_ms;
	a->r.response_limit = 10000;
	a->r.done = on_answer;
	static unsigned turn;
	shard_post_sure(shards_at(n.shards, turn++ % SHARDS), &m.mail);
	rig_wait(&m.done, 1);
}

static void post_ask(struct asked *a, const char *source, const char *url, enum api_group group,
		     int64_t timeout_ms)
{
	post_ask_as(a, source, HTTP_GET, url, group, timeout_ms);
}

static struct asked ask(const char *url, enum api_group group, int64_t timeout_ms)
{
	struct asked a;

	post_ask(&a, SOURCE, url, group, timeout_ms);
	AWAIT_FAST(atomic_load(&a.done));
	return a;
}

/* In any minute, as the platform has seen them. */
static unsigned most_in_a_minute(const char *path)
{
	unsigned most = 0;

	pthread_mutex_lock(&p.lock);
	for (unsigned i = 0; i < p.seen_n; i++) {
		unsigned within = 0;
		for (unsigned k = i; k < p.seen_n; k++)
			within += strstr(p.seen[k].line, path) &&
				  p.seen[k].at_us - p.seen[i].at_us < 60 * SECOND_US;
		most = within > most ? within : most;
	}
	pthread_mutex_unlock(&p.lock);
	return most;
}

/* --- tokens --- */

static void a_session_goes_live(void **state)
{
	(void)state;
	go_live();
	assert_int_equal(platform_count(&p, "POST /restapi/oauth/token", 0), 1);
	assert_int_equal(platform_count(&p, "POST /restapi/oauth/wstoken", 0), 1);
	assert_string_equal(READ(p.seen[0]).authorization, "Basic YzpzZWNyZXQ=");
	AWAIT_FAST(resynced(1));
	platform_event(&p, "u1", "s-1");
	platform_event(&p, "u1", "s-1");
	platform_event(&p, "u2", "s-1");
	AWAIT_FAST(told("'u2'") || told("\"u2\""));
	assert_int_equal(told("\"u1\""), 1);
}

static void tokens_are_renewed_before_their_end(void **state)
{
	(void)state;
	SET(refresh, true);
	configure("ringcentral", NO_EVENTS);
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	skip_ms(3400 * 1000);
	let_pass(1000);
	assert_int_equal(READ(p.tokens), 1);
	skip_ms(90 * 1000); /* two minutes before its end */
	AWAIT_FAST(platform_count(&p, "POST /restapi/oauth/token", 0) == 2);
	settle();
	/* A refresh token that does not hold gives way to the JWT. */
	platform_rule(&p, (struct platform_rule){ .path = "/restapi/oauth/token",
						  .times = 1,
						  .status = 400,
						  .body = "{'error':'invalid_grant'}" });
	skip_ms(3500 * 1000);
	AWAIT_FAST(platform_count(&p, "POST /restapi/oauth/token", 0) == 4);
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	assert_int_equal(ask("/test/x", API_GROUP_LIGHT, 10000).status, 200);
	assert_int_equal(platform_count(&p, "GET /test", 0), 1);
}

static void a_401_renews_once(void **state)
{
	(void)state;
	configure("ringcentral", NO_EVENTS);
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	assert_int_equal(ask("/test/a", API_GROUP_LIGHT, 10000).status, 200);
	SET(good_from, 2);
	assert_int_equal(ask("/test/b", API_GROUP_LIGHT, 10000).status, 200);
	assert_int_equal(platform_count(&p, "POST /restapi/oauth/token", 0), 2);
	/* It is not the token: no other is asked for again and again. */
	platform_rule(&p, (struct platform_rule){ .path = "/test", .times = 100, .status = 401 });
	for (int i = 0; i < 5; i++)
		assert_int_equal(ask("/test/c", API_GROUP_LIGHT, 10000).status, 401);
	assert_true(platform_count(&p, "POST /restapi/oauth/token", 0) <= 3);
}

static void wrong_credentials_are_not_hammered(void **state)
{
	char why[CONNECT_WHY_MAX];

	(void)state;
	platform_rule(&p,
		      (struct platform_rule){ .path = "/restapi/oauth/token",
					      .times = 100,
					      .status = 400,
					      .body = "{'error':'invalid_grant',"
						      "'error_description':'JWT is revoked'}" });
	configure("ringcentral", GATEWAY);
	AWAIT_FAST(is(CONNECT_DENIED, why));
	assert_non_null(strstr(why, "JWT is revoked"));
	skip_ms(590 * 1000);
	let_pass(2000);
	assert_int_equal(platform_count(&p, "POST /restapi/oauth/token", 0), 1);
	assert_int_equal(ask("/test/x", API_GROUP_LIGHT, 30000).end, CLIENT_NOT_SENT);
	skip_ms(10 * 1000);
	AWAIT_FAST(platform_count(&p, "POST /restapi/oauth/token", 0) == 2);
	/* Other credentials are tried at once. */
	pthread_mutex_lock(&p.lock);
	p.rules[0].times = 0;
	pthread_mutex_unlock(&p.lock);
	put_secret("j", "another");
	configure("ringcentral", GATEWAY);
	AWAIT(is(CONNECT_LIVE, NULL));
}

static void a_secret_that_is_missing_is_named(void **state)
{
	char why[CONNECT_WHY_MAX];

	(void)state;
	configure("ringcentral",
		  "{'client_id':'c','client_secret':{'file':'s'},'jwt':{'file':'nowhere'}}");
	AWAIT_FAST(is(CONNECT_DENIED, why));
	assert_non_null(strstr(why, "jwt: "));
	assert_int_equal(READ(p.seen_n), 0);
}

static void a_platform_that_fails_is_tried_again(void **state)
{
	(void)state;
	platform_rule(&p, (struct platform_rule){
				  .path = "/restapi/oauth/token", .times = 2, .status = 503 });
	int64_t begun_us = now();
	configure("ringcentral", NO_EVENTS);
	AWAIT_AT(100, is(CONNECT_WAITING, NULL));
	AWAIT_AT(100, is(CONNECT_LIVE, NULL));
	assert_int_equal(platform_count(&p, "POST /restapi/oauth/token", 0), 3);
	assert_true(now() - begun_us >= 20 * SECOND_US); /* 10 s each */
}

/* --- budgets --- */

static void a_penalty_is_sat_out(void **state)
{
	(void)state;
	configure("ringcentral", NO_EVENTS);
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	platform_rule(&p, (struct platform_rule){ .path = "/test/heavy",
						  .times = 1,
						  .status = 429,
						  .headers = "X-Rate-Limit-Group: heavy\n"
							     "X-Rate-Limit-Limit: 10\n"
							     "Retry-After: 40\n" });
	assert_int_equal(ask("/test/heavy", API_GROUP_HEAVY, 5000).status, 429);
	int64_t from_us = now();
	/* Light ones go on; heavy ones are refused at once when they cannot come in time ... */
	assert_int_equal(ask("/test/light", API_GROUP_LIGHT, 5000).status, 200);
	assert_int_equal(ask("/test/heavy", API_GROUP_HEAVY, 5000).end, CLIENT_NOT_SENT);
	/* ... and wait for their turn when they can. */
	struct asked a;
	post_ask(&a, SOURCE, "/test/heavy", API_GROUP_HEAVY, 100 * 1000);
	skip_ms(38 * 1000);
	let_pass(1000);
	assert_int_equal(platform_count(&p, "GET /test/heavy", from_us), 0);
	AWAIT_FAST(atomic_load(&a.done));
	assert_int_equal(a.status, 200);
	assert_true(now() - from_us >= 40 * SECOND_US);
}

static void a_penalty_without_a_group_stops_all(void **state)
{
	struct asked a;

	(void)state;
	configure("ringcentral", NO_EVENTS);
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	platform_rule(&p,
		      (struct platform_rule){ .path = "/test/heavy", .times = 1, .status = 429 });
	/* What can wait goes again by itself. */
	int64_t from_us = now();
	post_ask(&a, SOURCE, "/test/heavy", API_GROUP_HEAVY, 60 * 1000);
	AWAIT(platform_count(&p, "GET /test/heavy", 0) == 1);
	int64_t penalty_us = now();
	struct asked b;
	post_ask(&b, SOURCE, "/test/light", API_GROUP_LIGHT, 60 * 1000);
	skip_ms(28 * 1000);
	let_pass(1000);
	assert_int_equal(platform_count(&p, "GET /test/", penalty_us), 0);
	AWAIT_FAST(atomic_load(&a.done) && atomic_load(&b.done));
	assert_int_equal(a.status, 200);
	assert_int_equal(b.status, 200);
	assert_true(now() - from_us >= 30 * SECOND_US);
}

static void a_budget_is_never_passed(void **state)
{
	enum { N = 40 };
	static struct asked asks[N];

	(void)state;
	configure("ringcentral", NO_EVENTS);
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	int64_t from_us = now();
	for (int i = 0; i < N; i++)
		post_ask(&asks[i], SOURCE, "/test/heavy", API_GROUP_HEAVY, 600 * 1000);
	for (int i = 0; i < N; i++) {
		AWAIT_AT(300, atomic_load(&asks[i].done));
		assert_int_equal(asks[i].status, 200);
	}
	assert_true(now() - from_us >= 180 * SECOND_US);
	assert_true(most_in_a_minute("/test/heavy") <= 10);
}

/* The platform is slow, and far more is asked than goes out at a time: within the budget all of it
 * has its turn. */
static void many_at_once_wait_for_their_turn(void **state)
{
	enum { N = 45 };
	static struct asked asks[N];

	(void)state;
	configure("ringcentral", NO_EVENTS);
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	pthread_mutex_lock(&p.lock); /* it answers nobody */
	for (int i = 0; i < N; i++)
		post_ask(&asks[i], SOURCE, "/test/light", API_GROUP_LIGHT, 60 * 1000);
	pthread_mutex_unlock(&p.lock);
	for (int i = 0; i < N; i++) {
		AWAIT(atomic_load(&asks[i].done));
		assert_int_equal(asks[i].status, 200);
	}
}

static unsigned shard_of(const char *source)
{
	struct uuid id;

	assert_int_equal(uuid_parse(&id, span_of(source)), 0);
	return (unsigned)(uuid_hash(&id) % SHARDS);
}

/* Of one user and app, on two shards. */
static void two_sources_share_a_budget(void **state)
{
	enum { N = 24 };
	static struct asked asks[N];

	(void)state;
	assert_int_not_equal(shard_of(SOURCE), shard_of(OTHER_SOURCE));
	configure_two("ringcentral", NO_EVENTS);
	AWAIT_FAST(is(CONNECT_LIVE, NULL) && is_at(OTHER_SOURCE, CONNECT_LIVE, NULL));
	int64_t from_us = now();
	for (int i = 0; i < N; i++)
		post_ask(&asks[i], i % 2 ? SOURCE : OTHER_SOURCE, "/test/heavy", API_GROUP_HEAVY,
			 600 * 1000);
	for (int i = 0; i < N; i++) {
		AWAIT_AT(300, atomic_load(&asks[i].done));
		assert_int_equal(asks[i].status, 200);
	}
	assert_true(now() - from_us >= 120 * SECOND_US);
	assert_true(most_in_a_minute("/test/heavy") <= 10);
	/* A penalty of one is a penalty of the other. */
	platform_rule(&p, (struct platform_rule){ .path = "/test/heavy",
						  .times = 1,
						  .status = 429,
						  .headers = "X-Rate-Limit-Group: heavy\n"
							     "Retry-After: 600\n" });
	skip_ms(70 * 1000);
	assert_int_equal(ask("/test/heavy", API_GROUP_HEAVY, 5000).status, 429);
	post_ask(&asks[0], OTHER_SOURCE, "/test/heavy", API_GROUP_HEAVY, 5000);
	AWAIT_FAST(atomic_load(&asks[0].done));
	assert_int_equal(asks[0].end, CLIENT_NOT_SENT);
}

static void requests_that_cannot_go_are_refused(void **state)
{
	struct asked a;
	char url[100];

	(void)state;
	configure("ringcentral", NO_EVENTS);
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	a = ask("https://evil.example.com/x", API_GROUP_LIGHT, 5000);
	assert_int_equal(a.end, CLIENT_NOT_SENT);
	assert_non_null(strstr(a.error, "platform"));
	assert_int_equal(ask("https://evil.com/.ringcentral.com", API_GROUP_LIGHT, 5000).end,
			 CLIENT_NOT_SENT);
	assert_int_equal(ask("https://a@b.ringcentral.com/", API_GROUP_LIGHT, 5000).end,
			 CLIENT_NOT_SENT);
	platform_url(&p, url);
	strcat(url, "/test/whole");
	a = ask(url, API_GROUP_NONE, 5000);
	assert_int_equal(a.status, 200);
	assert_true(llabs(a.provider_us - clock_now_us()) < 30 * SECOND_US);
	post_ask(&a, "33333333-3333-7333-8333-000000000009", "/test", API_GROUP_LIGHT, 5000);
	AWAIT_FAST(atomic_load(&a.done));
	assert_int_equal(a.end, CLIENT_NOT_SENT);
}

/* --- the gateway --- */

static void a_lost_socket_is_recovered(void **state)
{
	(void)state;
	go_live();
	AWAIT_FAST(resynced(1));
	platform_event(&p, "u1", "s-1");
	AWAIT_FAST(told("\"u1\""));
	platform_drop(&p);
	platform_event(&p, "u2", "s-1"); /* nobody is there, or not any more */
	platform_event(&p, "u3", "s-2");
	AWAIT_FAST(told("\"u2\"") && told("\"u3\""));
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	platform_event(&p, "u4", "s-1");
	AWAIT_FAST(told("\"u4\""));
	assert_int_equal(n.told_n, 4);
	assert_int_equal(atomic_load(&p.subscribed), 1);
	assert_int_equal(platform_count(&p, "GET /restapi/v1.0/account/~/presence", 0), 1);
}

static void what_cannot_be_recovered_is_asked_for(void **state)
{
	(void)state;
	go_live();
	AWAIT_FAST(resynced(1));
	SET(no_recovery, true);
	SET(skew_us, -600 * SECOND_US);
	SET(presence, "{'extension':{'id':1},'activeCalls':[{'telephonySessionId':'s-1'},"
		      "{'telephonySessionId':'s-2'}]},{'activeCalls':[]}");
	SET(calls, " s-1 s-2 ");
	n.live = "s-2\ns-gone\n";
	platform_drop(&p);
	AWAIT_FAST(resynced(2) && atomic_load(&n.told_n) == 3);
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	assert_int_equal(atomic_load(&p.subscribed), 2);
	assert_int_equal(told("\"callmend\":\"resync\""), 3);
	assert_int_equal(told("\"found\":true"), 2);
	assert_int_equal(told("telephony/sessions\",\"id\":\"s-gone\""), 1);
	assert_int_equal(told("\"found\":false,\"body\":{\"id\":\"s-gone\"}"), 1);
	/* The platform's clock, not ours. */
	struct json one = json_of(span_of(n.told[0]));
	struct arena a = { 0 };
	int64_t date_us = 0;
	assert_true(clock_parse(json_text(json_get(one, "date"), &a), &date_us));
	assert_true(llabs(date_us - (clock_now_us() - 600 * SECOND_US)) < 30 * SECOND_US);
	arena_fini(&a);
	platform_event(&p, "u9", "s-2");
	AWAIT_FAST(told("\"u9\""));
}

/* Nobody gets through while so many events come; then all it keeps of them. */
static void miss(unsigned events, const char *uuids)
{
	int before = atomic_load(&p.sockets);
	char uuid[16];

	platform_rule(&p, (struct platform_rule){ .path = "/ws", .times = 10000, .status = 503 });
	platform_drop(&p);
	AWAIT_FAST(is(CONNECT_WAITING, NULL));
	for (unsigned i = 0; i < events; i++) {
		snprintf(uuid, sizeof(uuid), "%s%03u", uuids, i);
		platform_event(&p, uuid, i % 2 ? "s-1" : "s-2");
	}
	SET(rules[0].times, 0);
	skip_ms(61 * 1000);
	AWAIT_FAST(atomic_load(&p.sockets) > before && is(CONNECT_LIVE, NULL));
}

static void more_than_the_platform_keeps_is_asked_for(void **state)
{
	enum { KEPT = 40 };

	(void)state;
	SET(kept, KEPT);
	SET(skew_us, -600 * SECOND_US);
	SET(calls, " s-1 s-2 ");
	go_live();
	AWAIT_FAST(resynced(1));
	let_pass(2000);
	miss(KEPT - 1, "a");
	AWAIT_FAST(atomic_load(&n.told_n) == KEPT - 1);
	/* What comes afterwards is not what was missed. */
	SET(skew_us, -590 * SECOND_US);
	platform_event(&p, "b", "s-1");
	platform_event(&p, "c", "s-1");
	AWAIT_FAST(told("\"c\""));
	let_pass(20 * 1000);
	assert_false(resynced(2));
	assert_int_equal(atomic_load(&n.missed_n), 0);

	n.live = "s-1\ns-gone\n";
	int before = atomic_load(&n.told_n);
	miss(KEPT + 5, "d");
	AWAIT_FAST(resynced(2) && atomic_load(&n.told_n) == before + KEPT + 2);
	assert_int_equal(told("\"d004\""), 0);
	assert_int_equal(told("\"d005\""), 1);
	assert_int_equal(told("\"id\":\"s-gone\""), 1);
	AWAIT_FAST(atomic_load(&n.missed_n) == 1);
	assert_int_equal(atomic_load(&p.subscribed), 1); /* it stands */
	/* Since before the loss, a minute ago, by the platform's clock; a minute more in any case.
	 */
	assert_true(atomic_load(&n.missed_since_us) < clock_now_us() - (590 + 60 + 50) * SECOND_US);
}

static void a_resync_survives_trouble(void **state)
{
	(void)state;
	SET(presence,
	    "{'activeCalls':[{'telephonySessionId':'s-1'},{'telephonySessionId':'s-2'}]}");
	SET(calls, " s-1 s-2 s-3 ");
	n.live = "s-3\n";
	platform_rule(&p, (struct platform_rule){ .path = "/restapi/v1.0/account/~/presence",
						  .times = 2,
						  .status = 502 });
	platform_rule(&p, (struct platform_rule){ .path = "/restapi/v1.0/account/~/telephony",
						  .times = 1,
						  .status = 429,
						  .headers = "X-Rate-Limit-Group: light\n"
							     "Retry-After: 20\n" });
	platform_rule(&p, (struct platform_rule){ .path = "/restapi/v1.0/account/~/telephony",
						  .times = 2,
						  .status = 500 });
	go_live();
	AWAIT_AT(100, atomic_load(&n.told_n) == 3);
	let_pass(5000);
	assert_int_equal(n.told_n, 3);
	assert_int_equal(platform_count(&p, "GET /restapi/v1.0/account/~/presence", 0), 3);
	assert_int_equal(platform_count(&p, "GET /restapi/v1.0/account/~/telephony", 0), 6);
}

static long resyncs(const char *result)
{
	char name[80];
	struct buf text AUTO_BUF = { 0 };

	snprintf(name, sizeof(name), "callmend_connect_resyncs_total{result=\"%s\"} ", result);
	metrics_write(&text);
	const char *at = strstr(buf_z(&text), name);
	return at ? strtol(at + strlen(name), NULL, 10) : 0;
}

/* A call of an extension that we must not see, or whose id the platform does not take. */
static void one_refused_call_keeps_no_other(void **state)
{
	static const char *const refusals[] = { "{'errorCode':'CMN-101','message':'x'}",
						"{'errorCode':'CMN-401','message':'x'}" };

	long done = resyncs("done"), given_up = resyncs("given_up");

	(void)state;
	SET(presence, "{'activeCalls':[{'telephonySessionId':'s-1'},"
		      "{'telephonySessionId':'s-2'},{'telephonySessionId':'s-3'}]}");
	SET(calls, " s-1 s-2 s-3 ");
	platform_rule(&p, (struct platform_rule){
				  .path = "/restapi/v1.0/account/~/telephony/sessions/s-1",
				  .times = 1,
				  .status = 403,
				  .body = refusals[0] });
	go_live();
	AWAIT_FAST(resyncs("done") == done + 1);
	AWAIT_FAST(told("\"id\":\"s-2\"") && told("\"id\":\"s-3\""));
	/* All are refused, or it says that nothing is permitted. */
	SET(no_recovery, true);
	for (int i = 0; i < 2; i++) {
		settle();
		SET(rules[0].times, 0);
		platform_rule(&p,
			      (struct platform_rule){ .path = "/restapi/v1.0/account/~/telephony",
						      .times = 3,
						      .status = 403,
						      .body = refusals[i] });
		platform_drop(&p);
		AWAIT_FAST(resyncs("given_up") == given_up + i + 1);
	}
	assert_int_equal(resyncs("done"), done + 1);
	assert_int_equal(n.told_n, 2);
}

/* It answers 500 for one call as long as anybody asks. */
static void a_call_without_an_answer_keeps_no_later_loss(void **state)
{
	static const char path[] = "/restapi/v1.0/account/~/telephony/sessions/s-1";

	(void)state;
	SET(presence, "{'activeCalls':[{'telephonySessionId':'s-1'}]}");
	SET(calls, " s-1 s-2 ");
	platform_rule(&p, (struct platform_rule){ .path = path, .times = 1 << 30, .status = 500 });
	go_live();
	AWAIT_FAST(platform_count(&p, "GET /restapi/v1.0/account/~/telephony", 0) > 0);
	SET(presence, "{'activeCalls':[{'telephonySessionId':'s-2'}]}");
	SET(no_recovery, true);
	platform_drop(&p);
	AWAIT_FAST(told("\"id\":\"s-2\""));
	/* Nor is it forgotten. */
	SET(rules[0].times, 0);
	AWAIT_AT(100, told("\"id\":\"s-1\""));
}

/* A loss, and what the one before it asked for is refused. */
static void a_resync_that_is_given_up_takes_no_other_along(void **state)
{
	static const char path[] = "/restapi/v1.0/account/~/telephony";

	(void)state;
	SET(presence, "{'activeCalls':[{'telephonySessionId':'s-1'}]}");
	SET(calls, " s-1 ");
	platform_rule(&p, (struct platform_rule){ .path = path,
						  .times = 1,
						  .status = 429,
						  .headers = "X-Rate-Limit-Group: light\n"
							     "Retry-After: 300\n" });
	platform_rule(&p, (struct platform_rule){ .path = path, .times = 1, .status = 403 });
	go_live();
	AWAIT_FAST(platform_count(&p, "GET /restapi/v1.0/account/~/telephony", 0) == 1);
	SET(no_recovery, true);
	platform_drop(&p);
	AWAIT_FAST(atomic_load(&p.subscribed) == 2 && is(CONNECT_LIVE, NULL));
	skip_ms(301 * 1000);
	AWAIT_FAST(told("\"id\":\"s-1\""));
	assert_int_equal(platform_count(&p, "GET /restapi/v1.0/account/~/presence", 0), 2);
}

static void presence_may_be_forbidden(void **state)
{
	(void)state;
	n.live = "s-3\n";
	platform_rule(&p, (struct platform_rule){
				  .path = "/restapi/v1.0/account/~/presence",
				  .times = 100,
				  .status = 403,
				  .body = "{'errors':[{'errorCode':'CMN-401','message':'x'}]}" });
	go_live();
	AWAIT_FAST(told("\"found\":false"));
}

/* 200 with half a page (a proxy of somebody's): no refusal, so it is asked again soon. */
static void half_an_answer_is_asked_for_again(void **state)
{
	(void)state;
	SET(presence, "{'activeCalls':[{'telephonySessionId':'s-1'}]}");
	SET(calls, " s-1 ");
	platform_rule(&p, (struct platform_rule){ .path = "/restapi/v1.0/account/~/presence",
						  .times = 1,
						  .status = 200,
						  .body = "{'records':[" });
	platform_rule(&p, (struct platform_rule){ .path = "/restapi/v1.0/account/~/telephony",
						  .times = 1,
						  .status = 200,
						  .body = "<html>" });
	go_live();
	AWAIT_FAST(told("\"id\":\"s-1\""));
	assert_int_equal(platform_count(&p, "GET /restapi/v1.0/account/~/presence", 0), 2);
	assert_int_equal(platform_count(&p, "GET /restapi/v1.0/account/~/telephony", 0), 2);
}

static void a_restart_goes_on_where_it_was(void **state)
{
	(void)state;
	go_live();
	AWAIT_FAST(resynced(1));
	platform_event(&p, "u1", "s-1");
	AWAIT_FAST(told("\"u1\""));
	/* This one does not become durable: it was not told when the node comes back. */
	atomic_store(&n.keep, true);
	platform_event(&p, "u2", "s-1");
	AWAIT(!atomic_load(&n.keep));
	platform_event(&p, "u3", "s-2");
	AWAIT_FAST(told("\"u3\""));
	let_pass(3000);
	/* The node stops, and its calls say so last of all. */
	shards_stop(n.shards);
	n.kept->code = E_CLOSED;
	n.kept->done(n.kept);
	n.kept = NULL;
	connect_free(n.connect);
	n.shards = NULL;
	platform_event(&p, "u4", "s-1");
	skip_ms(100 * 1000);
	start_node();
	put_directory();
	AWAIT_FAST(told("\"u2\"") && told("\"u4\""));
	assert_int_equal(told("\"u2\""), 1);
	assert_int_equal(told("\"u1\""), 1);
	assert_int_equal(atomic_load(&p.subscribed), 1);
	assert_int_equal(platform_count(&p, "GET /restapi/v1.0/account/~/presence", 0), 1);
}

enum { POOL = 4 }; /* libuv's threads for files */
struct busy {
	uv_loop_t loop;
	uv_work_t work[POOL];
};
static atomic_int busy_n;

static void be_busy(uv_work_t *w)
{
	(void)w; /* libuv hands it over, and back, unseen by ThreadSanitizer */
	atomic_fetch_add(&busy_n, 1);
	while (atomic_load(&n.ended) < SHARDS)
		nap();
	atomic_fetch_sub(&busy_n, 1);
}

static void no_longer_busy(uv_work_t *w, int status)
{
	(void)w, (void)status;
}

static void busy_start(struct busy *b)
{
	assert_int_equal(uv_loop_init(&b->loop), 0);
	atomic_store(&busy_n, 0);
	for (unsigned i = 0; i < POOL; i++)
		assert_int_equal(uv_queue_work(&b->loop, &b->work[i], be_busy, no_longer_busy), 0);
	AWAIT(atomic_load(&busy_n) == POOL);
}

static void busy_end(struct busy *b)
{
	AWAIT(atomic_load(&busy_n) == 0);
	uv_run(&b->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&b->loop), 0);
}

/* The disk is slow: the file is still being written when the node stops. */
static void a_stop_behind_a_write_keeps_the_place(void **state)
{
	struct busy busy = { 0 };

	(void)state;
	go_live();
	AWAIT_FAST(resynced(1));
	let_pass(3000);
	busy_start(&busy);
	platform_event(&p, "u1", "s-1");
	AWAIT_FAST(told("\"u1\""));
	let_pass(3000); /* waits to be written from here on */
	platform_event(&p, "u2", "s-1");
	AWAIT_FAST(told("\"u2\""));
	stop_node();
	busy_end(&busy);
	platform_event(&p, "u3", "s-1");
	start_node();
	put_directory();
	AWAIT_FAST(told("\"u3\""));
	assert_int_equal(told("\"u2\""), 1);
	assert_int_equal(atomic_load(&p.subscribed), 1);
	assert_int_equal(platform_count(&p, "GET /restapi/v1.0/account/~/presence", 0), 1);
}

static void a_late_restart_asks_for_everything(void **state)
{
	char text[200];

	(void)state;
	go_live();
	AWAIT_FAST(resynced(1));
	platform_event(&p, "u1", "s-1");
	AWAIT_FAST(told("\"u1\""));
	let_pass(2000);
	stop_node();
	/* The file's clock is the wall's: made to look old. */
	snprintf(text, sizeof(text),
		 "sed -i 's/\"at\":\"20[0-9][0-9]/\"at\":\"2019/' %s/connect/" SOURCE ".json",
		 n.folder);
	assert_int_equal(shell(&(struct buf){ 0 }, "%s", text), 0);
	start_node();
	put_directory();
	AWAIT_FAST(is(CONNECT_LIVE, NULL) && resynced(2));
	assert_int_equal(platform_count(&p, "GET /ws?access_token=W&wsc", 0), 0);
	assert_int_equal(atomic_load(&p.subscribed), 2);
}

/* The socket's frames come in order: with this one, everything sent before is here. */
static void read_all(const char *uuid)
{
	char quoted_uuid[32];

	snprintf(quoted_uuid, sizeof(quoted_uuid), "\"%s\"", uuid);
	platform_event(&p, uuid, "s-1");
	AWAIT(told(quoted_uuid));
}

static void silence_is_probed(void **state)
{
	(void)state;
	go_live();
	AWAIT_FAST(resynced(1));
	skip_ms(31 * 1000);
	AWAIT(atomic_load(&p.heartbeats) == 1);
	read_all("u1");
	skip_ms(31 * 1000);
	AWAIT(atomic_load(&p.heartbeats) == 2);
	read_all("u2");
	assert_int_equal(atomic_load(&p.sockets), 1);
	SET(no_echo, true);
	AWAIT_AT(100, atomic_load(&p.heartbeats) >= 3);
	AWAIT_AT(100, atomic_load(&p.sockets) == 2);
	SET(no_echo, false);
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	assert_int_equal(atomic_load(&p.subscribed), 1);
}

static void the_platforms_time_limit_is_met_ahead(void **state)
{
	(void)state;
	SET(absolute_s, 100);
	go_live();
	AWAIT_FAST(resynced(1));
	for (int i = 0; i < 3; i++) {
		skip_ms(28 * 1000);
		let_pass(500);
	}
	assert_int_equal(atomic_load(&p.sockets), 1);
	skip_ms(7 * 1000);
	AWAIT_FAST(atomic_load(&p.sockets) == 2);
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	assert_int_equal(atomic_load(&p.subscribed), 1);
}

static void an_announced_end_is_followed(void **state)
{
	(void)state;
	go_live();
	AWAIT_FAST(resynced(1));
	platform_frame(&p, "[{'type':'Error','messageId':'e','status':400},{'errorCode':'WSG-902',"
			   "'message':'idle'}]");
	AWAIT_FAST(atomic_load(&p.sockets) == 2);
	platform_frame(&p, "nonsense");
	platform_event(&p, "u1", "s-1");
	AWAIT_FAST(told("\"u1\""));
	assert_int_equal(atomic_load(&p.subscribed), 1);
}

static void frames_that_cannot_be_read_are_a_loss(void **state)
{
	static const char *const frames[] = {
		"[{'type':'ServerNotification','wsc':{'token':'TX','sequence':1}},{'uuid':'x'",
		"[{'type':'ServerNotification'},'no object']",
		"[{'type':'ServerNotification'}]",
	};

	(void)state;
	go_live();
	AWAIT_FAST(resynced(1));
	let_pass(1000);
	catch_log();
	for (int i = 0; i < 3; i++) {
		int64_t from_us = now();
		platform_frame(&p, frames[i]);
		AWAIT_AT(100, resynced(2U + (unsigned)i) && atomic_load(&n.missed_n) == i + 1);
		assert_true(i == 0 || now() - from_us > 50 * SECOND_US); /* not one for each */
	}
	assert_true(logged("{\"uuid\":\"x\"") && logged("no object") && logged("\"***\""));
	assert_false(logged("TX"));
	assert_int_equal(atomic_load(&p.subscribed), 1);
}

static void frames_of_unknown_types_are_logged(void **state)
{
	(void)state;
	go_live();
	AWAIT_FAST(resynced(1));
	catch_log();
	platform_frame(&p, "[{'type':'Novelty','messageId':'m'},{'body':{'a':1}}]");
	AWAIT(logged("[{\"type\":\"Novelty\",\"messageId\":\"m\"},{\"body\":{\"a\":1}}]"));
	let_pass(2000);
	assert_false(resynced(2));
}

static void a_missing_permission_is_no_loop(void **state)
{
	char why[CONNECT_WHY_MAX];

	(void)state;
	SET(reply, "403 {'errorCode':'SUB-528','message':'Not allowed'}");
	configure("ringcentral", GATEWAY);
	AWAIT_FAST(is(CONNECT_DENIED, why));
	assert_non_null(strstr(why, "SUB-528"));
	assert_non_null(strstr(why, "WebSocket"));
	skip_ms(580 * 1000);
	let_pass(5000);
	assert_int_equal(atomic_load(&p.sockets), 1);
	assert_int_equal(platform_count(&p, "POST /restapi/oauth/wstoken", 0), 1);
	SET(reply, NULL);
	skip_ms(20 * 1000);
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
}

/* Its address is optional in the answer. */
static void a_gateway_that_nobody_names_is_no_loop(void **state)
{
	char why[CONNECT_WHY_MAX];

	(void)state;
	platform_rule(&p, (struct platform_rule){ .path = "/restapi/oauth/wstoken",
						  .times = 1,
						  .status = 200,
						  .body = "{'ws_access_token':'W'}" });
	configure("ringcentral", GATEWAY);
	AWAIT_FAST(is(CONNECT_DENIED, why));
	assert_non_null(strstr(why, "address (uri)"));
	skip_ms(580 * 1000);
	let_pass(5000);
	assert_int_equal(platform_count(&p, "POST /restapi/oauth/wstoken", 0), 1);
	skip_ms(20 * 1000);
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
}

static void refused_filters_are_told(void **state)
{
	char why[CONNECT_WHY_MAX];

	(void)state;
	SET(reply, "200 {'id':'sub-1','status':'Active','eventFilters':[],'disabledFilters':[{"
		   "'filter':'/restapi/x','reason':'r','message':'no licence'}]}");
	configure("ringcentral", GATEWAY);
	AWAIT_FAST(is(CONNECT_LIVE, why));
	assert_non_null(strstr(why, "/restapi/x"));
	assert_non_null(strstr(why, "no licence"));
}

/* Also after a recovery, and after a restart that goes on: the subscription is the same. */
static void refused_filters_stay_told(void **state)
{
	char why[CONNECT_WHY_MAX] = "";

	(void)state;
	SET(reply, "200 {'id':'sub-1','status':'Active','eventFilters':[],'disabledFilters':[{"
		   "'filter':'/restapi/x','reason':'r','message':'no licence'}]}");
	go_live();
	AWAIT_FAST(resynced(1));
	platform_drop(&p);
	AWAIT_FAST(atomic_load(&p.sockets) == 2 && is(CONNECT_LIVE, why));
	assert_non_null(strstr(why, "no licence"));
	read_all("u1");
	let_pass(2000);
	stop_node();
	start_node();
	put_directory();
	AWAIT_FAST(atomic_load(&p.sockets) == 3 && is(CONNECT_LIVE, why));
	assert_non_null(strstr(why, "no licence"));
	assert_int_equal(atomic_load(&p.subscribed), 1);
	/* Another subscription, another answer. */
	SET(reply, NULL);
	SET(no_recovery, true);
	platform_drop(&p);
	AWAIT_FAST(atomic_load(&p.subscribed) == 2 && is(CONNECT_LIVE, why));
	assert_string_equal(why, "");
}

/* The state is the same, the reason is another. */
static void the_reason_told_is_the_latest(void **state)
{
	static const char nowhere[] = "{'client_id':'c','client_secret':{'file':'no-secret'},"
				      "'jwt':{'file':'no-jwt'}}";
	char why[CONNECT_WHY_MAX] = "";

	(void)state;
	configure("ringcentral", nowhere);
	AWAIT_FAST(is(CONNECT_DENIED, why) && strstr(why, "client_secret: "));
	put_secret("no-secret", "secret");
	configure("ringcentral", nowhere);
	AWAIT_FAST(is(CONNECT_DENIED, why) && strstr(why, "jwt: "));
	platform_rule(&p, (struct platform_rule){ .path = "/restapi/v1.0/subscription",
						  .times = 1,
						  .status = 503 });
	platform_rule(&p, (struct platform_rule){ .method = "POST",
						  .path = "/restapi/v1.0/subscription",
						  .times = 1,
						  .status = 400,
						  .body = "{'errorCode':'SUB-524'}" });
	configure("ringcentral", HOOK);
	AWAIT_FAST(is(CONNECT_WAITING, why) && strstr(why, "listing"));
	int64_t waiting_us = since_us();
	AWAIT_AT(100, is(CONNECT_WAITING, why) && strstr(why, "SUB-524"));
	assert_true(since_us() == waiting_us); /* of the state */
	AWAIT_AT(100, is(CONNECT_LIVE, why));
	assert_string_equal(why, "");
}

static void refused_sockets_spare_the_auth_budget(void **state)
{
	(void)state;
	platform_rule(&p, (struct platform_rule){ .path = "/ws", .times = 12, .status = 503 });
	int64_t from_us = now();
	configure("ringcentral", GATEWAY);
	AWAIT_AT(200, is(CONNECT_LIVE, NULL));
	assert_true(now() - from_us > 120 * SECOND_US);
	assert_true(most_in_a_minute("/restapi/oauth") <= 5);
}

/* --- texts --- */

#define TEXT(id, state) \
	"{'id':" id ",'type':'SMS','messageStatus':'" state "','conversation':{'id':'77'}}"
#define CHANGED                                                                          \
	"[{'type':'ServerNotification'},{'uuid':'c%d','event':'/restapi/v1.0/account/1/" \
	"extension/2/message-store','body':{'changes':[{'type':'SMS','updatedCount':1}]}}]"

static void states_of_texts_are_asked_for(void **state)
{
	char frame[300];

	(void)state;
	SET(texts, TEXT("1", "Queued"));
	configure("ringcentral", WITH(",'events':'websocket','from_number':'+15550100'"));
	AWAIT_FAST(told("\"Queued\"") == 1); /* it may have been sent before we came */
	assert_int_equal(told("\"source_event\":\"message-store\",\"date\":\"20"), 1);
	SET(texts, TEXT("1", "Delivered") "," TEXT("2", "Queued"));
	for (int i = 0; i < 3; i++) {
		snprintf(frame, sizeof(frame), CHANGED, i);
		platform_frame(&p, frame);
	}
	AWAIT_FAST(told("\"Delivered\"") && told("\"Queued\"") == 2);
	assert_true(platform_count(&p, "GET /restapi/v1.0/account/~/extension", 0) <= 4);
	assert_int_equal(n.told_n, 3); /* each once, and no counts */
}

/* Documentation and captures disagree on how a conversation is named, and by what. */
static void texts_of_any_conversation_are_told(void **state)
{
	(void)state;
	SET(texts, "{'id':1,'messageStatus':'Delivered','conversationId':77},"
		   "{'id':2,'messageStatus':'Delivered','conversationId':'77'},"
		   "{'id':3,'messageStatus':'Delivered','conversation':{'id':77}},"
		   "{'id':'4','messageStatus':'Delivered','from':{'phoneNumber':'+15550100'},"
		   "'to':[{'phoneNumber':'+15550101'}]}");
	configure("ringcentral", WITH(",'events':'websocket','from_number':'+15550100'"));
	AWAIT_FAST(told("\"Delivered\"") == 4);
	assert_int_equal(n.told_n, 4);
}

#define SENT(id, state)                                                              \
	"{'id':'" id "','type':'SMS','direction':'Outbound','messageStatus':'" state \
	"','conversation':"                                                          \
	"{'id':'77'}}"
#define MESSAGES "/restapi/v1.0/account/~/extension/~/message-store"

/* Of conversations that nobody remembers, maybe: their texts are not told again. */
static void of_texts_that_are_stored_only_news_is_told(void **state)
{
	(void)state;
	SET(texts,
	    SENT("1", "Delivered") "," SENT("2", "Delivered") "," TEXT("'3'", "Received") "," SENT(
		    "5", "SendingFailed") "," TEXT("4", "Received"));
	n.stored = "{'1':['sent','delivered'],'2':['sent'],'3':[],'5':['failed']}";
	configure("ringcentral", WITH(",'events':'websocket','from_number':'+15550100'"));
	AWAIT_FAST(told("\"id\":4") == 1);
	assert_int_equal(told("\"known\":true"), 1);
	assert_true(strstr(n.told[place_of("\"known\":true")], "\"id\":\"2\""));
	assert_int_equal(n.told_n, 2);
}

static unsigned looks_at_texts(void)
{
	return platform_count(&p, "GET " MESSAGES "/", 0);
}

static void send_text(void)
{
	struct asked a;

	post_ask_as(&a, SOURCE, HTTP_POST, "/restapi/v1.0/account/~/extension/~/sms",
		    API_GROUP_MEDIUM, 30000);
	AWAIT_FAST(atomic_load(&a.done));
	assert_int_equal(a.status, 200);
}

static void texts_are_looked_up_where_nobody_tells(void **state)
{
	static const struct {
		const char *mode, *queued, *delivered;
	} rows[] = {
		{ HOOK_WITH(",'from_number':'+15550100'"), SENT("5", "Queued"),
		  SENT("5", "Delivered") },
		{ NO_EVENTS, SENT("6", "Queued"), SENT("6", "Delivered") },
	};

	(void)state;
	for (int i = 0; i < 2; i++) {
		unsigned before = looks_at_texts();
		SET(text, rows[i].queued);
		configure("ringcentral", rows[i].mode);
		AWAIT_FAST(is(CONNECT_LIVE, NULL));
		send_text();
		AWAIT_AT(200, looks_at_texts() >= before + 3);
		SET(text, rows[i].delivered);
		AWAIT_AT(200, told("\"Delivered\"") == i + 1);
		before = looks_at_texts();
		skip_ms(3600 * 1000);
		let_pass(1000);
		assert_int_equal(looks_at_texts(), before);
	}
	/* Each state once, in the dialect's own words. */
	assert_int_equal(told("\"Queued\""), 2);
	assert_int_equal(told("\"Delivered\""), 2);
	assert_int_equal(told("\"source_event\":\"message-store\""), 4);
}

static void texts_without_an_end_are_given_up(void **state)
{
	(void)state;
	configure("ringcentral", NO_EVENTS);
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	SET(text, SENT("5", "Sent"));
	int64_t sent_us = now();
	send_text();
	AWAIT_AT(1000, looks_at_texts() == 15);
	assert_true(now() - sent_us < 7200 * SECOND_US);
	assert_true(now() - sent_us > 1200 * SECOND_US); /* with growing pauses */
	for (int i = 0; i < 4; i++) {			 /* none is longer than five minutes */
		skip_ms(301 * 1000);
		let_pass(200);
	}
	assert_int_equal(looks_at_texts(), 15);
	/* One that is not there (any more) is asked for once. */
	send_text();
	SET(text, NULL);
	AWAIT_AT(50, looks_at_texts() == 16);
	skip_ms(3600 * 1000);
	let_pass(1000);
	assert_int_equal(looks_at_texts(), 16);
}

/* Nobody tells of a loss there, nor lists anything after it. */
static void texts_are_looked_up_after_a_restart(void **state)
{
	(void)state;
	SET(text, SENT("5", "Queued"));
	configure("ringcentral", NO_EVENTS);
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	send_text();
	AWAIT_FAST(looks_at_texts() > 0);
	configure("ringcentral", WITH(",'events':'none','insights':true"));
	unsigned before = looks_at_texts();
	AWAIT_AT(100, looks_at_texts() > before);
	let_pass(2000);
	stop_node();
	before = looks_at_texts();
	start_node();
	put_directory();
	AWAIT_AT(100, looks_at_texts() > before);
	SET(text, SENT("5", "Delivered"));
	AWAIT_AT(100, told("\"Delivered\"") == 1);
	let_pass(2000);
	stop_node();
	before = looks_at_texts();
	start_node();
	put_directory();
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	skip_ms(3600 * 1000);
	let_pass(1000);
	assert_int_equal(looks_at_texts(), before);
}

static void texts_are_left_alone_where_events_tell(void **state)
{
	(void)state;
	SET(text, SENT("5", "Queued"));
	configure("ringcentral", WITH(",'events':'websocket','from_number':'+15550100'"));
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	send_text();
	for (int i = 0; i < 4; i++) {
		skip_ms(10 * 1000);
		let_pass(200);
	}
	assert_int_equal(looks_at_texts(), 0);
}

/* --- what a loss is followed by --- */

static unsigned looks(void);

#define OF_TEXTS(more) WITH(",'events':'websocket','from_number':'+15550100'" more)
#define DAY_S (24 * 3600)

/* How often texts were asked for, or this page of them; since when the last time. */
static unsigned texts_asked(const char *page, int64_t *since_us)
{
	unsigned count = 0;

	pthread_mutex_lock(&p.lock);
	for (unsigned i = 0; i < p.seen_n; i++) {
		const char *line = p.seen[i].line, *from = strstr(line, "&dateFrom=");
		char iso[24];

		if (!strstr(line, "/message-store?") || !from || !strstr(line, page))
			continue;
		snprintf(iso, sizeof(iso), "%.19sZ", from + strlen("&dateFrom="));
		assert_true(!since_us || clock_parse(span_of(iso), since_us));
		count++;
	}
	pthread_mutex_unlock(&p.lock);
	return count;
}

/* After a start its database may come later. */
static void what_is_stored_is_waited_for(void **state)
{
	(void)state;
	SET(texts, TEXT("'1'", "Received") "," TEXT("'2'", "Received"));
	n.stored = "{'1':[]}";
	atomic_store(&n.unsaid, 3);
	configure("ringcentral", OF_TEXTS());
	AWAIT_FAST(told("\"id\":\"2\"") == 1);
	assert_int_equal(n.told_n, 1);
	assert_int_equal(texts_asked("", NULL), 4);
}

/* But not for ever: then all of them are told. */
static void what_is_stored_may_stay_unsaid(void **state)
{
	(void)state;
	SET(texts, TEXT("'1'", "Received") "," TEXT("'2'", "Received"));
	n.stored = "{'1':[]}";
	atomic_store(&n.unsaid, 1000);
	configure("ringcentral", OF_TEXTS());
	AWAIT_FAST(told("\"id\":\"1\"") == 1 && told("\"id\":\"2\"") == 1);
	assert_int_equal(texts_asked("", NULL), 7);
}

static void assert_ago(int64_t us, int64_t ago_s)
{
	int64_t off_us = clock_now_us() - ago_s * SECOND_US - us;

	if (llabs(off_us) > 600 * SECOND_US)
		fail_msg("off by %lld s", (long long)(off_us / SECOND_US));
}

/* Nobody gets through for so long, and the gateway's memory is shorter. */
static void be_away(int64_t s)
{
	int before = atomic_load(&p.sockets);

	platform_rule(&p, (struct platform_rule){ .path = "/ws", .times = 10000, .status = 503 });
	SET(no_recovery, true);
	platform_drop(&p);
	AWAIT_FAST(is(CONNECT_WAITING, NULL));
	skip_ms(s * 1000);
	AWAIT_FAST(platform_count(&p, "GET /ws", now() - 1 * SECOND_US) > 0);
	SET(rules[0].times, 0);
	skip_ms(61 * 1000);
	AWAIT_FAST(atomic_load(&p.sockets) > before && is(CONNECT_LIVE, NULL));
}

static void texts_of_a_long_loss_are_asked_for(void **state)
{
	int64_t since_us = 0;

	(void)state;
	configure("ringcentral", OF_TEXTS(""));
	AWAIT_FAST(texts_asked("", &since_us) == 1);
	assert_ago(since_us, 3600); /* nobody knows of anything before */
	be_away(5 * 3600);
	AWAIT_FAST(texts_asked("", &since_us) == 2);
	assert_ago(since_us, 6 * 3600);
	be_away(30 * DAY_S);
	AWAIT_FAST(texts_asked("", &since_us) == 3);
	assert_ago(since_us, 7 * DAY_S + 3600);
}

#define PAGE_OF_MORE "{'records':[],'navigation':{'nextPage':{'uri':'x'}}}"

/* While a page is out: the first is read again when the last is there. */
static void a_count_between_pages_is_not_forgotten(void **state)
{
	static const char *const path = MESSAGES;
	char frame[300];

	(void)state;
	configure("ringcentral", OF_TEXTS(""));
	AWAIT_FAST(texts_asked("", NULL) == 1);
	settle();
	platform_rule(&p, (struct platform_rule){ .path = path,
						  .times = 1,
						  .status = 429,
						  .headers = "X-Rate-Limit-Group: light\n"
							     "Retry-After: 20\n" });
	platform_rule(&p, (struct platform_rule){
				  .path = path, .times = 1, .status = 200, .body = PAGE_OF_MORE });
	snprintf(frame, sizeof(frame), CHANGED, 1);
	platform_frame(&p, frame);
	AWAIT_FAST(texts_asked("", NULL) == 2);
	snprintf(frame, sizeof(frame), CHANGED, 2);
	platform_frame(&p, frame);
	read_all("u1"); /* the count is here, too; the page is not */
	assert_int_equal(texts_asked("", NULL), 2);
	skip_ms(20 * 1000);
	AWAIT_FAST(texts_asked("&page=2&", NULL) == 1 && texts_asked("&page=1&", NULL) == 4);
}

/* The place is behind the count, and what it told of could not be read: nobody counts again. */
static void a_count_is_not_forgotten_by_a_restart(void **state)
{
	char frame[300];

	(void)state;
	configure("ringcentral", OF_TEXTS(""));
	AWAIT_FAST(texts_asked("", NULL) == 1);
	settle();
	platform_rule(&p,
		      (struct platform_rule){ .path = MESSAGES, .times = 10000, .status = 503 });
	snprintf(frame, sizeof(frame), CHANGED, 1);
	platform_frame(&p, frame);
	AWAIT_FAST(texts_asked("", NULL) == 2);
	read_all("u1");
	let_pass(2000);
	stop_node();
	SET(rules[0].times, 0);
	SET(texts, TEXT("1", "Delivered"));
	start_node();
	put_directory();
	AWAIT_FAST(told("\"Delivered\"") == 1);
	assert_int_equal(atomic_load(&p.subscribed), 1);
	/* That is over. */
	unsigned before = texts_asked("", NULL);
	let_pass(2000);
	stop_node();
	start_node();
	put_directory();
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	let_pass(2000);
	assert_int_equal(texts_asked("", NULL), before);
}

static void calls_of_a_loss_are_asked_for(void **state)
{
	(void)state;
	SET(skew_us, -7200 * SECOND_US);
	go_live();
	AWAIT_FAST(resynced(1));
	let_pass(2000);
	assert_int_equal(atomic_load(&n.missed_n), 0); /* nobody knows since when */
	platform_drop(&p);
	AWAIT_FAST(atomic_load(&p.sockets) == 2 && is(CONNECT_LIVE, NULL));
	let_pass(2000);
	assert_int_equal(atomic_load(&n.missed_n), 0); /* recovered */
	be_away(2 * DAY_S);
	AWAIT_FAST(atomic_load(&n.missed_n) == 1);
	assert_ago(atomic_load(&n.missed_since_us), 7200 + 2 * DAY_S); /* its clock */
	assert_ago(atomic_load(&n.missed_until_us), 7200);
	/* It cannot be taken, and another loss comes: asked for until it is, as one. */
	atomic_store(&n.missed_code, E_UNAVAILABLE);
	be_away(3600);
	AWAIT_FAST(atomic_load(&n.missed_n) >= 3);
	be_away(3600);
	int before = atomic_load(&n.missed_n);
	AWAIT_FAST(atomic_load(&n.missed_n) > before);
	assert_ago(atomic_load(&n.missed_since_us), 7200 + 7200);
	atomic_store(&n.missed_code, 0);
	before = atomic_load(&n.missed_n);
	AWAIT_FAST(atomic_load(&n.missed_n) > before);
	before = atomic_load(&n.missed_n);
	let_pass(120 * 1000);
	assert_int_equal(atomic_load(&n.missed_n), before);
}

/* The wall's clock of the kept file, put back by so long. */
static void age_file(const char *member, int64_t age_s)
{
	char then[CLOCK_ISO + 1];

	clock_format(clock_now_us() - age_s * SECOND_US, then);
	assert_int_equal(
		shell(&(struct buf){ 0 },
		      "grep -q '\"%s\"' %s/connect/" SOURCE
		      ".json && sed -i 's/\"%s\":\"[^\"]*\"/\"%s\":\"%s\"/' %s/connect/" SOURCE
		      ".json",
		      member, n.folder, member, member, then, n.folder),
		0);
}

static void a_restart_knows_how_long_it_was_away(void **state)
{
	int64_t since_us = 0;

	(void)state;
	configure("ringcentral", OF_TEXTS(""));
	AWAIT_FAST(texts_asked("", NULL) == 1 && resynced(1));
	read_all("u1");
	let_pass(2000);
	stop_node();
	age_file("at", 3 * DAY_S);
	age_file("good", 3 * DAY_S);
	start_node();
	put_directory();
	AWAIT_FAST(texts_asked("", &since_us) == 2 && atomic_load(&n.missed_n) == 1);
	assert_ago(since_us, 3 * DAY_S + 3600);
	assert_ago(atomic_load(&n.missed_since_us), 3 * DAY_S);
	assert_int_equal(atomic_load(&p.subscribed), 2);
}

/* Also when nothing else is lost: the gateway goes on where it was. */
static void what_was_not_asked_for_is_after_a_restart(void **state)
{
	(void)state;
	atomic_store(&n.missed_code, E_UNAVAILABLE);
	go_live();
	AWAIT_FAST(resynced(1));
	be_away(3600);
	AWAIT_FAST(atomic_load(&n.missed_n) >= 1);
	SET(no_recovery, false);
	read_all("u1");
	let_pass(2000);
	stop_node();
	age_file("lost", DAY_S);
	atomic_store(&n.missed_code, 0);
	int before = atomic_load(&n.missed_n);
	start_node();
	put_directory();
	AWAIT_FAST(is(CONNECT_LIVE, NULL) && atomic_load(&n.missed_n) == before + 1);
	assert_int_equal(atomic_load(&p.subscribed), 2);
	assert_ago(atomic_load(&n.missed_since_us), DAY_S);
	/* That is over. */
	let_pass(2000);
	stop_node();
	start_node();
	put_directory();
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	let_pass(5000);
	assert_int_equal(atomic_load(&n.missed_n), before + 1);
}

/* Its lookups take long, and the node stops meanwhile. */
static void a_resync_that_was_not_over_is_after_a_restart(void **state)
{
	long done = resyncs("done");

	(void)state;
	SET(presence, "{'activeCalls':[{'telephonySessionId':'s-1'}]}");
	SET(calls, " s-1 ");
	platform_rule(&p, (struct platform_rule){ .path = "/restapi/v1.0/account/~/telephony",
						  .times = 10000,
						  .status = 500 });
	go_live();
	AWAIT_FAST(platform_count(&p, "GET /restapi/v1.0/account/~/telephony", 0) > 0);
	let_pass(2000);
	stop_node();
	SET(rules[0].times, 0);
	start_node();
	put_directory();
	AWAIT_FAST(told("\"id\":\"s-1\"") && resyncs("done") == done + 1);
	assert_int_equal(atomic_load(&p.subscribed), 1);
	let_pass(2000);
	stop_node();
	start_node();
	put_directory();
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	let_pass(2000);
	assert_int_equal(resyncs("done"), done + 1);
}

/* It is over, and so is the walk over the texts; but the journal took nothing. */
static void what_was_told_to_a_full_journal_is_after_a_restart(void **state)
{
	long done = resyncs("done");

	(void)state;
	configure("ringcentral", OF_TEXTS(""));
	AWAIT_FAST(resyncs("done") == done + 1 && texts_asked("", NULL) == 1);
	settle();
	atomic_store(&n.full, -1);
	SET(presence, "{'activeCalls':[{'telephonySessionId':'s-1'}]}");
	SET(calls, " s-1 ");
	SET(texts, TEXT("1", "Delivered"));
	be_away(3600);
	AWAIT_FAST(resyncs("done") == done + 2 && texts_asked("", NULL) == 2);
	settle();
	let_pass(2000);
	SET(no_recovery, false);
	stop_node();
	atomic_store(&n.full, 0);
	start_node();
	put_directory();
	AWAIT_FAST(told("\"id\":\"s-1\"") && told("\"Delivered\""));
	assert_int_equal(atomic_load(&p.subscribed), 2);
	let_pass(2000);
	assert_int_equal(texts_asked("", NULL), 3);
	/* That is over. */
	stop_node();
	start_node();
	put_directory();
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	let_pass(2000);
	assert_int_equal(texts_asked("", NULL), 3);
	assert_int_equal(resyncs("done"), done + 3);
}

static void calls_of_a_blacklisted_webhook_are_asked_for(void **state)
{
	(void)state;
	configure("ringcentral", HOOK);
	AWAIT_FAST(is(CONNECT_LIVE, NULL) && resynced(1));
	assert_int_equal(atomic_load(&n.missed_n), 0);
	skip_ms(301 * 1000);
	AWAIT_FAST(looks() == 2);
	settle();
	pthread_mutex_lock(&p.lock);
	strcpy(p.hook_status, "Blacklisted");
	pthread_mutex_unlock(&p.lock);
	skip_ms(301 * 1000);
	AWAIT_FAST(atomic_load(&n.missed_n) == 1);
	/* What was delivered in vain before the last look, too. */
	int64_t window_us = atomic_load(&n.missed_until_us) - atomic_load(&n.missed_since_us);
	assert_true(window_us > 301 * SECOND_US);
	assert_true(window_us < 1500 * SECOND_US);
}

/* We were full: the subscription stands, and nobody brings that again. */
static void deliveries_that_we_refuse_are_a_loss(void **state)
{
	struct uuid id;

	(void)state;
	assert_int_equal(uuid_parse(&id, span_of(SOURCE)), 0);
	configure("ringcentral", HOOK);
	AWAIT_FAST(is(CONNECT_LIVE, NULL) && resynced(1));
	skip_ms(301 * 1000);
	AWAIT_FAST(looks() == 2);
	let_pass(1000);
	connect_refused(n.connect, &id);
	connect_refused(n.connect, &id);
	let_pass(1000);
	assert_false(resynced(2));
	skip_ms(301 * 1000);
	AWAIT_FAST(resynced(2) && atomic_load(&n.missed_n) == 1);
	skip_ms(301 * 1000);
	AWAIT_FAST(looks() == 4);
	let_pass(1000);
	assert_false(resynced(3)); /* once */
	assert_false(atomic_load(&n.missed_once));
}

/* Somebody before us has refused them for some minutes: the platform has not blacklisted us. */
static void what_nobody_tells_is_swept_up(void **state)
{
	(void)state;
	configure("ringcentral", HOOK_WITH(",'from_number':'+15550100'"));
	AWAIT_FAST(is(CONNECT_LIVE, NULL) && resynced(1) && texts_asked("", NULL) == 1);
	for (unsigned hour = 0; hour < 2; hour++) {
		for (unsigned i = 1; i <= 12; i++) {
			assert_false(resynced(2 + hour));
			skip_ms(300500);
			AWAIT_FAST(looks() == 1 + 12 * hour + i);
			settle();
			let_pass(200); /* its answer is taken, too */
		}
		AWAIT_FAST(resynced(2 + hour) && atomic_load(&n.missed_n) == 1 + (int)hour);
		assert_true(atomic_load(&n.missed_once));
		assert_ago(atomic_load(&n.missed_until_us), 0);
		assert_ago(atomic_load(&n.missed_since_us), 7200 + 1200);
	}
	assert_int_equal(texts_asked("", NULL), 1);
	assert_int_equal(READ(p.hooks_made), 1);
}

static bool far_back(void)
{
	int64_t since_us = atomic_load(&n.missed_since_us);

	return since_us && since_us < clock_now_us() - 7000 * SECOND_US;
}

/* What was swept is no loss: a restart has texts of its own time only. */
static void a_sweep_is_no_loss_for_a_restart(void **state)
{
	int64_t since_us = 0;

	(void)state;
	configure("ringcentral", HOOK_WITH(",'from_number':'+15550100'"));
	AWAIT_FAST(is(CONNECT_LIVE, NULL) && resynced(1) && texts_asked("", NULL) == 1);
	atomic_store(&n.missed_code, E_UNAVAILABLE);
	for (unsigned i = 0; i < 2; i++) {
		let_pass(2000);
		stop_node();
		atomic_store(&n.missed_since_us, 0);
		start_node();
		put_directory();
		AWAIT_FAST(texts_asked("", &since_us) == 2 + i && far_back());
		assert_ago(since_us, 3600);
		assert_ago(atomic_load(&n.missed_since_us), 7200);
		assert_false(atomic_load(&n.missed_once));
	}
}

static void calls_nobody_wants_are_not_asked_for(void **state)
{
	(void)state;
	configure("ringcentral",
		  OF_TEXTS(",'filters':['/restapi/v1.0/account/~/extension/1/telephony/sessions',"
			   "'/restapi/v1.0/account/~/telephony/sessions?direction=Inbound']"));
	AWAIT_FAST(is(CONNECT_LIVE, NULL) && resynced(1));
	be_away(3600);
	AWAIT_FAST(resynced(2));
	let_pass(5000);
	assert_int_equal(atomic_load(&n.missed_n), 0);
}

/* --- the journal --- */

static void a_full_journal_delays(void **state)
{
	(void)state;
	go_live();
	AWAIT_FAST(resynced(1));
	atomic_store(&n.full, -1);
	for (int i = 0; i < 50; i++) {
		char uuid[16];
		snprintf(uuid, sizeof(uuid), "u%02d", i);
		platform_event(&p, uuid, i % 2 ? "s-1" : "s-2");
	}
	AWAIT_FAST(atomic_load(&n.refused) > 3);
	assert_int_equal(n.told_n, 0);
	atomic_store(&n.full, 0);
	AWAIT_FAST(n.told_n == 50);
	for (int i = 2; i < 50; i++) { /* in the order of each call */
		char uuid[16], before[16];
		snprintf(uuid, sizeof(uuid), "\"u%02d\"", i);
		snprintf(before, sizeof(before), "\"u%02d\"", i - 2);
		assert_true(place_of(before) < place_of(uuid));
	}
}

static void beyond_the_bound_the_platform_keeps_them(void **state)
{
	enum { MANY = 1100 };

	(void)state;
	go_live();
	AWAIT_FAST(resynced(1));
	atomic_store(&n.full, -1);
	for (int i = 0; i < MANY; i++) {
		char uuid[16];
		snprintf(uuid, sizeof(uuid), "v%04d", i);
		platform_event(&p, uuid, "s-1");
	}
	AWAIT_FAST(is(CONNECT_WAITING, NULL));
	skip_ms(1000);
	atomic_store(&n.full, 0);
	AWAIT_FAST(n.told_n == MANY);
	assert_int_equal(told("\"v1099\""), 1);
	assert_int_equal(atomic_load(&p.subscribed), 1);
}

/* --- webhooks --- */

static unsigned looks(void)
{
	return platform_count(&p, "GET /restapi/v1.0/subscription", 0);
}

static void a_webhook_subscription_is_kept_alive(void **state)
{
	(void)state;
	configure("ringcentral", HOOK);
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	assert_int_equal(READ(p.hooks_made), 1);
	assert_true(
		READ(strcmp(p.hook_address, "https://node.example.com/in/ringcentral/main") == 0));
	AWAIT_FAST(resynced(1));
	/* Looked at every five minutes, and left alone. */
	unsigned before = looks();
	skip_ms(301 * 1000);
	AWAIT_FAST(looks() == before + 1);
	let_pass(2000);
	assert_int_equal(READ(p.hooks_made + p.hooks_changed + p.hooks_removed), 1);
	/* Gone. */
	pthread_mutex_lock(&p.lock);
	*p.hook = 0;
	pthread_mutex_unlock(&p.lock);
	skip_ms(301 * 1000);
	AWAIT_FAST(resynced(2));
	assert_int_equal(READ(p.hooks_made), 2);
	/* Blacklisted: removed and made anew. */
	pthread_mutex_lock(&p.lock);
	strcpy(p.hook_status, "Blacklisted");
	pthread_mutex_unlock(&p.lock);
	skip_ms(301 * 1000);
	AWAIT_FAST(resynced(3));
	assert_int_equal(READ(p.hooks_removed), 1);
	assert_int_equal(READ(p.hooks_made), 3);
	/* Somebody has changed its filters. */
	pthread_mutex_lock(&p.lock);
	strcpy(p.hook_filters, "[\"/restapi/v1.0/other\"]");
	pthread_mutex_unlock(&p.lock);
	skip_ms(301 * 1000);
	AWAIT_FAST(resynced(4));
	assert_int_equal(READ(p.hooks_changed), 1);
	assert_true(READ(strstr(p.hook_filters, "telephony/sessions") != NULL));
	assert_int_equal(READ(p.hooks_made), 3);
}

static void a_webhook_subscription_is_renewed(void **state)
{
	(void)state;
	configure("ringcentral", HOOK);
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	AWAIT_FAST(resynced(1));
	for (int day = 1; day <= 4; day++) {
		unsigned before = looks();
		skip_ms(INT64_C(24) * 3600 * 1000);
		AWAIT_FAST(looks() > before && is(CONNECT_LIVE, NULL));
		let_pass(1000);
		assert_int_equal(READ(p.hooks_renewed),
				 day / 4); /* less than half of a week is left */
	}
	assert_int_equal(READ(p.hooks_made), 1);
	assert_int_equal(READ(p.hooks_changed), 0);
}

static void a_webhook_is_found_again(void **state)
{
	(void)state;
	configure("ringcentral", HOOK);
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	let_pass(2000);
	stop_node();
	start_node();
	put_directory();
	AWAIT_FAST(is(CONNECT_LIVE, NULL) && resynced(2));
	assert_int_equal(READ(p.hooks_made), 1);
	assert_int_equal(READ(p.hooks_changed), 0);
	/* Without the file it is known by its address; its token may be another's. */
	stop_node();
	assert_int_equal(shell(&(struct buf){ 0 }, "rm %s/connect/" SOURCE ".json", n.folder), 0);
	start_node();
	put_directory();
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	assert_int_equal(READ(p.hooks_made), 1);
	assert_int_equal(READ(p.hooks_changed), 1);
}

static void an_address_that_does_not_answer_is_told(void **state)
{
	char why[CONNECT_WHY_MAX];

	(void)state;
	platform_rule(&p, (struct platform_rule){ .method = "POST",
						  .path = "/restapi/v1.0/subscription",
						  .times = 1,
						  .status = 400,
						  .body = "{'errorCode':'SUB-520','message':"
							  "'WebHook is not reachable'}" });
	configure("ringcentral", HOOK);
	AWAIT_FAST(is(CONNECT_WAITING, why));
	assert_non_null(strstr(why, "SUB-520"));
	assert_non_null(strstr(why, "Validation-Token"));
	AWAIT_AT(200, is(CONNECT_LIVE, NULL));
	assert_int_equal(READ(p.hooks_made), 1);
}

static void default_filters_follow_what_is_wanted(void **state)
{
	(void)state;
	configure("ringcentral", HOOK);
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	assert_true(READ(strstr(p.hook_filters, "message-store") == NULL));
	assert_true(READ(strstr(p.hook_filters, "/insights") == NULL));
	configure("ringcentral", HOOK_WITH(",'insights':true"));
	AWAIT_FAST(READ(p.hooks_changed) == 1);
	assert_true(
		READ(strstr(p.hook_filters,
			    "/ai/ringsense/v1/public/accounts/~/domains/pbx/insights") != NULL));
	configure("ringcentral", HOOK_WITH(",'insights':true,'filters':['/restapi/v1.0/only']"));
	AWAIT_FAST(READ(p.hooks_changed) == 2);
	assert_true(READ(strcmp(p.hook_filters, "[\"/restapi/v1.0/only\"]") == 0));
}

/* --- RingCX, and going away --- */

static void ringcx_tokens_live_five_minutes(void **state)
{
	char connect[200], url[64];

	(void)state;
	platform_url(&p, url);
	snprintf(connect, sizeof(connect), WITH(",'platform':'%s'"), url);
	configure("ringcx", connect);
	AWAIT_FAST(is(CONNECT_LIVE, NULL));
	assert_int_equal(platform_count(&p, "POST /api/auth/login/rc/accesstoken", 0), 1);
	skip_ms(245 * 1000);
	AWAIT_FAST(platform_count(&p, "POST /api/auth/login/rc/accesstoken", 0) == 2);
	settle();
	assert_int_equal(platform_count(&p, "POST /restapi/oauth/token", 0), 1);
	assert_int_equal(ask("/test/cx", API_GROUP_NONE, 5000).status, 200);
	assert_string_equal(READ(p.seen[p.seen_n - 1]).authorization, "Bearer A3");
}

static void a_source_may_go(void **state)
{
	struct asked a;

	(void)state;
	go_live();
	AWAIT_FAST(resynced(1));
	configure("ringcentral", "");
	assert_false(is(CONNECT_LIVE, NULL));
	AWAIT(READ(p.socket == NULL));
	a = ask("/test/x", API_GROUP_LIGHT, 1000);
	assert_int_equal(a.end, CLIENT_NOT_SENT);
	go_live();
	assert_int_equal(atomic_load(&p.subscribed), 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_session_goes_live),
		T(tokens_are_renewed_before_their_end),
		T(a_401_renews_once),
		T(wrong_credentials_are_not_hammered),
		T(a_secret_that_is_missing_is_named),
		T(a_platform_that_fails_is_tried_again),
		T(a_penalty_is_sat_out),
		T(a_penalty_without_a_group_stops_all),
		T(a_budget_is_never_passed),
		T(many_at_once_wait_for_their_turn),
		T(two_sources_share_a_budget),
		T(requests_that_cannot_go_are_refused),
		T(a_lost_socket_is_recovered),
		T(what_cannot_be_recovered_is_asked_for),
		T(more_than_the_platform_keeps_is_asked_for),
		T(a_resync_survives_trouble),
		T(one_refused_call_keeps_no_other),
		T(a_call_without_an_answer_keeps_no_later_loss),
		T(a_resync_that_is_given_up_takes_no_other_along),
		T(presence_may_be_forbidden),
		T(half_an_answer_is_asked_for_again),
		T(a_restart_goes_on_where_it_was),
		T(a_stop_behind_a_write_keeps_the_place),
		T(a_late_restart_asks_for_everything),
		T(silence_is_probed),
		T(the_platforms_time_limit_is_met_ahead),
		T(an_announced_end_is_followed),
		T(frames_that_cannot_be_read_are_a_loss),
		T(frames_of_unknown_types_are_logged),
		T(a_missing_permission_is_no_loop),
		T(a_gateway_that_nobody_names_is_no_loop),
		T(refused_filters_are_told),
		T(refused_filters_stay_told),
		T(the_reason_told_is_the_latest),
		T(refused_sockets_spare_the_auth_budget),
		T(states_of_texts_are_asked_for),
		T(texts_of_any_conversation_are_told),
		T(of_texts_that_are_stored_only_news_is_told),
		T(what_is_stored_is_waited_for),
		T(what_is_stored_may_stay_unsaid),
		T(texts_are_looked_up_where_nobody_tells),
		T(texts_without_an_end_are_given_up),
		T(texts_are_looked_up_after_a_restart),
		T(texts_are_left_alone_where_events_tell),
		T(texts_of_a_long_loss_are_asked_for),
		T(a_count_between_pages_is_not_forgotten),
		T(a_count_is_not_forgotten_by_a_restart),
		T(calls_of_a_loss_are_asked_for),
		T(a_restart_knows_how_long_it_was_away),
		T(what_was_not_asked_for_is_after_a_restart),
		T(a_resync_that_was_not_over_is_after_a_restart),
		T(what_was_told_to_a_full_journal_is_after_a_restart),
		T(calls_of_a_blacklisted_webhook_are_asked_for),
		T(deliveries_that_we_refuse_are_a_loss),
		T(what_nobody_tells_is_swept_up),
		T(a_sweep_is_no_loss_for_a_restart),
		T(calls_nobody_wants_are_not_asked_for),
		T(a_full_journal_delays),
		T(beyond_the_bound_the_platform_keeps_them),
		T(a_webhook_subscription_is_kept_alive),
		T(a_webhook_subscription_is_renewed),
		T(a_webhook_is_found_again),
		T(an_address_that_does_not_answer_is_told),
		T(default_filters_follow_what_is_wanted),
		T(ringcx_tokens_live_five_minutes),
		T(a_source_may_go),
	};

	log_init(least_level(), LOG_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
