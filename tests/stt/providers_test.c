/* Each provider's writer and reader: what is sent, byte for byte; what is made of what comes back,
 * of rubbish too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stt/provider.h"

#include <stdlib.h>

enum { RESULTS = 8 };
static _Alignas(16) char state_of[64 * 1024];
static struct stt_result r[RESULTS];
static size_t n;
static struct arena arena;
static struct fault oops;

static const struct stt_provider *named(const char *name)
{
	const struct stt_provider *p = stt_provider_find(span_of(name));

	assert_non_null(p);
	assert_true(p->state_bytes <= sizeof(state_of));
	return p;
}

static int setup(void **state)
{
	(void)state;
	memset(state_of, 0, sizeof(state_of));
	return 0;
}

static void hear(const char *provider, const char *message)
{
	arena_reset(&arena);
	assert_int_equal(0, named(provider)->read(state_of, span_of(message), &arena, r, RESULTS,
						  &n, &oops));
}

#define EXPECT_TEXT(result, z)                                      \
	do {                                                        \
		assert_int_equal(strlen(z), (result).text.n);       \
		assert_memory_equal(z, (result).text.p, strlen(z)); \
	} while (0)

static void expect_buf(struct buf *b, const char *z)
{
	assert_string_equal(z, buf_z(b));
	buf_free(b);
}

static const struct stt_form ulaw = { STT_ULAW, 8000 }, wide = { STT_PCM, 16000 };

static void test_names(void **state)
{
	(void)state;
	assert_null(stt_provider_find(SPAN("nobody")));
	for (size_t i = 0; stt_providers[i]; i++)
		assert_ptr_equal(stt_providers[i], named(stt_providers[i]->name));
}

/* --- Deepgram --- */

static void test_deepgram_url(void **state)
{
	struct buf b = { 0 };
	const struct stt_setup own = { .url = SPAN("http://127.0.0.1:9/v1//"),
				       .model = SPAN("nova-2 phone&x"),
				       .language = SPAN("es-419") };

	(void)state;
	stt_write_url(named("deepgram"), &(struct stt_setup){ 0 }, ulaw, &b);
	expect_buf(&b,
		   "https://api.deepgram.com/v1/listen?model=nova-3&encoding=mulaw&sample_rate=8000"
		   "&channels=1&interim_results=true&endpointing=300&utterance_end_ms=1000"
		   "&punctuate=true&smart_format=true");
	stt_write_url(named("deepgram"), &own, stt_wire_form(named("deepgram"), wide), &b);
	expect_buf(&b, "http://127.0.0.1:9/v1/listen?model=nova-2%20phone%26x&encoding=linear16"
		       "&sample_rate=16000&channels=1&interim_results=true&endpointing=300"
		       "&utterance_end_ms=1000&punctuate=true&smart_format=true&language=es-419");
}

static void test_deepgram_messages(void **state)
{
	const struct stt_provider *p = named("deepgram");
	struct buf b = { 0 };

	(void)state;
	assert_null(p->audio); /* binary, as it is */
	assert_null(p->open);
	p->keep_alive(&b);
	expect_buf(&b, "{\"type\":\"KeepAlive\"}");
	p->finish(state_of, &b);
	expect_buf(&b, "{\"type\":\"CloseStream\"}");
	assert_in_range(p->keep_alive_ms, 3000, 5000);
}

static void test_deepgram_results(void **state)
{
	(void)state;
	hear("deepgram",
	     "{\"type\":\"Results\",\"channel_index\":[0,1],\"duration\":1.98,\"start\":5.99,"
	     "\"is_final\":true,\"speech_final\":true,\"channel\":{\"alternatives\":[{"
	     "\"transcript\":"
	     "\"Tell me more.\",\"confidence\":0.9996,\"words\":[{\"word\":\"tell\",\"start\":6.07,"
	     "\"end\":6.3,\"confidence\":0.99,\"punctuated_word\":\"Tell\"},{\"word\":\"more\","
	     "\"start\":6.5,\"end\":6.87,\"confidence\":0.99}]}]},\"metadata\":{\"request_id\":"
	     "\"x\"}}");
	assert_int_equal(1, n);
	assert_true(r->words && r->final && r->ends && !r->done && !r->ready);
	EXPECT_TEXT(*r, "Tell me more.");
	assert_int_equal(6070000, r->from_us);
	assert_int_equal(6870000, r->to_us);
	assert_int_equal(1000, r->confidence);
}

