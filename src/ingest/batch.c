/* Happy path: records gather in a group; one question tells which of their calls are there already;
 * the others go through sessions, and rows, totals and position are stored together.
 *
 * Every record has NUMBERS_PER_RECORD record numbers: settings, body, time. Its rows keep the day
 * of the import as their arrival (partitions are by arrival), everything else the times of the
 * call.
 *
 * Failure modes
 *   a bad record              counted and told, its numbers pass; never stops the import
 *   PostgreSQL away           tried again for patience_ms, then given up; go on later
 *   killed                    the position says what is stored, everything else comes again
 *   the same import twice     the position moves under one of them: E_CONFLICT
 *   two imports of one source their groups take turns: what one brings is the other's duplicate
 *   messages of a call one by one, killed in between
 *                             the session is made anew from the records that were stored, without
 *                             rows, like a projector's
 *   a record stops the process twice (a crash, ingest/poison.h)
 *                             from then on it is bad; a call whose time passing does it is left as
 *                             it is
 *   too many of such calls open at once
 *                             the oldest is taken as complete */
#include "ingest/batch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>
#include <uthash.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "ingest/lane.h"
#include "ingest/rows.h"

enum {
	GROUP_RECORDS = 64,
	GROUP_BYTES = 4 * 1024 * 1024,
	NUMBERS_PER_RECORD = 4,
	OPEN_CALLS_MAX = 4096,
};
#define PAUSES ((struct backoff){ .least_ms = 50, .most_ms = 2000 })
#define AFTER_END_US (INT64_C(60) * SECOND_US)
enum { SLOT_RECORD, SLOT_TIME };
#define STOPPED_TWICE "reading or applying it stopped the import twice: skipped"

enum fate { FATE_CALL, FATE_BAD, FATE_SKIPPED, FATE_STORED };

struct item {
	uint64_t record; /* the last of its numbers */
	uint64_t nth;	 /* of all that were given, for people */
	const struct batch_sound *sound;
	size_t line;
	uint64_t key; /* of its text, for poison.h */
	enum fate fate;
	struct format_call call;
	const struct dialect *dialect;
	struct uuid id;
	bool known, own; /* there before; by this import */
	const char *error;
};

/* A call whose messages come one by one. */
struct open_call {
	struct uuid id;
	UT_hash_handle hh;
	struct session *session;
	int64_t last_us;
	uint64_t number; /* of the last record that gave rows, and its key */
	uint64_t key;
	bool dirty;
};

/* For dry runs: calls that came before. */
struct met {
	struct uuid id;
	UT_hash_handle hh;
};

struct version {
	struct uuid id;
	int64_t from_us;
};

struct batch {
	struct batch_config cfg;
	struct store_writer *writer;
	struct store_link *link;
	struct poison *poison; /* NULL: nothing is remembered */
	char id[UUID_TEXT + 1];
	uint64_t stored;		  /* records */
	uint64_t next;			  /* number of the next record */
	uint64_t given;			  /* records, sounds counting as one */
	uint64_t mistakes_n;		  /* kept in the import's row */
	struct batch_counts counts;	  /* stored */
	struct batch_counts group_counts; /* with this group */
	struct buf mistakes;
	struct json_out mistakes_out;
	struct version *versions;
	size_t versions_n;

	struct arena arena, settings_arena;
	struct settings settings;
	struct buf bind;
	const char *bind_dialect;
	struct uuid bind_version;

	struct item items[GROUP_RECORDS];
	size_t items_n, bytes;
	struct rows rows;
	struct open_call *open;
	struct met *met;

	struct buf words; /* of a call followed live: events */
	struct json_out words_out;

	/* while a record is applied */
	struct session *applying;
	uint64_t number;
	bool silent; /* what it gives is stored already */
	int64_t arrived_us;
};

/* --- opening --- */

static bool stopping(const struct batch *b)
{
	return b->cfg.stopping && b->cfg.stopping(b->cfg.user);
}

/* Waits before another try; false: enough. */
static bool try_again(struct batch *b, int64_t since_ms, struct backoff *pause)
{
	int64_t patience = b->cfg.patience_ms ? b->cfg.patience_ms : BATCH_PATIENCE_MS;
	if (stopping(b) || clock_monotonic_us() / 1000 - since_ms > patience)
		return false;
	usleep((useconds_t)backoff_next_ms(pause) * 1000);
	return true;
}

