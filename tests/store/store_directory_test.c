/* The directory: reading its document, checking what may go into it, following PostgreSQL, and
 * starting without it (I1). */
#include "store_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/log.h"

#define ID(n) "00000000-0000-7000-8000-00000000000" #n

/* --- reading --- */

static const char document[] =
	"{\"version\":7,\"tokens\":["
	"{\"id\":\"" ID(2) "\",\"org_id\":\"" ID(
		1) "\",\"name\":\"ops\",\"role\":\"supervisor\",\"hash\":"
		   "\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\",\"expires_"
		   "at\":\"2026-01-01T00:00:00.000000Z\"},"
		   "{\"id\":\"" ID(3) "\",\"org_id\":\"" ID(
			   1) "\",\"name\":\"bad\",\"role\":\"emperor\",\"hash\":"
			      "\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a09\""
			      ",\"expires_at\":null}],"
			      "\"projects\":[{\"id\":\"" ID(4) "\",\"org_id\":\"" ID(
				      1) "\",\"name\":\"p\",\"language\":\"es\",\"settings\":{"
					 "\"silence_ms\":5},"
					 "\"instruction_version\":\"" ID(
						 5) "\",\"instruction_number\":3,\"instruction_"
						    "text\":\"Be \\\"kind\\\".\",\"tools\":["
						    "{\"id\":\"" ID(
							    6) "\",\"name\":\"t\",\"url\":\"http://"
							       "t/"
							       "\",\"method\":\"GET\",\"headers\":["
							       "{\"name\":\"authorization\","
							       "\"secret\":"
							       "{\"env\":\"CALLMEND_SECRET_TEST\"}}"
							       ",{\"name\":\"x\",\"value\":\"y\"}],"
							       "\"timeout_ms\":900,\"fallback\":"
							       "\"Sorry.\","
							       "\"success\":{\"status_max\":204,"
							       "\"pattern\":\"a+\"},\"result_"
							       "path\":\"data\"},"
							       "{\"id\":\"" ID(
								       7) "\",\"name\":\"broken\","
									  "\"url\":\"ftp://t/"
									  "\"}]}],"
									  "\"sources\":[{\"id\":"
									  "\"" ID(8) "\",\"org_"
										     "id\":\"" ID(1) "\",\"project_id\":\"" ID(
											     4) "\""
												","
												"\""
												"di"
												"al"
												"ec"
												"t"
												"\""
												":"
												"\""
												"va"
												"pi"
												"\""
												","
												"\""
												"na"
												"me"
												"\""
												":"
												"\""
												"ma"
												"in"
												"\""
												","
												"\""
												"au"
												"th"
												"\""
												":["
												"{"
												"\""
												"ty"
												"pe"
												"\""
												":"
												"\""
												"hm"
												"ac"
												"\""
												","
												"\""
												"se"
												"cr"
												"et"
												"\""
												":{"
												"\""
												"en"
												"v"
												"\""
												":"
												"\""
												"CA"
												"LL"
												"ME"
												"ND"
												"_S"
												"EC"
												"RE"
												"T_"
												"AB"
												"SE"
												"NT"
												"\""
												"},"
												"\""
												"al"
												"go"
												"ri"
												"th"
												"m"
												"\""
												":"
												"\""
												"sh"
												"a5"
												"12"
												"\""
												","
												"\""
												"en"
												"co"
												"di"
												"ng"
												"\""
												":"
												"\""
												"ba"
												"se"
												"64"
												"\""
												","
												"\""
												"si"
												"gn"
												"at"
												"ur"
												"e_"
												"he"
												"ad"
												"er"
												"\""
												":"
												"\""
												"X-"
												"Si"
												"g"
												"\""
												","
												"\""
												"in"
												"cl"
												"ud"
												"e_"
												"ti"
												"me"
												"st"
												"am"
												"p"
												"\""
												":f"
												"al"
												"se"
												","
												"\""
												"to"
												"le"
												"ra"
												"nc"
												"e_"
												"ms"
												"\""
												":0"
												"},"
												"{"
												"\""
												"ty"
												"pe"
												"\""
												":"
												"\""
												"ps"
												"yc"
												"hi"
												"c"
												"\""
												"},"
												"{"
												"\""
												"ty"
												"pe"
												"\""
												":"
												"\""
												"se"
												"cr"
												"et"
												"\""
												","
												"\""
												"se"
												"cr"
												"et"
												"\""
												":{"
												"\""
												"fi"
												"le"
												"\""
												":"
												"\""
												"ho"
												"ok"
												"\""
												"}}"
												"],"
												"\""
												"pr"
												"iv"
												"at"
												"e_"
												"ke"
												"y"
												"\""
												":{"
												"\""
												"en"
												"v"
												"\""
												":"
												"\""
												"PA"
												"TH"
												"\""
												"},"
												"\""
												"co"
												"nt"
												"ro"
												"l_"
												"ke"
												"y"
												"\""
												":n"
												"ul"
												"l,"
												"\""
												"ap"
												"i_"
												"ba"
												"se"
												"\""
												":"
												"\""
												"ht"
												"tp"
												"s:"
												"//"
												"ap"
												"i"
												"\""
												","
												"\""
												"up"
												"st"
												"re"
												"am"
												"_u"
												"rl"
												"\""
												":"
												"\""
												"\""
												","
												"\""
												"up"
												"st"
												"re"
												"am"
												"_t"
												"im"
												"eo"
												"ut"
												"_m"
												"s"
												"\""
												":7"
												"00"
												","
												"\""
												"an"
												"sw"
												"er"
												"s"
												"\""
												":{"
												"\""
												"a"
												"\""
												":1"
												"},"
												"\""
												"as"
												"si"
												"st"
												"an"
												"t"
												"\""
												":n"
												"ul"
												"l,"
												"\""
												"as"
												"si"
												"st"
												"an"
												"t_"
												"id"
												"\""
												":"
												"\""
												"\""
												","
												"\""
												"as"
												"si"
												"st"
												"an"
												"t_"
												"mo"
												"de"
												"\""
												":"
												"\""
												"\""
												","
												"\""
												"va"
												"ri"
												"ab"
												"le"
												"_v"
												"al"
												"ue"
												"s"
												"\""
												":{"
												"},"
												"\""
												"fa"
												"il"
												"ur"
												"e"
												"\""
												":{"
												"\""
												"er"
												"ro"
												"r"
												"\""
												":"
												"\""
												"x"
												"\""
												"},"
												"\""
												"se"
												"tt"
												"in"
												"gs"
												"\""
												":{"
												"}}"
												","
												"{"
												"\""
												"id"
												"\""
												":"
												"\""
												"no"
												"ns"
												"en"
												"se"
												"\""
												","
												"\""
												"na"
												"me"
												"\""
												":"
												"\""
												"se"
												"co"
												"nd"
												"\""
												"}]"
												"}";

