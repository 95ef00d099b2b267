/* `callmend watch`: one loop with the live connection, a clock tick and signals; what it learns
 * goes into the model, and from there to the screen or, line by line, to stdout.
 *
 * Failure modes: no node at the first try (exit 3), not let in (1); later losses are shown and
 * mended by the link. stdout is gone (broken pipe): ends. Keys are looked for at every tick instead
 * of by uv_poll, which would make the terminal non-blocking for output too. */
#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "node/destination.h"
#include "node/live_link.h"
#include "node/watch_page.h"
#include "node/watch_plain.h"
#include "node/watch_screen.h"

enum { TICK_MS = 40, STILL_TICKS = 6, COALESCE_MS = 100, SIGNALS = 3 };
#define FOR_MOST_S 1e6

const struct verb_option watch_options[] = {
	{ "--plain", NULL,
	  "a line per event instead of the screen (as when the output is no terminal)" },
	{ "--all", NULL,
	  "with --plain: also partial transcripts, speech on and off, model output ..." },
	{ "--for", "SECONDS", "stop after so long" },
	{ "--calls", "N",
	  "stop when N calls have ended; with --for: exit 1 when that comes first" },
	{ 0 },
};

enum watch_mode { MODE_SCREEN, MODE_PLAIN, MODE_JSON };

struct watch {
	const struct verb_call *v;
	enum watch_mode mode;
	enum watch_detail detail;
	struct remote remote;
	struct watch_model model;
	struct watch_ui ui;
	struct watch_page page;
	struct live_link *link;
	uv_loop_t loop;
	uv_timer_t tick, until;
	uv_signal_t signals[SIGNALS];
	int64_t for_ms; /* 0: no limit */
	unsigned calls; /* 0: no limit */
	unsigned asked; /* commands sent, for their ids */
	bool announced, dirty, stopping;
	unsigned still;
	uint64_t rate_events;
	int64_t rate_us;
	unsigned events_per_s;
	int status;
};

static void stop(struct watch *w, int status)
{
	if (w->stopping)
		return;
	w->stopping = true;
	w->status = status;
	live_link_free(w->link);
	uv_close((uv_handle_t *)&w->tick, NULL);
	uv_close((uv_handle_t *)&w->until, NULL);
	for (int i = 0; i < SIGNALS; i++)
		uv_close((uv_handle_t *)&w->signals[i], NULL);
}

/* --- line by line --- */

static void print_line(struct watch *w, struct span line)
{
	fwrite(line.p, 1, line.n, stdout);
	if (putchar('\n') == EOF || fflush(stdout) == EOF)
		stop(w, EXIT_FAILED);
}

static void on_event(void *user, const struct watch_call *c, struct json event)
{
	struct watch *w = user;
	struct buf line AUTO_BUF = { 0 };

	(void)c;
	if (w->stopping)
		return;
	if (w->mode == MODE_JSON)
		print_line(w, event.raw);
	else if (w->mode == MODE_PLAIN && watch_plain_event(&line, event, w->detail))
		print_line(w, buf_span(&line));
	if (w->calls && w->model.ended >= w->calls && !w->stopping)
		stop(w, EXIT_DONE);
}

static void announce(struct watch *w)
{
	size_t n;
	const struct watch_call **list = watch_model_list(&w->model, WATCH_BY_AGE, "", &n);

	w->announced = true;
	for (size_t i = 0; i < n && w->mode == MODE_PLAIN; i++) {
		struct buf line AUTO_BUF = { 0 };
		watch_plain_call(&line, list[i], clock_now_us());
		print_line(w, buf_span(&line));
	}
	free(list);
}

/* --- commands of the person at the screen --- */

static void send_wish(struct watch *w, const struct watch_wish *wish)
{
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	char id[24];

	snprintf(id, sizeof(id), "command-%u", ++w->asked);
	json_begin(&o, NULL);
	json_put_z(&o, "id", id);
	json_put_z(&o, "type", "command");
	json_put_z(&o, "call", wish->call);
	json_put_z(&o, "verb", command_verb_name(wish->verb));
	if (wish->verb == COMMAND_SAY || wish->verb == COMMAND_SEND_TEXT)
		json_put_z(&o, "text", wish->text);
	if (wish->verb == COMMAND_TRANSFER)
		destination_write(wish->text, &o);
	json_end(&o);
	bool sent = live_link_send(w->link, buf_span(&b)) == 0;
	watch_page_notice(&w->ui, sent ? WATCH_NOTE : WATCH_BAD, clock_now_us(),
			  sent ? " %s %.8s: sent ..." : " %s %.8s: no connection, not sent",
			  command_verb_name(wish->verb), wish->call);
}

