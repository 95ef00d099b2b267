#include "ingest/rewrite.h"

#include <string.h>

#include "callmend/call_host.h"
#include "callmend/mapping.h"

typedef struct span rewriter_fn(struct rewrite *, struct span arguments);

/* --- search mappings (B3) --- */

/* Copies `object` with the text at the dotted path replaced; every other byte of a value stays. */
static void replace(struct json_out *o, const char *name, struct json object, const char *path,
		    struct span to, struct arena *a)
{
	size_t n = strcspn(path, ".");
	struct json_iter it = json_iter(object);
	struct span key;
	struct json value;

	json_begin(o, name);
	while (json_next(&it, &key, &value)) {
		const char *text = json_key(key, a);
		bool here = strlen(text) == n && strncmp(text, path, n) == 0;

		if (here && path[n] && value.kind == JSON_OBJECT)
			replace(o, text, value, path + n + 1, to, a);
		else if (here && !path[n])
			json_put_text(o, text, to);
		else
			json_put_raw(o, text, value.raw);
	}
	json_end(o);
}

static void note(struct rewrite *w, const struct dir_mapping *m, struct json said)
{
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	char id[UUID_TEXT + 1];

	uuid_format(&m->id, id);
	json_begin(&o, NULL);
	json_put_z(&o, "mapping_id", id);
	json_put_text(&o, "argument", w->tool->search_argument);
	json_put_raw(&o, "from", said.raw);
	json_put_text(&o, "to", m->mapped);
	json_end(&o);
	w->rewritten = json_of(arena_copy(w->arena, buf_span(&b)));
}

static struct span map_search(struct rewrite *w, struct span arguments)
{
	struct buf out AUTO_BUF = { 0 };
	struct json_out o = { .b = &out };

	if (!w->project || !w->project->mappings_n || !w->tool->search_argument.n)
		return arguments;
	const char *path = arena_printf(w->arena, "%.*s", SPAN_ARG(w->tool->search_argument));
	struct json said = json_path(json_of(arguments), path);
	const struct dir_mapping *m = said.kind == JSON_STRING
					      ? mapping_find(w->project, json_text(said, w->arena))
					      : NULL;
	/* What cannot be noted is not done: nobody could tell why the tool was asked for it. */
	if (!m || said.raw.n + m->mapped.n * 6 > OUTCOME_REWRITTEN_LIMIT / 2)
		return arguments;
	note(w, m, said);
	replace(&o, NULL, json_of(arguments), path, m->mapped, w->arena);
	return arena_copy(w->arena, buf_span(&out));
}

/* --- requests --- */

/* A GET tool's query string cannot carry null: absent is what the caller meant. */
static struct span drop_nulls(struct rewrite *w, struct span arguments)
{
	struct buf out AUTO_BUF = { 0 };
	struct json_out o = { .b = &out };
	struct json_iter it = json_iter(json_of(arguments));
	struct span key;
	struct json value;
	size_t nulls = 0;

	if (!span_is(w->tool->method, "GET"))
		return arguments;
	json_begin(&o, NULL);
	while (json_next(&it, &key, &value)) {
		nulls += value.kind == JSON_NULL;
		if (value.kind != JSON_NULL)
			json_put_member(&o, key, value.raw);
	}
	json_end(&o);
	return nulls ? arena_copy(w->arena, buf_span(&out)) : arguments;
}

static rewriter_fn *const rewriters[] = { map_search, drop_nulls };

struct span rewrite_arguments(struct rewrite *w, struct span arguments)
{
	for (size_t i = 0; i < sizeof(rewriters) / sizeof(rewriters[0]); i++)
		arguments = rewriters[i](w, arguments);
	return arguments;
}
