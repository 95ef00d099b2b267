/* The running node a verb talks to: where it is, with which token, and single requests to its API
 * (docs/api.md). */
#ifndef CALLMEND_NODE_REMOTE_H
#define CALLMEND_NODE_REMOTE_H

#include "base/json.h"
#include "net/http.h"
#include "node/verbs.h"

struct remote {
	struct buf url; /* without "/" at its end */
	struct buf token;
	struct buf shown; /* "127.0.0.1:8080", for people */
};

/* EXIT_DONE, or another status after a message on stderr. remote_fini in every case. */
int remote_init(struct remote *, const struct verb_call *);
void remote_fini(struct remote *);

struct remote_answer {
	int status;
	struct buf text; /* checked JSON, or empty */
};
void remote_answer_fini(struct remote_answer *);
/* A whole answer of the API, also a refusal: 0. `key` (NULL: none) is the Idempotency-Key. Else as
 * simple_client_send. */
MUST int remote_send(struct remote *, enum http_method, const char *path, struct span body,
		     const char *key, struct remote_answer *, struct fault *f);
/* Tells on stderr why a request failed or was refused; the exit status. */
int remote_explain(struct remote *, const struct verb_call *, int rc, const struct remote_answer *,
		   const struct fault *);

/* What people call a call: our id or the provider's, a unique beginning of either (at least 4
 * characters), or the customer's number. Looks among `calls` (array of session snapshots). Returns
 * how many match; with 1, `id` is ours; otherwise `list` gets a line per candidate. Pure. */
enum { REMOTE_PREFIX_LEAST = 4 };
size_t remote_match(struct json calls, const char *word, struct buf *id, struct buf *list);
/* The same, asked of the node. EXIT_DONE, or another status after a message on stderr. */
int remote_find_call(struct remote *, const struct verb_call *, const char *word, struct buf *id);

#endif
