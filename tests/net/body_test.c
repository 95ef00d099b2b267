#include "net/body.h"

#include "rig.h"

static enum chunks_end feed(const char *text, size_t step, struct buf *out)
{
	struct chunks c = { 0 };
	enum chunks_end end = CHUNKS_MORE;
	struct span all = span_of(text);

	buf_clear(out);
	for (size_t at = 0; at < all.n; at += step) {
		struct span piece = span_from(all, at);
		if (piece.n > step)
			piece.n = step;
		end = chunks_feed(&c, piece, out);
	}
	return end;
}

static void chunks_are_decoded_however_they_are_cut(void **state)
{
	(void)state;
	static const char text[] = "5\r\nhello\r\n1;name=\"v\"\r\n,\r\nA \r\n 123456789\r\n"
				   "0\r\nTrailer: x\r\nOther: y\r\n\r\n";
	struct buf out = { 0 };

	for (size_t step = 1; step < sizeof(text); step++) {
		assert_int_equal(CHUNKS_END, feed(text, step, &out));
		assert_string_equal("hello, 123456789", buf_z(&out));
	}
	assert_int_equal(CHUNKS_END, feed("0\r\n\r\n", 100, &out));
	assert_int_equal(0, out.n);
	assert_int_equal(CHUNKS_MORE, feed("5\r\nhello\r\n", 100, &out));
	assert_int_equal(CHUNKS_END, feed("0\r\n\r\nGET / HTTP/1.1\r\n\r\n", 3, &out));
	buf_free(&out);
}

static void bad_chunks_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "\r\n",
					   "x\r\n",
					   "-1\r\n",
					   "5\nhello",
					   "5\r\nhelloX",
					   "5\r\nhello\r5",
					   "5\rX",
					   "1234567890abc\r\n",
					   "FFFFFFFFFFFFFFFFF\r\n",
					   "5;a\nb\r\n",
					   "0\r\n\rX" };
	struct buf out = { 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		for (size_t step = 1; step < 4; step++)
			if (feed(bad[i], step, &out) != CHUNKS_BAD)
				fail_msg("taken: %s", bad[i]);
	buf_free(&out);
}

static void endless_trailers_are_refused(void **state)
{
	(void)state;
	struct buf text = { 0 }, out = { 0 };

	buf_addz(&text, "0\r\n");
	for (int i = 0; i < 10000; i++)
		buf_addz(&text, "a: b\r\n");
	assert_int_equal(CHUNKS_BAD, feed(buf_z(&text), 1000, &out));
	buf_free(&text);
	buf_free(&out);
}

static struct body_frame frame(enum http_method method, const char *length, const char *encoding)
{
	return body_frame_of(method, span_of(length), span_of(encoding));
}

static void bodies_are_framed_by_their_headers(void **state)
{
	(void)state;
	assert_int_equal(BODY_SIZED, frame(HTTP_POST, "17", NULL).kind);
	assert_int_equal(17, frame(HTTP_DELETE, "17", NULL).length);
	assert_int_equal(BODY_NONE, frame(HTTP_POST, "0", NULL).kind);
	assert_false(frame(HTTP_POST, "0", NULL).opaque);
	assert_int_equal(BODY_NONE, frame(HTTP_GET, NULL, NULL).kind);
	assert_false(frame(HTTP_GET, NULL, NULL).opaque);
	assert_true(frame(HTTP_POST, NULL, NULL).opaque);
	assert_int_equal(0, frame(HTTP_POST, NULL, NULL).refusal);
	assert_int_equal(BODY_CHUNKED, frame(HTTP_PUT, NULL, "Chunked").kind);
}

static void lengths_that_two_readers_could_read_differently_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"-1", "+1", "1,1", "5 5", "0x10", "", "99999999999999999", "1.0"
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(400, frame(HTTP_POST, bad[i], NULL).refusal);
	assert_int_equal(400, frame(HTTP_POST, "5", "chunked").refusal);
	assert_int_equal(501, frame(HTTP_POST, NULL, "gzip, chunked").refusal);
	assert_int_equal(411, frame(HTTP_GET, NULL, "chunked").refusal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_are_decoded_however_they_are_cut),
		cmocka_unit_test(bad_chunks_are_refused),
		cmocka_unit_test(endless_trailers_are_refused),
		cmocka_unit_test(bodies_are_framed_by_their_headers),
		cmocka_unit_test(lengths_that_two_readers_could_read_differently_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
