/* Makes the weights of the speech detector.
 *
 *   vad_train OUT.c VALIDATION SCENES... [--name NAME] [--dense N] [--units N]
 *             [--epochs N] [--rate R] [--seed N] [--continue] [--watch RECORDING]...
 *
 * VALIDATION, SCENES and RECORDING are files made by mix.py, without their ends .s16 and .lab;
 * features are the detector's own. Adam over pieces of PIECE frames of LANES scenes at once, memory
 * carried on; of all epochs the weights with the least false alarms on VALIDATION are written.
 * --continue goes on from the weights that src/leg has; --watch prints false alarms at 3, 6 and 12
 * % missed on a file in one piece, which decides nothing. The same arguments give the same weights
 * on the same processor. */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "leg/vad_network.h"

enum {
	LANES = 32,
	PIECE = 100,
	SCENE = 1200,
	FRAME = 160,
	MOST_D = 64,
	MOST_H = 128,
	MOST_G = 3 * MOST_H
};

/* The network in whole: floats, `dense` x [D], `gates` D x [G], `memory` H x [G]; see
 * vad_network.h. */
struct weights {
	float dense[VAD_IN * MOST_D], dense_bias[MOST_D];
	float gates[MOST_D * MOST_G], gates_bias[MOST_G];
	float memory[MOST_H * MOST_G], memory_bias[MOST_H];
	float out[MOST_H], out_bias;
};
enum { WEIGHTS = sizeof(struct weights) / sizeof(float) };
static size_t D = 32, H = 64, G = 192;

typedef float lanes[LANES];

struct scenes {
	size_t frames;
	float (*in)[VAD_IN];
	unsigned char *label;
};

static uint64_t random_state = 1;
static double uniform(void)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (double)(random_state >> 11) / 9007199254740992.0;
}

static void *bytes_of(const char *name, const char *end, size_t *n)
{
	char path[1024];
	snprintf(path, sizeof(path), "%s%s", name, end);
	FILE *f = fopen(path, "rb");
	if (!f) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	fseek(f, 0, SEEK_END);
	*n = (size_t)ftell(f);
	rewind(f);
	void *data = malloc(*n);
	if (fread(data, 1, *n, f) != *n)
		exit(1);
	fclose(f);
	return data;
}

/* Most scenes begin as a call does; some go on from another. */
static struct scenes load(const char *name, bool whole)
{
	size_t bytes, labels;
	int16_t *pcm = bytes_of(name, ".s16", &bytes);
	struct scenes s = { .label = bytes_of(name, ".lab", &labels) };
	s.frames = bytes / (2 * FRAME) < labels ? bytes / (2 * FRAME) : labels;
	s.in = aligned_alloc(64, s.frames * sizeof(*s.in) / 64 * 64 + 64);
	struct vad_features state = { 0 };
	for (size_t i = 0; i < s.frames; i++) {
		if (!whole && i % SCENE == 0 && uniform() < 0.75)
			state = (struct vad_features){ 0 };
		_Alignas(32) float in[VAD_IN];
		vad_features(&state, pcm + i * FRAME, in);
		memcpy(s.in[i], in, sizeof(in));
	}
	free(pcm);
	return s;
}

/* --- the network over LANES scenes at once, and back --------------------------------------------
 */

/* What the way back needs of a frame. */
struct step {
	lanes in[VAD_IN], before[MOST_H], after[MOST_H], odds;
	lanes pre[MOST_D], g[MOST_G], m[MOST_H]; /* sums before the curves: dense, gates, memory */
	lanes dense[MOST_D], z[MOST_H], r[MOST_H], n[MOST_H];
	float label[LANES], weight[LANES];
};

static struct weights w, slope, best;
static float mean1[WEIGHTS], mean2[WEIGHTS];

/* The same curve as vad_network.c's: tanh to 2 %. */
static float curve(float x)
{
	x = fminf(fmaxf(x, -3), 3);
	return x * (27 + x * x) / (27 + 9 * x * x);
}
/* Its slope where it has the value of x. */
static float curve_slope(float x)
{
	x = fminf(fmaxf(x, -3), 3);
	float a = 9 - x * x, b = 3 + x * x;
	return a * a / (9 * b * b);
}

/* y[j] += sum of weight[i][j] * x[i] */
static void forth(size_t ins, size_t outs, const float *weight, size_t stride, const lanes *x,
		  lanes *y)
{
	for (size_t j = 0; j < outs; j += 4) {
		lanes a[4];
		memcpy(a, y + j, sizeof(a));
		for (size_t i = 0; i < ins; i++)
			for (size_t q = 0; q < 4; q++)
				for (size_t b = 0; b < LANES; b++)
					a[q][b] += weight[i * stride + j + q] * x[i][b];
		memcpy(y + j, a, sizeof(a));
	}
}

