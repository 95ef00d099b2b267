/* Happy path: the files of the call, oldest first, locked; mixed and encoded beside, moved into
 * place; row stored while the job is held; files deleted, the oldest last; the job ends when none
 * is left.
 *
 * Failure modes
 *  - Killed anywhere: the files are there, the row is not - made again, with the same id. The row
 *    is there, the files too: they are named in it and only deleted.
 *  - The call still runs, a file is still written, the folder is not on this machine: given back,
 *    looked at again.
 *  - A file that is no WAV: kept as *.bad, told in the recording's `error`; the others are used.
 *    Nothing but such: the recording has failed.
 *  - Files of no call at all (a core was killed before it knew whose audio it was): deleted after a
 *    week, when no journal will bring that call any more.
 *  - An empty file (a core was killed before it had written its head): deleted, nothing was
 *    recorded.
 *  - No file, but recording was told to have begun (a core was killed before anything was on the
 *    disk): the recording has failed, with that reason.
 *  - Files that cannot be deleted: the recording is stored, the job fails and is tried again later.
 *  - Disk full: the job fails and is tried again later; the files stay.
 *  - Lease lost: nothing is stored, nothing deleted; files are locked, so that nobody else has
 *    begun with them. */
#include "node/recordings.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "record/mix.h"
#include "record/render.h"

enum {
	AGAIN_MS = 1000,
	ELSEWHERE_MS = 30000,
	STRAY_DAYS = 7,
	SPAN_MS = 24 * 3600 * 1000, /* what begins later is a recording of its own */
	DAY_TEXT = 10,
	SETTLES_MS = 5000, /* a leg's first frame is on the disk, or never will be */
	NAME_MAX_BYTES = DAY_TEXT + 1 + UUID_TEXT + 1 + 64,
};

#define LOST                                                                                   \
	"nothing of it is on the disk: the core was killed before anything was, or the files " \
	"were deleted"

/* A file of a leg. */
struct piece {
	char name[NAME_MAX_BYTES]; /* in the folder */
	int64_t start_ms;
	int fd; /* -1: not open */
	struct wav wav;
	bool good; /* there is sound in it */
	bool bad;  /* it cannot be read */
};

struct making {
	struct job_context *ctx;
	const struct job *job;
	struct uuid call;
	const char *folder;
	struct piece *pieces;
	size_t n;
	int64_t start_ms; /* the recording's: of its first file */
	bool stored;	  /* something has come of it */
	char why[256];	  /* what is missing of it */
};

/* --- what lies there --- */

static bool is_day(const char *name)
{
	return strlen(name) == DAY_TEXT && name[4] == '-' && name[7] == '-';
}

/* "1790000000123-0.wav" */
static bool is_wav(const char *name, int64_t *start_ms)
{
	char *end;

	errno = 0;
	*start_ms = strtoll(name, &end, 10);
	if (errno || end == name || *end != '-' || *start_ms < 0)
		return false;
	strtoul(end + 1, &end, 10);
	return strcmp(end, ".wav") == 0;
}

static DIR *open_dir(const char *folder, const char *day, const char *call)
{
	struct buf path AUTO_BUF = { 0 };

	buf_printf(&path, "%s%s%s%s%s", folder, day ? "/" : "", day ? day : "", call ? "/" : "",
		   call ? call : "");
	return opendir(buf_z(&path));
}

static void path_of(const struct making *m, const char *name, struct buf *out)
{
	buf_clear(out);
	buf_printf(out, "%s/%s", m->folder, name);
}

/* A call's own folder goes with its last file. */
static void remove_folder(const struct making *m, const char *name)
{
	struct buf path AUTO_BUF = { 0 };

	path_of(m, name, &path);
	*strrchr(path.p, '/') = '\0';
	rmdir(path.p);
}

/* -1: there is something in it; else for how long there has been nothing. A recorder that lives
 * writes a head at once. */
static int64_t empty_ms(const struct making *m, const char *name)
{
	struct buf path AUTO_BUF = { 0 };
	struct stat st;

	path_of(m, name, &path);
	if (lstat(buf_z(&path), &st) || !S_ISREG(st.st_mode) || st.st_size)
		return -1;
	int64_t ms = clock_now_us() / MS_US - (int64_t)st.st_mtime * 1000;
	return ms > 0 ? ms : 0;
}

