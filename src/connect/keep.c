/* What a restart goes on from: one small file a source in state_dir/connect, replaced at once, at
 * most once a second, off the loop. It holds the gateway's place (everything before it is in the
 * journal) or the id of the webhook subscription, and belongs to one configuration: `mark`. Up to
 * when nothing is missing (`good`, gap.c), since when something is still to be asked for (`lost`),
 * whether the live calls are (`resync`), since when texts are, because the gateway has counted some
 * that have changed (`texts`), and whose states are waited for (`watched`), is the source's,
 * whatever its configuration.
 *
 * The place counts for the gateway's recovery time after its `at`. While we are connected the time
 * is written again every minute, and a minute is added when it is judged: a crash must not make it
 * look old. A place that is too old after all is refused by the gateway, which costs a resync.
 *
 * Failure modes: no file, another mark, damage - begun anew, with a resync; it cannot be written -
 * logged, tried again a minute later. */
#include <stdlib.h>
#include <unistd.h>

#include "base/container.h"
#include "base/file.h"
#include "base/log.h"
#include "connect/internal.h"

enum { FILE_MAX = 256 * 1024, EVERY_MS = 1000, REFRESH_MS = 60000 };

/* --- writing --- */

static int64_t last_contact_us(const struct login *s, int64_t now_us)
{
	const struct gateway *g = &s->gateway;

	return clock_now_us() - (g->step == GATE_LIVE ? 0 : now_us - g->lost_us);
}

static void put_gateway(struct json_out *o, const struct login *s, int64_t now_us)
{
	const struct place *p = &s->tell.safe;
	char at[CLOCK_ISO + 1];

	clock_format(last_contact_us(s, now_us), at);
	json_begin(o, "gateway");
	json_put_text(o, "subscription", buf_span(&s->gateway.subscription));
	json_put_z(o, "refused", s->gateway.refused);
	json_put_text(o, "token", buf_span(&p->token));
	json_put_i64(o, "sequence", p->sequence);
	json_put_i64(o, "recovery_s", s->gateway.recovery_us / SECOND_US);
	json_put_z(o, "at", at);
	json_end(o);
}

static void put_hook(struct json_out *o, const struct login *s)
{
	char filters[24];

	snprintf(filters, sizeof(filters), "%016llx", (unsigned long long)s->hook.filters);
	json_begin(o, "webhook");
	json_put_text(o, "subscription", buf_span(&s->hook.id));
	json_put_z(o, "filters", filters);
	json_end(o);
}

static void put_gap_time(struct json_out *o, const char *name, int64_t us, int64_t now_us)
{
	char at[CLOCK_ISO + 1];

	if (us == GAP_NONE)
		return;
	clock_format(clock_now_us() - (now_us - us), at);
	json_put_z(o, name, at);
}

static void make_text(struct login *s, struct buf *b, int64_t now_us)
{
	struct json_out o = { .b = b };

	buf_clear(b);
	json_begin(&o, NULL);
	json_put_z(&o, "mark", s->mark);
	put_gap_time(&o, "good", s->gap.good_us, now_us);
	put_gap_time(&o, "lost", gap_owed_us(s), now_us);
	put_gap_time(&o, "texts", texts_wanted_us(s), now_us);
	json_put_bool(&o, "resync", resync_is_owed(s));
	texts_put_watched(s, &o);
	if (s->tell.safe.token.n)
		put_gateway(&o, s, now_us);
	if (s->hook.id.n && s->hook.sure)
		put_hook(&o, s);
	json_end(&o);
	buf_addc(b, '\n');
	s->keep.dirty = false;
	s->keep.next_us = now_us + EVERY_MS * MS_US;
	s->keep.refresh_us = now_us + REFRESH_MS * MS_US;
}

static void write_file(struct keep *k, const struct buf *text)
{
	struct fault f = { 0 };

	if (file_replace(k->path, 0600, buf_span(text), &f))
		log_warn("connect", "a restart will have to ask for everything: %s", f.text);
}

static void on_pool(uv_work_t *w)
{
	struct keep *k = CONTAINER_OF(w, struct keep, work);

	CHECK(atomic_load(&k->writing));
	write_file(k, &k->text);
	atomic_store(&k->writing, false);
}

static void on_written(uv_work_t *w, int status)
{
	struct keep *k = CONTAINER_OF(w, struct keep, work);
	struct login *s = CONTAINER_OF(k, struct login, keep);

	(void)status;
	CHECK(!atomic_load(&k->writing));
	k->under_way = false;
	if (k->gone)
		unlink(k->path);
	else if (k->last.n)
		write_file(k, &k->last);
	login_release(s);
}

