/* Texts to somebody who need not have written to us.
 *
 * Happy path: the source may text, the numbers are numbers, the text is not too long → live side →
 * the command as after POST /calls/{id}/commands, with the call that the answer will come to.
 * Failure modes: no such source (404), one that cannot text, or has no session (409), a wrong or
 * foreign number or too long a text (422), a key that was used for something else (409); else as
 * commands. All of them before anything is journaled or sent. */
#include "api/commands.h"
#include "api/endpoint.h"
#include "api/request.h"
#include "callmend/dialect.h"

enum { NUMBER_LIMIT = 32, DIGITS_MIN = 7, DIGITS_MAX = 15 };

/* E.164 */
static bool is_number(struct span text)
{
	if (text.n < 1 + DIGITS_MIN || text.n > 1 + DIGITS_MAX || text.p[0] != '+' ||
	    text.p[1] == '0')
		return false;
	for (size_t i = 1; i < text.n; i++)
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
	return true;
}

/* NULL: none, with the problem. */
static const struct dir_source *find_source(struct request *r, struct problem *p)
{
	const struct directory *dir = live_directory(api_live(r->api), r->api->shard);
	struct uuid id;
	CHECK(uuid_parse(&id, span_of(request_value(r, "id"))) == 0); /* was checked */
	const struct dir_source *source = dir ? directory_source_by_id(dir, &id) : NULL;
	if (source && uuid_eq(&source->org, &r->caller.org))
		return source;
	if (dir)
		problem(p, PROBLEM_NOT_FOUND, "no such source in this organisation");
	else
		problem(p, PROBLEM_UNAVAILABLE, "the configuration is not loaded yet");
	return NULL;
}

static bool can_text(const struct dir_source *source, struct problem *p)
{
	const struct dialect *d = dialect_find(source->dialect);
	const char *why = d ? d->cannot(COMMAND_SEND_TEXT, NULL) : "live audio takes no texts";
	if (!why && !d->begin_text)
		why = "this provider can only answer texts";
	if (!why && !source->connect.on)
		why = DIALECT_NO_SESSION;
	return !why || problem(p, PROBLEM_COMMAND_REJECTED, "%s", why);
}

static bool choose_from(struct request *r, const struct dir_source *source, struct span *out,
			struct problem *p)
{
	const char *given = request_value(r, "from");
	struct span own = source->connect.from_number;
	*out = own;
	if (!own.n)
		return problem_at(p, PROBLEM_INVALID_BODY, "body", SPAN("from"),
				  "from: the source has no number to send from: set "
				  "connect.from_number");
	if (given && !span_is(own, given))
		return problem_at(p, PROBLEM_INVALID_BODY, "body", SPAN("from"),
				  "from: not a number of this source, which sends from %.*s",
				  SPAN_ARG(own));
	return true;
}

static bool read_to(struct request *r, struct span *out, struct problem *p)
{
	*out = span_of(request_value(r, "to"));
	return is_number(*out) ||
	       problem_at(p, PROBLEM_INVALID_BODY, "body", SPAN("to"),
			  "to: must be a number with + and country code (E.164)");
}

/* What the provider would not take, before anything is journaled. */
static bool check_text(const struct dir_source *source, const struct live_text *t,
		       const struct command *c, struct arena *a, struct problem *p)
{
	const struct command_where where = { .api_base = source->api_base,
					     .kind = SPAN("sms"),
					     .customer_number = t->theirs,
					     .phone_number = t->ours };
	struct provider_request unused;
	struct fault f = { 0 };
	return dialect_find(source->dialect)->command(c, &where, a, &unused, &f) == 0 ||
	       problem_at(p, PROBLEM_INVALID_BODY, "body", SPAN("text"), "%s", f.text);
}

static bool build(struct request *r, struct live_text *t, struct command *c, struct problem *p)
{
	struct command_ask ask = {
		.verb = command_verb_name(COMMAND_SEND_TEXT),
		.text = request_value(r, "text"),
		.reason = request_value(r, "reason"),
	};
	const struct dir_source *source = find_source(r, p);
	if (!source || !can_text(source, p) || !choose_from(r, source, &t->ours, p) ||
	    !read_to(r, &t->theirs, p) || !commands_read_key(r, &ask.key, p) ||
	    !commands_build(&ask, &r->caller, &r->arena, c, p))
		return false;
	t->source = source->id;
	return check_text(source, t, c, &r->arena, p);
}

static void answer(struct request *r, int status, const struct live_command_answer *a)
{
	struct buf body AUTO_BUF = { 0 };
	struct json_out o = { .b = &body };
	char call[UUID_TEXT + 1];
	uuid_format(&a->call, call);
	json_begin(&o, NULL);
	json_put_z(&o, "call_id", call);
	json_put_raw(&o, "command", a->json);
	json_end(&o);
	request_answer(r, status, buf_span(&body));
}

static void on_done(void *user, const struct live_command_answer *a)
{
	struct request *r = user;
	struct problem p;
	if (request_is_orphan(r))
		return;
	int status = commands_judge(a, &p);
	if (status)
		answer(r, status, a);
	else
		request_problem(r, &p);
}

static void run_text(struct request *r)
{
	struct live_text text = { 0 };
	struct command command;
	struct problem p;
	if (!build(r, &text, &command, &p)) {
		request_problem(r, &p);
		return;
	}
	int rc = live_text(api_live(r->api), r->api->shard, &r->caller.org, &text, &command,
			   r->api->common->config.command_wait_ms, on_done, r);
	if (rc)
		request_fail(r, rc, (struct span){ 0 });
}

static const struct param text_params[] = {
	PATH_UUID("id", 0, "source"),
	BODY_WORDS("to", PARAM_REQUIRED, NUMBER_LIMIT, "whom: a number with + and country code"),
	BODY_WORDS("from", PARAM_OPTIONAL, NUMBER_LIMIT,
		   "the source's number; connect.from_number unless given"),
	BODY_WORDS("text", PARAM_REQUIRED, COMMAND_TEXT_LIMIT,
		   "the words; how long they may be, the provider's page says"),
	COMMAND_REASON_PARAM,
};
static const char *const further[] = { "202 SentText", "409 RejectedCommand", NULL };

static const struct endpoint rows[] = {
	{ HTTP_POST, "/api/v1/sources/{id}/texts", ROLE_SUPERVISOR, .id = "send_text",
	  .tag = "commands",
	  .summary = "Text somebody, who need not have written before; what they answer comes in "
		     "the same call",
	  .answer = "SentText", .also = further, .keyed = true, ENDPOINT_PARAMS(text_params),
	  .run = run_text },
};
ENDPOINTS(texts_endpoints, rows);
