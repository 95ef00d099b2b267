/* Watchers who listen, and levels for those who look.
 *
 * Happy path: a listener asks every shard for lines of its call; a line that has one gets a feed,
 * which reads the legs' rings from so long ago on, 40 ms at a time, all legs of the mix at the same
 * moment of the wall clock, and mails them to the listener's shard, where those of several lines
 * become one frame (join.h). Each shard goes on watching for lines of that call that come later.
 *
 * Failure modes: nobody has audio of the call, or the project keeps none (`over` says which); the
 * line ends (likewise); the listener's shard or socket is slow - frames are dropped and their
 * numbers missing. Nothing of it touches a line without feeds. */
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/metrics.h"
#include "callmend/event.h"
#include "media/internal.h"
#include "media/join.h"

enum {
	SAMPLES_PER_MS = LISTEN_RATE_HZ / 1000,
	FRAME_SAMPLES = JOIN_SAMPLES,
	MIX_WAIT_SAMPLES = 80 * SAMPLES_PER_MS, /* for a leg that is behind */
	UNDER_WAY_MAX = 4 * LISTEN_BACK_MAX_MS / LISTEN_FRAME_MS,
	SPARE_MAX = 8, /* frames that a listener has from the start */
	LEVEL_FLOOR_DB = -90,
	PAUSE_LAG_MS = 400, /* what has not come by then is a pause, where audio pauses */
};

static const char *const leg_names[] = { "customer", "assistant", "mix" };
static const char *const end_names[] = {
#define X(name, text, doc) text,
	LISTEN_ENDS(X)
#undef X
};

bool listen_leg_from(struct span name, enum listen_leg *out)
{
	for (unsigned i = 0; i < LISTEN_LEGS; i++) {
		if (!span_is(name, leg_names[i]))
			continue;
		*out = (enum listen_leg)i;
		return true;
	}
	return false;
}

const char *listen_end_name(enum listen_end e)
{
	return end_names[e];
}

/* --- listeners: of the shard that asked --- */

struct listener {
	struct media *media;
	struct shard *home;
	struct uuid org, call;
	enum listen_leg leg;
	int64_t from_ms;
	struct listen_handlers handlers;
	atomic_bool stopped;   /* by listen_stop: feeds notice */
	atomic_bool over;      /* set at home */
	atomic_uint refs;      /* the watcher, each mail, feed and watch */
	atomic_uint under_way; /* frames mailed */
	atomic_uint parts;     /* feeds so far */
	unsigned asked, feeds; /* at home: shards that have not answered, feeds that live */
	bool off;	       /* some line of the call keeps no ring */
	struct join join;      /* at home */
	/* Frames that have been handed on, for who sends the next ones. */
	_Atomic(struct feed_frame *) spare;
	atomic_uint spare_n;
};

/* A piece on its way from a line to the listener. */
struct feed_frame {
	struct join_piece piece; /* first: of what it does not give back the join frees all */
	struct mail mail;
	struct listener *listener; /* a reference, while it is mail */
	struct feed_frame *next;
};

/* --- frames that are used again: lines allocate nothing for listeners who keep up --- */

static void put_spares(struct listener *r, struct feed_frame *first, struct feed_frame *last)
{
	last->next = atomic_load(&r->spare);
	while (!atomic_compare_exchange_weak(&r->spare, &last->next, first))
		;
}

static void frame_give(struct listener *r, struct feed_frame *f)
{
	if (atomic_load(&r->spare_n) >= SPARE_MAX) {
		free(f);
		return;
	}
	atomic_fetch_add(&r->spare_n, 1);
	put_spares(r, f, f);
}

static struct feed_frame *frame_new(void)
{
	struct feed_frame *f = malloc(sizeof(*f));

	CHECK(f);
	return f;
}

/* All of them are taken, and all but one put back: so nobody sees one come, go and come. */
static struct feed_frame *frame_take(struct listener *r)
{
	struct feed_frame *f = atomic_exchange(&r->spare, NULL);

