/* Weights and what they are multiplied with are whole numbers of 16 bits, as processors multiply
 * and add pairs of those at once; sums have 32. What goes on between (curves, memory) is floats.
 *
 * The weights (40 KB) are more than fits beside all else next to the processor: a few detectors go
 * through them together, each weight being fetched once for all of them. What one detector gets
 * does not depend on who else was there. */
#include "leg/vad_network.h"

#include "leg/vad_row.h"

enum { TOGETHER = 4, INPUTS_MAX = VAD_UNITS_MAX };

/* Numbers of as many detectors as go together. */
typedef int16_t inputs[TOGETHER][INPUTS_MAX];
typedef int32_t outputs[TOGETHER][3 * VAD_UNITS_MAX];

/* What n numbers of each of `m` detectors bring to `outs` outputs; `wide` registers of outputs are
 * worked on at once. `from`, or zero, is added. The weights of one pair are `stride` apart. */
VAD_PART void weigh(int m, int wide, inputs x, int n, const int16_t *weights, int stride, int outs,
		    outputs from, outputs to)
{
	for (int at = 0; at < outs; at += wide * PARTS) {
		part sum[TOGETHER][4];
		for (int k = 0; k < m; k++)
			for (int r = 0; r < wide; r++)
				sum[k][r] = from ? part_at(from[k] + at + PARTS * r) : (part){ 0 };
		for (int i = 0; i < n / 2; i++) {
			const int16_t *of_pair = weights + 2 * (i * stride + at);
			for (int k = 0; k < m; k++) {
				int32_t pair;
				memcpy(&pair, x[k] + 2 * i, sizeof(pair));
				for (int r = 0; r < wide; r++)
					sum[k][r] = add_products(sum[k][r], (part){ 0 } + pair,
								 part_at(of_pair + 2 * PARTS * r));
			}
		}
		for (int k = 0; k < m; k++)
			for (int r = 0; r < wide; r++)
				part_put(to[k] + at + PARTS * r, sum[k][r]);
	}
}

/* Whole numbers of n floats; `one` stands for 1. */
VAD_PART void whole(const float *x, int n, float one, int16_t *out)
{
	for (int i = 0; i < n; i += 4)
		for (int k = i; k < i + 4; k++)
			out[k] = (int16_t)(int32_t)(x[k] * one);
}

VAD_PART row number(const int32_t *sums, float one)
{
	row_bits bits;
	memcpy(&bits, sums, sizeof(bits));
	return __builtin_convertvector(bits, row) * (1.0F / one);
}

/* tanh within 2 %, and -1 and 1 exactly from 3 on: what the weights were made for. */
VAD_PART row curve(row x)
{
	x = clamp(x, -3.0F, 3.0F);
	row square = x * x;
	return x * (27.0F + square) / (27.0F + 9.0F * square);
}

VAD_PART row gate(row x)
{
	return 0.5F + 0.5F * curve(0.5F * x);
}

VAD_PART void dense_curves(const struct vad_net *net, const int32_t *sums, int16_t *out)
{
	_Alignas(32) float y[VAD_DENSE_MAX];
	for (int at = 0; at < net->dense_n; at += ROW)
		row_put(y + at, curve(number(sums + at, (float)VAD_WEIGHT_ONE * VAD_FEATURE_ONE) +
				      row_at(net->dense_bias + at)));
	whole(y, net->dense_n, VAD_BETWEEN_ONE, out);
}

/* `gates`: sums of what stays, what of the memory is looked at, what is new; `looked`: of what the
 * memory says to the last. */
VAD_PART float remember(const struct vad_net *net, const int32_t *gates, const int32_t *looked,
			float *memory)
{
	const float one = (float)VAD_WEIGHT_ONE * VAD_BETWEEN_ONE;
	int n = net->units;
	row odds = { 0 };
	for (int at = 0; at < n; at += ROW) {
		const float *bias = net->gates_bias + at;
		row before = row_at(memory + at);
		row seen = gate(number(gates + n + at, one) + row_at(bias + n)) *
			   (number(looked + at, one) + row_at(net->memory_bias + at));
		row next = curve(number(gates + 2 * n + at, one) + row_at(bias + 2 * n) + seen);
		next += gate(number(gates + at, one) + row_at(bias)) * (before - next);
		row_put(memory + at, next);
		odds += next * row_at(net->out + at);
	}
	return net->out_bias + ((odds[0] + odds[4]) + (odds[1] + odds[5])) +
	       ((odds[2] + odds[6]) + (odds[3] + odds[7]));
}

VAD_PART void together(int m, const struct vad_net *net, float *const *memory,
		       const struct vad_seen *in, float *odds)
{
	_Alignas(64) inputs features, between, old;
	_Alignas(64) outputs gates, looked;
	int n = net->units, wide = m > 1 ? 2 : 4, narrow = m > 1 || PARTS > 8 ? 2 : 4;
	for (int k = 0; k < m; k++) {
		whole(in[k].numbers, VAD_IN, VAD_FEATURE_ONE, features[k]);
		whole(memory[k], n, VAD_BETWEEN_ONE, old[k]);
	}
	weigh(m, narrow, features, VAD_IN, net->dense, net->dense_n, net->dense_n, NULL, gates);
	for (int k = 0; k < m; k++)
		dense_curves(net, gates[k], between[k]);
	weigh(m, wide, between, net->dense_n, net->gates, 3 * n, 3 * n, NULL, gates);
	weigh(m, wide, old, n, net->memory, 3 * n, 2 * n, gates, gates);
	weigh(m, wide, old, n, net->memory + 4 * n, 3 * n, n, NULL, looked);
	for (int k = 0; k < m; k++)
		odds[k] = remember(net, gates[k], looked[k], memory[k]);
}

void vad_network(const struct vad_net *net, unsigned n, float *const *memory,
		 const struct vad_seen *in, float *odds)
{
	unsigned at = 0;
	for (; n - at >= TOGETHER; at += TOGETHER)
		together(TOGETHER, net, memory + at, in + at, odds + at);
	for (; at < n; at++)
		together(1, net, memory + at, in + at, odds + at);
}
