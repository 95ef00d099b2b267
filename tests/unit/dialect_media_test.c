/* What golden talks cannot show: a transport's message is a webhook's to the Vapi dialect, a frame
 * in the plain form never gets past the scanner, and the list of media dialects is sane. */
#include "callmend/dialect.h"
#include "callmend/media.h"
#include "dialect/media_frame.h"
#include "tests/unit/cmocka_all.h"

static const struct media_dialect *find(const char *name)
{
	const struct media_dialect *d = media_dialect_find(span_of(name));
	assert_non_null(d);
	return d;
}

static struct media_event hear(const struct media_dialect *d, void *state, const char *text,
			       struct arena *a)
{
	struct media_event e;
	struct fault f = { 0 };
	if (d->text(state, span_of(text), a, &e, &f) != 0)
		fail_msg("%s", f.text);
	return e;
}

static void transport_messages_are_webhooks(void **unused)
{
	(void)unused;
	const struct media_dialect *d = find("vapi-websocket");
	const struct dialect *vapi = dialect_find(SPAN("vapi"));
	_Alignas(16) char state[MEDIA_STATE_BYTES] = { 0 };
	struct media_about about = { .call_id = SPAN("call-7") };
	struct arena a = { 0 };
	struct envelope envelope;
	struct inputs inputs = { 0 };
	d->open(state, &about);
	struct media_event e =
		hear(d, state,
		     "{\"type\":\"transcript\",\"role\":\"user\",\"callId\":\"other\","
		     "\"transcriptType\":\"final\",\"transcript\":\"Hello there\"}",
		     &a);
	assert_int_equal(e.kind, MEDIA_MESSAGE);
	assert_int_equal(vapi->classify(e.payload, &a, &envelope, NULL), 0);
	assert_true(span_is(envelope.type, "transcript"));
	assert_true(span_is(envelope.call_id, "call-7"));
	assert_true(envelope.beside);
	assert_int_equal(vapi->read(e.payload, &a, &inputs, NULL), 0);
	assert_int_equal(inputs.items[1].type, INPUT_TRANSCRIPT);
	assert_int_equal(inputs.items[1].speaker, SPEAKER_USER);
	assert_true(span_is(inputs.items[1].text, "Hello there"));
	assert_true(inputs.items[1].beside && !inputs.items[0].beside);
	arena_fini(&a);
}

static void plain_frames_are_scanned(void **unused)
{
	(void)unused;
	static const char *const plain[] = {
		"{\"event\":\"media\",\"media\":{\"payload\":\"\"}}",
		"{\"media\":{\"chunk\":\"1\",\"payload\":\"AAAA\",\"x\":\"y\",\"n\":0},\"z\":1,"
		"\"event\":\"media\"}",
		" { \"event\" : \"media\" ,\n\"sequenceNumber\" : 12 , \"media\" : { \"payload\" : "
		"\"\" } } ",
	};
	static const char *const others[] = {
		"",
		"{",
		"{}",
		"{\"event\":\"media\"}",
		"{\"event\":\"mark\",\"media\":{\"payload\":\"\"}}",
		"{\"event\":\"media\",\"media\":{\"payload\":\"\\/\"}}",
		"{\"event\":\"media\",\"media\":{\"payload\":\"\"},\"x\":null}",
		"{\"event\":\"media\",\"media\":{\"payload\":\"\",\"chunk\":-1}}",
		"{\"event\":\"media\",\"media\":{\"payload\":\"\",\"chunk\":01}}",
		"{\"event\":\"media\",\"media\":{\"payload\":\"\"}},",
	};
	static const struct media_frame_names names = { { "sequenceNumber", 14 },
							{ "streamSid", 9 } };
	struct media_frame frame;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (!media_frame_scan(&names, span_of(plain[i]), &frame))
			fail_msg("%s", plain[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (media_frame_scan(&names, span_of(others[i]), &frame))
			fail_msg("%s", others[i]);
}

static void the_list_is_sane(void **unused)
{
	(void)unused;
	for (const struct media_dialect *const *d = media_dialects; *d; d++) {
		assert_ptr_equal(media_dialect_find(span_of((*d)->name)), *d);
		assert_true((*d)->title[0] && (*d)->message_max >= 4096 &&
			    ((*d)->text || (*d)->binary));
		assert_true((*d)->send_ms_max >= (*d)->send_ms_min);
		assert_true((*d)->send_bytes_max >= (*d)->send_bytes_min);
		size_t step = (*d)->send_bytes_step ? (*d)->send_bytes_step : 1;
		assert_true((*d)->send_bytes_max % step == 0 && (*d)->send_bytes_min % step == 0);
	}
	assert_null(media_dialect_find(SPAN("twili")));
	assert_null(media_dialect_find(SPAN("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transport_messages_are_webhooks),
		cmocka_unit_test(plain_frames_are_scanned),
		cmocka_unit_test(the_list_is_sane),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