	if (!f)
		return frame_new();
	atomic_fetch_sub(&r->spare_n, 1);
	struct feed_frame *last = f->next;
	while (last && last->next)
		last = last->next;
	if (last)
		put_spares(r, f->next, last);
	return f;
}

static bool is_gone(const struct listener *r)
{
	return atomic_load(&r->stopped) || atomic_load(&r->over);
}

static void unref(struct listener *r)
{
	if (atomic_fetch_sub(&r->refs, 1) != 1)
		return;
	join_fini(&r->join);
	for (struct feed_frame *f = r->spare, *next; f; f = next) {
		next = f->next;
		free(f);
	}
	free(r);
}

static void settle(struct listener *r)
{
	if (r->asked || r->feeds || is_gone(r))
		return;
	atomic_store(&r->over, true);
	r->handlers.over(r->handlers.user, r->off ? LISTEN_OFF : LISTEN_NO_AUDIO);
}

/* --- frames, at home --- */

static void put_le(char *at, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (char)(v >> (8 * i));
}

static struct message *frame_of(const struct listener *r, const struct join_piece *p)
{
	char bytes[LISTEN_HEADER_BYTES + 2 * FRAME_SAMPLES];

	bytes[0] = LISTEN_VERSION;
	bytes[1] = (char)r->leg;
	put_le(bytes + 2, LISTEN_RATE_HZ / 100, 2);
	put_le(bytes + 4, p->number, 4);
	put_le(bytes + 8, (uint64_t)(p->at / SAMPLES_PER_MS), 8);
	for (unsigned i = 0; i < FRAME_SAMPLES; i++)
		put_le(bytes + LISTEN_HEADER_BYTES + 2 * i, (uint16_t)p->samples[i], 2);
	return message_new_binary((struct span){ bytes, sizeof(bytes) });
}

/* Lines that are asked for what was before answer one after the other: all of them first. */
static void hand_on(struct listener *r)
{
	struct join_piece *p;

	while (!r->asked && !is_gone(r) && (p = join_next(&r->join))) {
		struct message *frame = frame_of(r, p);

		if (!r->handlers.frame(r->handlers.user, frame))
			metric_add(METRIC_MEDIA_LISTEN_DROPS, 1);
		message_unref(frame);
		frame_give(r, CONTAINER_OF(p, struct feed_frame, piece));
	}
}

/* --- mail between line and listener --- */

struct feed_mail {
	struct mail mail;
	struct listener *listener; /* a reference */
	struct media_shard *shard; /* to a shard of lines */
	unsigned part;		   /* a feed's */
	bool off;
};

static struct feed_mail *mail_new(struct listener *r, void (*run)(struct mail *, struct shard *))
{
	struct feed_mail *m = calloc(1, sizeof(*m));

	CHECK(m);
	atomic_fetch_add(&r->refs, 1);
	m->mail.run = run;
	m->listener = r;
	return m;
}

static void mail_free(struct feed_mail *m)
{
	unref(m->listener);
	free(m);
}

static void run_frame(struct mail *mail, struct shard *here)
{
	struct feed_frame *f = CONTAINER_OF(mail, struct feed_frame, mail);
	struct listener *r = f->listener;

	(void)here;
	atomic_fetch_sub(&r->under_way, 1);
	if (is_gone(r)) {
		free(f);
	} else if (join_put(&r->join, &f->piece)) {
		hand_on(r);
	} else {
		metric_add(METRIC_MEDIA_LISTEN_DROPS, 1);
		frame_give(r, f);
		hand_on(r);
	}
	unref(r);
}

static void run_feed_over(struct mail *mail, struct shard *here)
{
	struct feed_mail *m = (struct feed_mail *)mail;
	struct listener *r = m->listener;

	(void)here;
	r->feeds--;
	join_end(&r->join, m->part);
	hand_on(r);
	if (!r->feeds && !r->asked && !is_gone(r)) {
		atomic_store(&r->over, true);
		r->handlers.over(r->handlers.user, LISTEN_OVER);
	}
	mail_free(m);
}

