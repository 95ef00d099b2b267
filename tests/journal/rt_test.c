/* Shards, their mailboxes, and child processes. Run again as a child: rt_test <role>. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "rt/child.h"
#include "rt/shard.h"

enum { PATIENCE_MS = 20000, PARENT_GONE = 7, NO_LIFELINE = 8 };

static char self[4096];

static void wait_until(bool (*met)(void *), void *user)
{
	int64_t until = clock_monotonic_us() + PATIENCE_MS * MS_US;
	while (!met(user)) {
		assert_true(clock_monotonic_us() < until);
		sched_yield();
	}
}

static struct shards *started(unsigned n, unsigned limit, const struct shard_hooks *hooks)
{
	struct shards *g = NULL;
	struct fault f = { 0 };
	if (shards_start(&g, n, limit, hooks, &f))
		fail_msg("%s", f.text);
	return g;
}

/* --- many at once --- */

enum { BURST_MAX = 700 };

struct burst {
	struct shard *to;
	struct burst_mail {
		struct mail mail;
		struct burst *of;
	} first, mails[BURST_MAX], answers[BURST_MAX];
	unsigned n, answered; /* the shard's own */
	atomic_uint run;
};

static void on_answer(struct mail *m, struct shard *here)
{
	(void)here;
	atomic_fetch_add(&((struct burst_mail *)m)->of->run, 1);
}

static void on_burst_mail(struct mail *m, struct shard *here)
{
	struct burst *b = ((struct burst_mail *)m)->of;
	struct burst_mail *answer = &b->answers[b->answered++];
	*answer = (struct burst_mail){ { .run = on_answer }, b };
	shard_post_sure(here, &answer->mail);
	atomic_fetch_add(&b->run, 1);
}

static void on_first(struct mail *m, struct shard *here)
{
	struct burst *b = ((struct burst_mail *)m)->of;
	b->answered = 0;
	for (unsigned i = 0; i < b->n; i++) {
		b->mails[i] = (struct burst_mail){ { .run = on_burst_mail }, b };
		shard_post_sure(here, &b->mails[i].mail);
	}
	atomic_fetch_add(&b->run, 1);
}

static bool burst_is_over(void *user)
{
	struct burst *b = user;
	return atomic_load(&b->run) == 1 + 2 * b->n;
}

/* A turn of the loop runs a bounded number of mails. Whatever the number, what was posted meanwhile
 * gets its turn, though no further mail comes. */
static void no_burst_is_forgotten(void **state)
{
	struct burst *b = calloc(1, sizeof(*b));
	struct shard_hooks hooks = { 0 };
	struct shards *g = started(1, 65536, &hooks);
	(void)state;
	b->to = shards_at(g, 0);
	for (b->n = 0; b->n < BURST_MAX; b->n++) {
		atomic_store(&b->run, 0);
		b->first = (struct burst_mail){ { .run = on_first }, b };
		shard_post_sure(b->to, &b->first.mail);
		wait_until(burst_is_over, b);
	}
	shards_stop(g);
	free(b);
}

/* --- mailbox --- */

enum { SENDERS = 4, EACH = 5000 };

struct letter {
	struct mail mail;
	unsigned sender, number;
	struct post *post;
};

struct post {
	struct shard *to;
	unsigned next[SENDERS]; /* the receiver's own */
	atomic_uint received;
	atomic_bool wrong;
	struct letter letters[SENDERS][EACH];
	pthread_t threads[SENDERS];
};

struct sender {
	struct post *post;
	unsigned who;
};

static void on_letter(struct mail *m, struct shard *here)
{
	struct letter *l = (struct letter *)m;
	struct post *p = l->post;
	if (l->number != p->next[l->sender]++ || here != p->to || !shard_here(here))
		atomic_store(&p->wrong, true);
	atomic_fetch_add(&p->received, 1);
}

static void *send_letters(void *arg)
{
	struct sender *s = arg;
	for (unsigned i = 0; i < EACH; i++) {
		struct letter *l = &s->post->letters[s->who][i];
		*l = (struct letter){ { .run = on_letter }, s->who, i, s->post };
		while (shard_post(s->post->to, &l->mail))
			sched_yield();
	}
	return NULL;
}

static bool all_received(void *user)
{
	return atomic_load(&((struct post *)user)->received) == SENDERS * EACH;
}