static int ask(struct batch *b, const char *name, const char *const *params, size_t n,
	       struct buf *out, struct fault *f)
{
	int64_t since = clock_monotonic_us() / 1000;
	struct backoff pause = PAUSES;
	int rc;
	do {
		rc = store_link_query(b->link, name, params, n, out, f);
	} while (rc == E_UNAVAILABLE && try_again(b, since, &pause));
	return rc;
}

static uint64_t number_of(struct json object, const char *name)
{
	int64_t v = 0;
	return json_i64(json_get(object, name), &v) && v > 0 ? (uint64_t)v : 0;
}

static void read_versions(struct batch *b, struct json list)
{
	struct json_iter it = json_iter(list);
	struct span key;
	struct json v;
	size_t n = json_count(list);
	b->versions = calloc(n + 1, sizeof(*b->versions));
	CHECK(b->versions);
	while (b->versions_n < n && json_next(&it, &key, &v)) {
		struct version *to = &b->versions[b->versions_n];
		if (uuid_parse(&to->id, json_text(json_get(v, "id"), &b->arena)) == 0 &&
		    clock_parse(json_text(json_get(v, "at"), &b->arena), &to->from_us))
			b->versions_n++;
	}
}

static const char *time_or_null(int64_t us, char out[CLOCK_ISO + 1])
{
	if (!us)
		return NULL;
	clock_format(us, out);
	return out;
}

static int open_row(struct batch *b, struct fault *f)
{
	struct buf answer AUTO_BUF = { 0 };
	char source[UUID_TEXT + 1], since[CLOCK_ISO + 1], until[CLOCK_ISO + 1];
	uuid_format(&b->cfg.source->id, source);
	const char *params[] = { b->id,
				 source,
				 b->cfg.name,
				 b->cfg.format ? b->cfg.format->name : "auto",
				 time_or_null(b->cfg.since_us, since),
				 time_or_null(b->cfg.until_us, until) };
	TRY(ask(b, "import_open", params, 6, &answer, f));
	struct json row = json_of(buf_span(&answer));
	b->counts = (struct batch_counts){ .records = number_of(row, "records"),
					   .imported = number_of(row, "imported"),
					   .duplicates = number_of(row, "duplicates"),
					   .bad = number_of(row, "bad"),
					   .skipped = number_of(row, "skipped") };
	b->mistakes_n = number_of(row, "mistakes");
	read_versions(b, json_get(row, "versions"));
	return 0;
}

static int open_store(struct batch *b, struct fault *f)
{
	uint64_t position = 0;
	TRY(store_link_new(&b->link, b->cfg.url, f));
	TRY(store_writer_new(&b->writer, b->cfg.url, &b->cfg.id, f));
	TRY(open_row(b, f));
	TRY(store_writer_position(b->writer, &position, f));
	b->stored = position / NUMBERS_PER_RECORD;
	b->counts.before = b->counts.records;
	return 0;
}

/* What a live call of this source would get, but nothing is done to a call of the past. */
static int read_settings(struct batch *b, struct fault *f)
{
	struct buf json AUTO_BUF = { 0 };
	bind_settings(b->cfg.directory, b->cfg.source, &json);
	struct span kept = arena_copy(&b->settings_arena, buf_span(&json));
	TRY(settings_read(json_of(kept), &b->settings_arena, &b->settings, f));
	b->settings.imported = true;
	b->settings.upstream = false;
	b->settings.reconcile = false;
	b->settings.context_inject = false;
	return 0;
}

/* Without it only a crash costs more. */
static void open_poison(struct batch *b)
{
	struct fault f = { 0 };
	if (!b->cfg.poison_dir || !b->cfg.url)
		return;
	b->cfg.poison_dir = arena_printf(&b->settings_arena, "%s", b->cfg.poison_dir);
	if (file_make_dir(b->cfg.poison_dir, 0700, &f) ||
	    poison_open(&b->poison, b->cfg.poison_dir, &f))
		log_warn("import", "a record that stops the import will not be skipped: %s",
			 f.text);
}

static void end_poison(struct batch *b)
{
	poison_end(b->poison);
	b->poison = NULL;
	if (b->cfg.poison_dir)
		rmdir(b->cfg.poison_dir); /* not when there is something in it */
}

int batch_open(struct batch **out, const struct batch_config *cfg, struct fault *f)
{
	scoped(batch) *b = calloc(1, sizeof(*b));
	CHECK(b);
	b->cfg = *cfg;
	uuid_format(&cfg->id, b->id);
	TRY(read_settings(b, f));
	if (cfg->url)
		TRY(open_store(b, f));
	open_poison(b);
	b->next = 1 + (cfg->resume == BATCH_NEW_RECORDS ? b->stored : 0);
	b->given = b->next - 1;
	b->group_counts = b->counts;
	*out = take(b);
	return 0;
}

