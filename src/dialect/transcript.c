/* Plain transcripts: "AI: ..." and "User: ..." lines become a message list, which the dialect
 * openai reads.
 *
 * Happy path: lines "# key: value" say what is known of the call; a line that begins with a label
 * is a turn, with or without a time before it ([00:12], 00:12, 1:02:03.5); any other line goes on
 * with the turn before.
 * Failure modes: no labelled line - refused; words before the first label - refused, they are
 * nobody's. */
#include "base/clock.h"
#include "base/crypto.h"
#include "base/json_scan.h"
#include "base/utf8.h"
#include "dialect/formats.h"
#include "dialect/openai.h"

#include <strings.h>

static const char usual_ai[] = "AI,Assistant,Agent,Bot";
static const char usual_user[] = "User,Customer,Caller,Human";

/* What "# key: value" may say, and where it goes. */
static const char *const header_keys[] = { "id",      "started_at", "ended_at",	  "number",
					   "outcome", "summary",    "session_id", "ended_reason" };

struct turn {
	const char *role;
	struct span text;
	double seconds; /* from the start; -1: not given */
};

struct reading {
	const struct format_record *r;
	struct arena *arena;
	struct json_out out;
	struct buf body, text;
	struct turn turn; /* its words are in text */
	bool open;
	size_t turns, line;
	double last_s;
};

/* --- times and labels --- */

/* "12", "00:12", "1:02:03.5": gives how many bytes it took; 0: none. At least one colon. */
static size_t read_clock(struct span s, double *seconds)
{
	double total = 0, part = 0, scale = 0;
	size_t i = 0, colons = 0, digits = 0;
	for (; i < s.n; i++) {
		if (json_is_digit(s.p[i])) {
			digits++;
			part = scale > 0 ? part + (s.p[i] - '0') * scale
					 : part * 10 + (s.p[i] - '0');
			scale /= 10;
		} else if (s.p[i] == ':' && digits && colons < 2 && scale <= 0) {
			total = (total + part) * 60;
			part = 0;
			digits = 0;
			colons++;
		} else if (s.p[i] == '.' && scale <= 0 && digits) {
			scale = 0.1;
		} else {
			break;
		}
	}
	*seconds = total + part;
	return colons && digits && total < 1e6 ? i : 0;
}

/* Takes a time off the line's beginning; -1: there is none. */
static double take_time(struct span *line)
{
	struct span s = *line;
	double seconds;
	bool bracket = s.n && (s.p[0] == '[' || s.p[0] == '(');
	s = bracket ? span_from(s, 1) : s;
	size_t n = read_clock(s, &seconds);
	if (!n)
		return -1;
	s = span_from(s, n);
	if (bracket && (!s.n || (s.p[0] != ']' && s.p[0] != ')')))
		return -1;
	s = span_trim(bracket ? span_from(s, 1) : s);
	if (s.n && s.p[0] == '-')
		s = span_trim(span_from(s, 1));
	*line = s;
	return seconds;
}

static bool takes_label(struct span *line, struct span labels)
{
	while (labels.n) {
		const char *comma = memchr(labels.p, ',', labels.n);
		struct span label = span_trim(
			(struct span){ labels.p, comma ? (size_t)(comma - labels.p) : labels.n });
		labels = comma ? span_from(labels, (size_t)(comma - labels.p) + 1)
			       : (struct span){ 0 };
		if (!label.n || line->n <= label.n || line->p[label.n] != ':' ||
		    strncasecmp(line->p, label.p, label.n) != 0)
			continue;
		*line = span_trim(span_from(*line, label.n + 1));
		return true;
	}
	return false;
}

static const char *take_label(const struct reading *w, struct span *line)
{
	struct span ai = w->r->ai_labels.n ? w->r->ai_labels : span_of(usual_ai);
	struct span user = w->r->user_labels.n ? w->r->user_labels : span_of(usual_user);
	if (takes_label(line, ai))
		return "assistant";
	return takes_label(line, user) ? "user" : NULL;
}

/* --- turns --- */

static void close_turn(struct reading *w)
{
	if (!w->open)
		return;
	json_begin(&w->out, NULL);
	json_put_z(&w->out, "role", w->turn.role);
	json_put_text(&w->out, "content", buf_span(&w->text));
	if (w->turn.seconds >= 0)
		json_put_f64(&w->out, "secondsFromStart", w->turn.seconds);
	json_end(&w->out);
	buf_clear(&w->text);
	w->open = false;
	w->turns++;
}

