/* RingCX: commands as requests, the vectors of docs/ringcx.md byte for byte, and names that
 * customers spell as they like. */
#include <stdio.h>

#include "callmend/dialect.h"
#include "callmend/media.h"
#include "dialect/media_dialects.h"
#include "dialect/media_frame.h"
#include "dialect/ringcx.h"
#include "dialect/ringcx_parts.h"
#include "tests/unit/cmocka_all.h"

#define PATH "/voice/api/v1/admin/accounts/2/activeCalls/d1"
static const struct command_where nowhere, here = { .control_url = { PATH, sizeof(PATH) - 1 },
						    .api_base = { "https://x.example", 17 } };

static void expect(enum command_verb verb, const char *destination, const char *url)
{
	struct provider_request r = { 0 };
	struct arena a = { 0 };
	struct fault f = { 0 };
	const struct command c = { .verb = verb,
				   .destination = { JSON_OBJECT, span_of(destination) } };
	if (ringcx_dialect.command(&c, &here, &a, &r, &f) != 0)
		fail_msg("%s", f.text);
	assert_null(ringcx_dialect.cannot(verb, NULL));
	assert_null(ringcx_dialect.cannot(verb, &here));
	assert_true(span_is(r.method, "POST") && r.needs_session);
	assert_int_equal(API_GROUP_LIGHT, r.group);
	if (!span_is(r.url, url))
		fail_msg("got %.*s, want %s", SPAN_ARG(r.url), url);
	arena_fini(&a);
}

static void commands_are_requests(void **state)
{
	static const char number[] = "{\"type\":\"number\",\"number\":\"+1 555&x\"}";
	(void)state;
	expect(COMMAND_END, "", PATH "/hangupCall");
	expect(COMMAND_TRANSFER, "{\"type\":\"queue\",\"id\":\"7 &x\"}",
	       PATH "/requeueCall?gateId=7%20%26x");
	expect(COMMAND_HOLD, "", PATH "/toggleCallHold?state=ON");
	expect(COMMAND_UNHOLD, "", PATH "/toggleCallHold?state=OFF");
	expect(COMMAND_RECORD_PAUSE, "", PATH "/toggleCallRecording?record=false");
	expect(COMMAND_RECORD_RESUME, "", PATH "/toggleCallRecording?record=true");
	expect(COMMAND_MONITOR, number,
	       PATH "/addSessionToCall?destination=%2B1%20555%26x&sessionType=MONITOR");
	expect(COMMAND_COACH, number,
	       PATH "/addSessionToCall?destination=%2B1%20555%26x&sessionType=COACHING");
	expect(COMMAND_BARGE, number,
	       PATH "/addSessionToCall?destination=%2B1%20555%26x&sessionType=BARGEIN");
}

static void what_cannot_be_says_why(void **state)
{
	static const char sip[] = "{\"type\":\"sip\",\"sipUri\":\"sip:a@b\"}";
	struct provider_request r;
	struct arena a = { 0 };
	struct fault f = { 0 };
	(void)state;
	for (unsigned v = 0; v < COMMAND_COUNT; v++) {
		const struct command c = { .verb = (enum command_verb)v };
		const char *why = ringcx_dialect.cannot(c.verb, NULL);
		if (!why)
			continue;
		assert_int_equal(E_INVALID, ringcx_dialect.command(&c, &here, &a, &r, &f));
		assert_string_equal(why, f.text);
	}
	assert_string_equal(ringcx_dialect.cannot(COMMAND_SAY, &here),
			    "RingCX streams are receive-only: nothing can be spoken into the call "
			    "until there is a voice leg");
	assert_string_equal(ringcx_dialect.cannot(COMMAND_ADD_MESSAGE, &here),
			    ringcx_dialect.cannot(COMMAND_SAY, NULL));
	assert_non_null(strstr(ringcx_dialect.cannot(COMMAND_END, &nowhere), "account"));
	assert_int_equal(E_INVALID,
			 ringcx_dialect.command(
				 &(struct command){ .verb = COMMAND_MONITOR,
						    .destination = { JSON_OBJECT, span_of(sip) } },
				 &here, &a, &r, &f));
	assert_non_null(strstr(f.text, "number"));
	assert_int_equal(E_INVALID,
			 ringcx_dialect.command(
				 &(struct command){ .verb = COMMAND_TRANSFER,
						    .destination = { JSON_OBJECT, span_of(sip) } },
				 &here, &a, &r, &f));
	assert_non_null(strstr(f.text, "own queues only: type queue"));
	arena_fini(&a);
}