/* dx[i] += sum of weight[i][j] * dy[j]; slopes[i][j] += x[i] . dy[j] */
static void back(size_t ins, size_t outs, const float *weight, float *slopes, size_t stride,
		 const lanes *x, const lanes *dy, lanes *dx)
{
	for (size_t i = 0; i < ins; i++) {
		for (size_t j = 0; j < outs; j++) {
			float sum = 0;
			for (size_t b = 0; b < LANES; b++)
				sum += x[i][b] * dy[j][b];
			slopes[i * stride + j] += sum;
		}
		if (!dx)
			continue;
		lanes a;
		memcpy(a, dx[i], sizeof(a));
		for (size_t j = 0; j < outs; j++)
			for (size_t b = 0; b < LANES; b++)
				a[b] += weight[i * stride + j] * dy[j][b];
		memcpy(dx[i], a, sizeof(a));
	}
}

static void fill(lanes *y, size_t n, const float *bias)
{
	for (size_t j = 0; j < n; j++)
		for (size_t b = 0; b < LANES; b++)
			y[j][b] = bias[j];
}

static void step_forth(struct step *s)
{
	lanes *g = s->g, *m = s->m;
	fill(s->pre, D, w.dense_bias);
	forth(VAD_IN, D, w.dense, D, s->in, s->pre);
	for (size_t j = 0; j < D; j++)
		for (size_t b = 0; b < LANES; b++)
			s->dense[j][b] = curve(s->pre[j][b]);
	fill(g, G, w.gates_bias);
	fill(m, H, w.memory_bias);
	forth(D, G, w.gates, G, s->dense, g);
	forth(H, 2 * H, w.memory, G, s->before, g);
	forth(H, H, w.memory + 2 * H, G, s->before, m);
	for (size_t b = 0; b < LANES; b++)
		s->odds[b] = w.out_bias;
	for (size_t j = 0; j < H; j++)
		for (size_t b = 0; b < LANES; b++) {
			s->z[j][b] = 0.5F + 0.5F * curve(0.5F * g[j][b]);
			s->r[j][b] = 0.5F + 0.5F * curve(0.5F * g[H + j][b]);
			s->n[j][b] = curve(g[2 * H + j][b] + s->r[j][b] * m[j][b]);
			s->after[j][b] = s->n[j][b] + s->z[j][b] * (s->before[j][b] - s->n[j][b]);
			s->odds[b] += w.out[j] * s->after[j][b];
		}
}

/* `dh`: in, slopes of the memory after; out, of that before. */
static void step_back(const struct step *s, lanes *dh)
{
	const lanes *g = s->g, *m = s->m;
	lanes dg[MOST_G], dm[MOST_H], dd[MOST_D] = { 0 }, before[MOST_H] = { 0 };
	for (size_t b = 0; b < LANES; b++) {
		float p = 1 / (1 + expf(-s->odds[b])), d = (p - s->label[b]) * s->weight[b];
		slope.out_bias += d;
		for (size_t j = 0; j < H; j++) {
			slope.out[j] += d * s->after[j][b];
			dh[j][b] += d * w.out[j];
		}
	}
	for (size_t j = 0; j < H; j++)
		for (size_t b = 0; b < LANES; b++) {
			float d = dh[j][b];
			float dn = d * (1 - s->z[j][b]) *
				   curve_slope(g[2 * H + j][b] + s->r[j][b] * m[j][b]);
			dg[j][b] = d * (s->before[j][b] - s->n[j][b]) * 0.25F *
				   curve_slope(0.5F * g[j][b]);
			dg[H + j][b] = dn * m[j][b] * 0.25F * curve_slope(0.5F * g[H + j][b]);
			dg[2 * H + j][b] = dn;
			dm[j][b] = dn * s->r[j][b];
			before[j][b] = d * s->z[j][b];
		}
	for (size_t j = 0; j < G; j++)
		for (size_t b = 0; b < LANES; b++)
			slope.gates_bias[j] += dg[j][b];
	for (size_t j = 0; j < H; j++)
		for (size_t b = 0; b < LANES; b++)
			slope.memory_bias[j] += dm[j][b];
	back(D, G, w.gates, slope.gates, G, s->dense, dg, dd);
	back(H, 2 * H, w.memory, slope.memory, G, s->before, dg, before);
	back(H, H, w.memory + 2 * H, slope.memory + 2 * H, G, s->before, dm, before);
	memcpy(dh, before, sizeof(before));
	for (size_t j = 0; j < D; j++)
		for (size_t b = 0; b < LANES; b++) {
			dd[j][b] *= curve_slope(s->pre[j][b]);
			slope.dense_bias[j] += dd[j][b];
		}
	back(VAD_IN, D, w.dense, slope.dense, D, s->in, dd, NULL);
}