static int read_line(struct reading *w, struct span line, struct fault *f)
{
	struct span rest = line;
	double seconds = take_time(&rest);
	const char *role = take_label(w, &rest);
	if (role) {
		close_turn(w);
		w->turn = (struct turn){ .role = role, .seconds = seconds };
		w->open = true;
		buf_add(&w->text, rest);
		return 0;
	}
	if (!w->open)
		return fault(f, E_INVALID,
			     "line %zu of the transcript is nobody's: it begins with no label "
			     "(AI:, User:), see --ai-label and --user-label",
			     w->line);
	buf_addc(&w->text, ' ');
	buf_add(&w->text, line);
	return 0;
}

/* --- the whole --- */

/* "# started_at: 2026-..": true, and the value, when the line is this header. */
static bool is_header(struct span line, const char *key, struct span *value)
{
	size_t n = strlen(key);
	if (!line.n || line.p[0] != '#')
		return false;
	line = span_trim(span_from(line, 1));
	if (line.n <= n || line.p[n] != ':' || strncasecmp(line.p, key, n) != 0)
		return false;
	*value = span_trim(span_from(line, n + 1));
	return true;
}

static struct span header(struct span text, const char *key)
{
	struct span value = { 0 };
	while (text.n) {
		struct span line = span_trim(span_line(&text));
		if (is_header(line, key, &value))
			return value;
	}
	return (struct span){ 0 };
}

static void put_headers(struct reading *w)
{
	for (size_t i = 0; i < sizeof(header_keys) / sizeof(*header_keys); i++) {
		struct span value = header(w->r->text, header_keys[i]);
		bool ours = strcmp(header_keys[i], "id") == 0 ||
			    strcmp(header_keys[i], "started_at") == 0;
		if (value.n && !ours)
			json_put_text(&w->out, header_keys[i], value);
	}
}

static int put_turns(struct reading *w, struct fault *f)
{
	struct span rest = w->r->text;
	json_begin_array(&w->out, "messages");
	while (rest.n) {
		struct span line = span_trim(span_line(&rest));
		w->line++;
		if (line.n && line.p[0] != '#')
			TRY(read_line(w, line, f));
	}
	close_turn(w);
	json_end_array(&w->out);
	if (!w->turns)
		return fault(f, E_INVALID, "the transcript has no turns");
	return 0;
}

static struct span id_of(struct reading *w)
{
	struct span id = header(w->r->text, "id");
	struct buf hex AUTO_BUF = { 0 };
	uint8_t digest[32];
	if (id.n)
		return id;
	crypto_sha256(span_trim(w->r->text), digest);
	crypto_hex((struct span){ (const char *)digest, 12 }, &hex);
	return span_of(arena_printf(w->arena, "content-%.*s", (int)hex.n, hex.p));
}

static int write_body(struct reading *w, struct format_call *out, struct fault *f)
{
	char iso[CLOCK_ISO + 1];
	struct span started = header(w->r->text, "started_at");
	if (started.n && !clock_parse(started, &out->started_us))
		return fault(f, E_INVALID, "started_at: expected an ISO 8601 time with zone");
	if (!started.n)
		out->started_us = w->r->fallback_us;
	clock_format(out->started_us, iso);
	json_begin(&w->out, NULL);
	json_put_text(&w->out, "id", id_of(w));
	json_put_z(&w->out, "kind", "transcript");
	json_put_z(&w->out, "started_at", iso);
	put_headers(w);
	TRY(put_turns(w, f));
	json_end(&w->out);
	return 0;
}

static int read_record(const struct format_record *r, struct arena *arena, struct format_call *out,
		       struct fault *f)
{
	struct reading w = { .r = r, .arena = arena };
	int64_t started_us, ended_us;
	*out = (struct format_call){ .whole = true };
	w.out.b = &w.body;
	int rc = write_body(&w, out, f);
	if (!rc) {
		out->body = arena_copy(arena, buf_span(&w.body));
		/* Mended, if it was no UTF-8: as the dialect knows it. */
		out->id = json_text(json_get(json_of(out->body), "id"), arena);
		openai_times(json_of(out->body), arena, &started_us, &ended_us);
		out->at_us = ended_us > out->started_us
				     ? ended_us
				     : openai_end(json_of(out->body), out->started_us, arena);
	}
	buf_free(&w.body);
	buf_free(&w.text);
	return rc;
}

const struct format transcript_format = {
	.name = "transcript",
	.title = "plain text: \"AI: ..\" and \"User: ..\" lines, calls parted by a line of dashes",
	.dialect = "openai",
	.kind = FORMAT_TEXT,
	.read = read_record,
};
