/* Structured log lines on stderr: time, level, thread, `who`, text. Text for a terminal, JSON with
 * --log-format=json. Thread safe; the only file-scope state is level, format and what log_often()
 * counts. Never log bodies, secrets or control URLs. */
#ifndef CALLMEND_BASE_LOG_H
#define CALLMEND_BASE_LOG_H

#include <stdint.h>

#include "callmend/fault.h"
#include "callmend/span.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

void log_init(enum log_level least, enum log_format format);
bool log_level_from(struct span name, enum log_level *out); /* debug info warn error */
/* Names the calling thread in its lines ("shard 0", "journal"). */
void log_thread(const char *name);
/* `who` is the object's identity: "call 0190...", "source main". */
void log_line(enum log_level level, const char *who, const char *fmt, ...) PRINTF_LIKE(3, 4);
#define log_debug(who, ...) log_line(LOG_DEBUG, who, __VA_ARGS__)
#define log_info(who, ...) log_line(LOG_INFO, who, __VA_ARGS__)
#define log_warn(who, ...) log_line(LOG_WARN, who, __VA_ARGS__)
#define log_error(who, ...) log_line(LOG_ERROR, who, __VA_ARGS__)

/* For what others may cause as often as they like: of one `who`, `fmt` and `key` (a source: nothing
 * that a stranger makes up, only so many are kept apart) LOG_OFTEN lines in a minute, then one with
 * the number of the others. That one comes with the first line of any kind after the minute. */
enum { LOG_OFTEN = 5 };
void log_often(enum log_level level, const char *who, struct span key, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
/* Writes the numbers that are due at `now_us` (clock_monotonic_us). log_line() sees to it. */
void log_left_out(int64_t now_us);

#endif