static void adam(double rate, unsigned step)
{
	float *x = (float *)&w, *dx = (float *)&slope;
	double norm = 0;
	for (size_t i = 0; i < WEIGHTS; i++)
		norm += dx[i] * dx[i];
	float scale = norm > 1 ? (float)(1 / sqrt(norm)) : 1;
	double c1 = 1 - pow(0.9, step), c2 = 1 - pow(0.999, step);
	for (size_t i = 0; i < WEIGHTS; i++) {
		float d = dx[i] * scale + 1e-6F * x[i];
		mean1[i] = 0.9F * mean1[i] + 0.1F * d;
		mean2[i] = 0.999F * mean2[i] + 0.001F * d * d;
		x[i] -= (float)(rate * mean1[i] / c1 / (sqrt(mean2[i] / c2) + 1e-8));
	}
	memset(&slope, 0, sizeof(slope));
}

/* --- evaluation ----------------------------------------------------------------------------------
 */

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

/* The part of what is no speech that scores above the threshold which `missed` of speech is below.
 */
static double false_alarms(const struct scenes *s, double missed, bool whole)
{
	float *yes = malloc(s->frames * sizeof(*yes));
	size_t speech = 0, other = 0, alarms = 0;
	float *no = malloc(s->frames * sizeof(*no));
	static struct step step;
	size_t scenes = whole ? 1 : s->frames / SCENE, length = whole ? s->frames : SCENE;
	for (size_t k = 0; k < scenes; k += LANES) {
		size_t some = scenes - k < LANES ? scenes - k : LANES;
		memset(step.before, 0, sizeof(step.before));
		for (size_t t = 0; t < length; t++) {
			for (size_t b = 0; b < some; b++)
				for (size_t i = 0; i < VAD_IN; i++)
					step.in[i][b] = s->in[(k + b) * length + t][i];
			step_forth(&step);
			memcpy(step.before, step.after, sizeof(step.before));
			for (size_t b = 0; b < some; b++) {
				unsigned char label =
					t < VAD_BEHIND
						? 2
						: s->label[(k + b) * length + t - VAD_BEHIND];
				if (label == 1)
					yes[speech++] = step.odds[b];
				else if (label == 0)
					no[other++] = step.odds[b];
			}
		}
	}
	qsort(yes, speech, sizeof(*yes), by_value);
	float threshold = yes[(size_t)(missed * (double)speech)];
	for (size_t i = 0; i < other; i++)
		alarms += no[i] >= threshold;
	free(yes);
	free(no);
	return (double)alarms / (double)other;
}

/* --- training ------------------------------------------------------------------------------------
 */

/* The weights that the detector has. */
static void go_on(const struct vad_net *net)
{
	struct part {
		const int16_t *from;
		float *to;
		size_t rows, columns;
	} parts[] = {
		{ net->dense, w.dense, VAD_IN, D },
		{ net->gates, w.gates, D, G },
		{ net->memory, w.memory, H, G },
	};
	for (size_t p = 0; p < sizeof(parts) / sizeof(*parts); p++)
		for (size_t k = 0; k < parts[p].rows * parts[p].columns; k++) {
			size_t c = parts[p].columns, i = k / (2 * c) * 2 + k % 2,
			       j = k % (2 * c) / 2;
			parts[p].to[i * c + j] = (float)parts[p].from[k] / VAD_WEIGHT_ONE;
		}
	memcpy(w.dense_bias, net->dense_bias, D * sizeof(float));
	memcpy(w.gates_bias, net->gates_bias, G * sizeof(float));
	memcpy(w.memory_bias, net->memory_bias, H * sizeof(float));
	memcpy(w.out, net->out, H * sizeof(float));
	w.out_bias = net->out_bias;
}

