/* Happy path: the files (a folder stands for its files) are read once for the import's id, which is
 * made of the source, their content and how to read them; then record after record into a batch.
 *
 * Failure modes
 *   killed, stopped, PostgreSQL away   the same command goes on after what is stored
 *   a file changed in between          another id: it starts anew, what is there is a duplicate
 *   a file cannot be read              said before anything is imported; later: the import stops
 *   bad records                        named on stderr, counted, exit status 3 */
#include "node/import.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "ingest/cutter.h"
#include "node/import_sound.h"
#include "node/intake.h"
#include "node/pull.h"
#include "record/sound_file.h"

const struct verb_option import_options[] = {
	{ "--source", "NAME", "the source the calls are put under: NAME, DIALECT/NAME or its id" },
	{ "--format", "FORMAT",
	  "vapi, openai, ringcentral or transcript; unless given each record shows it, and each "
	  "sound file" },
	{ "--dry-run", NULL, "read and check everything, store nothing; needs no source" },
	{ "--ai-label", "WORDS", "transcripts: who the assistant is, comma separated" },
	{ "--user-label", "WORDS", "transcripts: who the caller is, comma separated" },
	{ "--channels", "LIST",
	  "sound: who is on its channels: customer,assistant (unless given) or "
	  "assistant,customer" },
	{ "--pull", NULL,
	  "from the provider's API instead of files, with the credentials of the source" },
	{ "--since", "TIME", "--pull: calls made from then on: 2026-01-31T00:00:00Z, 14d, 12h" },
	{ "--until", "TIME", "--pull: calls made before; now unless given" },
	{ "--rate", "N", "--pull: requests a minute at most; 60 unless given" },
	{ 0 },
};

enum { HASH_BYTES = 1024 * 1024, PROGRESS_MS = 1000, PROGRESS_PLAIN_MS = 10000 };

struct files {
	char **paths;
	size_t n, cap;
	uint64_t bytes;
};

struct import {
	const struct verb_call *verb;
	struct intake intake;
	struct files files;
	const struct format *format;
	struct uuid id;
	struct batch *batch;
	int fd;
	uint64_t read; /* bytes */
	int64_t mtime_us, told_ms;
	bool assistant_first; /* of a sound's channels */
	bool terminal;
};

/* --- files --- */

static void add_file(struct files *files, const char *path)
{
	if (files->n == files->cap) {
		files->cap = files->cap ? files->cap * 2 : 16;
		files->paths = realloc(files->paths, files->cap * sizeof(*files->paths));
		CHECK(files->paths);
	}
	files->paths[files->n] = strdup(path);
	CHECK(files->paths[files->n]);
	files->n++;
}

static int visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static int add_folder(struct files *files, const char *folder, struct fault *f)
{
	struct dirent **names = NULL;
	int n = scandir(folder, &names, visible, alphasort);

	if (n < 0)
		return fault(f, E_IO, "%s: %s", folder, strerror(errno));
	for (int i = 0; i < n; i++) {
		struct buf path AUTO_BUF = { 0 };
		struct stat st;

		buf_printf(&path, "%s/%s", folder, names[i]->d_name);
		if (stat(buf_z(&path), &st) == 0 && S_ISREG(st.st_mode)) {
			files->bytes += (uint64_t)st.st_size;
			add_file(files, buf_z(&path));
		}
		free(names[i]);
	}
	free(names);
	return 0;
}

