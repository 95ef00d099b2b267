/* libFuzzer entry: the input as a codec's name, and as interleaved samples. */
#include <stdlib.h>

#include "callmend/codec.h"
#include "tests/fuzz/fuzz.h"

static void take_apart(struct span in, unsigned channels, unsigned bytes)
{
	size_t want = in.n / (channels * bytes) * bytes;
	char *out = malloc(want + 1);
	for (unsigned channel = 0; channel < channels; channel++)
		CHECK(codecs_deinterleave(in, channels, channel, bytes, out) == want);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *exact = malloc(n + 1);
	struct span in = { exact, n };
	if (n)
		memcpy(exact, data, n);
	const struct codec *c = codec_find(in);
	CHECK(!c || c->name[0]);
	CHECK(codec_rate_named(in) < 10000000);
	for (unsigned channels = 1; channels <= 8; channels++) {
		take_apart(in, channels, 1);
		take_apart(in, channels, 2);
	}
	free(exact);
	return 0;
}