static void order_per_sender(void **state)
{
	(void)state;
	struct shard_hooks hooks = { 0 };
	struct shards *g = started(2, 100, &hooks);
	struct post *p = calloc(1, sizeof(*p));
	struct sender senders[SENDERS];
	p->to = shards_at(g, 1);
	for (unsigned i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){ p, i };
		pthread_create(&p->threads[i], NULL, send_letters, &senders[i]);
	}
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_join(p->threads[i], NULL);
	wait_until(all_received, p);
	assert_false(atomic_load(&p->wrong));
	assert_int_equal(shard_waiting(p->to), 0);
	shards_stop(g);
	free(p);
}

/* A shard that is kept busy until it is let go. */
struct gate {
	struct mail mail;
	atomic_bool entered, open;
};

static void on_gate(struct mail *m, struct shard *here)
{
	(void)here;
	struct gate *gate = (struct gate *)m;
	atomic_store(&gate->entered, true);
	while (!atomic_load(&gate->open))
		sched_yield();
}

static bool gate_entered(void *user)
{
	return atomic_load(&((struct gate *)user)->entered);
}

struct count {
	struct mail mail;
	atomic_uint *runs;
};

static void on_count(struct mail *m, struct shard *here)
{
	(void)here;
	atomic_fetch_add(((struct count *)m)->runs, 1);
}

static void limit(void **state)
{
	(void)state;
	enum { LIMIT = 10 };
	struct shard_hooks hooks = { 0 };
	struct gate gate = { .mail = { .run = on_gate } };
	atomic_uint runs = 0;
	struct count counts[2 * LIMIT];
	int64_t refused = metric_value(METRIC_MAILBOX_FULL);
	struct shards *g = started(1, LIMIT, &hooks);
	struct shard *s = shards_at(g, 0);
	assert_int_equal(shard_post(s, &gate.mail), 0);
	wait_until(gate_entered, &gate);
	assert_int_equal(shard_waiting(s), 0);
	for (int i = 0; i < 2 * LIMIT; i++)
		counts[i] = (struct count){ { .run = on_count }, &runs };
	for (int i = 0; i < LIMIT; i++)
		assert_int_equal(shard_post(s, &counts[i].mail), 0);
	assert_int_equal(shard_post(s, &counts[LIMIT].mail), E_FULL);
	assert_int_equal(metric_value(METRIC_MAILBOX_FULL), refused + 1);
	shard_post_sure(s, &counts[LIMIT].mail); /* an answer is never refused, but counts */
	assert_int_equal(shard_waiting(s), LIMIT + 1);
	assert_int_equal(shard_post(s, &counts[LIMIT + 1].mail), E_FULL);
	atomic_store(&gate.open, true);
	shards_stop(g);
	assert_int_equal(atomic_load(&runs), LIMIT + 1);
}

/* A mail that sends itself again keeps no other handle of the loop from its turn. */
struct echo {
	struct mail mail;
	atomic_bool stop, stopped;
};

static void on_echo(struct mail *m, struct shard *here)
{
	struct echo *e = (struct echo *)m;
	if (atomic_load(&e->stop))
		atomic_store(&e->stopped, true);
	else
		shard_post_sure(here, m);
}

struct ticker {
	uv_timer_t timer;
	atomic_uint ticks;
};

static void on_tick(uv_timer_t *t)
{
	atomic_fetch_add(&((struct ticker *)t->data)->ticks, 1);
}

static int ticker_start(struct shard *s, void *user, struct fault *f)
{
	(void)f;
	struct ticker *t = user;
	uv_timer_init(shard_loop(s), &t->timer);
	t->timer.data = t;
	uv_timer_start(&t->timer, on_tick, 1, 1);
	return 0;
}

static void ticker_stop(struct shard *s, void *user)
{
	struct ticker *t = user;
	(void)s;
	uv_close((uv_handle_t *)&t->timer, NULL);
}

static bool ticked(void *user)
{
	return atomic_load(&((struct ticker *)user)->ticks) >= 5;
}

static bool echo_stopped(void *user)
{
	return atomic_load(&((struct echo *)user)->stopped);
}

static bool lag_observed(void *user)
{
	struct buf text AUTO_BUF = { 0 };
	(void)user;
	metrics_write(&text);
	return strstr(buf_z(&text), "callmend_loop_lag_seconds_count 0\n") == NULL;
}

