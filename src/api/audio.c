/* Live audio: whose it is, by token or when nobody could tell, what is played to the caller, and
 * calls that are placed over the provider's WebSocket. */
#include <stdlib.h>

#include "api/endpoint.h"
#include "api/live_calls.h"
#include "api/request.h"
#include "base/crypto.h"
#include "callmend/listen.h"

static struct listen *listen_of(const struct request *r)
{
	return r->api->common->config.listen;
}

static struct uuid id_of(const struct request *r, const char *name)
{
	struct uuid id;
	CHECK(uuid_parse(&id, span_of(request_value(r, name))) == 0); /* was checked */
	return id;
}

/* --- token --- */

static void no_such_call(struct problem *p)
{
	problem(p, PROBLEM_NOT_FOUND, "no such call is live here");
}

/* Calls that have ended are in memory for a while, too. */
static void answer_token(struct request *r, struct span call)
{
	struct span id = json_text(json_get(json_of(call), "id"), &r->arena);
	struct problem p;
	struct buf token AUTO_BUF = { 0 }, b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	struct uuid ours;
	if (!json_true(json_get(json_of(call), "live"))) {
		no_such_call(&p);
		request_problem(r, &p);
		return;
	}
	CHECK(uuid_parse(&ours, id) == 0); /* we wrote it */
	live_audio_token(api_live(r->api), &r->caller.org, &ours, &token);
	json_begin(&o, NULL);
	json_put_text(&o, "call", id);
	json_put_text(&o, "token", buf_span(&token));
	json_end(&o);
	request_answer(r, 200, buf_span(&b));
}

static void run_token(struct request *r)
{
	struct problem p;
	no_such_call(&p);
	live_calls_find(r, request_value(r, "id"), &p, answer_token);
}

/* --- link --- */

static void on_linked(void *user, int code)
{
	struct request *r = user;
	if (request_is_orphan(r))
		return;
	if (code)
		request_fail(r, code,
			     code == E_CONFLICT ? SPAN("that call has no live audio of its own now")
						: SPAN("no such call is live here"));
	else
		request_query(r);
}

static void run_link(struct request *r)
{
	struct uuid to = id_of(r, "id"), from = id_of(r, "from");
	request_set(r, "action", "link");
	request_set(r, "what",
		    arena_printf(&r->arena, "{\"from\":\"%s\"}", request_value(r, "from")));
	live_link_audio(api_live(r->api), r->api->shard, &r->caller.org, &from, &to, on_linked, r);
}

/* --- play and clear --- */

static void on_played(void *user, int code, struct span detail)
{
	struct request *r = user;
	if (request_is_orphan(r))
		return;
	if (code)
		request_fail(r, code,
			     detail.n ? detail : SPAN("no live audio of such a call is here"));
	else
		request_answer(r, 202, SPAN("{\"queued\":true}"));
}

static bool need_listen(struct request *r)
{
	struct problem p;
	if (listen_of(r))
		return true;
	problem(&p, PROBLEM_UNAVAILABLE, "there is no live audio here");
	request_problem(r, &p);
	return false;
}

static void run_play(struct request *r)
{
	struct uuid call = id_of(r, "id");
	const char *mark = request_value(r, "mark");
	struct buf payload AUTO_BUF = { 0 };
	struct problem p;
	if (!need_listen(r))
		return;
	if (crypto_unbase64(span_of(request_value(r, "payload")), &payload)) {
		problem_at(&p, PROBLEM_INVALID_BODY, "body", SPAN("payload"), "payload: no base64");
		request_problem(r, &p);
		return;
	}
	listen_play(listen_of(r), r->api->shard, &r->caller.org, &call, buf_span(&payload),
		    mark ? span_of(mark) : (struct span){ 0 }, on_played, r);
}

static void run_clear(struct request *r)
{
	struct uuid call = id_of(r, "id");
	if (need_listen(r))
		listen_clear(listen_of(r), r->api->shard, &r->caller.org, &call, on_played, r);
}

/* --- place --- */

static void on_placed(void *user, const struct listen_call *c)
{
	struct request *r = user;
	char id[UUID_TEXT + 1];
	if (request_is_orphan(r))
		return;
	if (c->code) {
		request_fail(r, c->code, c->detail);
		return;
	}
	uuid_format(&c->call, id);
	request_set(r, "call", arena_printf(&r->arena, "%s", id));
	struct buf what AUTO_BUF = { 0 };
	struct json_out o = { .b = &what };
	json_begin(&o, NULL);
	json_put_text(&o, "provider_call_id", c->provider_call_id);
	json_put_z(&o, "source_id", request_value(r, "source_id"));
	json_end(&o);
	request_set(r, "what", arena_printf(&r->arena, "%s", buf_z(&what)));
	request_query(r);
}

static bool is_own(const struct request *r, const struct uuid *source)
{
	const struct directory *d = live_directory(api_live(r->api), r->api->shard);
	const struct dir_source *s = d ? directory_source_by_id(d, source) : NULL;
	return s && uuid_eq(&s->org, &r->caller.org);
}

