/* Finished calls in batches: records of files and provider APIs through the same sessions as live
 * webhooks, into the same rows.
 *
 *   record -> format -> dialect -> session -> rows + position + totals, in one transaction
 *
 * An import has an id (its journal id); its records are numbered from 1, and its position says how
 * many are stored. Whoever is killed at any moment opens the same import again, gives the same
 * records in the same order, and those that are stored change nothing. Calls that were there before
 * are duplicates and stay as they are. Nothing is sent out. One thread. */
#ifndef CALLMEND_INGEST_BATCH_H
#define CALLMEND_INGEST_BATCH_H

#include "callmend/directory.h"
#include "callmend/format.h"
#include "callmend/store.h"

struct batch;

enum { BATCH_MISTAKES = 100, BATCH_PATIENCE_MS = 60000 };

/* SAME_RECORDS: what was stored before comes again and is passed over. NEW_RECORDS: what comes
 * follows what was stored before. */
enum batch_resume { BATCH_SAME_RECORDS, BATCH_NEW_RECORDS };

struct batch_config {
	const char *url; /* of PostgreSQL; NULL: dry run, nothing is stored or looked up */
	struct uuid id;
	const char *name;	     /* for people: the file, or the provider */
	const struct format *format; /* NULL: each record shows which it is */
	const struct directory *directory;
	const struct dir_source *source;
	enum batch_resume resume;
	bool anew; /* calls that are there are no duplicates: sounds take the place of what they
		      were told before (live calls must not be given) */
	/* Not nil: this call was followed live. Of the one sound that is given only what its words
	 * mean is added to what the call was told, and nothing when it has words by then. */
	struct uuid words_of;
	int64_t since_us, until_us;	    /* a pull's window; 0: none */
	struct span ai_labels, user_labels; /* transcripts (callmend/format.h) */
	/* Folder of its own, made and taken away again, to remember in which record brought the
	 * process down (ingest/poison.h); NULL: nothing is remembered. One batch of a process at a
	 * time has one. */
	const char *poison_dir;
	int64_t patience_ms; /* how long to wait for PostgreSQL; 0: BATCH_PATIENCE_MS */
	/* A record is bad; also told of the hundred-first. */
	void (*mistake)(void *user, uint64_t record, size_t line, struct span id,
			const char *error);
	bool (*stopping)(void *user); /* NULL: never; true: what is not stored is given up */
	void *user;
};

struct batch_counts {
	uint64_t records, imported, duplicates, bad, skipped; /* of the whole import */
	uint64_t before; /* records that had been stored when it was opened */
	uint64_t events, messages, tool_calls, tool_results; /* of this run */
};

struct batch_record {
	struct span text;
	size_t line;
	bool is_text;
	int64_t fallback_us; /* when the call was, if it does not say so */
	const char *broken;  /* why there is no record here; NULL: there is */
};

/* A call of which there is nothing but its sound: what was heard of it, and its recording. It takes
 * SOUND_RECORDS record numbers. */
struct batch_heard {
	int64_t at_us;
	struct span body; /* of a HEARD record (callmend/heard.h) */
};
enum { SOUND_RECORDS = 4096, SOUND_HEARD_MAX = 16000 };
struct batch_sound {
	struct span id; /* the call's */
	int64_t started_us, ended_us;
	const struct batch_heard *heard;
	size_t heard_n;		       /* the rest is left out */
	const char *recording, *peaks; /* JSON, as row_recording.sql takes them */
};

/* E_NOT_FOUND: no such source. E_UNAVAILABLE: PostgreSQL. */
MUST int batch_open(struct batch **out, const struct batch_config *, struct fault *f);
/* Copies. Stored when enough have come together. E_CONFLICT: another process runs this import.
 * E_UNAVAILABLE: PostgreSQL stayed away, or stopping. After a failure only batch_free. */
MUST int batch_add(struct batch *, const struct batch_record *, struct fault *f);
/* The same for a sound, stored at once. */
MUST int batch_add_sound(struct batch *, const struct batch_sound *, struct fault *f);
/* Would a call of this id be brought in as the next record? false: that record is stored already,
 * or the call is there. Stores what has come so far. */
MUST int batch_wants(struct batch *, struct span id, struct uuid *call, bool *wants,
		     struct fault *f);
/* Stores what has come so far. */
MUST int batch_flush(struct batch *, struct fault *f);
/* No more records: closes calls whose messages came one by one, stores, marks the import done. */
MUST int batch_finish(struct batch *, struct fault *f);
/* It could not go on: shown as failed until somebody opens it again. */
void batch_give_up(struct batch *);
void batch_counts(const struct batch *, struct batch_counts *out); /* of what is stored */
void batch_free(struct batch *);
DEFINE_SCOPED(batch)

#endif
