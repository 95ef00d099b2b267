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
	return HTTP_POST;
}

const char *http_method_name(enum http_method m)
{
	return m == HTTP_POST ? "POST" : "?";
}

struct span exchange_path(const struct exchange *x)
{
	(void)x;
	return SPAN("/in/vapi/main");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_shared_secret_fits_only_itself),
		cmocka_unit_test(a_bearer_token_needs_its_prefix),
		cmocka_unit_test(nobody_is_let_in_without_configuration),
		cmocka_unit_test(any_one_of_several_suffices),
		cmocka_unit_test(the_default_signature_covers_time_and_body),
		cmocka_unit_test(the_time_stamp_may_be_in_milliseconds_but_not_old),
		cmocka_unit_test(every_option_of_the_plan_works),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
