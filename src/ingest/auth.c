/* Who sent this webhook, or opens this socket? Every configured way is tried on the original bytes;
 * all comparisons are in constant time, and all ways are always computed, so that the answer's time
 * does not tell which one nearly fitted.
 *
 * X-Twilio-Signature is base64(HMAC-SHA1(auth token, URL)) of an upgrade: the URL as the caller
 * used it, so the public one by configuration, with the path and query of the request, in each of
 * the manners they may have been encoded (signed_url.h). Twilio's own libraries take it with and
 * without the port; so do we (twilio-node, src/webhooks/webhooks.ts).
 *
 * Source of the HMAC options: Vapi's HMACAuthenticationPlan (docs/sources.md). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "ingest/lane.h"
#include "ingest/signed_url.h"

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

/* "user:password", whole: the length of the user is no secret. */
static bool check_basic(struct attempt *a)
{
	struct buf expected AUTO_BUF = { 0 }, pair AUTO_BUF = { 0 };
	struct span given = { 0 };

	if (!header(a, a->auth->header, &given))
		return refuse(a, "the header with user and password is missing");
	if (given.n < 6 || strncasecmp(given.p, "basic ", 6) != 0)
		return refuse(a, "the header has no \"Basic \" before user and password");
	buf_add(&pair, a->auth->user);
	buf_addc(&pair, ':');
	buf_add(&pair, a->auth->secret.value);
	crypto_base64(buf_span(&pair), &expected);
	return crypto_equal(span_from(given, 6), buf_span(&expected)) ||
	       refuse(a, "user or password is wrong");
}

/* Any part of what follows the source's name; all are compared. */
static bool check_path(struct attempt *a)
{
	struct span rest = exchange_param(a->x, "rest");
	bool good = false;

	while (rest.n) {
		const char *slash = memchr(rest.p, '/', rest.n);
		size_t n = slash ? (size_t)(slash - rest.p) : rest.n;

		good |= crypto_equal((struct span){ rest.p, n }, a->auth->secret.value);
		rest = span_from(rest, n + 1);
	}
	return good || refuse(a, "the path does not have the secret");
}

/* wss://host[:port] and what stands behind it. */
static size_t host_end(struct span url)
{
	const char *slashes = memmem(url.p, url.n, "://", 3);
	struct span rest = slashes ? span_from(url, (size_t)(slashes - url.p) + 3) : url;
	const char *colon = rest.n ? memrchr(rest.p, ':', rest.n) : NULL;
	bool is_port = colon && !memchr(colon, ']', (size_t)(rest.p + rest.n - colon));

	return is_port ? (size_t)(colon - url.p) : url.n;
}

static bool mac_fits(const struct attempt *a, struct span text, struct span given)
{
	struct buf expected AUTO_BUF = { 0 };
	uint8_t mac[MAC_MAX];
	size_t n = crypto_hmac(DIGEST_SHA1, a->auth->secret.value, text, mac);

	crypto_base64((struct span){ (const char *)mac, n }, &expected);
	return crypto_equal(given, buf_span(&expected));
}

static bool twilio_fits(const struct attempt *a, struct span host, const char *port,
			struct span given)
{
	struct buf url AUTO_BUF = { 0 }, before AUTO_BUF = { 0 };
	bool good = false;

	for (unsigned i = 0; i < signed_url_manners(); i++) {
		buf_clear(&url);
		buf_add(&url, host);
		buf_addz(&url, port);
		signed_url_add(a->x, i, &url);
		/* Nearly always there is nothing to encode. */
		if (!span_eq(buf_span(&url), buf_span(&before)))
			good |= mac_fits(a, buf_span(&url), given);
		buf_clear(&before);
		buf_add(&before, buf_span(&url));
	}
	return good;
}

static bool check_twilio(struct attempt *a)
{
	struct span given = { 0 }, url = a->auth->public_url;
	size_t end = host_end(url);
	struct span host = { url.p, end };

	if (exchange_method(a->x) != HTTP_GET)
		return refuse(a, "type twilio is for sockets of live audio only");
	if (!header(a, a->auth->header, &given))
		return refuse(a, "X-Twilio-Signature is missing");
	bool bare = twilio_fits(a, host, "", given);
	bool usual = twilio_fits(a, host, span_starts(url, SPAN("wss")) ? ":443" : ":80", given);
	bool as_is = twilio_fits(a, url, "", given);
	return bare || usual || as_is ||
	       refuse(a, "the signature does not fit public_url and path of this socket");
}

static bool (*const checks[])(struct attempt *) = {
	[AUTH_OPEN] = check_open,     [AUTH_SECRET] = check_secret, [AUTH_BEARER] = check_bearer,
	[AUTH_HMAC] = check_hmac,     [AUTH_BASIC] = check_basic,   [AUTH_PATH] = check_path,
	[AUTH_TWILIO] = check_twilio,
};

/* The token that a webhook subscription was made with comes back with every delivery. Its header is
 * called Verification-Token, and on one page of RingCentral's guide Validation-Token. */
static bool is_verified(const struct dir_source *source, const struct exchange *x)
{
	struct span token = source->connect.verification.value, given = { 0 }, other = { 0 };

	exchange_header(x, "verification-token", &given);
	exchange_header(x, "validation-token", &other);
	bool one = crypto_equal(given, token), two = crypto_equal(other, token);
	return token.n && (one || two);
}

int auth_check(const struct dir_source *source, const struct exchange *x, struct span body,
	       int64_t now_us, struct fault *f)
{
	bool good = is_verified(source, x);
	const char *why =
		source->connect.verification.value.n
			? "the Verification-Token is missing or wrong"
			: "this source has no authentication configured and is not declared open";

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