static void tell_answer(struct watch *w, enum watch_style style, struct json subject,
			const char *first, const char *second)
{
	struct arena a = { 0 };
	struct span x = json_text(json_get(subject, first), &a),
		    y = json_text(json_get(subject, second), &a);

	watch_page_notice(&w->ui, style, clock_now_us(), " %.*s: %.*s", SPAN_ARG(x), SPAN_ARG(y));
	arena_fini(&a);
}

static void on_answer(struct watch *w, struct json message)
{
	tell_answer(w, WATCH_GOOD, json_get(message, "command"), "verb", "state");
}

static void on_error(struct watch *w, struct json message)
{
	if (w->mode == MODE_SCREEN) {
		tell_answer(w, WATCH_BAD, message, "code", "detail");
		return;
	}
	struct arena a = { 0 };
	struct span detail = json_text(json_get(message, "detail"), &a);
	verb_failed(w->v, "the node says: %.*s", SPAN_ARG(detail));
	arena_fini(&a);
}

/* --- the connection --- */

static void on_message(void *user, struct json message)
{
	static const struct {
		const char *type;
		void (*handle)(struct watch *, struct json);
	} rows[] = { { "command", on_answer }, { "error", on_error } };
	struct watch *w = user;

	w->dirty = true;
	watch_model_apply(&w->model, message, clock_now_us(), on_event, w);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (json_is_text(json_get(message, "type"), rows[i].type))
			rows[i].handle(w, message);
	}
	if (!w->announced && !w->stopping && watch_model_complete(&w->model))
		announce(w);
}

static void on_lost(struct watch *w)
{
	if (w->stopping)
		return;
	if (!live_link_was_open(w->link) && !live_link_status(w->link)) {
		watch_screen_close();
		verb_failed(w->v, "no node answers at %s (%s); is it up? --url says where else",
			    buf_z(&w->remote.url), live_link_why(w->link));
		stop(w, EXIT_UNREACHABLE);
	} else if (w->mode != MODE_SCREEN) {
		verb_failed(w->v, "%s: %s", buf_z(&w->remote.shown), live_link_text(w->link));
	}
}

static void on_refused(struct watch *w)
{
	watch_screen_close();
	verb_failed(w->v, "%s does not let us in (%d): %s", buf_z(&w->remote.shown),
		    live_link_status(w->link),
		    live_link_status(w->link) == 401
			    ? "the token is unknown, revoked or has expired"
			    : "see docs/live.md");
	stop(w, EXIT_FAILED);
}

static void on_changed(void *user, enum live_link_change change)
{
	struct watch *w = user;

	w->dirty = true;
	if (change == LINK_OPEN)
		watch_model_restart(&w->model);
	else if (change == LINK_REFUSED)
		on_refused(w);
	else
		on_lost(w);
}

/* --- time --- */

static void measure(struct watch *w)
{
	int64_t now_us = clock_monotonic_us(), past = now_us - w->rate_us;

	if (past < SECOND_US)
		return;
	w->events_per_s = (unsigned)((w->model.events - w->rate_events) * (uint64_t)SECOND_US /
				     (uint64_t)past);
	w->rate_events = w->model.events;
	w->rate_us = now_us;
}

static void draw(struct watch *w)
{
	struct watch_state state = {
		.node = buf_z(&w->remote.shown),
		.connection = live_link_text(w->link),
		.connected = live_link_is_open(w->link),
		.lag_ms = live_link_lag_ms(w->link),
		.events_per_s = w->events_per_s,
		.now_us = clock_now_us(),
	};
	int rows, columns;

	watch_screen_size(&rows, &columns);
	watch_page_build(&w->page, &w->model, &w->ui, &state, rows, columns);
	watch_screen_draw(&w->page);
	w->dirty = false;
	w->still = 0;
}

static void take_keys(struct watch *w)
{
	struct watch_wish wish;
	uint32_t key;

	while (!w->ui.quit && watch_screen_key(&key)) {
		w->dirty = true;
		watch_page_key(&w->ui, &w->model, key, &wish);
		if (wish.wished)
			send_wish(w, &wish);
	}
}

