/* One question to a language model behind an OpenAI-compatible chat endpoint (options model.*), one
 * answer that is a JSON object. For threads that may wait, never on a shard.
 *
 * The answer is what a stranger says: it is proven to be JSON and nothing more. Who asks checks
 * what it says. */
#ifndef CALLMEND_LLM_CHAT_H
#define CALLMEND_LLM_CHAT_H

#include "base/config.h"

enum {
	CHAT_PROMPT_MAX = 256 * 1024, /* bytes of both texts */
	CHAT_ANSWER_MAX = 256 * 1024, /* bytes of the HTTP body */
	CHAT_PAUSE_MOST_MS = 20 * 1000,
	CHAT_PAUSES = 2,
};

struct chat_request {
	struct span system, user;
	const char *name;   /* of the answer's form, for the server: a-z and _ */
	struct span schema; /* its JSON schema: an object, strict */
	/* Told before a pause that the server asks for (429): waits so long. False: gives up, the
	 * answer is E_FULL. NULL: never waits. */
	bool (*wait)(void *user, int64_t ms);
	void *wait_user;
};

struct chat_usage {
	int64_t prompt_tokens, completion_tokens; /* estimated when the server does not say */
	double cost;				  /* US dollars, by the configured prices */
};

/* Are model.url and model.name given? */
bool chat_configured(const struct config *);
/* The most that this request may cost, in US dollars. */
double chat_dearest(const struct config *, const struct chat_request *);
/* `content` receives the checked JSON object (emptied first). `usage` is filled in also when it
 * fails: with zeros when the server has surely done nothing for it, else with estimates.
 *
 * E_FULL: too many requests, and waiting was no use. E_TIMEOUT. E_TOO_LARGE: question or answer too
 * long. E_CORRUPT: no JSON, or not in the form of a chat answer. E_DENIED: key, model or path
 * refused, or the model refuses to answer. E_INVALID: the server does not take such a request in
 * any form. E_UNAVAILABLE, E_IO: not reached, or broken. */
MUST int chat_ask(const struct config *, const struct chat_request *, struct buf *content,
		  struct chat_usage *usage, struct fault *f);

#endif
