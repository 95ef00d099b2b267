/* Who sent this webhook (issue "Vapi, in": shared secret, bearer, HMAC with all its options,
 * several at once, on the original bytes). The exchange is played by this file: a list of headers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "ingest/lane.h"

struct exchange {
	struct {
		const char *name, *value;
	} headers[8];
};

static struct {
	bool upgrade;		 /* GET, of a socket */
	const char *path, *rest; /* NULL: of a webhook, none */
	const char *query[2];	 /* name, value */
} on_socket;

bool exchange_header(const struct exchange *x, const char *name, struct span *out)
{
	for (size_t i = 0; i < 8 && x->headers[i].name; i++) {
		if (strcmp(x->headers[i].name, name) == 0) {
			*out = span_of(x->headers[i].value);
			return true;
		}
	}
	return false;
}

enum http_method exchange_method(const struct exchange *x)
{
	(void)x;
	return on_socket.upgrade ? HTTP_GET : HTTP_POST;
}

struct span exchange_param(const struct exchange *x, const char *name)
{
	(void)x;
	return strcmp(name, "rest") == 0 ? span_of(on_socket.rest) : (struct span){ 0 };
}

bool exchange_query_next(const struct exchange *x, size_t *at, struct span *name,
			 struct span *value)
{
	(void)x;
	*name = span_of(on_socket.query[0]);
	*value = span_of(on_socket.query[1]);
	return on_socket.query[0] && (*at)++ == 0;
}

const char *http_method_name(enum http_method m)
{
	return m == HTTP_POST ? "POST" : "?";
}

struct span exchange_path(const struct exchange *x)
{
	(void)x;
	return on_socket.path ? span_of(on_socket.path) : SPAN("/in/vapi/main");
}

static const int64_t NOW = INT64_C(1760000000) * SECOND_US;
static const struct span BODY = { "{\"message\":{}}", 14 };

static int try(const struct dir_auth *auth, size_t n, const struct exchange *x)
{
	struct dir_source s = { .auth = auth, .auth_n = n };
	struct fault f;
	int rc = auth_check(&s, x, BODY, NOW, &f);

	assert_true(rc == 0 || (rc == E_DENIED && f.text[0]));
	return rc;
}

static const struct dir_auth secret = { .mode = AUTH_SECRET,
					.secret = { .value = { "s3cret", 6 } },
					.header = { "x-vapi-secret", 13 } };
static const struct dir_auth bearer = { .mode = AUTH_BEARER,
					.secret = { .value = { "tok", 3 } },
					.header = { "authorization", 13 } };

static void a_shared_secret_fits_only_itself(void **state)
{
	(void)state;
	assert_int_equal(try(&secret, 1, &(struct exchange){ { { "x-vapi-secret", "s3cret" } } }),
			 0);
	assert_int_equal(try(&secret, 1, &(struct exchange){ { { "x-vapi-secret", "s3cre" } } }),
			 E_DENIED);
	assert_int_equal(try(&secret, 1, &(struct exchange){ { { "x-vapi-secret", "s3cretx" } } }),
			 E_DENIED);
	assert_int_equal(try(&secret, 1, &(struct exchange){ { { "x-vapi-secret", "" } } }),
			 E_DENIED);
	assert_int_equal(try(&secret, 1, &(struct exchange){ { { "x-other", "s3cret" } } }),
			 E_DENIED);
}

static void a_bearer_token_needs_its_prefix(void **state)
{
	(void)state;
	assert_int_equal(
		try(&bearer, 1, &(struct exchange){ { { "authorization", "Bearer tok" } } }), 0);
	assert_int_equal(
		try(&bearer, 1, &(struct exchange){ { { "authorization", "bearer tok" } } }), 0);
	assert_int_equal(try(&bearer, 1, &(struct exchange){ { { "authorization", "tok" } } }),
			 E_DENIED);
	assert_int_equal(
		try(&bearer, 1, &(struct exchange){ { { "authorization", "Bearer tok2" } } }),
		E_DENIED);
}