void keep_step(struct login *s, int64_t now_us)
{
	struct keep *k = &s->keep;

	if (s->gateway.step == GATE_LIVE && now_us >= k->refresh_us)
		k->dirty = true;
	if (!k->dirty || k->under_way || now_us < k->next_us)
		return;
	make_text(s, &k->text, now_us);
	atomic_store(&k->writing, true);
	if (uv_queue_work(shard_loop(s->part->shard), &k->work, on_pool, on_written))
		return;
	k->under_way = true;
	login_hold(s);
}

/* Made now, since the session is taken apart next; written when the file is free. */
void keep_finish(struct login *s)
{
	make_text(s, &s->keep.last, login_now(s));
	if (!s->keep.under_way)
		write_file(&s->keep, &s->keep.last);
}

void keep_remove(struct login *s)
{
	s->keep.gone = true;
	if (!s->keep.under_way)
		unlink(s->keep.path);
}

/* --- reading --- */

static bool read_gap_time(struct login *s, struct json kept, const char *name, struct arena *a,
			  int64_t *us)
{
	int64_t at_us = 0;

	if (!clock_parse(json_text(json_get(kept, name), a), &at_us))
		return false;
	int64_t age_us = clock_now_us() - at_us;
	*us = login_now(s) - (age_us > 0 ? age_us : 0);
	return true;
}

/* What was still to be asked for is, also when the gateway goes on without a loss. */
static void read_gap(struct login *s, struct json kept, struct arena *a)
{
	int64_t texts_us;

	if (read_gap_time(s, kept, "lost", a, &s->gap.good_us))
		gap_lost(s);
	else
		(void)read_gap_time(s, kept, "good", a, &s->gap.good_us);
	if (read_gap_time(s, kept, "texts", a, &texts_us))
		texts_want(s, gap_bounded(s, texts_us));
	s->resync.due = json_true(json_get(kept, "resync"));
	texts_watch(s, json_get(kept, "watched"));
}

static void read_gateway(struct login *s, struct json from, struct arena *a)
{
	struct gateway *g = &s->gateway;
	struct span token = json_text(json_get(from, "token"), a);
	int64_t at_us = 0, recovery_s = 0, now_us = login_now(s);

	if (!token.n || !clock_parse(json_text(json_get(from, "at"), a), &at_us) ||
	    !json_i64(json_get(from, "recovery_s"), &recovery_s) ||
	    !json_i64(json_get(from, "sequence"), &g->place.sequence))
		return;
	struct span refused = json_text(json_get(from, "refused"), a);
	snprintf(g->refused, sizeof(g->refused), "%.*s", SPAN_ARG(refused));
	int64_t age_us = clock_now_us() - at_us - REFRESH_MS * MS_US;
	buf_add(&g->place.token, token);
	buf_add(&g->subscription, json_text(json_get(from, "subscription"), a));
	g->recovery_us = recovery_s * SECOND_US;
	g->lost_us = now_us - (age_us > 0 ? age_us : 0);
	tell_place(s, token, g->place.sequence);
}

static void read_hook(struct login *s, struct json from, struct arena *a)
{
	struct span filters = json_text(json_get(from, "filters"), a);
	char text[24];

	if (filters.n != 16)
		return;
	memcpy(text, filters.p, filters.n);
	text[filters.n] = 0;
	s->hook.filters = strtoull(text, NULL, 16);
	buf_add(&s->hook.id, json_text(json_get(from, "subscription"), a));
	s->hook.sure = s->hook.id.n > 0;
}

void keep_read(struct login *s)
{
	struct buf text AUTO_BUF = { 0 };
	struct arena a = { 0 };
	struct fault f = { 0 };
	int rc = file_read(s->keep.path, FILE_MAX, &text, &f);

	if (rc == 0)
		rc = json_check(buf_span(&text), &f);
	if (rc && rc != E_NOT_FOUND)
		log_warn("connect", "%s is of no use: %s", s->keep.path, f.text);
	struct json kept = rc ? (struct json){ 0 } : json_of(buf_span(&text));
	read_gap(s, kept, &a);
	if (json_is_text(json_get(kept, "mark"), s->mark)) {
		read_gateway(s, json_get(kept, "gateway"), &a);
		read_hook(s, json_get(kept, "webhook"), &a);
	}
	s->keep.dirty = false;
	arena_fini(&a);
}