static void test_deepgram_silence(void **state)
{
	(void)state;
	hear("deepgram",
	     "{\"type\":\"Results\",\"duration\":3,\"start\":1.5,\"is_final\":true,"
	     "\"speech_final\":false,\"channel\":{\"alternatives\":[{\"transcript\":\"\","
	     "\"confidence\":0,\"words\":[]}]}}");
	assert_true(r->words && r->final && !r->ends);
	assert_int_equal(0, r->text.n);
	assert_int_equal(4500000, r->to_us);
	assert_int_equal(-1, r->confidence);
}

static void test_deepgram_others(void **state)
{
	(void)state;
	hear("deepgram", "{\"type\":\"UtteranceEnd\",\"channel\":[0,1],\"last_word_end\":3.1}");
	assert_true(n == 1 && r->words && r->ends && !r->final && !r->text.n);
	hear("deepgram",
	     "{\"type\":\"Results\",\"duration\":1,\"start\":1,\"is_final\":true,"
	     "\"from_finalize\":true,\"channel\":{\"alternatives\":[{\"transcript\":\"x\"}]}}");
	assert_true(n == 1 && r->ends && r->from_us == 1000000 && r->to_us == 2000000);
	hear("deepgram", "{\"type\":\"Metadata\",\"request_id\":\"x\",\"duration\":9.1}");
	assert_true(n == 1 && r->done && !r->words);
	hear("deepgram", "{\"type\":\"Error\",\"description\":\"no\",\"variant\":\"X\"}");
	assert_true(n == 1 && span_is(r->complaint, "no") && !r->fatal);
	hear("deepgram", "{\"type\":\"SpeechStarted\",\"channel\":[0],\"timestamp\":9.54}");
	assert_int_equal(0, n);
	hear("deepgram", "{\"type\":\"OfTomorrow\"}");
	assert_int_equal(0, n);
}

/* --- OpenAI Realtime --- */

#define RT "openai-realtime"

static void test_realtime_opening(void **state)
{
	const struct stt_provider *p = named(RT);
	const struct stt_setup es = { .model = SPAN("gpt-4o-mini-transcribe"),
				      .language = SPAN("es") };
	struct buf b = { 0 };

	(void)state;
	stt_write_url(p, &(struct stt_setup){ 0 }, ulaw, &b);
	expect_buf(&b, "https://api.openai.com/v1/realtime?intent=transcription");
	p->open(state_of, &(struct stt_setup){ 0 }, ulaw, &b);
	expect_buf(
		&b,
		"{\"type\":\"session.update\",\"session\":{\"type\":\"transcription\",\"audio\":{"
		"\"input\":{\"format\":{\"type\":\"audio/pcmu\"},\"transcription\":{\"model\":"
		"\"gpt-4o-transcribe\"},\"turn_detection\":{\"type\":\"server_vad\",\"threshold\":"
		"0.5,\"prefix_padding_ms\":300,\"silence_duration_ms\":500}}},\"include\":["
		"\"item.input_audio_transcription.logprobs\"]}}");
	struct stt_form wire = stt_wire_form(p, wide);
	assert_int_equal(24000, wire.rate_hz);
	p->open(state_of, &es, wire, &b);
	assert_non_null(strstr(buf_z(&b), "\"format\":{\"type\":\"audio/pcm\",\"rate\":24000}"));
	assert_non_null(
		strstr(buf_z(&b), "\"model\":\"gpt-4o-mini-transcribe\",\"language\":\"es\""));
	buf_free(&b);
	wire = stt_wire_form(p, (struct stt_form){ STT_ALAW, 8000 });
	assert_int_equal(8000, wire.rate_hz);
}

