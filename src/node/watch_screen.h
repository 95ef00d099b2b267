/* The terminal of `callmend watch`: ncursesw draws pages and reads keys, never waiting. One at a
 * time in a process. */
#ifndef CALLMEND_NODE_WATCH_SCREEN_H
#define CALLMEND_NODE_WATCH_SCREEN_H

#include "node/watch_page.h"

/* E_UNAVAILABLE: this terminal cannot be used (the fault says why). */
MUST int watch_screen_open(struct fault *f);
void watch_screen_close(void); /* gives the terminal back; tolerates not being open */
void watch_screen_size(int *rows, int *columns); /* asks the terminal, and follows it */
void watch_screen_draw(const struct watch_page *);
/* The next key that waits: a code point or WATCH_KEY_*; false: none. */
bool watch_screen_key(uint32_t *key);

#endif
