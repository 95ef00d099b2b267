/* The speech detectors against labels: false alarms at 6 % missed speech, the whole curve, and
 * nanoseconds per 20 ms frame; beside them a plain detector by energy.
 *
 *   speech_bench FILE.wav LABELS.csv [FILE.wav LABELS.csv ...] [--curve]
 *   speech_bench [--curve]
 *
 * WAV: PCM of 16 bits, µ-law or A-law; 8 or 16 kHz; any number of channels. Labels: lines of
 * `channel,start_s,end_s` (channels from 0; a first line of names may stand before). A frame of 20
 * ms is speech when at least half of it is labelled; frames run from the beginning of the file,
 * what is no whole frame at its end is left out. A detector that looks ahead (VAD_BEHIND) has its
 * scores counted for the frames they are meant for. Every channel is a detector of its own; all
 * frames of all files are counted together. Missed: speech frames below the threshold. False
 * alarms: frames that are no speech and not below it.
 *
 * Without files it makes a set: espeak-ng's voices with made noises at several distances, through
 * µ-law; the same set every time. It tells whether a change broke something; what a detector is
 * worth only recordings tell. */
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure.h"
#include "callmend/codec.h"
#include "codecs/resample.h"
#include "leg/vad.h"

enum { RUNS = 7, POINTS = 30, FILE_MAX = 1 << 30 };
static const double missed_aim = 0.06;

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static void *room(void *old, size_t bytes)
{
	void *p = realloc(old, bytes ? bytes : 1);
	if (!p)
		die("no memory for %zu bytes", bytes);
	return p;
}

/* --- sound and labels ------------------------------------------------------------------------- */

/* One channel: whole frames only. */
struct track {
	int16_t *samples;
	unsigned char *speech; /* per frame */
	size_t frames;
	uint32_t rate_hz;
};

struct set {
	const char *name;
	struct track *tracks;
	size_t n;
};

static size_t frame_samples(uint32_t rate_hz)
{
	return rate_hz * VAD_FRAME_MS / 1000;
}

static struct track *add_track(struct set *s, uint32_t rate_hz, size_t samples)
{
	s->tracks = room(s->tracks, (s->n + 1) * sizeof(*s->tracks));
	struct track *t = &s->tracks[s->n++];
	*t = (struct track){ .rate_hz = rate_hz, .frames = samples / frame_samples(rate_hz) };
	t->samples = room(NULL, t->frames * frame_samples(rate_hz) * sizeof(*t->samples));
	t->speech = room(NULL, t->frames);
	memset(t->speech, 0, t->frames);
	return t;
}

static unsigned char *whole_stream(FILE *f, size_t *n)
{
	unsigned char *bytes = NULL;
	size_t cap = 0, got = 1;
	for (*n = 0; got && *n < FILE_MAX; *n += got) {
		if (*n == cap)
			bytes = room(bytes, cap = cap ? 2 * cap : 1 << 20);
		got = fread(bytes + *n, 1, cap - *n, f);
	}
	return bytes;
}

static unsigned little(const unsigned char *p, unsigned n)
{
	unsigned v = 0;
	while (n--)
		v = v << 8 | p[n];
	return v;
}

struct wav {
	unsigned format, channels, rate_hz, bits;
	const unsigned char *data;
	size_t n;
};

/* A stream's length fields may be larger than what there is. */
static struct wav wav_of(const unsigned char *p, size_t n, const char *path)
{
	struct wav w = { 0 };
	if (n < 12 || memcmp(p, "RIFF", 4) != 0 || memcmp(p + 8, "WAVE", 4) != 0)
		die("%s: no WAV file", path);
	for (size_t at = 12; at + 8 <= n && !w.data;) {
		size_t size = little(p + at + 4, 4), left = n - at - 8;
		const unsigned char *chunk = p + at + 8;
		if (!memcmp(p + at, "fmt ", 4) && left >= 16) {
			w.format = little(chunk, 2);
			w.channels = little(chunk + 2, 2);
			w.rate_hz = little(chunk + 4, 4);
			w.bits = little(chunk + 14, 2);
			if (w.format == 0xfffe && size >= 26 && left >= 26)
				w.format = little(chunk + 24, 2);
		} else if (!memcmp(p + at, "data", 4)) {
			w.data = chunk;
			w.n = size < left ? size : left;
		}
		at += 8 + (size < left ? size : left) + size % 2;
	}
	if (!w.data || !w.channels)
		die("%s: a WAV file without format or data", path);
	return w;
}