static void test_realtime_messages(void **state)
{
	const struct stt_provider *p = named(RT);
	struct buf b = { 0 };

	(void)state;
	p->audio(SPAN("\xff\xff\x7f"), &b);
	expect_buf(&b, "{\"type\":\"input_audio_buffer.append\",\"audio\":\"//9/\"}");
	p->finish(state_of, &b);
	expect_buf(&b, "{\"type\":\"input_audio_buffer.commit\"}");
	assert_null(p->keep_alive);
}

#define TRANSCRIPTION "conversation.item.input_audio_transcription"
static void test_realtime_an_item(void **state)
{
	(void)state;
	hear(RT, "{\"type\":\"session.created\",\"session\":{}}");
	assert_int_equal(0, n);
	hear(RT, "{\"type\":\"session.updated\",\"session\":{}}");
	assert_true(n == 1 && r->ready);
	hear(RT, "{\"type\":\"input_audio_buffer.speech_started\",\"audio_start_ms\":1000,"
		 "\"item_id\":\"i1\"}");
	hear(RT, "{\"type\":\"input_audio_buffer.speech_stopped\",\"audio_end_ms\":2500,"
		 "\"item_id\":\"i1\"}");
	hear(RT, "{\"type\":\"input_audio_buffer.committed\",\"item_id\":\"i1\"}");
	hear(RT, "{\"type\":\"" TRANSCRIPTION ".delta\",\"item_id\":\"i1\",\"content_index\":0,"
		 "\"delta\":\"Hello\"}");
	hear(RT, "{\"type\":\"" TRANSCRIPTION ".delta\",\"item_id\":\"i1\",\"delta\":\" there\"}");
	assert_true(n == 1 && r->words && !r->final);
	EXPECT_TEXT(*r, "Hello there");
	hear(RT,
	     "{\"type\":\"" TRANSCRIPTION ".completed\",\"item_id\":\"i1\",\"transcript\":"
	     "\"Hello there.\",\"logprobs\":[{\"token\":\"a\",\"logprob\":-0.1},{\"token\":\"b\","
	     "\"logprob\":-0.3}],\"usage\":{\"type\":\"tokens\"}}");
	assert_true(r->words && r->final && r->ends);
	EXPECT_TEXT(*r, "Hello there.");
	assert_int_equal(1300000, r->from_us); /* without the padding before */
	assert_int_equal(2000000, r->to_us);   /* and the silence behind */
	assert_int_equal(819, r->confidence);  /* exp(-0.2) */
}

static void test_realtime_items_out_of_order(void **state)
{
	(void)state;
	hear(RT, "{\"type\":\"input_audio_buffer.speech_started\",\"audio_start_ms\":0,\"item_id\":"
		 "\"a\"}");
	hear(RT, "{\"type\":\"input_audio_buffer.speech_stopped\",\"audio_end_ms\":1500,\"item_"
		 "id\":\"a\"}");
	hear(RT, "{\"type\":\"input_audio_buffer.committed\",\"item_id\":\"b\"}");
	hear(RT,
	     "{\"type\":\"" TRANSCRIPTION ".completed\",\"item_id\":\"b\",\"transcript\":\"two\"}");
	assert_int_equal(1000000, r->from_us); /* not announced: behind the last one */
	assert_int_equal(-1, r->to_us);
	assert_int_equal(-1, r->confidence);
	hear(RT,
	     "{\"type\":\"" TRANSCRIPTION ".completed\",\"item_id\":\"a\",\"transcript\":\"one\"}");
	assert_int_equal(0, r->from_us);
	assert_int_equal(1000000, r->to_us);
}

static void test_realtime_beta_names(void **state)
{
	(void)state;
	hear(RT, "{\"type\":\"transcription_session.updated\",\"session\":{}}");
	assert_true(n == 1 && r->ready);
	hear(RT, "{\"type\":\"conversation.item.created\",\"item\":{\"id\":\"a\"}}");
	assert_int_equal(0, n);
}

