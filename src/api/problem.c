#include "api/problem.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/json.h"

static const struct {
	int status;
	const char *slug, *title;
} kinds[] = {
#define X(name, status, slug, title) { status, slug, title },
	PROBLEMS(X)
#undef X
};

bool problem(struct problem *p, enum problem_kind kind, const char *fmt, ...)
{
	*p = (struct problem){ .kind = kind };
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(p->detail, sizeof(p->detail), fmt, ap);
	va_end(ap);
	return false;
}

bool problem_at(struct problem *p, enum problem_kind kind, const char *where, struct span name,
		const char *fmt, ...)
{
	*p = (struct problem){ .kind = kind, .where = where };
	snprintf(p->name, sizeof(p->name), "%.*s", SPAN_ARG(name));
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(p->detail, sizeof(p->detail), fmt, ap);
	va_end(ap);
	return false;
}

int problem_status(enum problem_kind kind)
{
	return kinds[kind].status;
}

const char *problem_slug(enum problem_kind kind)
{
	return kinds[kind].slug;
}

const char *problem_title(enum problem_kind kind)
{
	return kinds[kind].title;
}

static void write_place(const struct problem *p, struct json_out *o)
{
	json_begin_array(o, "errors");
	json_begin(o, NULL);
	json_put_z(o, "in", p->where);
	json_put_z(o, "name", p->name);
	json_put_z(o, "detail", p->detail);
	json_end(o);
	json_end_array(o);
}

void problem_write(const struct problem *p, struct span instance, struct buf *out)
{
	struct json_out o = { .b = out };
	char type[64];
	snprintf(type, sizeof(type), "urn:callmend:problem:%s", problem_slug(p->kind));
	json_begin(&o, NULL);
	json_put_z(&o, "type", type);
	json_put_z(&o, "title", problem_title(p->kind));
	json_put_i64(&o, "status", problem_status(p->kind));
	json_put_z(&o, "detail", p->detail);
	json_put_text(&o, "instance", instance);
	if (p->where)
		write_place(p, &o);
	if (p->extra_name)
		json_put_raw(&o, p->extra_name, p->extra);
	json_end(&o);
}

void problem_from_code(struct problem *p, int code, struct span detail)
{
	static const struct {
		int code;
		enum problem_kind kind;
		int retry_after_s;
		const char *detail;
	} rows[] = {
		{ E_NOT_FOUND, PROBLEM_NOT_FOUND, 0, "no such thing in this organisation" },
		{ E_DENIED, PROBLEM_NOT_FOUND, 0, "no such thing in this organisation" },
		{ E_CONFLICT, PROBLEM_CONFLICT, 0, "in conflict with the present state" },
		{ E_INVALID, PROBLEM_INVALID_BODY, 0, "the values were refused" },
		{ E_FULL, PROBLEM_UNAVAILABLE, 1, "too many requests are waiting" },
		{ E_UNAVAILABLE, PROBLEM_UNAVAILABLE, 5, "not available now" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].code != code)
			continue;
		/* What belongs to another organisation answers as what does not exist. */
		bool say = detail.n > 0 && code != E_DENIED;
		problem(p, rows[i].kind, "%.*s", SPAN_ARG(say ? detail : span_of(rows[i].detail)));
		p->retry_after_s = rows[i].retry_after_s;
		return;
	}
	problem(p, PROBLEM_INTERNAL, "%s", fault_name(code));
}
