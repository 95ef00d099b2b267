#include "stt/voices.h"

enum { SMALL_SHARE = 10 }; /* of which voices beyond two are less than one together */

struct voice {
	int number;
	int64_t begins_us, last_us; /* of its first and its last words */
	size_t bytes;
};

/* In the order in which they begin. */
struct found {
	struct voice voices[STT_VOICES_MAX];
	unsigned n;
};

static bool counts(const struct stt_result *r)
{
	return r->voice >= 0 && r->voice < STT_VOICES_MAX && r->text.n && r->from_us >= 0;
}

static struct voice *voice_of(struct found *found, const struct stt_result *r)
{
	for (unsigned i = 0; i < found->n; i++)
		if (found->voices[i].number == r->voice)
			return &found->voices[i];
	found->voices[found->n] = (struct voice){ r->voice, r->from_us, r->from_us, 0 };
	return &found->voices[found->n++];
}

static void add(struct found *found, const struct stt_result *r)
{
	struct voice *v = voice_of(found, r);

	v->begins_us = r->from_us < v->begins_us ? r->from_us : v->begins_us;
	v->last_us = r->from_us > v->last_us ? r->from_us : v->last_us;
	v->bytes += r->text.n;
}

/* Of equal ones the order stays. */
static void sort(struct found *found)
{
	for (unsigned i = 1; i < found->n; i++)
		for (unsigned k = i;
		     k && found->voices[k].begins_us < found->voices[k - 1].begins_us; k--) {
			struct voice later = found->voices[k - 1];

			found->voices[k - 1] = found->voices[k];
			found->voices[k] = later;
		}
}

static void drop(struct found *found, unsigned which)
{
	found->n--;
	for (unsigned i = which; i < found->n; i++)
		found->voices[i] = found->voices[i + 1];
}

static size_t bytes_of(const struct found *found)
{
	size_t sum = 0;

	for (unsigned i = 0; i < found->n; i++)
		sum += found->voices[i].bytes;
	return sum;
}

static void drop_announcement(struct found *found)
{
	if (found->n >= 3 && found->voices[0].last_us < found->voices[1].begins_us)
		drop(found, 0);
}

static void drop_least(struct found *found)
{
	unsigned least = 0;

	for (unsigned i = 1; i < found->n; i++)
		if (found->voices[i].bytes <= found->voices[least].bytes)
			least = i;
	drop(found, least);
}

static void drop_small(struct found *found)
{
	struct found two = *found;
	size_t all = bytes_of(found);

	while (two.n > 2)
		drop_least(&two);
	if ((all - bytes_of(&two)) * SMALL_SHARE < all)
		*found = two;
}

static enum speaker side_of(const struct found *found, const struct stt_result *r,
			    enum speaker first)
{
	if (!counts(r))
		return SPEAKER_NONE;
	if (r->voice == found->voices[0].number)
		return first;
	if (r->voice == found->voices[1].number)
		return first == SPEAKER_AI ? SPEAKER_USER : SPEAKER_AI;
	return SPEAKER_NONE;
}

struct voices voices_name(const struct stt_result *results, size_t n, enum speaker first,
			  enum speaker *who)
{
	struct found found = { .n = 0 };

	for (size_t i = 0; i < n; i++)
		if (counts(&results[i]))
			add(&found, &results[i]);
	struct voices out = { .n = found.n };
	sort(&found);
	drop_announcement(&found);
	drop_small(&found);
	if (found.n != 2)
		out.unnamed = found.n > 2    ? "more than two voices say much"
			      : found.n == 1 ? "only one voice was told apart"
					     : "no voices were told apart";
	for (size_t i = 0; i < n; i++)
		who[i] = out.unnamed ? SPEAKER_NONE : side_of(&found, &results[i], first);
	return out;
}
