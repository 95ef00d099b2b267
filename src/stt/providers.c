#include <math.h>

#include "stt/provider.h"

extern const struct stt_provider stt_deepgram, stt_deepgram_http, stt_openai_realtime,
	stt_openai_http;

const struct stt_provider *const stt_providers[] = {
	&stt_deepgram, &stt_deepgram_http, &stt_openai_realtime, &stt_openai_http, NULL,
};

const struct stt_provider *stt_provider_find(struct span name)
{
	for (size_t i = 0; stt_providers[i]; i++)
		if (span_is(name, stt_providers[i]->name))
			return stt_providers[i];
	return NULL;
}

struct stt_form stt_wire_form(const struct stt_provider *p, struct stt_form leg)
{
	if (p->only_pcm)
		leg.coding = STT_PCM;
	if (leg.coding == STT_PCM && p->pcm_hz)
		leg.rate_hz = p->pcm_hz;
	return leg;
}

void stt_write_url(const struct stt_provider *p, const struct stt_setup *setup,
		   struct stt_form wire, struct buf *out)
{
	struct span base = setup->url.n ? setup->url : span_of(p->url);

	while (base.n && base.p[base.n - 1] == '/')
		base.n--;
	buf_add(out, base);
	p->path(setup, wire, out);
}

struct span stt_model(const struct stt_provider *p, const struct stt_setup *setup)
{
	return setup->model.n ? setup->model : span_of(p->model);
}

static void put_u32(struct buf *b, uint32_t v)
{
	const char bytes[] = { (char)v, (char)(v >> 8), (char)(v >> 16), (char)(v >> 24) };

	buf_add(b, (struct span){ bytes, sizeof(bytes) });
}

void stt_put_wav(struct buf *b, struct stt_form form, struct span audio)
{
	buf_addz(b, "RIFF");
	put_u32(b, (uint32_t)audio.n + 36);
	buf_addz(b, "WAVEfmt ");
	put_u32(b, 16);
	put_u32(b, 1 | 1 << 16);
	put_u32(b, form.rate_hz);
	put_u32(b, form.rate_hz * 2);
	put_u32(b, 2 | 16 << 16);
	buf_addz(b, "data");
	put_u32(b, (uint32_t)audio.n);
	buf_add(b, audio);
}

int64_t stt_seconds_us(struct json v)
{
	double s;

	return json_f64(v, &s) && s >= 0 && s < 1e6 ? (int64_t)llround(s * 1e6) : -1;
}

int stt_voice(struct json v)
{
	int64_t n;

	return json_i64(v, &n) && n >= 0 && n < STT_VOICES_MAX ? (int)n : -1;
}

int stt_per_mille(struct json v)
{
	double share;

	return json_f64(v, &share) && share >= 0 && share <= 1 ? (int)lround(share * 1000) : -1;
}
