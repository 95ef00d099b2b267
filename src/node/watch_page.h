/* What stands where on the screen of `callmend watch`, and what keys do. Pure: no ncurses, no
 * clock, no network. */
#ifndef CALLMEND_NODE_WATCH_PAGE_H
#define CALLMEND_NODE_WATCH_PAGE_H

#include "base/arena.h"
#include "callmend/command.h"
#include "node/watch_model.h"

enum watch_style {
	WATCH_PLAIN,
	WATCH_BAR,    /* header and footer */
	WATCH_HEAD,   /* names of columns */
	WATCH_CHOSEN, /* the chosen row */
	WATCH_DIM,
	WATCH_AI,
	WATCH_USER,
	WATCH_PARTIAL_AI,
	WATCH_PARTIAL_USER,
	WATCH_GOOD,
	WATCH_WARN,
	WATCH_BAD,
	WATCH_NOTE,
	WATCH_STYLES,
};

struct watch_piece {
	struct watch_piece *next;
	int row, column;
	enum watch_style style;
	const char *text; /* UTF-8, harmless, fits on the row */
};

struct watch_page {
	struct arena arena;
	struct watch_piece *first, **last;
	int rows, columns;
	int cursor_row, cursor_column; /* -1: hidden */
};

enum watch_prompt {
	WATCH_NO_PROMPT,
	WATCH_SAY,
	WATCH_TEXT,
	WATCH_TRANSFER,
	WATCH_FILTER,
	WATCH_END,
	WATCH_HELP
};

enum { WATCH_INPUT_MAX = 512, WATCH_FILTER_MAX = 64 };

/* What the person at the screen has done so far. Zeroed is the start. */
struct watch_ui {
	char chosen[UUID_TEXT + 1];
	bool transcript_open;
	unsigned scrolled; /* lines of the transcript above its end; 0: it follows */
	enum watch_sort sort;
	char filter[WATCH_FILTER_MAX + 1];
	enum watch_prompt prompt;
	char prompt_call[UUID_TEXT +
			 1]; /* whom the prompt is about: the choice may move meanwhile */
	char input[WATCH_INPUT_MAX + 1];
	bool refused; /* the input is no answer to the prompt */
	char notice[256];
	enum watch_style notice_style;
	int64_t notice_until_us;
	bool quit;
};

/* What the connection is doing, for the header. */
struct watch_state {
	const char *node;	/* "127.0.0.1:8080" */
	const char *connection; /* "live", "connecting", "no connection, again in 3 s (refused)" */
	bool connected;
	int64_t lag_ms; /* -1: not measured yet */
	unsigned events_per_s;
	int64_t now_us;
};

void watch_page_fini(struct watch_page *);
/* Lays out everything anew for this size; moves the choice when its call is gone. */
void watch_page_build(struct watch_page *, const struct watch_model *, struct watch_ui *,
		      const struct watch_state *, int rows, int columns);

/* Keys that are no characters. */
enum {
	WATCH_KEY_UP = 0x110000,
	WATCH_KEY_DOWN,
	WATCH_KEY_PAGE_UP,
	WATCH_KEY_PAGE_DOWN,
	WATCH_KEY_HOME,
	WATCH_KEY_END,
	WATCH_KEY_ENTER,
	WATCH_KEY_ESCAPE,
	WATCH_KEY_BACKSPACE
};

/* A command that a key asks for. */
struct watch_wish {
	bool wished;
	enum command_verb verb;
	char call[UUID_TEXT + 1];
	char text[WATCH_INPUT_MAX + 1]; /* the words; transfer: destination.h */
};
/* `key`: a code point or WATCH_KEY_*. */
void watch_page_key(struct watch_ui *, const struct watch_model *, uint32_t key,
		    struct watch_wish *);
void watch_page_notice(struct watch_ui *, enum watch_style, int64_t now_us, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

#endif
