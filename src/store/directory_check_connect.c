/* What may be stored as the "connect" of a source: its session with the platform. */
#include <stdio.h>

#include "store/directory_rows.h"

enum { FILTERS_MAX = 50, FILTER_BYTES_MAX = 500, ID_BYTES_MAX = 200, NUMBER_DIGITS_MAX = 15 };

static int check_events(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const char *const words[] = { "websocket", "webhook", "none", NULL };
	(void)a;
	return directory_check_one_of(v, words, at, f);
}

static int check_channels(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const char *const words[] = { "customer,assistant", "assistant,customer", NULL };
	(void)a;
	return directory_check_one_of(v, words, at, f);
}

static int check_first_voice(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const char *const words[] = { "ours", "customer", "answerer", NULL };
	(void)a;
	return directory_check_one_of(v, words, at, f);
}

static int check_id(struct json v, const char *at, struct arena *a, struct fault *f)
{
	TRY(directory_check_text(v, at, a, f));
	struct span id = json_text(v, a);
	bool ok = id.n > 0 && id.n <= ID_BYTES_MAX;
	for (size_t i = 0; i < id.n && ok; i++)
		ok = (unsigned char)id.p[i] > ' ' && id.p[i] != ':' && id.p[i] != 127;
	return ok ? 0
		  : fault(f, E_INVALID,
			  "%s: must be a text of 1 to %d bytes without blanks or colon", at,
			  ID_BYTES_MAX);
}

static int check_filter(struct json v, const char *at, struct arena *a, struct fault *f)
{
	struct span filter = json_text(v, a);
	bool ok = filter.n > 1 && filter.n <= FILTER_BYTES_MAX && filter.p[0] == '/';
	for (size_t i = 0; i < filter.n && ok; i++)
		ok = (unsigned char)filter.p[i] > ' ' && filter.p[i] != 127;
	return ok ? 0
		  : fault(f, E_INVALID, "%s: must be an event filter, a path of at most %d bytes",
			  at, FILTER_BYTES_MAX);
}

static int check_filters(struct json v, const char *at, struct arena *a, struct fault *f)
{
	struct json_iter it = json_iter(v);
	struct span key;
	struct json filter;
	char path[96];
	TRY(directory_check_kind(v, JSON_ARRAY, "an array", at, f));
	if (json_count(v) > FILTERS_MAX)
		return fault(f, E_INVALID, "%s: at most %d filters", at, FILTERS_MAX);
	for (unsigned i = 0; json_next(&it, &key, &filter); i++) {
		snprintf(path, sizeof(path), "%.80s[%u]", at, i);
		TRY(check_filter(filter, path, a, f));
	}
	return 0;
}

static int check_number(struct json v, const char *at, struct arena *a, struct fault *f)
{
	struct span number = json_text(v, a);
	bool ok = number.n > 1 && number.n <= NUMBER_DIGITS_MAX + 1 && number.p[0] == '+';
	for (size_t i = 1; i < number.n && ok; i++)
		ok = number.p[i] >= '0' && number.p[i] <= '9';
	return ok || json_is_text(v, "")
		       ? 0
		       : fault(f, E_INVALID, "%s: must be a number as +15550100, or \"\"", at);
}

static int check_after(struct json v, const char *at, struct arena *a, struct fault *f)
{
	(void)a;
	return directory_check_between(v, 1, 3600, at, f);
}

int directory_check_connect(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const struct directory_rule rules[] = { { "client_id", check_id },
						       { "client_secret", directory_check_secret },
						       { "jwt", directory_check_secret },
						       { "events", check_events },
						       { "address", directory_check_url },
						       { "verification", directory_check_secret },
						       { "filters", check_filters },
						       { "from_number", check_number },
						       { "account", check_id },
						       { "platform", directory_check_url },
						       { "after_s", check_after },
						       { "recordings", directory_check_bool },
						       { "recording_channels", check_channels },
						       { "recording_first_voice",
							 check_first_voice },
						       { "insights", directory_check_bool },
						       { NULL, NULL } };
	static const char *const needed[] = { "client_id", "client_secret", "jwt", NULL };
	TRY(directory_check_object(v, at, a, f));
	TRY(directory_check_members(v, rules, at, a, f));
	for (const char *const *name = needed; *name; name++)
		if (!json_has(json_get(v, *name)))
			return fault(f, E_INVALID, "%s.%s: is needed", at, *name);
	return 0;
}
