/* Counts what a thread asks the allocator for: malloc and its relatives are replaced in the test's
 * program, and so in every library it loads. */
#ifndef TESTS_NET_ALLOCATIONS_H
#define TESTS_NET_ALLOCATIONS_H

#include <stdbool.h>
#include <stddef.h>

/* Of the calling thread, from now on or no longer. Under a sanitizer, which has an allocator of its
 * own, nothing is ever counted. */
void allocations_watch(bool on);
/* What the calling thread does in between is not counted, watched or not. */
void allocations_pause(void);
void allocations_go_on(void);
long allocations_seen(void); /* by all watched threads; forgets them */
/* malloc that is never counted: for a library whose business it is. */
void *allocations_uncounted(size_t n);

#endif