static int16_t wav_sample(const struct wav *w, const unsigned char *p)
{
	if (w->format == 7)
		return g711_ulaw_table[*p];
	if (w->format == 6)
		return g711_alaw_table[*p];
	return (int16_t)little(p, 2);
}

/* Tracks of a file's channels; the first one's number in the set. */
static size_t read_wav(struct set *s, const char *path)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		die("%s: %m", path);
	size_t n, first = s->n;
	unsigned char *bytes = whole_stream(f, &n);
	fclose(f);
	struct wav w = wav_of(bytes, n, path);
	unsigned size = w.format == 1 ? 2 : 1;
	if ((w.format != 1 || w.bits != 16) && ((w.format != 6 && w.format != 7) || w.bits != 8))
		die("%s: neither PCM of 16 bits nor G.711 (format %u, %u bits)", path, w.format,
		    w.bits);
	if (w.rate_hz != 8000 && w.rate_hz != 16000)
		die("%s: %u Hz is neither 8000 nor 16000", path, w.rate_hz);
	for (unsigned c = 0; c < w.channels; c++) {
		struct track *t = add_track(s, w.rate_hz, w.n / size / w.channels);
		for (size_t i = 0; i < t->frames * frame_samples(w.rate_hz); i++)
			t->samples[i] = wav_sample(&w, w.data + (i * w.channels + c) * size);
	}
	free(bytes);
	return first;
}

/* Covered samples first, then frames by halves. */
static void read_labels(struct set *s, size_t first, const char *path)
{
	FILE *f = fopen(path, "r");
	if (!f)
		die("%s: %m", path);
	uint16_t **covered = room(NULL, (s->n - first) * sizeof(*covered));
	for (size_t i = first; i < s->n; i++)
		covered[i - first] = calloc(s->tracks[i].frames + 1, sizeof(**covered));
	char line[256];
	for (unsigned number = 1; fgets(line, sizeof(line), f); number++) {
		unsigned channel;
		double start, end;
		if (sscanf(line, "%u,%lf,%lf", &channel, &start, &end) != 3) {
			if (number > 1 && line[strspn(line, " \t\r\n")])
				die("%s:%u: not channel,start_s,end_s: %s", path, number, line);
			continue;
		}
		if (channel >= s->n - first)
			die("%s:%u: the sound has no channel %u", path, number, channel);
		const struct track *t = &s->tracks[first + channel];
		size_t frame = frame_samples(t->rate_hz), most = t->frames * frame;
		size_t from = start > 0 ? (size_t)lround(start * t->rate_hz) : 0;
		size_t to = end > 0 ? (size_t)lround(end * t->rate_hz) : 0;
		for (size_t i = from; i < to && i < most; i++)
			covered[channel][i / frame]++;
	}
	for (size_t i = first; i < s->n; i++) {
		struct track *t = &s->tracks[i];
		for (size_t k = 0; k < t->frames; k++)
			t->speech[k] = covered[i - first][k] * 2 >= frame_samples(t->rate_hz);
		free(covered[i - first]);
	}
	free(covered);
	fclose(f);
}

/* --- detectors -------------------------------------------------------------------------------- */

/* The baseline: decibels above the quietest of the last 1 to 2 s, the highest of 100 ms. */
struct energy {
	size_t samples, at;
	float lowest[2], recent[5];
};

union state {
	struct vad vad;
	struct energy energy;
};

static void energy_start(union state *s, uint32_t rate_hz)
{
	*s = (union state){ .energy = { .samples = frame_samples(rate_hz),
					.lowest = { 200, 200 } } };
}

static float energy_frame(union state *s, const int16_t *samples)
{
	struct energy *e = &s->energy;
	float sum = 1, most = -200;
	for (size_t i = 0; i < e->samples; i++)
		sum += (float)samples[i] * (float)samples[i];
	float db = 10 * log10f(sum / (float)e->samples);
	if (e->at % 50 == 0) {
		e->lowest[0] = e->lowest[1];
		e->lowest[1] = db;
	}
	e->lowest[1] = fminf(e->lowest[1], db);
	e->recent[e->at++ % 5] = db - fminf(e->lowest[0], e->lowest[1]);
	for (int i = 0; i < 5; i++)
		most = fmaxf(most, e->recent[i]);
	return most;
}

