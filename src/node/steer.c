/* say, mute, unmute, end, transfer, hold, unhold, monitor, coach, barge, send-text, record-pause,
 * record-resume.
 *
 * Happy path: find the call → POST the command → say what the provider answered. With --wait the
 * call's events are subscribed to first, so that no change of the command can be missed; then each
 * is shown until one is final. Failure modes: no such call, or several (exit 1); refused (1); the
 * request left but no answer came (1: it may have worked, so it is never repeated; --key makes
 * repeating safe); connection lost while waiting (1); nobody there (3). */
#include <stdlib.h>
#include <uv.h>

#include "base/clock.h"
#include "callmend/command.h"
#include "node/destination.h"
#include "node/live_link.h"
#include "node/remote.h"
#include "node/text.h"

enum { ID_SHOWN = 8, STATE_LENGTH = 24 };

#define OPTION_WAIT                                                                              \
	{                                                                                        \
		"--wait", NULL,                                                                  \
			"stay until the effect is seen (or surely not); shows each change with " \
			"its latency"                                                            \
	}
#define OPTION_REASON                                     \
	{                                                 \
		"--reason", "TEXT", "why, for the record" \
	}
#define OPTION_KEY                                                                              \
	{                                                                                       \
		"--key", "KEY",                                                                 \
			"idempotency key: the same key for the same call is the same command, " \
			"sent once"                                                             \
	}

const struct verb_option say_options[] = {
	{ "--interrupt", NULL, "cut the assistant short" },
	{ "--end-after", NULL, "end the call when it is spoken" },
	{ "--add-message", NULL, "do not speak: add the text to the model's history" },
	{ "--role", "ROLE", "with --add-message: system (default), user or assistant" },
	{ "--no-response", NULL, "with --add-message: the assistant does not answer it at once" },
	OPTION_WAIT,
	OPTION_REASON,
	OPTION_KEY,
	{ 0 },
};
const struct verb_option mute_options[] = {
	{ "--customer", NULL, "the customer instead of the assistant" },
	OPTION_WAIT,
	OPTION_REASON,
	OPTION_KEY,
	{ 0 },
};
const struct verb_option end_options[] = { OPTION_WAIT, OPTION_REASON, OPTION_KEY, { 0 } };
const struct verb_option transfer_options[] = {
	{ "--number", "+1...", "to this number (E.164)" },
	{ "--sip", "URI", "to this SIP address (sip:...)" },
	{ "--extension", "101", "to this extension, where the platform has them (RingCentral)" },
	{ "--queue", "ID", "to this queue, where the platform has them (RingCX)" },
	{ "--say", "TEXT", "the assistant says this first" },
	OPTION_WAIT,
	OPTION_REASON,
	OPTION_KEY,
	{ 0 },
};
const struct verb_option supervise_options[] = {
	{ "--number", "+1...", "the supervisor's telephone by its number (E.164)" },
	{ "--device", "ID", "by the platform's id of it (RingCentral)" },
	OPTION_WAIT,
	OPTION_REASON,
	OPTION_KEY,
	{ 0 },
};

struct steering {
	const struct verb_call *v;
	struct remote remote;
	struct buf call, path, body;
	struct remote_answer answer;
	struct buf command_id;
	char state[STATE_LENGTH]; /* last one shown */
	struct live_link *link;
	uv_loop_t loop;
	bool asked, done;
	int status;
};

/* --- showing a command --- */

static const struct {
	const char *state, *shown;
	enum exit_status meaning; /* of the verb, when it ends in this state */
	bool shows_effect_time;
} outcomes[] = {
	{ "requested", "requested, the provider has not answered yet", EXIT_FAILED, false },
	{ "accepted", "accepted by the provider", EXIT_DONE, false },
	{ "effect_seen", "effect seen", EXIT_DONE, true },
	{ "not_observable", "accepted; nothing in this call can show the effect", EXIT_DONE,
	  false },
	{ "timed_out", "accepted, but the effect was not seen in time", EXIT_FAILED, false },
	{ "rejected", "rejected", EXIT_FAILED, false },
	{ "unknown", "unknown: sent, but the provider gave no answer; it is not sent again",
	  EXIT_FAILED, false },
};
enum { OUTCOMES = sizeof(outcomes) / sizeof(outcomes[0]) };

