/* Happy path: a line is formatted and replaces the file; it is read by formatting what it says once
 * more and comparing all of it.
 *
 * Failure modes: whatever is not byte for byte what would have been written is damaged, and the
 * caller reads the journal from its beginning: slower, never wrong. The sum covers the journal's
 * name, so that the file of another journal is as good as a damaged one. */
#include "journal/released.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/file.h"

enum { LINE = 16 + 1 + 16 + 1 };

static void path_of(const char *dir, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/released", dir);
}

static void format(const struct segment_key *key, uint64_t number, char out[LINE + 1])
{
	const struct {
		struct uuid id;
		uint64_t salt, number;
	} summed = { key->id, key->salt, number };
	uint64_t sum = hash64((struct span){ (const char *)&summed, sizeof(summed) });
	snprintf(out, LINE + 1, "%016" PRIx64 " %016" PRIx64 "\n", number, sum);
}

static bool parse(struct span line, const struct segment_key *key, uint64_t *number)
{
	char digits[16 + 1] = "", again[LINE + 1];
	if (line.n != LINE)
		return false;
	memcpy(digits, line.p, 16);
	*number = strtoull(digits, NULL, 16);
	format(key, *number, again);
	return *number > 0 && memcmp(again, line.p, LINE) == 0;
}

int released_read(const char *dir, const struct segment_key *key, uint64_t *number, struct fault *f)
{
	char path[PATH_MAX];
	struct buf line AUTO_BUF = { 0 };
	path_of(dir, path);
	int rc = file_read(path, LINE, &line, f);
	if (rc == E_TOO_LARGE || (!rc && !parse(buf_span(&line), key, number)))
		return fault(f, E_CORRUPT, "%s is damaged", path);
	return rc;
}

int released_write(const char *dir, const struct segment_key *key, uint64_t number, struct fault *f)
{
	char path[PATH_MAX], line[LINE + 1];
	path_of(dir, path);
	format(key, number, line);
	return file_replace(path, 0600, (struct span){ line, LINE }, f);
}

int released_remove(const char *dir, struct fault *f)
{
	char path[PATH_MAX];
	path_of(dir, path);
	if (unlink(path) < 0 && errno != ENOENT)
		return fault(f, E_IO, "delete %s: %s", path, strerror(errno));
	return segment_sync_dir(dir, f);
}
