/* Happy path: LISTEN, load, hand it on, save it; then wait for a notification, or look at the
 * version every few seconds. The same connection hears of people's notifications and looks at the
 * queue of jobs for /metrics.
 *
 * Failure modes.
 *  - PostgreSQL away at start: the directory of the local file is handed on, once, and serves until
 * PostgreSQL is back.
 *  - Connection lost later: the directory in memory goes on serving; reconnect with back-off, then
 * load again (notifications may have been missed).
 *  - PostgreSQL there, but its schema still in the making: as when it is away, until it is ready.
 *  - PostgreSQL there, but the directory may not be read (a right, a table is missing): the same,
 * and told as trouble.
 *  - Local file missing, damaged or not writable: logged; nothing else depends on it.
 *  - More notifications at once than fit in a question: the rest is in the list of the API only.
 *  - A document that cannot be used: logged, the one before goes on serving.
 *
 * Secrets are read from their files when a directory is made. So that a changed file counts, the
 * folder's names, sizes, times and inodes are looked at every few seconds, also without PostgreSQL;
 * when they differ, the same document becomes a directory once more. */
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/log.h"
#include "base/metrics.h"
#include "store/schema.h"
#include "store/store_internal.h"

enum { POLL_MS = 5000, SECRETS_LOOK_MS = 2000, FILE_LIMIT = 256 * 1024 * 1024, TOLD_MOST = 500 };
struct follower {
	struct store *s;
	struct pg pg;
	uint64_t version; /* of what was handed on; 0: nothing yet */
	bool tried_file;
	int64_t quiet_until_us; /* 0: it was there, or its absence has been told */
	struct backoff pause;
	struct buf told; /* ids of notifications: "{a,b" */
	unsigned told_n;
	int64_t jobs_at_us;  /* when to look at them again */
	struct buf document; /* what was handed on */
	uint64_t secrets;    /* fingerprint of their folder at that time */
	int64_t secrets_look_us;
};

static const char *file_path(const struct store *s, struct buf *out)
{
	buf_printf(out, "%s/directory.json", s->state_dir);
	return buf_z(out);
}

static bool stopping(const struct follower *w)
{
	return atomic_load_explicit(&w->s->stopping, memory_order_relaxed);
}

/* --- secrets --- */

/* In whatever order the folder gives them. Names that lead elsewhere (Kubernetes mounts secrets
 * like this) count by what they lead to. */