static size_t outcome_of(struct json command)
{
	size_t i = 0;

	while (i < OUTCOMES && !json_is_text(json_get(command, "state"), outcomes[i].state))
		i++;
	return i;
}

static bool is_final(size_t i)
{
	for (unsigned s = 0; s < COMMAND_STATE_COUNT; s++) {
		if (strcmp(command_state_name((enum command_state)s), outcomes[i].state) == 0)
			return command_state_final((enum command_state)s);
	}
	return true;
}

static void show_text(const struct steering *s, struct json command, size_t i)
{
	struct buf b AUTO_BUF = { 0 };
	struct arena a = { 0 };
	int64_t ms;

	buf_printf(&b, "%s %.8s: %s", s->v->verb->name, buf_z((struct buf *)&s->call),
		   outcomes[i].shown);
	if (json_i64(json_get(command,
			      outcomes[i].shows_effect_time ? "effect_latency_ms" : "latency_ms"),
		     &ms)) {
		buf_addz(&b, ", after ");
		text_latency(&b, ms);
	}
	struct span error = json_text(json_get(command, "error"), &a),
		    seen = json_text(json_get(command, "evidence"), &a);
	if (error.n || (seen.n && outcomes[i].shows_effect_time)) {
		buf_addz(&b, ": ");
		text_clean(&b, error.n ? error : seen);
	}
	arena_fini(&a);
	puts(buf_z(&b));
}

/* Each state once; sets the exit status. True when it was the last one. */
static bool show(struct steering *s, struct json command)
{
	size_t i = outcome_of(command);

	if (i == OUTCOMES || strcmp(s->state, outcomes[i].state) == 0)
		return false;
	snprintf(s->state, sizeof(s->state), "%s", outcomes[i].state);
	s->status = (int)outcomes[i].meaning;
	if (s->v->json)
		printf("%.*s\n", SPAN_ARG(command.raw));
	else
		show_text(s, command, i);
	fflush(stdout);
	return is_final(i);
}

/* --- asking --- */

/* True: there is a command, and it is in the answer. */
static bool post(struct steering *s)
{
	struct fault f = { 0 };
	int rc = remote_send(&s->remote, HTTP_POST, buf_z(&s->path), buf_span(&s->body),
			     verb_option(s->v, "--key"), &s->answer, &f);

	if (rc == 0 && s->answer.status < 300)
		return true;
	s->status = remote_explain(&s->remote, s->v, rc, &s->answer, &f);
	if (rc == E_TIMEOUT || rc == E_IO)
		fprintf(stderr, "It may have been carried out: look before you repeat it, or "
				"repeat it with the same --key.\n");
	struct json command = json_get(json_of(buf_span(&s->answer.text)), "command");
	if (s->v->json && rc == 0 && command.kind == JSON_OBJECT)
		printf("%.*s\n", SPAN_ARG(command.raw));
	return false;
}

static void just_post(struct steering *s)
{
	if (post(s))
		show(s, json_of(buf_span(&s->answer.text)));
}

/* --- waiting --- */

static void stop(struct steering *s)
{
	if (s->done)
		return;
	s->done = true;
	live_link_free(s->link);
}

static void post_and_follow(struct steering *s)
{
	struct arena a = { 0 };

	s->asked = true;
	if (!post(s)) {
		stop(s);
		return;
	}
	struct json command = json_of(buf_span(&s->answer.text));
	buf_add(&s->command_id, json_text(json_get(command, "command_id"), &a));
	arena_fini(&a);
	if (show(s, command))
		stop(s);
}

static void see_event(struct steering *s, struct json event)
{
	struct json data = json_get(event, "data");

	if (s->asked && json_is_text(json_get(event, "type"), "command") &&
	    json_is_text(json_get(data, "command_id"), buf_z(&s->command_id)) &&
	    !json_is_text(json_get(data, "state"), "requested") && show(s, data))
		stop(s);
}

static void on_message(void *user, struct json message)
{
	struct steering *s = user;
	struct json type = json_get(message, "type");
	struct json_iter it = json_iter(json_get(message, "events"));
	struct span key;
	struct json item;

	if (json_is_text(type, "ready") && !s->asked)
		post_and_follow(s);
	else if (json_is_text(type, "event"))
		see_event(s, json_get(message, "event"));
	while (!s->done && json_next(&it, &key, &item))
		see_event(s, json_get(item, "event"));
}