static void drop_open(struct batch *b, struct open_call *c)
{
	HASH_DEL(b->open, c);
	session_free(c->session);
	free(c);
}

void batch_free(struct batch *b)
{
	struct open_call *c, *next;
	struct met *m, *next_m;
	if (!b)
		return;
	HASH_ITER (hh, b->open, c, next)
		drop_open(b, c);
	HASH_ITER (hh, b->met, m, next_m) {
		HASH_DEL(b->met, m);
		free(m);
	}
	poison_free(b->poison);
	store_writer_free(b->writer);
	store_link_free(b->link);
	rows_fini(&b->rows);
	arena_fini(&b->arena);
	arena_fini(&b->settings_arena);
	buf_free(&b->bind);
	buf_free(&b->mistakes);
	buf_free(&b->words);
	free(b->versions);
	free(b);
}

void batch_counts(const struct batch *b, struct batch_counts *out)
{
	*out = b->counts;
}

/* --- sessions and rows --- */

static const struct {
	enum event_type type;
	size_t counter;
} counted[] = {
	{ EVENT_MESSAGE, offsetof(struct batch_counts, messages) },
	{ EVENT_TOOL_REQUESTED, offsetof(struct batch_counts, tool_calls) },
	{ EVENT_TOOL_FINISHED, offsetof(struct batch_counts, tool_results) },
};

static bool words_only(const struct batch *b)
{
	return !uuid_is_nil(&b->cfg.words_of);
}

/* Everything else the call was told while it ran. */
static bool is_of_words(const struct event *e)
{
	static const bool of_words[EVENT_COUNT] = { [EVENT_TRANSCRIPT_FINAL] = true,
						    [EVENT_TURN] = true,
						    [EVENT_SENTIMENT] = true,
						    [EVENT_SIGNAL] = true,
						    [EVENT_FACT] = true };

	return of_words[e->type];
}

static void keep_words(struct batch *b, const struct event *e)
{
	struct buf text AUTO_BUF = { 0 };
	event_write(e, &text);
	json_put_raw(&b->words_out, NULL, buf_span(&text));
}

static void on_event(void *self, const struct event *e)
{
	struct batch *b = self;
	struct event stored = *e;
	if (b->silent || (words_only(b) && !is_of_words(e)))
		return;
	b->group_counts.events++;
	if (words_only(b)) {
		keep_words(b, e);
		return;
	}
	for (size_t i = 0; i < sizeof(counted) / sizeof(*counted); i++)
		if (counted[i].type == e->type)
			++*(uint64_t *)(void *)((char *)&b->group_counts + counted[i].counter);
	stored.arrived_us = b->arrived_us;
	if (b->writer)
		rows_event(&b->rows, &stored, b->applying, b->number);
}

static int apply(struct batch *b, struct session *s, enum record_kind kind, struct span body,
		 int64_t at_us, uint64_t number, const struct uuid *call, struct fault *f)
{
	const struct call_host host = host_for_events(b, on_event);
	const struct record r = {
		.number = number, .at_us = at_us, .call = *call, .kind = kind, .body = body
	};
	b->applying = s;
	b->number = number;
	return session_apply(s, &r, &host, f);
}

/* The instructions in force when the call began; of calls older than all of them the first, which
 * somebody wrote down from what ran then. */
static struct uuid version_at(const struct batch *b, int64_t started_us)
{
	struct uuid id = b->settings.instruction;
	for (size_t i = 0; i < b->versions_n; i++)
		if (i == 0 || b->versions[i].from_us <= started_us)
			id = b->versions[i].id;
	return id;
}

static struct span bind_body(struct batch *b, const struct item *it)
{
	struct uuid version = version_at(b, it->call.started_us);
	if (b->bind.n && b->bind_dialect == it->dialect->name &&
	    uuid_eq(&version, &b->bind_version))
		return buf_span(&b->bind);
	b->bind_dialect = it->dialect->name;
	b->bind_version = version;
	b->settings.dialect = span_of(it->dialect->name);
	b->settings.instruction = version;
	buf_clear(&b->bind);
	settings_write(&b->settings, &b->bind);
	return buf_span(&b->bind);
}

static uint64_t number_in(const struct item *it, unsigned which)
{
	return (it->record - 1) * NUMBERS_PER_RECORD + which;
}

/* The first of those a sound takes. */
static uint64_t first_number(const struct item *it)
{
	unsigned records = it->sound ? SOUND_RECORDS : 1;

	return (it->record - records) * NUMBERS_PER_RECORD + 1;
}

