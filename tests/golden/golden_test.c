/* A1: every recorded body becomes exactly the inputs beside it.
 *
 * golden_test
 *	compares GOLDEN_DIR/{dialect}/{family}/NAME.json with NAME.inputs or NAME.error
 * golden_test --update
 *	writes NAME.inputs and NAME.error anew; then read the difference
 * golden_test --show DIALECT FOLDER
 *	prints what becomes of the bodies in a folder
 *
 * Bodies in the family "get-call" are what the provider answers when asked for a call. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/golden/golden.h"

enum mode { COMPARE, UPDATE, SHOW };
enum { BODY_LIMIT = 16 * 1024 * 1024 };

struct run {
	const struct dialect *dialect;
	enum mode mode;
	bool as_call; /* family get-call */
	int checked, failed;
};

/* Everything a webhook goes through; the call has sent nothing yet. */
static int read_message(const struct dialect *d, struct span body, struct arena *arena,
			struct buf *text, struct fault *f)
{
	struct buf masked AUTO_BUF = { 0 }, reduced AUTO_BUF = { 0 };
	struct repeats nothing = { 0 };
	struct repeats_news news = { 0 };
	struct envelope e;
	struct inputs inputs = { 0 };
	TRY(d->classify(body, arena, &e, f));
	d->reduce(body, &e, &nothing, &reduced, &news);
	repeats_news_fini(&news);
	TRY(json_check(e.keep_whole ? body : buf_span(&reduced), f));
	d->mask(buf_span(&reduced), &e, &masked);
	TRY(d->read(buf_span(&masked), arena, &inputs, f));
	golden_write_envelope(&e, text);
	golden_write_inputs(&inputs, text);
	return 0;
}

static int read_call(const struct dialect *d, struct span body, struct arena *arena,
		     struct buf *text, struct fault *f)
{
	struct inputs inputs = { 0 };
	TRY(d->read_call(body, arena, &inputs, f));
	golden_write_inputs(&inputs, text);
	return 0;
}

static int read_body(const struct run *run, struct span body, struct buf *text)
{
	struct arena arena = { 0 };
	struct fault f = { 0 };
	int rc = (run->as_call ? read_call : read_message)(run->dialect, body, &arena, text, &f);
	if (rc)
		buf_printf(text, "%s\n", f.text);
	arena_fini(&arena);
	return rc;
}

static void load(const char *path, struct buf *out)
{
	struct fault f = { 0 };
	if (file_read(path, BODY_LIMIT, out, &f) != 0) {
		fprintf(stderr, "%s: %s\n", path, f.text);
		exit(2);
	}
}

static void save(const char *path, const struct buf *text)
{
	struct fault f = { 0 };
	if (file_replace(path, 0644, buf_span(text), &f) != 0) {
		fprintf(stderr, "%s: %s\n", path, f.text);
		exit(2);
	}
}

static void compare(struct run *run, const char *path, const struct buf *got)
{
	struct buf want AUTO_BUF = { 0 };
	if (access(path, R_OK) == 0)
		load(path, &want);
	if (span_eq(buf_span(&want), buf_span(got)))
		return;
	run->failed++;
	printf("FAILED %s\n--- want\n%.*s--- got\n%.*s", path, (int)want.n, want.p, (int)got->n,
	       got->p);
}

/* "dir/name.json" -> "dir/name.inputs" */
static void with_ending(char *out, size_t size, const char *json_path, const char *ending)
{
	snprintf(out, size, "%.*s%s", (int)(strlen(json_path) - strlen(".json")), json_path,
		 ending);
}

static void check_body(struct run *run, const char *path)
{
	struct buf body AUTO_BUF = { 0 }, text AUTO_BUF = { 0 };
	char want[2048], other[2048];
	load(path, &body);
	bool refused = read_body(run, buf_span(&body), &text) != 0;
	with_ending(want, sizeof(want), path, refused ? ".error" : ".inputs");
	with_ending(other, sizeof(other), path, refused ? ".inputs" : ".error");
	run->checked++;
	if (run->mode == SHOW)
		printf("%s\n%.*s", path, (int)text.n, text.p);
	if (run->mode == COMPARE)
		compare(run, want, &text);
	if (run->mode == UPDATE) {
		save(want, &text);
		(void)unlink(other);
	}
}

static bool ends_with(const char *name, const char *ending)
{
	size_t n = strlen(name), e = strlen(ending);
	return n >= e && strcmp(name + n - e, ending) == 0;
}

static int no_dots(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

/* Bodies in this folder and, one level down, in its families. */
static void check_folder(struct run *run, const char *folder, int levels)
{
	struct dirent **names;
	int n = scandir(folder, &names, no_dots, alphasort);
	for (int i = 0; i < n; i++) {
		char path[1024];
		struct stat st;
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
		if (levels && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
			run->as_call = strcmp(names[i]->d_name, "get-call") == 0;
			check_folder(run, path, levels - 1);
		} else if (ends_with(path, ".json")) {
			check_body(run, path);
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

static int check_all(enum mode mode)
{
	int failed = 0;
	for (const struct dialect *const *d = dialects; *d; d++) {
		struct run run = { .dialect = *d, .mode = mode };
		char folder[512];
		snprintf(folder, sizeof(folder), "%s/%s", GOLDEN_DIR, (*d)->name);
		check_folder(&run, folder, 1);
		printf("%s: %d bodies, %d failed\n", (*d)->name, run.checked, run.failed);
		failed += run.failed + (run.checked == 0);
		failed += dialect_find(span_of((*d)->name)) != *d;
	}
	return failed != 0;
}

static int show(const char *name, const char *folder)
{
	struct run run = { .dialect = dialect_find(span_of(name)), .mode = SHOW };
	if (!run.dialect) {
		fprintf(stderr, "no dialect %s\n", name);
		return 2;
	}
	check_folder(&run, folder, 1);
	return run.checked == 0;
}

int main(int argc, char **argv)
{
	if (argc == 1)
		return check_all(COMPARE);
	if (argc == 2 && strcmp(argv[1], "--update") == 0)
		return check_all(UPDATE);
	if (argc == 4 && strcmp(argv[1], "--show") == 0)
		return show(argv[2], argv[3]);
	fprintf(stderr, "usage: %s [--update | --show DIALECT FOLDER]\n", argv[0]);
	return 2;
}
