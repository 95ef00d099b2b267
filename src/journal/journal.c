/* The composition: lock, recovery, shelf, writer. The ways to fail are told in journal.h and, with
 * their reasons, in recover.c, shelf.c and writer.c. */
#include "journal/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "journal/parts.h"
#include "journal/recover.h"

struct journal {
	char *dir;
	int lock_fd;
	struct recover found;
	struct shelf *shelf;
	struct writer *writer;
};

/* The kernel lets the lock go with the process, however it ends. */
static int lock_folder(const char *dir, int *fd, struct fault *f)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/lock", dir);
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*fd < 0)
		return fault(f, E_IO, "open %s: %s", path, strerror(errno));
	if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return fault(f, E_CONFLICT, "another process has the journal in %s open", dir);
	return fault(f, E_IO, "lock %s: %s", path, strerror(errno));
}

static void build(struct journal *j, const struct journal_config *config)
{
	const struct recover *r = &j->found;
	struct shelf_config shelf = {
		.dir = config->dir,
		.key = r->key,
		.segment_bytes = config->segment_bytes,
		.cap_bytes = config->disk_cap_bytes,
		.retention_us = config->retention_ms * MS_US,
		.released = r->released,
	};
	j->shelf = shelf_new(&shelf);
	for (size_t i = 0; i < r->n; i++)
		shelf_add(j->shelf, r->segments[i].first, r->segments[i].bytes,
			  r->segments[i].written_us);
	struct writer_config writer = {
		.shelf = j->shelf,
		.salt = r->key.salt,
		.memory_bytes = config->memory_bytes,
		.commit_on_demand = config->commit_on_demand,
		.last = r->used,
		.durable = r->last,
		.on_durable = config->on_durable,
		.on_failed = config->on_failed,
		.user = config->user,
	};
	j->writer = writer_new(&writer);
}

/* The folder's own name has to last too. A parent that we may not read is somebody else's care. */
static void keep_folder(const char *dir)
{
	struct fault f = { 0 };
	char parent[PATH_MAX];
	snprintf(parent, sizeof(parent), "%s/..", dir);
	if (segment_sync_dir(parent, &f))
		log_warn("journal", "%s", f.text);
}

static int open_into(struct journal *j, const struct journal_config *config, struct fault *f)
{
	TRY(file_make_dir(config->dir, 0700, f));
	keep_folder(config->dir);
	TRY(lock_folder(config->dir, &j->lock_fd, f));
	TRY(recover_run(config->dir, &j->found, f));
	build(j, config);
	log_info("journal", "%s: %zu segments, last record %" PRIu64 ", needed from %" PRIu64,
		 config->dir, j->found.n, j->found.last, j->found.released);
	return 0;
}

int journal_open(struct journal **out, const struct journal_config *config, struct fault *f)
{
	struct journal *j = calloc(1, sizeof(*j));
	CHECK(j);
	j->lock_fd = -1;
	j->dir = strdup(config->dir);
	CHECK(j->dir);
	int rc = open_into(j, config, f);
	if (rc) {
		journal_free(j);
		return rc;
	}
	*out = j;
	return 0;
}

int journal_replay(struct journal *j, int (*each)(void *user, const struct record *), void *user,
		   struct fault *f)
{
	return journal_replay_from(j, 1, each, user, f);
}

int journal_replay_from(struct journal *j, uint64_t from,
			int (*each)(void *user, const struct record *), void *user, struct fault *f)
{
	return recover_each(j->dir, &j->found, from, each, user, f);
}

int journal_start(struct journal *j, struct fault *f)
{
	TRY(shelf_start(j->shelf, f));
	return writer_start(j->writer, f);
}

void journal_free(struct journal *j)
{
	if (!j)
		return;
	writer_free(j->writer);
	shelf_free(j->shelf);
	recover_fini(&j->found);
	if (j->lock_fd >= 0)
		close(j->lock_fd);
	free(j->dir);
	free(j);
}

int journal_append(struct journal *j, struct record *r)
{
	return writer_append(j->writer, r, 1);
}

int journal_append_all(struct journal *j, struct record *r, size_t n)
{
	return writer_append(j->writer, r, n);
}

void journal_commit(struct journal *j)
{
	writer_commit(j->writer);
}

uint64_t journal_durable(const struct journal *j)
{
	return writer_durable(j->writer);
}

uint64_t journal_last(const struct journal *j)
{
	return writer_last(j->writer);
}

struct uuid journal_id(const struct journal *j)
{
	return j->found.key.id;
}

bool journal_failed(const struct journal *j)
{
	return writer_failed(j->writer);
}

void journal_release(struct journal *j, uint64_t number)
{
	/* What is not on disk yet can't be released: its number may come again after a crash. */
	uint64_t next = writer_durable(j->writer) + 1;
	shelf_release(j->shelf, number < next ? number : next);
}

uint64_t journal_released(const struct journal *j)
{
	return j->found.released;
}

int64_t journal_latest_us(const struct journal *j)
{
	return j->found.latest_us;
}

struct journal_parts journal_parts(struct journal *j)
{
	return (struct journal_parts){ j->dir, j->shelf, j->writer, j->found.key.salt };
}

int journal_scan(const char *dir, int (*each)(void *user, const struct record *), void *user,
		 struct fault *f)
{
	struct recover found = { 0 };
	int rc = recover_look(dir, &found, f);
	if (!rc)
		rc = recover_each(dir, &found, 1, each, user, f);
	recover_fini(&found);
	return rc;
}
