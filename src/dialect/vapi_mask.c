/* Secret values are replaced by "***" before anything is kept. One pass that looks at member names
 * only: a quote with a colon behind it ends a name (inside a text it would have a backslash before
 * it).
 *
 * Names are compared as they are written, in either case; nobody escapes ASCII letters in names.
 * What a caller said or a model wrote (arguments, structured data) is never masked: a tool may well
 * need its argument "token". */
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include <strings.h>

#include "dialect/scan.h"
#include "dialect/vapi_parts.h"

enum { BLOCK = 64, NAME_MAX_LEN = 32 };

enum action {
	MASK_TEXT,   /* a text value */
	MASK_INSIDE, /* every text in an object or array, except is_public() ones */
	MASK_VALUES, /* of an array of {"key","value"}: the values */
	MASK_PASS,   /* go on behind this object */
};

struct mask_rule {
	struct span name;
	enum action action;
};

/* docs/vapi.md lists them; a test compares. */
static const struct mask_rule secrets[] = {
	{ SPAN("secret"), MASK_TEXT },
	{ SPAN("serverUrlSecret"), MASK_TEXT },
	{ SPAN("serverSecret"), MASK_TEXT },
	{ SPAN("clientSecret"), MASK_TEXT },
	{ SPAN("apiSecret"), MASK_TEXT },
	{ SPAN("twilioApiSecret"), MASK_TEXT },
	{ SPAN("hmacSecret"), MASK_TEXT },
	{ SPAN("jwtSecret"), MASK_TEXT },
	{ SPAN("token"), MASK_TEXT },
	{ SPAN("authToken"), MASK_TEXT },
	{ SPAN("twilioAuthToken"), MASK_TEXT },
	{ SPAN("accessToken"), MASK_TEXT },
	{ SPAN("refreshToken"), MASK_TEXT },
	{ SPAN("sessionToken"), MASK_TEXT },
	{ SPAN("callToken"), MASK_TEXT },
	{ SPAN("bearerToken"), MASK_TEXT },
	{ SPAN("apiKey"), MASK_TEXT },
	{ SPAN("twilioApiKey"), MASK_TEXT },
	{ SPAN("openAIKey"), MASK_TEXT },
	{ SPAN("ocpApimSubscriptionKey"), MASK_TEXT },
	{ SPAN("hmacAccessKey"), MASK_TEXT },
	{ SPAN("secretKey"), MASK_TEXT },
	{ SPAN("secretAccessKey"), MASK_TEXT },
	{ SPAN("awsSecretAccessKey"), MASK_TEXT },
	{ SPAN("privateKey"), MASK_TEXT },
	{ SPAN("vonageApplicationPrivateKey"), MASK_TEXT },
	{ SPAN("password"), MASK_TEXT },
	{ SPAN("authPassword"), MASK_TEXT },
	{ SPAN("sipPassword"), MASK_TEXT },
	{ SPAN("authorization"), MASK_TEXT },
	{ SPAN("x-vapi-secret"), MASK_TEXT },
	{ SPAN("x-api-key"), MASK_TEXT },
	{ SPAN("headers"), MASK_INSIDE },
	{ SPAN("credentials"), MASK_INSIDE },
	{ SPAN("gcpKey"), MASK_INSIDE },
	{ SPAN("parameters"), MASK_VALUES },
	{ SPAN("arguments"), MASK_PASS },
	{ SPAN("structuredData"), MASK_PASS },
	{ SPAN("structuredDataMulti"), MASK_PASS },
	{ SPAN("structuredOutputs"), MASK_PASS },
};

/* Whoever knows one of these can listen, steer or download. */
static const struct mask_rule capabilities[] = {
	{ SPAN("controlUrl"), MASK_TEXT },
	{ SPAN("listenUrl"), MASK_TEXT },
	{ SPAN("websocketCallUrl"), MASK_TEXT },
	{ SPAN("callUrl"), MASK_TEXT },
	{ SPAN("webCallUrl"), MASK_TEXT },
	{ SPAN("presignedMonoUrl"), MASK_TEXT },
	{ SPAN("presignedStereoUrl"), MASK_TEXT },
	{ SPAN("presignedVideoUrl"), MASK_TEXT },
	{ SPAN("presignedAssistantUrl"), MASK_TEXT },
	{ SPAN("presignedCustomerUrl"), MASK_TEXT },
	{ SPAN("presignedPcapUrl"), MASK_TEXT },
	{ SPAN("presignedLogUrl"), MASK_TEXT },
};

static const struct span stars = { "\"***\"", 5 };

struct masking {
	const struct mask_rule *rules;
	size_t n;
	uint32_t last;			/* bit per last letter of the rules' names */
	uint32_t last_of[NAME_MAX_LEN]; /* the same for names of each length */
	const char *copied, *end;
	struct buf *out;
};

static void replace(struct masking *m, const char *from, const char *to)
{
	buf_add(m->out, (struct span){ m->copied, (size_t)(from - m->copied) });
	buf_add(m->out, stars);
	m->copied = to;
}

static uint32_t letter_bit(char c)
{
	return UINT32_C(1) << (c & 31);
}

