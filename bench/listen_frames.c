/* For ./dev bench listen: PCM (s16le, mono, 48 kHz) on stdin becomes Opus frames of 20 ms on
 * stdout, each behind its length (u16, little-endian). */
#include <opus.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { RATE = 48000, FRAME = RATE / 50, BITRATE = 24400, PACKET_MAX = 2000 };

static void give_up(const char *why)
{
	fprintf(stderr, "listen_frames: %s\n", why);
	exit(1);
}

static OpusEncoder *encoder(void)
{
	int error = 0;
	OpusEncoder *e = opus_encoder_create(RATE, 1, OPUS_APPLICATION_VOIP, &error);

	if (error != OPUS_OK || opus_encoder_ctl(e, OPUS_SET_BITRATE(BITRATE)) != OPUS_OK ||
	    opus_encoder_ctl(e, OPUS_SET_VBR(0)) != OPUS_OK)
		give_up("no encoder");
	return e;
}

static void write_packet(OpusEncoder *e, const int16_t *pcm)
{
	unsigned char out[2 + PACKET_MAX];
	int n = opus_encode(e, pcm, FRAME, out + 2, PACKET_MAX);

	if (n < 1)
		give_up("a frame cannot be encoded");
	out[0] = (unsigned char)n;
	out[1] = (unsigned char)(n >> 8);
	if (fwrite(out, 1, 2 + (size_t)n, stdout) != 2 + (size_t)n)
		give_up("stdout");
}

int main(void)
{
	OpusEncoder *e = encoder();
	int16_t pcm[FRAME];

	while (fread(pcm, sizeof(*pcm), FRAME, stdin) == FRAME)
		write_packet(e, pcm);
	opus_encoder_destroy(e);
	return fflush(stdout) ? 1 : 0;
}