static const struct directory *read_document(void)
{
	struct directory *d;
	struct buf path AUTO_BUF = { 0 };
	setenv("CALLMEND_SECRET_TEST", "s3cret", 1);
	unsetenv("CALLMEND_SECRET_ABSENT");
	buf_printf(&path, "%s/hook", fixture.dir);
	assert_ok(file_replace(buf_z(&path), 0600, SPAN("from a file\n"), &oops));
	assert_ok(directory_new(&d, span_of(document), fixture.dir, &oops));
	return d;
}

#define assert_span(span_, text) assert_true(span_is(span_, text))

static struct uuid id_of(const char *text)
{
	struct uuid id;
	assert_int_equal(uuid_parse(&id, span_of(text)), 0);
	return id;
}

static void sources_are_read(void **state)
{
	(void)state;
	const struct directory *d = read_document();
	struct uuid id = id_of(ID(8));
	assert_int_equal(d->version, 7);
	assert_int_equal(d->sources_n, 1); /* the second one is broken */
	const struct dir_source *s = directory_source(d, SPAN("vapi"), SPAN("main"));
	assert_non_null(s);
	assert_ptr_equal(s, directory_source_by_id(d, &id));
	assert_null(directory_source(d, SPAN("vapi"), SPAN("other")));
	assert_null(directory_source(d, SPAN("other"), SPAN("main")));
	assert_int_equal(s->auth_n, 2);
	assert_int_equal(s->auth[0].mode, AUTH_HMAC);
	assert_int_equal(s->auth[0].digest, DIGEST_SHA512);
	assert_span(s->auth[0].header, "x-sig");
	assert_span(s->auth[0].timestamp_header, "x-timestamp");
	assert_span(s->auth[0].payload_format, "{timestamp}.{body}");
	assert_false(s->auth[0].include_timestamp);
	assert_true(s->auth[0].base64_signature);
	assert_false(s->auth[0].base64_secret);
	assert_int_equal(s->auth[0].tolerance_ms, 0);
	assert_int_equal(s->auth[0].secret.value.n, 0);
	assert_true(s->auth[0].secret.missing.n > 0);
	assert_span(s->auth[1].header, "x-vapi-secret");
	assert_span(s->auth[1].secret.value, "from a file");
	/* Any variable of the machine may not be read this way. */
	assert_int_equal(s->private_key.value.n, 0);
	assert_true(s->private_key.missing.n > 0);
	assert_true(s->control_key.value.n == 0 && s->control_key.missing.n == 0);
	assert_int_equal(s->upstream_timeout_ms, 700);
	assert_int_equal(s->assistant.kind, JSON_NONE);
	assert_span(s->failure.raw, "{\"error\":\"x\"}");
	assert_span(s->answers.raw, "{\"a\":1}");
	directory_unref(d);
}

static void projects_and_tools_are_read(void **state)
{
	(void)state;
	const struct directory *d = read_document();
	struct uuid id = id_of(ID(4)), tool = id_of(ID(6)), broken = id_of(ID(7));
	const struct dir_project *p = directory_project(d, &id);
	assert_non_null(p);
	assert_span(p->language, "es");
	assert_span(p->instruction_text, "Be \"kind\".");
	assert_int_equal(p->instruction_number, 3);
	assert_span(p->settings.raw, "{\"silence_ms\":5}");
	assert_int_equal(p->tools_n, 1);
	const struct dir_tool *t = directory_tool(d, &tool);
	assert_ptr_equal(t, &p->tools[0]);
	assert_null(directory_tool(d, &broken));
	assert_null(directory_project(d, &tool));
	assert_true(uuid_eq(&t->project, &p->id) && uuid_eq(&t->rule.id, &t->id));
	assert_span(t->method, "GET");
	assert_int_equal(t->rule.timeout_ms, 900);
	assert_int_equal(t->rule.status_min, 200);
	assert_int_equal(t->rule.status_max, 204);
	assert_span(t->rule.pattern, "a+");
	assert_span(t->rule.result_path, "data");
	assert_int_equal(t->headers_n, 2);
	assert_span(t->headers[0].value.value, "s3cret");
	assert_span(t->headers[1].value.value, "y");
	directory_unref(d);
}

static void tokens_are_known_until_they_expire(void **state)
{
	(void)state;
	const struct directory *d = read_document();
	int64_t expiry;
	assert_true(clock_parse(SPAN("2026-01-01T00:00:00Z"), &expiry));
	assert_int_equal(d->tokens_n, 1);
	const struct dir_token *t = directory_token(d, SPAN("test"), expiry - 1);
	assert_non_null(t);
	assert_int_equal(t->role, ROLE_SUPERVISOR);
	assert_span(t->name, "ops");
	assert_null(directory_token(d, SPAN("test"), expiry));
	assert_null(directory_token(d, SPAN("Test"), 0));
	assert_null(directory_token(d, SPAN(""), 0));
	directory_unref(d);
}

static void sessions_with_platforms_are_read(void **state)
{
	static const char
		text[] = "{\"version\":1,\"sources\":[{\"id\":\"" ID(8) "\",\"org_id\":\"" ID(1) "\",\"project_id\":\"" ID(
			4) "\",\"dialect\":\"ringcentral\",\"name\":"
			   "\"main\",\"connect\":{\"client_id\":\"c\",\"client_secret\":{\"file\":"
			   "\"hook\"},"
			   "\"jwt\":{\"file\":\"nowhere\"},\"filters\":[\"/a\",\"/"
			   "b\"],\"from_number\":"
			   "\"+1555\"}},{\"id\":\"" ID(9) "\",\"org_id\":\"" ID(
				   1) "\",\"project_id\":\"" ID(4) "\",\"dialect\":\"ringcentral\","
								   "\"name\":\"other\",\"connect\":"
								   "{"
								   "\"client_id\":5}}]}";
	struct directory *d;
	(void)state;
	directory_unref(read_document()); /* writes the file */
	assert_ok(directory_new(&d, span_of(text), fixture.dir, &oops));
	assert_int_equal(d->sources_n, 2);
	const struct dir_connect *c = &d->sources[0].connect;
	assert_true(c->on);
	assert_span(c->client_id, "c");
	assert_span(c->client_secret.value, "from a file");
	assert_true(c->jwt.missing.n > 0);
	assert_span(c->events, "websocket");
	assert_int_equal(c->filters_n, 2);
	assert_span(c->filters[1], "/b");
	assert_span(c->from_number, "+1555");
	assert_true(c->verification.value.n == 0 && c->verification.missing.n == 0);
	/* What cannot be read is no session; the source stays. */
	assert_false(d->sources[1].connect.on);
	directory_unref(d);
}

