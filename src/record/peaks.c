#include "record/peaks.h"

#include "base/json.h"

static size_t frames_each(const struct peaks *p)
{
	return (size_t)p->rate_hz * p->ms / 1000;
}

static void merge(struct peak *into, const struct peak *other)
{
	into->low = other->low < into->low ? other->low : into->low;
	into->high = other->high > into->high ? other->high : into->high;
}

/* Two of them become one. */
static void halve(struct peaks *p)
{
	for (unsigned side = 0; side < 2; side++) {
		struct peak *all = p->stretch[side];

		for (size_t i = 0; i < PEAKS_MAX / 2; i++) {
			struct peak both = all[2 * i];

			merge(&both, &all[2 * i + 1]);
			all[i] = both;
		}
	}
	p->n = PEAKS_MAX / 2;
	p->ms *= 2;
}

static void begin_stretch(struct peaks *p)
{
	if (p->n == PEAKS_MAX)
		halve(p);
	for (unsigned side = 0; side < 2; side++)
		p->stretch[side][p->n] = (struct peak){ 255, 0 };
	p->n++;
	p->in_last = 0;
}

static void take_sample(struct peak *p, int16_t sample)
{
	uint8_t v = (uint8_t)((sample + 32768) >> 8);

	merge(p, &(struct peak){ v, v });
}

void peaks_add(struct peaks *p, const int16_t *stereo, size_t frames)
{
	if (!p->ms)
		p->ms = PEAKS_MS;
	for (size_t i = 0; i < frames; i++) {
		if (p->n == 0 || p->in_last == frames_each(p))
			begin_stretch(p);
		take_sample(&p->stretch[0][p->n - 1], stereo[2 * i]);
		take_sample(&p->stretch[1][p->n - 1], stereo[2 * i + 1]);
		p->in_last++;
	}
}

static void write_side(const struct peak *all, size_t n, const char *name, struct json_out *o)
{
	json_begin_array(o, name);
	for (size_t i = 0; i < n; i++) {
		json_put_i64(o, NULL, all[i].low);
		json_put_i64(o, NULL, all[i].high);
	}
	json_end_array(o);
}

void peaks_write(const struct peaks *p, struct buf *out)
{
	struct json_out o = { .b = out };

	json_begin(&o, NULL);
	json_put_i64(&o, "version", 1);
	json_put_i64(&o, "ms", p->ms ? p->ms : PEAKS_MS);
	write_side(p->stretch[0], p->n, "left", &o);
	write_side(p->stretch[1], p->n, "right", &o);
	json_end(&o);
}
