/* Answers that show two texts side by side. */
#ifndef CALLMEND_API_COMPARED_H
#define CALLMEND_API_COMPARED_H

struct request;
struct store_answer;

/* An endpoint's `answered`: the statement's object with one member more, "diff": its "before" and
 * "after" as diff_unified() shows them. */
void compared_answer(struct request *, const struct store_answer *);

#endif
