/* Happy path: enter and leave are two plain stores into a shared map.
 *
 * Failure modes: a crash leaves its key in the map with `crashed` set by the signal handler,
 * because page cache survives the process. SIGKILL leaves keys without the mark: they are innocent
 * and forgotten. A lost poison.list only means counting again. */
#include "ingest/poison.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/log.h"

enum { CRASHES_TO_SKIP = 2, LIST_LIMIT = 1024 * 1024 };

struct poison_map {
	volatile uint32_t crashed;
	volatile uint64_t applying[POISON_SLOTS];
};

struct suspect {
	uint64_t key;
	unsigned crashes;
};

struct poison {
	struct poison_map *map;
	char *list_path, *map_path;
	struct suspect *suspects;
	size_t n;
};

/* The signal handler has no argument of ours. */
static struct poison_map *crash_map;

static void on_crash(int signal_number)
{
	if (crash_map)
		crash_map->crashed = 1;
	raise(signal_number); /* SA_RESETHAND: the default action now */
}

static void catch_crashes(struct poison_map *map)
{
	static const int signals[] = { SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL };
	struct sigaction act = { .sa_handler = on_crash,
				 .sa_flags = (int)(SA_RESETHAND | SA_NODEFER | SA_ONSTACK) };

	crash_map = map;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &act, NULL);
}

static struct suspect *suspect_of(const struct poison *p, uint64_t key)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->suspects[i].key == key)
			return &p->suspects[i];
	}
	return NULL;
}

static void count_crash(struct poison *p, uint64_t key, unsigned crashes)
{
	struct suspect *s = suspect_of(p, key);

	if (!s) {
		p->suspects = realloc(p->suspects, (p->n + 1) * sizeof(*p->suspects));
		CHECK(p->suspects);
		s = &p->suspects[p->n++];
		*s = (struct suspect){ .key = key };
	}
	s->crashes += crashes;
}

static void read_list(struct poison *p)
{
	struct buf text AUTO_BUF = { 0 };
	uint64_t key;
	unsigned crashes;
	int used;

	if (file_read(p->list_path, LIST_LIMIT, &text, NULL))
		return;
	for (const char *at = buf_z(&text);
	     sscanf(at, "%" SCNx64 " %u\n%n", &key, &crashes, &used) == 2; at += used)
		count_crash(p, key, crashes);
}

static int write_list(const struct poison *p, struct fault *f)
{
	struct buf text AUTO_BUF = { 0 };

	for (size_t i = 0; i < p->n; i++)
		buf_printf(&text, "%" PRIx64 " %u\n", p->suspects[i].key, p->suspects[i].crashes);
	return file_replace(p->list_path, 0600, buf_span(&text), f);
}

static int judge_last_run(struct poison *p, struct fault *f)
{
	int rc = 0;
	bool crashed = p->map->crashed;

	for (unsigned i = 0; i < POISON_SLOTS; i++) {
		uint64_t key = p->map->applying[i];

		if (crashed && key) {
			count_crash(p, key, 1);
			log_warn("quarantine",
				 "the last run crashed while applying an input (key %" PRIx64 ")",
				 key);
		}
	}
	if (crashed)
		rc = write_list(p, f);
	memset((void *)p->map, 0, sizeof(*p->map));
	return rc;
}

int poison_open(struct poison **out, const char *state_dir, struct fault *f)
{
	char path[4096];
	struct poison *p = calloc(1, sizeof(*p));
	int fd;

	CHECK(p);
	snprintf(path, sizeof(path), "%s/poison.list", state_dir);
	p->list_path = strdup(path);
	snprintf(path, sizeof(path), "%s/applying.map", state_dir);
	p->map_path = strdup(path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(struct poison_map))) {
		if (fd >= 0)
			close(fd);
		poison_free(p);
		return fault(f, E_IO, "cannot open %s", path);
	}
	p->map = mmap(NULL, sizeof(struct poison_map), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p->map == MAP_FAILED) {
		p->map = NULL;
		poison_free(p);
		return fault(f, E_IO, "cannot map %s", path);
	}
	read_list(p);
	if (judge_last_run(p, f)) {
		poison_free(p);
		return fault_wrap(f, "poison list");
	}
	catch_crashes(p->map);
	*out = p;
	return 0;
}

int poison_read(struct poison **out, const char *state_dir, struct fault *f)
{
	struct poison *p = calloc(1, sizeof(*p));
	char path[4096];

	if (!p)
		return fault(f, E_NOMEM, "poison list");
	snprintf(path, sizeof(path), "%s/poison.list", state_dir);
	p->list_path = strdup(path);
	read_list(p);
	*out = p;
	return 0;
}

bool poison_skip_record(const struct poison *p, const struct record *r)
{
	return p && p->n && poison_skip(p, poison_key(r));
}

void poison_free(struct poison *p)
{
	if (!p)
		return;
	if (p->map && crash_map == p->map)
		crash_map = NULL;
	if (p->map)
		munmap((void *)p->map, sizeof(*p->map));
	free(p->list_path);
	free(p->map_path);
	free(p->suspects);
	free(p);
}

void poison_end(struct poison *p)
{
	if (p && !p->n) {
		unlink(p->map_path);
		unlink(p->list_path);
	}
	poison_free(p);
}

uint64_t poison_key(const struct record *r)
{
	uint64_t key = hash64(r->body) ^ uuid_hash(&r->call) ^ (uint64_t)r->kind;

	return key ? key : 1;
}

void poison_enter(struct poison *p, unsigned slot, uint64_t key)
{
	if (p && p->map)
		p->map->applying[slot] = key;
}

void poison_leave(struct poison *p, unsigned slot)
{
	if (p && p->map)
		p->map->applying[slot] = 0;
}

bool poison_skip(const struct poison *p, uint64_t key)
{
	const struct suspect *s = p ? suspect_of(p, key) : NULL;

	return s && s->crashes >= CRASHES_TO_SKIP;
}