static void standard_start(union state *s, uint32_t rate_hz)
{
	vad_init(&s->vad, rate_hz);
}

static float vad_score(union state *s, const int16_t *samples)
{
	return vad_frame(&s->vad, samples);
}

static const struct detector {
	const char *name;
	void (*start)(union state *, uint32_t rate_hz);
	float (*frame)(union state *, const int16_t *samples);
	size_t behind; /* frames: its score is that of the frame so many before */
} detectors[] = {
	{ "standard", standard_start, vad_score, VAD_BEHIND },
	{ "energy", energy_start, energy_frame, 0 },
};
enum { DETECTORS = sizeof(detectors) / sizeof(*detectors) };

/* --- scores ----------------------------------------------------------------------------------- */

struct result {
	float *speech, *other; /* scores, sorted */
	size_t speech_n, other_n;
	double ns;
};

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

/* One run over the set; scores[frame]. The last frames, for whose scores the sound does not go on
 * long enough, get the last one. */
static double run(const struct detector *d, const struct set *s, float *scores)
{
	union state state;
	double before = (double)cpu_ns();
	for (size_t i = 0; i < s->n; i++) {
		const struct track *t = &s->tracks[i];
		size_t frame = frame_samples(t->rate_hz);
		d->start(&state, t->rate_hz);
		float score = 0;
		for (size_t k = 0; k < t->frames; k++) {
			score = d->frame(&state, t->samples + k * frame);
			if (k >= d->behind)
				scores[k - d->behind] = score;
		}
		for (size_t k = t->frames > d->behind ? t->frames - d->behind : 0; k < t->frames;
		     k++)
			scores[k] = score;
		scores += t->frames;
	}
	return (double)cpu_ns() - before;
}

static size_t all_frames(const struct set *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n; i++)
		n += s->tracks[i].frames;
	return n;
}

static struct result judge(const struct detector *d, const struct set *s)
{
	size_t n = all_frames(s);
	float *scores = room(NULL, n * sizeof(*scores)), spent[RUNS];
	struct result r = { .speech = room(NULL, n * sizeof(float)),
			    .other = room(NULL, n * sizeof(float)) };
	for (int i = 0; i < RUNS; i++)
		spent[i] = (float)(run(d, s, scores) / (double)n);
	qsort(spent, RUNS, sizeof(*spent), by_value);
	r.ns = (double)spent[RUNS / 2];
	const float *score = scores;
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->tracks[i].frames; k++, score++)
			if (s->tracks[i].speech[k])
				r.speech[r.speech_n++] = *score;
			else
				r.other[r.other_n++] = *score;
	free(scores);
	if (!r.speech_n || !r.other_n)
		die("%s: labels need both speech and none (%zu and %zu frames)", s->name,
		    r.speech_n, r.other_n);
	qsort(r.speech, r.speech_n, sizeof(float), by_value);
	qsort(r.other, r.other_n, sizeof(float), by_value);
	return r;
}

/* The part of `n` sorted scores below the threshold. */
static double below(const float *scores, size_t n, float threshold)
{
	size_t from = 0, to = n;
	while (from < to) {
		size_t middle = (from + to) / 2;
		if (scores[middle] < threshold)
			from = middle + 1;
		else
			to = middle;
	}
	return (double)from / (double)n;
}

/* The highest threshold that misses no more than `missed`. */
static float threshold_at(const struct result *r, double missed)
{
	return r->speech[(size_t)(missed * (double)r->speech_n)];
}

static double alarms_at(const struct result *r, double missed)
{
	return 1 - below(r->other, r->other_n, threshold_at(r, missed));
}

static void print_curve(const struct result *results)
{
	printf("\n  %% missed ");
	for (int d = 0; d < DETECTORS; d++)
		printf("%12s  (at) ", detectors[d].name);
	for (int i = 1; i <= POINTS; i++) {
		printf("\n%10d ", i);
		for (int d = 0; d < DETECTORS; d++)
			printf("%9.1f %% %7.3f", 100 * alarms_at(&results[d], i / 100.0),
			       (double)threshold_at(&results[d], i / 100.0));
	}
	printf("\n");
}

