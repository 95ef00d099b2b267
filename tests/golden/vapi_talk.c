#include "tests/golden/vapi_talk.h"

#include <inttypes.h>

#include "base/json.h"

static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9E3779B97F4A7C15);
	x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
	return x ^ x >> 31;
}

static uint64_t draw(const struct talk *t, uint64_t place, uint64_t below)
{
	return mix(t->seed * 1000003 + place) % below;
}

/* One word in thirty or so needs an escape or is not ASCII, or looks like JSON. */
static const char *word(const struct talk *t, uint64_t place)
{
	static const char *const plain[] = { "the",    "order", "is",	    "please",
					     "a",      "when",	"yes",	    "thanks",
					     "number", "of",	"tomorrow", "my" };
	static const char *const odd[] = { "\\\"late\\\"", "caf\303\251", "{", "],", "\\u00e9" };
	if (draw(t, place + 5, 30) == 0)
		return odd[draw(t, place, sizeof(odd) / sizeof(*odd))];
	return plain[draw(t, place, sizeof(plain) / sizeof(*plain))];
}

static void add_words(const struct talk *t, uint64_t place, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%s%s", i ? " " : "", word(t, place * 64 + i));
}

enum role { BOT, USER, CALLS, RESULT };

/* The first entry is the assistant's; a result always follows its call. */
static enum role role_of(const struct talk *t, size_t i)
{
	if (i > 0 && i % 2 == 0 && draw(t, i, 6) == 0)
		return CALLS;
	if (i > 1 && role_of(t, i - 1) == CALLS)
		return RESULT;
	return i % 2 ? USER : BOT;
}

static uint64_t time_of(size_t i)
{
	return UINT64_C(1760000000000) + i * 4000;
}

/* Two utterances in nine are the same words: genuine repetitions. */
static void add_utterance(const struct talk *t, size_t i, struct buf *out)
{
	if (draw(t, i + 7000, 9) < 2)
		buf_addz(out, "yes");
	else
		add_words(t, i, 4 + draw(t, i, 30), out);
}

static void add_arguments(const struct talk *t, size_t i, const char *quote, struct buf *out)
{
	buf_printf(out, "{%scity%s:%sB%zu%s,%sn%s:%" PRIu64 "}", quote, quote, quote, i, quote,
		   quote, quote, draw(t, i, 5));
}

static void add_tool_call(const struct talk *t, size_t i, struct buf *out)
{
	/* Ids repeat within a call, as Vapi's do. */
	buf_printf(out,
		   "{\"id\":\"call_%zu\",\"type\":\"function\",\"function\":{\"name\":\"lookup\","
		   "\"arguments\":\"",
		   i % 16);
	add_arguments(t, i, "\\\"", out);
	buf_addz(out, "\"}}");
}

static void add_clock(const struct talk *t, size_t i, size_t newest, struct buf *out)
{
	double from_start = (double)((t->shape & TALK_SQUAD) ? i % 10 : i) * 4.0;
	buf_printf(out, ",\"time\":%" PRIu64, time_of(i));
	if (!(t->shape & TALK_LATE_ENDS) || i < newest)
		buf_printf(out, ",\"endTime\":%" PRIu64 ".5,\"duration\":1500", time_of(i) + 2500);
	buf_printf(out, ",\"secondsFromStart\":%.2f}", from_start);
}

static void add_vapi_entry(const struct talk *t, size_t i, size_t newest, struct buf *out)
{
	switch (role_of(t, i)) {
	case BOT:
	case USER:
		buf_printf(out, "{\"role\":\"%s\",\"message\":\"",
			   role_of(t, i) == BOT ? "bot" : "user");
		add_utterance(t, i, out);
		buf_addc(out, '"');
		break;
	case CALLS:
		buf_addz(out, "{\"toolCalls\":[");
		add_tool_call(t, i, out);
		buf_addz(out, "],\"role\":\"tool_calls\",\"message\":\"\"");
		break;
	case RESULT:
		buf_printf(out,
			   "{\"role\":\"tool_call_result\",\"toolCallId\":\"call_%zu\",\"name\":"
			   "\"lookup\","
			   "\"result\":\"",
			   (i - 1) % 16);
		add_utterance(t, i, out);
		buf_addc(out, '"');
		break;
	}
	add_clock(t, i, newest, out);
}

static void add_openai_entry(const struct talk *t, size_t i, struct buf *out)
{
	switch (role_of(t, i)) {
	case BOT:
	case USER:
		buf_printf(out, "{\"role\":\"%s\",\"content\":\"",
			   role_of(t, i) == BOT ? "assistant" : "user");
		add_utterance(t, i, out);
		buf_addz(out, "\"}");
		break;
	case CALLS:
		buf_addz(out, "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[");
		add_tool_call(t, i, out);
		buf_addz(out, "]}");
		break;
	case RESULT:
		buf_printf(out, "{\"role\":\"tool\",\"tool_call_id\":\"call_%zu\",\"content\":\"",
			   (i - 1) % 16);
		add_utterance(t, i, out);
		buf_addz(out, "\"}");
		break;
	}
}

static void add_history(const struct talk *t, const char *name, bool openai, size_t n,
			struct buf *out)
{
	buf_printf(out, "\"%s\":[", name);
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_addc(out, ',');
		if (openai)
			add_openai_entry(t, i, out);
		else
			add_vapi_entry(t, i, n - 1, out);
	}
	buf_addz(out, "],");
}