static void run_answer(struct mail *mail, struct shard *here)
{
	struct feed_mail *m = (struct feed_mail *)mail;
	struct listener *r = m->listener;

	(void)here;
	r->asked--;
	r->off |= m->off;
	hand_on(r);
	settle(r);
	mail_free(m);
}

static void run_feed_begun(struct mail *mail, struct shard *here)
{
	struct feed_mail *m = (struct feed_mail *)mail;

	(void)here;
	m->listener->feeds++;
	join_begin(&m->listener->join, m->part);
	mail_free(m);
}

/* --- feeds: of a line --- */

struct listener_feed {
	struct listener_feed *next;
	struct listener *listener; /* a reference */
	unsigned part;
	enum listen_leg leg;
	int64_t from_ms;
	int64_t at;   /* the next frame's first sample, in samples of 8 kHz since 1970 */
	bool dropped; /* before it */
};

static void feed_free(struct listener_feed *f)
{
	unref(f->listener);
	free(f);
	metric_add(METRIC_MEDIA_LISTENERS, -1);
}

static bool is_wanted(const struct media_line *l, unsigned i, enum listen_leg leg)
{
	enum speaker s = l->legs[i].speaker;

	return l->legs[i].leg &&
	       (leg == LISTEN_MIX || (leg == LISTEN_ASSISTANT && s == SPEAKER_AI) ||
		(leg == LISTEN_CUSTOMER && s != SPEAKER_AI));
}

static int64_t begin_of(const struct leg *leg)
{
	struct leg_view v;

	leg_view(leg, &v);
	return v.start_us / 1000 * SAMPLES_PER_MS + v.start_us % 1000 * SAMPLES_PER_MS / 1000;
}

/* Where audio pauses on hold, listeners hear silence meanwhile: legs are taken to have come so far.
 */
static int64_t passed(const struct media_line *l)
{
	return l->dialect->pauses ? (clock_now_us() / 1000 - PAUSE_LAG_MS) * SAMPLES_PER_MS : 0;
}

/* The ends of the wanted legs: the first and the last of them. False: there is no audio yet. */
static bool ends_of(const struct media_line *l, const struct listener_feed *f, int64_t *first,
		    int64_t *last)
{
	int64_t least = passed(l);

	*first = INT64_MAX;
	*last = f->at ? least : 0; /* also when all have left */
	for (unsigned i = 0; i < l->legs_n; i++) {
		if (!is_wanted(l, i, f->leg) || !leg_ring_end(l->legs[i].leg))
			continue;
		int64_t end = begin_of(l->legs[i].leg) + leg_ring_end(l->legs[i].leg);
		end = end > least ? end : least;
		*first = end < *first ? end : *first;
		*last = end > *last ? end : *last;
	}
	*first = *first < *last ? *first : *last;
	return *last > 0;
}

static void add_leg(const struct leg *leg, int64_t at, int32_t sum[FRAME_SAMPLES])
{
	int64_t begin = begin_of(leg), from = at - begin, skip = from < 0 ? -from : 0;
	uint8_t bytes[FRAME_SAMPLES];

	if (skip >= FRAME_SAMPLES)
		return;
	from += skip;
	int64_t asked = from;
	size_t n = leg_ring_read(leg, &from, bytes, (size_t)(FRAME_SAMPLES - skip));
	int64_t late = from - asked; /* older than the ring */
	for (size_t i = 0; i < n && skip + late + (int64_t)i < FRAME_SAMPLES; i++)
		sum[skip + late + (int64_t)i] += g711_ulaw_table[bytes[i]];
}