static int bind_call(struct batch *b, struct session *s, const struct item *it, struct fault *f)
{
	return apply(b, s, RECORD_BIND, bind_body(b, it), it->call.started_us, first_number(it),
		     &it->id, f);
}

static int apply_heard(struct batch *b, struct session *s, const struct item *it, struct fault *f)
{
	size_t n = it->sound ? it->sound->heard_n : 0;

	for (size_t i = 0; i < n && i < SOUND_HEARD_MAX; i++)
		TRY(apply(b, s, RECORD_HEARD, it->sound->heard[i].body, it->sound->heard[i].at_us,
			  first_number(it) + 1 + i, &it->id, f));
	return 0;
}

static int apply_body(struct batch *b, struct session *s, const struct item *it, struct fault *f)
{
	struct buf masked AUTO_BUF = { 0 };
	struct envelope e;
	TRY(it->dialect->classify(it->call.body, &b->arena, &e, f));
	it->dialect->mask(it->call.body, &e, &masked);
	return apply(b, s, RECORD_WEBHOOK, buf_span(&masked), it->call.at_us, number_in(it, 2),
		     &it->id, f);
}

/* Time passes after the last word, as it does live. */
static void pass_time(struct batch *b, struct session *s, const struct uuid *call, int64_t at_us,
		      uint64_t number)
{
	uint64_t key = poison_key(&(struct record){ .call = *call, .kind = RECORD_TICK });
	if (poison_skip(b->poison, key)) {
		log_warn("import", "call %.*s: closing it stopped the import twice, it stays open",
			 SPAN_ARG(session_provider_call_id(s)));
		return;
	}
	poison_enter(b->poison, SLOT_TIME, key);
	CHECK(apply(b, s, RECORD_TICK, (struct span){ 0 }, at_us, number, call, NULL) == 0);
	poison_leave(b->poison, SLOT_TIME);
}

static void add_call_rows(struct batch *b, struct session *s, const struct uuid *call,
			  uint64_t number)
{
	char *id;
	if (!b->writer)
		return;
	rows_call(&b->rows, s, number);
	id = arena_alloc(&b->rows.arena, UUID_TEXT + 1);
	uuid_format(call, id);
	rows_add(&b->rows, STORE_ROW_IMPORT_CALL, number, (const char *const[]){ b->id, id }, 2);
}

static void add_recording_row(struct batch *b, const struct item *it, uint64_t number)
{
	if (!b->writer || !it->sound || !it->sound->recording)
		return;
	char *id = arena_alloc(&b->rows.arena, UUID_TEXT + 1);
	uuid_format(&it->id, id);
	rows_add(&b->rows, STORE_ROW_RECORDING, number,
		 (const char *const[]){ id, it->sound->recording, it->sound->peaks }, 3);
}

/* --- what becomes of a record --- */

static void mistake(struct batch *b, const struct item *it)
{
	struct json_out *o = &b->mistakes_out;
	b->group_counts.bad++;
	if (b->cfg.mistake)
		b->cfg.mistake(b->cfg.user, it->nth, it->line, it->call.id, it->error);
	if (b->mistakes_n >= BATCH_MISTAKES)
		return;
	b->mistakes_n++;
	json_begin(o, NULL);
	json_put_i64(o, "record", (int64_t)it->nth);
	json_put_i64(o, "line", (int64_t)it->line);
	if (it->call.id.n)
		json_put_text(o, "id", it->call.id);
	json_put_z(o, "error", it->error);
	json_end(o);
}

static void refused(struct batch *b, struct item *it, size_t rows_before,
		    const struct batch_counts *before, const struct fault *f)
{
	b->rows.n = rows_before;
	b->group_counts = *before;
	it->fate = FATE_BAD;
	it->error = arena_printf(&b->arena, "%s", f->text);
	mistake(b, it);
}

static void add_anew_row(struct batch *b, const struct item *it)
{
	if (!b->writer || !it->known)
		return;
	char *id = arena_alloc(&b->rows.arena, UUID_TEXT + 1);
	uuid_format(&it->id, id);
	rows_add(&b->rows, STORE_ROW_ANEW, number_in(it, 3), (const char *const[]){ id }, 1);
}

static void begin_words(struct batch *b)
{
	buf_clear(&b->words);
	b->words_out = (struct json_out){ .b = &b->words };
	json_begin_array(&b->words_out, NULL);
}