static void on_tick(uv_timer_t *t)
{
	struct watch *w = t->data;

	measure(w);
	watch_model_tick(&w->model, clock_now_us());
	if (w->mode != MODE_SCREEN)
		return;
	take_keys(w);
	if (w->ui.quit)
		stop(w, EXIT_DONE);
	else if (w->dirty || ++w->still >= STILL_TICKS)
		draw(w);
}

static void on_until(uv_timer_t *t)
{
	struct watch *w = t->data;

	stop(w, w->calls ? EXIT_FAILED : EXIT_DONE);
}

static void on_signal(uv_signal_t *s, int number)
{
	(void)number;
	stop(s->data, EXIT_DONE);
}

/* --- life --- */

static int read_limits(struct watch *w)
{
	const char *seconds = verb_option(w->v, "--for"), *calls = verb_option(w->v, "--calls");
	char *end;

	if (seconds) {
		double s = strtod(seconds, &end);
		if (end == seconds || *end || !isfinite(s) || s <= 0 || s > FOR_MOST_S)
			return verb_misused(w->v, "--for takes seconds, not `%s`", seconds);
		w->for_ms = (int64_t)(s * 1000) + 1;
	}
	if (calls) {
		long n = strtol(calls, &end, 10);
		if (end == calls || *end || n < 1 || n > 1000000)
			return verb_misused(w->v, "--calls takes a number from 1, not `%s`", calls);
		w->calls = (unsigned)n;
	}
	return EXIT_DONE;
}

static int choose_mode(struct watch *w)
{
	bool terminal = isatty(STDOUT_FILENO) && isatty(STDIN_FILENO);

	w->mode = w->v->json				      ? MODE_JSON
		  : verb_option(w->v, "--plain") || !terminal ? MODE_PLAIN
							      : MODE_SCREEN;
	w->detail = verb_option(w->v, "--all") ? WATCH_ALL : WATCH_SETTLED;
	if (w->v->json && (verb_option(w->v, "--plain") || verb_option(w->v, "--all")))
		return verb_misused(
			w->v,
			"--json is raw and whole already; --plain and --all do not go with it");
	return EXIT_DONE;
}

static void speak_utf8(void)
{
	setlocale(LC_ALL, "");
	if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		setlocale(LC_CTYPE, "C.UTF-8");
}

static void start_handles(struct watch *w)
{
	static const int numbers[SIGNALS] = { SIGINT, SIGTERM, SIGHUP };

	signal(SIGPIPE, SIG_IGN);
	CHECK(uv_timer_init(&w->loop, &w->tick) == 0 && uv_timer_init(&w->loop, &w->until) == 0);
	w->tick.data = w->until.data = w;
	uv_timer_start(&w->tick, on_tick, 0, TICK_MS);
	if (w->for_ms)
		uv_timer_start(&w->until, on_until, (uint64_t)w->for_ms, 0);
	for (int i = 0; i < SIGNALS; i++) {
		CHECK(uv_signal_init(&w->loop, &w->signals[i]) == 0);
		w->signals[i].data = w;
		uv_signal_start(&w->signals[i], on_signal, numbers[i]);
	}
}

static void run(struct watch *w)
{
	static const struct live_link_handlers handlers = { .message = on_message,
							    .changed = on_changed };
	struct live_link_ask ask = { .coalesce_ms = w->mode == MODE_SCREEN ? COALESCE_MS : 0,
				     .levels = w->mode == MODE_SCREEN };
	struct fault f = { 0 };

	CHECK(uv_loop_init(&w->loop) == 0);
	if (live_link_new(&w->link, &w->loop, &w->remote, &ask, &handlers, w, &f) ||
	    (w->mode == MODE_SCREEN && watch_screen_open(&f))) {
		live_link_free(w->link);
		w->status = verb_failed(w->v, "%s", f.text);
	} else {
		start_handles(w);
	}
	uv_run(&w->loop, UV_RUN_DEFAULT);
	watch_screen_close();
	CHECK(uv_loop_close(&w->loop) == 0);
}

int verb_watch(const struct verb_call *v)
{
	struct watch w = { .v = v };

	w.status = read_limits(&w);
	if (!w.status)
		w.status = choose_mode(&w);
	if (!w.status)
		w.status = remote_init(&w.remote, v);
	if (!w.status) {
		speak_utf8();
		run(&w);
	}
	watch_page_fini(&w.page);
	watch_model_fini(&w.model);
	remote_fini(&w.remote);
	return w.status;
}