/* Who is heard in what a feed brings: of one who asks for a side nobody else. */
static uint8_t sides_of(const struct media_line *l, const struct listener_feed *f)
{
	static const uint8_t of[] = { [SPEAKER_NONE] = JOIN_CUSTOMER | JOIN_ASSISTANT,
				      [SPEAKER_AI] = JOIN_ASSISTANT,
				      [SPEAKER_USER] = JOIN_CUSTOMER };
	static const uint8_t asked[] = { [LISTEN_CUSTOMER] = JOIN_CUSTOMER,
					 [LISTEN_ASSISTANT] = JOIN_ASSISTANT,
					 [LISTEN_MIX] = JOIN_CUSTOMER | JOIN_ASSISTANT };
	uint8_t sides = 0;

	for (unsigned i = 0; i < l->legs_n; i++)
		if (is_wanted(l, i, f->leg) && leg_ring_end(l->legs[i].leg))
			sides |= of[l->legs[i].speaker];
	return sides & asked[f->listener->leg];
}

static void fill_piece(const struct media_line *l, const struct listener_feed *f,
		       struct join_piece *p)
{
	int32_t sum[FRAME_SAMPLES] = { 0 };

	for (unsigned i = 0; i < l->legs_n; i++)
		if (is_wanted(l, i, f->leg))
			add_leg(l->legs[i].leg, f->at, sum);
	p->at = f->at;
	p->part = f->part;
	p->dropped = f->dropped;
	p->rank = (uint8_t)l->dialect->rank;
	p->sides = sides_of(l, f);
	for (unsigned i = 0; i < FRAME_SAMPLES; i++)
		p->samples[i] = (int16_t)(sum[i] > INT16_MAX   ? INT16_MAX
					  : sum[i] < INT16_MIN ? INT16_MIN
							       : sum[i]);
}

static void send_frame(const struct media_line *l, struct listener_feed *f)
{
	struct listener *r = f->listener;

	if (atomic_load(&r->under_way) >= UNDER_WAY_MAX) {
		metric_add(METRIC_MEDIA_LISTEN_DROPS, 1);
		f->dropped = true;
		f->at += FRAME_SAMPLES;
		return;
	}
	atomic_fetch_add(&r->under_way, 1);
	atomic_fetch_add(&r->refs, 1);
	struct feed_frame *frame = frame_take(r);
	frame->listener = r;
	frame->mail.run = run_frame;
	fill_piece(l, f, &frame->piece);
	f->dropped = false;
	f->at += FRAME_SAMPLES;
	shard_post_sure(r->home, &frame->mail);
}

static void pump(const struct media_line *l, struct listener_feed *f)
{
	int64_t first, last;

	if (!ends_of(l, f, &first, &last))
		return;
	if (!f->at) { /* the same pieces of time for all lines */
		f->at = last + f->from_ms * SAMPLES_PER_MS;
		f->at -= f->at % FRAME_SAMPLES;
	}
	while (first >= f->at + FRAME_SAMPLES || last >= f->at + FRAME_SAMPLES + MIX_WAIT_SAMPLES)
		send_frame(l, f);
}

static void end_feed(struct listener_feed *f)
{
	struct feed_mail *m = mail_new(f->listener, run_feed_over);

	m->part = f->part;
	shard_post_sure(f->listener->home, &m->mail);
	feed_free(f);
}

void listen_feed_line(struct media_line *l)
{
	for (struct listener_feed **p = &l->feeds; *p;) {
		struct listener_feed *f = *p;

		if (is_gone(f->listener)) {
			*p = f->next;
			feed_free(f);
			continue;
		}
		pump(l, f);
		p = &f->next;
	}
}

void listen_pauses_tick(struct media_shard *s)
{
	for (struct media_line *l = s->lines; l; l = l->next)
		if (l->feeds && l->state == LINE_RUNNING && l->dialect->pauses)
			listen_feed_line(l);
}

void listen_line_over(struct media_line *l)
{
	while (l->feeds) {
		struct listener_feed *f = l->feeds;

		l->feeds = f->next;
		pump(l, f);
		end_feed(f);
	}
}