static void on_changed(void *user, enum live_link_change change)
{
	struct steering *s = user;

	if (change == LINK_OPEN || s->done)
		return;
	bool reached = live_link_was_open(s->link) || live_link_status(s->link);
	s->status = reached ? EXIT_FAILED : EXIT_UNREACHABLE;
	verb_failed(s->v,
		    s->asked
			    ? "%s: connection lost while waiting for the effect; the command stands"
			    : "%s: no live connection; nothing was sent",
		    buf_z(&s->remote.shown));
	stop(s);
}

static void post_and_wait(struct steering *s)
{
	static const struct live_link_handlers handlers = { .message = on_message,
							    .changed = on_changed };
	struct live_link_ask ask = { .call = buf_z(&s->call) };
	struct fault f = { 0 };

	CHECK(uv_loop_init(&s->loop) == 0);
	if (live_link_new(&s->link, &s->loop, &s->remote, &ask, &handlers, s, &f))
		s->status = verb_failed(s->v, "%s", f.text);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	CHECK(uv_loop_close(&s->loop) == 0);
}

/* --- the verbs --- */

static void steering_fini(struct steering *s)
{
	remote_fini(&s->remote);
	remote_answer_fini(&s->answer);
	buf_free(&s->call);
	buf_free(&s->path);
	buf_free(&s->body);
	buf_free(&s->command_id);
}

/* `path` with %s for the call. The body's object has been begun and is ended here. */
static int steer(const struct verb_call *v, const char *before, const char *after,
		 struct steering *s, struct json_out *o)
{
	if (verb_option(v, "--reason"))
		json_put_z(o, "reason", verb_option(v, "--reason"));
	json_end(o);
	s->v = v;
	s->status = remote_init(&s->remote, v);
	if (!s->status)
		s->status = remote_find_call(&s->remote, v, v->words[0], &s->call);
	if (!s->status) {
		buf_printf(&s->path, "%s%s%s", before, buf_z(&s->call), after);
		(verb_option(v, "--wait") ? post_and_wait : just_post)(s);
	}
	int status = s->status;
	steering_fini(s);
	return status;
}

static int misused_role(const struct verb_call *v)
{
	static const char *const roles[] = { "system", "user", "assistant" };
	const char *role = verb_option(v, "--role");
	bool adds = verb_option(v, "--add-message");

	if (!adds && (role || verb_option(v, "--no-response")))
		return verb_misused(v, "--role and --no-response go with --add-message");
	if (adds && (verb_option(v, "--interrupt") || verb_option(v, "--end-after")))
		return verb_misused(v, "--interrupt and --end-after do not go with --add-message, "
				       "which speaks nothing");
	for (size_t i = 0; role && i < sizeof(roles) / sizeof(roles[0]); i++) {
		if (strcmp(role, roles[i]) == 0)
			return EXIT_DONE;
	}
	return role ? verb_misused(v, "no role `%s`; there are system, user, assistant", role)
		    : EXIT_DONE;
}

static int misused_text(const struct verb_call *v)
{
	size_t n = strlen(v->words[1]);

	return n && n <= COMMAND_TEXT_LIMIT
		       ? EXIT_DONE
		       : verb_misused(v, "the text must have 1 to %d bytes", COMMAND_TEXT_LIMIT);
}

int verb_say(const struct verb_call *v)
{
	struct steering s = { 0 };
	struct json_out o = { .b = &s.body };
	bool adds = verb_option(v, "--add-message");

	if (misused_role(v))
		return EXIT_USAGE;
	if (misused_text(v))
		return EXIT_USAGE;
	json_begin(&o, NULL);
	json_put_z(&o, "type", adds ? "add-message" : "say");
	json_put_z(&o, "message", v->words[1]);
	if (verb_option(v, "--role"))
		json_put_z(&o, "role", verb_option(v, "--role"));
	if (verb_option(v, "--no-response"))
		json_put_bool(&o, "trigger_response", false);
	if (verb_option(v, "--interrupt"))
		json_put_bool(&o, "interrupt", true);
	if (verb_option(v, "--end-after"))
		json_put_bool(&o, "end_after", true);
	return steer(v, "/api/v1/vapi/call/", "/inject", &s, &o);
}