static void add_words_row(struct batch *b, const struct session *s, const struct item *it)
{
	struct buf summary AUTO_BUF = { 0 };
	char *id = arena_alloc(&b->rows.arena, UUID_TEXT + 1);
	uuid_format(&it->id, id);
	session_summary(s, &summary);
	json_end_array(&b->words_out);
	rows_add(&b->rows, STORE_ROW_WORDS, number_in(it, 3),
		 (const char *const[]){ id, buf_z(&b->words),
					arena_printf(&b->rows.arena, "%s", buf_z(&summary)) },
		 3);
}

static void whole_call(struct batch *b, struct item *it)
{
	struct session *s = session_new(&it->id);
	struct batch_counts before = b->group_counts;
	size_t rows = b->rows.n;
	struct fault f = { 0 };
	b->silent = false;
	if (words_only(b))
		begin_words(b);
	else
		add_anew_row(b, it);
	if (bind_call(b, s, it, &f) || apply_heard(b, s, it, &f) || apply_body(b, s, it, &f)) {
		refused(b, it, rows, &before, &f);
	} else {
		pass_time(b, s, &it->id, it->call.at_us + AFTER_END_US, number_in(it, 3));
		if (words_only(b)) {
			add_words_row(b, s, it);
		} else {
			add_call_rows(b, s, &it->id, number_in(it, 3));
			add_recording_row(b, it, number_in(it, 3));
		}
		b->group_counts.imported++;
	}
	session_free(s);
}

/* Its last word, at the record number given. */
static void close_call(struct batch *b, struct open_call *c, int64_t at_us, uint64_t number)
{
	pass_time(b, c->session, &c->id, at_us, number);
	if (!b->silent)
		add_call_rows(b, c->session, &c->id, number);
	drop_open(b, c);
}

static struct open_call *open_call(struct batch *b, struct item *it)
{
	struct open_call *c = calloc(1, sizeof(*c));
	struct fault f = { 0 };
	CHECK(c);
	c->id = it->id;
	c->session = session_new(&it->id);
	if (bind_call(b, c->session, it, &f)) {
		it->error = arena_printf(&b->arena, "%s", f.text);
		session_free(c->session);
		free(c);
		return NULL;
	}
	if (HASH_COUNT(b->open) >= OPEN_CALLS_MAX)
		close_call(b, b->open, b->open->last_us + AFTER_END_US, number_in(it, 4));
	HASH_ADD(hh, b->open, id, sizeof(c->id), c);
	if (!b->silent)
		b->group_counts.imported++;
	return c;
}

static struct open_call *find_open(struct batch *b, const struct uuid *id)
{
	struct open_call *c;
	HASH_FIND(hh, b->open, id, sizeof(*id), c);
	return c;
}

/* One message of a call of which there may be more. */
static void one_message(struct batch *b, struct item *it)
{
	struct open_call *c = find_open(b, &it->id);
	struct batch_counts before = b->group_counts;
	size_t rows = b->rows.n;
	struct fault f = { 0 };
	b->silent = it->fate == FATE_STORED;
	if (!c)
		c = open_call(b, it);
	if (!c) {
		if (!b->silent)
			mistake(b, it);
		return;
	}
	if (apply_body(b, c->session, it, &f)) {
		if (!b->silent)
			refused(b, it, rows, &before, &f);
		if (session_last_seq(c->session) == 0)
			drop_open(b, c);
		return;
	}
	c->last_us = it->call.at_us > c->last_us ? it->call.at_us : c->last_us;
	c->number = number_in(it, 2);
	c->key = it->key;
	c->dirty |= !b->silent;
	if (it->call.whole)
		close_call(b, c, c->last_us + AFTER_END_US, number_in(it, 3));
}

static bool came_before(struct batch *b, size_t upto)
{
	const struct item *it = &b->items[upto];
	for (size_t i = 0; i < upto; i++)
		if (b->items[i].fate == FATE_CALL && uuid_eq(&b->items[i].id, &it->id))
			return true;
	return false;
}

static bool takes_known(const struct batch *b)
{
	return b->cfg.anew || words_only(b);
}

static void take_call(struct batch *b, size_t i)
{
	struct item *it = &b->items[i];
	bool stored = it->record <= b->stored && b->cfg.resume == BATCH_SAME_RECORDS;
	bool goes_on = find_open(b, &it->id) || (stored && !it->call.whole && it->own);
	if (stored)
		it->fate = FATE_STORED;
	if (stored && !goes_on)
		return;
	if (goes_on)
		one_message(b, it);
	else if ((it->known && !(takes_known(b) && it->sound)) || came_before(b, i))
		b->group_counts.duplicates++;
	else
		(it->call.whole ? whole_call : one_message)(b, it);
}

