#include "node/intake.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#include "node/database.h"
#include "node/text.h"

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

void intake_watch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool intake_stopping(void *unused)
{
	(void)unused;
	return stop;
}

/* --- the source --- */

static int load_directory(struct intake *in, struct span document, struct fault *f)
{
	struct directory *directory = NULL;

	TRY(directory_new(&directory, document, in->config->secrets_dir, f));
	in->directory = directory;
	return 0;
}

/* "name", "dialect/name" or an id. */
static bool is_named(const struct dir_source *s, struct span word)
{
	struct uuid id;

	if (span_eq(s->name, word))
		return true;
	if (uuid_parse(&id, word) == 0)
		return uuid_eq(&id, &s->id);
	return word.n == s->dialect.n + 1 + s->name.n && span_starts(word, s->dialect) &&
	       word.p[s->dialect.n] == '/' && span_eq(span_from(word, s->dialect.n + 1), s->name);
}

static int find_source(struct intake *in, const char *word, struct fault *f)
{
	const struct directory *d = in->directory;

	for (size_t i = 0; i < d->sources_n; i++) {
		if (!is_named(&d->sources[i], span_of(word)))
			continue;
		if (in->source)
			return fault(f, E_INVALID,
				     "several sources are called %s; say DIALECT/NAME or the id",
				     word);
		in->source = &d->sources[i];
	}
	return in->source ? 0 : fault(f, E_NOT_FOUND, "there is no source %s", word);
}

int intake_open(struct intake *in, const struct config *config, const char *source, struct fault *f)
{
	struct buf document AUTO_BUF = { 0 };

	*in = (struct intake){ .config = config };
	TRY(database_url(config, &in->url, f));
	TRY(store_query_once(buf_z(&in->url), "directory", NULL, 0, &document, f));
	TRY(load_directory(in, buf_span(&document), f));
	return find_source(in, source, f);
}

int intake_pretend(struct intake *in, const struct config *config, struct fault *f)
{
	static const char nowhere[] =
		"{\"version\":1,\"tokens\":[],\"projects\":[],\"sources\":[{"
		"\"id\":\"00000000-0000-5000-8000-000000000001\","
		"\"org_id\":\"00000000-0000-7000-8000-000000000001\","
		"\"project_id\":\"00000000-0000-5000-8000-000000000002\","
		"\"dialect\":\"vapi\",\"name\":\"dry-run\",\"auth\":[],"
		"\"api_base\":\"\",\"upstream_url\":\"\",\"upstream_timeout_ms\":1000,"
		"\"answers\":{},\"variable_values\":{},\"settings\":{}}]}";

	*in = (struct intake){ .config = config };
	TRY(load_directory(in, span_of(nowhere), f));
	return find_source(in, "dry-run", f);
}

void intake_fini(struct intake *in)
{
	directory_unref(in->directory);
	buf_free(&in->url);
	*in = (struct intake){ 0 };
}

void intake_poison_dir(const struct intake *in, const struct uuid *import, struct buf *out)
{
	char id[UUID_TEXT + 1];

	uuid_format(import ? import : &in->source->id, id);
	buf_printf(out, "%s/imports/%s%s", in->config->state_dir, import ? "" : "pull-", id);
	buf_z(out);
}

/* --- telling --- */

void intake_mistake(void *unused, uint64_t record, size_t line, struct span id, const char *error)
{
	struct buf text AUTO_BUF = { 0 };

	(void)unused;
	text_clean(&text, id);
	fprintf(stderr, "bad: record %" PRIu64, record);
	if (line)
		fprintf(stderr, ", line %zu", line);
	if (text.n)
		fprintf(stderr, ", id %s", buf_z(&text));
	buf_clear(&text);
	text_clean(&text, span_of(error));
	fprintf(stderr, ": %s\n", buf_z(&text));
}

static void report_json(const struct uuid *import, const struct batch_counts *n, double seconds)
{
	struct buf text AUTO_BUF = { 0 };
	struct json_out o = { .b = &text };
	char id[UUID_TEXT + 1];

	uuid_format(import, id);
	json_begin(&o, NULL);
	json_put_z(&o, "import", id);
#define PUT(name) json_put_i64(&o, #name, (int64_t)n->name);
	PUT(records)
	PUT(imported)
	PUT(duplicates)
	PUT(bad)
	PUT(skipped)
	PUT(before)
	PUT(events)
	PUT(messages)
	PUT(tool_calls)
	PUT(tool_results)
#undef PUT
	json_put_f64(&o, "seconds", seconds);
	json_end(&o);
	printf("%s\n", buf_z(&text));
}

int intake_report(const struct verb_call *v, const struct uuid *import,
		  const struct batch_counts *n, double seconds)
{
	if (v->json) {
		report_json(import, n, seconds);
		return n->bad ? EXIT_SOME_BAD : EXIT_DONE;
	}
	printf("%" PRIu64 " records: %" PRIu64 " calls imported, %" PRIu64 " duplicates, %" PRIu64
	       " bad, %" PRIu64 " not ended yet\n",
	       n->records, n->imported, n->duplicates, n->bad, n->skipped);
	if (n->before)
		printf("went on after record %" PRIu64 "\n", n->before);
	printf("this run: %" PRIu64 " events, %" PRIu64 " messages, %" PRIu64
	       " tool calls, %" PRIu64 " with their result, in %.1f s (%.0f records/s)\n",
	       n->events, n->messages, n->tool_calls, n->tool_results, seconds,
	       seconds > 0
		       ? (double)(n->records - (n->before < n->records ? n->before : n->records)) /
				 seconds
		       : 0);
	return n->bad ? EXIT_SOME_BAD : EXIT_DONE;
}
