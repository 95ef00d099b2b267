/* One poisoned input must never keep the core down.
 *
 * Before a record is applied its key is noted in a small file map that survives the process; a
 * crash (SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL - not SIGKILL) marks the map. At the next start
 * the keys found are counted in poison.list, and a record that was being applied at two crashes is
 * skipped from then on: the call is flagged, the record goes to quarantine. The key is made of what
 * the record says, not of its number: a record that crashed the core may not have reached the disk,
 * and its number then goes to another.
 *
 * Slots: one per lane, one for replay at start, one for the projector; each is written by one
 * thread. An import has a folder and slots of its own (batch.c). */
#ifndef CALLMEND_INGEST_POISON_H
#define CALLMEND_INGEST_POISON_H

#include <stdbool.h>
#include <stdint.h>

#include "callmend/record.h"

enum { POISON_SLOTS = 66, POISON_SLOT_REPLAY = 64, POISON_SLOT_PROJECTOR = 65 };

struct poison;
MUST int poison_open(struct poison **out, const char *state_dir, struct fault *f);
void poison_free(struct poison *);
/* The same, for who will not apply these records again: the files go, unless something is counted.
 */
void poison_end(struct poison *);
/* Of call, kind and body; never 0. */
uint64_t poison_key(const struct record *);
void poison_enter(struct poison *, unsigned slot, uint64_t key);
void poison_leave(struct poison *, unsigned slot);
/* The list alone, for replay: marks nothing. */
MUST int poison_read(struct poison **out, const char *state_dir, struct fault *f);
/* Must this record be skipped? Costs nothing when the list is empty. */
bool poison_skip_record(const struct poison *, const struct record *);
/* Must the record with this key be skipped? */
bool poison_skip(const struct poison *, uint64_t key);

#endif