static void add_assistant(const struct talk *t, size_t entries, struct buf *out)
{
	size_t which = (t->shape & TALK_SQUAD) ? entries / 10 % 2 : 0;
	buf_printf(out,
		   "{\"id\":\"as-%zu\",\"name\":\"Anna "
		   "%zu\",\"model\":{\"provider\":\"openai\",\"messages\":"
		   "[{\"role\":\"system\",\"content\":\"",
		   which, which);
	size_t start = out->n;
	for (uint64_t i = 0; out->n - start < t->prompt_bytes; i++) {
		add_words(t, 900000 + i, 12, out);
		buf_addz(out, ".\\n");
	}
	buf_addz(
		out,
		"\"}]},\"serverMessages\":[\"transcript\",\"tool-calls\"],\"server\":{\"url\":"
		"\"https://example.com\",\"secret\":\"hush\",\"backoffPlan\":{\"maxRetries\":3}}}");
}

static void add_call(const struct talk *t, struct buf *out)
{
	buf_printf(out,
		   "\"call\":{\"id\":\"call-%" PRIu64 "\",\"orgId\":\"org-1\",\"createdAt\":"
		   "\"2025-10-09T08:53:20.000Z\",\"type\":\"webCall\",\"status\":\"queued\","
		   "\"monitor\":{"
		   "\"listenUrl\":\"wss://example.com/listen\",\"controlUrl\":\"https://"
		   "example.com/control\"}",
		   t->seed);
	if (t->shape & TALK_CALL_ASSISTANT) {
		buf_addz(out, ",\"assistant\":");
		add_assistant(t, 0, out);
	}
	buf_addz(out, ",\"customer\":{\"number\":\"+15550100001\"}},");
}

static void add_flat_transcript(const struct talk *t, size_t entries, struct buf *out)
{
	buf_addz(out, "\"transcript\":\"");
	for (size_t i = 0; i < entries; i++) {
		buf_addz(out, i % 2 ? "User: " : "AI: ");
		add_utterance(t, i, out);
		buf_addz(out, "\\n");
	}
	buf_addz(out, "\"");
}

static void add_artifact(const struct talk *t, size_t entries, struct buf *out)
{
	if (!(t->shape & TALK_ARTIFACT))
		return;
	buf_addz(out, "\"artifact\":{");
	add_history(t, "messages", false, entries, out);
	if (t->shape & TALK_OPENAI)
		add_history(t, "messagesOpenAIFormatted", true, entries, out);
	add_flat_transcript(t, entries, out);
	buf_addz(out, "},");
}

static size_t last_call(const struct talk *t, size_t entries)
{
	size_t i = entries;
	while (i > 0 && role_of(t, i - 1) != CALLS)
		i--;
	return i ? i - 1 : 0;
}

static void add_tools(const struct talk *t, size_t entries, struct buf *out)
{
	static const char *const lists[] = { "toolCallList", "toolCalls" };
	size_t i = last_call(t, entries);
	for (int k = 0; k < 2; k++) {
		buf_printf(out,
			   ",\"%s\":[{\"id\":\"call_%zu\",\"type\":\"function\",\"function\":{"
			   "\"name\":\"lookup\","
			   "\"arguments\":",
			   lists[k], i % 16);
		add_arguments(t, i, "\"", out);
		buf_addz(out, "}}]");
	}
}

/* What only this type has; each begins with a comma. */
static void add_own(const struct talk *t, enum talk_type type, size_t entries, struct buf *out)
{
	switch (type) {
	case TALK_SPEECH:
		buf_printf(out, ",\"status\":\"%s\",\"role\":\"user\",\"turn\":%zu",
			   entries % 2 ? "started" : "stopped", entries);
		break;
	case TALK_TRANSCRIPT:
		buf_addz(out, ",\"role\":\"user\",\"transcriptType\":\"final\",\"transcript\":\"");
		add_utterance(t, entries, out);
		buf_addc(out, '"');
		break;
	case TALK_TOOLS:
		add_tools(t, entries, out);
		break;
	case TALK_STATUS:
		buf_addz(out, ",\"status\":\"in-progress\"");
		break;
	case TALK_REPORT:
		buf_addz(out, ",\"endedReason\":\"customer-ended-call\",\"analysis\":{\"summary\":"
			      "\"Fine.\"},"
			      "\"startedAt\":\"2025-10-09T08:53:20Z\",\"endedAt\":\"2025-10-09T08:"
			      "59:20Z\"");
		break;
	case TALK_UPDATE:
	case TALK_TYPES:
		break;
	}
}

void talk_body(const struct talk *t, enum talk_type type, size_t entries, struct buf *out)
{
	static const char *const names[] = {
		[TALK_UPDATE] = "conversation-update", [TALK_SPEECH] = "speech-update",
		[TALK_TRANSCRIPT] = "transcript",      [TALK_TOOLS] = "tool-calls",
		[TALK_STATUS] = "status-update",       [TALK_REPORT] = "end-of-call-report",
	};
	buf_addz(out, "{\"message\":{");
	buf_printf(out, "\"timestamp\":%" PRIu64 ",\"type\":\"%s\",",
		   time_of(entries) + 100 * (uint64_t)type, names[type]);
	if (t->shape & TALK_TOP)
		add_history(t, "messages", false, entries, out);
	if (t->shape & TALK_OPENAI)
		add_history(t, "messagesOpenAIFormatted", true, entries, out);
	add_artifact(t, entries, out);
	add_call(t, out);
	buf_addz(out, "\"assistant\":");
	add_assistant(t, entries, out);
	add_own(t, type, entries, out);
	buf_addz(out, "}}");
}