static void start_weights(void)
{
	struct part {
		float *at;
		size_t n, ins;
	} parts[] = {
		{ w.dense, VAD_IN * D, VAD_IN },
		{ w.gates, D * G, D },
		{ w.memory, H * G, H },
		{ w.out, H, H },
	};
	for (size_t p = 0; p < sizeof(parts) / sizeof(*parts); p++)
		for (size_t i = 0; i < parts[p].n; i++)
			parts[p].at[i] =
				(float)((uniform() * 2 - 1) * sqrt(3.0 / (double)parts[p].ins));
	for (size_t j = 0; j < H; j++)
		w.gates_bias[j] = 1;
}

static double train_scenes(const struct scenes *s, const size_t *scene, double rate,
			   unsigned *steps)
{
	static struct step piece[PIECE];
	static lanes memory[MOST_H], dh[MOST_H];
	double loss = 0;
	memset(memory, 0, sizeof(memory));
	for (size_t at = 0; at < SCENE; at += PIECE) {
		for (size_t t = 0; t < PIECE; t++) {
			for (size_t b = 0; b < LANES; b++) {
				size_t f = scene[b] * SCENE + at + t;
				for (size_t i = 0; i < VAD_IN; i++)
					piece[t].in[i][b] = s->in[f][i];
				unsigned char label =
					at + t < VAD_BEHIND ? 2 : s->label[f - VAD_BEHIND];
				piece[t].label[b] = label == 1;
				piece[t].weight[b] = label > 1 ? 0 : 1.0F / (LANES * PIECE);
			}
			memcpy(piece[t].before, memory, sizeof(memory));
			step_forth(&piece[t]);
			memcpy(memory, piece[t].after, sizeof(memory));
			for (size_t b = 0; b < LANES; b++) {
				float o = piece[t].label[b] > 0 ? piece[t].odds[b]
								: -piece[t].odds[b];
				loss += piece[t].weight[b] *
					(o > 0 ? log1pf(expf(-o)) : -o + log1pf(expf(o)));
			}
		}
		memset(dh, 0, sizeof(dh));
		for (size_t t = PIECE; t-- > 0;)
			step_back(&piece[t], dh);
		adam(rate, ++*steps);
	}
	return loss / (SCENE / PIECE);
}

static void shuffle(size_t *order, size_t n)
{
	for (size_t i = n; i-- > 1;) {
		size_t j = (size_t)(uniform() * (double)(i + 1)), keep = order[i];
		order[i] = order[j];
		order[j] = keep;
	}
}

/* Rows in pairs, one number of each beside the other, as whole numbers. */
static void write_pairs(FILE *f, const char *name, const char *part, const float *x, size_t rows,
			size_t columns)
{
	fprintf(f, "static const _Alignas(64) int16_t %s_%s[] = {", name, part);
	for (size_t k = 0; k < rows * columns; k++) {
		size_t i = k / (2 * columns) * 2 + k % 2, j = k % (2 * columns) / 2;
		double v = round(x[i * columns + j] * VAD_WEIGHT_ONE);
		fprintf(f, "%s%.0f,", k % 24 ? "" : "\n\t", fmax(fmin(v, 32767), -32767));
	}
	fputs("\n};\n", f);
}

static void write_floats(FILE *f, const char *name, const char *part, const float *x, size_t n)
{
	fprintf(f, "static const _Alignas(64) float %s_%s[] = {", name, part);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%s%.6fF,", i % 10 ? " " : "\n\t", (double)x[i]);
	fputs("\n};\n", f);
}

static void write_weights(const char *path, const char *name)
{
	FILE *f = fopen(path, "w");
	if (!f)
		exit(1);
	fputs("/* Made by tools/vad/train.c; docs/sound.md tells of what. */\n"
	      "#include \"leg/vad_network.h\"\n\n/* clang-format off */\n",
	      f);
	write_pairs(f, name, "dense", best.dense, VAD_IN, D);
	write_pairs(f, name, "gates", best.gates, D, G);
	write_pairs(f, name, "memory", best.memory, H, G);
	write_floats(f, name, "dense_bias", best.dense_bias, D);
	write_floats(f, name, "gates_bias", best.gates_bias, G);
	write_floats(f, name, "memory_bias", best.memory_bias, H);
	write_floats(f, name, "out", best.out, H);
	fprintf(f,
		"const struct vad_net vad_%s = {\n\t%zu, %zu, %s_dense, %s_gates, %s_memory,\n"
		"\t%s_dense_bias, %s_gates_bias, %s_memory_bias, %s_out, %.6fF\n};\n",
		name, D, H, name, name, name, name, name, name, name, (double)best.out_bias);
	fclose(f);
}

/* --- what is asked for ---------------------------------------------------------------------------
 */

