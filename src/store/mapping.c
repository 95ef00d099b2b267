#include "callmend/mapping.h"

#include <string.h>

#include "base/utf8.h"

struct range {
	uint32_t first, last;
};

/* What separates words. The same ranges stand in callmend_term() (migrations/0016). */
static const struct range separators[] = {
	{ 0x01, 0x2f },	    { 0x3a, 0x40 },	{ 0x5b, 0x60 },	    { 0x7b, 0xa9 },
	{ 0xab, 0xb4 },	    { 0xb6, 0xb9 },	{ 0xbb, 0xbf },	    { 0xd7, 0xd7 },
	{ 0xf7, 0xf7 },	    { 0x2000, 0x206f }, { 0x20a0, 0x20cf }, { 0x3000, 0x3003 },
	{ 0x3008, 0x3011 }, { 0xff01, 0xff0f },
};

/* Capital letters and how far their small ones are. `step` 2: capital and small ones alternate. */
static const struct capitals {
	uint32_t first, last, step, add;
} capitals[] = {
	{ 'A', 'Z', 1, 32 },	 { 0xc0, 0xd6, 1, 32 },	  { 0xd8, 0xde, 1, 32 },
	{ 0x100, 0x12e, 2, 1 },	 { 0x132, 0x136, 2, 1 },  { 0x139, 0x147, 2, 1 },
	{ 0x14a, 0x176, 2, 1 },	 { 0x179, 0x17d, 2, 1 },  { 0x391, 0x3a1, 1, 32 },
	{ 0x3a3, 0x3ab, 1, 32 }, { 0x400, 0x40f, 1, 80 }, { 0x410, 0x42f, 1, 32 },
};

static bool separates(uint32_t c)
{
	for (size_t i = 0; i < sizeof(separators) / sizeof(separators[0]); i++)
		if (c >= separators[i].first && c <= separators[i].last)
			return true;
	return c == 0;
}

static uint32_t small(uint32_t c)
{
	for (size_t i = 0; i < sizeof(capitals) / sizeof(capitals[0]); i++) {
		const struct capitals *k = &capitals[i];
		if (c >= k->first && c <= k->last && (c - k->first) % k->step == 0)
			return c + k->add;
	}
	return c;
}

static uint32_t code_point(const char *p, int n)
{
	static const uint8_t lead[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t c = (uint8_t)p[0] & lead[n];
	for (int i = 1; i < n; i++)
		c = c << 6 | ((uint8_t)p[i] & 0x3f);
	return c;
}

void mapping_term(struct span term, struct buf *out)
{
	const char *p = term.p, *end = term.p + term.n;
	size_t characters = 0;
	bool gap = false;
	while (p < end && characters < MAPPING_TERM_MAX) {
		int n = utf8_step(p, end);
		uint32_t c = n > 0 ? code_point(p, n) : 0; /* what is no UTF-8 separates */
		char one[4];
		p += n > 0 ? n : -n;
		if (separates(c)) {
			gap = characters > 0;
			continue;
		}
		if (gap && characters + 1 == MAPPING_TERM_MAX)
			return; /* the space would be the last */
		if (gap)
			buf_addc(out, ' ');
		characters += gap ? 2 : 1;
		gap = false;
		buf_add(out, (struct span){ one, utf8_put(one, small(c)) });
	}
}

static int compare(struct span a, struct span b)
{
	int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
	return order ? order : (a.n > b.n) - (a.n < b.n);
}

const struct dir_mapping *mapping_find(const struct dir_project *p, struct span said)
{
	struct buf term AUTO_BUF = { 0 };
	size_t low = 0, high = p->mappings_n;
	mapping_term(said, &term);
	while (term.n && low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare(buf_span(&term), p->mappings[middle].term);
		if (order == 0)
			return &p->mappings[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}