/* The token of a webhook subscription, under both names that RingCentral uses. */
static void a_verification_token_is_one_more_way(void **state)
{
	struct dir_source s = { .connect = { .on = true,
					     .verification = { .value = SPAN("v1") } } };
	struct fault f;
	(void)state;
	assert_int_equal(auth_check(&s, &(struct exchange){ { { "verification-token", "v1" } } },
				    BODY, NOW, &f),
			 0);
	assert_int_equal(auth_check(&s, &(struct exchange){ { { "validation-token", "v1" } } },
				    BODY, NOW, &f),
			 0);
	assert_int_equal(auth_check(&s, &(struct exchange){ { { "verification-token", "v" } } },
				    BODY, NOW, &f),
			 E_DENIED);
	assert_non_null(strstr(f.text, "Verification-Token"));
	s.connect.verification.value.n = 0; /* could not be read: nobody, not everybody */
	assert_int_equal(auth_check(&s, &(struct exchange){ { { "verification-token", "" } } },
				    BODY, NOW, &f),
			 E_DENIED);
	s.connect.verification.value.n = 2;
	s.auth = &secret;
	s.auth_n = 1;
	assert_int_equal(auth_check(&s, &(struct exchange){ { { "x-vapi-secret", "s3cret" } } },
				    BODY, NOW, &f),
			 0);
}

static void nobody_is_let_in_without_configuration(void **state)
{
	const struct dir_auth open = { .mode = AUTH_OPEN };
	const struct dir_auth unresolved = { .mode = AUTH_SECRET,
					     .header = { "x-vapi-secret", 13 } };

	(void)state;
	assert_int_equal(try(NULL, 0, &(struct exchange){ 0 }), E_DENIED);
	assert_int_equal(try(&open, 1, &(struct exchange){ 0 }), 0);
	/* A secret that could not be read must not fit an empty header. */
	assert_int_equal(try(&unresolved, 1, &(struct exchange){ { { "x-vapi-secret", "" } } }),
			 E_DENIED);
}

static void any_one_of_several_suffices(void **state)
{
	const struct dir_auth both[] = { secret, bearer };

	(void)state;
	assert_int_equal(try(both, 2, &(struct exchange){ { { "x-vapi-secret", "s3cret" } } }), 0);
	assert_int_equal(try(both, 2, &(struct exchange){ { { "authorization", "Bearer tok" } } }),
			 0);
	assert_int_equal(
		try(both, 2, &(struct exchange){ { { "authorization", "Bearer s3cret" } } }),
		E_DENIED);
}

/* --- HMAC --- */

static const struct dir_auth hmac = {
	.mode = AUTH_HMAC,
	.secret = { .value = { "key", 3 } },
	.header = { "x-signature", 11 },
	.digest = DIGEST_SHA256,
	.timestamp_header = { "x-timestamp", 11 },
	.payload_format = { "{timestamp}.{body}", 18 },
	.include_timestamp = true,
	.tolerance_ms = 300000,
};

static void sign(const struct dir_auth *a, const char *key, const char *payload, char out[256])
{
	struct buf text = { 0 };
	uint8_t mac[MAC_MAX];
	size_t n = crypto_hmac((enum digest)a->digest, span_of(key), span_of(payload), mac);

	buf_add(&text, a->prefix);
	if (a->base64_signature)
		crypto_base64((struct span){ (char *)mac, n }, &text);
	else
		crypto_hex((struct span){ (char *)mac, n }, &text);
	strcpy(out, buf_z(&text));
	buf_free(&text);
}

