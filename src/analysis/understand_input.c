/* The input into C. What is no input of this form is refused by name; unknown members are ignored.
 */
#include "analysis/understand_parts.h"

static const char *const verdicts[] = {
	[VERDICT_SUCCESS] = "success",
	[VERDICT_FAILURE] = "failure",
	[VERDICT_UNKNOWN] = "unknown",
};

const char *understand_input_verdict_name(enum verdict_of v)
{
	return verdicts[v];
}

bool understand_input_verdict_from(struct span name, enum verdict_of *out)
{
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(*verdicts); i++) {
		if (!span_is(name, verdicts[i]))
			continue;
		*out = (enum verdict_of)i;
		return true;
	}
	return false;
}

static enum speaker speaker_from(struct span name)
{
	if (span_is(name, "user"))
		return SPEAKER_USER;
	return span_is(name, "ai") ? SPEAKER_AI : SPEAKER_NONE;
}

#define TURN_UNNUMBERED UINT32_MAX

static int64_t number_or(struct json v, int64_t otherwise)
{
	int64_t n;
	return json_has(v) && json_i64(v, &n) && n >= 0 ? n : otherwise;
}

/* Offsets are numbers or null. */
static int64_t offset_of(struct json v)
{
	return number_or(v, -1);
}

/* --- lists --- */

typedef int item_fn(struct finished *c, struct json item, void *out, struct fault *f);

/* Reads every element of the array into a struct of `size` bytes. */
static int read_list(struct finished *c, struct json array, const char *name, size_t size,
		     item_fn *item, struct fault *f, void **out, size_t *out_n)
{
	if (!json_has(array))
		return 0;
	if (array.kind != JSON_ARRAY)
		return fault(f, E_INVALID, "%s: expected array", name);
	struct json_iter it = json_iter(array);
	struct span key;
	struct json v;
	size_t n = 0, most = json_count(array);
	char *items = arena_alloc(c->arena, most * size + 1);
	for (; json_next(&it, &key, &v); n++) {
		int rc = v.kind == JSON_OBJECT ? item(c, v, items + n * size, f)
					       : fault(f, E_INVALID, "expected object");
		if (rc)
			return fault_wrap(f, "%s[%zu]", name, n);
	}
	*out = items;
	*out_n = n;
	return 0;
}

#define TURN(F, T)                               \
	F(T, I64, seq, "seq", REQUIRED)          \
	F(T, RAW, turn, "turn", OPTIONAL)        \
	F(T, TEXT, speaker, "speaker", REQUIRED) \
	F(T, TEXT, text, "text", OPTIONAL)       \
	F(T, RAW, offset_ms, "offset_ms", OPTIONAL)
JSON_STRUCT(turn_json, TURN)
JSON_FIELDS(turn_json, TURN)

static int read_turn(struct finished *c, struct json v, void *out, struct fault *f)
{
	struct turn_json j = { 0 };
	int64_t number;
	TRY(JSON_READ(turn_json, v, c->arena, &j, f));
	*(struct turn *)out = (struct turn){
		.speaker = speaker_from(j.speaker),
		.number = json_has(j.turn) && json_i64(j.turn, &number) && number >= 0
				  ? (uint32_t)number
				  : TURN_UNNUMBERED,
		.seq = j.seq,
		.last_seq = j.seq,
		.offset_ms = offset_of(j.offset_ms),
		.text = j.text,
	};
	return 0;
}

static struct turn *revised(struct finished *c, size_t n, const struct turn *t)
{
	for (size_t i = n; i > 0; i--)
		if (c->turns[i - 1].number == t->number && c->turns[i - 1].speaker == t->speaker)
			return &c->turns[i - 1];
	return NULL;
}

/* A revision takes the place of what the turn was before. Then turns are numbered anew, in order:
 * nothing else needs the numbers they came with. */
static void merge_revisions(struct finished *c)
{
	size_t kept = 0;
	for (size_t i = 0; i < c->turns_n; i++) {
		struct turn t = c->turns[i];
		struct turn *known = t.number == TURN_UNNUMBERED ? NULL : revised(c, kept, &t);
		if (known) {
			known->text = t.text;
			known->last_seq = t.seq;
		} else {
			c->turns[kept++] = t;
		}
	}
	c->turns_n = kept;
	for (size_t i = 0; i < kept; i++)
		c->turns[i].number = (uint32_t)i;
}

