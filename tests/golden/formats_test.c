/* D9: every file becomes exactly the calls beside it, however it is cut into reads.
 *
 * formats_test            compares GOLDEN_DIR/formats/{format}/NAME.in with NAME.calls
 * formats_test --update   writes NAME.calls anew; then read the difference */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "callmend/format.h"
#include "ingest/cutter.h"
#include "tests/golden/golden.h"
#include "tests/ingest/pieces.h"

enum { FILE_LIMIT = 1024 * 1024 };
#define FALLBACK_US INT64_C(1767225600000000) /* 2026-01-01T00:00:00Z */

static void put_time(struct buf *out, const char *name, int64_t us)
{
	char iso[CLOCK_ISO + 1];
	clock_format(us, iso);
	buf_printf(out, " %s %s", name, iso);
}

static int write_call(const struct cut *cut, struct arena *a, struct buf *out, struct fault *f)
{
	struct format_record r = { .text = cut->text, .fallback_us = FALLBACK_US };
	struct format_call call;
	struct inputs inputs = { 0 };
	struct envelope e;
	if (!cut->is_text)
		TRY(json_check(cut->text, f));
	const struct format *format =
		cut->is_text ? format_find(SPAN("transcript")) : format_of(json_of(cut->text));
	if (!format)
		return fault(f, E_INVALID, "no format");
	TRY(format->read(&r, a, &call, f));
	const struct dialect *d = dialect_find(span_of(format->dialect));
	CHECK(d);
	TRY(d->classify(call.body, a, &e, f));
	TRY(d->read(call.body, a, &inputs, f));
	buf_printf(out, "%s %.*s%s", format->name, SPAN_ARG(call.id),
		   call.whole ? " whole" : " message");
	put_time(out, "started", call.started_us);
	put_time(out, "at", call.at_us);
	buf_addc(out, '\n');
	golden_write_inputs(&inputs, out);
	return 0;
}

static void write_cut(const struct cut *cut, struct buf *out)
{
	struct arena a = { 0 };
	struct fault f = { 0 };
	buf_printf(out, "== line %zu\n", cut->line);
	int rc = write_call(cut, &a, out, &f);
	if (rc)
		buf_printf(out, "%s: %s\n", rc == E_CONFLICT ? "not yet" : "bad", f.text);
	arena_fini(&a);
}

static void write_calls(struct span file, size_t most, struct buf *out)
{
	struct pieces pieces = { file, most };
	const struct cutter_config cc = { .read = pieces_read, .user = &pieces };
	struct cutter *c = cutter_new(&cc);
	struct fault f = { 0 };
	struct cut cut;
	int rc;
	while ((rc = cutter_next(c, &cut, &f)) != E_NOT_FOUND) {
		CHECK(rc == 0);
		write_cut(&cut, out);
	}
	cutter_free(c);
}

static int compare(const char *path, struct span file, struct span want)
{
	static const size_t reads[] = { 1, 7, 4096, FILE_LIMIT };
	int failed = 0;
	for (size_t i = 0; i < sizeof(reads) / sizeof(*reads); i++) {
		struct buf got AUTO_BUF = { 0 };
		write_calls(file, reads[i], &got);
		if (span_eq(buf_span(&got), want))
			continue;
		failed++;
		printf("FAILED %s in reads of %zu\n--- want\n%.*s--- got\n%.*s", path, reads[i],
		       SPAN_ARG(want), SPAN_ARG(buf_span(&got)));
	}
	return failed;
}

static int check_file(const char *path, bool update)
{
	struct buf file AUTO_BUF = { 0 }, want AUTO_BUF = { 0 }, got AUTO_BUF = { 0 };
	struct fault f = { 0 };
	char calls[2048];
	snprintf(calls, sizeof(calls), "%.*s.calls", (int)(strlen(path) - strlen(".in")), path);
	if (file_read(path, FILE_LIMIT, &file, &f))
		return printf("%s: %s\n", path, f.text), 1;
	if (update) {
		write_calls(buf_span(&file), FILE_LIMIT, &got);
		return file_replace(calls, 0644, buf_span(&got), &f) != 0;
	}
	if (file_read(calls, FILE_LIMIT * 4, &want, &f))
		return printf("%s: %s\n", calls, f.text), 1;
	return compare(path, buf_span(&file), buf_span(&want));
}

static int inputs_only(const struct dirent *e)
{
	size_t n = strlen(e->d_name);
	return n > 3 && strcmp(e->d_name + n - 3, ".in") == 0;
}

static int check_format(const char *name, bool update)
{
	struct dirent **names = NULL;
	char folder[512];
	int failed = 0;
	snprintf(folder, sizeof(folder), "%s/formats/%s", GOLDEN_DIR, name);
	int n = scandir(folder, &names, inputs_only, alphasort);
	for (int i = 0; i < n; i++) {
		char path[1024];
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
		failed += check_file(path, update);
		free(names[i]);
	}
	free(names);
	printf("%s: %d files, %d failed\n", name, n, failed);
	return failed + (n <= 0);
}

int main(int argc, char **argv)
{
	bool update = argc == 2 && strcmp(argv[1], "--update") == 0;
	int failed = 0;
	for (const struct format *const *it = formats; *it; it++) {
		failed += check_format((*it)->name, update);
		failed += format_find(span_of((*it)->name)) != *it;
	}
	return failed != 0;
}