static void the_default_signature_covers_time_and_body(void **state)
{
	char s[256];

	(void)state;
	sign(&hmac, "key", "1760000000.{\"message\":{}}", s);
	assert_int_equal(try(&hmac, 1,
			     &(struct exchange){
				     { { "x-signature", s }, { "x-timestamp", "1760000000" } } }),
			 0);
	assert_int_equal(try(&hmac, 1,
			     &(struct exchange){
				     { { "x-signature", s }, { "x-timestamp", "1760000001" } } }),
			 E_DENIED);
	assert_int_equal(try(&hmac, 1, &(struct exchange){ { { "x-signature", s } } }), E_DENIED);
	assert_int_equal(try(&hmac, 1, &(struct exchange){ { { "x-timestamp", "1760000000" } } }),
			 E_DENIED);
	s[0] = s[0] == 'a' ? 'b' : 'a';
	assert_int_equal(try(&hmac, 1,
			     &(struct exchange){
				     { { "x-signature", s }, { "x-timestamp", "1760000000" } } }),
			 E_DENIED);
}

static void the_time_stamp_may_be_in_milliseconds_but_not_old(void **state)
{
	char s[256];

	(void)state;
	sign(&hmac, "key", "1760000000123.{\"message\":{}}", s);
	assert_int_equal(try(&hmac, 1,
			     &(struct exchange){ { { "x-signature", s },
						   { "x-timestamp", "1760000000123" } } }),
			 0);
	sign(&hmac, "key", "1759990000.{\"message\":{}}", s);
	assert_int_equal(try(&hmac, 1,
			     &(struct exchange){
				     { { "x-signature", s }, { "x-timestamp", "1759990000" } } }),
			 E_DENIED);
	sign(&hmac, "key", "yesterday.{\"message\":{}}", s);
	assert_int_equal(
		try(&hmac, 1,
		    &(struct exchange){ { { "x-signature", s }, { "x-timestamp", "yesterday" } } }),
		E_DENIED);
}

static void every_option_of_the_plan_works(void **state)
{
	struct dir_auth a = hmac;
	char s[256];

	(void)state;
	a.prefix = SPAN("sha512=");
	a.digest = DIGEST_SHA512;
	a.base64_signature = true;
	a.include_timestamp = false;
	sign(&a, "key", "{\"message\":{}}", s);
	assert_int_equal(try(&a, 1, &(struct exchange){ { { "x-signature", s } } }), 0);
	assert_int_equal(try(&a, 1, &(struct exchange){ { { "x-signature", s + 7 } } }),
			 E_DENIED); /* no prefix */

	a = hmac;
	a.digest = DIGEST_SHA1;
	a.base64_secret = true;
	a.secret.value = SPAN("a2V5"); /* "key" */
	a.payload_format = SPAN("{method} {url} {svix-id} {timestamp} {body}");
	a.id_header = SPAN("webhook-id");
	sign(&a, "key", "POST /in/vapi/main m1 1760000000 {\"message\":{}}", s);
	assert_int_equal(try(&a, 1,
			     &(struct exchange){ { { "x-signature", s },
						   { "x-timestamp", "1760000000" },
						   { "webhook-id", "m1" } } }),
			 0);
	assert_int_equal(try(&a, 1,
			     &(struct exchange){ { { "x-signature", s },
						   { "x-timestamp", "1760000000" },
						   { "webhook-id", "m2" } } }),
			 E_DENIED);
}

/* --- sockets of live audio --- */

static void user_and_password(void **state)
{
	const struct dir_auth basic = { .mode = AUTH_BASIC,
					.secret = { .value = { "pass:word", 9 } },
					.user = { "exo", 3 },
					.header = { "authorization", 13 } };

	(void)state;
	/* exo:pass:word */
	assert_int_equal(
		try(&basic, 1,
		    &(struct exchange){ { { "authorization", "Basic ZXhvOnBhc3M6d29yZA==" } } }),
		0);
	assert_int_equal(
		try(&basic, 1,
		    &(struct exchange){ { { "authorization", "Basic ZXhvOnBhc3M6d29yZB==" } } }),
		E_DENIED);
	assert_int_equal(
		try(&basic, 1,
		    &(struct exchange){ { { "authorization", "Bearer ZXhvOnBhc3M6d29yZA==" } } }),
		E_DENIED);
	assert_int_equal(try(&basic, 1, &(struct exchange){ 0 }), E_DENIED);
}