static void mail_starves_nobody(void **state)
{
	(void)state;
	struct ticker ticker = { 0 };
	struct echo echoes[3] = { 0 };
	struct shard_hooks hooks = { ticker_start, ticker_stop, &ticker };
	struct shards *g = started(1, 10, &hooks);
	for (int i = 0; i < 3; i++) {
		echoes[i].mail.run = on_echo;
		assert_int_equal(shard_post(shards_at(g, 0), &echoes[i].mail), 0);
	}
	wait_until(ticked, &ticker);
	wait_until(lag_observed, NULL);
	for (int i = 0; i < 3; i++)
		atomic_store(&echoes[i].stop, true);
	for (int i = 0; i < 3; i++)
		wait_until(echo_stopped, &echoes[i]);
	shards_stop(g);
}

/* --- start and stop --- */

struct life {
	atomic_uint starting, most_starting, starts, stops, runs;
	unsigned fail_at;
	struct count letters[8];
	struct shards *group;
};

static int life_start(struct shard *s, void *user, struct fault *f)
{
	struct life *l = user;
	unsigned now = atomic_fetch_add(&l->starting, 1) + 1;
	if (now > atomic_load(&l->most_starting))
		atomic_store(&l->most_starting, now);
	sched_yield();
	atomic_fetch_sub(&l->starting, 1);
	if (shard_index(s) == l->fail_at)
		return fault(f, E_DENIED, "shard %u may not", shard_index(s));
	assert_true(shard_here(s));
	atomic_fetch_add(&l->starts, 1);
	return 0;
}

/* The last letters are sent by the stop hooks, each to the next shard. */
static void life_stop(struct shard *s, void *user)
{
	struct life *l = user;
	struct shards *g = shard_group(s);
	unsigned next = (shard_index(s) + 1) % shards_count(g);
	atomic_fetch_add(&l->stops, 1);
	l->letters[shard_index(s)] = (struct count){ { .run = on_count }, &l->runs };
	shard_post_sure(shards_at(g, next), &l->letters[shard_index(s)].mail);
}

static void stop_hooks_may_write(void **state)
{
	(void)state;
	for (int round = 0; round < 50; round++) {
		struct life l = { .fail_at = 99 };
		struct shard_hooks hooks = { life_start, life_stop, &l };
		struct shards *g = started(4, 10, &hooks);
		assert_int_equal(shards_count(g), 4);
		assert_false(shard_here(shards_at(g, 0)));
		shards_stop(g);
		assert_int_equal(atomic_load(&l.starts), 4);
		assert_int_equal(atomic_load(&l.stops), 4);
		assert_int_equal(atomic_load(&l.runs), 4);
		assert_int_equal(atomic_load(&l.most_starting), 1); /* one after another */
	}
}

static void stop_runs_what_waits(void **state)
{
	(void)state;
	enum { N = 2000 }; /* more than one turn's worth */
	struct shard_hooks hooks = { 0 };
	struct gate gate = { .mail = { .run = on_gate } };
	struct count *counts = calloc(N, sizeof(*counts));
	atomic_uint runs = 0;
	struct shards *g = started(1, N + 1, &hooks);
	assert_int_equal(shard_post(shards_at(g, 0), &gate.mail), 0);
	wait_until(gate_entered, &gate);
	for (int i = 0; i < N; i++) {
		counts[i] = (struct count){ { .run = on_count }, &runs };
		assert_int_equal(shard_post(shards_at(g, 0), &counts[i].mail), 0);
	}
	atomic_store(&gate.open, true);
	shards_stop(g);
	assert_int_equal(atomic_load(&runs), N);
	free(counts);
}

static void failing_start(void **state)
{
	(void)state;
	for (unsigned at = 0; at < 3; at++) {
		struct life l = { .fail_at = at };
		struct shard_hooks hooks = { life_start, life_stop, &l };
		struct shards *g = NULL;
		struct fault f = { 0 };
		assert_int_equal(shards_start(&g, 3, 10, &hooks, &f), E_DENIED);
		assert_null(g);
		assert_int_equal(f.code, E_DENIED);
		assert_non_null(strstr(f.text, "may not"));
		assert_int_equal(atomic_load(&l.starts), at);
		assert_int_equal(atomic_load(&l.stops), at); /* only those that had started */
		assert_int_equal(atomic_load(&l.runs), at);
	}
	shards_stop(NULL);
}