static void take_item(struct batch *b, size_t i)
{
	struct item *it = &b->items[i];
	bool stored = it->record <= b->stored && b->cfg.resume == BATCH_SAME_RECORDS;
	if (it->fate == FATE_CALL)
		take_call(b, i);
	else if (!stored && it->fate == FATE_BAD)
		mistake(b, it);
	else if (!stored)
		b->group_counts.skipped++;
	if (!stored)
		b->group_counts.records++;
}

/* --- a group --- */

static struct item *item_of(struct batch *b, struct json id)
{
	struct uuid u;
	if (uuid_parse(&u, json_text(id, &b->arena)))
		return NULL;
	for (size_t i = 0; i < b->items_n; i++)
		if (b->items[i].fate == FATE_CALL && uuid_eq(&b->items[i].id, &u))
			return &b->items[i];
	return NULL;
}

static void write_ids(struct batch *b, struct buf *out)
{
	struct json_out o = { .b = out };
	char id[UUID_TEXT + 1];
	json_begin_array(&o, NULL);
	for (size_t i = 0; i < b->items_n; i++) {
		uuid_format(&b->items[i].id, id);
		if (b->items[i].fate == FATE_CALL && !came_before(b, i))
			json_put_z(&o, NULL, id);
	}
	json_end_array(&o);
}

static void mark(struct batch *b, const struct item *first, bool own)
{
	for (size_t i = 0; i < b->items_n; i++) {
		struct item *it = &b->items[i];
		if (it->fate != FATE_CALL || !uuid_eq(&it->id, &first->id))
			continue;
		it->known = true;
		it->own = own;
	}
}

static int look_up(struct batch *b, struct fault *f)
{
	struct buf ids AUTO_BUF = { 0 }, answer AUTO_BUF = { 0 };
	struct span key;
	struct json v;
	write_ids(b, &ids);
	const char *params[] = { b->id, buf_z(&ids) };
	TRY(ask(b, "import_known", params, 2, &answer, f));
	struct json_iter it = json_iter(json_of(buf_span(&answer)));
	while (json_next(&it, &key, &v)) {
		struct item *first = item_of(b, json_get(v, "id"));
		if (first)
			mark(b, first, json_true(json_get(v, "own")));
	}
	return 0;
}

static void look_back(struct batch *b)
{
	struct met *m;
	for (size_t i = 0; i < b->items_n; i++) {
		if (b->items[i].fate != FATE_CALL)
			continue;
		HASH_FIND(hh, b->met, &b->items[i].id, sizeof(struct uuid), m);
		b->items[i].known = m != NULL;
		if (m)
			continue;
		m = calloc(1, sizeof(*m));
		CHECK(m);
		m->id = b->items[i].id;
		HASH_ADD(hh, b->met, id, sizeof(m->id), m);
	}
}

static void add_dirty_rows(struct batch *b)
{
	for (struct open_call *c = b->open; c; c = c->hh.next) {
		if (!c->dirty)
			continue;
		poison_enter(b->poison, SLOT_RECORD, c->key);
		add_call_rows(b, c->session, &c->id, c->number);
		poison_leave(b->poison, SLOT_RECORD);
		c->dirty = false;
	}
}

static void add_import_row(struct batch *b, uint64_t number)
{
	struct buf text AUTO_BUF = { 0 };
	struct json_out o = { .b = &text };
	const struct batch_counts *n = &b->group_counts;
	json_begin(&o, NULL);
	json_put_i64(&o, "records", (int64_t)n->records);
	json_put_i64(&o, "imported", (int64_t)n->imported);
	json_put_i64(&o, "duplicates", (int64_t)n->duplicates);
	json_put_i64(&o, "bad", (int64_t)n->bad);
	json_put_i64(&o, "skipped", (int64_t)n->skipped);
	json_end_array(&b->mistakes_out);
	json_put_raw(&o, "mistakes", buf_span(&b->mistakes));
	json_end(&o);
	rows_add(&b->rows, STORE_ROW_IMPORT, number,
		 (const char *const[]){ b->id,
					arena_printf(&b->rows.arena, "%.*s", (int)text.n, text.p) },
		 2);
}

static int store_group(struct batch *b, uint64_t upto, struct fault *f)
{
	int64_t since = clock_monotonic_us() / 1000;
	struct backoff pause = PAUSES;
	int rc;
	add_dirty_rows(b);
	add_import_row(b, upto * NUMBERS_PER_RECORD);
	do {
		rc = store_write(b->writer, b->rows.items, b->rows.n,
				 b->stored * NUMBERS_PER_RECORD, upto * NUMBERS_PER_RECORD, NULL,
				 f);
	} while (rc == E_UNAVAILABLE && try_again(b, since, &pause));
	if (rc == E_CONFLICT)
		return fault(f, rc, "another process runs this import");
	return rc;
}

