/* Recordings of running calls: a WAV file for each leg, written by a thread of its own.
 *
 *   shard: recorder_write() ── full block ──► inbox (lock-free) ──► disk thread ──► file
 *             ▲                                                         │
 *             └───────────────── pool of blocks ◄───────────────────────┘
 *
 * A leg is written in its own format where WAV has one (G.711, L16), else as PCM. The place in the
 * file is the place on the leg's clock: what is missing is silence, and so is what came while it
 * was paused. Files are <folder>/<yyyy-mm-dd>/<call id>/<n>-<leg>.wav, n being when the leg began
 * (ms since 1970), mode 0600, locked (flock) as long as they are written: whoever gets the lock
 * finds a file that nobody will change any more, also after a crash (record/wav.h).
 *
 * Failure modes
 *   disk full, less than the free space to be left, I/O errors, file too large
 *                      this recording stops; recorder_failed() says why; the call goes on, others
 * are tried on their own no block free      the frame is dropped and counted; silence in its place
 *   killed             what stood in its last block (BLOCK_BYTES: a second of µ-law) is lost
 */
#ifndef CALLMEND_RECORD_RECORDER_H
#define CALLMEND_RECORD_RECORDER_H

#include <sys/types.h>

#include "callmend/span.h"
#include "callmend/uuid.h"
#include "record/wav.h"

struct recorder;
struct recording; /* of one leg */

struct recorder_config {
	const char *folder;	 /* made with mode 0700 */
	size_t memory_bytes;	 /* of all blocks; taken when used */
	uint64_t file_bytes_max; /* of one file */
	uint64_t free_bytes_min; /* to be left in the file system */
	/* NULL: pwrite. For tests. */
	ssize_t (*write)(int fd, const void *bytes, size_t n, off_t at);
};
MUST int recorder_new(struct recorder **out, const struct recorder_config *, struct fault *f);
/* After the last recorder_close(), whose files are finished first. */
void recorder_free(struct recorder *);

struct recorder_leg {
	struct uuid call;
	struct wav_note note;
	struct wav_shape shape; /* of one channel */
};
/* Any thread. Allocates; the file is made by the disk thread. While the call is not known any other
 * id will do. */
struct recording *recorder_open(struct recorder *, const struct recorder_leg *);

/* It belongs to this call from now on: its file moves there. Allocates. */
void recorder_move(struct recording *, const struct uuid *call);

/* What it has from here on (in samples, as below) is silence. Allocates. */
void recorder_blank(struct recording *, int64_t position);

/* All below: one thread at a time for each recording; no locks, nothing is allocated. */

/* `bytes` are whole samples of the shape, the first of them at `position` (in samples since the leg
 * began). What overlaps what is there is left out. E_FULL: dropped, no block was free. E_CLOSED:
 * the recording has failed. */
MUST int recorder_write(struct recording *, int64_t position, struct span bytes);
void recorder_pause(struct recording *, bool paused);
/* NULL: it goes well. Static text. */
const char *recorder_failed(const struct recording *);
int64_t recorder_ms(const struct recording *); /* so long it is by now */
/* start_us: as known in the end. The recording is gone afterwards. */
void recorder_close(struct recording *, int64_t start_us);

#endif