static void test_realtime_errors(void **state)
{
	static const char error[] =
		"{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\","
		"\"code\":\"model_not_found\",\"message\":\"no such model\"}}";

	(void)state;
	hear(RT, error);
	assert_true(n == 1 && r->fatal && span_is(r->complaint, "no such model"));
	hear(RT, "{\"type\":\"session.updated\"}");
	hear(RT, error);
	assert_true(n == 1 && !r->fatal && r->complaint.n);
	hear(RT, "{\"type\":\"input_audio_buffer.committed\",\"item_id\":\"b\"}");
	hear(RT, "{\"type\":\"" TRANSCRIPTION
		 ".failed\",\"item_id\":\"b\",\"error\":{\"message\":\"quota\"}}");
	assert_true(n == 1 && span_is(r->complaint, "quota"));
}

static void test_realtime_the_end(void **state)
{
	struct buf b = { 0 };

	(void)state;
	hear(RT, "{\"type\":\"input_audio_buffer.speech_started\",\"audio_start_ms\":0,\"item_id\":"
		 "\"a\"}");
	named(RT)->finish(state_of, &b);
	hear(RT, "{\"type\":\"input_audio_buffer.committed\",\"item_id\":\"a\"}");
	assert_false(r->done); /* its words are not here yet */
	hear(RT,
	     "{\"type\":\"" TRANSCRIPTION ".completed\",\"item_id\":\"a\",\"transcript\":\"bye\"}");
	assert_true(r->words && r->done);
	setup(NULL);
	named(RT)->finish(state_of, &b); /* nothing to commit */
	hear(RT, "{\"type\":\"error\",\"error\":{\"code\":\"input_audio_buffer_commit_empty\"}}");
	assert_true(n == 1 && r->done && !r->complaint.n);
	buf_free(&b);
}

/* The server is behind: it ends what was said before the last words by itself, after our commit was
 * sent. */
static void test_realtime_the_end_is_not_that_of_an_earlier_item(void **state)
{
	struct buf b = { 0 };

	(void)state;
	hear(RT, "{\"type\":\"input_audio_buffer.speech_started\",\"audio_start_ms\":0,\"item_id\":"
		 "\"a\"}");
	named(RT)->finish(state_of, &b);
	hear(RT, "{\"type\":\"input_audio_buffer.speech_stopped\",\"audio_end_ms\":1500,\"item_"
		 "id\":\"a\"}");
	hear(RT, "{\"type\":\"input_audio_buffer.committed\",\"item_id\":\"a\"}");
	hear(RT, "{\"type\":\"" TRANSCRIPTION
		 ".completed\",\"item_id\":\"a\",\"transcript\":\"good\"}");
	assert_true(r->words && !r->done);
	hear(RT, "{\"type\":\"input_audio_buffer.speech_started\",\"audio_start_ms\":2000,"
		 "\"item_id\":\"b\"}");
	hear(RT, "{\"type\":\"input_audio_buffer.committed\",\"item_id\":\"b\"}");
	hear(RT,
	     "{\"type\":\"" TRANSCRIPTION ".completed\",\"item_id\":\"b\",\"transcript\":\"bye\"}");
	assert_true(r->words && r->done);
	buf_free(&b);
}

/* More items than are kept, ids and texts beyond all bounds. */
static void test_realtime_bounds(void **state)
{
	struct buf b = { 0 };

	(void)state;
	for (int i = 0; i < 100; i++) {
		buf_clear(&b);
		buf_printf(&b,
			   "{\"type\":\"" TRANSCRIPTION
			   ".delta\",\"item_id\":\"i%d\",\"delta\":\"x\"}",
			   i);
		hear(RT, buf_z(&b));
	}
	hear(RT,
	     "{\"type\":\"" TRANSCRIPTION ".completed\",\"item_id\":\"i99\",\"transcript\":\"y\"}");
	EXPECT_TEXT(*r, "y");
	buf_clear(&b);
	buf_printf(&b,
		   "{\"type\":\"" TRANSCRIPTION
		   ".delta\",\"item_id\":\"i98\",\"delta\":\"%04000d\"}",
		   0);
	hear(RT, buf_z(&b));
	assert_false(r->words);
	buf_clear(&b);
	buf_printf(&b,
		   "{\"type\":\"" TRANSCRIPTION ".delta\",\"item_id\":\"%0500d\",\"delta\":\"x\"}",
		   0);
	hear(RT, buf_z(&b));
	assert_false(r->words);
	buf_free(&b);
}

