/* Codecs allocate nothing, not even in the libraries they use; resamplers only when they are made.
 *
 * Sanitizers have a hook for this; without them this program's own malloc() goes before the C
 * library's, for all libraries alike. */
#include <stdatomic.h>

#include "codecs/halve.h"
#include "codecs/resample.h"
#include "tests/unit/codec_signal.h"

static atomic_size_t allocations;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void *, size_t),
					      void (*)(const volatile void *));
static void count(const volatile void *p, size_t n)
{
	(void)p;
	(void)n;
	allocations++;
}

static void ignore(const volatile void *p)
{
	(void)p;
}

static void begin_to_count(void)
{
	__sanitizer_install_malloc_and_free_hooks(count, ignore);
}
#else
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);

void *malloc(size_t n)
{
	allocations++;
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	allocations++;
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	allocations++;
	return __libc_realloc(p, n);
}

static void begin_to_count(void)
{
}
#endif

enum { FRAME_MAX = 960, FRAMES = 20 };
static int16_t voice[FRAME_MAX * FRAMES], heard[CODEC_SAMPLES_MAX];
static _Alignas(64) char enc[128 * 1024], dec[128 * 1024];

static void one_second(const struct codec *c, const struct codec_params *e,
		       const struct codec_params *d)
{
	size_t frame = c->out_rate(d) / 50, made, used, n;
	uint8_t bytes[4 * FRAME_MAX];
	assert_int_equal(c->init(enc, e, NULL), 0);
	assert_int_equal(c->init(dec, d, NULL), 0);
	for (size_t i = 0; i < FRAMES; i++) {
		assert_int_equal(
			c->encode(enc, voice + i * frame, frame, bytes, sizeof(bytes), &made, NULL),
			0);
		if (i % 5 == 4)
			c->conceal(dec, heard, frame);
		else
			assert_int_equal(c->decode(dec, (struct span){ (char *)bytes, made }, heard,
						   CODEC_SAMPLES_MAX, &used, &n, NULL),
					 0);
		bytes[0] ^= 0xff;
		(void)!c->decode(dec, (struct span){ (char *)bytes, made }, heard,
				 CODEC_SAMPLES_MAX, &used, &n, NULL);
	}
}

static void codecs_allocate_nothing(void **state)
{
	(void)state;
	for (const struct codec *const *c = codecs; *c; c++) {
		struct codec_params d = { .rate_hz = (*c)->rate_hz ? (*c)->rate_hz : 48000 }, e = d;
		e.way = CODEC_ENCODE;
		signal_voice(voice, FRAME_MAX * FRAMES, (*c)->out_rate(&d), 150, 9000);
		assert_true((*c)->state_size(&d) <= sizeof(dec) &&
			    (*c)->state_size(&e) <= sizeof(enc));
		print_message("%-6s decode %zu, encode %zu bytes\n", (*c)->name,
			      (*c)->state_size(&d), (*c)->state_size(&e));
		size_t before = allocations;
		one_second(*c, &e, &d);
		assert_int_equal(allocations, before);
	}
}

static void resamplers_allocate_once(void **state)
{
	(void)state;
	size_t before = allocations;
	scoped(resample) *r = NULL;
	struct halve h = { 0 };
	assert_int_equal(resample_new(&r, 44100, 16000, NULL), 0);
	assert_true(allocations > before); /* so it does count */
	before = allocations;
	for (int i = 0; i < 50; i++)
		halve_run(&h, heard, resample_run(r, voice, 882, heard), heard);
	assert_int_equal(allocations, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(codecs_allocate_nothing),
					    cmocka_unit_test(resamplers_allocate_once) };
	begin_to_count();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
