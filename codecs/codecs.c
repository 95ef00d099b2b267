/* The list of codecs, and what all of them share. */
#include "codecs/codecs.h"
#include "base/wide.h"

const struct codec *const codecs[] = { &codec_pcmu,  &codec_pcma, &codec_g722, &codec_l16,
				       &codec_l16be, &codec_opus, NULL };

enum { NAME_MAX_BYTES = 48 };

/* The name alone, in lower case, in `out`; empty when it is longer than any we know. */
static struct span bare_name(struct span name, char out[NAME_MAX_BYTES])
{
	const char *end = name.n ? memchr(name.p, ';', name.n) : NULL;
	size_t n = end ? (size_t)(end - name.p) : name.n, from = 0;
	while (n && name.p[n - 1] == ' ')
		n--;
	while (from < n && name.p[from] == ' ')
		from++;
	if (n - from > NAME_MAX_BYTES)
		return (struct span){ out, 0 };
	for (size_t i = from; i < n; i++) {
		char c = name.p[i];
		out[i - from] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
	}
	return (struct span){ out, n - from };
}

static bool answers_to(const struct codec *c, struct span name)
{
	bool found = span_is(name, c->name);
	for (const char *const *alias = c->aliases; !found && *alias; alias++)
		found = span_is(name, *alias);
	return found;
}

const struct codec *codec_find(struct span name)
{
	char text[NAME_MAX_BYTES];
	struct span bare = bare_name(name, text);
	for (const struct codec *const *c = codecs; *c; c++)
		if (answers_to(*c, bare))
			return *c;
	return NULL;
}

/* Names of 16-bit samples that say their rate: Asterisk's, and AudioCodes'. */
static const struct {
	const char *name;
	uint32_t rate_hz;
} named_rates[] = {
	{ "slin", 8000 },	 { "slin12", 12000 },	     { "slin16", 16000 },
	{ "slin24", 24000 },	 { "slin32", 32000 },	     { "slin44", 44100 },
	{ "slin48", 48000 },	 { "slin96", 96000 },	     { "slin192", 192000 },
	{ "raw/lpcm16", 16000 }, { "raw/lpcm16_24", 24000 },
};

/* ";rate=16000", in any place among the parameters. */
static uint32_t rate_parameter(struct span name)
{
	static const char key[] = "rate=";
	const char *at = name.n ? memchr(name.p, ';', name.n) : NULL;
	struct span rest = { at, at ? (size_t)(name.p + name.n - at) : 0 };
	at = rest.n ? memmem(rest.p, rest.n, key, sizeof(key) - 1) : NULL;
	rest = at ? span_from(rest, (size_t)(at - rest.p) + sizeof(key) - 1) : (struct span){ 0 };
	uint32_t rate = 0;
	for (size_t i = 0; i < rest.n && i < 7 && rest.p[i] >= '0' && rest.p[i] <= '9'; i++)
		rate = rate * 10 + (uint32_t)(rest.p[i] - '0');
	return rate;
}

uint32_t codec_rate_named(struct span name)
{
	char text[NAME_MAX_BYTES];
	struct span bare = bare_name(name, text);
	uint32_t rate = rate_parameter(name);
	for (size_t i = 0; !rate && i < sizeof(named_rates) / sizeof(named_rates[0]); i++)
		if (span_is(bare, named_rates[i].name))
			rate = named_rates[i].rate_hz;
	return rate;
}

int codecs_only_rate(const struct codec *c, uint32_t rate_hz, struct fault *f)
{
	if (rate_hz && rate_hz != c->rate_hz)
		return fault(f, E_INVALID, "%s runs at %u Hz, not %u", c->name, c->rate_hz,
			     rate_hz);
	return 0;
}

int codecs_room(const struct codec *c, size_t bytes, size_t cap, struct fault *f)
{
	if (bytes > cap)
		return fault(f, E_FULL, "%s: a frame needs room for %zu bytes, not %zu", c->name,
			     bytes, cap);
	return 0;
}

/* The strides that occur are constants here, so that the compiler can make wide moves of them. */
static inline void pick_bytes(const char *restrict in, size_t stride, size_t n, char *restrict out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = in[i * stride];
}

static inline void pick_pairs(const char *restrict in, size_t stride, size_t n, char *restrict out)
{
	for (size_t i = 0; i < n; i++) {
		uint16_t sample;
		memcpy(&sample, in + i * stride, 2);
		memcpy(out + i * 2, &sample, 2);
	}
}

WIDE static void pick(const char *restrict in, unsigned channels, unsigned bytes, size_t n,
		      char *restrict out)
{
	if (channels == 1)
		memcpy(out, in, n * bytes);
	else if (channels == 2 && bytes == 1)
		pick_bytes(in, 2, n, out);
	else if (channels == 2)
		pick_pairs(in, 4, n, out);
	else if (bytes == 1)
		pick_bytes(in, channels, n, out);
	else
		pick_pairs(in, 2 * (size_t)channels, n, out);
}

size_t codecs_deinterleave(struct span in, unsigned channels, unsigned channel, unsigned bytes,
			   char *out)
{
	CHECK(channel < channels && (bytes == 1 || bytes == 2));
	size_t groups = in.n / ((size_t)channels * bytes);
	if (groups)
		pick(in.p + (size_t)channel * bytes, channels, bytes, groups, out);
	return groups * bytes;
}
