/* Weights and what they are multiplied with are whole numbers of 16 bits, as processors multiply
 * and add pairs of those at once; sums have 32. What goes on between (curves, memory) is floats. */
#include "leg/vad_network.h"

#include "leg/vad_row.h"

enum { DENSE_BLOCK = 4, BLOCK = 8 }; /* rows of outputs worked on at once */

/* Adds to sums[rows] what n numbers bring; the weights of one pair of them are `stride` apart. */
VAD_PART void weigh(const int16_t *x, int n, const int16_t *weights, int stride, int rows,
		    row_bits *sums)
{
	part sum[BLOCK * ROW / PARTS];
	memcpy(sum, sums, (size_t)rows * sizeof(*sums));
	for (int i = 0; i < n / 2; i++) {
		int32_t pair;
		memcpy(&pair, x + 2 * i, sizeof(pair));
		for (int r = 0; r < rows * ROW / PARTS; r++)
			sum[r] += products((part){ 0 } + pair,
					   part_at(weights + 2 * (i * stride + PARTS * r)));
	}
	memcpy(sums, sum, (size_t)rows * sizeof(*sums));
}

/* Whole numbers of n floats; `one` stands for 1. */
VAD_PART void whole(const float *x, int n, float one, int16_t *out)
{
	for (int i = 0; i < n; i += 4)
		for (int k = i; k < i + 4; k++)
			out[k] = (int16_t)(int32_t)(x[k] * one);
}

VAD_PART row number(row_bits sum, float one)
{
	return __builtin_convertvector(sum, row) * (1.0F / one);
}

/* tanh within 2 %, and -1 and 1 exactly from 3 on: what the weights were made for. */
VAD_PART row curve(row x)
{
	row_bits above = x > 3.0F, below = x < -3.0F;
	x = (row)((above & (row_bits)((row){ 0 } + 3.0F)) | (~above & (row_bits)x));
	x = (row)((below & (row_bits)((row){ 0 } - 3.0F)) | (~below & (row_bits)x));
	row square = x * x;
	return x * (27.0F + square) / (27.0F + 9.0F * square);
}

VAD_PART row gate(row x)
{
	return 0.5F + 0.5F * curve(0.5F * x);
}

VAD_PART void dense_layer(const struct vad_net *net, const int16_t *in, float *out)
{
	for (int at = 0; at < net->dense_n; at += DENSE_BLOCK * ROW) {
		row_bits sums[DENSE_BLOCK] = { 0 };
		weigh(in, VAD_IN, net->dense + 2 * at, net->dense_n, DENSE_BLOCK, sums);
		for (int r = 0; r < DENSE_BLOCK; r++) {
			row y = curve(number(sums[r], (float)VAD_WEIGHT_ONE * VAD_FEATURE_ONE) +
				      row_at(net->dense_bias + at + ROW * r));
			row_put(out + at + ROW * r, y);
		}
	}
}

/* The units of one block: their memory before is `old`, in whole numbers of all units. */
VAD_PART row units(const struct vad_net *net, const int16_t *in, const int16_t *old, int at,
		   float *memory)
{
	int all = 3 * net->units, look_at = at + net->units, fresh_at = at + 2 * net->units;
	row_bits keep[BLOCK] = { 0 }, look[BLOCK] = { 0 }, fresh[BLOCK] = { 0 },
		 looked[BLOCK] = { 0 };
	weigh(in, net->dense_n, net->gates + 2 * at, all, BLOCK, keep);
	weigh(old, net->units, net->memory + 2 * at, all, BLOCK, keep);
	weigh(in, net->dense_n, net->gates + 2 * look_at, all, BLOCK, look);
	weigh(old, net->units, net->memory + 2 * look_at, all, BLOCK, look);
	weigh(in, net->dense_n, net->gates + 2 * fresh_at, all, BLOCK, fresh);
	weigh(old, net->units, net->memory + 2 * fresh_at, all, BLOCK, looked);
	row odds = { 0 };
	for (int r = 0; r < BLOCK; r++) {
		const float one = (float)VAD_WEIGHT_ONE * VAD_BETWEEN_ONE,
			    *bias = net->gates_bias + ROW * r;
		row before = row_at(memory + at + ROW * r);
		row seen = gate(number(look[r], one) + row_at(bias + look_at)) *
			   (number(looked[r], one) + row_at(net->memory_bias + at + ROW * r));
		row next = curve(number(fresh[r], one) + row_at(bias + fresh_at) + seen);
		next += gate(number(keep[r], one) + row_at(bias + at)) * (before - next);
		row_put(memory + at + ROW * r, next);
		odds += next * row_at(net->out + at + ROW * r);
	}
	return odds;
}

float vad_network(const struct vad_net *net, float *memory, const float in[VAD_IN])
{
	_Alignas(32) float dense[VAD_DENSE_MAX];
	_Alignas(32) int16_t features[VAD_IN], between[VAD_DENSE_MAX], old[VAD_UNITS_MAX];
	whole(in, VAD_IN, VAD_FEATURE_ONE, features);
	dense_layer(net, features, dense);
	whole(dense, net->dense_n, VAD_BETWEEN_ONE, between);
	whole(memory, net->units, VAD_BETWEEN_ONE, old);
	row odds = { 0 };
	for (int at = 0; at < net->units; at += BLOCK * ROW)
		odds += units(net, between, old, at, memory);
	return net->out_bias + ((odds[0] + odds[4]) + (odds[1] + odds[5])) +
	       ((odds[2] + odds[6]) + (odds[3] + odds[7]));
}
