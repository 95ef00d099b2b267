/* Messages of RingCX's gRPC stream: a byte of length (two, from 128 on), then so many bytes, again
 * and again. The dialect and protobuf-c with its own allocator agree on what is a message; refusing
 * says what and where and changes nothing; what is handed out lies in the message, the arena or is
 * static; legs are those that were opened. */
#include <stdlib.h>

#include "callmend/media.h"
#include "ringcx.pb-c.h"
#include "tests/fuzz/fuzz.h"

static void must(bool ok)
{
	if (!ok)
		abort();
}

static volatile unsigned char sink;

static void touch(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		sink ^= (unsigned char)s.p[i];
}

struct legs {
	bool open[MEDIA_LEGS_MAX];
	bool begun;
};

static void check_start(const struct media_start *s, struct legs *legs)
{
	must(!legs->begun && s->legs_n == 0 && s->channels == 1 && s->channels_known);
	must(s->call_id.n > 0 && s->call_id.n <= MEDIA_ID_MAX && s->own_id.n <= MEDIA_ID_MAX);
	must(s->stream_id.n <= MEDIA_ID_MAX && s->token.n <= MEDIA_ID_MAX);
	must(json_check(s->custom.raw, NULL) == 0 && json_check(s->message, NULL) == 0);
	touch(s->from);
	touch(s->to);
	touch(s->account_id);
	legs->begun = true;
}

static void check_joined(const struct media_event *e, struct legs *legs)
{
	must(!legs->open[e->leg] || e->kind == MEDIA_LEG_START);
	must(e->joined->encoding.n > 0 && e->joined->rate_hz <= 192000);
	touch(e->joined->leg.label);
	touch(e->joined->who);
	legs->open[e->leg] = true;
}

static void check(const struct media_event *e, struct legs *legs)
{
	must(e->leg < MEDIA_LEGS_MAX);
	must((e->kind == MEDIA_START) == (e->start != NULL));
	if (e->start)
		check_start(e->start, legs);
	must(e->kind == MEDIA_NOTHING || legs->begun);
	if (e->joined)
		check_joined(e, legs);
	must(e->kind != MEDIA_AUDIO || (legs->open[e->leg] && e->payload.n));
	must(e->kind != MEDIA_LEG_HELD || legs->open[e->leg]);
	must(e->kind != MEDIA_LEG_STOP || legs->open[e->leg]);
	if (e->kind == MEDIA_LEG_STOP)
		legs->open[e->leg] = false;
	must(e->chunk == -1 && e->at_ms == -1 && !e->base64);
	touch(e->payload);
	touch(e->text);
}

static void hear(const struct media_dialect *d, char *state, struct span message, struct legs *legs)
{
	char before[MEDIA_STATE_BYTES];
	struct arena arena = { 0 };
	struct media_event e;
	struct fault f = { 0 };
	memcpy(before, state, sizeof(before));
	int rc = d->binary(state, message, &arena, &e, &f);
	must(rc == 0 || (rc == E_INVALID && f.text[0]));
	must(rc == 0 || memcmp(before, state, sizeof(before)) == 0);
	Ringcx__StreamEvent *theirs =
		ringcx__stream_event__unpack(NULL, message.n, (const uint8_t *)message.p);
	must(theirs || rc);
	must(theirs || !strstr(f.text, "not a StreamEvent")); /* it was said where */
	if (theirs)
		ringcx__stream_event__free_unpacked(theirs, NULL);
	if (rc == 0)
		check(&e, legs);
	arena_fini(&arena);
}

/* In memory of its exact size, so that a read behind the end is noticed. */
static size_t take_message(const struct media_dialect *d, char *state, const uint8_t *data,
			   size_t n, struct legs *legs)
{
	size_t head = n > 1 && data[0] >= 128 ? 2 : 1;
	size_t want = head == 2 ? (size_t)(data[0] & 127) << 8 | data[1] : data[0];
	want = want < n - head ? want : n - head;
	char *copy = malloc(want ? want : 1);
	if (want)
		memcpy(copy, data + head, want);
	hear(d, state, (struct span){ copy, want }, legs);
	free(copy);
	return head + want;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	_Alignas(16) char state[MEDIA_STATE_BYTES] = { 0 };
	struct legs legs = { 0 };
	const struct media_dialect *d = media_dialect_find(SPAN("ringcx-grpc"));
	while (n) {
		size_t used = take_message(d, state, data, n, &legs);
		data += used;
		n -= used;
	}
	return 0;
}
