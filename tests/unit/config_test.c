#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config_internal.h"
#include "base/file.h"
#include "tests/unit/cmocka_all.h"

static char folder[] = "/tmp/callmend-config-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static const char *in_folder(const char *name)
{
	static char path[200];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void put_file(const char *name, struct span content)
{
	struct fault f = { 0 };
	if (file_replace(in_folder(name), 0600, content, &f))
		fail_msg("%s", f.text);
}

static int remove_folder(void **state)
{
	(void)state;
	static const char *const names[] = { "callmend.yaml", "secret", "empty", "crlf", "large" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(in_folder(names[i]));
	return rmdir(folder);
}

static int load_span(struct config *c, struct span yaml, char *const *env, struct fault *f)
{
	put_file("callmend.yaml", yaml);
	return config_load(c, in_folder("callmend.yaml"), env, f);
}

static int load(struct config *c, const char *yaml, char *const *env, struct fault *f)
{
	return load_span(c, span_of(yaml), env, f);
}

/* The mistakes without the name of the file: "2: listen.port: ...\n". */
static void assert_mistakes(const char *yaml, char *const *env, const char *want)
{
	struct config c;
	struct fault f = { 0 };
	struct buf b AUTO_BUF = { 0 };
	assert_int_equal(load(&c, yaml, env, &f), E_INVALID);
	assert_true(c.mistakes_n > 0 && f.text[0]);
	for (const struct config_mistake *m = c.mistakes; m; m = m->next)
		buf_printf(&b, "%u: %s: %s\n", m->line, m->path, m->text);
	assert_string_equal(buf_z(&b), want);
	config_fini(&c);
}

/* --- the table --- */

static void table_is_consistent(void **state)
{
	(void)state;
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option *o = &config_options[i];
		char member[64];
		snprintf(member, sizeof(member), "%s", o->path);
		for (char *p = strchr(member, '.'); p; p = strchr(p, '.'))
			*p = '_';
		assert_string_equal(member, o->member);
		assert_true(strlen(o->doc) > 20 && o->doc[strlen(o->doc) - 1] == '.');
		assert_int_equal(o->type == OPTION_SIZE, strstr(o->path, "_bytes") != NULL);
		assert_int_equal(o->type == OPTION_DURATION, strstr(o->path, "_ms") != NULL);
	}
}

static void defaults(void **state)
{
	(void)state;
	struct config c;
	char here[4096], state_dir[5000], secrets[5100];
	assert_non_null(getcwd(here, sizeof(here)));
	snprintf(state_dir, sizeof(state_dir), "%s/.state", here);
	snprintf(secrets, sizeof(secrets), "%s/secrets", state_dir);
	assert_int_equal(config_load(&c, NULL, NULL, NULL), 0);
	assert_string_equal(c.state_dir, state_dir);
	assert_string_equal(c.secrets_dir, secrets);
	assert_string_equal(c.listen_host, "127.0.0.1");
	assert_int_equal(c.listen_port, 8080);
	assert_int_equal(c.database_url.place, SECRET_ABSENT);
	assert_int_equal(c.journal_segment_bytes, 64 << 20);
	assert_true(c.core_body_limit_bytes > 10485760);
	assert_int_equal(c.core_drain_limit_ms, 600000);
	assert_int_equal(c.log_level, 1);
	assert_int_equal(c.log_format, 0);
	assert_string_equal(c.public_url, "");
	config_fini(&c);
	config_fini(&c);
	config_fini(NULL);
}

static void reads_a_file(void **state)
{
	(void)state;
	struct config c;
	struct fault f = { 0 };
	static const char yaml[] =
		"state_dir: /var/lib/callmend\npublic_url: 'https://calls.example.com'\n"
		"listen: { host: \"::\", port: 0 }\n"
		"database:\n  url: { file: /run/secrets/pg }\n"
		"core:\n  drain_limit_ms: 5m\n  body_limit_bytes: 512KiB\n  watcher_queue_bytes: "
		"70000\n"
		"journal:\n  retention_ms: 500 ms\n  disk_cap_bytes: 2 TiB\nretention:\nlog:\n  "
		"level: error\n  format: json\n";
	if (load(&c, yaml, NULL, &f))
		fail_msg("%s", f.text);
	assert_string_equal(c.state_dir, "/var/lib/callmend");
	assert_string_equal(c.secrets_dir, "/var/lib/callmend/secrets");
	assert_string_equal(c.public_url, "https://calls.example.com");
	assert_string_equal(c.listen_host, "::");
	assert_int_equal(c.listen_port, 0);
	assert_int_equal(c.database_url.place, SECRET_IN_FILE);
	assert_string_equal(c.database_url.name, "/run/secrets/pg");
	assert_int_equal(c.core_drain_limit_ms, 300000);
	assert_int_equal(c.core_body_limit_bytes, 512 << 10);
	assert_int_equal(c.core_watcher_queue_bytes, 70000);
	assert_int_equal(c.journal_retention_ms, 500);
	assert_true(c.journal_disk_cap_bytes == INT64_C(2) << 40);
	assert_int_equal(c.log_level, 3);
	assert_int_equal(c.log_format, 1);
	config_fini(&c);
}

static void empty_files_are_defaults(void **state)
{
	(void)state;
	static const char *const texts[] = { "",    "\n# nothing\n", "---\n",
					     "~\n", "{}\n",	     "listen:\n" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct config c;
		assert_int_equal(load(&c, texts[i], NULL, NULL), 0);
		assert_int_equal(c.listen_port, 8080);
		config_fini(&c);
	}
}

static void environment_wins(void **state)
{
	(void)state;
	struct config c;
	char *const env[] = { "CALLMEND_LISTEN_PORT=9000",
			      "CALLMEND_LISTEN_HOST=",
			      "CALLMEND_PORT=tcp://10.0.0.1:80",
			      "CALLMEND_DATABASE_URL=postgres://u:secret@h/d",
			      "CALLMEND_CORE_SHARDS=3",
			      "PATH=/bin",
			      NULL };
	assert_int_equal(load(&c, "listen:\n  port: 1\n  host: h\n", env, NULL), 0);
	assert_int_equal(c.listen_port, 9000);
	assert_string_equal(c.listen_host, "h");
	assert_int_equal(c.core_shards, 3);
	assert_int_equal(c.database_url.place, SECRET_IN_ENV);
	assert_string_equal(c.database_url.name, "CALLMEND_DATABASE_URL");
	config_fini(&c);
}

/* --- mistakes --- */

static void all_mistakes_with_their_lines(void **state)
{
	(void)state;
	char *const env[] = { "CALLMEND_LOG_LEVEL=loud", NULL };
	assert_mistakes("listen:\n  port: eighty\n  hots: x\ncore:\n  shards: 1000\nlogg: 1\n", env,
			"2: listen.port: expected a whole number, 0 to 65535; found \"eighty\"\n"
			"3: listen.hots: unknown option; did you mean listen.host?\n"
			"5: core.shards: expected a whole number, 0 to 63; found \"1000\"\n"
			"6: logg: unknown option\n"
			"0: log.level: CALLMEND_LOG_LEVEL: expected one of debug, info, warn, "
			"error; found \"loud\"\n");
}

/* No more shards than the core has slots for what they are at. */
static void shards_have_a_limit(void **state)
{
	(void)state;
	struct config c;
	assert_int_equal(load(&c, "core:\n  shards: 63\n", NULL, NULL), 0);
	assert_int_equal(c.core_shards, 63);
	config_fini(&c);
	assert_mistakes("core:\n  shards: 64\n", NULL,
			"2: core.shards: expected a whole number, 0 to 63; found \"64\"\n");
}

static void unknown_options(void **state)
{
	(void)state;
	assert_mistakes("port: 1\n", NULL, "1: port: unknown option; did you mean listen.port?\n");
	assert_mistakes("listen.port: 1\n", NULL,
			"1: listen.port: unknown option; names are nested, not dotted\n");
	assert_mistakes("stat_dir: x\n", NULL,
			"1: stat_dir: unknown option; did you mean state_dir?\n");
	assert_mistakes("completely_different: x\n", NULL,
			"1: completely_different: unknown option\n");
	assert_mistakes("listen:\n  port:\n    port: 1\n", NULL,
			"3: listen.port: expected a whole number, found a mapping\n");
	assert_mistakes("? [a]\n: 1\n", NULL, "1: : expected the name of an option\n");
}

static void wrong_types(void **state)
{
	(void)state;
	assert_mistakes("listen: [1]\n", NULL, "1: listen: expected the options of this section\n");
	assert_mistakes("listen: 8080\n", NULL,
			"1: listen: expected the options of this section\n");
	assert_mistakes("state_dir: [a]\n", NULL, "1: state_dir: expected a path, found a list\n");
	assert_mistakes("- a\n", NULL, "1: : expected options as \"name: value\"\n");
	assert_mistakes("hello\n", NULL, "1: : expected options as \"name: value\"\n");
	assert_mistakes("listen:\n  port:\n", NULL,
			"2: listen.port: no value; leave the line out to get the default\n");
	assert_mistakes("state_dir: \"a\\0b\"\n", NULL,
			"1: state_dir: a zero byte is not allowed\n");
	assert_mistakes("listen: { host: \"\" }\n", NULL,
			"1: listen.host: expected text, 1 to 255 characters; found \"\"\n");
	assert_mistakes("public_url: calls.example.com\n", NULL,
			"1: public_url: expected a URL that starts with http:// or https://\n");
}

static void numbers_with_units(void **state)
{
	(void)state;
#define SIZE_EXPECTED \
	"expected a size like 64MiB, 512KiB or a number of bytes, 1MiB to 4GiB; found "
	static const char *const bad[] = {
		"64MB", "64 Mib", "-1", "1.5GiB", "1KiB", "5GiB", "99999999999999999999", "MiB"
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char yaml[100], want[200];
		snprintf(yaml, sizeof(yaml), "journal:\n  segment_bytes: %s\n", bad[i]);
		snprintf(want, sizeof(want), "2: journal.segment_bytes: " SIZE_EXPECTED "\"%s\"\n",
			 bad[i]);
		assert_mistakes(yaml, NULL, want);
	}
	assert_mistakes("core:\n  drain_limit_ms: 2 days\n", NULL,
			"2: core.drain_limit_ms: expected a duration like 500ms, 10s, 5m, 24h or "
			"7d, 0ms to 1d; found \"2 days\"\n");
	assert_mistakes("core:\n  drain_limit_ms: 25h\n", NULL,
			"2: core.drain_limit_ms: expected a duration like 500ms, 10s, 5m, 24h or "
			"7d, 0ms to 1d; found \"25h\"\n");
}

static void duplicates(void **state)
{
	(void)state;
	assert_mistakes("listen:\n  port: 1\n  port: 2\nlog: {}\nlisten: {}\n", NULL,
			"3: listen.port: given twice, first on line 2\n"
			"5: listen: given twice, first on line 1\n");
}

static void bad_yaml(void **state)
{
	(void)state;
	struct config c;
	struct fault f = { 0 };
	assert_int_equal(load(&c, "listen:\n  port: nine\nlog: {level: info\nx: [\n", NULL, &f),
			 E_INVALID);
	assert_int_equal(c.mistakes_n, 1);
	assert_non_null(strstr(c.mistakes->text, "no valid YAML: "));
	assert_true(c.mistakes->line >= 3);
	config_fini(&c);
	assert_mistakes("log: {}\n---\nlog: {}\n", NULL, "3: : only one YAML document is read\n");
	assert_int_equal(load_span(&c, SPAN("a: \xff\n"), NULL, NULL), E_INVALID);
	config_fini(&c);
	/* A document that contains itself. */
	assert_mistakes("listen: &a\n  port: 1\n  x: *a\n", NULL, "3: listen.x: unknown option\n");
}

static void secrets_never_inline(void **state)
{
	(void)state;
#define FORM                                                                                  \
	": database.url: a secret is never written here; give its place: { env: NAME } or { " \
	"file: /path }\n"
	assert_mistakes("database:\n  url: postgres://u:topsecret@h/d\n", NULL, "2" FORM);
	assert_mistakes("database: { url: { env: A, file: b } }\n", NULL, "1" FORM);
	assert_mistakes("database: { url: { env: 'A B' } }\n", NULL, "1" FORM);
	assert_mistakes("database: { url: { value: x } }\n", NULL, "1" FORM);
	assert_mistakes("database: { url: { file: } }\n", NULL, "1" FORM);
	assert_mistakes("database: { url: {} }\n", NULL, "1" FORM);
	assert_mistakes("database: { url: }\n", NULL, "1" FORM);
}

static void options_that_depend_on_each_other(void **state)
{
	(void)state;
	assert_mistakes(
		"journal:\n  segment_bytes: 1GiB\n  disk_cap_bytes: 1GiB\n", NULL,
		"3: journal.disk_cap_bytes: must hold at least two of journal.segment_bytes\n");
	char *const env[] = { "CALLMEND_JOURNAL_DISK_CAP_BYTES=2MiB", NULL };
	assert_mistakes(
		"", env,
		"0: journal.disk_cap_bytes: must hold at least two of journal.segment_bytes\n");
}

static void unreadable_files(void **state)
{
	(void)state;
	struct config c;
	struct fault f = { 0 };
	assert_int_equal(config_load(&c, "/nonexistent/callmend.yaml", NULL, &f), E_NOT_FOUND);
	assert_non_null(strstr(f.text, "/nonexistent/callmend.yaml"));
	config_fini(&c);
	assert_int_equal(config_load(&c, "/tmp", NULL, &f), E_IO);
	config_fini(&c);
}

static void the_fault_says_the_first(void **state)
{
	(void)state;
	struct config c;
	struct fault f = { 0 };
	struct buf lines AUTO_BUF = { 0 };
	assert_int_equal(load(&c, "a: 1\nb: 2\n", NULL, &f), E_INVALID);
	assert_non_null(strstr(f.text, "callmend.yaml:1: a: unknown option (and 1 more)"));
	config_write_mistakes(&c, &lines);
	assert_non_null(strstr(buf_z(&lines), "callmend.yaml:2: b: unknown option\n"));
	config_fini(&c);
}

/* --- documents --- */

static void assert_document(const char *path, void (*write)(struct buf *))
{
	struct buf want AUTO_BUF = { 0 }, have AUTO_BUF = { 0 };
	struct fault f = { 0 };
	write(&want);
	if (file_read(path, 1 << 20, &have, &f))
		fail_msg("%s", f.text);
	if (!span_eq(buf_span(&want), buf_span(&have)))
		fail_msg("%s is out of date: run callmend_docgen", path);
}

static void documents_are_up_to_date(void **state)
{
	(void)state;
	assert_document(ROOT "/docs/configuration.md", config_write_docs);
	assert_document(ROOT "/config/callmend.example.yaml", config_write_example);
}

static void the_example_is_the_defaults(void **state)
{
	(void)state;
	struct config example, plain;
	struct fault f = { 0 };
	if (config_load(&example, ROOT "/config/callmend.example.yaml", NULL, &f))
		fail_msg("%s", f.text);
	assert_int_equal(config_load(&plain, NULL, NULL, NULL), 0);
	assert_string_equal(example.state_dir, plain.state_dir);
	assert_int_equal(example.journal_disk_cap_bytes, plain.journal_disk_cap_bytes);
	assert_int_equal(example.core_drain_limit_ms, plain.core_drain_limit_ms);
	assert_int_equal(example.log_level, plain.log_level);
	config_fini(&example);
	config_fini(&plain);
}

/* --- secrets (I1) --- */

static int resolve(enum secret_place place, const char *name, enum secret_policy policy,
		   struct buf *out)
{
	struct secret_ref ref = { place, name };
	struct fault f = { 0 };
	int rc = config_secret_resolve(ref, policy, folder, out, &f);
	assert_int_equal(rc, f.code);
	assert_null(strstr(f.text, "s3cret"));
	return rc;
}

static void operators_name_any_place(void **state)
{
	(void)state;
	struct buf b AUTO_BUF = { 0 };
	put_file("secret", SPAN("s3cret\n"));
	put_file("crlf", SPAN("s3cret \r\n"));
	put_file("empty", SPAN("\n"));
	setenv("CALLMEND_TEST_SECRET", "s3cret", 1);
	assert_int_equal(resolve(SECRET_IN_FILE, in_folder("secret"), SECRET_BY_OPERATOR, &b), 0);
	assert_true(span_is(buf_span(&b), "s3cret"));
	buf_clear(&b);
	assert_int_equal(resolve(SECRET_IN_FILE, in_folder("crlf"), SECRET_BY_OPERATOR, &b), 0);
	assert_true(span_is(buf_span(&b), "s3cret "));
	buf_clear(&b);
	assert_int_equal(resolve(SECRET_IN_ENV, "CALLMEND_TEST_SECRET", SECRET_BY_OPERATOR, &b), 0);
	assert_true(span_is(buf_span(&b), "s3cret"));
	buf_clear(&b);
	assert_int_equal(resolve(SECRET_IN_ENV, "CALLMEND_NO_SUCH", SECRET_BY_OPERATOR, &b),
			 E_NOT_FOUND);
	assert_int_equal(resolve(SECRET_IN_FILE, in_folder("none"), SECRET_BY_OPERATOR, &b),
			 E_NOT_FOUND);
	assert_int_equal(resolve(SECRET_IN_FILE, in_folder("empty"), SECRET_BY_OPERATOR, &b),
			 E_INVALID);
	assert_int_equal(resolve(SECRET_ABSENT, NULL, SECRET_BY_OPERATOR, &b), E_NOT_FOUND);
	assert_int_equal(b.n, 0);
}

static void large_secrets_are_refused(void **state)
{
	(void)state;
	struct buf big AUTO_BUF = { 0 }, b AUTO_BUF = { 0 };
	for (int i = 0; i < (64 << 10) + 1; i++)
		buf_addc(&big, 'x');
	put_file("large", buf_span(&big));
	assert_int_equal(resolve(SECRET_IN_FILE, "large", SECRET_BY_API, &b), E_TOO_LARGE);
	assert_int_equal(b.n, 0);
}

static void the_api_cannot_read_the_machine(void **state)
{
	(void)state;
	static const char *const files[] = { "/etc/passwd", "../secret", "a/b", ".hidden", "..",
					     ".",	    "",		 "a b", "a\nb" };
	static const char *const variables[] = { "PATH", "CALLMEND_DATABASE_URL",
						 "callmend_secret_x", "CALLMEND_SECRET_a=b", "" };
	struct buf b AUTO_BUF = { 0 };
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		assert_int_equal(resolve(SECRET_IN_FILE, files[i], SECRET_BY_API, &b), E_DENIED);
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		assert_int_equal(resolve(SECRET_IN_ENV, variables[i], SECRET_BY_API, &b), E_DENIED);
	assert_int_equal(b.n, 0);
	put_file("secret", SPAN("s3cret"));
	setenv("CALLMEND_SECRET_X", "s3cret", 1);
	assert_int_equal(resolve(SECRET_IN_FILE, "secret", SECRET_BY_API, &b), 0);
	assert_int_equal(resolve(SECRET_IN_ENV, "CALLMEND_SECRET_X", SECRET_BY_API, &b), 0);
	assert_true(span_is(buf_span(&b), "s3crets3cret"));
}

static void references_from_json(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"\"s3cret\"",	  "{}",		 "{\"env\":\"A\",\"file\":\"b\"}",
		"{\"env\":\"\"}", "{\"env\":1}", "{\"value\":\"A\"}",
		"null",		  "[]",		 "{\"env\":null}"
	};
	struct arena a = { 0 };
	struct secret_ref ref = { 0 };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fault f = { 0 };
		assert_int_equal(config_secret_from_json(json_of(span_of(bad[i])), &a, &ref, &f),
				 E_INVALID);
		assert_null(strstr(f.text, "s3cret"));
	}
	assert_int_equal(config_secret_from_json(json_of(SPAN("{\"env\":\"CALLMEND_SECRET_X\"}")),
						 &a, &ref, NULL),
			 0);
	assert_int_equal(ref.place, SECRET_IN_ENV);
	assert_string_equal(ref.name, "CALLMEND_SECRET_X");
	assert_int_equal(
		config_secret_from_json(json_of(SPAN("{\"file\":\"twilio\"}")), &a, &ref, NULL), 0);
	assert_int_equal(ref.place, SECRET_IN_FILE);
	assert_string_equal(ref.name, "twilio");
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_consistent),
		cmocka_unit_test(defaults),
		cmocka_unit_test(reads_a_file),
		cmocka_unit_test(empty_files_are_defaults),
		cmocka_unit_test(environment_wins),
		cmocka_unit_test(all_mistakes_with_their_lines),
		cmocka_unit_test(shards_have_a_limit),
		cmocka_unit_test(unknown_options),
		cmocka_unit_test(wrong_types),
		cmocka_unit_test(numbers_with_units),
		cmocka_unit_test(duplicates),
		cmocka_unit_test(bad_yaml),
		cmocka_unit_test(secrets_never_inline),
		cmocka_unit_test(options_that_depend_on_each_other),
		cmocka_unit_test(unreadable_files),
		cmocka_unit_test(the_fault_says_the_first),
		cmocka_unit_test(documents_are_up_to_date),
		cmocka_unit_test(the_example_is_the_defaults),
		cmocka_unit_test(operators_name_any_place),
		cmocka_unit_test(large_secrets_are_refused),
		cmocka_unit_test(the_api_cannot_read_the_machine),
		cmocka_unit_test(references_from_json),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