static void feed(struct media_line *l, struct listener *r, enum listen_leg leg, int64_t from_ms)
{
	struct listener_feed *f = calloc(1, sizeof(*f));
	struct feed_mail *begun = mail_new(r, run_feed_begun);

	CHECK(f);
	atomic_fetch_add(&r->refs, 1);
	f->listener = r;
	f->leg = leg;
	f->part = begun->part = atomic_fetch_add(&r->parts, 1);
	f->from_ms = from_ms;
	f->next = l->feeds;
	l->feeds = f;
	metric_add(METRIC_MEDIA_LISTENERS, 1);
	shard_post_sure(r->home, &begun->mail);
	pump(l, f);
}

/* Where other lines may bring one side of the talk, each is a feed of its own. */
static void attach(struct media_line *l, struct listener *r, int64_t from_ms)
{
	bool apart = r->leg == LISTEN_MIX && l->dialect->rank;

	feed(l, r, apart ? LISTEN_CUSTOMER : r->leg, from_ms);
	if (apart)
		feed(l, r, LISTEN_ASSISTANT, from_ms);
}

static bool is_of(const struct media_line *l, const struct listener *r)
{
	return l->state == LINE_RUNNING && l->has_call && uuid_eq(&l->call, &r->call) &&
	       uuid_eq(&l->source->org, &r->org);
}

static bool keeps_audio(const struct media_line *l)
{
	return l->project && l->project->audio.listen;
}

/* --- lines that come later --- */

struct listener_watch {
	struct listener_watch *next;
	struct listener *listener; /* a reference */
};

static void watch(struct media_shard *s, struct listener *r)
{
	struct listener_watch *w = calloc(1, sizeof(*w));

	CHECK(w);
	atomic_fetch_add(&r->refs, 1);
	w->listener = r;
	w->next = s->watches;
	s->watches = w;
}

void listen_watches_tick(struct media_shard *s, bool all)
{
	for (struct listener_watch **p = &s->watches; *p;) {
		struct listener_watch *w = *p;

		if (!all && !is_gone(w->listener)) {
			p = &w->next;
			continue;
		}
		*p = w->next;
		unref(w->listener);
		free(w);
	}
}

void listen_line_begun(struct media_line *l)
{
	for (struct listener_watch *w = l->home->watches; w; w = w->next)
		if (is_of(l, w->listener) && keeps_audio(l) && !is_gone(w->listener))
			attach(l, w->listener, 0);
}

/* --- asking all shards --- */

static void run_ask(struct mail *mail, struct shard *here)
{
	struct feed_mail *m = (struct feed_mail *)mail;
	struct listener *r = m->listener;
	struct media_shard *s = media_at(r->media, here);

	inbox_hear(s);
	for (struct media_line *l = s->lines; l; l = l->next) {
		if (!is_of(l, r))
			continue;
		if (keeps_audio(l))
			attach(l, r, r->from_ms);
		else
			m->off = true;
	}
	if (!s->stopped)
		watch(s, r);
	m->mail.run = run_answer;
	shard_post_sure(r->home, &m->mail);
}

struct listener *listen_start(struct listen *listen, struct shard *here, const struct uuid *org,
			      const struct uuid *call, enum listen_leg leg, int64_t from_ms,
			      const struct listen_handlers *handlers)
{
	struct listener *r = calloc(1, sizeof(*r));

	CHECK(r);
	r->media = listen->media;
	r->home = here;
	r->org = *org;
	r->call = *call;
	r->leg = leg;
	r->from_ms = from_ms < -LISTEN_BACK_MAX_MS ? -LISTEN_BACK_MAX_MS
		     : from_ms > 0		   ? 0
						   : from_ms;
	r->handlers = *handlers;
	atomic_init(&r->refs, 1);
	for (unsigned i = 0; i < SPARE_MAX; i++)
		frame_give(r, frame_new());
	r->asked = shards_count(shard_group(here));
	for (unsigned i = 0; i < shards_count(shard_group(here)); i++) {
		struct feed_mail *m = mail_new(r, run_ask);

		shard_post_sure(shards_at(shard_group(here), i), &m->mail);
	}
	return r;
}