/* The rule for the name that ends before the quote at `close`. */
static const struct mask_rule *rule_for(const struct masking *m, const char *start,
					const char *close)
{
	const char *open = memrchr(start, '"', (size_t)(close - start));
	size_t n = open ? (size_t)(close - open) - 1 : 0;
	if (!open || n >= NAME_MAX_LEN || !(m->last_of[n] & letter_bit(close[-1])))
		return NULL;
	for (size_t i = 0; i < m->n; i++)
		if (m->rules[i].name.n == n && strncasecmp(m->rules[i].name.p, open + 1, n) == 0)
			return &m->rules[i];
	return NULL;
}

static void index_names(struct masking *m)
{
	for (size_t i = 0; i < m->n; i++) {
		struct span name = m->rules[i].name;
		uint32_t bit = letter_bit(name.p[name.n - 1]);
		CHECK(name.n < NAME_MAX_LEN);
		m->last |= bit;
		m->last_of[name.n] |= bit;
	}
}

/* Who a credential is for may stay. */
static bool is_public(struct span name)
{
	static const char *const names[] = { "provider", "type", "id", "name", NULL };
	return span_in(name, names);
}

/* Texts at any depth; with `only`, those of members with this name. */
static const char *mask_inside(struct masking *m, const char *p, const char *only)
{
	struct scan s = scan_open(p, m->end);
	struct span name;
	while (scan_next(&s, &name)) {
		const char *value = s.p;
		if (*value == '{' || *value == '[') {
			s.p = mask_inside(m, value, only);
			continue;
		}
		s.p = scan_value(value, m->end);
		if (*value == '"' && (only ? span_is(name, only) : !is_public(name)))
			replace(m, value, s.p);
	}
	return s.p;
}

/* Where to go on behind a name with this rule. */
static const char *apply(struct masking *m, const struct mask_rule *rule, const char *value)
{
	bool container = *value == '{' || *value == '[';
	if (rule->action == MASK_TEXT && *value == '"') {
		const char *behind = scan_value(value, m->end);
		replace(m, value, behind);
		return behind;
	}
	if (rule->action == MASK_INSIDE && container)
		return mask_inside(m, value, NULL);
	if (rule->action == MASK_VALUES && *value == '[')
		return mask_inside(m, value, "value");
	if (rule->action >= MASK_VALUES && container)
		return scan_value(value, m->end);
	return value;
}

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

/* A quote at p with a colon or white space behind it: NULL when it ends no name that matters, else
 * where to go on. */
static const char *at_quote(struct masking *m, const char *start, const char *p)
{
	if (p == start || !(m->last & letter_bit(p[-1])))
		return NULL;
	const char *colon = skip_space(p + 1, m->end);
	if (colon == m->end || *colon != ':')
		return NULL;
	const struct mask_rule *rule = rule_for(m, start, p);
	return rule ? apply(m, rule, skip_space(colon + 1, m->end)) : NULL;
}

/* Bit per byte: a quote with a colon or white space behind it. Reads one byte more than the block.
 */
static inline uint64_t name_ends(const char *p)
{
	uint64_t bits = 0;
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), colon = _mm_set1_epi8(':'),
		      space = _mm_set1_epi8(' ');
	for (int i = 0; i < BLOCK; i += 16) {
		__m128i here = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
		__m128i next = _mm_loadu_si128((const __m128i *)(const void *)(p + i + 1));
		__m128i blank = _mm_cmpeq_epi8(_mm_max_epu8(next, space), space);
		__m128i hit = _mm_and_si128(_mm_cmpeq_epi8(here, quote),
					    _mm_or_si128(_mm_cmpeq_epi8(next, colon), blank));
		bits |= (uint64_t)(unsigned)_mm_movemask_epi8(hit) << i;
	}
#else
	for (int i = 0; i < BLOCK; i++)
		bits |= (uint64_t)(p[i] == '"' &&
				   (p[i + 1] == ':' || (unsigned char)p[i + 1] <= ' '))
			<< i;
#endif
	return bits;
}

/* What to do in the block whose candidates are `bits`; gives where to go on. */
static const char *mask_block(struct masking *m, const char *start, const char *p, uint64_t bits)
{
	for (; bits; bits &= bits - 1) {
		const char *next = at_quote(m, start, p + __builtin_ctzll(bits));
		if (next)
			return next;
	}
	return p + BLOCK;
}

static void mask(struct span json, const struct mask_rule *rules, size_t n, struct buf *out)
{
	struct masking m = {
		.rules = rules, .n = n, .copied = json.p, .end = json.p + json.n, .out = out
	};
	index_names(&m);
	buf_reserve(out, json.n);
	const char *p = json.p;
	while (m.end - p > BLOCK)
		p = mask_block(&m, json.p, p, name_ends(p));
	while (p < m.end && (p = memchr(p, '"', (size_t)(m.end - p)))) {
		const char *next = at_quote(&m, json.p, p);
		p = next ? next : p + 1;
	}
	buf_add(out, (struct span){ m.copied, (size_t)(m.end - m.copied) });
}

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

void vapi_mask(struct span body, const struct envelope *e, struct buf *out)
{
	(void)e;
	mask(body, secrets, COUNT(secrets), out);
}

struct span vapi_mask_name(size_t i)
{
	if (i < COUNT(secrets))
		return secrets[i].name;
	i -= COUNT(secrets);
	return i < COUNT(capabilities) ? capabilities[i].name : (struct span){ 0 };
}

struct span vapi_mask_capabilities(struct span json, struct arena *arena)
{
	struct buf out AUTO_BUF = { 0 };
	mask(json, capabilities, COUNT(capabilities), &out);
	return arena_copy(arena, buf_span(&out));
}
