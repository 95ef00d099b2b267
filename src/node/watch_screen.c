#include "node/watch_screen.h"

#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <sys/ioctl.h>
#include <term.h>
#include <unistd.h>
#include <wchar.h>

#undef columns /* term.h has macros of many names */

enum { ESCAPE_MS = 25 };

static SCREEN *screen;

static const struct {
	short fore, back;
	attr_t attributes;
} looks[WATCH_STYLES] = {
	[WATCH_PLAIN] = { -1, -1, A_NORMAL },
	[WATCH_BAR] = { COLOR_WHITE, COLOR_BLUE, A_BOLD },
	[WATCH_HEAD] = { COLOR_BLACK, COLOR_WHITE, A_NORMAL },
	[WATCH_CHOSEN] = { -1, -1, A_REVERSE },
	[WATCH_DIM] = { -1, -1, A_DIM },
	[WATCH_AI] = { COLOR_CYAN, -1, A_NORMAL },
	[WATCH_USER] = { COLOR_YELLOW, -1, A_NORMAL },
	[WATCH_PARTIAL_AI] = { COLOR_CYAN, -1, A_DIM },
	[WATCH_PARTIAL_USER] = { COLOR_YELLOW, -1, A_DIM },
	[WATCH_GOOD] = { COLOR_GREEN, -1, A_NORMAL },
	[WATCH_WARN] = { COLOR_MAGENTA, -1, A_BOLD },
	[WATCH_BAD] = { COLOR_RED, -1, A_BOLD },
	[WATCH_NOTE] = { COLOR_BLUE, -1, A_BOLD },
};

static void set_colours(void)
{
	if (!has_colors())
		return;
	start_color();
	use_default_colors();
	for (int i = 0; i < WATCH_STYLES; i++)
		init_pair((short)(i + 1), looks[i].fore, looks[i].back);
}

int watch_screen_open(struct fault *f)
{
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return fault(f, E_UNAVAILABLE,
			     "this terminal is not known (TERM); --plain works everywhere");
	set_term(screen);
	set_escdelay(ESCAPE_MS);
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_colours();
	return 0;
}

void watch_screen_close(void)
{
	if (!screen)
		return;
	endwin();
	delscreen(screen);
	screen = NULL;
}

void watch_screen_size(int *height, int *width)
{
	struct winsize w;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row && w.ws_col &&
	    is_term_resized(w.ws_row, w.ws_col))
		resizeterm(w.ws_row, w.ws_col);
	getmaxyx(stdscr, *height, *width);
}

static void set_look(enum watch_style style)
{
	attr_set(looks[style].attributes, has_colors() ? (short)(style + 1) : 0, NULL);
}

void watch_screen_draw(const struct watch_page *p)
{
	erase();
	for (const struct watch_piece *piece = p->first; piece; piece = piece->next) {
		set_look(piece->style);
		mvaddstr(piece->row, piece->column, piece->text);
	}
	set_look(WATCH_PLAIN);
	curs_set(p->cursor_row >= 0);
	if (p->cursor_row >= 0)
		move(p->cursor_row, p->cursor_column);
	refresh();
}

static const struct {
	wint_t code;
	uint32_t key;
} special[] = {
	{ KEY_UP, WATCH_KEY_UP },	  { KEY_DOWN, WATCH_KEY_DOWN },
	{ KEY_PPAGE, WATCH_KEY_PAGE_UP }, { KEY_NPAGE, WATCH_KEY_PAGE_DOWN },
	{ KEY_HOME, WATCH_KEY_HOME },	  { KEY_END, WATCH_KEY_END },
	{ KEY_ENTER, WATCH_KEY_ENTER },	  { KEY_BACKSPACE, WATCH_KEY_BACKSPACE },
};
static const struct {
	wint_t code;
	uint32_t key;
} controls[] = {
	{ '\r', WATCH_KEY_ENTER },    { '\n', WATCH_KEY_ENTER },  { 27, WATCH_KEY_ESCAPE },
	{ 127, WATCH_KEY_BACKSPACE }, { 8, WATCH_KEY_BACKSPACE },
};

static bool special_key(wint_t code, uint32_t *key)
{
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
		if (special[i].code == code) {
			*key = special[i].key;
			return true;
		}
	}
	return false;
}

static uint32_t plain_key(wint_t code)
{
	for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++) {
		if (controls[i].code == code)
			return controls[i].key;
	}
	return (uint32_t)code;
}

bool watch_screen_key(uint32_t *key)
{
	wint_t code;
	int kind;

	while ((kind = get_wch(&code)) != ERR) {
		if (kind == OK) {
			*key = plain_key(code);
			return true;
		}
		if (special_key(code, key))
			return true;
	}
	return false;
}
