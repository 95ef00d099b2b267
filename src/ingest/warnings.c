/* What calls have shown about a source's configuration at the provider, since this core started.
 * Written by owners, read by the API; a mutex, because both are rare. At most one entry per source
 * and text, LIMIT in all. */
#include <pthread.h>
#include <stdlib.h>

#include "ingest/lane.h"

enum { LIMIT = 1024 };

struct note {
	struct uuid source;
	struct buf json;
};

struct warnings {
	pthread_mutex_t lock;
	struct note notes[LIMIT];
	size_t n;
};

struct warnings *warnings_new(void)
{
	struct warnings *w = calloc(1, sizeof(*w));

	CHECK(w);
	pthread_mutex_init(&w->lock, NULL);
	return w;
}

void warnings_free(struct warnings *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->n; i++)
		buf_free(&w->notes[i].json);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static bool known(const struct warnings *w, const struct uuid *source, struct span json)
{
	for (size_t i = 0; i < w->n; i++) {
		if (uuid_eq(&w->notes[i].source, source) &&
		    span_eq(buf_span(&w->notes[i].json), json))
			return true;
	}
	return false;
}

void warnings_note(struct warnings *w, const struct uuid *source, const struct event *e)
{
	pthread_mutex_lock(&w->lock);
	if (w->n < LIMIT && !known(w, source, e->data)) {
		struct note *n = &w->notes[w->n++];

		n->source = *source;
		buf_add(&n->json, e->data);
	}
	pthread_mutex_unlock(&w->lock);
}

void live_source_warnings(struct live *live, struct shard *here, const struct uuid *source,
			  struct buf *out)
{
	struct warnings *w = live->in->warnings;
	struct json_out o = { .b = out };

	(void)here;
	json_begin_array(&o, NULL);
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < w->n; i++) {
		if (uuid_eq(&w->notes[i].source, source))
			json_put_raw(&o, NULL, buf_span(&w->notes[i].json));
	}
	pthread_mutex_unlock(&w->lock);
	json_end_array(&o);
}
