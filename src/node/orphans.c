#include "node/orphans.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "callmend/uuid.h"

enum {
	LOOKED_MOST = 100000,
	ASKED_AT_ONCE = 500,
	ORPHANS_MOST = 100,
	OLD_S = 3600,
	DAY_TEXT = 10,
	NAME_BYTES = DAY_TEXT + 1 + UUID_TEXT + sizeof(".ogg.tmp"),
};

struct sweep {
	struct job_context *ctx;
	int64_t old_s; /* last written by then */
	struct buf names;
	struct json_out o;
	unsigned looked, asked, n;
	char found[ORPHANS_MOST + 1][NAME_BYTES];
};

static bool is_day(const char *name)
{
	return strlen(name) == DAY_TEXT && name[4] == '-' && name[7] == '-';
}

/* "<id>.ogg", and what it is called until it is whole. */
static bool is_recording(const char *name)
{
	struct uuid id;

	return strlen(name) > UUID_TEXT && uuid_parse(&id, (struct span){ name, UUID_TEXT }) == 0 &&
	       (strcmp(name + UUID_TEXT, ".ogg") == 0 || strcmp(name + UUID_TEXT, ".ogg.tmp") == 0);
}

static bool is_old(const struct sweep *s, int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       st.st_mtime < s->old_s;
}

/* --- asking --- */

static void begin_asking(struct sweep *s)
{
	buf_clear(&s->names);
	s->o = (struct json_out){ .b = &s->names };
	json_begin_array(&s->o, NULL);
	s->asked = 0;
}

static void keep(struct sweep *s, struct json unknown)
{
	struct json_iter it = json_iter(unknown);
	struct arena a = { 0 };
	struct span key;
	struct json v;

	while (s->n <= ORPHANS_MOST && json_next(&it, &key, &v))
		snprintf(s->found[s->n++], NAME_BYTES, "%.*s", SPAN_ARG(json_text(v, &a)));
	arena_fini(&a);
}

static int ask(struct sweep *s, struct fault *f)
{
	struct buf unknown AUTO_BUF = { 0 };

	json_end_array(&s->o);
	const char *params[] = { buf_z(&s->names) };
	TRY(store_link_query(s->ctx->db, "recording_orphans", params, 1, &unknown, f));
	keep(s, json_of(buf_span(&unknown)));
	begin_asking(s);
	return 0;
}

/* --- looking --- */

static int look_at_day(struct sweep *s, DIR *dir, const char *day, struct fault *f)
{
	char name[NAME_BYTES];

	for (struct dirent *e; s->n <= ORPHANS_MOST && (e = readdir(dir));) {
		if (!is_recording(e->d_name) || !is_old(s, dirfd(dir), e->d_name))
			continue;
		if (s->looked++ == LOOKED_MOST)
			break;
		snprintf(name, sizeof(name), "%.10s/%.44s", day, e->d_name);
		json_put_z(&s->o, NULL, name);
		if (++s->asked == ASKED_AT_ONCE)
			TRY(ask(s, f));
	}
	return 0;
}

static int look(struct sweep *s, const char *folder, DIR *days, struct fault *f)
{
	struct buf path AUTO_BUF = { 0 };
	int rc = 0;

	begin_asking(s);
	for (struct dirent *e; !rc && s->looked <= LOOKED_MOST && (e = readdir(days));) {
		buf_clear(&path);
		buf_printf(&path, "%s/%s", folder, e->d_name);
		DIR *dir = is_day(e->d_name) ? opendir(buf_z(&path)) : NULL;
		if (!dir)
			continue;
		rc = look_at_day(s, dir, e->d_name, f);
		closedir(dir);
	}
	return rc || !s->asked ? rc : ask(s, f);
}

/* --- deleting --- */

static void delete_found(const struct sweep *s, const char *folder)
{
	struct buf path AUTO_BUF = { 0 };

	if (s->n > ORPHANS_MOST) {
		log_warn("recordings",
			 "%s: more than %d recordings that this database does not know; none is "
			 "deleted",
			 folder, ORPHANS_MOST);
		return;
	}
	for (unsigned i = 0; i < s->n; i++) {
		buf_clear(&path);
		buf_printf(&path, "%s/%s", folder, s->found[i]);
		if (unlink(buf_z(&path)) == 0)
			log_info("recordings", "%s: deleted, no call has it", buf_z(&path));
		else if (errno != ENOENT)
			log_warn("recordings", "%s: cannot be deleted: %s", buf_z(&path),
				 strerror(errno));
	}
}

int orphans_delete(struct job_context *ctx, struct fault *f)
{
	const char *folder = ctx->config->recording_folder;
	struct sweep s = { .ctx = ctx, .old_s = clock_now_us() / SECOND_US - OLD_S };
	DIR *days = opendir(folder);

	if (!days) /* not on this machine */
		return 0;
	int rc = look(&s, folder, days, f);
	closedir(days);
	buf_free(&s.names);
	if (!rc)
		delete_found(&s, folder);
	return rc;
}