static int mute_or_unmute(const struct verb_call *v, const char *after)
{
	struct steering s = { 0 };
	struct json_out o = { .b = &s.body };

	json_begin(&o, NULL);
	if (verb_option(v, "--customer"))
		json_put_z(&o, "target", "customer");
	return steer(v, "/api/v1/vapi/call/", after, &s, &o);
}

int verb_mute(const struct verb_call *v)
{
	return mute_or_unmute(v, "/mute");
}

int verb_unmute(const struct verb_call *v)
{
	return mute_or_unmute(v, "/unmute");
}

int verb_end(const struct verb_call *v)
{
	struct steering s = { 0 };
	struct json_out o = { .b = &s.body };

	json_begin(&o, NULL);
	return steer(v, "/api/v1/vapi/call/", "/end", &s, &o);
}

/* The rest are commands by their own names. */
static void command_begin(const struct verb_call *v, struct json_out *o)
{
	json_begin(o, NULL);
	json_put_z(o, "verb", v->verb->name);
}

static int command(const struct verb_call *v, struct steering *s, struct json_out *o)
{
	return steer(v, "/api/v1/calls/", "/commands", s, o);
}

int verb_command(const struct verb_call *v)
{
	struct steering s = { 0 };
	struct json_out o = { .b = &s.body };

	command_begin(v, &o);
	return command(v, &s, &o);
}

int verb_hold(const struct verb_call *v)
{
	struct steering s = { 0 };
	struct json_out o = { .b = &s.body };

	command_begin(v, &o);
	if (verb_option(v, "--customer"))
		json_put_z(&o, "target", "customer");
	return command(v, &s, &o);
}

int verb_send_text(const struct verb_call *v)
{
	struct steering s = { 0 };
	struct json_out o = { .b = &s.body };

	if (misused_text(v))
		return EXIT_USAGE;
	command_begin(v, &o);
	json_put_z(&o, "text", v->words[1]);
	return command(v, &s, &o);
}

/* --- where to --- */

static const struct way {
	const char *option, *type, *what, *prefix;
} ways[] = {
	{ "--number", "number", "number in international form: + and digits", "" },
	{ "--sip", "sip", "SIP address: sip:user@host", "" },
	{ "--extension", "extension", "extension: digits", "" },
	{ "--queue", "queue", "id of a queue: at most 64 bytes without blanks", DESTINATION_QUEUE },
};

int verb_transfer(const struct verb_call *v)
{
	struct steering s = { 0 };
	struct json_out o = { .b = &s.body };
	struct buf to AUTO_BUF = { 0 };
	const struct way *way = NULL;
	unsigned given = 0;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (verb_option(v, ways[i].option)) {
			way = &ways[i];
			given++;
		}
	if (given != 1)
		return verb_misused(v, "say where to: --number +1..., --sip sip:..., "
				       "--extension 101 or --queue 7, one of them");
	const char *value = verb_option(v, way->option);
	buf_printf(&to, "%s%s", way->prefix, value);
	if (!destination_is(way->type, buf_z(&to)))
		return verb_misused(v, "`%s` is no %s", value, way->what);
	command_begin(v, &o);
	destination_write(buf_z(&to), &o);
	if (verb_option(v, "--say"))
		json_put_z(&o, "text", verb_option(v, "--say"));
	return command(v, &s, &o);
}

static void put_device(struct json_out *o, const char *id)
{
	json_begin(o, "destination");
	json_put_z(o, "type", "device");
	json_put_z(o, "id", id);
	json_end(o);
}

int verb_supervise(const struct verb_call *v)
{
	struct steering s = { 0 };
	struct json_out o = { .b = &s.body };
	const char *number = verb_option(v, "--number"), *device = verb_option(v, "--device");

	if (!number == !device)
		return verb_misused(v, "say which telephone: --number +1... or --device ID, one of "
				       "them");
	if (number && !destination_is("number", number))
		return verb_misused(v, "`%s` is no %s", number, ways[0].what);
	if (device && !*device)
		return verb_misused(v, "--device is empty");
	command_begin(v, &o);
	if (number)
		destination_write(number, &o);
	else
		put_device(&o, device);
	return command(v, &s, &o);
}