static void report(const struct set *s, bool curve)
{
	struct result results[DETECTORS];
	for (int d = 0; d < DETECTORS; d++)
		results[d] = judge(&detectors[d], s);
	printf("%s: %.1f min, %.0f %% speech\n", s->name,
	       (double)all_frames(s) * VAD_FRAME_MS / 60000,
	       100.0 * (double)results[0].speech_n / (double)all_frames(s));
	for (int d = 0; d < DETECTORS; d++) {
		printf("  %-9s %5.1f %% false alarms at %.0f %% missed, %6.0f ns a frame",
		       detectors[d].name, 100 * alarms_at(&results[d], missed_aim),
		       100 * missed_aim, results[d].ns);
		if (detectors[d].frame == vad_score)
			printf("; at %.2f: %.1f %% missed, %.1f %% false alarms",
			       (double)vad_rule_default.on,
			       100 * below(results[d].speech, results[d].speech_n,
					   vad_rule_default.on),
			       100 - 100 * below(results[d].other, results[d].other_n,
						 vad_rule_default.on));
		printf("\n");
	}
	if (curve)
		print_curve(results);
	for (int d = 0; d < DETECTORS; d++) {
		free(results[d].speech);
		free(results[d].other);
	}
}

/* --- a set of its own ------------------------------------------------------------------------- */

enum { RATE = 8000, SCENE_S = 40, SCENE = RATE * SCENE_S, CLIPS_MAX = 64, STEP = RATE / 100 };

static uint64_t random_state;

static double uniform(void)
{
	random_state = random_state * 6364136223846793005U + 1442695040888963407U;
	return (double)(random_state >> 11) / 9007199254740992.0;
}

static double between(double least, double most)
{
	return least + (most - least) * uniform();
}

static double normal(void)
{
	return sqrt(-2 * log(uniform() + 1e-12)) * cos(2 * M_PI * uniform());
}

struct clip {
	float *x;
	bool *speech; /* in steps of 10 ms */
	size_t steps;
};

static const struct {
	const char *voice, *text;
} spoken[] = {
	{ "en-us", "Hello, I am calling about my last bill. The number is four seven, one nine." },
	{ "en-us+f3", "Thank you for waiting. Could you spell your surname for me, please?" },
	{ "en-gb", "Yes, that is right. I moved last month, and nothing has come since." },
	{ "en-gb+f2", "I see. Let me check that for you. Is it the same telephone number?" },
	{ "de", "Guten Tag, ich habe eine Frage zu meiner Bestellung. Einen Moment bitte." },
	{ "de+f4", "Gern. Können Sie mir die Nummer noch einmal sagen? Ja, danke." },
	{ "es", "Buenos días, llamo porque mi conexión no funciona desde ayer." },
	{ "es+f1", "Claro, un momento por favor. Voy a mirar qué ha pasado." },
	{ "fr-fr", "Bonjour, je voudrais changer la date de mon rendez-vous." },
	{ "fr-fr+f2", "Bien sûr. Est-ce que jeudi vous conviendrait mieux?" },
	{ "it", "Buongiorno, vorrei sapere quando arriva il pacco." },
	{ "pl", "Dzień dobry, chciałbym zmienić termin wizyty." },
};
enum { SPOKEN = sizeof(spoken) / sizeof(*spoken), SPEEDS = 3 };

/* What is within 35 dB of the loud parts; gaps of up to 180 ms belong to it. */
static void label_clip(struct clip *c)
{
	float loud = 0;
	float *power = room(NULL, c->steps * sizeof(*power));
	for (size_t k = 0; k < c->steps; k++) {
		power[k] = 0;
		for (size_t i = 0; i < STEP; i++)
			power[k] += c->x[k * STEP + i] * c->x[k * STEP + i];
		loud = fmaxf(loud, power[k]);
	}
	size_t last = SIZE_MAX;
	for (size_t k = 0; k < c->steps; k++) {
		c->speech[k] = power[k] > loud * 2e-4F;
		if (!c->speech[k])
			continue;
		for (size_t i = last == SIZE_MAX || k - last > 18 ? k : last; i < k; i++)
			c->speech[i] = true;
		last = k;
	}
	free(power);
}

