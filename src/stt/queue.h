/* A leg's audio on its way to a provider, in the leg's own form, in blocks with their time. Blocks
 * that were sent stay until the provider has settled what was said in them: after a lost connection
 * they are sent again. Bounded: the oldest goes first. Once as many blocks are there as are ever
 * needed nothing is allocated any more. One thread at a time. */
#ifndef CALLMEND_STT_QUEUE_H
#define CALLMEND_STT_QUEUE_H

#include <stdbool.h>

#include "stt/provider.h"

struct stt_block {
	struct stt_block *next;
	int64_t at_us; /* of its first sample */
	unsigned n;    /* samples */
	bool speaking; /* somewhere in it */
	bool last;     /* of an utterance (requests) */
	uint8_t bytes[];
};

struct stt_queue {
	struct stt_form form;
	unsigned block_n;	     /* samples of a full block */
	unsigned blocks, blocks_max; /* in the list */
	struct stt_block *first, *end, *spare;
	struct stt_block *next; /* the first that was not sent; NULL: none is there */
	bool sealed;		/* the last one grows no more */
	bool all_counts;	/* dropped_us counts what was sent, too */
	int64_t dropped_us;	/* of audio that went unsent, since somebody set it to 0 */
};

enum { STT_PAUSE_SENT_MS = 1000 };

void stt_queue_init(struct stt_queue *, struct stt_form, unsigned block_ms, unsigned max_ms);
void stt_queue_fini(struct stt_queue *);
/* Samples of at_us; where they lie behind the end of what is there, silence of up to
 * STT_PAUSE_SENT_MS comes in between, that providers find the end of an utterance. */
void stt_queue_add(struct stt_queue *, const int16_t *samples, size_t n, int64_t at_us,
		   bool speaking);
/* Silence behind the end. */
void stt_queue_pause(struct stt_queue *, int64_t ms);
/* The end of what is there; 0: nothing came yet. */
int64_t stt_queue_end_us(const struct stt_queue *);
/* What is not full yet may be sent as it is. */
void stt_queue_seal(struct stt_queue *);
/* The next block to be sent: full, or sealed; NULL: none. */
struct stt_block *stt_queue_due(const struct stt_queue *);
void stt_queue_sent(struct stt_queue *);
/* What ends until then need not be sent again. */
void stt_queue_settle(struct stt_queue *, int64_t until_us);
/* Everything that is there is to be sent (again). */
void stt_queue_rewind(struct stt_queue *);
/* The first block is not needed any more. */
void stt_queue_drop_first(struct stt_queue *);

int64_t stt_block_end_us(const struct stt_queue *, const struct stt_block *);
/* A block as 16-bit samples; gives how many. `out` has room for block_n. */
unsigned stt_block_pcm(const struct stt_queue *, const struct stt_block *, int16_t *out);

#endif