static void remove_empty(const struct making *m, const char *name)
{
	struct buf path AUTO_BUF = { 0 };

	path_of(m, name, &path);
	log_info("recordings", "%s: empty: a core was killed before anything was recorded",
		 buf_z(&path));
	if (unlink(buf_z(&path)) && errno != ENOENT)
		log_warn("recordings", "%s: cannot be deleted: %s", buf_z(&path), strerror(errno));
	remove_folder(m, name);
}

static void add_piece(struct making *m, const char *day, const char *call, const char *name)
{
	struct piece p = { .fd = -1 };

	if (!is_wav(name, &p.start_ms) ||
	    snprintf(p.name, sizeof(p.name), "%s/%s/%s", day, call, name) >= (int)sizeof(p.name))
		return;
	if (empty_ms(m, p.name) > SETTLES_MS) {
		remove_empty(m, p.name);
		return;
	}
	m->pieces = realloc(m->pieces, (m->n + 1) * sizeof(*m->pieces));
	CHECK(m->pieces);
	m->pieces[m->n++] = p;
}

static int by_start(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->start_ms != y->start_ms)
		return x->start_ms < y->start_ms ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void drop_pieces(struct making *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->pieces[i].fd >= 0)
			close(m->pieces[i].fd);
	free(m->pieces);
	m->pieces = NULL;
	m->n = 0;
}

/* Those of one recording; the others come with the next. */
static void leave_one_recording(struct making *m)
{
	size_t n = 0;

	if (m->n)
		qsort(m->pieces, m->n, sizeof(*m->pieces), by_start);
	while (n < m->n && n < MIX_PARTS_MAX &&
	       m->pieces[n].start_ms - m->pieces[0].start_ms < SPAN_MS)
		n++;
	m->n = n;
	if (n)
		m->start_ms = m->pieces[0].start_ms;
}

/* A call may have begun before midnight. */
static int list_pieces(struct making *m, struct fault *f)
{
	char call[UUID_TEXT + 1];
	DIR *days = open_dir(m->folder, NULL, NULL), *files;

	if (!days)
		return fault(f, E_NOT_FOUND, "%s: %s", m->folder, strerror(errno));
	uuid_format(&m->call, call);
	for (struct dirent *day; (day = readdir(days));) {
		if (!is_day(day->d_name) || !(files = open_dir(m->folder, day->d_name, call)))
			continue;
		for (struct dirent *e; (e = readdir(files));)
			add_piece(m, day->d_name, call, e->d_name);
		closedir(files);
	}
	closedir(days);
	leave_one_recording(m);
	return 0;
}

static void remove_piece(const struct making *m, const char *name)
{
	struct buf path AUTO_BUF = { 0 };

	path_of(m, name, &path);
	if (unlink(buf_z(&path)) && errno != ENOENT)
		log_warn("recordings", "%s: cannot be deleted: %s", buf_z(&path), strerror(errno));
	remove_folder(m, name);
}

/* --- reading them --- */

static void call_bad(struct making *m, struct piece *p, const struct fault *why)
{
	p->bad = true;
	snprintf(m->why, sizeof(m->why), "%s cannot be read: %.100s", strrchr(p->name, '/') + 1,
		 why->text);
}

/* When its recording is stored, which tells of it and will delete it: not before. */
static void set_aside(const struct making *m, const struct piece *p)
{
	struct buf path AUTO_BUF = { 0 }, aside AUTO_BUF = { 0 };

	path_of(m, p->name, &path);
	buf_printf(&aside, "%s.bad", buf_z(&path));
	log_warn("recordings", "%s: cannot be read, kept as .bad", buf_z(&path));
	if (rename(buf_z(&path), buf_z(&aside)))
		log_warn("recordings", "%s: cannot be renamed: %s", buf_z(&path), strerror(errno));
}

static int read_head(struct piece *p, struct fault *f)
{
	TRY(wav_open(&p->wav, p->fd, f));
	if (!p->wav.has_note || p->wav.shape.channels != 1)
		return fault(f, E_INVALID, "it is none of ours");
	p->good = p->wav.frames > 0;
	return 0;
}

