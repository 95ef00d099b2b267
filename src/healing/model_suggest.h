/* A language model's wording of a suggestion (docs/model.md). The model is a stranger: it is told
 * as little as it needs, and what it answers can only add lines. */
#ifndef CALLMEND_HEALING_MODEL_SUGGEST_H
#define CALLMEND_HEALING_MODEL_SUGGEST_H

#include "base/buf.h"
#include "callmend/job.h"

/* `bundle`: as in healing/suggest.h. `changes` receives [{section, current, suggested, reason}],
 * whose form is proven and whose contents are not: suggest_check() is for them. `usage` receives
 * {model, prompt_tokens, completion_tokens, cost}, also when it fails after the model was asked.
 * Blocks for up to the job's lease; claim it for three usual ones.
 *
 * E_NOT_FOUND: no model is configured, nothing was done. E_FULL: the cap of the day is reached, or
 * the server has too many requests. Else as chat_ask(). */
MUST int model_suggest(struct job_context *, struct json bundle, struct buf *changes,
		       struct buf *usage, struct fault *f);

#endif
