/* Ids are texts or numbers, names of codes come in any case, zones with and without a colon. */
#include <strings.h>

#include "base/clock.h"
#include "dialect/ringcentral_parts.h"

struct span rc_text(struct json v, struct arena *a)
{
	return v.kind == JSON_NUMBER ? v.raw : json_text(v, a);
}

struct span rc_text_at(struct json object, const char *path, struct arena *a)
{
	return rc_text(json_path(object, path), a);
}

static bool has_short_zone(struct span iso)
{
	const char *zone = iso.n > 5 ? iso.p + iso.n - 5 : NULL;
	return zone && (*zone == '+' || *zone == '-') && !memchr(zone, ':', 5) &&
	       memchr(iso.p, 'T', iso.n);
}

int64_t rc_time(struct json v, struct arena *a)
{
	struct span iso = json_text(v, a);
	int64_t us = 0;
	if (has_short_zone(iso))
		iso = span_of(
			arena_printf(a, "%.*s:%.2s", (int)iso.n - 2, iso.p, iso.p + iso.n - 2));
	return clock_parse(iso, &us) && us > 0 ? us : 0;
}

bool rc_same(struct span a, const char *b)
{
	return a.n == strlen(b) && strncasecmp(a.p ? a.p : "", b, a.n) == 0;
}

struct span rc_lower(struct span text, struct arena *a)
{
	char *out = arena_alloc(a, text.n + 1);
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		out[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	return (struct span){ out, text.n };
}