static void run_place(struct request *r)
{
	const char *id = request_value(r, "assistant_id"), *name = request_value(r, "name");
	const char *format = request_value(r, "format"), *rate = request_value(r, "sample_rate");
	struct listen_place place = {
		.source = id_of(r, "source_id"),
		.assistant_id = span_of(id),
		.name = span_of(name),
		.assistant = json_get(r->body, "assistant"),
		.overrides = json_get(r->body, "assistant_overrides"),
		.encoding = span_of(format),
		.rate_hz = rate ? (uint32_t)strtoul(rate, NULL, 10) : 0,
	};
	if (!need_listen(r))
		return;
	if (!is_own(r, &place.source)) {
		request_fail(r, E_NOT_FOUND, SPAN("no such source"));
		return;
	}
	request_set(r, "action", "place");
	listen_place(listen_of(r), r->api->shard, &place, on_placed, r);
}

/* --- the table --- */

#define AUDIT_ROWS(call)                                                                    \
	CALLER_ORG(1), CALLER_ACTOR(2),                                                     \
		{ .name = "action", .in = PARAM_IN_CALLER, .sql = 3, .doc = "done" }, call, \
		{ .name = "what", .in = PARAM_IN_CALLER, .sql = 5, .doc = "with what" },    \
		QUERY_REASON(6)

static const struct param link_params[] = {
	AUDIT_ROWS(PATH_UUID("id", 4, "the call that the audio belongs to")),
	{ .name = "from",
	  .in = PARAM_IN_BODY,
	  .type = PARAM_UUID,
	  .need = PARAM_REQUIRED,
	  .doc = "the call of its own that the audio has now" },
};

enum { PLAY_LIMIT = 2 * 1024 * 1024 };
static const struct param play_params[] = {
	PATH_UUID("id", 0, "the call"),
	{ .name = "payload",
	  .in = PARAM_IN_BODY,
	  .type = PARAM_TEXT,
	  .need = PARAM_REQUIRED,
	  .min = 1,
	  .max = PLAY_LIMIT,
	  .doc = "base64 of audio in the stream's own codec, without a header" },
	{ .name = "mark",
	  .in = PARAM_IN_BODY,
	  .type = PARAM_TEXT,
	  .min = 1,
	  .max = 40,
	  .doc = "a name; an event says when all in front of it was heard" },
};
static const struct param token_params[] = { PATH_CALL("id", 0) };
static const struct param clear_params[] = { PATH_UUID("id", 0, "the call") };

static const char *const formats[] = { "pcm_s16le", "mulaw", NULL };
#define PLACED_CALL                                                              \
	{                                                                        \
		.name = "call", .in = PARAM_IN_CALLER, .sql = 4, .doc = "its id" \
	}
static const struct param place_params[] = {
	AUDIT_ROWS(PLACED_CALL),
	{ .name = "source_id",
	  .in = PARAM_IN_BODY,
	  .type = PARAM_UUID,
	  .need = PARAM_REQUIRED,
	  .doc = "whose API and key place it" },
	BODY_TEXT("assistant_id", 256, "the provider's id of the assistant"),
	BODY("assistant", PARAM_OBJECT, "or a whole assistant"),
	BODY("assistant_overrides", PARAM_OBJECT, "what differs in this call"),
	BODY_TEXT("name", 40, "of the call"),
	BODY_ENUM("format", formats, "of the audio in both directions; pcm_s16le unless given"),
	{ .name = "sample_rate",
	  .in = PARAM_IN_BODY,
	  .type = PARAM_INT,
	  .min = 8000,
	  .max = 48000,
	  .doc = "16000 unless given, 8000 for mulaw" },
};

static const struct endpoint rows[] = {
	{ HTTP_POST, "/api/v1/calls/{id}/audio", ROLE_SUPERVISOR, .id = "link_call_audio",
	  .tag = "calls",
	  .summary = "The live audio of an unbound call is this one's, also what was heard before",
	  .query = "api_calls_audio", .answer = "LinkedAudio", ENDPOINT_PARAMS(link_params),
	  .run = run_link },
	{ HTTP_GET, "/api/v1/calls/{id}/audio/token", ROLE_SUPERVISOR, .id = "get_call_audio_token",
	  .tag = "calls",
	  .summary = "What a stream of live audio brings so that it is this running call's",
	  .answer = "AudioToken", ENDPOINT_PARAMS(token_params), .run = run_token },
	{ HTTP_POST, "/api/v1/calls/{id}/audio/play", ROLE_SUPERVISOR, .id = "play_call_audio",
	  .tag = "calls", .summary = "Play audio to the caller over the call's media stream",
	  .status = 202, .answer = "QueuedAudio", ENDPOINT_PARAMS(play_params),
	  .body_limit = PLAY_LIMIT + 1024, .run = run_play },
	{ HTTP_POST, "/api/v1/calls/{id}/audio/clear", ROLE_SUPERVISOR, .id = "clear_call_audio",
	  .tag = "calls", .summary = "What was sent and not played yet never is", .status = 202,
	  .answer = "QueuedAudio", ENDPOINT_PARAMS(clear_params), .run = run_clear },
	{ HTTP_POST, "/api/v1/calls", ROLE_MANAGER, .id = "place_call", .tag = "calls",
	  .summary = "Place a call over the provider's WebSocket, with audio both ways",
	  .query = "api_calls_audio", .status = 201, .answer = "PlacedCall",
	  ENDPOINT_PARAMS(place_params), .run = run_place },
};
ENDPOINTS(audio_endpoints, rows);
