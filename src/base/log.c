#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"

static const char *const names[] = {
	[LOG_DEBUG] = "debug",
	[LOG_INFO] = "info",
	[LOG_WARN] = "warn",
	[LOG_ERROR] = "error",
};

static _Atomic(enum log_level) least_level = LOG_INFO;
static _Atomic(enum log_format) line_format = LOG_TEXT;
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

void log_line(enum log_level level, const char *who, const char *fmt, ...)
{
	if (level < atomic_load_explicit(&least_level, memory_order_relaxed))
		return;
	char text[2048];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
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