static struct clip speak(const char *voice, const char *text, int words_a_minute)
{
	char command[512];
	snprintf(command, sizeof(command), "espeak-ng -v %s -s %d --stdout \"%s\"", voice,
		 words_a_minute, text);
	FILE *f = popen(command, "r");
	if (!f)
		die("%s: %m", command);
	size_t n;
	unsigned char *bytes = whole_stream(f, &n);
	if (pclose(f) != 0)
		die("cannot run espeak-ng, which makes the voices (apt-get install espeak-ng): %s",
		    command);
	struct wav w = wav_of(bytes, n, voice);
	struct resample *down;
	struct fault fault;
	if (resample_new(&down, w.rate_hz, RATE, &fault) != 0)
		die("cannot resample %u Hz", w.rate_hz);
	int16_t *narrow = room(NULL, resample_max(down, w.n / 2) * sizeof(*narrow));
	size_t got = resample_run(down, (const int16_t *)(const void *)w.data, w.n / 2, narrow);
	struct clip c = { .steps = got / STEP };
	c.x = room(NULL, got * sizeof(*c.x));
	c.speech = room(NULL, c.steps + 1);
	for (size_t i = 0; i < got; i++)
		c.x[i] = narrow[i];
	label_clip(&c);
	resample_free(down);
	free(narrow);
	free(bytes);
	return c;
}

/* Noises: what they do with a sample's number, and what they remember. */
struct noise {
	double phase[8], slow, slower;
	const struct clip *clips;
	size_t at[6];
};

static double white(struct noise *n, size_t i)
{
	(void)n;
	(void)i;
	return normal();
}

static double street(struct noise *n, size_t i)
{
	n->slow += 0.05 * (normal() - n->slow);
	n->slower += 0.00002 * (normal() * 60 - n->slower);
	return n->slow * (1 + 0.8 * sin((double)i / RATE * 0.9)) * exp2(n->slower) +
	       0.02 * normal();
}

static double engine(struct noise *n, size_t i)
{
	double sum = 0, t = (double)i / RATE;
	n->phase[0] += 2 * M_PI * (70 + 25 * sin(0.3 * t)) / RATE;
	for (int k = 1; k < 10; k++)
		sum += sin(k * n->phase[0] + k) / k;
	n->slow += 0.2 * (normal() - n->slow);
	return sum + n->slow;
}

static double hum(struct noise *n, size_t i)
{
	double sum = 0;
	(void)n;
	for (int k = 1; k < 16; k += 2)
		sum += sin(2 * M_PI * 50 * k * (double)i / RATE) / k;
	return sum + 0.05 * normal();
}

static double babble(struct noise *n, size_t i)
{
	double sum = 0;
	(void)i;
	for (size_t v = 0; v < 6; v++) {
		const struct clip *c = &n->clips[(v * 7 + 3) % (SPOKEN * SPEEDS)];
		sum += (double)c->x[n->at[v]++ % (c->steps * STEP)];
	}
	return sum;
}

static double music(struct noise *n, size_t i)
{
	static const double scale[8] = { 1, 1.125, 1.25, 1.333, 1.5, 1.667, 1.875, 2 };
	double sum = 0;
	for (size_t v = 0; v < 3; v++) {
		size_t beat = i / (RATE * (v + 1) / 4), in = i % (RATE * (v + 1) / 4);
		double f = 130.8 * (double)(v + 1) * scale[(beat * (3 + v) + beat * beat % 5) % 8];
		n->phase[v] += 2 * M_PI * f / RATE;
		double tone =
			sin(n->phase[v]) + 0.5 * sin(2 * n->phase[v]) + 0.3 * sin(3 * n->phase[v]);
		sum += tone * exp(-4.0 * (double)in / RATE);
	}
	return sum;
}

static double tones(struct noise *n, size_t i)
{
	static const double low[4] = { 697, 770, 852, 941 }, high[4] = { 1209, 1336, 1477, 1633 };
	size_t key = i / 2400, in = i % 2400, kind = key / 12 % 2;
	double t = (double)i / RATE;
	(void)n;
	if (kind)
		return in < 1600 || key % 6 < 3 ? sin(2 * M_PI * 440 * t) + sin(2 * M_PI * 480 * t)
						: 0;
	return in < 800 ? sin(2 * M_PI * low[key % 4] * t) + sin(2 * M_PI * high[key / 4 % 4] * t)
			: 0.001 * normal();
}

