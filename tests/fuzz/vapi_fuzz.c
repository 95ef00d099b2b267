/* Any body on its way through the Vapi dialect, as the running product does it: what classify
 * accepts must be masked, reduced, read and remembered without a crash, stay JSON, mask and reduce
 * to itself, and give the same inputs reduced as whole. The other readers of foreign bytes (Call
 * objects, upstream answers, default answers) get the same bytes. */
#include <stdlib.h>

#include "dialect/vapi.h"
#include "tests/fuzz/fuzz.h"
#include "tests/golden/golden.h"

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* Inputs whose key is new, as text. CALL is left out: facts may be told once only. */
static void read_new(struct span body, struct seen *keys, struct buf *out)
{
	struct arena arena = { 0 };
	struct inputs inputs = { 0 };
	must(vapi_dialect.read(body, &arena, &inputs, NULL) == 0);
	must(inputs.n > 0 && inputs.items[0].type == INPUT_CALL);
	for (size_t i = 1; i < inputs.n; i++)
		if (seen_add(keys, inputs.items[i].key) && inputs.items[i].type != INPUT_RAW)
			golden_write_inputs(&(struct inputs){ &inputs.items[i], 1, 1 }, out);
	arena_fini(&arena);
}

static void check_again(struct span masked, const struct envelope *e, const struct seen *parts,
			struct span reduced)
{
	struct buf again AUTO_BUF = { 0 };
	vapi_dialect.mask(masked, e, &again);
	must(span_eq(buf_span(&again), masked));
	buf_clear(&again);
	vapi_dialect.reduce(reduced, e, parts, &again);
	must(span_eq(buf_span(&again), reduced));
	must(json_check(reduced, NULL) == 0);
}

/* The same body twice: whole to one reader, reduced to the other. */
static void deliver(struct span body, const struct envelope *e)
{
	struct seen whole = { .limit = 4096 }, reduced = { .limit = 4096 },
		    parts = { .limit = 4096 };
	struct buf masked AUTO_BUF = { 0 };
	vapi_dialect.mask(body, e, &masked);
	for (int turn = 0; turn < 2; turn++) {
		struct buf kept AUTO_BUF = { 0 }, a AUTO_BUF = { 0 }, b AUTO_BUF = { 0 };
		vapi_dialect.reduce(buf_span(&masked), e, &parts, &kept);
		check_again(buf_span(&masked), e, &parts, buf_span(&kept));
		read_new(buf_span(&masked), &whole, &a);
		read_new(buf_span(&kept), &reduced, &b);
		must(span_eq(buf_span(&a), buf_span(&b)));
		vapi_dialect.remember(buf_span(&kept), &parts);
	}
	seen_fini(&whole);
	seen_fini(&reduced);
	seen_fini(&parts);
}

static void try_other_readers(struct span body)
{
	struct arena arena = { 0 };
	struct inputs inputs = { 0 };
	struct tool_answer *answers;
	struct buf out AUTO_BUF = { 0 };
	const char *content_type;
	size_t n;
	(void)!vapi_dialect.read_call(body, &arena, &inputs, NULL);
	(void)vapi_dialect.read_tool_answer(body, &arena, &answers, &n);
	vapi_dialect.default_answer(SPAN("tool-calls"), body, &out, &content_type);
	must(json_check(buf_span(&out), NULL) == 0);
	arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	/* A copy of its exact size, so that a read behind the end is noticed. */
	char *copy = malloc(n ? n : 1);
	struct span body = { memcpy(copy, n ? (const void *)data : "", n), n };
	struct arena arena = { 0 };
	struct envelope e;
	if (vapi_dialect.classify(body, &arena, &e, NULL) == 0)
		deliver(body, &e);
	try_other_readers(body);
	arena_fini(&arena);
	free(copy);
	return 0;
}