/* E_UNAVAILABLE: somebody still writes it, or is at work with it. */
static int open_piece(struct making *m, struct piece *p, struct fault *f)
{
	struct buf path AUTO_BUF = { 0 };
	struct fault why = { 0 };

	path_of(m, p->name, &path);
	p->fd = open(buf_z(&path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (p->fd < 0)
		return fault(f, E_UNAVAILABLE, "%s: %s", buf_z(&path), strerror(errno));
	if (flock(p->fd, LOCK_EX | LOCK_NB))
		return fault(f, E_UNAVAILABLE, "%s: still being written", buf_z(&path));
	if (empty_ms(m, p->name) >= 0)
		return fault(f, E_UNAVAILABLE, "%s: nothing is in it yet", buf_z(&path));
	int rc = read_head(p, &why);
	if (rc == E_INVALID)
		call_bad(m, p, &why);
	else if (rc)
		return fault(f, rc, "%s: %s", buf_z(&path), why.text);
	return 0;
}

static int open_pieces(struct making *m, struct fault *f)
{
	m->why[0] = '\0';
	for (size_t i = 0; i < m->n; i++)
		TRY(open_piece(m, &m->pieces[i], f));
	return 0;
}

static struct uuid id_of(const struct making *m)
{
	char name[48];

	snprintf(name, sizeof(name), "recording:%lld", (long long)m->start_ms);
	return uuid_v5(&m->call, span_of(name));
}

/* --- making it --- */

struct watching {
	const struct making *making;
	struct mix *mix;
	int64_t prolonged_us; /* the lease, last */
};

static int read_watched(void *user, int16_t *stereo, size_t frames, size_t *got, struct fault *f)
{
	return mix_read(((struct watching *)user)->mix, stereo, frames, got, f);
}

static int on_step(void *user, struct fault *f)
{
	struct watching *w = user;
	const struct making *m = w->making;
	int64_t now_us = clock_monotonic_us();

	if (m->ctx->stopping && m->ctx->stopping(m->ctx->user))
		return fault(f, E_UNAVAILABLE, "stopping");
	if (now_us - w->prolonged_us < m->ctx->lease_ms * MS_US / 3)
		return 0;
	w->prolonged_us = now_us;
	return job_prolong(m->ctx, m->job, f);
}

static int open_mix(const struct making *m, struct mix **out, struct fault *f)
{
	struct wav wavs[MIX_PARTS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++)
		if (m->pieces[i].good)
			wavs[n++] = m->pieces[i].wav;
	return n ? mix_new(out, wavs, n, f) : fault(f, E_NOT_FOUND, "nothing was recorded");
}

struct made {
	char file[NAME_MAX_BYTES];
	uint32_t rate_hz;
	int64_t start_us;
	struct render_result render;
};

static int make(const struct making *m, const struct uuid *id, struct made *out, struct fault *f)
{
	scoped(mix) *mix = NULL;
	struct buf path AUTO_BUF = { 0 };
	char name[UUID_TEXT + 1];

	TRY(open_mix(m, &mix, f));
	struct watching w = { m, mix, clock_monotonic_us() };
	const struct render_source source = { mix_rate_hz(mix), read_watched, on_step, &w };
	uuid_format(id, name);
	snprintf(out->file, sizeof(out->file), "%.*s/%s.ogg", DAY_TEXT, m->pieces[0].name, name);
	out->rate_hz = mix_rate_hz(mix);
	out->start_us = mix_start_us(mix);
	path_of(m, out->file, &path);
	return render_ogg(&source, buf_z(&path), &out->render, f);
}

/* --- storing it --- */

static void put_sources(const struct making *m, struct json_out *o)
{
	json_begin_array(o, "sources");
	for (size_t i = 0; i < m->n; i++)
		json_put_z(o, NULL, m->pieces[i].name);
	json_end_array(o);
}

static void put_made(const struct made *made, struct json_out *o)
{
	char at[CLOCK_ISO + 1];

	clock_format(made->start_us, at);
	json_put_z(o, "state", "ready");
	json_put_z(o, "file", made->file);
	json_put_z(o, "started_at", at);
	json_put_i64(o, "duration_ms", made->render.duration_ms);
	json_put_i64(o, "bytes", made->render.bytes);
	json_put_i64(o, "channels", 2);
	json_put_i64(o, "rate_hz", made->rate_hz);
}

static void put_failed(const struct making *m, struct json_out *o)
{
	char at[CLOCK_ISO + 1];

	clock_format(m->start_ms * MS_US, at);
	json_put_z(o, "state", "failed");
	json_put_z(o, "started_at", at);
}

/* `made` NULL: it has failed. */
static int store(const struct making *m, const struct uuid *id, struct made *made,
		 const char *error, struct fault *f)
{
	struct buf doc AUTO_BUF = { 0 }, out AUTO_BUF = { 0 };
	struct json_out o = { .b = &doc };
	char text[UUID_TEXT + 1];

	uuid_format(id, text);
	json_begin(&o, NULL);
	json_put_z(&o, "id", text);
	if (made)
		put_made(made, &o);
	else
		put_failed(m, &o);
	put_sources(m, &o);
	json_put_z(&o, "error", *error ? error : NULL);
	json_end(&o);
	const char *params[] = { m->ctx->owner, m->job->key.p, buf_z(&doc),
				 made ? buf_z(&made->render.peaks) : NULL };
	return store_link_query(m->ctx->db, "recording_store", params, 4, &out, f);
}

static int make_and_store(struct making *m, const struct uuid *id, struct fault *f)
{
	struct made made = { 0 };
	struct fault why = { 0 };
	int rc = make(m, id, &made, &why);

	if (rc == E_NOT_FOUND)
		rc = store(m, id, NULL, *m->why ? m->why : why.text, f);
	else if (rc)
		fault(f, rc, "%s", why.text);
	else
		rc = store(m, id, &made, m->why, f);
	buf_free(&made.render.peaks);
	return rc;
}

/* The oldest last: as long as it is there, what is left has the same id. */
static void remove_pieces(struct making *m)
{
	for (size_t i = m->n; i > 0; i--) {
		if (m->pieces[i - 1].bad)
			set_aside(m, &m->pieces[i - 1]);
		else
			remove_piece(m, m->pieces[i - 1].name);
	}
}

/* --- the job --- */

static int later(struct making *m, int64_t delay_ms, struct fault *f)
{
	struct buf out AUTO_BUF = { 0 };
	char delay[24];
	const char *params[] = { m->job->kind.p, m->job->key.p, m->ctx->owner, delay };

	snprintf(delay, sizeof(delay), "%lld", (long long)delay_ms);
	return store_link_query(m->ctx->db, "job_later", params, 4, &out, f);
}

static int done(struct making *m, const char *statement, struct fault *f)
{
	struct buf out AUTO_BUF = { 0 };
	char wanted[24];
	const char *params[] = { m->job->kind.p, m->job->key.p, m->ctx->owner, wanted };

	snprintf(wanted, sizeof(wanted), "%lld", (long long)m->job->wanted);
	return store_link_query(m->ctx->db, statement, params, 4, &out, f);
}

static bool is_listed(const struct piece *p, struct json names)
{
	struct json_iter it = json_iter(names);
	struct span key;
	struct json v;

	while (json_next(&it, &key, &v))
		if (json_is_text(v, p->name))
			return true;
	return false;
}

/* Stored by somebody who did not come to deleting; *left: new ones among them. */
static void remove_stored(struct making *m, struct json names, size_t *left)
{
	*left = m->n;
	for (size_t i = m->n; i > 0; i--) {
		if (!is_listed(&m->pieces[i - 1], names))
			continue;
		remove_piece(m, m->pieces[i - 1].name);
		--*left;
	}
}

static int one_recording(struct making *m, struct json made, struct fault *f)
{
	struct uuid id = id_of(m);
	char text[UUID_TEXT + 1];
	size_t left;

	uuid_format(&id, text);
	struct json names = json_get(made, text);
	m->stored = true;
	if (names.kind == JSON_NONE) {
		TRY(open_pieces(m, f));
		TRY(make_and_store(m, &id, f));
		remove_pieces(m);
		return 0;
	}
	remove_stored(m, names, &left);
	return left < m->n ? 0
			   : fault(f, E_CORRUPT,
				   "recording %s is there already, and not of these files", text);
}

static int all_recordings(struct making *m, struct json made, struct fault *f)
{
	int64_t last_ms = -1;
	size_t last_n = 0;

	for (;;) {
		drop_pieces(m);
		TRY(list_pieces(m, f));
		if (!m->n)
			return 0;
		if (m->start_ms == last_ms && m->n == last_n)
			return fault(f, E_IO, "%s: it, or its folder, cannot be changed",
				     m->pieces[0].name);
		last_ms = m->start_ms;
		last_n = m->n;
		TRY(one_recording(m, made, f));
		if (m->ctx->stopping && m->ctx->stopping(m->ctx->user))
			return fault(f, E_UNAVAILABLE, "stopping");
	}
}

/* Told to have begun, but there is nothing of it: that is its end, and no secret. *wait: its files
 * may be on their way to the disk. */
static int tell_lost(struct making *m, struct json known, bool *wait, struct fault *f)
{
	struct arena a = { 0 };
	int64_t begun_us = 0;
	bool lost = !m->stored && clock_parse(json_text(json_get(known, "begun"), &a), &begun_us);
	struct span why = json_text(json_get(known, "why"), &a);
	const char *error = why.n ? arena_printf(&a, "%.*s", SPAN_ARG(why)) : LOST;
	int rc = 0;

	*wait = lost && clock_now_us() - begun_us < SETTLES_MS * MS_US;
	m->start_ms = begun_us / MS_US;
	if (lost && !*wait) {
		struct uuid id = id_of(m);

		rc = store(m, &id, NULL, error, f);
	}
	arena_fini(&a);
	return rc;
}

/* What the handler can do nothing about now. */
static int waits(const struct making *m, int rc)
{
	bool stopping = m->ctx->stopping && m->ctx->stopping(m->ctx->user);

	return rc == E_NOT_FOUND ? ELSEWHERE_MS : rc == E_UNAVAILABLE && !stopping ? AGAIN_MS : 0;
}

int recordings_job(struct job_context *ctx, const struct job *job, struct fault *f)
{
	struct making m = { .ctx = ctx, .job = job, .folder = ctx->config->recording_folder };
	struct buf known AUTO_BUF = { 0 };
	const char *params[] = { job->key.p };
	struct fault why = { 0 };

	if (uuid_parse(&m.call, job->key))
		return fault(f, E_INVALID, "%s: no call's id", job->key.p);
	int rc = store_link_query(ctx->db, "recording_load", params, 1, &known, f);
	struct json doc = json_of(buf_span(&known));
	if (rc == E_NOT_FOUND || (!rc && json_true(json_get(doc, "live"))))
		return done(&m, "job_done", f); /* asked for again when it has ended */
	TRY(rc);
	bool wait = false;
	rc = all_recordings(&m, json_get(doc, "made"), &why);
	drop_pieces(&m);
	if (!rc)
		rc = tell_lost(&m, doc, &wait, &why);
	if (!rc)
		return wait ? later(&m, AGAIN_MS, f) : done(&m, "recording_done", f);
	return waits(&m, rc) ? later(&m, waits(&m, rc), f) : fault(f, rc, "%s", why.text);
}

/* --- the look around --- */

struct look {
	struct job_context *ctx;
	const char *folder;
	struct buf found;
	struct json_out o;
	unsigned n, most;
};

/* Nobody asks about it: it goes here, when there may be no job of its call. */
static bool is_empty(const struct look *l, const char *day, const char *call, const char *name)
{
	const struct making m = { .folder = l->folder };
	char file[NAME_MAX_BYTES];

	if (snprintf(file, sizeof(file), "%s/%s/%s", day, call, name) >= (int)sizeof(file))
		return false;
	int64_t ms = empty_ms(&m, file);
	if (ms > SETTLES_MS)
		remove_empty(&m, file);
	return ms >= 0;
}

static void look_at_call(struct look *l, const char *day, const char *name)
{
	struct uuid call;
	char id[UUID_TEXT + 1], at[CLOCK_ISO + 1];
	int64_t first = INT64_MAX, start_ms;
	DIR *files;

	if (l->n == l->most || uuid_parse(&call, span_of(name)) ||
	    !(files = open_dir(l->folder, day, name)))
		return;
	for (struct dirent *e; (e = readdir(files));)
		if (is_wav(e->d_name, &start_ms) && start_ms < first &&
		    !is_empty(l, day, name, e->d_name))
			first = start_ms;
	closedir(files);
	if (first == INT64_MAX)
		return;
	struct making m = { .call = call, .start_ms = first };
	struct uuid recording = id_of(&m);
	uuid_format(&recording, id);
	clock_format(first * MS_US, at);
	json_begin(&l->o, NULL);
	json_put_z(&l->o, "call", name);
	json_put_z(&l->o, "id", id);
	json_put_z(&l->o, "started_at", at);
	json_end(&l->o);
	l->n++;
}

static void look_at_days(struct look *l)
{
	DIR *days = open_dir(l->folder, NULL, NULL), *calls;

	json_begin_array(&l->o, NULL);
	for (struct dirent *day; days && (day = readdir(days));) {
		if (!is_day(day->d_name) || !(calls = open_dir(l->folder, day->d_name, NULL)))
			continue;
		for (struct dirent *e; (e = readdir(calls));)
			look_at_call(l, day->d_name, e->d_name);
		closedir(calls);
	}
	if (days)
		closedir(days);
	json_end_array(&l->o);
}

static int remove_stray(const struct look *l, const struct uuid *call, struct fault *f)
{
	struct making m = { .folder = l->folder, .call = *call };

	TRY(list_pieces(&m, f));
	bool old = m.n && clock_now_us() / MS_US - m.pieces[m.n - 1].start_ms >
				  (int64_t)STRAY_DAYS * 24 * 3600 * 1000;
	if (old)
		remove_pieces(&m);
	drop_pieces(&m);
	return 0;
}

static int remove_strays(const struct look *l, struct json calls, struct fault *f)
{
	struct json_iter it = json_iter(calls);
	struct arena a = { 0 };
	struct span key;
	struct json id;
	struct uuid call;
	int rc = 0;

	while (!rc && json_next(&it, &key, &id))
		if (uuid_parse(&call, json_text(id, &a)) == 0)
			rc = remove_stray(l, &call, f);
	arena_fini(&a);
	return rc;
}

static int ask_for(struct look *l, unsigned *asked, struct fault *f)
{
	struct buf out AUTO_BUF = { 0 };
	int64_t n = 0;

	look_at_days(l);
	const char *params[] = { buf_z(&l->found) };
	TRY(store_link_query(l->ctx->db, "recording_scan", params, 1, &out, f));
	struct json answer = json_of(buf_span(&out));
	if (json_i64(json_get(answer, "asked"), &n))
		*asked += (unsigned)n;
	return remove_strays(l, json_get(answer, "unknown"), f);
}

/* --- expiry --- */

static bool is_inside(const char *name)
{
	return *name && *name != '/' && !strstr(name, "..");
}

static bool remove_file(const struct look *l, const char *name, const char *end)
{
	struct buf path AUTO_BUF = { 0 };

	if (!is_inside(name))
		return true;
	buf_printf(&path, "%s/%s%s", l->folder, name, end);
	return unlink(buf_z(&path)) == 0 || errno == ENOENT;
}

/* Also what was set aside. */
static bool remove_files(const struct look *l, struct json row, struct arena *a)
{
	struct json_iter it = json_iter(json_get(row, "sources"));
	struct making m = { .folder = l->folder };
	struct span key;
	struct json v;
	bool gone = true;

	while (json_next(&it, &key, &v)) {
		const char *name = arena_printf(a, "%.*s", SPAN_ARG(json_text(v, a)));

		gone &= remove_file(l, name, "") && remove_file(l, name, ".bad");
		if (is_inside(name) && strchr(name, '/'))
			remove_folder(&m, name);
	}
	return remove_file(l,
			   arena_printf(a, "%.*s", SPAN_ARG(json_text(json_get(row, "file"), a))),
			   "") &&
	       gone;
}

static void delete_expired(const struct look *l, struct json rows, struct json_out *gone)
{
	struct json_iter it = json_iter(rows);
	struct arena a = { 0 };
	struct span key;
	struct json row;

	json_begin_array(gone, NULL);
	while (json_next(&it, &key, &row))
		if (remove_files(l, row, &a))
			json_put_raw(gone, NULL, json_get(row, "id").raw);
	json_end_array(gone);
	arena_fini(&a);
}

static int expire(struct look *l, struct fault *f)
{
	struct buf rows AUTO_BUF = { 0 }, ids AUTO_BUF = { 0 }, out AUTO_BUF = { 0 };
	struct json_out gone = { .b = &ids };

	TRY(store_link_query(l->ctx->db, "recording_expired", NULL, 0, &rows, f));
	if (!json_count(json_of(buf_span(&rows))))
		return 0;
	delete_expired(l, json_of(buf_span(&rows)), &gone);
	const char *params[] = { buf_z(&ids) };
	return store_link_query(l->ctx->db, "recording_gone", params, 1, &out, f);
}

int recordings_look(struct job_context *ctx, unsigned most, unsigned *asked, struct fault *f)
{
	struct look l = { .ctx = ctx, .folder = ctx->config->recording_folder, .most = most };
	struct stat st;

	*asked = 0;
	l.o = (struct json_out){ .b = &l.found };
	if (stat(l.folder, &st)) /* not on this machine */
		return 0;
	int rc = ask_for(&l, asked, f);
	if (!rc)
		rc = expire(&l, f);
	buf_free(&l.found);
	return rc;
}