static int add_path(struct files *files, const char *path, struct fault *f)
{
	struct stat st;

	if (stat(path, &st))
		return fault(f, E_IO, "%s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return add_folder(files, path, f);
	if (!S_ISREG(st.st_mode))
		return fault(f, E_INVALID, "%s: no file; an import reads twice", path);
	files->bytes += (uint64_t)st.st_size;
	add_file(files, path);
	return 0;
}

static void files_fini(struct files *files)
{
	for (size_t i = 0; i < files->n; i++)
		free(files->paths[i]);
	free(files->paths);
}

static int open_file(const char *path, int *fd, struct fault *f)
{
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? fault(f, E_IO, "%s: %s", path, strerror(errno)) : 0;
}

/* --- the id --- */

/* SHA-256 over the pieces, each after the digest of all before it. */
struct chain {
	uint8_t digest[32];
	struct buf piece;
};

static void chain_add(struct chain *c, struct span bytes)
{
	buf_clear(&c->piece);
	buf_add(&c->piece, (struct span){ (const char *)c->digest, sizeof(c->digest) });
	buf_add(&c->piece, bytes);
	crypto_sha256(buf_span(&c->piece), c->digest);
}

static int read_full(int fd, char *out, size_t n, size_t *got)
{
	for (*got = 0; *got < n;) {
		ssize_t r = read(fd, out + *got, n - *got);

		if (r < 0 && errno != EINTR)
			return E_IO;
		if (r == 0)
			return 0;
		*got += r > 0 ? (size_t)r : 0;
	}
	return 0;
}

static int chain_file(struct chain *c, const char *path, struct fault *f)
{
	char *bytes = malloc(HASH_BYTES);
	size_t n = 0;
	int fd, rc;

	CHECK(bytes);
	rc = open_file(path, &fd, f);
	while (!rc) {
		rc = read_full(fd, bytes, HASH_BYTES, &n);
		if (rc)
			fault(f, rc, "%s: %s", path, strerror(errno));
		chain_add(c, (struct span){ bytes, n });
		if (n < HASH_BYTES)
			break;
	}
	if (fd >= 0)
		close(fd);
	free(bytes);
	return rc;
}

static void chain_word(struct chain *c, const char *word)
{
	chain_add(c, span_of(word ? word : ""));
}

static int make_id(struct import *im, struct fault *f)
{
	struct chain c = { 0 };
	struct buf name AUTO_BUF = { 0 };
	int rc = 0;

	chain_word(&c, im->format ? im->format->name : "auto");
	chain_word(&c, verb_option(im->verb, "--ai-label"));
	chain_word(&c, verb_option(im->verb, "--user-label"));
	if (im->assistant_first)
		chain_word(&c, "assistant,customer");
	for (size_t i = 0; i < im->files.n && !rc; i++)
		rc = chain_file(&c, im->files.paths[i], f);
	buf_addz(&name, "import:");
	crypto_hex((struct span){ (const char *)c.digest, sizeof(c.digest) }, &name);
	im->id = uuid_v5(&im->intake.source->id, buf_span(&name));
	buf_free(&c.piece);
	return rc;
}

/* --- progress --- */

static void progress(struct import *im)
{
	struct batch_counts n;
	int64_t now = clock_monotonic_us() / 1000;
	double part = im->files.bytes ? (double)im->read * 100 / (double)im->files.bytes : 100;

	if (im->verb->json || now - im->told_ms < (im->terminal ? PROGRESS_MS : PROGRESS_PLAIN_MS))
		return;
	im->told_ms = now;
	batch_counts(im->batch, &n);
	fprintf(stderr,
		"%s%3.0f %%: %" PRIu64 " records, %" PRIu64 " imported, %" PRIu64
		" duplicates, %" PRIu64 " bad%s",
		im->terminal ? "\r" : "", part, n.records, n.imported, n.duplicates, n.bad,
		im->terminal ? "\033[K" : "\n");
}

static void end_progress(const struct import *im)
{
	if (im->terminal && im->told_ms && !im->verb->json)
		fputs("\r\033[K", stderr);
}

static void on_mistake(void *user, uint64_t record, size_t line, struct span id, const char *error)
{
	const struct import *im = user;

	if (im->terminal)
		end_progress(im);
	intake_mistake(NULL, record, line, id, error);
}

/* --- records --- */

static ssize_t read_some(void *user, char *out, size_t n)
{
	struct import *im = user;
	ssize_t r;

	do {
		r = read(im->fd, out, n);
	} while (r < 0 && errno == EINTR && !intake_stopping(NULL));
	im->read += r > 0 ? (uint64_t)r : 0;
	return r;
}

static int add_record(struct import *im, int cut_rc, const struct cut *cut, const struct fault *why,
		      struct fault *f)
{
	const struct batch_record record = { .text = cut->text,
					     .line = cut->line,
					     .is_text = cut->is_text,
					     .fallback_us = im->mtime_us,
					     .broken = cut_rc ? why->text : NULL };

	progress(im);
	return batch_add(im->batch, &record, f);
}

static int add_records(struct import *im, struct cutter *cutter, struct fault *f)
{
	struct fault why = { 0 };
	struct cut cut;
	int rc;

	while ((rc = cutter_next(cutter, &cut, &why)) != E_NOT_FOUND) {
		if (rc && rc != E_TOO_LARGE)
			return fault(f, rc, "%s", why.text);
		TRY(add_record(im, rc, &cut, &why, f));
	}
	return 0;
}

static enum cutter_kind kind_of(const struct format *format)
{
	if (!format)
		return CUTTER_AUTO;
	return format->kind == FORMAT_TEXT ? CUTTER_TEXT : CUTTER_JSON;
}

static int import_sound_file(struct import *im, const char *path, struct fault *f)
{
	struct chain c = { 0 };
	struct buf name AUTO_BUF = { 0 };
	struct stat st = { 0 };

	TRY(chain_file(&c, path, f));
	buf_free(&c.piece);
	buf_addz(&name, "sound-");
	crypto_hex((struct span){ (const char *)c.digest, 12 }, &name);
	if (stat(path, &st) == 0)
		im->read += (uint64_t)st.st_size;
	const struct import_sound sound = { .batch = im->batch,
					    .directory = im->intake.directory,
					    .source = im->intake.source,
					    .folder = im->intake.url.n
							      ? im->intake.config->recording_folder
							      : NULL,
					    .assistant_first = im->assistant_first,
					    .id = buf_span(&name),
					    .mtime_us = (int64_t)st.st_mtim.tv_sec * SECOND_US,
					    .stopping = intake_stopping };
	progress(im);
	return import_sound(&sound, path, f);
}

static int import_file(struct import *im, const char *path, struct fault *f)
{
	const struct cutter_config cc = { .kind = kind_of(im->format),
					  .read = read_some,
					  .user = im };
	struct stat st;
	int rc;

	if (!im->format && sound_file_is(path))
		return import_sound_file(im, path, f);
	TRY(open_file(path, &im->fd, f));
	if (fstat(im->fd, &st) == 0)
		im->mtime_us = (int64_t)st.st_mtim.tv_sec * SECOND_US;
	struct cutter *cutter = cutter_new(&cc);
	rc = add_records(im, cutter, f);
	if (rc == E_IO || rc == E_INVALID)
		fault_wrap(f, "%s", path);
	cutter_free(cutter);
	close(im->fd);
	return rc;
}

static struct span label(const struct import *im, const char *option)
{
	const char *given = verb_option(im->verb, option);

	return given ? span_of(given) : (struct span){ 0 };
}

static int import_files(struct import *im, struct fault *f)
{
	bool dry = !im->intake.url.n;
	CHECK(im->files.n);
	struct buf poison_dir AUTO_BUF = { 0 };

	intake_poison_dir(&im->intake, &im->id, &poison_dir);
	const struct batch_config bc = { .url = dry ? NULL : buf_z(&im->intake.url),
					 .id = im->id,
					 .name = im->files.paths[0],
					 .format = im->format,
					 .directory = im->intake.directory,
					 .source = im->intake.source,
					 .ai_labels = label(im, "--ai-label"),
					 .user_labels = label(im, "--user-label"),
					 .poison_dir = buf_z(&poison_dir),
					 .mistake = on_mistake,
					 .stopping = intake_stopping,
					 .user = im };

	TRY(batch_open(&im->batch, &bc, f));
	for (size_t i = 0; i < im->files.n; i++)
		TRY(import_file(im, im->files.paths[i], f));
	return batch_finish(im->batch, f);
}

/* --- the verb --- */

static int prepare(struct import *im, struct fault *f)
{
	const struct verb_call *v = im->verb;

	for (int i = 0; i < v->words_n; i++)
		TRY(add_path(&im->files, v->words[i], f));
	if (!im->files.n)
		return fault(f, E_NOT_FOUND, "no files there");
	if (verb_option(v, "--dry-run"))
		TRY(intake_pretend(&im->intake, v->config, f));
	else
		TRY(intake_open(&im->intake, v->config, verb_option(v, "--source"), f));
	return make_id(im, f);
}

static int run(struct import *im)
{
	int64_t began = clock_monotonic_us();
	struct batch_counts n = { 0 };
	struct fault f = { 0 };
	int rc = prepare(im, &f);

	if (!rc)
		rc = import_files(im, &f);
	end_progress(im);
	if (rc && rc != E_CONFLICT && im->batch)
		batch_give_up(im->batch);
	if (rc)
		return verb_failed(im->verb, "%s%s", f.text,
				   im->batch ? "; the same command goes on where it stopped" : "");
	batch_counts(im->batch, &n);
	return intake_report(im->verb, &im->id, &n,
			     (double)(clock_monotonic_us() - began) / (double)SECOND_US);
}

static bool read_channels(struct import *im, const char *list)
{
	im->assistant_first = list && strcmp(list, "assistant,customer") == 0;
	return !list || im->assistant_first || strcmp(list, "customer,assistant") == 0;
}

static int import_verb_files(const struct verb_call *v)
{
	struct import im = { .verb = v, .terminal = isatty(STDERR_FILENO) };
	const char *format = verb_option(v, "--format");
	int status;

	if (!v->words_n)
		return verb_misused(v, "which FILE?");
	if (format && !(im.format = format_find(span_of(format))))
		return verb_misused(
			v, "no format `%s`; there are vapi, openai, ringcentral, transcript",
			format);
	if (!read_channels(&im, verb_option(v, "--channels")))
		return verb_misused(v, "--channels is customer,assistant or assistant,customer");
	if (!verb_option(v, "--source") && !verb_option(v, "--dry-run"))
		return verb_misused(v, "--source NAME says where the calls belong");
	intake_watch_signals();
	im.told_ms = clock_monotonic_us() / 1000;
	status = run(&im);
	batch_free(im.batch);
	files_fini(&im.files);
	intake_fini(&im.intake);
	return status;
}

int verb_import(const struct verb_call *v)
{
	return verb_option(v, "--pull") ? pull_verb(v) : import_verb_files(v);
}