/* --- OpenAI over HTTP --- */

#define HTTP "openai-http"

static void test_http_request(void **state)
{
	const struct stt_provider *p = named(HTTP);
	const struct stt_setup es = { .language = SPAN("es") };
	struct stt_form wire = stt_wire_form(p, ulaw);
	struct buf body = { 0 }, type = { 0 }, expected = { 0 };

	(void)state;
	assert_int_equal(STT_PCM, wire.coding);
	assert_int_equal(8000, wire.rate_hz);
	stt_write_url(p, &es, wire, &body);
	expect_buf(&body, "https://api.openai.com/v1/audio/transcriptions");
	p->post(&es, wire, SPAN("abcd"), &body, &type);
	assert_memory_equal("multipart/form-data; boundary=callmend-", buf_z(&type), 39);
	const char *boundary = buf_z(&type) + 30;
	static const char head[] =
		"RIFF\x28\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0"
		"\2\0\x10\0data\4\0\0\0abcd";
	buf_printf(
		&expected,
		"--%s\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n"
		"--%s\r\nContent-Disposition: form-data; "
		"name=\"response_format\"\r\n\r\nverbose_json\r\n"
		"--%s\r\nContent-Disposition: form-data; name=\"language\"\r\n\r\nes\r\n"
		"--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"audio.wav\"\r\n"
		"Content-Type: audio/wav\r\n\r\n",
		boundary, boundary, boundary, boundary);
	buf_add(&expected, (struct span){ head, sizeof(head) - 1 });
	buf_printf(&expected, "\r\n--%s--\r\n", boundary);
	assert_int_equal(expected.n, body.n);
	assert_memory_equal(expected.p, body.p, body.n);
	buf_clear(&body);
	p->post(&(struct stt_setup){ .model = SPAN("gpt-4o-transcribe") }, wire, SPAN("abcd"),
		&body, &type);
	assert_non_null(memmem(body.p, body.n, "\r\n\r\njson\r\n", 10));
	buf_free(&body);
	buf_free(&type);
	buf_free(&expected);
}

static void test_http_request_for_voices(void **state)
{
	const struct stt_provider *p = named(HTTP);
	struct stt_setup setup = { .voices = true, .language = SPAN("es") };
	struct buf body = { 0 }, type = { 0 }, expected = { 0 };

	(void)state;
	p->post(&setup, ulaw, SPAN("abcd"), &body, &type);
	const char *boundary = buf_z(&type) + 30;
	buf_printf(&expected,
		   "--%s\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n"
		   "gpt-4o-transcribe-diarize\r\n"
		   "--%s\r\nContent-Disposition: form-data; name=\"response_format\"\r\n\r\n"
		   "diarized_json\r\n"
		   "--%s\r\nContent-Disposition: form-data; name=\"chunking_strategy\"\r\n\r\n"
		   "auto\r\n"
		   "--%s\r\nContent-Disposition: form-data; name=\"language\"\r\n\r\nes\r\n"
		   "--%s\r\nContent-Disposition: form-data; name=\"file\"; ",
		   boundary, boundary, boundary, boundary, boundary);
	assert_memory_equal(expected.p, body.p, expected.n);
	buf_clear(&body);
	setup.model = SPAN("our-diarizer");
	p->post(&setup, ulaw, SPAN("abcd"), &body, &type);
	assert_non_null(memmem(body.p, body.n, "\r\n\r\nour-diarizer\r\n", 18));
	assert_int_equal(1400 * 1000, p->once_max_ms);
	/* The whole body, at 16 kHz. */
	assert_true(p->once_max_bytes + (int64_t)body.n <= 25 * 1000 * 1000);
	buf_free(&body);
	buf_free(&type);
	buf_free(&expected);
}

