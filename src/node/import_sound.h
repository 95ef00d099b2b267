/* A sound file becomes a finished call: what is heard in it goes through the same pipeline as live
 * audio, its recording is kept as Ogg Opus with its waveform. */
#ifndef CALLMEND_NODE_IMPORT_SOUND_H
#define CALLMEND_NODE_IMPORT_SOUND_H

#include "callmend/directory.h"
#include "callmend/heard.h"
#include "ingest/batch.h"

struct import_sound {
	struct batch *batch;
	const struct directory *directory;
	const struct dir_source *source;
	const char *folder; /* of recordings; NULL: dry run */
	bool assistant_first;
	struct span id;	  /* the call's, made of the file's content */
	int64_t mtime_us; /* of the file: when the call ended, unless the file says more */
	int64_t start_us; /* when it began; 0: as above */
	/* TRANSCRIPT facts, in the order in which they end, that are heard besides. */
	const struct heard *words;
	size_t words_n;
	bool (*stopping)(void *);
};

/* A file that cannot be read is a bad record of the batch. E_IO: the recording cannot be written;
 * others: of the batch, or stopping. */
MUST int import_sound(const struct import_sound *, const char *path, struct fault *f);

#endif
