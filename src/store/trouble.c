#include "store/trouble.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "store/sqlstate.h"

static const struct {
	const char *name, *doc;
} parts[] = {
#define X(id, name, doc) { name, doc },
	STORE_PARTS(X)
#undef X
};

void trouble_init(struct trouble_board *b)
{
	*b = (struct trouble_board){ 0 };
	pthread_mutex_init(&b->lock, NULL);
}

void trouble_fini(struct trouble_board *b)
{
	pthread_mutex_destroy(&b->lock);
}

static bool is_present(const struct trouble *t, int64_t now_us)
{
	return t->last_us && now_us - t->last_us < TROUBLE_KEPT_US;
}

/* A private cluster starts, and its database and every schema are made, while the parts already ask
 * for them. */
static bool is_made_at_start(const char *sqlstate)
{
	return strcmp(sqlstate, "57P03") == 0 || strcmp(sqlstate, "3D000") == 0 ||
	       strcmp(sqlstate_find(sqlstate)->name, "schema") == 0;
}

static bool may_wait(struct trouble_board *b, const struct trouble *t, const char *sqlstate,
		     int64_t now_us)
{
	if (strcmp(sqlstate, SQLSTATE_MIGRATING) == 0) {
		b->made_by_us = now_us + TROUBLE_MADE_US;
		return true;
	}
	if (t->worked || !is_made_at_start(sqlstate))
		return false;
	if (!b->made_by_us)
		b->made_by_us = now_us + TROUBLE_MADE_US;
	return now_us < b->made_by_us;
}

static void say(enum store_part part, const struct trouble *t, const char *text)
{
	const struct sqlstate *means = sqlstate_find(t->sqlstate);
	enum log_level level = means->kind == SQLSTATE_PASSING ? LOG_WARN : LOG_ERROR;
	if (t->waits) {
		log_info("store",
			 "%s: waits until PostgreSQL has started, database and schema are made: %s",
			 parts[part].name, text);
		return;
	}
	log_line(level, "store", "%s: %s (%s, SQLSTATE %s): %s. What to do: %s", parts[part].name,
		 parts[part].doc, means->name, t->sqlstate, text, means->advice);
}

void trouble_report(struct trouble_board *b, enum store_part part, const char *what,
		    const char *sqlstate, const char *text, int64_t now_us)
{
	struct trouble *t = &b->parts[part];
	if (!sqlstate[0])
		return;
	pthread_mutex_lock(&b->lock);
	bool same = is_present(t, now_us) && strcmp(t->sqlstate, sqlstate) == 0;
	if (!same)
		*t = (struct trouble){ .since_us = now_us, .worked = t->worked };
	bool waits = may_wait(b, t, sqlstate, now_us);
	bool due = !same || waits != t->waits || now_us - t->logged_us >= TROUBLE_LOG_US;
	if (due)
		t->logged_us = now_us;
	t->waits = waits;
	t->last_us = now_us;
	snprintf(t->sqlstate, sizeof(t->sqlstate), "%s", sqlstate);
	snprintf(t->what, sizeof(t->what), "%s", what);
	struct trouble copy = *t;
	pthread_mutex_unlock(&b->lock);
	if (due)
		say(part, &copy, text);
}

void trouble_clear(struct trouble_board *b, enum store_part part, const char *what)
{
	struct trouble *t = &b->parts[part];
	pthread_mutex_lock(&b->lock);
	bool over = t->last_us && strcmp(t->what, what) == 0;
	if (over)
		*t = (struct trouble){ 0 };
	t->worked = true;
	pthread_mutex_unlock(&b->lock);
	if (over)
		log_info("store", "%s: PostgreSQL does it again", parts[part].name);
}

size_t trouble_list(struct trouble_board *b, int64_t now_us,
		    struct store_trouble out[STORE_PART_COUNT])
{
	size_t n = 0;
	pthread_mutex_lock(&b->lock);
	for (size_t i = 0; i < STORE_PART_COUNT; i++) {
		const struct trouble *t = &b->parts[i];
		if (!is_present(t, now_us))
			continue;
		const struct sqlstate *means = sqlstate_find(t->sqlstate);
		out[n] = (struct store_trouble){ .part = parts[i].name,
						 .name = means->name,
						 .advice = means->advice,
						 .degraded = means->kind != SQLSTATE_PASSING,
						 .since_us = t->since_us };
		snprintf(out[n].sqlstate, sizeof(out[n].sqlstate), "%s", t->sqlstate);
		n++;
	}
	pthread_mutex_unlock(&b->lock);
	return n;
}