#define TOOL(F, T)                                               \
	F(T, TEXT, id, "id", REQUIRED)                           \
	F(T, TEXT, tool, "tool", REQUIRED)                       \
	F(T, RAW, arguments, "arguments", OPTIONAL)              \
	F(T, RAW, success, "success", OPTIONAL)                  \
	F(T, TEXT, error, "error", OPTIONAL)                     \
	F(T, BOOL, unknown, "unknown", OPTIONAL)                 \
	F(T, TEXT, requested_at, "requested_at", REQUIRED)       \
	F(T, TEXT, search_argument, "search_argument", OPTIONAL) \
	F(T, I64, seq, "requested_seq", REQUIRED)                \
	F(T, RAW, offset_ms, "offset_ms", OPTIONAL)              \
	F(T, RAW, ended_seq, "finished_seq", OPTIONAL)           \
	F(T, RAW, ended_offset_ms, "finished_offset_ms", OPTIONAL)
JSON_STRUCT(tool_json, TOOL)
JSON_FIELDS(tool_json, TOOL)

static int read_tool(struct finished *c, struct json v, void *out, struct fault *f)
{
	struct tool_json j = { 0 };
	TRY(JSON_READ(tool_json, v, c->arena, &j, f));
	*(struct used_tool *)out = (struct used_tool){
		.id = j.id,
		.name = j.tool,
		.error = j.error,
		.requested_at = j.requested_at,
		.search_argument = j.search_argument,
		.arguments = j.arguments,
		.succeeded = json_true(j.success),
		.trouble = understand_tools_trouble(j.success, j.unknown, j.error),
		.seq = j.seq,
		.offset_ms = offset_of(j.offset_ms),
		.ended_seq = number_or(j.ended_seq, j.seq),
		.ended_offset_ms = number_or(j.ended_offset_ms, offset_of(j.offset_ms)),
	};
	return 0;
}

#define SIGNAL(F, T)                                \
	F(T, I64, seq, "seq", REQUIRED)             \
	F(T, TEXT, signal, "signal", REQUIRED)      \
	F(T, I64, score, "score", OPTIONAL)         \
	F(T, RAW, offset_ms, "offset_ms", OPTIONAL) \
	F(T, RAW, evidence, "evidence", OPTIONAL)
JSON_STRUCT(signal_json, SIGNAL)
JSON_FIELDS(signal_json, SIGNAL)

/* The newest of its passages. */
static struct json last_of(struct json evidence)
{
	struct json_iter it = json_iter(evidence);
	struct span key;
	struct json v, last = { 0 };
	while (evidence.kind == JSON_ARRAY && json_next(&it, &key, &v))
		last = v;
	return last;
}

static int read_signal(struct finished *c, struct json v, void *out, struct fault *f)
{
	struct signal_json j = { 0 };
	TRY(JSON_READ(signal_json, v, c->arena, &j, f));
	struct json said = last_of(j.evidence);
	*(struct raised_signal *)out = (struct raised_signal){
		.name = j.signal,
		.text = json_text(json_get(said, "text"), c->arena),
		.score = j.score,
		.seq = j.seq,
		.said_seq = number_or(json_get(said, "seq"), j.seq),
		.offset_ms = number_or(json_get(said, "at_ms"), offset_of(j.offset_ms)),
	};
	return 0;
}

#define COMMAND(F, T)                      \
	F(T, TEXT, verb, "verb", REQUIRED) \
	F(T, TEXT, state, "state", OPTIONAL)
JSON_STRUCT(command_json, COMMAND)
JSON_FIELDS(command_json, COMMAND)

static int read_command(struct finished *c, struct json v, void *out, struct fault *f)
{
	struct command_json j = { 0 };
	TRY(JSON_READ(command_json, v, c->arena, &j, f));
	*(struct command_done *)out = (struct command_done){ j.verb, j.state };
	return 0;
}

/* --- single ones --- */

#define CALL(F, T)                                                     \
	F(T, TEXT, id, "id", REQUIRED)                                 \
	F(T, TEXT, started_at, "started_at", REQUIRED)                 \
	F(T, I64, last_seq, "last_seq", REQUIRED)                      \
	F(T, RAW, duration_ms, "duration_ms", OPTIONAL)                \
	F(T, TEXT, ended_reason, "ended_reason", OPTIONAL)             \
	F(T, TEXT, ended_class, "ended_class", OPTIONAL)               \
	F(T, TEXT, number, "customer.number", OPTIONAL)                \
	F(T, TEXT, sentiment, "sentiment.user", OPTIONAL)              \
	F(T, I64, interruptions, "counts.interruptions", OPTIONAL)     \
	F(T, RAW, evaluation, "report.success_evaluation", OPTIONAL)   \
	F(T, RAW, structured_data, "report.structured_data", OPTIONAL) \
	F(T, RAW, structured_outputs, "report.structured_outputs", OPTIONAL)
JSON_STRUCT(call_json, CALL)
JSON_FIELDS(call_json, CALL)

static int need_object(struct json v, const char *name, struct fault *f)
{
	return v.kind == JSON_OBJECT ? 0 : fault(f, E_INVALID, "%s: expected object", name);
}