static uint64_t secrets_fingerprint(const char *dir)
{
	uint64_t sum = 0;
	DIR *folder = opendir(dir);
	for (struct dirent *e; folder && (e = readdir(folder));) {
		struct buf text AUTO_BUF = { 0 };
		struct stat st;
		if (*e->d_name == '.' || fstatat(dirfd(folder), e->d_name, &st, 0))
			continue;
		buf_printf(&text, "%s %llu %lld %lld.%ld %lld.%ld %o", e->d_name,
			   (unsigned long long)st.st_ino, (long long)st.st_size,
			   (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
			   (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec, (unsigned)st.st_mode);
		sum += hash64(buf_span(&text));
	}
	if (folder)
		closedir(folder);
	return sum;
}

static int hand_on(struct follower *w, struct span document, struct fault *f)
{
	struct directory *directory;
	uint64_t secrets = secrets_fingerprint(w->s->secrets_dir); /* before they are read */
	TRY(directory_new(&directory, document, w->s->secrets_dir, f));
	w->version = directory->version;
	w->secrets = secrets;
	if (document.p != w->document.p) {
		buf_clear(&w->document);
		buf_add(&w->document, document);
	}
	if (w->s->on_directory)
		w->s->on_directory(w->s->user, directory);
	else
		directory_unref(directory);
	return 0;
}

static void refresh_secrets(struct follower *w)
{
	struct fault why = { 0 };
	if (!w->version || clock_monotonic_us() < w->secrets_look_us)
		return;
	w->secrets_look_us = clock_monotonic_us() + SECRETS_LOOK_MS * MS_US;
	if (secrets_fingerprint(w->s->secrets_dir) == w->secrets)
		return;
	log_info("directory", "files in %s have changed: reading secrets again", w->s->secrets_dir);
	if (hand_on(w, buf_span(&w->document), &why))
		log_error("directory", "secrets are not read again: %s", why.text);
}

static void save(struct follower *w, struct span document)
{
	struct buf path AUTO_BUF = { 0 };
	struct fault why = { 0 };
	if (file_replace(file_path(w->s, &path), 0600, document, &why))
		log_warn("directory", "cannot save a copy for times without PostgreSQL: %s",
			 why.text);
}

/* Only while nothing better was ever had. */
static void use_file(struct follower *w)
{
	if (w->tried_file || w->version)
		return;
	w->tried_file = true;
	struct buf path AUTO_BUF = { 0 }, document AUTO_BUF = { 0 };
	struct fault why = { 0 };
	if (access(file_path(w->s, &path), F_OK)) {
		log_info("directory", "no sources and projects of an earlier start: waiting for "
				      "PostgreSQL");
		return;
	}
	int rc = file_read(buf_z(&path), FILE_LIMIT, &document, &why);
	if (rc == 0)
		rc = hand_on(w, buf_span(&document), &why);
	if (rc)
		log_warn("directory", "PostgreSQL is away, and the copy cannot be used: %s",
			 why.text);
	else
		log_info("directory", "PostgreSQL is away: serving the copy in %s", buf_z(&path));
}

/* --- loading --- */

static int fetch(struct follower *w, const char *name, struct buf *out, struct fault *f)
{
	PGresult *result = NULL;
	TRY(pg_query(&w->pg, sql_find(name), NULL, 0, &result, f));
	buf_addz(out, PQgetvalue(result, 0, 0));
	PQclear(result);
	return 0;
}

/* Only the loss of the connection is a failure here. */
static int load(struct follower *w, struct fault *f)
{
	struct buf document AUTO_BUF = { 0 };
	struct fault why = { 0 };
	TRY(fetch(w, "directory", &document, f));
	if (hand_on(w, buf_span(&document), &why))
		log_error("directory", "cannot be used, the one before goes on serving: %s",
			  why.text);
	else
		save(w, buf_span(&document));
	return 0;
}

static int load_if_changed(struct follower *w, struct fault *f)
{
	struct buf json AUTO_BUF = { 0 };
	int64_t version = 0;
	TRY(fetch(w, "directory_version", &json, f));
	if (json_i64(json_get(json_of(buf_span(&json)), "version"), &version) &&
	    (uint64_t)version == w->version)
		return 0;
	return load(w, f);
}

static int connect_follower(struct follower *w, struct fault *f)
{
	TRY(schema_open(&w->pg, w->s->url, f));
	PGresult *result = NULL;
	TRY(pg_exec(&w->pg, "listen callmend_directory; listen callmend_notification", &result, f));
	PQclear(result);
	atomic_store(&w->s->connected, true);
	w->quiet_until_us = 0;
	TRY(load(w, f));
	trouble_clear(&w->s->troubles, STORE_PART_DIRECTORY, "");
	backoff_reset(&w->pause);
	return 0;
}

/* --- people's notifications --- */

static void note(struct follower *w, const PGnotify *n)
{
	struct uuid id;
	if (strcmp(n->relname, "callmend_notification") != 0 || w->told_n == TOLD_MOST ||
	    uuid_parse(&id, span_of(n->extra)))
		return;
	buf_printf(&w->told, "%s%s", w->told_n++ ? "," : "{", n->extra);
}

static struct buf take_told(struct follower *w)
{
	struct buf ids = w->told;
	w->told = (struct buf){ 0 };
	w->told_n = 0;
	return ids;
}

static void tell_each(struct follower *w, struct json list)
{
	struct json_iter it = json_iter(list);
	struct arena a = { 0 };
	struct span key;
	struct json v;
	struct uuid org;
	while (json_next(&it, &key, &v))
		if (uuid_parse(&org, json_text(json_get(v, "org_id"), &a)) == 0)
			w->s->on_notification(w->s->user, &org, json_get(v, "notification").raw);
	arena_fini(&a);
}

static int tell(struct follower *w, struct fault *f)
{
	struct buf ids AUTO_BUF = take_told(w);
	struct buf list AUTO_BUF = { 0 };
	if (!ids.n || !w->s->on_notification)
		return 0;
	buf_addc(&ids, '}');
	const char *params[] = { buf_z(&ids) };
	TRY(pg_ask(&w->pg, sql_find("notifications_told"), params, 1, &list, f));
	tell_each(w, json_of(buf_span(&list)));
	return 0;
}

/* --- the analysts' work --- */

static void set_gauge(enum metric m, struct json counts, const char *name)
{
	int64_t n = 0;
	if (json_i64(json_get(counts, name), &n))
		metric_set(m, n);
}

static int look_at_jobs(struct follower *w, struct fault *f)
{
	struct buf json AUTO_BUF = { 0 };
	int64_t now_us = clock_monotonic_us();
	if (now_us < w->jobs_at_us)
		return 0;
	w->jobs_at_us = now_us + POLL_MS * MS_US;
	TRY(pg_ask(&w->pg, sql_find("job_counts"), NULL, 0, &json, f));
	struct json counts = json_of(buf_span(&json));
	set_gauge(METRIC_JOBS_QUEUED, counts, "queued");
	set_gauge(METRIC_JOBS_RUNNING, counts, "running");
	set_gauge(METRIC_JOBS_DEAD, counts, "dead");
	set_gauge(METRIC_JOBS_OLDEST_DUE, counts, "oldest_due_s");
	return 0;
}

/* --- waiting --- */

static bool take_notices(struct follower *w)
{
	bool any = false;
	for (PGnotify *n; (n = PQnotifies(w->pg.conn)); any = true) {
		note(w, n);
		PQfreemem(n);
	}
	return any;
}

/* Until something was notified, POLL_MS have passed, or the end. E_UNAVAILABLE: connection lost. */
static int wait_for_news(struct follower *w, struct fault *f)
{
	int64_t until = clock_monotonic_us() + POLL_MS * MS_US;
	while (!stopping(w) && clock_monotonic_us() < until) {
		if (take_notices(w))
			return 0;
		refresh_secrets(w);
		struct pollfd p = { .fd = PQsocket(w->pg.conn), .events = POLLIN };
		if (poll(&p, 1, 100) > 0 && !PQconsumeInput(w->pg.conn))
			return fault(f, E_UNAVAILABLE, "the connection was lost");
	}
	return 0;
}

static int follow(struct follower *w, struct fault *f)
{
	while (!stopping(w)) {
		TRY(wait_for_news(w, f));
		if (stopping(w))
			break;
		TRY(tell(w, f));
		TRY(load_if_changed(w, f));
		TRY(look_at_jobs(w, f));
	}
	return 0;
}

static void back_off(struct follower *w)
{
	int64_t until = clock_monotonic_us() + backoff_next_ms(&w->pause) * MS_US;
	while (!stopping(w) && clock_monotonic_us() < until) {
		refresh_secrets(w);
		nanosleep(&(struct timespec){ .tv_nsec = 50 * 1000000 }, NULL);
	}
}

/* Once each time. What PostgreSQL itself says is told as trouble. */
static void tell_away(struct follower *w, const struct fault *why)
{
	bool since_start =
		w->quiet_until_us && !w->pg.state[0] && clock_monotonic_us() > w->quiet_until_us;

	if (!atomic_exchange(&w->s->connected, false) && !since_start)
		return;
	w->quiet_until_us = 0;
	log_warn("directory", "PostgreSQL is away: %s", why->text);
}

void *store_directory_run(void *arg)
{
	struct store *s = arg;
	struct follower w = { .s = s,
			      .pg = { .stop = &s->stopping },
			      .pause = STORE_PAUSES,
			      .quiet_until_us = clock_monotonic_us() + STORE_MADE_MS * MS_US };
	log_thread("directory");
	while (!stopping(&w)) {
		struct fault why = { 0 };
		int rc = connect_follower(&w, &why);
		if (rc == 0)
			rc = follow(&w, &why);
		if (rc == 0)
			break;
		trouble_report(&s->troubles, STORE_PART_DIRECTORY, "", w.pg.state, why.text,
			       clock_now_us());
		tell_away(&w, &why);
		pg_close(&w.pg);
		use_file(&w);
		back_off(&w);
	}
	atomic_store(&s->connected, false);
	pg_close(&w.pg);
	buf_free(&w.told);
	buf_free(&w.document);
	return NULL;
}
