/* Text for a terminal. What callers say and providers send is data: control characters, escape
 * sequences and direction marks never reach the terminal. Widths are columns, by the locale
 * (setlocale first). Pure apart from the locale. */
#ifndef CALLMEND_NODE_TEXT_H
#define CALLMEND_NODE_TEXT_H

#include <stdint.h>

#include "base/buf.h"

size_t text_width(struct span s);
/* At most `columns` of it, made harmless; what is cut ends with "…". Returns the columns it takes.
 */
size_t text_clip(struct buf *out, struct span s, size_t columns);
/* The same, filled with spaces. */
void text_pad(struct buf *out, struct span s, size_t columns);
/* All of it, made harmless, on one line. */
void text_clean(struct buf *out, struct span s);
/* The next line of `rest`, at most `columns` wide (at least one character), broken between words
 * where it can be. False: nothing left. */
bool text_wrap(struct span *rest, size_t columns, struct span *line);

/* "3:42", "1:02:03". */
void text_duration(struct buf *out, int64_t ms);
/* "34 ms", "1.24 s". */
void text_latency(struct buf *out, int64_t ms);

#endif