enum { SETS_MAX = 16 };

static struct {
	const char *out, *name, *sets[SETS_MAX], *watched[SETS_MAX];
	size_t sets_n, watched_n;
	unsigned epochs;
	double rate;
	bool on;
} asked = { .name = "standard", .epochs = 10, .rate = 2e-3 };

static void set_dense(const char *text)
{
	D = strtoul(text, NULL, 10);
}

static void set_units(const char *text)
{
	H = strtoul(text, NULL, 10);
	G = 3 * H;
}

static void set_epochs(const char *text)
{
	asked.epochs = (unsigned)strtoul(text, NULL, 10);
}

static void set_rate(const char *text)
{
	asked.rate = strtod(text, NULL);
}

static void set_seed(const char *text)
{
	random_state = strtoull(text, NULL, 10) * 2 + 1;
}

static void set_name(const char *text)
{
	asked.name = text;
}

static void set_watched(const char *text)
{
	asked.watched[asked.watched_n++ % SETS_MAX] = text;
}

static void read_arguments(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*set)(const char *text);
	} options[] = {
		{ "--dense", set_dense },   { "--units", set_units }, { "--epochs", set_epochs },
		{ "--rate", set_rate },	    { "--seed", set_seed },   { "--name", set_name },
		{ "--watch", set_watched },
	};
	for (int i = 1; i < argc; i++) {
		size_t k = 0, n = sizeof(options) / sizeof(*options);
		while (k < n && strcmp(argv[i], options[k].name) != 0)
			k++;
		if (k < n && i + 1 < argc)
			options[k].set(argv[++i]);
		else if (!strcmp(argv[i], "--continue"))
			asked.on = true;
		else if (!asked.out)
			asked.out = argv[i];
		else if (asked.sets_n < SETS_MAX)
			asked.sets[asked.sets_n++] = argv[i];
	}
	if (asked.sets_n < 2 || D % 32 || H % 64 || D > MOST_D || H > MOST_H) {
		fputs("usage: vad_train OUT.c VALIDATION SCENES... (see tools/vad/train.c)\n",
		      stderr);
		exit(2);
	}
}

/* The scenes of all sets but the first in one. */
static struct scenes all_scenes(void)
{
	struct scenes all = { 0 };
	for (size_t i = 1; i < asked.sets_n; i++) {
		struct scenes s = load(asked.sets[i], false);
		size_t n = s.frames / SCENE * SCENE;
		all.in = realloc(all.in, (all.frames + n) * sizeof(*all.in));
		all.label = realloc(all.label, all.frames + n);
		memcpy(all.in + all.frames, s.in, n * sizeof(*all.in));
		memcpy(all.label + all.frames, s.label, n);
		all.frames += n;
		free(s.in);
		free(s.label);
	}
	return all;
}

static void print_watched(const struct scenes *watched)
{
	for (size_t i = 0; i < asked.watched_n; i++)
		printf("; %s %.1f %.1f %.1f", asked.watched[i],
		       100 * false_alarms(&watched[i], 0.03, true),
		       100 * false_alarms(&watched[i], 0.06, true),
		       100 * false_alarms(&watched[i], 0.12, true));
	printf("\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	read_arguments(argc, argv);
	struct scenes validation = load(asked.sets[0], false), watched[SETS_MAX],
		      all = all_scenes();
	for (size_t i = 0; i < asked.watched_n; i++)
		watched[i] = load(asked.watched[i], true);
	size_t scenes = all.frames / SCENE, *order = malloc(scenes * sizeof(*order));
	for (size_t i = 0; i < scenes; i++)
		order[i] = i;
	if (asked.on)
		go_on(&vad_standard);
	else
		start_weights();
	double least = 2, total = (double)asked.epochs * (double)(scenes / LANES);
	unsigned steps = 0, done = 0;
	for (unsigned e = 1; e <= asked.epochs; e++) {
		double loss = 0;
		shuffle(order, scenes);
		for (size_t i = 0; i + LANES <= scenes; i += LANES, done++)
			loss += train_scenes(
				&all, order + i,
				asked.rate * 0.5 * (1 + cos(M_PI * done / total)) + 1e-5, &steps);
		double alarms = false_alarms(&validation, 0.06, false);
		printf("epoch %u: loss %.4f, false alarms %.2f %%", e,
		       loss / (double)(scenes / LANES), 100 * alarms);
		print_watched(watched);
		if (alarms >= least)
			continue;
		least = alarms;
		best = w;
		write_weights(asked.out, asked.name);
	}
	return 0;
}