static void names_are_spelled_in_many_ways(void **state)
{
	(void)state;
	static const char *const same[] = { "telephonysessionid", "telephonySessionId",
					    "telephony_session_id", "TELEPHONY-SESSION-ID",
					    "Telephony Session Id" };
	static const char *const others[] = { "", "telephonysessionid2", "telephonysession",
					      "xtelephonysessionid", "telephony.session.id" };
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		assert_true(ringcx_is_name(span_of(same[i]), "telephonysessionid"));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(ringcx_is_name(span_of(others[i]), "telephonysessionid"));
}

/* --- bytes --- */

static struct media_event read_hex(const struct media_dialect *d, void *state, const char *hex,
				   struct arena *a)
{
	static uint8_t bytes[4096];
	struct media_event e;
	struct fault f = { 0 };
	size_t n = strlen(hex) / 2;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(1, sscanf(hex + 2 * i, "%2hhx", &bytes[i]));
	if (d->binary(state, (struct span){ (const char *)bytes, n }, a, &e, &f))
		fail_msg("%s", f.text);
	return e;
}

static void the_vectors_decode_exactly(void **state)
{
	const struct media_dialect *d = media_dialect_find(SPAN("ringcx-grpc"));
	_Alignas(16) char s[MEDIA_STATE_BYTES] = { 0 };
	struct arena a = { 0 };
	(void)state;
	assert_string_equal("/ringcentral.ringcx.streaming.v1beta2.Streaming/Stream", d->grpc_path);
	assert_true(d->pauses && d->tells_calls);
	struct media_event e = read_hex(
		d, s,
		"0a02733112290a090a01311201321a0133121c0a02643110011a052b3135353522052b31363636"
		"32060a016b120176",
		&a);
	assert_int_equal(MEDIA_START, e.kind);
	assert_true(span_is(e.start->stream_id, "s1") && span_is(e.start->call_id, "d1"));
	assert_true(span_is(e.start->from, "+1555") && span_is(e.start->to, "+1666"));
	assert_true(span_is(e.start->custom.raw, "{\"k\":\"v\"}"));
	assert_int_equal(0, e.start->legs_n);
	e = read_hex(d, s,
		     "0a0273311a210a02673112050a013910011a0b0a02703110011a03416e6e2207080310c03e"
		     "1864",
		     &a);
	assert_int_equal(MEDIA_LEG_START, e.kind);
	assert_int_equal(SPEAKER_USER, e.joined->leg.speaker);
	assert_true(span_is(e.joined->leg.label, "p1") && span_is(e.joined->who, "Ann"));
	assert_true(span_is(e.joined->encoding, "pcmu") && e.joined->rate_hz == 8000);
	unsigned leg = e.leg;
	e = read_hex(d, s, "0a02733122100a026731120a0a04ffffffff10011864", &a);
	assert_int_equal(MEDIA_AUDIO, e.kind);
	assert_true(e.leg == leg && !e.joined && !e.base64);
	assert_true(span_eq(e.payload, SPAN("\xff\xff\xff\xff")));
	assert_true(e.sequence == 1 && e.duration_ms == 100 && e.chunk == -1 && e.at_ms == -1);
	e = read_hex(d, s, "0a0273312a0a0a0267311204686f6c64", &a);
	assert_true(e.kind == MEDIA_LEG_HELD && e.on && e.leg == leg);
	e = read_hex(d, s, "0a02733132040a026731", &a);
	assert_true(e.kind == MEDIA_LEG_STOP && e.leg == leg);
	arena_fini(&a);
}

