/* What imports and pulls have in common: the database, and the source their calls are put under. */
#ifndef CALLMEND_NODE_INTAKE_H
#define CALLMEND_NODE_INTAKE_H

#include "callmend/directory.h"
#include "ingest/batch.h"
#include "node/verbs.h"

enum {
	EXIT_SOME_BAD = 3, /* everything else was brought in */
};

struct intake {
	const struct config *config;
	struct buf url; /* of PostgreSQL; empty: dry run */
	const struct directory *directory;
	const struct dir_source *source;
};

/* `source`: a name, or DIALECT/NAME where several have it, or an id. E_NOT_FOUND: there is none;
 * E_INVALID: several. intake_fini in every case. */
MUST int intake_open(struct intake *, const struct config *, const char *source, struct fault *f);
/* A source of nowhere, without database: for looking at files only. */
MUST int intake_pretend(struct intake *, const struct config *, struct fault *f);
void intake_fini(struct intake *);

/* From now on SIGINT and SIGTERM end the work in order. */
void intake_watch_signals(void);
bool intake_stopping(void *unused);

/* Where an import remembers which record brought it down (batch_config.poison_dir). NULL: all pulls
 * of the source, each of which is an import of its own. */
void intake_poison_dir(const struct intake *, const struct uuid *import, struct buf *out);

/* "record 17 (line 17, id x): ..." on stderr, for batch_config.mistake. */
void intake_mistake(void *unused, uint64_t record, size_t line, struct span id, const char *error);
/* What came of it, on stdout; the exit status. `seconds`: how long it took. */
int intake_report(const struct verb_call *, const struct uuid *import, const struct batch_counts *,
		  double seconds);

#endif