static void rules_of_recordings_are_read(void **state)
{
	static const struct {
		const char *rule;
		enum dir_first_voice first_voice;
	} cases[] = { { "\"ours\"", FIRST_VOICE_OURS },
		      { "\"customer\"", FIRST_VOICE_CUSTOMER },
		      { "\"answerer\"", FIRST_VOICE_ANSWERER },
		      { "null", FIRST_VOICE_UNKNOWN } };
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf text AUTO_BUF = { 0 };
		struct directory *d;

		buf_printf(&text,
			   "{\"version\":1,\"sources\":[{\"id\":\"%s\",\"org_id\":\"%s\","
			   "\"project_id\":\"%s\",\"dialect\":\"ringcentral\",\"name\":\"main\","
			   "\"connect\":{\"client_id\":\"c\",\"client_secret\":{\"file\":\"x\"},"
			   "\"jwt\":{\"file\":\"x\"},\"recording_channels\":"
			   "\"assistant,customer\",\"recording_first_voice\":%s}}]}",
			   ID(8), ID(1), ID(4), cases[i].rule);
		assert_ok(directory_new(&d, buf_span(&text), fixture.dir, &oops));
		assert_int_equal(CHANNELS_ASSISTANT_FIRST, d->sources[0].connect.channels);
		assert_int_equal(cases[i].first_voice, d->sources[0].connect.first_voice);
		directory_unref(d);
	}
}

static void references_are_counted(void **state)
{
	(void)state;
	const struct directory *d = read_document();
	const struct directory *second = directory_ref(d);
	directory_unref(d);
	assert_int_equal(second->version, 7);
	directory_unref(second);
	directory_unref(NULL);
}

static void useless_documents_are_refused(void **state)
{
	(void)state;
	static const char *const documents[] = {
		"", "{", "[]", "{}", "{\"version\":0}", "{\"version\":\"x\"}", "null"
	};
	struct directory *d;
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++)
		assert_int_equal(directory_new(&d, span_of(documents[i]), "", &oops), E_INVALID);
	assert_ok(directory_new(&d, SPAN("{\"version\":1,\"tokens\":5,\"sources\":null}"), "",
				&oops));
	assert_int_equal(d->sources_n + d->tokens_n + d->projects_n, 0);
	directory_unref(d);
}

/* --- stored before there was a limit --- */