static void test_http_voices(void **state)
{
	(void)state;
	hear(HTTP,
	     "{\"task\":\"transcribe\",\"duration\":9.5,\"text\":\"x\",\"segments\":["
	     "{\"type\":\"transcript.text.segment\",\"id\":\"seg_0\",\"start\":0.5,\"end\":1.5,"
	     "\"text\":\" Hello.\",\"speaker\":\"B\"},"
	     "{\"type\":\"transcript.text.segment\",\"id\":\"seg_1\",\"start\":2,\"end\":3,"
	     "\"text\":\" Good morning.\",\"speaker\":\"A\"},"
	     "{\"type\":\"transcript.text.segment\",\"id\":\"seg_2\",\"start\":4,\"end\":5,"
	     "\"text\":\" A table.\",\"speaker\":\"B\"},"
	     "{\"start\":6,\"end\":7,\"text\":\"x\",\"speaker\":\"\"},"
	     "{\"start\":8,\"end\":9,\"text\":\"x\"}],\"usage\":{\"type\":\"duration\","
	     "\"seconds\":10}}");
	assert_int_equal(5, n);
	EXPECT_TEXT(r[1], "Good morning.");
	assert_true(r[1].from_us == 2000000 && r[1].to_us == 3000000);
	assert_true(r[0].voice == 0 && r[1].voice == 1 && r[2].voice == 0);
	assert_true(r[3].voice == -1 && r[4].voice == -1);
	hear(HTTP, "{\"text\":\"Hello.\"}");
	assert_int_equal(-1, r[0].voice);
}

static void test_http_more_voices_than_there_may_be(void **state)
{
	struct stt_result *many = calloc(STT_VOICES_MAX + 2, sizeof(*many));
	struct buf b = { 0 };

	(void)state;
	buf_addz(&b, "{\"text\":\"\",\"segments\":[");
	for (int i = 0; i < STT_VOICES_MAX + 1; i++)
		buf_printf(&b, "{\"start\":0,\"end\":1,\"text\":\"x\",\"speaker\":\"v%d\"},", i);
	buf_printf(&b, "{\"start\":0,\"end\":1,\"text\":\"x\",\"speaker\":\"%0200d\"}]}", 0);
	assert_int_equal(0, named(HTTP)->read(NULL, buf_span(&b), &arena, many, STT_VOICES_MAX + 2,
					      &n, &oops));
	assert_int_equal(STT_VOICES_MAX - 1, many[STT_VOICES_MAX - 1].voice);
	assert_int_equal(-1, many[STT_VOICES_MAX].voice);
	assert_int_equal(-1, many[STT_VOICES_MAX + 1].voice);
	buf_free(&b);
	free(many);
}

static void test_http_answer(void **state)
{
	(void)state;
	hear(HTTP,
	     "{\"task\":\"transcribe\",\"language\":\"english\",\"duration\":8.47,\"text\":\"a b\","
	     "\"segments\":[{\"id\":0,\"seek\":0,\"start\":0.0,\"end\":3.32,\"text\":\" Good "
	     "morning.\","
	     "\"temperature\":0,\"avg_logprob\":-0.2,\"compression_ratio\":1.2,\"no_speech_prob\":"
	     "0.01},"
	     "{\"start\":3.4,\"end\":4,\"text\":\" Thanks for watching!\",\"avg_logprob\":-1.3,"
	     "\"no_speech_prob\":0.9},{\"start\":4.1,\"end\":5.5,\"text\":\" A table.\"}]}");
	assert_int_equal(2, n);
	EXPECT_TEXT(r[0], "Good morning.");
	assert_true(r[0].words && r[0].final && !r[0].ends && r[1].ends);
	assert_int_equal(3320000, r[0].to_us);
	assert_int_equal(819, r[0].confidence);
	assert_int_equal(4100000, r[1].from_us);
	assert_int_equal(-1, r[1].confidence);
	hear(HTTP, "{\"text\":\" Hello. \",\"usage\":{\"type\":\"tokens\"}}");
	assert_int_equal(1, n);
	EXPECT_TEXT(r[0], "Hello.");
	assert_true(r[0].ends && r[0].from_us == -1 && r[0].to_us == -1);
	hear(HTTP, "{\"text\":\"\"}");
	assert_int_equal(0, n);
}

