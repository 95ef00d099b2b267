/* What a language model is asked when a suggestion is to be worded. Pure. */
#ifndef CALLMEND_HEALING_MODEL_PROMPT_H
#define CALLMEND_HEALING_MODEL_PROMPT_H

#include "base/json.h"

enum {
	MODEL_PASSAGES_MAX = 5,
	MODEL_PASSAGE_BYTES = 240,
	MODEL_REJECTED_MAX = 10,
	MODEL_INSTRUCTIONS_MAX = 100 * 1024, /* bytes of JSON */
};

/* Of the form {"changes": [{"section", "add", "reason"}]}, as a JSON schema. */
extern const char model_prompt_schema[];

/* The rules, which never hold a word of a call. `mark`: a text nobody in a call can know; between
 * two of them the data stands. */
void model_prompt_system(struct span mark, struct buf *out);
/* The data, as one JSON document: the instructions by section, what goes wrong, our own draft, what
 * was rejected, and a few short passages with digits and addresses blotted out. E_TOO_LARGE: the
 * instructions are longer than MODEL_INSTRUCTIONS_MAX. */
MUST int model_prompt_user(struct json bundle, struct span mark, struct buf *out, struct fault *f);

#endif
