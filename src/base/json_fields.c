/* One walk over the object serves all fields of a table: nested objects are entered only where a
 * path leads and the walk ends when nothing is left to find. As with json_path(), the first member
 * of a name counts. */
#include "base/json.h"
#include "base/json_internal.h"

struct reading {
	const struct json_field *fields;
	size_t n;
	uint64_t open; /* fields neither found nor known to be absent */
	uint64_t found;
	struct arena *arena;
	char *out;
	struct fault *f;
};

static const char *const kind_names[] = {
	[JSON_NONE] = "nothing", [JSON_NULL] = "null",	   [JSON_FALSE] = "false",
	[JSON_TRUE] = "true",	 [JSON_NUMBER] = "number", [JSON_STRING] = "string",
	[JSON_ARRAY] = "array",	 [JSON_OBJECT] = "object",
};

static bool read_text(struct json v, struct arena *a, void *to)
{
	if (v.kind != JSON_STRING)
		return false;
	*(struct span *)to = json_text(v, a);
	return true;
}

static bool read_raw(struct json v, struct arena *a, void *to)
{
	(void)a;
	*(struct json *)to = v;
	return true;
}

static bool read_i64(struct json v, struct arena *a, void *to)
{
	(void)a;
	return json_i64(v, to);
}

static bool read_f64(struct json v, struct arena *a, void *to)
{
	(void)a;
	return json_f64(v, to);
}

static bool read_bool(struct json v, struct arena *a, void *to)
{
	(void)a;
	*(bool *)to = json_true(v);
	return json_true(v) || v.kind == JSON_FALSE || json_is_text(v, "false");
}

struct reader {
	const char *wants;
	bool (*read)(struct json v, struct arena *a, void *to);
};

static const struct reader readers[] = {
	[JSON_F_TEXT] = { "string", read_text },  [JSON_F_RAW] = { "value", read_raw },
	[JSON_F_I64] = { "integer", read_i64 },	  [JSON_F_F64] = { "number", read_f64 },
	[JSON_F_BOOL] = { "boolean", read_bool },
};

static int read_field(struct reading *r, size_t i, struct json v)
{
	const struct json_field *field = &r->fields[i];
	r->open &= ~(UINT64_C(1) << i);
	if (v.kind == JSON_NULL)
		return 0;
	const struct reader *reader = &readers[field->type];
	if (!reader->read(v, r->arena, r->out + field->offset))
		return fault(r->f, E_INVALID, "%s: expected %s, found %s", field->path,
			     reader->wants, kind_names[v.kind]);
	r->found |= UINT64_C(1) << i;
	return 0;
}

/* What a member means to the table: fields that end here, and fields that lie deeper. */
struct match {
	uint64_t here, deeper;
	const char *prefix; /* of the deeper ones, up to and with the next dot */
	size_t prefix_n;
};

static struct match match_key(const struct reading *r, struct span prefix, struct span key)
{
	struct match m = { 0 };
	for (uint64_t left = r->open; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);
		const char *path = r->fields[i].path;
		if (strncmp(path, prefix.p, prefix.n) != 0)
			continue;
		const char *name = path + prefix.n;
		size_t n = strcspn(name, ".");
		if (!json_key_is(key, (struct span){ name, n }))
			continue;
		if (name[n] == '\0') {
			m.here |= UINT64_C(1) << i;
			continue;
		}
		m.deeper |= UINT64_C(1) << i;
		m.prefix = path;
		m.prefix_n = prefix.n + n + 1;
	}
	return m;
}

/* Recursion as deep as the longest path of the table. */
static int read_level(struct reading *r, struct span prefix, struct json object)
{
	struct json_iter it = json_iter(object);
	struct span key;
	struct json value;
	while (r->open && json_next(&it, &key, &value)) {
		struct match m = match_key(r, prefix, key);
		for (uint64_t left = m.here; left; left &= left - 1)
			TRY(read_field(r, (size_t)__builtin_ctzll(left), value));
		if (m.deeper && value.kind == JSON_OBJECT)
			TRY(read_level(r, (struct span){ m.prefix, m.prefix_n }, value));
		r->open &= ~m.deeper;
	}
	return 0;
}

int json_read(const struct json_field *fields, size_t n, struct json object, struct arena *a,
	      void *out, struct fault *f)
{
	CHECK(n > 0 && n <= JSON_FIELDS_MAX);
	if (object.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "expected object, found %s", kind_names[object.kind]);
	struct reading r = { .fields = fields, .n = n, .arena = a, .out = out, .f = f };
	r.open = UINT64_MAX >> (64 - n);
	TRY(read_level(&r, (struct span){ "", 0 }, object));
	for (size_t i = 0; i < n; i++)
		if (fields[i].need == JSON_REQUIRED && !(r.found >> i & 1))
			return fault(f, E_INVALID, "%s: missing", fields[i].path);
	return 0;
}