void listen_stop(struct listener *r)
{
	if (!r)
		return;
	atomic_store(&r->stopped, true);
	unref(r);
}

/* --- levels --- */

struct levels_mail {
	struct mail mail;
	struct media_shard *to;
	struct uuid org, project, call;
	struct message *message;
};

void listen_levels(struct listen *listen, struct shard *here, listen_levels_fn *levels, void *user)
{
	struct media_shard *s = media_at(listen->media, here);

	if ((levels != NULL) != (s->levels != NULL))
		atomic_fetch_add(&listen->media->levels_wanted, levels ? 1 : -1);
	atomic_store(&s->wants_levels, levels != NULL);
	s->levels = levels;
	s->levels_user = user;
}

static void run_levels(struct mail *mail, struct shard *here)
{
	struct levels_mail *m = (struct levels_mail *)mail;

	(void)here;
	if (m->to->levels && !m->to->stopped)
		m->to->levels(m->to->levels_user, &m->org, &m->project, &m->call, m->message);
	message_unref(m->message);
	free(m);
}

static void post_levels(struct media_shard *to, const struct media_line *l, struct message *message)
{
	struct levels_mail *m = calloc(1, sizeof(*m));

	CHECK(m);
	*m = (struct levels_mail){ .to = to,
				   .org = l->source->org,
				   .project = l->source->project,
				   .call = l->call,
				   .message = message_ref(message) };
	m->mail.run = run_levels;
	if (shard_post(to->shard, &m->mail)) { /* levels are the first that may be missed */
		message_unref(message);
		free(m);
	}
}

static double decibels(float db)
{
	return isfinite(db) && db > LEVEL_FLOOR_DB ? round((double)db * 10) / 10 : LEVEL_FLOOR_DB;
}

static void put_leg(struct json_out *o, const struct media_line *l, unsigned i)
{
	struct leg_view v;

	leg_view(l->legs[i].leg, &v);
	json_begin(o, NULL);
	json_put_i64(o, "leg", i);
	json_put_z(o, "speaker", speaker_name(l->legs[i].speaker));
	json_put_f64(o, "level", decibels(v.level_db));
	json_put_f64(o, "peak", decibels(v.peak_db));
	json_put_bool(o, "speaking", v.speaking);
	json_end(o);
}

static struct message *levels_of(const struct media_line *l, int64_t now_us)
{
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	char call[UUID_TEXT + 1], at[CLOCK_ISO + 1];

	uuid_format(&l->call, call);
	clock_format(now_us, at);
	json_begin(&o, NULL);
	json_put_z(&o, "type", "levels");
	json_put_z(&o, "call", call);
	json_put_z(&o, "at", at);
	json_begin_array(&o, "legs");
	for (unsigned i = 0; i < l->legs_n; i++)
		if (l->legs[i].leg)
			put_leg(&o, l, i);
	json_end_array(&o);
	json_end(&o);
	return message_new(buf_span(&b));
}

static void tell_levels(struct media *m, const struct media_line *l, int64_t now_us)
{
	struct message *message = levels_of(l, now_us);

	for (unsigned i = 0; i < m->config.shards; i++)
		if (atomic_load(&m->shards[i]->wants_levels))
			post_levels(m->shards[i], l, message);
	message_unref(message);
}

void listen_levels_tick(struct media_shard *s, int64_t now_us)
{
	struct media *m = s->media;

	if (atomic_load(&m->levels_wanted) == 0)
		return;
	for (struct media_line *l = s->lines; l; l = l->next)
		if (l->state == LINE_RUNNING && l->has_call && !l->detect)
			tell_levels(m, l, now_us);
}