static void test_http_too_many_segments(void **state)
{
	struct buf b = { 0 };

	(void)state;
	buf_addz(&b, "{\"text\":\"\",\"segments\":[");
	for (int i = 0; i <= RESULTS; i++)
		buf_printf(&b, "%s{\"start\":0,\"end\":1,\"text\":\"x\"}", i ? "," : "");
	buf_addz(&b, "]}");
	assert_int_equal(E_TOO_LARGE,
			 named(HTTP)->read(NULL, buf_span(&b), &arena, r, RESULTS, &n, &oops));
	buf_free(&b);
}

/* --- Deepgram for files --- */

static void test_deepgram_files(void **state)
{
	const struct stt_provider *p = named("deepgram-http");
	struct stt_form wire = stt_wire_form(p, ulaw);
	struct buf b = { 0 }, type = { 0 };

	(void)state;
	stt_write_url(p, &(struct stt_setup){ .language = SPAN("es") }, wire, &b);
	expect_buf(
		&b,
		"https://api.deepgram.com/v1/listen?model=nova-3&punctuate=true&smart_format=true"
		"&utterances=true&language=es");
	p->post(&(struct stt_setup){ 0 }, wire, SPAN("abcd"), &b, &type);
	expect_buf(&type, "audio/wav");
	assert_int_equal(48, b.n);
	assert_memory_equal("RIFF", b.p, 4);
	buf_free(&b);
	hear("deepgram-http", "{\"metadata\":{},\"results\":{\"channels\":[],\"utterances\":[{"
			      "\"start\":1.5,\"end\":2.25,"
			      "\"confidence\":0.5,\"channel\":0,\"transcript\":\"Hi.\"},{\"start\":"
			      "3,\"end\":4,\"transcript\":"
			      "\"Bye.\"}]}}");
	assert_int_equal(2, n);
	EXPECT_TEXT(r[0], "Hi.");
	assert_true(r[0].words && r[0].final && r[0].from_us == 1500000 && r[0].to_us == 2250000);
	assert_int_equal(500, r[0].confidence);
	assert_int_equal(-1, r[1].confidence);
	assert_int_equal(-1, r[0].voice);
}

static void test_deepgram_voices(void **state)
{
	const struct stt_setup setup = { .voices = true, .language = SPAN("es") };
	struct buf b = { 0 };

	(void)state;
	stt_write_url(named("deepgram-http"), &setup, ulaw, &b);
	expect_buf(
		&b,
		"https://api.deepgram.com/v1/listen?model=nova-3&punctuate=true&smart_format=true"
		"&utterances=true&diarize=true&language=es");
	hear("deepgram-http",
	     "{\"metadata\":{},\"results\":{\"channels\":[],\"utterances\":[{\"start\":1.5,\"end\":"
	     "2.25,"
	     "\"confidence\":0.5,\"channel\":0,\"transcript\":\"Hi.\",\"words\":[{\"word\":\"hi\","
	     "\"start\":1.5,\"end\":2.25,\"confidence\":0.5,\"speaker\":1,\"speaker_confidence\":0."
	     "6,"
	     "\"punctuated_word\":\"Hi.\"}],\"speaker\":1,\"id\":\"u\"},{\"start\":3,\"end\":4,"
	     "\"transcript\":\"Bye.\",\"speaker\":0},{\"start\":5,\"end\":6,\"transcript\":\"x\","
	     "\"speaker\":-1},{\"start\":5,\"end\":6,\"transcript\":\"x\",\"speaker\":32},"
	     "{\"start\":5,\"end\":6,\"transcript\":\"x\",\"speaker\":\"x\"}]}}");
	assert_int_equal(5, n);
	assert_true(r[0].voice == 1 && r[1].voice == 0);
	assert_true(r[2].voice == -1 && r[3].voice == -1 && r[4].voice == -1);
}

