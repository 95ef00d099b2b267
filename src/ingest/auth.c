/* Who sent this webhook? Every configured way is tried on the original bytes; all comparisons are
 * in constant time, and all ways are always computed, so that the answer's time does not tell which
 * one nearly fitted.
 *
 * Source of the HMAC options: Vapi's HMACAuthenticationPlan (docs/sources.md). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "ingest/lane.h"

struct attempt {
	const struct exchange *x;
	const struct dir_auth *auth;
	struct span body;
	int64_t now_us;
	const char *why; /* first reason of this way, for the error text */
};

static bool refuse(struct attempt *a, const char *why)
{
	a->why = why;
	return false;
}

static bool header(const struct attempt *a, struct span name, struct span *out)
{
	char z[128];

	if (name.n == 0 || name.n >= sizeof(z))
		return false;
	memcpy(z, name.p, name.n);
	z[name.n] = 0;
	return exchange_header(a->x, z, out);
}

static bool check_open(struct attempt *a)
{
	(void)a;
	return true;
}

static bool check_secret(struct attempt *a)
{
	struct span given = { 0 };

	if (!header(a, a->auth->header, &given))
		return refuse(a, "the secret's header is missing");
	return crypto_equal(given, a->auth->secret.value) || refuse(a, "the secret is wrong");
}

static bool check_bearer(struct attempt *a)
{
	struct span given = { 0 };

	if (!header(a, a->auth->header, &given))
		return refuse(a, "the bearer token's header is missing");
	if (given.n < 7 || strncasecmp(given.p, "bearer ", 7) != 0)
		return refuse(a, "the header has no \"Bearer \" before the token (for a bare token "
				 "use type secret)");
	given = span_from(given, 7);
	return crypto_equal(given, a->auth->secret.value) || refuse(a, "the bearer token is wrong");
}

/* Parts of payload_format: {body} {timestamp} {method} {url} {svix-id}. */
static void add_token(struct buf *out, const struct attempt *a, struct span token,
		      struct span stamp, struct span id)
{
	if (span_is(token, "{body}"))
		buf_add(out, a->body);
	else if (span_is(token, "{timestamp}"))
		buf_add(out, stamp);
	else if (span_is(token, "{svix-id}"))
		buf_add(out, id);
	else if (span_is(token, "{method}"))
		buf_addz(out, http_method_name(exchange_method(a->x)));
	else if (span_is(token, "{url}"))
		buf_add(out, exchange_path(a->x));
	else
		buf_add(out, token);
}

static void signed_payload(struct buf *out, const struct attempt *a, struct span stamp,
			   struct span id)
{
	struct span format = a->auth->payload_format;

	if (!a->auth->include_timestamp && span_is(format, "{timestamp}.{body}"))
		format = SPAN("{body}");
	while (format.n) {
		size_t n = 1;

		if (format.p[0] == '{') {
			const char *end = memchr(format.p, '}', format.n);

			n = end ? (size_t)(end - format.p) + 1 : format.n;
		}
		add_token(out, a, (struct span){ format.p, n }, stamp, id);
		format = span_from(format, n);
	}
}

static bool stamp_in_time(const struct attempt *a, struct span stamp)
{
	char z[40], *end;
	int64_t us;

	if (stamp.n == 0 || stamp.n >= sizeof(z))
		return false;
	memcpy(z, stamp.p, stamp.n);
	z[stamp.n] = 0;
	double v = strtod(z, &end);
	if (*end || !clock_from_number(v, &us))
		return false;
	return llabs(a->now_us - us) <= a->auth->tolerance_ms * MS_US;
}

static bool signature_fits(const struct attempt *a, struct span given, struct span stamp,
			   struct span id)
{
	struct buf payload AUTO_BUF = { 0 }, key AUTO_BUF = { 0 }, expected AUTO_BUF = { 0 };
	uint8_t mac[MAC_MAX];
	struct span secret = a->auth->secret.value;

	if (a->auth->base64_secret) {
		if (crypto_unbase64(secret, &key))
			return false;
		secret = buf_span(&key);
	}
	signed_payload(&payload, a, stamp, id);
	size_t n = crypto_hmac((enum digest)a->auth->digest, secret, buf_span(&payload), mac);
	struct span bytes = { (const char *)mac, n };
	if (a->auth->base64_signature)
		crypto_base64(bytes, &expected);
	else
		crypto_hex(bytes, &expected);
	if (a->auth->prefix.n) {
		if (!span_starts(given, a->auth->prefix))
			return false;
		given = span_from(given, a->auth->prefix.n);
	}
	return crypto_equal(given, buf_span(&expected));
}

static bool check_hmac(struct attempt *a)
{
	struct span given = { 0 }, stamp = { 0 }, id = { 0 };

	if (!header(a, a->auth->header, &given))
		return refuse(a, "the signature's header is missing");
	if (a->auth->include_timestamp && !header(a, a->auth->timestamp_header, &stamp))
		return refuse(a, "the timestamp's header is missing");
	header(a, a->auth->id_header, &id);
	if (!signature_fits(a, given, stamp, id))
		return refuse(a, "the signature does not fit the body");
	if (a->auth->include_timestamp && a->auth->tolerance_ms && !stamp_in_time(a, stamp))
		return refuse(a, "the signature's timestamp is too far from our clock");
	return true;
}

static bool (*const checks[])(struct attempt *) = {
	[AUTH_OPEN] = check_open,
	[AUTH_SECRET] = check_secret,
	[AUTH_BEARER] = check_bearer,
	[AUTH_HMAC] = check_hmac,
};

int auth_check(const struct dir_source *source, const struct exchange *x, struct span body,
	       int64_t now_us, struct fault *f)
{
	bool good = false;
	const char *why = "this source has no authentication configured and is not declared open";

	for (size_t i = 0; i < source->auth_n; i++) {
		struct attempt a = {
			.x = x, .auth = &source->auth[i], .body = body, .now_us = now_us
		};
		bool usable = a.auth->mode == AUTH_OPEN || a.auth->secret.value.n;

		if (usable && checks[a.auth->mode](&a))
			good = true;
		else if (i == 0)
			why = usable ? a.why
				     : "the secret of this source could not be read on this node";
	}
	return good ? 0 : fault(f, E_DENIED, "%s", why);
}
