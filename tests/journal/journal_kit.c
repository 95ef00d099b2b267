#include "journal_kit.h"

#include <dirent.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

/* --- folders and files --- */

char *kit_folder(void)
{
	const char *base = getenv("TMPDIR");
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/callmend-journal-XXXXXX", base ? base : "/tmp");
	assert_non_null(mkdtemp(path));
	return strdup(path);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void kit_remove(char *dir)
{
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(dir);
}

char *kit_path(const char *dir, const char *name)
{
	char *path = NULL;
	assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
	return path;
}

struct buf kit_read_file(const char *dir, const char *name)
{
	struct buf b = { 0 };
	struct fault f = { 0 };
	char *path = kit_path(dir, name);
	if (file_read(path, 1 << 28, &b, &f))
		fail_msg("%s", f.text);
	free(path);
	return b;
}

void kit_write_file(const char *dir, const char *name, struct span content)
{
	char *path = kit_path(dir, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(content.p, 1, content.n, file), content.n);
	assert_int_equal(fclose(file), 0);
	free(path);
}

bool kit_exists(const char *dir, const char *name)
{
	char *path = kit_path(dir, name);
	bool yes = access(path, F_OK) == 0;
	free(path);
	return yes;
}

unsigned kit_count(const char *dir, const char *sub, const char *suffix)
{
	unsigned n = 0;
	char *path = kit_path(dir, sub);
	DIR *d = opendir(path);
	free(path);
	if (!d)
		return 0;
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		size_t have = strlen(e->d_name), want = strlen(suffix);
		if (have > want && strcmp(e->d_name + have - want, suffix) == 0)
			n++;
	}
	closedir(d);
	return n;
}

/* --- journals --- */

struct journal_config kit_config(const char *dir)
{
	return (struct journal_config){ .dir = dir,
					.segment_bytes = KIT_SEGMENT,
					.memory_bytes = 64 << 20,
					.disk_cap_bytes = 1 << 30 };
}

struct journal *kit_open(const struct journal_config *config)
{
	struct journal *j = NULL;
	struct fault f = { 0 };
	if (journal_open(&j, config, &f))
		fail_msg("open: %s", f.text);
	return j;
}

struct journal *kit_start(const struct journal_config *config)
{
	struct fault f = { 0 };
	struct journal *j = kit_open(config);
	if (journal_start(j, &f))
		fail_msg("start: %s", f.text);
	return j;
}

void kit_wait(bool (*met)(void *), void *user, const char *what)
{
	int64_t until = clock_monotonic_us() + KIT_PATIENCE_MS * MS_US;
	while (!met(user)) {
		if (clock_monotonic_us() > until)
			fail_msg("waited in vain for: %s", what);
		sched_yield();
	}
}

struct durable_wait {
	struct journal *j;
	uint64_t number;
};

static bool is_durable(void *user)
{
	struct durable_wait *w = user;
	return journal_durable(w->j) >= w->number;
}

void kit_wait_durable(struct journal *j, uint64_t number)
{
	struct durable_wait w = { j, number };
	kit_wait(is_durable, &w, "durable");
}

/* --- records --- */

struct record kit_record(uint64_t number, size_t body_bytes, struct buf *body)
{
	char phrase[32];
	int n = snprintf(phrase, sizeof(phrase), "record %llu. ", (unsigned long long)number);
	buf_clear(body);
	buf_reserve(body, body_bytes + sizeof(phrase));
	while (body->n < body_bytes)
		buf_add(body, (struct span){ phrase, (size_t)n });
	body->n = body_bytes;
	struct record r = { .number = number,
			    .at_us = (int64_t)number * 1000,
			    .kind = number % 2 ? RECORD_WEBHOOK : RECORD_TICK,
			    .body = buf_span(body) };
	memcpy(r.call.b, &number, sizeof(number));
	r.call.b[15] = 7;
	return r;
}

int kit_append(struct journal *j, size_t body_bytes)
{
	struct buf body AUTO_BUF = { 0 };
	uint64_t number = journal_last(j) + 1;
	struct record r = kit_record(number, body_bytes, &body);
	r.number = 0;
	int rc = journal_append(j, &r);
	if (rc == 0)
		assert_int_equal(r.number, number);
	return rc;
}

bool kit_intact(const struct record *r)
{
	struct buf body AUTO_BUF = { 0 };
	struct record want = kit_record(r->number, r->body.n, &body);
	return want.at_us == r->at_us && want.kind == r->kind && uuid_eq(&want.call, &r->call) &&
	       span_eq(want.body, r->body);
}

static int collect(void *user, const struct record *r)
{
	struct kit_found *found = user;
	assert_true(kit_intact(r));
	if (found->n)
		assert_true(r->number > found->numbers[found->n - 1]);
	if ((found->n & (found->n + 1)) == 0) /* room for twice as many */
		found->numbers = realloc(found->numbers, (found->n + 1) * 2 * sizeof(uint64_t));
	found->numbers[found->n++] = r->number;
	return 0;
}

struct kit_found kit_scan(const char *dir)
{
	struct kit_found found = { 0 };
	struct fault f = { 0 };
	if (journal_scan(dir, collect, &found, &f))
		fail_msg("scan: %s", f.text);
	return found;
}

struct kit_found kit_replay(struct journal *j)
{
	struct kit_found found = { 0 };
	struct fault f = { 0 };
	if (journal_replay(j, collect, &found, &f))
		fail_msg("replay: %s", f.text);
	return found;
}

bool kit_has(const struct kit_found *found, uint64_t number)
{
	for (size_t i = 0; i < found->n; i++) {
		if (found->numbers[i] == number)
			return true;
	}
	return false;
}

void kit_found_free(struct kit_found *found)
{
	free(found->numbers);
	*found = (struct kit_found){ 0 };
}
