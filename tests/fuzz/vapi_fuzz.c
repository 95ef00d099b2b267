/* Any body on its way through the Vapi dialect, as the running product does it: classify and reduce
 * get it as it is; reduced it must be valid JSON exactly when it is whole, and then be masked and
 * read without a crash, mask and reduce to itself, and give the same inputs as the whole. The other
 * readers of foreign bytes (Call objects, upstream answers, default answers) get the same bytes. */
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

static void check_again(struct span masked, const struct envelope *e, const struct repeats *known,
			struct span reduced)
{
	struct buf again AUTO_BUF = { 0 };
	struct repeats_news none = { 0 };
	vapi_dialect.mask(masked, e, &again);
	must(span_eq(buf_span(&again), masked));
	buf_clear(&again);
	vapi_dialect.reduce(reduced, e, known, &again, &none);
	must(span_eq(buf_span(&again), reduced));
	must(json_check(reduced, NULL) == 0);
	repeats_news_fini(&none);
}

/* The same body twice: whole to one reader, reduced to the other. */
static void deliver(struct span body, const struct envelope *e)
{
	struct seen whole = { .limit = 4096 }, reduced = { .limit = 4096 };
	struct repeats known;
	struct repeats_news news = { 0 };
	struct buf masked AUTO_BUF = { 0 };
	repeats_init(&known, 1);
	vapi_dialect.mask(body, e, &masked);
	for (int turn = 0; turn < 2; turn++) {
		struct buf raw AUTO_BUF = { 0 }, kept AUTO_BUF = { 0 }, a AUTO_BUF = { 0 },
			       b AUTO_BUF = { 0 };
		vapi_dialect.reduce(body, e, &known, &raw, &news);
		check_again(buf_span(&masked), e, &known, buf_span(&raw));
		vapi_dialect.mask(buf_span(&raw), e, &kept);
		read_new(buf_span(&masked), &whole, &a);
		read_new(buf_span(&kept), &reduced, &b);
		must(span_eq(buf_span(&a), buf_span(&b)));
		repeats_learn(&known, &news);
	}
	seen_fini(&whole);
	seen_fini(&reduced);
	repeats_fini(&known);
	repeats_news_fini(&news);
}

/* No JSON: what classify finds in it means nothing, but reduce must not hide the mistake. */
static void reduce_broken(struct span body, const struct envelope *e)
{
	struct repeats nothing = { 0 };
	struct repeats_news news = { 0 };
	struct buf out AUTO_BUF = { 0 };
	vapi_dialect.reduce(body, e, &nothing, &out, &news);
	must(json_check(buf_span(&out), NULL) != 0);
	repeats_news_fini(&news);
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
	struct fault exact = { 0 }, told = { 0 };
	bool valid = json_check(body, &exact) == 0;
	bool accepted = vapi_dialect.classify(body, &arena, &e, &told) == 0;
	if (!valid && !accepted)
		must(strcmp(exact.text, told.text) == 0);
	if (accepted)
		(valid ? deliver : reduce_broken)(body, &e);
	try_other_readers(body);
	arena_fini(&arena);
	free(copy);
	return 0;
}