/* --- children --- */

struct ended {
	unsigned times;
	int status, signal;
};

static void on_exit_status(void *user, struct child *c, int status, int signal)
{
	struct ended *e = user;
	e->times++;
	e->status = status;
	e->signal = signal;
	child_free(c);
}

static struct ended run_child(const struct child_spec *spec, int kill_with)
{
	uv_loop_t loop;
	struct ended e = { 0 };
	struct child *c = NULL;
	struct fault f = { 0 };
	uv_loop_init(&loop);
	if (child_start(&c, &loop, spec, on_exit_status, &e, &f))
		fail_msg("%s", f.text);
	assert_true(child_pid(c) > 0);
	if (kill_with)
		assert_int_equal(child_kill(c, kill_with), 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(e.times, 1);
	return e;
}

#define SHELL(...) ((const char *[]){ "/bin/sh", "-c", __VA_ARGS__, NULL })

static void exit_status(void **state)
{
	(void)state;
	struct child_spec spec = { .path = "/bin/sh", .argv = SHELL("exit 23") };
	struct ended e = run_child(&spec, 0);
	assert_int_equal(e.status, 23);
	assert_int_equal(e.signal, 0);
	spec.argv = SHELL("read forever <&3");
	e = run_child(&spec, SIGTERM);
	assert_int_equal(e.signal, SIGTERM);
}

static void start_that_fails(void **state)
{
	(void)state;
	uv_loop_t loop;
	struct ended e = { 0 };
	struct child *c = NULL;
	struct fault f = { 0 };
	const char *argv[] = { "nothing", NULL };
	struct child_spec spec = { .path = "/nonexistent/nothing", .argv = argv };
	uv_loop_init(&loop);
	assert_int_equal(child_start(&c, &loop, &spec, on_exit_status, &e, &f), E_IO);
	assert_non_null(strstr(f.text, "/nonexistent/nothing"));
	assert_null(c);
	spec.log_path = "/nonexistent/log";
	assert_int_equal(child_start(&c, &loop, &spec, on_exit_status, &e, &f), E_IO);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(e.times, 0);
	child_free(NULL);
}

static void what_a_child_gets(void **state)
{
	(void)state;
	char log[] = "/tmp/callmend-rt-XXXXXX";
	int log_fd = mkstemp(log), fds[2];
	char text[512] = "";
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	setenv("RT_KEPT", "kept", 1);
	setenv("RT_REPLACED", "old", 1);
	struct child_spec spec = {
		.path = "/bin/sh",
		.argv = SHELL("echo $RT_KEPT $RT_REPLACED $RT_ADDED; pwd; echo error >&2; "
			      "echo through >&4; test -e /proc/self/fd/5 || echo nothing more"),
		.env = (const char *[]){ "RT_REPLACED=new", "RT_ADDED=added", NULL },
		.cwd = "/usr",
		.pass_fds = &fds[1],
		.pass_fds_n = 1,
		.log_path = log,
	};
	struct ended e = run_child(&spec, 0);
	assert_int_equal(e.status, 0);
	assert_true(read(log_fd, text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "kept new added\n/usr\nerror\nnothing more\n");
	memset(text, 0, sizeof(text));
	assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "through\n");
	close(fds[0]);
	close(fds[1]);
	close(log_fd);
	unlink(log);
}

/* A second child does not keep the first one's lifeline open: the first ends as soon as it is
 * forgotten. */
static void on_forgotten_exit(void *user, struct child *c, int status, int signal)
{
	(void)user;
	(void)status;
	(void)signal;
	child_free(c);
}

static void lifeline_of_a_forgotten_child(void **state)
{
	(void)state;
	uv_loop_t loop;
	struct child *first = NULL, *second = NULL;
	struct fault f = { 0 };
	int fds[2];
	char byte;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	struct child_spec waiting = { .path = "/bin/sh",
				      .argv = SHELL("read gone <&3; echo x >&4"),
				      .pass_fds = &fds[1],
				      .pass_fds_n = 1 };
	struct child_spec other = { .path = "/bin/sh", .argv = SHELL("read gone <&3") };
	uv_loop_init(&loop);
	assert_int_equal(child_start(&first, &loop, &waiting, on_forgotten_exit, NULL, &f), 0);
	assert_int_equal(child_start(&second, &loop, &other, on_forgotten_exit, NULL, &f), 0);
	pid_t pid = child_pid(first);
	child_free(first);
	struct pollfd p = { fds[0], POLLIN, 0 };
	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(byte, 'x');
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(child_kill(second, SIGKILL), 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	close(fds[0]);
	close(fds[1]);
}

/* Us -> role "parent" -> role "child". The parent is killed with SIGKILL; the child tells through
 * the pipe that it has noticed. */
static void child_notices_the_parents_end(void **state)
{
	(void)state;
	int fds[2];
	char said[32] = "";
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid_t parent = fork();
	assert_true(parent >= 0);
	if (parent == 0) {
		dup2(fds[1], 9);
		execl(self, self, "parent", NULL);
		_exit(127);
	}
	close(fds[1]);
	struct pollfd p = { fds[0], POLLIN, 0 };
	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	assert_int_equal(read(fds[0], said, 6), 6);
	assert_string_equal(said, "ready\n");
	kill(parent, SIGKILL);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	assert_int_equal(read(fds[0], said, 5), 5);
	assert_string_equal(said, "gone\n\n");
	close(fds[0]);
}

static void lifeline_refused(void **state)
{
	(void)state;
	struct child_spec spec = { .path = self,
				   .argv = (const char *[]){ self, "no-lifeline", NULL } };
	assert_int_equal(run_child(&spec, 0).status, NO_LIFELINE);
}

/* --- roles --- */

static void role_say(const char *text)
{
	if (write(9, text, strlen(text)) < 0)
		_exit(1);
}

static void on_parent_gone(void *user)
{
	role_say("gone\n");
	uv_timer_stop(user);
}

static void on_nothing(uv_timer_t *t)
{
	(void)t;
}

static int role_child(void)
{
	struct fault f = { 0 };
	uv_timer_t alive;
	uv_loop_t *loop = uv_default_loop();
	uv_timer_init(loop, &alive);
	uv_timer_start(&alive, on_nothing, 600000, 0);
	dup2(4, 9);
	if (child_watch_lifeline(loop, on_parent_gone, &alive, &f))
		return NO_LIFELINE;
	role_say("ready\n");
	uv_run(loop, UV_RUN_DEFAULT);
	return PARENT_GONE;
}

static int role_parent(void)
{
	struct fault f = { 0 };
	struct child *c = NULL;
	int out = 9;
	struct child_spec spec = { .path = self,
				   .argv = (const char *[]){ self, "child", NULL },
				   .pass_fds = &out,
				   .pass_fds_n = 1 };
	if (child_start(&c, uv_default_loop(), &spec, NULL, NULL, &f))
		return 1;
	return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

static int role_no_lifeline(void)
{
	struct fault f = { 0 };
	int other = open("/dev/null", O_RDONLY);
	dup2(other, CHILD_LIFELINE_FD);
	return child_watch_lifeline(uv_default_loop(), NULL, NULL, &f) == E_INVALID ? NO_LIFELINE
										    : 1;
}

static const struct {
	const char *name;
	int (*run)(void);
} roles[] = {
	{ "parent", role_parent },
	{ "child", role_child },
	{ "no-lifeline", role_no_lifeline },
};

int main(int argc, char **argv)
{
	log_init(LOG_ERROR, LOG_TEXT);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 1;
	for (size_t i = 0; argc > 1 && i < sizeof(roles) / sizeof(roles[0]); i++) {
		if (strcmp(argv[1], roles[i].name) == 0)
			return roles[i].run();
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_per_sender),
		cmocka_unit_test(limit),
		cmocka_unit_test(no_burst_is_forgotten),
		cmocka_unit_test(mail_starves_nobody),
		cmocka_unit_test(stop_hooks_may_write),
		cmocka_unit_test(stop_runs_what_waits),
		cmocka_unit_test(failing_start),
		cmocka_unit_test(exit_status),
		cmocka_unit_test(start_that_fails),
		cmocka_unit_test(what_a_child_gets),
		cmocka_unit_test(lifeline_of_a_forgotten_child),
		cmocka_unit_test(child_notices_the_parents_end),
		cmocka_unit_test(lifeline_refused),
	};
	return cmocka_run_group_tests_name("rt", tests, NULL, NULL);
}
