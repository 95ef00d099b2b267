#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"

enum { LINE_BYTES = 2048, KINDS = 64 };
#define OFTEN_US (60 * SECOND_US)

static const char *const names[] = {
	[LOG_DEBUG] = "debug",
	[LOG_INFO] = "info",
	[LOG_WARN] = "warn",
	[LOG_ERROR] = "error",
};

static _Atomic(enum log_level) least_level = LOG_INFO;
static _Atomic(enum log_format) line_format = LOG_TEXT;
/* Kinds of log_often(), under the lock. */
static struct kind {
	uint64_t hash;
	int64_t until_us; /* end of its minute */
	unsigned said, left_out;
	enum log_level level;
	char who[32], text[160]; /* of the first that was left out */
} kinds[KINDS];
static pthread_mutex_t kinds_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int64_t kinds_due_us = INT64_MAX;
static __thread char thread_name[32] = "main";

void log_init(enum log_level least, enum log_format format)
{
	atomic_store(&least_level, least);
	atomic_store(&line_format, format);
}

bool log_level_from(struct span name, enum log_level *out)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!span_is(name, names[i]))
			continue;
		*out = (enum log_level)i;
		return true;
	}
	return false;
}

void log_thread(const char *name)
{
	snprintf(thread_name, sizeof(thread_name), "%s", name);
}

struct line {
	enum log_level level;
	char time[CLOCK_ISO + 1];
	const char *who;
	const char *text;
};

/* Control characters would let a logged value forge lines or drive the reader's terminal. */
static void add_visible(struct buf *b, const char *z)
{
	for (; *z; z++) {
		unsigned char c = (unsigned char)*z;
		if (c < 0x20 || c == 0x7f)
			buf_printf(b, "\\x%02x", c);
		else
			buf_addc(b, *z);
	}
}

static void write_text(struct buf *b, const struct line *l)
{
	buf_printf(b, "%s %-5s [%s] ", l->time, names[l->level], thread_name);
	add_visible(b, l->who);
	buf_addz(b, *l->who ? ": " : "");
	add_visible(b, l->text);
}

static void write_json(struct buf *b, const struct line *l)
{
	struct json_out o = { .b = b };
	json_begin(&o, NULL);
	json_put_z(&o, "time", l->time);
	json_put_z(&o, "level", names[l->level]);
	json_put_z(&o, "thread", thread_name);
	json_put_z(&o, "who", l->who);
	json_put_z(&o, "text", l->text);
	json_end(&o);
}

/* One write per line, so that lines of several threads never mix. What stderr refuses is lost:
 * there is nobody left to tell. */
static void put_line(struct span s)
{
	while (s.n > 0) {
		ssize_t n = write(STDERR_FILENO, s.p, s.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		s = span_from(s, (size_t)n);
	}
}

static void put(enum log_level level, const char *who, const char *text)
{
	struct line l = { .level = level, .who = who ? who : "", .text = text };
	clock_format(clock_now_us(), l.time);
	struct buf b AUTO_BUF = { 0 };
	if (atomic_load_explicit(&line_format, memory_order_relaxed) == LOG_JSON)
		write_json(&b, &l);
	else
		write_text(&b, &l);
	buf_addc(&b, '\n');
	put_line(buf_span(&b));
}

static bool is_wanted(enum log_level level)
{
	return level >= atomic_load_explicit(&least_level, memory_order_relaxed);
}

void log_line(enum log_level level, const char *who, const char *fmt, ...)
{
	char text[LINE_BYTES];
	va_list ap;

	if (!is_wanted(level))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_left_out(clock_monotonic_us());
	put(level, who, text);
}

/* --- what comes often --- */

static void say_left_out(const struct kind *k)
{
	char text[LINE_BYTES];

	if (!k->left_out)
		return;
	snprintf(text, sizeof(text), "%u more within a minute, like this one: %s", k->left_out,
		 k->text);
	put(k->level, k->who, text);
}

/* The first that is over at now_us, taken out; false: none, and `kinds_due_us` is known. */
static bool take_due(int64_t now_us, struct kind *out)
{
	int64_t due_us = INT64_MAX;

	for (struct kind *k = kinds; k < kinds + KINDS; k++) {
		if (!k->left_out)
			continue;
		if (k->until_us <= now_us) {
			*out = *k;
			*k = (struct kind){ 0 };
			return true;
		}
		due_us = k->until_us < due_us ? k->until_us : due_us;
	}
	atomic_store(&kinds_due_us, due_us);
	return false;
}

void log_left_out(int64_t now_us)
{
	struct kind over;
	bool any = now_us >= atomic_load_explicit(&kinds_due_us, memory_order_relaxed);

	while (any) {
		pthread_mutex_lock(&kinds_lock);
		any = take_due(now_us, &over);
		pthread_mutex_unlock(&kinds_lock);
		if (any)
			say_left_out(&over);
	}
}

/* This kind's place, else the one whose minute ends first. */
static struct kind *place_of(uint64_t hash)
{
	struct kind *oldest = kinds;

	for (struct kind *k = kinds; k < kinds + KINDS; k++) {
		if (k->hash == hash)
			return k;
		if (k->until_us < oldest->until_us)
			oldest = k;
	}
	return oldest;
}

static void leave_out(struct kind *k, enum log_level level, const char *who, const char *text)
{
	if (!k->left_out++) {
		k->level = level;
		snprintf(k->who, sizeof(k->who), "%s", who);
		snprintf(k->text, sizeof(k->text), "%.*s", (int)sizeof(k->text) - 1, text);
	}
	if (k->until_us < atomic_load(&kinds_due_us))
		atomic_store(&kinds_due_us, k->until_us);
}

/* Whether a line of this kind may be written now; `over` is one that had to make room. */
static bool may_say(uint64_t hash, enum log_level level, const char *who, const char *text,
		    struct kind *over)
{
	int64_t now_us = clock_monotonic_us();

	pthread_mutex_lock(&kinds_lock);
	struct kind *k = place_of(hash);
	if (k->hash != hash || k->until_us <= now_us) {
		*over = *k;
		*k = (struct kind){ .hash = hash, .until_us = now_us + OFTEN_US };
	}
	bool may = k->said < LOG_OFTEN;
	if (may)
		k->said++;
	else
		leave_out(k, level, who, text);
	pthread_mutex_unlock(&kinds_lock);
	return may;
}

void log_often(enum log_level level, const char *who, struct span key, const char *fmt, ...)
{
	char text[LINE_BYTES];
	struct kind over = { 0 };
	va_list ap;

	if (!is_wanted(level))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	uint64_t hash = hash64_seeded(key, hash64_seeded(span_of(fmt), hash64(span_of(who))));
	bool may = may_say(hash, level, who, text, &over);
	say_left_out(&over);
	if (may)
		log_line(level, who, "%s", text);
}
