#include "call/words.h"

#include <stdlib.h>

#include "base/crypto.h"

/* U+00C0 .. U+00FF without their accents; '\0': no letter. */
static const char latin1[64] = {
	'a', 'a', 'a', 'a', 'a', 'a', 'a', 'c', 'e', 'e', 'e', 'e', 'i', 'i', 'i', 'i',
	'd', 'n', 'o', 'o', 'o', 'o', 'o', 0,	'o', 'u', 'u', 'u', 'u', 'y', 't', 's',
	'a', 'a', 'a', 'a', 'a', 'a', 'a', 'c', 'e', 'e', 'e', 'e', 'i', 'i', 'i', 'i',
	'd', 'n', 'o', 'o', 'o', 'o', 'o', 0,	'o', 'u', 'u', 'u', 'u', 'y', 't', 'y',
};

enum { RIGHT_QUOTE = 0x2019, COMBINING_FIRST = 0x300, COMBINING_LAST = 0x36F };

static size_t sequence_length(unsigned char c)
{
	return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

static uint32_t decode(struct span s, size_t n)
{
	uint32_t cp = (unsigned char)s.p[0] & (0xFFu >> (n + 1));
	for (size_t i = 1; i < n; i++)
		cp = cp << 6 | ((unsigned char)s.p[i] & 0x3Fu);
	return cp;
}

static void put(struct plain *out, char c)
{
	if (out->n + 1 < PLAIN_MAX)
		out->text[out->n++] = c;
}

static void put_gap(struct plain *out)
{
	if (out->n == 0 || out->text[out->n - 1] != ' ')
		put(out, ' ');
}

static void put_break(struct plain *out)
{
	if (out->breaks_n < BREAKS_MAX)
		out->breaks[out->breaks_n++] = (uint16_t)out->n;
}

static void put_ascii(struct plain *out, char c)
{
	if (c >= 'A' && c <= 'Z')
		put(out, (char)(c - 'A' + 'a'));
	else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
		put(out, c);
	else if (c != '\'')
		put_gap(out);
	if (memchr(".,;:!?", c, 6))
		put_break(out);
	out->asks |= c == '?';
}

static void put_wide(struct plain *out, struct span bytes)
{
	uint32_t cp = decode(bytes, bytes.n);
	bool punctuation = cp < 0xC0 || (cp >= 0x2000 && cp <= 0x206F);
	if (cp == RIGHT_QUOTE || (cp >= COMBINING_FIRST && cp <= COMBINING_LAST))
		return;
	if (punctuation)
		put_gap(out);
	else if (cp <= 0xFF && latin1[cp - 0xC0])
		put(out, latin1[cp - 0xC0]);
	else if (out->n + bytes.n < PLAIN_MAX)
		for (size_t i = 0; i < bytes.n; i++)
			put(out, bytes.p[i]);
}

/* `at`: where in utf8 the character of each byte of the plain text begins; NULL: not wanted. */
static void plain_at(struct span utf8, struct plain *out, uint16_t *at)
{
	out->n = 0;
	out->breaks_n = 0;
	out->asks = false;
	put_gap(out);
	for (size_t i = 0; i < utf8.n;) {
		size_t n = sequence_length((unsigned char)utf8.p[i]), before = out->n;
		if (n > utf8.n - i)
			n = utf8.n - i; /* callers give whole UTF-8; a cut end is skipped */
		if (n == 1)
			put_ascii(out, utf8.p[i]);
		else
			put_wide(out, (struct span){ utf8.p + i, n });
		for (size_t k = before; at && k < out->n; k++)
			at[k] = (uint16_t)i;
		i += n;
	}
	if (out->text[out->n - 1] != ' ')
		out->text[out->n++] = ' ';
}

void words_plain(struct span utf8, struct plain *out)
{
	plain_at(utf8, out, NULL);
}

void words_plain_at(struct span utf8, struct plain *out, uint16_t at[PLAIN_MAX])
{
	CHECK(utf8.n <= UINT16_MAX);
	plain_at(utf8, out, at);
}

void words_list(const struct plain *plain, struct word_list *out)
{
	out->n = 0;
	size_t from = 1;
	for (size_t i = 1; i < plain->n && out->n < WORDS_MAX; i++) {
		if (plain->text[i] != ' ')
			continue;
		struct span word = { plain->text + from, i - from };
		out->hash[out->n++] = (uint32_t)hash64(word);
		from = i + 1;
	}
}

void words_read(struct span utf8, struct word_list *out)
{
	struct plain plain;
	words_plain(utf8, &plain);
	words_list(&plain, out);
}

unsigned words_in_order(const uint32_t *wanted, unsigned n, const uint32_t *heard, unsigned m)
{
	uint16_t row[WORDS_MAX + 1] = { 0 };
	n = n > WORDS_MAX ? WORDS_MAX : n;
	for (unsigned h = 0; h < m; h++) {
		uint16_t diagonal = 0;
		for (unsigned w = 0; w < n; w++) {
			uint16_t above = row[w + 1];
			uint16_t best = above > row[w] ? above : row[w];
			if (wanted[w] == heard[h])
				best = (uint16_t)(diagonal + 1);
			row[w + 1] = best;
			diagonal = above;
		}
	}
	return row[n];
}

static int by_hash(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

int words_similarity(const struct word_list *a, const struct word_list *b)
{
	struct word_list x, y;
	unsigned i = 0, j = 0, shared = 0;
	if (a->n + b->n == 0)
		return 100;
	x.n = a->n;
	y.n = b->n;
	memcpy(x.hash, a->hash, a->n * sizeof(*a->hash));
	memcpy(y.hash, b->hash, b->n * sizeof(*b->hash));
	qsort(x.hash, x.n, sizeof(*x.hash), by_hash);
	qsort(y.hash, y.n, sizeof(*y.hash), by_hash);
	while (i < x.n && j < y.n) {
		shared += x.hash[i] == y.hash[j];
		bool step_x = x.hash[i] <= y.hash[j], step_y = y.hash[j] <= x.hash[i];
		i += step_x;
		j += step_y;
	}
	return (int)(200 * shared / (a->n + b->n));
}