static void a_part_of_the_path(void **state)
{
	const struct dir_auth path = { .mode = AUTH_PATH, .secret = { .value = { "s3cret", 6 } } };
	static const char *const good[] = { "s3cret", "s3cret/x", "transcriber/s3cret/t0k" };
	static const char *const bad[] = { "", "s3cre", "s3cretx", "x-s3cret", "s3c/ret", "/" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		on_socket.rest = good[i];
		assert_int_equal(try(&path, 1, &(struct exchange){ 0 }), 0);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		on_socket.rest = bad[i];
		assert_int_equal(try(&path, 1, &(struct exchange){ 0 }), E_DENIED);
	}
	on_socket.rest = NULL;
}

/* Signatures made with the twilio package of npm. */
static void twilios_signature(void **state)
{
	struct dir_auth twilio = { .mode = AUTH_TWILIO,
				   .secret = { .value = { "12345", 5 } },
				   .header = { "x-twilio-signature", 18 } };
	struct exchange x = { { { "x-twilio-signature", "PR3+KYrf7MWMzYmLhInwh0sAJ7Q=" } } };

	(void)state;
	on_socket.upgrade = true;
	on_socket.path = "/twilio";
	twilio.public_url = SPAN("wss://gw.example.com");
	assert_int_equal(try(&twilio, 1, &x), 0);
	twilio.public_url = SPAN("wss://gw.example.com:8443"); /* signed without the port */
	assert_int_equal(try(&twilio, 1, &x), 0);
	twilio.public_url = SPAN("https://gw.example.com");
	assert_int_equal(try(&twilio, 1, &x), E_DENIED);
	twilio.public_url = SPAN("wss://gw.example.org");
	assert_int_equal(try(&twilio, 1, &x), E_DENIED);
	twilio.public_url = SPAN("wss://gw.example.com");
	on_socket.path = "/twilio/";
	assert_int_equal(try(&twilio, 1, &x), E_DENIED);
	on_socket.path = "/twilio";
	on_socket.query[0] = "a";
	on_socket.query[1] = "b";
	assert_int_equal(try(&twilio, 1, &x), E_DENIED);
	on_socket.query[0] = NULL;
	on_socket.upgrade = false; /* a webhook's signature covers its parameters, too */
	assert_int_equal(try(&twilio, 1, &x), E_DENIED);
}

static void twilios_signature_with_port_and_query(void **state)
{
	const struct dir_auth twilio = { .mode = AUTH_TWILIO,
					 .secret = { .value = { "12345", 5 } },
					 .public_url = { "wss://gw.example.com", 20 },
					 .header = { "x-twilio-signature", 18 } };
	static const char *const signed_as[] = { "wss://gw.example.com/t?a=b",
						 "wss://gw.example.com:443/t?a=b" };

	(void)state;
	on_socket.upgrade = true;
	on_socket.path = "/t";
	on_socket.query[0] = "a";
	on_socket.query[1] = "b";
	for (size_t i = 0; i < 2; i++) {
		struct buf text AUTO_BUF = { 0 };
		uint8_t mac[MAC_MAX];
		size_t n = crypto_hmac(DIGEST_SHA1, SPAN("12345"), span_of(signed_as[i]), mac);

		crypto_base64((struct span){ (char *)mac, n }, &text);
		struct exchange x = { { { "x-twilio-signature", buf_z(&text) } } };
		assert_int_equal(try(&twilio, 1, &x), 0);
	}
}