static double keyboard(struct noise *n, size_t i)
{
	if (i % 1300 == 0)
		n->slow = uniform() < 0.6 ? 1 : n->slow;
	n->slow *= 0.99;
	return n->slow * normal() + 0.02 * normal();
}

static const struct {
	const char *name;
	double (*sample)(struct noise *, size_t i);
} noises[] = {
	{ "white", white },   { "street", street }, { "engine", engine }, { "hum", hum },
	{ "babble", babble }, { "music", music },   { "tones", tones },	  { "keyboard", keyboard },
};

static void talk(const struct clip *clips, float *x, bool *speech)
{
	size_t at = (size_t)between(20, 200);
	while (at < SCENE / STEP) {
		const struct clip *c = &clips[(size_t)(uniform() * SPOKEN * SPEEDS)];
		for (size_t k = 0; k < c->steps && at < SCENE / STEP; k++, at++) {
			memcpy(x + at * STEP, c->x + k * STEP, STEP * sizeof(*x));
			speech[at] = c->speech[k];
		}
		at += (size_t)(100 * exp(between(log(0.3), log(4))));
	}
}

/* Through µ-law, at some level of the line. */
static void mix(struct track *t, const float *x, const bool *speech, const double *noise,
		double snr_db)
{
	double loud = 0, other = 0, n = 0;
	for (size_t i = 0; i < SCENE; i++) {
		loud += speech[i / STEP] ? (double)x[i] * (double)x[i] : 0;
		n += speech[i / STEP];
		other += noise[i] * noise[i];
	}
	double level = 32768 * pow(10, between(-38, -14) / 20), by = level / sqrt(loud / n);
	double with = level / sqrt(other / SCENE) * pow(10, -snr_db / 20);
	for (size_t i = 0; i < SCENE; i++) {
		double v = fmax(fmin(x[i] * by + noise[i] * with, 32767), -32768);
		t->samples[i] = g711_ulaw_table[g711_ulaw_of((int16_t)v)];
	}
	for (size_t k = 0; k < t->frames; k++)
		t->speech[k] = speech[2 * k] || speech[2 * k + 1];
}

static struct set made(const struct clip *clips, double snr_db, const char *name)
{
	struct set s = { .name = name };
	float *x = room(NULL, SCENE * sizeof(*x));
	double *noise = room(NULL, SCENE * sizeof(*noise));
	bool *speech = room(NULL, SCENE / STEP);
	for (size_t k = 0; k < sizeof(noises) / sizeof(*noises); k++) {
		struct noise memory = { .clips = clips,
					.at = { 0, 9000, 18000, 27000, 36000, 45000 } };
		memset(x, 0, SCENE * sizeof(*x));
		memset(speech, 0, SCENE / STEP);
		talk(clips, x, speech);
		for (size_t i = 0; i < SCENE; i++)
			noise[i] = noises[k].sample(&memory, i);
		mix(add_track(&s, RATE, SCENE), x, speech, noise, snr_db);
	}
	free(x);
	free(noise);
	free(speech);
	return s;
}

static void own_sets(bool curve)
{
	static const struct {
		double db;
		const char *name;
	} distances[] = { { 20, "made, 20 dB" },
			  { 10, "made, 10 dB" },
			  { 5, "made, 5 dB" },
			  { 0, "made, 0 dB" } };
	struct clip clips[SPOKEN * SPEEDS];
	for (size_t i = 0; i < SPOKEN * SPEEDS; i++)
		clips[i] = speak(spoken[i % SPOKEN].voice, spoken[i % SPOKEN].text,
				 140 + 35 * (int)(i / SPOKEN));
	random_state = 1;
	for (size_t i = 0; i < sizeof(distances) / sizeof(*distances); i++) {
		struct set s = made(clips, distances[i].db, distances[i].name);
		report(&s, curve);
	}
}

int main(int argc, char **argv)
{
	bool curve = false;
	struct set s = { .name = "all files" };
	const char *sound = NULL;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--curve")) {
			curve = true;
		} else if (!sound) {
			sound = argv[i];
		} else {
			read_labels(&s, read_wav(&s, sound), argv[i]);
			sound = NULL;
		}
	}
	if (sound)
		die("usage: speech_bench [FILE.wav LABELS.csv ...] [--curve]");
	if (s.n)
		report(&s, curve);
	else
		own_sets(curve);
	return 0;
}
