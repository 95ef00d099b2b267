/* Memory for many things of one size that live long and are touched by turns: blocks in slabs of
 * 2 MiB, aligned to that, which the kernel is asked to back with one large page each. So a thousand
 * calls need a few entries of the processor's page tables instead of thousands, and memory is given
 * in few large faults instead of one for each 4 KiB.
 *
 * A large page is there as a whole or not: a pool's last slab wastes what is not taken of it. So a
 * slab gets its large page when it is full, and from the beginning only in a pool that has many.
 * Where the kernel knows no such pages (or not now) nothing but speed is lost.
 *
 * Not locked: a pool and its blocks belong to one thread at a time. Memory that cannot be had ends
 * the process (CHECK), as everywhere. */
#ifndef CALLMEND_BASE_POOL_H
#define CALLMEND_BASE_POOL_H

#include <stddef.h>

enum { POOL_SLAB_BYTES = 2 << 20, POOL_BLOCK_MAX = POOL_SLAB_BYTES / 2, POOL_ALIGN = 64 };

struct pool;
/* Blocks of so many bytes, at most POOL_BLOCK_MAX; rounded up to POOL_ALIGN, which they have. */
struct pool *pool_new(size_t block_bytes);
/* With all its blocks. NULL is nothing. */
void pool_free(struct pool *);
size_t pool_block_bytes(const struct pool *);
/* As it was left, or zero. */
void *pool_take(struct pool *);
/* To the pool it was taken from. */
void pool_give(void *block);
/* Of slabs without a block in use, an eighth (one at least) goes back to the system; one stays.
 * Called four times a minute, what comes and goes finds its memory there (to get it anew can cost
 * more than all that is done with it), and what a peak has left is gone within some minutes. */
void pool_trim(struct pool *);
/* How many there are: for tests and figures. */
size_t pool_slabs(const struct pool *);

#endif
