#include "healing/thresholds.h"

static const struct {
	const char *name;
	double least, most;
	size_t offset;
} table[] = {
#define X(name, standard, least, most, doc) \
	{ #name, least, most, offsetof(struct thresholds, name) },
	THRESHOLDS(X)
#undef X
};
enum { TABLE_N = sizeof(table) / sizeof(table[0]) };

static double *value_of(struct thresholds *t, size_t i)
{
	return (double *)(void *)((char *)t + table[i].offset);
}

static size_t find(struct span name)
{
	size_t i = 0;
	while (i < TABLE_N && !span_is(name, table[i].name))
		i++;
	return i;
}

static int read_one(struct span name, struct json v, struct thresholds *out, struct fault *f)
{
	double number;
	size_t i = find(name);
	if (i == TABLE_N)
		return fault(f, E_INVALID, "%.*s: no such threshold", SPAN_ARG(name));
	if (v.kind != JSON_NUMBER || !json_f64(v, &number))
		return fault(f, E_INVALID, "%s: expected number", table[i].name);
	if (number < table[i].least || number > table[i].most)
		return fault(f, E_INVALID, "%s: must be %g to %g", table[i].name, table[i].least,
			     table[i].most);
	*value_of(out, i) = number;
	return 0;
}

int thresholds_read(struct json object, struct thresholds *out, struct fault *f)
{
	struct json_iter it = json_iter(object);
	struct span name;
	struct json v;
	*out = (struct thresholds)THRESHOLDS_STANDARD;
	if (!json_has(object))
		return 0;
	if (object.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "thresholds: expected object");
	while (json_next(&it, &name, &v))
		if (read_one(name, v, out, f))
			return fault_wrap(f, "thresholds");
	return 0;
}

void thresholds_put(const struct thresholds *t, struct json_out *o, const char *key)
{
	struct thresholds copy = *t;
	json_begin(o, key);
	for (size_t i = 0; i < TABLE_N; i++)
		json_put_f64(o, table[i].name, *value_of(&copy, i));
	json_end(o);
}