static int read_call(struct finished *c, struct json call, struct fault *f)
{
	struct call_json j = { 0 };
	TRY(need_object(call, "call", f));
	if (JSON_READ(call_json, call, c->arena, &j, f))
		return fault_wrap(f, "call");
	c->id = j.id;
	c->started_at = j.started_at;
	c->last_seq = j.last_seq;
	c->duration_ms = j.duration_ms;
	c->ended_reason = j.ended_reason;
	c->ended_class = j.ended_class;
	c->number = j.number;
	c->sentiment = j.sentiment;
	c->interruptions = j.interruptions;
	c->evaluation = j.evaluation;
	c->structured_data = j.structured_data;
	c->structured_outputs = j.structured_outputs;
	return 0;
}

#define PROJECT(F, T)                                     \
	F(T, TEXT, id, "id", REQUIRED)                    \
	F(T, TEXT, org, "org_id", REQUIRED)               \
	F(T, TEXT, language, "language", OPTIONAL)        \
	F(T, RAW, fields, "fields", OPTIONAL)             \
	F(T, RAW, success_rule, "success_rule", OPTIONAL) \
	F(T, RAW, tags, "tags", OPTIONAL)                 \
	F(T, RAW, searches, "searches", OPTIONAL)
JSON_STRUCT(project_json, PROJECT)
JSON_FIELDS(project_json, PROJECT)

static int read_project(struct finished *c, struct json project, struct fault *f)
{
	struct project_json j = { 0 };
	TRY(need_object(project, "project", f));
	if (JSON_READ(project_json, project, c->arena, &j, f))
		return fault_wrap(f, "project");
	c->project = j.id;
	c->org = j.org;
	c->language = j.language;
	c->field_list = j.fields;
	c->success_rule = j.success_rule;
	c->own_tag_list = j.tags;
	c->searches = j.searches;
	return 0;
}

#define POSTED(F, T)                             \
	F(T, TEXT, outcome, "outcome", REQUIRED) \
	F(T, TEXT, label, "label", OPTIONAL)     \
	F(T, TEXT, reason, "reason", OPTIONAL)
JSON_STRUCT(posted_json, POSTED)
JSON_FIELDS(posted_json, POSTED)

static int read_posted(struct finished *c, struct json posted, struct fault *f)
{
	struct posted_json j = { 0 };
	if (!json_has(posted))
		return 0;
	TRY(need_object(posted, "posted", f));
	if (JSON_READ(posted_json, posted, c->arena, &j, f))
		return fault_wrap(f, "posted");
	if (!understand_input_verdict_from(j.outcome, &c->posted.verdict))
		return fault(f, E_INVALID, "posted.outcome: expected success, failure or unknown");
	c->posted.given = true;
	c->posted.label = j.label;
	c->posted.reason = j.reason;
	return 0;
}

/* One walk over the whole for its members. */
#define TOP(F, T)                                                        \
	F(T, RAW, call, "call", OPTIONAL)                                \
	F(T, RAW, project, "project", OPTIONAL)                          \
	F(T, RAW, posted, "posted", OPTIONAL)                            \
	F(T, RAW, turns, "turns", OPTIONAL)                              \
	F(T, RAW, tools, "tools", OPTIONAL)                              \
	F(T, RAW, signals, "signals", OPTIONAL)                          \
	F(T, RAW, commands, "commands", OPTIONAL)                        \
	F(T, TEXT, system_text, "system_text", OPTIONAL)                 \
	F(T, TEXT, instruction_version, "instruction_version", OPTIONAL) \
	F(T, RAW, versions, "versions", OPTIONAL)
JSON_STRUCT(top_json, TOP)
JSON_FIELDS(top_json, TOP)

#define LIST(name, type, read)                                                           \
	TRY(read_list(c, j.name, #name, sizeof(struct type), read, f, (void **)&c->name, \
		      &c->name##_n))

int understand_input_read(struct json given, struct finished *c, struct fault *f)
{
	struct top_json j = { 0 };
	if (given.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "a finished call: expected object");
	TRY(JSON_READ(top_json, given, c->arena, &j, f));
	TRY(read_call(c, j.call, f));
	TRY(read_project(c, j.project, f));
	TRY(read_posted(c, j.posted, f));
	LIST(turns, turn, read_turn);
	LIST(tools, used_tool, read_tool);
	LIST(signals, raised_signal, read_signal);
	LIST(commands, command_done, read_command);
	merge_revisions(c);
	if (json_has(j.versions) && j.versions.kind != JSON_ARRAY)
		return fault(f, E_INVALID, "versions: expected array");
	c->system_text = j.system_text;
	c->instruction_version = j.instruction_version;
	c->versions = j.versions;
	return 0;
}