static void begin_group(struct batch *b)
{
	b->arrived_us = clock_now_us();
	b->group_counts = b->counts;
	buf_clear(&b->mistakes);
	b->mistakes_out = (struct json_out){ .b = &b->mistakes };
	json_begin_array(&b->mistakes_out, NULL);
}

static int end_group(struct batch *b, uint64_t upto, struct fault *f)
{
	if (b->writer && upto > b->stored)
		TRY(store_group(b, upto, f));
	b->stored = upto > b->stored ? upto : b->stored;
	b->counts = b->group_counts;
	rows_reset(&b->rows);
	b->items_n = b->bytes = 0;
	arena_reset(&b->arena);
	return 0;
}

static int take_group(struct batch *b, struct fault *f)
{
	if (b->link)
		TRY(look_up(b, f));
	else
		look_back(b);
	begin_group(b);
	for (size_t i = 0; i < b->items_n; i++) {
		poison_enter(b->poison, SLOT_RECORD, b->items[i].key);
		take_item(b, i);
		poison_leave(b->poison, SLOT_RECORD);
	}
	return end_group(b, b->next - 1, f);
}

/* Between its look and its store no other import of the source stores the same calls. */
static int take_group_alone(struct batch *b, struct fault *f)
{
	struct buf answer AUTO_BUF = { 0 };
	char source[UUID_TEXT + 1];
	uuid_format(&b->cfg.source->id, source);
	const char *params[] = { source };
	TRY(ask(b, "import_begin_group", params, 1, &answer, f));
	int rc = take_group(b, f);
	/* A link that is lost has let go by itself. */
	if (store_link_query(b->link, "import_end_group", params, 1, &answer, NULL))
		log_debug("import", "%s: the link was lost during a group", b->id);
	return rc;
}

int batch_flush(struct batch *b, struct fault *f)
{
	if (!b->items_n)
		return 0;
	if (stopping(b))
		return fault(f, E_UNAVAILABLE, "stopped");
	return b->link ? take_group_alone(b, f) : take_group(b, f);
}

/* --- records --- */

static const struct format *format_for(const struct batch *b, const struct batch_record *r)
{
	if (b->cfg.format)
		return b->cfg.format;
	return r->is_text ? format_find(SPAN("transcript")) : format_of(json_of(r->text));
}

static int read_call(struct batch *b, const struct batch_record *r, struct item *it,
		     struct fault *f)
{
	struct format_record fr = { .text = arena_copy(&b->arena, r->text),
				    .fallback_us = r->fallback_us,
				    .ai_labels = b->cfg.ai_labels,
				    .user_labels = b->cfg.user_labels };
	if (r->broken)
		return fault(f, E_INVALID, "%s", r->broken);
	if (!r->is_text)
		TRY(json_check(fr.text, f));
	const struct format *format = format_for(b, r);
	if (!format)
		return fault(f, E_INVALID,
			     "no format is recognised: neither a Vapi call nor a list of messages");
	if ((format->kind == FORMAT_TEXT) != r->is_text)
		return fault(f, E_INVALID, "this is no %s", format->name);
	TRY(format->read(&fr, &b->arena, &it->call, f));
	it->dialect = dialect_find(span_of(format->dialect));
	if (!it->dialect)
		return fault(f, E_INVALID, "this program does not speak %s", format->dialect);
	it->id = uuid_v5(&b->cfg.source->id, it->call.id);
	return 0;
}

/* What it says, not where it stands: in a pull the same call may come in another place. */
static uint64_t key_of(const struct batch_record *r)
{
	return poison_key(&(struct record){ .kind = RECORD_WEBHOOK, .body = r->text });
}

static int read_unless_poison(struct batch *b, const struct batch_record *r, struct item *it,
			      struct fault *f)
{
	if (poison_skip(b->poison, it->key))
		return fault(f, E_INVALID, STOPPED_TWICE);
	poison_enter(b->poison, SLOT_RECORD, it->key);
	int rc = read_call(b, r, it, f);
	poison_leave(b->poison, SLOT_RECORD);
	return rc;
}