/* --- rubbish --- */

static void test_rubbish(void **state)
{
	static const char *const rubbish[] = { "",
					       "{",
					       "[]",
					       "{}",
					       "7",
					       "\"x\"",
					       "{\"type\":7}",
					       "<html>",
					       "{\"text\":7}",
					       "{\"type\":\"Results\"" };

	(void)state;
	for (size_t i = 0; stt_providers[i]; i++) {
		for (size_t k = 0; k < sizeof(rubbish) / sizeof(rubbish[0]); k++) {
			n = 9;
			assert_int_equal(E_INVALID,
					 stt_providers[i]->read(state_of, span_of(rubbish[k]),
								&arena, r, RESULTS, &n, &oops));
			assert_int_equal(0, n);
		}
	}
	assert_int_equal(E_INVALID,
			 named("deepgram")
				 ->read(state_of, SPAN("{\"type\":\"Results\",\"channel\":7}"),
					&arena, r, RESULTS, &n, &oops));
}

/* Messages of each with bytes changed at random: whatever is made of them, nothing breaks. */
static void test_damaged(void **state)
{
	static const char *const whole[] = {
		"{\"type\":\"Results\",\"duration\":1.98,\"start\":5.99,\"is_final\":true,\"speech_"
		"final\":true,"
		"\"channel\":{\"alternatives\":[{\"transcript\":\"Tell "
		"me\",\"confidence\":0.9,\"words\":[{"
		"\"word\":\"tell\",\"start\":6.07,\"end\":6.3}]}]}}",
		"{\"type\":\"input_audio_buffer.speech_started\",\"audio_start_ms\":1000,\"item_"
		"id\":\"i1\"}",
		"{\"type\":\"" TRANSCRIPTION
		".completed\",\"item_id\":\"i1\",\"transcript\":\"Hello\","
		"\"logprobs\":[{\"logprob\":-0.1}]}",
		"{\"text\":\"a b\",\"segments\":[{\"start\":0.0,\"end\":3.32,\"text\":\" Good\","
		"\"avg_logprob\":-0.2,\"no_speech_prob\":0.01}]}",
	};
	char message[400];

	(void)state;
	srandom(11);
	for (int i = 0; i < 40000; i++) {
		size_t len = strlen(whole[i % 4]);

		memcpy(message, whole[i % 4], len);
		for (long k = random() % 4; k >= 0; k--)
			message[(size_t)random() % len] =
				(char)("0123456789\"{}[],:-.eE \\u"[random() % 23]);
		for (size_t p = 0; stt_providers[p]; p++) {
			arena_reset(&arena);
			int rc = stt_providers[p]->read(state_of, (struct span){ message, len },
							&arena, r, RESULTS, &n, &oops);
			assert_true(rc == 0 || rc == E_INVALID);
			assert_true(n <= RESULTS);
		}
	}
}

static int teardown(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		TEST(test_names),
		TEST(test_deepgram_url),
		TEST(test_deepgram_messages),
		TEST(test_deepgram_results),
		TEST(test_deepgram_silence),
		TEST(test_deepgram_others),
		TEST(test_realtime_opening),
		TEST(test_realtime_messages),
		TEST(test_realtime_an_item),
		TEST(test_realtime_items_out_of_order),
		TEST(test_realtime_beta_names),
		TEST(test_realtime_errors),
		TEST(test_realtime_the_end),
		TEST(test_realtime_the_end_is_not_that_of_an_earlier_item),
		TEST(test_realtime_bounds),
		TEST(test_http_request),
		TEST(test_http_request_for_voices),
		TEST(test_http_voices),
		TEST(test_http_more_voices_than_there_may_be),
		TEST(test_http_answer),
		TEST(test_http_too_many_segments),
		TEST(test_deepgram_files),
		TEST(test_deepgram_voices),
		TEST(test_rubbish),
		TEST(test_damaged),
	};
	return cmocka_run_group_tests(tests, NULL, teardown);
}
