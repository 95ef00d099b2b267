#include "base/crypto.h"
#include "tests/unit/cmocka_all.h"

static struct span repeat(struct buf *b, char c, int n)
{
	while (n-- > 0)
		buf_addc(b, c);
	return buf_span(b);
}

static void assert_hmac(enum digest d, struct span key, struct span data, const char *hex)
{
	uint8_t mac[MAC_MAX];
	struct buf b AUTO_BUF = { 0 };
	size_t n = crypto_hmac(d, key, data, mac);
	crypto_hex((struct span){ (char *)mac, n }, &b);
	assert_string_equal(buf_z(&b), hex);
}

static void hmac_vectors(void **state)
{
	(void)state;
	struct buf k20 AUTO_BUF = { 0 }, k131 AUTO_BUF = { 0 };
	repeat(&k20, 0x0b, 20);
	repeat(&k131, (char)0xaa, 131);
	/* RFC 4231, cases 1, 2 and 6; RFC 2202, cases 1 and 2. */
	assert_hmac(DIGEST_SHA256, buf_span(&k20), SPAN("Hi There"),
		    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	assert_hmac(DIGEST_SHA256, SPAN("Jefe"), SPAN("what do ya want for nothing?"),
		    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	assert_hmac(DIGEST_SHA256, buf_span(&k131),
		    SPAN("Test Using Larger Than Block-Size Key - Hash Key First"),
		    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	assert_hmac(DIGEST_SHA512, SPAN("Jefe"), SPAN("what do ya want for nothing?"),
		    "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
		    "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
	assert_hmac(DIGEST_SHA1, buf_span(&k20), SPAN("Hi There"),
		    "b617318655057264e28bc0b6fb378c8ef146be00");
	assert_hmac(DIGEST_SHA1, SPAN("Jefe"), SPAN("what do ya want for nothing?"),
		    "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
	assert_hmac(DIGEST_SHA256, (struct span){ 0 }, (struct span){ 0 },
		    "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void sha256_vectors(void **state)
{
	(void)state;
	uint8_t out[32];
	struct buf b AUTO_BUF = { 0 };
	crypto_sha256(SPAN("abc"), out);
	crypto_hex((struct span){ (char *)out, sizeof(out) }, &b);
	assert_string_equal(buf_z(&b),
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	buf_clear(&b);
	crypto_sha256((struct span){ 0 }, out);
	crypto_hex((struct span){ (char *)out, sizeof(out) }, &b);
	assert_string_equal(buf_z(&b),
			    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void equality(void **state)
{
	(void)state;
	assert_true(crypto_equal(SPAN("abc"), SPAN("abc")));
	assert_true(crypto_equal((struct span){ 0 }, SPAN("")));
	assert_false(crypto_equal(SPAN("abc"), SPAN("abd")));
	assert_false(crypto_equal(SPAN("abc"), SPAN("ab")));
	assert_false(crypto_equal(SPAN("abc"), SPAN("")));
}

static void base64_vectors(void **state)
{
	(void)state;
	/* RFC 4648, section 10. */
	static const char *const cases[][2] = { { "", "" },
						{ "f", "Zg==" },
						{ "fo", "Zm8=" },
						{ "foo", "Zm9v" },
						{ "foob", "Zm9vYg==" },
						{ "fooba", "Zm9vYmE=" },
						{ "foobar", "Zm9vYmFy" },
						{ "\xff\xfe\xfd", "//79" },
						{ "\xfb\xef\xbe", "++++" } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf text AUTO_BUF = { 0 }, bytes AUTO_BUF = { 0 };
		crypto_base64(span_of(cases[i][0]), &text);
		assert_string_equal(buf_z(&text), cases[i][1]);
		assert_int_equal(crypto_unbase64(span_of(cases[i][1]), &bytes), 0);
		assert_string_equal(buf_z(&bytes), cases[i][0]);
	}
}

static void base64_refusals(void **state)
{
	(void)state;
	static const char *const bad[] = { "Z",	       "Zg",	 "Zg=",	      "Zm9v=", "====",
					   "Z===",     "Zh==",	 "Zm9=",      "Zm 9",  "Zm9-",
					   "Zg==Zg==", "Zm9v\n", "\xc3\xa9==" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct buf b AUTO_BUF = { 0 };
		buf_addz(&b, "x");
		if (crypto_unbase64(span_of(bad[i]), &b) != E_INVALID)
			fail_msg("%s", bad[i]);
		assert_true(span_is(buf_span(&b), "x"));
	}
}

static void base64_round_trips(void **state)
{
	(void)state;
	uint8_t bytes[200];
	crypto_random(bytes, sizeof(bytes));
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		struct buf text AUTO_BUF = { 0 }, back AUTO_BUF = { 0 };
		crypto_base64((struct span){ (char *)bytes, n }, &text);
		assert_int_equal(crypto_unbase64(buf_span(&text), &back), 0);
		assert_true(span_eq(buf_span(&back), (struct span){ (char *)bytes, n }));
	}
}

static void hashes(void **state)
{
	(void)state;
	/* XXH3 of nothing, from its specification. */
	assert_true(hash64((struct span){ 0 }) == UINT64_C(0x2d06800538d394c2));
	assert_true(hash64(SPAN("a")) != hash64(SPAN("b")));
	uint64_t a, b;
	crypto_random(&a, sizeof(a));
	crypto_random(&b, sizeof(b));
	assert_true(a != b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hmac_vectors),	   cmocka_unit_test(sha256_vectors),
		cmocka_unit_test(equality),	   cmocka_unit_test(base64_vectors),
		cmocka_unit_test(base64_refusals), cmocka_unit_test(base64_round_trips),
		cmocka_unit_test(hashes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