/* What any message needs stays within what the shard keeps: nothing is allocated for it. */
static void a_long_frame_fits_the_first_chunk(void **state)
{
	const struct media_dialect *d = media_dialect_find(SPAN("ringcx-grpc"));
	_Alignas(16) char s[MEDIA_STATE_BYTES] = { 0 };
	static char message[20 + 12000] =
		"\x0a\x02s1\x22\xe8\x5d\x0a\x02g1\x12\xe1\x5d\x0a\xde\x5d";
	struct arena a = { 0 };
	struct media_event e;
	(void)state;
	arena_alloc(&a, 64 * 1024);
	arena_reset(&a);
	size_t kept = a.total;
	(void)read_hex(d, s, "0a027331120612040a026431", &a);
	arena_reset(&a);
	struct fault f = { 0 };
	if (d->binary(s, (struct span){ message, 17 + 11998 }, &a, &e, &f))
		fail_msg("%s", f.text);
	assert_int_equal(MEDIA_AUDIO, e.kind);
	assert_int_equal(11998, e.payload.n);
	assert_int_equal(kept, a.total);
	arena_fini(&a);
}

static void plain_frames_are_scanned(void **state)
{
	(void)state;
	static const char *const plain[] = {
		"{\"event\":\"Media\",\"media\":\"\"}",
		"{\"event\":\"Media\",\"perspective\":\"Participant\",\"sequenceId\":\"1\","
		"\"media\":\"AAAA\"}",
		" { \"x\" : 1 , \"media\" : \"AAAA\" ,\n\"sequenceId\" : 12 , \"event\" : "
		"\"Media\" } ",
	};
	static const char *const others[] = {
		"",
		"{",
		"{}",
		"{\"event\":\"media\",\"media\":\"\"}",
		"{\"event\":\"Media\"}",
		"{\"event\":\"Media\",\"media\":\"\\/\"}",
		"{\"event\":\"Media\",\"media\":7}",
		"{\"event\":\"Media\",\"media\":\"\",\"perspective\":null}",
		"{\"event\":\"Media\",\"media\":\"\",\"sequenceId\":-1}",
		"{\"event\":\"Media\",\"media\":\"\",\"media\":\"\"}",
		"{\"event\":\"Media\",\"media\":\"\"},",
	};
	struct media_frame frame;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (!ringcx_frame_scan(span_of(plain[i]), &frame))
			fail_msg("%s", plain[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (ringcx_frame_scan(span_of(others[i]), &frame))
			fail_msg("%s", others[i]);
}

static int hear(void *session, const char *text, struct media_event *out)
{
	struct arena a = { 0 };
	struct fault f = { 0 };
	int rc = ringcx_media.text(session, span_of(text), &a, out, &f);
	arena_fini(&a);
	return rc;
}

static void audio_before_start_is_passed_over_and_bounded(void **state)
{
	static const char frame[] =
		"{\"event\":\"Media\",\"perspective\":\"Conference\",\"media\":\"/////w==\"}";
	_Alignas(max_align_t) char session[MEDIA_STATE_BYTES] = { 0 };
	struct media_event e;
	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		assert_int_equal(hear(session, frame, &e), 0);
		assert_int_equal(e.kind, MEDIA_PASSED);
	}
	assert_int_equal(hear(session, frame, &e), E_INVALID);
	assert_int_equal(hear(session, "{\"event\":\"Start\"}", &e), 0);
	assert_int_equal(e.kind, MEDIA_START);
	assert_int_equal(hear(session, frame, &e), 0);
	assert_int_equal(e.kind, MEDIA_AUDIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_are_requests),
		cmocka_unit_test(what_cannot_be_says_why),
		cmocka_unit_test(names_are_spelled_in_many_ways),
		cmocka_unit_test(the_vectors_decode_exactly),
		cmocka_unit_test(a_long_frame_fits_the_first_chunk),
		cmocka_unit_test(plain_frames_are_scanned),
		cmocka_unit_test(audio_before_start_is_passed_over_and_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