/* What directory_new logs about a document. */
static struct directory *read_logged(struct span text, struct buf *logged)
{
	struct directory *d;
	FILE *file = tmpfile();
	int kept = dup(STDERR_FILENO);
	assert_true(file && kept >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
	log_init(LOG_WARN, LOG_TEXT);
	int rc = directory_new(&d, text, "", &oops);
	log_init(LOG_ERROR, LOG_TEXT);
	dup2(kept, STDERR_FILENO);
	close(kept);
	rewind(file);
	for (int c; (c = getc(file)) != EOF;)
		buf_printf(logged, "%c", c);
	fclose(file);
	assert_ok(rc);
	return d;
}

static unsigned times(const char *text, const char *what)
{
	unsigned n = 0;
	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

static void settings_out_of_range_are_left_out(void **state)
{
	(void)state;
	static const char text[] =
		"{\"version\":1,\"projects\":[{\"id\":\"" ID(4) "\",\"org_id\":\"" ID(
			1) "\",\"settings\":{\"silence_ms\":31536000001,\"loop_count\":4,\"turn_"
			   "gap_ms\":-1,"
			   "\"colour\":1,\"idle_close_ms\":31536000000}}],\"sources\":[{\"id\":"
			   "\"" ID(8) "\",\"org_id\":\"" ID(1) "\",\"project_id\":\"" ID(
				   4) "\",\"name\":\"main\",\"dialect\":\"vapi\",\"settings\":{"
				      "\"linger_ms\":1099511627776}}]}";
	struct uuid id = id_of(ID(4));
	struct buf logged AUTO_BUF = { 0 };
	struct directory *d = read_logged(span_of(text), &logged);
	const struct dir_project *p = directory_project(d, &id);
	const struct dir_source *s = directory_source(d, SPAN("vapi"), SPAN("main"));
	assert_true(p && s);
	assert_span(p->settings.raw, "{\"loop_count\":4,\"idle_close_ms\":31536000000}");
	assert_span(s->settings.raw, "{}");
	static const char *const lines[] = {
		"setting of project " ID(4) " is left out: silence_ms: ",
		"setting of project " ID(4) " is left out: turn_gap_ms: ",
		"setting of project " ID(4) " is left out: colour: ",
		"setting of source " ID(8) " is left out: linger_ms: "
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (!strstr(buf_z(&logged), lines[i]))
			fail_msg("%s: not in %s", lines[i], buf_z(&logged));
	assert_int_equal(times(buf_z(&logged), "is left out"), 4);
	directory_unref(d);
}

static struct directory *with_tools(unsigned n, struct buf *logged)
{
	struct buf text AUTO_BUF = { 0 };
	buf_printf(&text, "{\"version\":1,\"projects\":[{\"id\":\"" ID(4) "\",\"org_id\":\"" ID(
				  1) "\",\"tools\":[{\"id\":\"broken\"}");
	for (unsigned i = 0; i < n; i++)
		buf_printf(&text,
			   ",{\"id\":\"00000000-0000-7000-8000-%012x\",\"name\":\"t%u\",\"url\":"
			   "\"http://t/\"}",
			   i, i);
	buf_printf(&text, "]}]}");
	return read_logged(buf_span(&text), logged);
}

static void a_project_keeps_so_many_tools(void **state)
{
	(void)state;
	struct uuid last = id_of("00000000-0000-7000-8000-0000000000ff"),
		    beyond = id_of("00000000-0000-7000-8000-000000000100");
	struct buf logged AUTO_BUF = { 0 };
	struct directory *d = with_tools(SETTINGS_TOOLS_MAX, &logged);
	assert_int_equal(d->projects[0].tools_n, SETTINGS_TOOLS_MAX);
	assert_null(strstr(buf_z(&logged), "project "));
	directory_unref(d);
	d = with_tools(SETTINGS_TOOLS_MAX + 1, &logged);
	assert_int_equal(d->projects[0].tools_n, SETTINGS_TOOLS_MAX);
	assert_non_null(directory_tool(d, &last));
	assert_null(directory_tool(d, &beyond));
	assert_non_null(strstr(buf_z(&logged), "project " ID(4) " has 257 tools"));
	directory_unref(d);
}

static void roles_have_names(void **state)
{
	(void)state;
	enum role role = ROLE_NONE;
	assert_string_equal(role_name(ROLE_ADMIN), "admin");
	assert_string_equal(role_name(ROLE_NONE), "");
	assert_true(role_from(SPAN("manager"), &role));
	assert_int_equal(role, ROLE_MANAGER);
	assert_false(role_from(SPAN("Manager"), &role));
}

/* --- checking --- */

struct check_case {
	const char *json;
	const char *path; /* the fault begins with it; NULL: accepted */
};

static void run_cases(const struct check_case *cases, size_t n,
		      int (*check)(struct span, struct fault *))
{
	for (size_t i = 0; i < n; i++) {
		struct fault f = { 0 };
		int rc = check(span_of(cases[i].json), &f);
		if (rc != (cases[i].path ? E_INVALID : 0))
			fail_msg("%s: %d %s", cases[i].json, rc, f.text);
		if (cases[i].path && strncmp(f.text, cases[i].path, strlen(cases[i].path)) != 0)
			fail_msg("%s: %s, not %s", cases[i].json, f.text, cases[i].path);
	}
}

#define SECRET "{\"env\":\"CALLMEND_SECRET_X\"}"
#define CONNECT(more) \
	"{\"client_id\":\"c\",\"client_secret\":" SECRET ",\"jwt\":{\"file\":\"jwt\"}" more "}"

static void sources_are_checked(void **state)
{
	(void)state;
	static const struct check_case cases[] = {
		{ "{}", NULL },
		{ "{\"name\":\"a-b_c.1\",\"auth\":[{\"type\":\"open\"}]}", NULL },
		{ "{\"auth\":[{\"type\":\"secret\",\"secret\":" SECRET
		  ",\"header\":\"X-Vapi-Secret\"}]}",
		  NULL },
		{ "{\"auth\":[{\"type\":\"hmac\",\"secret\":{\"file\":\"k\"},\"algorithm\":"
		  "\"sha1\",\"encoding\":\"base64\","
		  "\"message_id_header\":\"\",\"tolerance_ms\":0}]}",
		  NULL },
		{ "{\"failure\":{\"error\":\"Sorry\"},\"private_key\":null,\"upstream_url\":\"\"}",
		  NULL },
		{ "{\"settings\":{\"silence_ms\":1}}", NULL },
		{ "{\"settings\":{\"silence_ms\":31536000000,\"loop_count\":0}}", NULL },
		{ "{\"connect\":null}", NULL },
		{ "{\"connect\":" CONNECT("") "}", NULL },
		{ "{\"connect\":" CONNECT(
			  ",\"events\":\"webhook\",\"address\":\"https://h/in\","
			  "\"verification\":" SECRET
			  ",\"filters\":[\"/restapi/x?y=1\"],\"from_number\":\"+15550100\","
			  "\"account\":\"9\",\"platform\":\"https://p\"") "}",
		  NULL },
		{ "{\"connect\":\"x\"}", "connect:" },
		{ "{\"connect\":{\"client_id\":\"c\"}}", "connect.client_secret:" },
		{ "{\"connect\":{\"client_id\":\"c d\"}}", "connect.client_id:" },
		{ "{\"connect\":{\"client_id\":\"c\",\"client_secret\":\"plain\"}}",
		  "connect.client_secret:" },
		{ "{\"connect\":{\"client_id\":\"c\",\"client_secret\":" SECRET ",\"jwt\":\"ey\"}}",
		  "connect.jwt:" },
		{ "{\"connect\":" CONNECT(",\"events\":\"push\"") "}", "connect.events:" },
		{ "{\"connect\":" CONNECT(",\"address\":\"h\"") "}", "connect.address:" },
		{ "{\"connect\":" CONNECT(",\"filters\":[\"/a\",\"b\"]") "}",
		  "connect.filters[1]:" },
		{ "{\"connect\":" CONNECT(",\"filters\":\"/a\"") "}", "connect.filters:" },
		{ "{\"connect\":" CONNECT(",\"from_number\":\"5550100\"") "}",
		  "connect.from_number:" },
		{ "{\"connect\":" CONNECT(",\"secret\":1") "}", "connect.secret:" },
		{ "{\"connect\":" CONNECT(",\"recording_first_voice\":\"customer\"") "}", NULL },
		{ "{\"connect\":" CONNECT(",\"recording_first_voice\":\"ours\"") "}", NULL },
		{ "{\"connect\":" CONNECT(",\"recording_first_voice\":\"assistant\"") "}",
		  "connect.recording_first_voice: must be one of: ours customer answerer" },
		{ "[]", "must be an object" },
		{ "{\"nmae\":\"x\"}", "nmae:" },
		{ "{\"name\":\"a/b\"}", "name:" },
		{ "{\"name\":\"\"}", "name:" },
		{ "{\"name\":5}", "name:" },
		{ "{\"project_id\":\"x\"}", "project_id:" },
		{ "{\"auth\":{}}", "auth:" },
		{ "{\"auth\":[5]}", "auth[0]:" },
		{ "{\"auth\":[{\"type\":\"open\"},{\"type\":\"x\"}]}", "auth[1].type:" },
		{ "{\"auth\":[{\"type\":\"bearer\"}]}", "auth[0].secret:" },
		{ "{\"auth\":[{\"type\":\"bearer\",\"secret\":\"plain\"}]}", "auth[0].secret:" },
		{ "{\"auth\":[{\"type\":\"bearer\",\"secret\":{\"env\":\"HOME\"}}]}",
		  "auth[0].secret:" },
		{ "{\"auth\":[{\"type\":\"bearer\",\"secret\":{\"file\":\"../x\"}}]}",
		  "auth[0].secret:" },
		{ "{\"auth\":[{\"type\":\"hmac\",\"secret\":" SECRET ",\"algorithm\":\"md5\"}]}",
		  "auth[0].algorithm:" },
		{ "{\"auth\":[{\"type\":\"hmac\",\"secret\":" SECRET ",\"tolerance_ms\":-1}]}",
		  "auth[0].tolerance_ms:" },
		{ "{\"auth\":[{\"type\":\"hmac\",\"secret\":" SECRET
		  ",\"signature_header\":\"a b\"}]}",
		  "auth[0].signature_header:" },
		{ "{\"auth\":[{\"type\":\"open\",\"foo\":1}]}", "auth[0].foo:" },
		{ "{\"auth\":[{\"type\":\"twilio\",\"secret\":" SECRET ",\"public_url\":\"wss://"
		  "gw.example.com:8443\"},{\"type\":\"path\",\"secret\":" SECRET
		  "},{\"type\":\"basic\",\"user\":\"u\",\"secret\":" SECRET "}]}",
		  NULL },
		{ "{\"auth\":[{\"type\":\"twilio\",\"secret\":" SECRET "}]}",
		  "auth[0].public_url:" },
		{ "{\"auth\":[{\"type\":\"twilio\",\"secret\":" SECRET
		  ",\"public_url\":\"https://gw.example.com\"}]}",
		  "auth[0].public_url:" },
		{ "{\"auth\":[{\"type\":\"twilio\",\"secret\":" SECRET
		  ",\"public_url\":\"wss://gw.example.com/in\"}]}",
		  "auth[0].public_url:" },
		{ "{\"auth\":[{\"type\":\"path\"}]}", "auth[0].secret:" },
		{ "{\"private_key\":\"sk-1\"}", "private_key:" },
		{ "{\"api_base\":\"ftp://x\"}", "api_base:" },
		{ "{\"upstream_url\":\"http://\"}", "upstream_url:" },
		{ "{\"upstream_url\":\"http://a b\"}", "upstream_url:" },
		{ "{\"upstream_timeout_ms\":15001}", "upstream_timeout_ms:" },
		{ "{\"upstream_timeout_ms\":\"5\"}", "upstream_timeout_ms:" },
		{ "{\"assistant_mode\":\"magic\"}", "assistant_mode:" },
		{ "{\"failure\":{}}", "failure:" },
		{ "{\"failure\":{\"error\":\"a\",\"destination\":{}}}", "failure:" },
		{ "{\"settings\":{\"silence\":1}}", "settings.silence:" },
		{ "{\"settings\":{\"silence_ms\":-1}}", "settings.silence_ms:" },
		{ "{\"settings\":{\"silence_ms\":1.5}}", "settings.silence_ms:" },
		{ "{\"settings\":{\"loop_count\":1,\"silence_ms\":31536000001}}",
		  "settings.silence_ms: must be a whole number from 0 to 31536000000" },
	};
	run_cases(cases, sizeof(cases) / sizeof(cases[0]), directory_check_source);
}

static void tools_are_checked(void **state)
{
	(void)state;
	static const struct check_case cases[] = {
		{ "{\"name\":\"t\",\"url\":\"https://h/x?y=1\",\"timeout_ms\":15000}", NULL },
		{ "{\"headers\":[{\"name\":\"x-a\",\"value\":\"b\"},{\"name\":\"Authorization\","
		  "\"secret\":" SECRET "}]}",
		  NULL },
		{ "{\"success\":{\"status_min\":200,\"status_max\":204,\"pattern\":\"^ok|\\\\d+\","
		  "\"empty_path\":\"a.b\"}}",
		  NULL },
		{ "{\"success\":{\"pattern\":\"\"}}", NULL },
		{ "{\"timeout_ms\":15001}", "timeout_ms:" },
		{ "{\"timeout_ms\":0}", "timeout_ms:" },
		{ "{\"url\":\"/relative\"}", "url:" },
		{ "{\"url\":\"https:///x\"}", "url:" },
		{ "{\"method\":\"get\"}", "method:" },
		{ "{\"headers\":{}}", "headers:" },
		{ "{\"headers\":[{\"name\":\"a\"}]}", "headers[0]:" },
		{ "{\"headers\":[{\"name\":\"a\",\"value\":\"b\",\"secret\":" SECRET "}]}",
		  "headers[0]:" },
		{ "{\"headers\":[{\"value\":\"b\"}]}", "headers[0].name:" },
		{ "{\"headers\":[{\"name\":\"a\",\"value\":\"b\\r\\nc: d\"}]}",
		  "headers[0].value:" },
		{ "{\"headers\":[{\"name\":\"X-Api-Key\",\"value\":\"plain\"}]}",
		  "headers[0].value:" },
		{ "{\"success\":{\"pattern\":\"(\"}}", "success.pattern:" },
		{ "{\"success\":{\"empty_pattern\":\"[\"}}", "success.empty_pattern:" },
		{ "{\"success\":{\"status_min\":300,\"status_max\":200}}", "success.status_min:" },
		{ "{\"success\":{\"status_min\":99}}", "success.status_min:" },
		{ "{\"success\":{\"foo\":1}}", "success.foo:" },
		{ "{\"success\":[]}", "success:" },
	};
	run_cases(cases, sizeof(cases) / sizeof(cases[0]), directory_check_tool);
}

#define A10 "aaaaaaaaaa"
#define A49 A10 A10 A10 A10 "aaaaaaaaa"
#define A100 A49 A49 "aa"
#define A198 A49 A49 A100
#define TOOL "{\"tool\":\"t\"}"
#define TOOLS_5 TOOL "," TOOL "," TOOL "," TOOL "," TOOL
#define TOOLS_10 TOOLS_5 "," TOOLS_5
#define TOOLS_50 TOOLS_10 "," TOOLS_10 "," TOOLS_10 "," TOOLS_10 "," TOOLS_10

static void projects_are_checked(void **state)
{
	(void)state;
	static const struct check_case cases[] = {
		{ "{\"name\":\"p\",\"language\":\"es\",\"settings\":{\"loop_count\":4}}", NULL },
		{ "{\"settings\":{\"idle_close_ms\":31536000000}}", NULL },
		{ "{\"settings\":{\"idle_close_ms\":31536000001}}", "settings.idle_close_ms:" },
		{ "{\"settings\":{\"nothing\":4}}", "settings.nothing:" },
		{ "{\"name\":[]}", "name:" },
		{ "{\"fields\":[{\"name\":\"a\",\"label\":\"A\"}]}", NULL },
		{ "{\"fields\":[{\"name\":\"a\"},{\"name\":\"a\"}]}", "fields[1]" },
		{ "{\"fields\":[{\"name\":\"a\",\"pattern\":\"(\"}]}", "fields[0]" },
		{ "{\"fields\":{}}", "fields:" },
		{ "{\"success_rule\":{\"success\":[{\"structured\":\"a.b\",\"in\":[1,\"x\"]},{"
		  "\"evaluation\":true,\"threshold\":7},{\"tool\":\"book\",\"success\":true},{"
		  "\"ended_reason\":[\"x\"]},{\"phrase\":\"booked\",\"speaker\":\"ai\"},{\"field\":"
		  "\"a\"},{\"fields\":\"all\"}],\"failure\":[{\"ended_class\":[\"lost\"]}]}}",
		  NULL },
		{ "{\"success_rule\":{\"success\":[{\"structured\":\"a\"}]}}",
		  "success_rule.success[0]:" },
		{ "{\"success_rule\":{\"success\":[{\"structured\":\"a\",\"present\":false}]}}",
		  "success_rule.success[0].present:" },
		{ "{\"success_rule\":{\"success\":[{\"phrase\":\"a\",\"speaker\":\"dog\"}]}}",
		  "success_rule.success[0].speaker:" },
		{ "{\"success_rule\":{\"success\":[{\"tool\":\"a\",\"mood\":1}]}}",
		  "success_rule.success[0].mood:" },
		{ "{\"success_rule\":{\"success\":[{\"fields\":\"some\"}]}}",
		  "success_rule.success[0].fields:" },
		{ "{\"success_rule\":{\"success\":[{\"tool\":\"a\",\"label\":\"booked\"}]}}",
		  NULL },
		{ "{\"success_rule\":{\"success\":[{\"structured\":\"a\",\"label\":\"b\"}]}}",
		  "success_rule.success[0]:" },
		/* What every analysis would refuse (callmend/understanding.h). */
		{ "{\"success_rule\":{\"success\":[{\"structured\":\"a\",\"in\":null}]}}",
		  "success_rule.success[0]:" },
		{ "{\"success_rule\":{\"success\":[{\"structured\":\"a\",\"equals\":null}]}}",
		  NULL },
		{ "{\"success_rule\":{\"success\":[{\"phrase\":\"...!\"}]}}",
		  "success_rule.success[0].phrase:" },
		{ "{\"success_rule\":{\"success\":[{\"phrase\":\"" A198 "\"}]}}", NULL },
		{ "{\"success_rule\":{\"success\":[{\"phrase\":\"" A198 "a\"}]}}",
		  "success_rule.success[0].phrase:" },
		{ "{\"success_rule\":{\"success\":[" TOOLS_50 "],\"failure\":[" TOOLS_50 "]}}",
		  NULL },
		{ "{\"success_rule\":{\"success\":[" TOOLS_50 "," TOOL "],\"failure\":[" TOOLS_50
		  "]}}",
		  "success_rule: at most 100 conditions" },
		{ "{\"tags\":[{\"tag\":\"" A100 "\",\"category\":\"" A100
		  "\",\"phrases\":[\"c\"]}]}",
		  NULL },
		{ "{\"tags\":[{\"tag\":\"" A100 "a\",\"phrases\":[\"c\"]}]}", "tags[0].tag:" },
		{ "{\"tags\":[{\"tag\":\"a\",\"category\":\"" A100 "a\",\"phrases\":[\"c\"]}]}",
		  "tags[0].category:" },
		{ "{\"tags\":[{\"tag\":\"a\",\"phrases\":[\"c\",\"?!\"]}]}",
		  "tags[0].phrases[1]:" },
		{ "{\"success_rule\":{\"failure\":[{}]}}", "success_rule.failure[0]:" },
		{ "{\"success_rule\":{\"failure\":[1]}}", "success_rule.failure[0]:" },
		{ "{\"success_rule\":{\"later\":[]}}", "success_rule.later:" },
		{ "{\"rules\":{\"clarify_caller_confused\":{\"enabled\":true,\"text\":\"x\"}}}",
		  NULL },
		{ "{\"rules\":{\"clarify_caller_confused\":{\"enabled\":true}}}",
		  "rules.clarify_caller_confused" },
		{ "{\"rules\":{\"escalate_on_frustration\":{\"enabled\":true,\"action\":"
		  "\"transfer\"}}}",
		  "rules.escalate_on_frustration" },
		{ "{\"context\":{\"inject\":true,\"lookup\":{\"url\":\"https://x/"
		  "?n={number}\",\"headers\":[{\"name\":\"authorization\",\"secret\":{\"env\":"
		  "\"CALLMEND_SECRET_CRM\"}}],\"timeout_ms\":3000}}}",
		  NULL },
		{ "{\"context\":{\"inject\":1}}", "context.inject:" },
		{ "{\"context\":{\"lookup\":{\"url\":\"x\"}}}", "context.lookup.url:" },
		{ "{\"context\":{\"lookup\":{\"timeout_ms\":1}}}", "context.lookup.url:" },
		{ "{\"context\":{\"lookup\":{\"url\":\"http://x/\",\"timeout_ms\":3001}}}",
		  "context.lookup.timeout_ms:" },
		{ "{\"context\":{\"lookup\":{\"url\":\"http://x/"
		  "\",\"headers\":[{\"name\":\"x-token\",\"value\":\"v\"}]}}}",
		  "context.lookup.headers[0].value:" },
		{ "{\"tags\":[{\"tag\":\"a\",\"category\":\"b\",\"phrases\":[\"c\"]}]}", NULL },
		{ "{\"tags\":[{\"phrases\":[\"c\"]}]}", "tags[0].tag:" },
		{ "{\"tags\":[{\"tag\":\"a\",\"phrases\":[]}]}", "tags[0].phrases:" },
		{ "{\"tags\":[{\"tag\":\"a\",\"phrases\":[\"\"]}]}", "tags[0].phrases[0]:" },
		{ "{\"thresholds\":{\"success_rate_min\":62.5,\"min_calls\":30}}", NULL },
		{ "{\"thresholds\":{\"success_rate_min\":101}}", "thresholds.success_rate_min:" },
		{ "{\"thresholds\":{\"success_rate_min\":\"1\"}}", "thresholds.success_rate_min:" },
		{ "{\"thresholds\":{\"luck\":1}}", "thresholds.luck:" },
		{ "{\"audio\":{\"vad\":\"standard\",\"listen\":true,\"listen_socket\":true,"
		  "\"recording\":{\"on\":true,\"keep_days\":3650},\"stt\":{\"provider\":"
		  "\"deepgram\","
		  "\"url\":\"wss://"
		  "api.deepgram.com\",\"model\":\"m\",\"language\":\"en\",\"key\":" SECRET "}}}",
		  NULL },
		{ "{\"audio\":{}}", NULL },
		{ "{\"audio\":{\"stt\":null}}", NULL },
		{ "{\"audio\":{\"stt\":{\"provider\":\"openai-http\",\"url\":\"https://x/v1\"}}}",
		  NULL },
		{ "{\"audio\":{\"vad\":\"loud\"}}", "audio.vad:" },
		{ "{\"audio\":{\"listen\":1}}", "audio.listen:" },
		{ "{\"audio\":{\"hear\":true}}", "audio.hear:" },
		{ "{\"audio\":{\"recording\":{\"keep_days\":0}}}", "audio.recording.keep_days:" },
		{ "{\"audio\":{\"recording\":true}}", "audio.recording:" },
		{ "{\"audio\":{\"stt\":{\"model\":\"m\"}}}", "audio.stt.provider:" },
		{ "{\"audio\":{\"stt\":{\"provider\":\"siri\"}}}", "audio.stt.provider:" },
		{ "{\"audio\":{\"stt\":{\"provider\":\"deepgram\",\"url\":\"ftp://x\"}}}",
		  "audio.stt.url:" },
		{ "{\"audio\":{\"stt\":{\"provider\":\"deepgram\",\"key\":\"plain\"}}}",
		  "audio.stt.key:" },
		{ "{\"minutes_per_success\":2.5}", NULL },
		{ "{\"minutes_per_success\":-0.1}", "minutes_per_success:" },
		{ "{\"minutes_per_success\":true}", "minutes_per_success:" },
	};
	run_cases(cases, sizeof(cases) / sizeof(cases[0]), directory_check_project);
}

static void mappings_and_items_are_checked(void **state)
{
	(void)state;
	static const struct check_case mappings[] = {
		{ "{\"search_term\":\"a\",\"mapped_terms\":[\"b\"],\"source\":\"manual\"}", NULL },
		{ "{\"search_term\":\"\"}", "search_term:" },
		{ "{\"mapped_terms\":[]}", "mapped_terms:" },
		{ "{\"mapped_terms\":[\"a\",\"\"]}", "mapped_terms[1]:" },
		{ "{\"mapped_terms\":\"a\"}", "mapped_terms:" },
		{ "{\"source\":\"rumour\"}", "source:" },
		{ "{\"project_id\":\"x\"}", "project_id:" },
		{ "{\"active\":true}", "active:" },
	};
	static const struct check_case items[] = {
		{ "{\"contact_number\":\"+1\",\"kind\":\"order\",\"title\":\"a\",\"text\":\"\"}",
		  NULL },
		{ "{\"kind\":\"rumour\"}", "kind:" },
		{ "{\"title\":\"\"}", "title:" },
		{ "{\"data\":[]}", "data:" },
		{ "{\"conversation_id\":\"x\"}", "conversation_id:" },
		{ "{\"closed\":1}", "closed:" },
	};
	run_cases(mappings, sizeof(mappings) / sizeof(mappings[0]), directory_check_mapping);
	run_cases(items, sizeof(items) / sizeof(items[0]), directory_check_context);
}

/* What stands in the row is handed on as it is; what could make a BIND unreadable is not (A8, D1).
 */
static void projects_carry_what_calls_need(void **state)
{
	(void)state;
	struct directory *d;
	static const char doc[] =
		"{\"version\":1,\"tokens\":[],\"sources\":[],\"projects\":["
		"{\"id\":\"" ID(1) "\",\"org_id\":\"" ID(
			1) "\",\"name\":\"a\","
			   "\"fields\":[{\"name\":\"a\",\"label\":\"A\"}],\"rules\":{\"clarify_"
			   "caller_confused\":{"
			   "\"enabled\":false}},\"audio\":{\"listen\":true,\"recording\":{\"on\":"
			   "true}},\"context\":{\"inject\":true,\"lookup\":{\"url\":"
			   "\"http://x/\","
			   "\"headers\":[{\"name\":\"x\",\"value\":\"y\"}]}},\"tools\":[{\"id\":"
			   "\"" ID(3) "\",\"name\":\"t\",\"url\":\"http://t/"
				      "\",\"search_argument\":\"a.b\"}]},"
				      "{\"id\":\"" ID(2) "\",\"org_id\":\"" ID(
					      1) "\",\"name\":\"b\","
						 "\"fields\":[{\"name\":\"NO\"}],\"rules\":{"
						 "\"sing\":{}},\"context\":{\"lookup\":{}}}]}";
	assert_ok(directory_new(&d, span_of(doc), NULL, &oops));
	const struct dir_project *p = &d->projects[0];
	assert_true(span_is(p->fields.raw, "[{\"name\":\"a\",\"label\":\"A\"}]"));
	assert_int_equal(p->rules.kind, JSON_OBJECT);
	assert_true(p->context_inject);
	assert_true(p->audio.listen && p->audio.recording && !p->audio.listen_socket);
	assert_int_equal(p->audio.keep_days, DIRECTORY_KEEP_DAYS);
	assert_span(p->audio.vad, "standard");
	assert_int_equal(p->audio.stt.provider.n, 0);
	assert_true(span_is(p->lookup.url, "http://x/"));
	assert_int_equal(p->lookup.timeout_ms, DIRECTORY_LOOKUP_MS);
	assert_int_equal(p->lookup.headers_n, 1);
	assert_true(span_is(p->tools[0].search_argument, "a.b"));
	p = &d->projects[1];
	assert_int_equal(p->fields.kind, JSON_NONE);
	assert_int_equal(p->rules.kind, JSON_NONE);
	assert_false(p->context_inject);
	assert_int_equal(p->lookup.url.n, 0);
	directory_unref(d);
}

/* --- following PostgreSQL --- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static const struct directory *latest;

static void on_directory(void *user, const struct directory *d)
{
	(void)user;
	pthread_mutex_lock(&lock);
	directory_unref(latest);
	latest = d;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static bool has_source(const struct directory *d, const char *name)
{
	return d && directory_source(d, SPAN("vapi"), span_of(name));
}

/* Whether a directory with (or without) this source came within `ms`. */
static bool comes_within(int ms, const char *name, bool present)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / 1000;
	int rc = 0;
	pthread_mutex_lock(&lock);
	while (rc == 0 && (!latest || has_source(latest, name) != present))
		rc = pthread_cond_timedwait(&changed, &lock, &until);
	bool there = latest && has_source(latest, name) == present;
	pthread_mutex_unlock(&lock);
	return there;
}

static void forget(void)
{
	directory_unref(latest);
	latest = NULL;
}

static struct store *follow(const char *url)
{
	struct store *store;
	struct store_config config = { .url = url,
				       .state_dir = fixture.dir,
				       .secrets_dir = fixture.dir,
				       .on_directory = on_directory };
	assert_ok(store_new(&store, &config, &oops));
	return store;
}

static void add_source(const char *name)
{
	sql("insert into projects (id, org_id, name) values ('" ID(
		4) "', '" DEFAULT_ORG "', 'p') on conflict do nothing");
	sql("insert into sources (org_id, project_id, dialect, name, auth) values ('" DEFAULT_ORG
	    "', '" ID(4) "', 'vapi', '%s',"
			 " '[{\"type\": \"open\"}]')",
	    name);
}

static void changes_are_told_by_notification(void **state)
{
	(void)state;
	struct store *store = follow(fixture_url());
	assert_true(comes_within(20000, "first", false));
	assert_true(store_connected(store));
	/* Well below the 5 s at which it would look by itself. */
	for (int i = 0; i < 5; i++) {
		char name[16];
		snprintf(name, sizeof(name), "s%d", i);
		add_source(name);
		assert_true(comes_within(3000, name, true));
	}
	sql("update sources set archived_at = now() where name = 's3'");
	assert_true(comes_within(3000, "s3", false));
	uint64_t version = latest->version;
	assert_int_equal(version, strtoull(sql("select version from directory_version"), NULL, 10));
	/* Using a token is no change of the directory. */
	sql("insert into api_tokens (org_id, name, role, hash) values ('" DEFAULT_ORG
	    "', 't', 'viewer', sha256('t'))");
	const char *before = sql("select version from directory_version");
	sql("update api_tokens set last_used_at = now()");
	assert_string_equal(sql("select version from directory_version"), before);
	store_free(store);
	forget();
}

/* A change whose notification was lost is found by looking. */
static void changes_are_found_without_notification(void **state)
{
	(void)state;
	struct store *store = follow(fixture_url());
	assert_true(comes_within(20000, "quiet", false));
	sql("alter table sources disable trigger sources_directory");
	add_source("quiet");
	sql("alter table sources enable trigger sources_directory");
	sql("update directory_version set version = version + 1");
	assert_true(comes_within(20000, "quiet", true));
	store_free(store);
	forget();
}

static void every_kind_of_change_counts(void **state)
{
	(void)state;
	static const char *const changes[] = {
		"insert into projects (org_id, name) values ('" DEFAULT_ORG "', 'counted')",
		"update projects set name = 'recounted' where name = 'counted'",
		"insert into tool_definitions (org_id, project_id, name, url) values ('" DEFAULT_ORG
		"', '" ID(4) "', 'x', 'http://x')",
		"select callmend_instruction_create('" DEFAULT_ORG
		"', 'cli', '" ID(4) "', '{\"text\": \"x\"}', null)",
		"insert into api_tokens (org_id, name, role, hash) values ('" DEFAULT_ORG
		"', 'u', 'viewer', sha256('u'))",
		"update api_tokens set revoked_at = now() where name = 'u'",
	};
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		const char *before = sql("select version from directory_version");
		sql("%s", changes[i]);
		assert_string_not_equal(sql("select version from directory_version"), before);
	}
}

/* --- without PostgreSQL --- */

static void the_copy_serves_while_postgresql_is_away(void **state)
{
	(void)state;
	struct buf path AUTO_BUF = { 0 };
	struct stat st;
	buf_printf(&path, "%s/directory.json", fixture.dir);
	assert_int_equal(stat(buf_z(&path), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	struct store *store = follow("host=/nowhere dbname=x");
	assert_true(comes_within(20000, "s1", true));
	assert_false(store_connected(store));
	store_free(store);
	forget();
}

static void no_copy_and_no_postgresql(void **state)
{
	(void)state;
	struct buf path AUTO_BUF = { 0 };
	buf_printf(&path, "%s/directory.json", fixture.dir);
	assert_ok(file_replace(buf_z(&path), 0600, SPAN("{\"version\": 5, "), &oops));
	struct store *store = follow("host=/nowhere dbname=x");
	store_free(store);
	assert_null(latest);
	unlink(buf_z(&path));
	store = follow("host=/nowhere dbname=x");
	store_free(store);
	assert_null(latest);
}

static void it_is_followed_again_after_a_restart(void **state)
{
	(void)state;
	struct store *store = follow(fixture_url());
	assert_true(comes_within(20000, "s1", true));
	cluster_stop(fixture.cluster);
	int64_t until = clock_monotonic_us() + 20 * SECOND_US;
	while (store_connected(store) && clock_monotonic_us() < until)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	assert_false(store_connected(store));
	assert_true(comes_within(1000, "s1", true));
	assert_ok(cluster_start(&fixture.cluster, fixture.dir, &oops));
	add_source("after");
	assert_true(comes_within(20000, "after", true));
	store_free(store);
	forget();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sources_are_read),
		cmocka_unit_test(projects_and_tools_are_read),
		cmocka_unit_test(tokens_are_known_until_they_expire),
		cmocka_unit_test(sessions_with_platforms_are_read),
		cmocka_unit_test(rules_of_recordings_are_read),
		cmocka_unit_test(references_are_counted),
		cmocka_unit_test(useless_documents_are_refused),
		cmocka_unit_test(settings_out_of_range_are_left_out),
		cmocka_unit_test(a_project_keeps_so_many_tools),
		cmocka_unit_test(roles_have_names),
		cmocka_unit_test(sources_are_checked),
		cmocka_unit_test(tools_are_checked),
		cmocka_unit_test(projects_are_checked),
		cmocka_unit_test(mappings_and_items_are_checked),
		cmocka_unit_test(projects_carry_what_calls_need),
		cmocka_unit_test(changes_are_told_by_notification),
		cmocka_unit_test(changes_are_found_without_notification),
		cmocka_unit_test(every_kind_of_change_counts),
		cmocka_unit_test(the_copy_serves_while_postgresql_is_away),
		cmocka_unit_test(no_copy_and_no_postgresql),
		cmocka_unit_test(it_is_followed_again_after_a_restart),
	};
	return cmocka_run_group_tests_name("store_directory", tests, fixture_start_migrated,
					   fixture_stop);
}
