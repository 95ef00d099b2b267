#include "stored_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct kit *kit;

static void put_tokens(void)
{
	sql("insert into organisations (id, name) values ('" KIT_ORG_2 "', 'other');"
	    "insert into api_tokens (org_id, name, role, hash) select o::uuid, n, r, sha256(('cm_' "
	    "|| n)::bytea) from (values "
	    "('" KIT_ORG "', 'viewer', 'viewer'), ('" KIT_ORG
	    "', 'supervisor', 'supervisor'), ('" KIT_ORG "', 'manager', 'manager'),"
	    "('" KIT_ORG "', 'admin', 'admin'), ('" KIT_ORG_2
	    "', 'other', 'admin')) as t(o, n, r)");
}

static void wait_for_tokens(void)
{
	struct reply r = { 0 };
	time_t until = time(NULL) + 20;
	while (kit_ask(kit, "GET", "/api/v1/whoami", KIT_OTHER_ORG, NULL, &r) != 200)
		if (time(NULL) > until)
			fail_msg("the directory has not come: %d", r.status);
	reply_free(&r);
}

int stored_begin(void **state, void (*seed)(void))
{
	if (fixture_start_migrated(state))
		return -1;
	put_tokens();
	seed();
	kit = calloc(1, sizeof(*kit));
	kit->store_url = fixture_url();
	kit_start(kit);
	wait_for_tokens();
	return 0;
}

int stored_end(void **state)
{
	kit_stop(kit);
	free(kit);
	return fixture_stop(state);
}

struct json ask(struct reply *r, const char *method, const char *path, const char *pattern,
		const char *token, const char *body, int status)
{
	char plain[256];
	snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(path, "?"), path);
	if (kit_ask(kit, method, path, token, body, r) != status)
		fail_msg("%s %s: %d, expected %d: %.*s", method, path, r->status, status,
			 SPAN_ARG(buf_span(&r->body)));
	kit_expect_promised(kit, r, method, pattern ? pattern : plain);
	return kit_json(r);
}

struct json item(struct json list, size_t i)
{
	struct json_iter it = json_iter(list);
	struct span key;
	struct json v = { 0 };
	for (size_t n = 0; n <= i; n++)
		if (!json_next(&it, &key, &v))
			fail_msg("no item %zu in %.*s", i, SPAN_ARG(list.raw));
	return v;
}

const char *under(char out[200], const char *fmt, const char *id)
{
	snprintf(out, 200, fmt, id);
	return out;
}
