/* base64_decode() beside OpenSSL: the same bytes for every length and every broken group. OpenSSL
 * skips blanks and looks away from spare bits, so texts are compared that have neither. */
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/crypto.h"
#include "tests/unit/cmocka_all.h"

enum { LONGEST = 400 };

/* Exact memory on both sides: reading or writing one byte too many is seen by ASan. */
static int decode(struct span text, uint8_t **bytes, size_t *n)
{
	char *exact = malloc(text.n ? text.n : 1);
	if (text.n)
		memcpy(exact, text.p, text.n);
	*bytes = malloc(base64_room(text) ? base64_room(text) : 1);
	int rc = base64_decode((struct span){ exact, text.n }, *bytes, n);
	free(exact);
	return rc;
}

static void every_length(void **state)
{
	(void)state;
	uint8_t bytes[LONGEST], *back;
	crypto_random(bytes, sizeof(bytes));
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		char text[LONGEST * 2];
		int length = EVP_EncodeBlock((unsigned char *)text, bytes, (int)n);
		size_t got;
		assert_int_equal(decode((struct span){ text, (size_t)length }, &back, &got), 0);
		assert_int_equal(got, n);
		assert_memory_equal(back, bytes, n);
		free(back);
	}
}

static void every_byte_in_every_place(void **state)
{
	(void)state;
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (unsigned c = 0; c < 256; c++) {
		bool digit = c && strchr(digits, (int)c);
		for (size_t place = 0; place < 8; place++) {
			char text[] = "QUJDREVG";
			uint8_t *back, theirs[8];
			size_t n;
			text[place] = (char)c;
			int rc = decode((struct span){ text, 8 }, &back, &n);
			if (c == '=' && place == 7) {
				/* "RF.=": spare bits of the last digit must be zero. */
				assert_int_equal(rc, E_INVALID);
			} else if (digit) {
				assert_int_equal(EVP_DecodeBlock(theirs, (unsigned char *)text, 8),
						 6);
				assert_int_equal(rc, 0);
				assert_memory_equal(back, theirs, 6);
			} else {
				assert_int_equal(rc, E_INVALID);
				assert_int_equal(n, 0);
			}
			free(back);
		}
	}
}

static void spare_bits_are_zero(void **state)
{
	(void)state;
	static const char *const good[] = { "Zg==", "Zm8=", "AA==", "AAA=", "//8=", "/w==" };
	static const char *const bad[] = { "Zh==", "Zm9=", "AB==", "AAB=", "====", "A===", "Zg=A" };
	uint8_t *back;
	size_t n;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(decode(span_of(good[i]), &back, &n), 0);
		assert_true(n == 1 || n == 2);
		free(back);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(decode(span_of(bad[i]), &back, &n), E_INVALID);
		free(back);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length),
		cmocka_unit_test(every_byte_in_every_place),
		cmocka_unit_test(spare_bits_are_zero),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
