/* Structured log lines on stderr: time, level, thread, `who`, text. Text for a terminal, JSON with
 * --log-format=json. Thread safe; the only file-scope state is level and format. Never log bodies,
 * secrets or control URLs. */
#ifndef CALLMEND_BASE_LOG_H
#define CALLMEND_BASE_LOG_H

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

#endif
