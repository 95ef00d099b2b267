/* A Vapi assistant as far as its instructions go: where its system message is, and how it is
 * changed without touching anything else. PATCH replaces each member that is sent whole, hence the
 * complete model is sent back. Pure. */
#ifndef CALLMEND_HEALING_APPLY_ASSISTANT_H
#define CALLMEND_HEALING_APPLY_ASSISTANT_H

#include "base/json.h"

struct apply_assistant {
	struct json model; /* as it was fetched */
	struct span text;  /* of its first system message, or of the older member systemPrompt;
			      empty: none */
};

/* Texts live in the arena or in `assistant`. E_INVALID: there is no model, or its system message is
 * no text. */
MUST int apply_assistant_read(struct json assistant, struct arena *a, struct apply_assistant *out,
			      struct fault *f);
/* Appends the body of a PATCH that makes `text` its system message. */
void apply_assistant_write(const struct apply_assistant *, struct span text, struct buf *out);
/* The same but for white space around it. */
bool apply_assistant_same(struct span a, struct span b);
/* Is it one of these texts? `known`: array of SHA-256 in hex, of texts without white space around
 * them. No text at all is known to everybody. */
bool apply_assistant_known(struct span text, struct json known);
/* Does it take the instructions as a variable: {{instructions}}, {{ instructions | filter }}? */
bool apply_assistant_by_variable(struct span text);

#endif
