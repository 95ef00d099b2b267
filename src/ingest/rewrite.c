#include "ingest/rewrite.h"

typedef struct span rewriter_fn(const struct dir_tool *, struct span arguments, struct arena *);

/* A GET tool's query string cannot carry null: absent is what the caller meant. */
static struct span drop_nulls(const struct dir_tool *tool, struct span arguments, struct arena *a)
{
	struct buf out = { 0 };
	struct json_out o = { .b = &out };
	struct json_iter it = json_iter(json_of(arguments));
	struct span key;
	struct json value;
	size_t nulls = 0;

	if (!span_is(tool->method, "GET"))
		return arguments;
	json_begin(&o, NULL);
	while (json_next(&it, &key, &value)) {
		nulls += value.kind == JSON_NULL;
		if (value.kind != JSON_NULL)
			json_put_raw(&o, arena_printf(a, "%.*s", SPAN_ARG(key)), value.raw);
	}
	json_end(&o);
	struct span result = nulls ? arena_copy(a, buf_span(&out)) : arguments;
	buf_free(&out);
	return result;
}

static rewriter_fn *const rewriters[] = { drop_nulls };

struct span rewrite_arguments(const struct dir_tool *tool, struct span arguments, struct arena *a)
{
	for (size_t i = 0; i < sizeof(rewriters) / sizeof(rewriters[0]); i++)
		arguments = rewriters[i](tool, arguments, a);
	return arguments;
}

void rewrite_percent(struct buf *out, struct span text)
{
	static const char safe[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] && strchr(safe, text.p[i]))
			buf_addc(out, text.p[i]);
		else
			buf_printf(out, "%%%02X", (unsigned char)text.p[i]);
	}
}