int batch_add(struct batch *b, const struct batch_record *r, struct fault *f)
{
	struct item *it = &b->items[b->items_n];
	struct fault why = { 0 };
	*it = (struct item){
		.record = b->next++, .nth = ++b->given, .line = r->line, .key = key_of(r)
	};
	int rc = read_unless_poison(b, r, it, &why);
	if (rc) {
		it->fate = rc == E_CONFLICT ? FATE_SKIPPED : FATE_BAD;
		it->error = arena_printf(&b->arena, "%s", why.text);
	}
	b->items_n++;
	b->bytes += r->text.n;
	if (b->items_n < GROUP_RECORDS && b->bytes < GROUP_BYTES)
		return 0;
	return batch_flush(b, f);
}

/* --- sounds --- */

/* A live call's own id may be made otherwise (of a stream that named no call). */
static struct uuid sound_call(const struct batch *b, struct span id)
{
	return words_only(b) ? b->cfg.words_of : uuid_v5(&b->cfg.source->id, id);
}

int batch_wants(struct batch *b, struct span id, struct uuid *call, bool *wants, struct fault *f)
{
	struct met *met = NULL;

	TRY(batch_flush(b, f));
	*call = sound_call(b, id);
	struct item *it = &b->items[0];
	*it = (struct item){ .fate = FATE_CALL, .id = *call };
	b->items_n = 1;
	int rc = b->link ? look_up(b, f) : 0;
	b->items_n = 0;
	HASH_FIND(hh, b->met, call, sizeof(*call), met);
	*wants = (!it->known || takes_known(b)) && !met && b->next > b->stored;
	return rc;
}

/* What the sound's dialect reads: that there was a call, from when to when. */
static struct span sound_body(struct batch *b, const struct batch_sound *s)
{
	struct buf body AUTO_BUF = { 0 };
	struct json_out o = { .b = &body };
	char from[CLOCK_ISO + 1], to[CLOCK_ISO + 1];

	clock_format(s->started_us, from);
	clock_format(s->ended_us, to);
	json_begin(&o, NULL);
	json_put_text(&o, "id", s->id);
	json_put_z(&o, "kind", "recording");
	json_put_z(&o, "started_at", from);
	json_put_z(&o, "ended_at", to);
	json_begin_array(&o, "messages");
	json_end_array(&o);
	json_end(&o);
	return arena_copy(&b->arena, buf_span(&body));
}

int batch_add_sound(struct batch *b, const struct batch_sound *s, struct fault *f)
{
	TRY(batch_flush(b, f));
	struct item *it = &b->items[b->items_n++];

	b->next += SOUND_RECORDS;
	*it = (struct item){
		.record = b->next - 1,
		.nth = ++b->given,
		.sound = s,
		.fate = FATE_CALL,
		.call = { .id = s->id,
			  .body = sound_body(b, s),
			  .started_us = s->started_us,
			  .at_us = s->ended_us,
			  .whole = true },
		.dialect = dialect_find(SPAN("openai")),
		.id = sound_call(b, s->id),
	};
	it->key = poison_key(&(struct record){ .kind = RECORD_HEARD, .body = it->call.body });
	if (!it->dialect) {
		it->fate = FATE_BAD;
		it->error = "this program does not speak openai";
	}
	return batch_flush(b, f);
}

/* Calls still open are closed in the order they came, each at a record number of its own. */
static int close_open(struct batch *b, struct fault *f)
{
	struct open_call *c, *next;
	uint64_t upto = b->next - 1;
	begin_group(b);
	HASH_ITER (hh, b->open, c, next) {
		uint64_t record = ++upto;
		int64_t idle_us = b->settings.idle_close_ms * MS_US;
		b->silent = record <= b->stored;
		close_call(b, c, c->last_us + idle_us + SECOND_US,
			   (record - 1) * NUMBERS_PER_RECORD + 1);
		if (b->rows.n >= GROUP_RECORDS * 8 || !b->open) {
			TRY(end_group(b, upto, f));
			begin_group(b);
		}
	}
	return 0;
}

void batch_give_up(struct batch *b)
{
	struct buf answer AUTO_BUF = { 0 };
	const char *params[] = { b->id, "failed" };
	/* Only a note for people: when PostgreSQL is away it stays as it was. */
	if (b->link && store_link_query(b->link, "import_end", params, 2, &answer, NULL))
		log_warn("import", "%s: cannot be marked as given up", b->id);
}

int batch_finish(struct batch *b, struct fault *f)
{
	struct buf answer AUTO_BUF = { 0 };
	const char *params[] = { b->id, "done" };
	TRY(batch_flush(b, f));
	TRY(close_open(b, f));
	end_poison(b);
	return b->link ? ask(b, "import_end", params, 2, &answer, f) : 0;
}
