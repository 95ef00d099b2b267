/* What a language model has answered, as changes of instructions. Pure.
 *
 * The form makes the worst impossible: an answer names lines to add, and the present text of a
 * section is ours, not what the model says it is. So nothing can be removed or replaced. */
#ifndef CALLMEND_HEALING_MODEL_ANSWER_H
#define CALLMEND_HEALING_MODEL_ANSWER_H

#include "base/json.h"

enum { MODEL_LINES_MAX = 6 };

/* {"changes": [{"section", "add", "reason"}]} and the present sections -> [{section, current,
 * suggested, reason}]. E_INVALID says what is wrong: a member that is missing, unknown or no text,
 * too many changes, no lines or too many, a heading, a control character, something to delete, or a
 * template variable, which the provider would fill in. */
MUST int model_answer_changes(struct json answer, struct json sections, struct buf *changes,
			      struct fault *f);

#endif
