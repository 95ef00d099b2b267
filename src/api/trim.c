#include "api/trim.h"

#include <stdio.h>

enum { SHARES = 8 };

static void put_tail(struct json_out *o, const char *key, struct json array, size_t room)
{
	struct json_iter it = json_iter(array);
	struct span none;
	struct json item;
	size_t left = array.raw.n;
	json_begin_array(o, key);
	while (json_next(&it, &none, &item)) {
		if (left <= room)
			json_put_raw(o, NULL, item.raw);
		/* what stands behind this element, and the brackets */
		left = (size_t)(array.raw.p + array.raw.n - (item.raw.p + item.raw.n));
	}
	json_end_array(o);
}

void trim_call(struct json call, size_t room, struct buf *out)
{
	struct json_out o = { .b = out };
	struct json_iter it = json_iter(call);
	struct span key;
	struct json value;
	json_begin(&o, NULL);
	while (json_next(&it, &key, &value)) {
		char name[64];
		snprintf(name, sizeof(name), "%.*s", SPAN_ARG(key));
		if (value.raw.n <= room / SHARES)
			json_put_raw(&o, name, value.raw);
		else if (value.kind == JSON_ARRAY)
			put_tail(&o, name, value, room / SHARES);
		else
			json_put_null(&o, name);
	}
	json_put_bool(&o, "trimmed", true);
	json_end(&o);
}
