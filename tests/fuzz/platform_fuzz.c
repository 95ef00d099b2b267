/* What RingCentral's platform says to our own session with it: frames of the gateway, tokens,
 * errors, heads of answers. The same bytes to every reader. What is taken is well formed and
 * bounded, what is refused says why; what we write ourselves we can read; no token goes to a
 * stranger. */
#include <ctype.h>
#include <stdlib.h>

#include "connect/head.h"
#include "connect/oauth.h"
#include "connect/wsg.h"
#include "tests/fuzz/fuzz.h"

static void must(bool ok)
{
	if (!ok)
		abort();
}

static bool is_within(struct span part, struct span whole)
{
	return !part.n || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void check_request(struct span id, struct span body)
{
	struct buf b AUTO_BUF = { 0 };
	struct arena a = { 0 };
	struct wsg_frame frame;
	wsg_put_request(&b, id, "GET", "/restapi/v1.0/x", body);
	must(wsg_read(buf_span(&b), &a, &frame, NULL) == 0);
	must(frame.type == WSG_REPLY && span_eq(frame.id, id));
	must(span_eq(frame.body.raw, body));
	arena_fini(&a);
}

static void check_details(struct json body)
{
	struct wsg_details d;
	wsg_details_read(body, &d);
	const int64_t all[] = { d.recovery_s, d.idle_s, d.absolute_s, d.max_requests };
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		must(all[i] > 0 && all[i] <= WSG_SECONDS_MAX);
}

static void try_frame(struct span text)
{
	struct arena a = { 0 };
	struct fault f = { 0 };
	struct wsg_frame frame;
	int rc = wsg_read(text, &a, &frame, &f);
	must(rc == 0 || (rc == E_INVALID && f.text[0]));
	if (rc == 0) {
		bool body = frame.body.kind != JSON_NONE;
		must(!body || json_check(frame.body.raw, NULL) == 0);
		must(!body || !frame.parts.n);
		must(is_within(frame.parts, text));
		check_details(frame.body);
		check_request(frame.id, frame.body.raw);
	}
	arena_fini(&a);
}

static void try_token(struct span body)
{
	struct arena a = { 0 };
	struct fault f = { 0 }, g = { 0 };
	struct oauth_token token;
	struct oauth_ws ws;
	if (oauth_read(body, &a, &token, &f)) {
		must(f.text[0]);
	} else {
		must(token.access.n && token.lives_s > 0 && token.lives_s <= OAUTH_LIVES_MAX_S);
		must(token.refresh_lives_s > 0 && token.refresh_lives_s <= OAUTH_LIVES_MAX_S);
		must(oauth_ahead_s(token.lives_s) <= token.lives_s);
	}
	must(oauth_read_ws(body, &a, &ws, &g) == 0 ? ws.access.n > 0 : g.text[0] != 0);
	arena_fini(&a);
}

static void check_printable(const char *text, size_t size)
{
	size_t n = strnlen(text, size);
	must(n < size);
	for (size_t i = 0; i < n; i++)
		must(isprint((unsigned char)text[i]));
}

static void try_error(struct span body)
{
	struct platform_error e;
	platform_error_read(body, &e);
	check_printable(e.code, sizeof(e.code));
	check_printable(e.text, sizeof(e.text));
}

/* Encoded, it is one value of a form. Carried, it goes to the platform and to nobody else. */
static void try_address(struct span url)
{
	const struct span base = SPAN("https://platform.ringcentral.com");
	struct buf b AUTO_BUF = { 0 };
	buf_add_percent(&b, url, BUF_IN_VALUE);
	for (size_t i = 0; i < b.n; i++)
		must(isalnum((unsigned char)b.p[i]) || strchr("%-._~", b.p[i]));
	struct span origin = oauth_origin(url);
	if (!oauth_may_carry(base, url))
		return;
	must(oauth_is_plain(origin) && span_starts(origin, SPAN("https://")));
	must(memmem(origin.p, origin.n, ".ringcentral.com", 16) != NULL);
}

static void try_head(struct span head)
{
	struct rate_answer r;
	must(head_date_us(head) >= 0 && head_time_us(head) >= 0);
	head_rate(head, 429, &r);
	must(r.group <= RATE_NONE && r.limit >= -1 && r.remaining >= -1);
	must(r.window_s >= -1 && r.retry_after_s >= -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	/* A copy of its exact size, so that a read behind the end is noticed. */
	char *copy = malloc(n ? n : 1);
	struct span text = { memcpy(copy, n ? (const void *)data : "", n), n };
	try_frame(text);
	try_token(text);
	try_error(text);
	try_address(text);
	try_head(text);
	free(copy);
	return 0;
}