/* What lws makes of the request's target, and URLs that become that. */
static void twilios_signature_of_an_encoded_url(void **state)
{
	static const struct {
		const char *path, *name, *value, *url;
		int code;
	} cases[] = {
		{ "/t/a b", NULL, NULL, "/t/a%20b", 0 },
		{ "/t/a b", NULL, NULL, "/t/a+b", 0 },
		{ "/t/a b", NULL, NULL, "/t/a b", 0 },
		{ "/t/a+b", NULL, NULL, "/t/a%2Bb", 0 },
		{ "/t/a+b", NULL, NULL, "/t/a%2bb", 0 },
		{ "/t/a=1,b", NULL, NULL, "/t/a=1,b", 0 },
		{ "/t/\303\274", NULL, NULL, "/t/%C3%BC", 0 },
		{ "/t", "q", "a b", "/t?q=a%20b", 0 },
		{ "/t", "q", "a b", "/t?q=a+b", 0 },
		{ "/t", "q", "a/b", "/t?q=a%2Fb", 0 },
		{ "/t", "q", "a/b", "/t?q=a%2fb", 0 },
		{ "/t", "q", "a/b", "/t?q=a/b", 0 },
		{ "/t", "q", "a+b&c=d", "/t?q=a%2Bb%26c%3Dd", 0 },
		{ "/t", "q", "a+b/c", "/t?q=a%2Bb/c", 0 },
		{ "/t", "q", "100%", "/t?q=100%25", 0 },
		{ "/t", "q", "M\303\274ller & S\303\266hne", "/t?q=M%C3%BCller%20%26%20S%C3%B6hne",
		  0 },
		{ "/t", "q", "M\303\274ller & S\303\266hne", "/t?q=M%c3%bcller+%26+S%c3%b6hne", 0 },
		{ "/t", "q", "\303\274", "/t?q=\303\274", 0 },
		{ "/t x", "q", "(a b)!", "/t%20x?q=%28a+b%29%21", 0 },
		{ "/t x", "q", "(a b)!", "/t%20x?q=(a%20b)!", 0 },
		{ "/t", "q", "a b", "/t?q=a%20c", E_DENIED },
		{ "/t", "q", "a b", "/t?q=ab", E_DENIED },
		{ "/t", "q", "a/b", "/t?q=a%252Fb", E_DENIED },
	};
	const struct dir_auth twilio = { .mode = AUTH_TWILIO,
					 .secret = { .value = { "12345", 5 } },
					 .public_url = { "wss://gw.example.com", 20 },
					 .header = { "x-twilio-signature", 18 } };

	(void)state;
	on_socket.upgrade = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf url AUTO_BUF = { 0 }, text AUTO_BUF = { 0 };
		uint8_t mac[MAC_MAX];

		on_socket.path = cases[i].path;
		on_socket.query[0] = cases[i].name;
		on_socket.query[1] = cases[i].value;
		buf_printf(&url, "wss://gw.example.com%s", cases[i].url);
		size_t n = crypto_hmac(DIGEST_SHA1, SPAN("12345"), buf_span(&url), mac);
		crypto_base64((struct span){ (char *)mac, n }, &text);
		struct exchange x = { { { "x-twilio-signature", buf_z(&text) } } };
		int rc = try(&twilio, 1, &x);
		if (rc != cases[i].code)
			fail_msg("%s: %d", cases[i].url, rc);
	}
	on_socket.query[0] = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_shared_secret_fits_only_itself),
		cmocka_unit_test(a_bearer_token_needs_its_prefix),
		cmocka_unit_test(a_verification_token_is_one_more_way),
		cmocka_unit_test(nobody_is_let_in_without_configuration),
		cmocka_unit_test(any_one_of_several_suffices),
		cmocka_unit_test(the_default_signature_covers_time_and_body),
		cmocka_unit_test(the_time_stamp_may_be_in_milliseconds_but_not_old),
		cmocka_unit_test(every_option_of_the_plan_works),
		cmocka_unit_test(user_and_password),
		cmocka_unit_test(a_part_of_the_path),
		cmocka_unit_test(twilios_signature),
		cmocka_unit_test(twilios_signature_with_port_and_query),
		cmocka_unit_test(twilios_signature_of_an_encoded_url),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
